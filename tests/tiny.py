"""The real model classes at a size of some kilobytes, with random weights, laid out like the hub's cache.

Every class is the one that the published weights are loaded into; only widths and depths are small. Where zero or tiny
initial weights would hide whether an input matters (ControlNet's zero convolutions, the text), they are drawn larger.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from identigen.models import REGISTRY, release
from identigen.settings import Settings

COMMIT = "feed" + "0" * 36
SIDE = 64


@contextmanager
def small_records() -> Iterator[None]:
    """Let the registry's models work at 64 px and in two steps for as long as the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("sdxl-inpainting", "flux2-klein-4b"):
            patch.setitem(REGISTRY, name, replace(REGISTRY[name], side=SIDE, steps=2))
        patch.setitem(REGISTRY, "lama", replace(REGISTRY["lama"], side=SIDE))
        try:
            yield
        finally:
            for name in ("sdxl-inpainting", "flux2-klein-4b"):
                release(f"painter:{name}")


@contextmanager
def cache(tmp: Path, *names: str) -> Iterator[Settings]:
    """Settings whose cache holds the named models, and the registry at their small size."""
    hub = tmp / "hub"
    hub.mkdir()
    for name in names:
        source = _built(name)
        (hub / source.name).symlink_to(source, target_is_directory=True)
    with small_records():
        yield Settings(cache_dir=str(tmp), offline=True, device="cpu")


@functools.cache
def _home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="identigen-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _built(name: str) -> Path:
    """Build a model once for the whole test run."""
    import torch

    store = _home() / f"models--{REGISTRY[name].source.replace('/', '--')}"
    (store / "refs").mkdir(parents=True)
    (store / "refs" / "main").write_text(COMMIT)
    torch.manual_seed(0)
    with _silence():
        _BUILDERS[name](store / "snapshots" / COMMIT)
    return store


@contextmanager
def _silence() -> Iterator[None]:
    """What these libraries say while they build and save models is not about the product."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _characters() -> list[str]:
    """The 256 printable stand-ins for bytes that GPT-2's tokenizers use."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    words = _characters() + [f"{character}</w>" for character in _characters()]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _qwen_tokenizer() -> Any:
    from transformers import Qwen2TokenizerFast

    words = [*_characters(), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Qwen2TokenizerFast(vocab={word: number for number, word in enumerate(words)}, merges=[])
    tokenizer.model_max_length = 512
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    )
    return tokenizer


def _louder(module: Any, part: str, factor: float) -> None:
    """Make the weights whose name holds `part` larger, so that their input is heard."""
    import torch

    with torch.no_grad():
        for name, weight in module.named_parameters():
            if part in name:
                weight.copy_(torch.randn_like(weight) * factor)


def _unet_shape() -> dict[str, Any]:
    return {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "attention_head_dim": (1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 1),
        "projection_class_embeddings_input_dim": 16 + 6 * 8,
        "cross_attention_dim": 32,
    }


def _vae_shape() -> dict[str, Any]:
    return {
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "sample_size": SIDE,
    }


def build_unet() -> Any:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=9,
        out_channels=4,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **_unet_shape(),
    )
    _louder(unet, "attn2", 0.7)
    return unet


def build_sdxl(folder: Path) -> None:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = _clip_tokenizer()
    start, end = tokenizer.convert_tokens_to_ids(["<|startoftext|>", "<|endoftext|>"])
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    encoders = CLIPTextModel(config), CLIPTextModelWithProjection(config)
    for encoder in encoders:
        _louder(encoder, "token_embedding", 1.0)
    pipe = StableDiffusionXLInpaintPipeline(
        vae=AutoencoderKL(**_vae_shape()),
        text_encoder=encoders[0],
        text_encoder_2=encoders[1],
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=build_unet(),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        add_watermarker=False,
    )
    pipe.save_pretrained(folder, variant="fp16")


def build_controlnet(folder: Path) -> None:
    from diffusers import ControlNetModel

    control = ControlNetModel(in_channels=4, conditioning_embedding_out_channels=(4, 4, 4, 4), **_unet_shape())
    _louder(control, "controlnet", 1.0)
    control.save_pretrained(folder)


def build_lora(folder: Path) -> None:
    from diffusers import StableDiffusionXLInpaintPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = build_unet()
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    StableDiffusionXLInpaintPipeline.save_lora_weights(str(folder), unet_lora_layers=layers)


def build_klein(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinInpaintPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = _qwen_tokenizer()
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=28,  # the pipeline reads the layers 9, 18 and 27
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=512,
        )
    )
    _louder(text_encoder, "embed_tokens", 1.0)
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    _louder(transformer, "context_embedder", 1.0)
    pipe = Flux2KleinInpaintPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=AutoencoderKLFlux2(**_vae_shape()),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=True,
    )
    pipe.save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = "Flux2KleinPipeline"  # as published: the inpainting class is named by our record
    (folder / "model_index.json").write_text(json.dumps(index))


def build_sam(folder: Path) -> None:
    """As published: a model for videos, of which the part for pictures is used."""
    from transformers import Sam2ImageProcessorFast, Sam2VideoConfig, Sam2VideoModel

    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": {
                "hidden_size": 8,
                "num_attention_heads": 1,
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [8, 4, 8, 4],
                "global_attention_blocks": [3],
                "image_size": [128, 128],
                "window_positional_embedding_background_size": [4, 4],
                "model_type": "sam2_hiera_det_model",
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_depth": 2,
            "iou_head_hidden_dim": 16,
        },
        image_size=128,
        memory_attention_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
    )
    model = Sam2VideoModel(config)
    _louder(model, "mask_decoder", 0.3)
    _louder(model, "prompt_encoder", 0.5)
    model.save_pretrained(folder)
    sizes = {"size": {"height": 128, "width": 128}, "mask_size": {"height": 32, "width": 32}}
    Sam2ImageProcessorFast(**sizes).save_pretrained(folder)
    together = {"point_pad_value": -10, "processor_class": "Sam2VideoProcessor", "target_size": 128}
    (folder / "processor_config.json").write_text(json.dumps(together))


def build_clip(folder: Path) -> None:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    tokenizer = _clip_tokenizer()
    start, end = tokenizer.convert_tokens_to_ids(["<|startoftext|>", "<|endoftext|>"])
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = CLIPModel(
        CLIPConfig(
            text_config={"vocab_size": len(tokenizer), "bos_token_id": start, "eos_token_id": end, **shape},
            vision_config={"image_size": 224, "patch_size": 32, **shape},
            projection_dim=16,
        )
    )
    for part in ("embedding", "projection"):
        _louder(model, part, 1.0)
    folder.mkdir(parents=True)
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}).save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")  # as published: not in the safetensors format
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (folder / name).touch() if name.endswith("txt") else (folder / name).write_text("{}")
    (folder / "merges.txt").write_text("#version: 0.2\n")


def build_lama(folder: Path) -> None:
    """A graph with LaMa's inputs and outputs and a foretold answer: the hole becomes 1 minus the picture's mean."""
    import onnx
    from onnx import TensorProto, helper

    picture = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    constant = helper.make_node
    nodes = [
        constant("Constant", [], ["one"], value=helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])),
        constant("Constant", [], ["scale"], value=helper.make_tensor("scale", TensorProto.FLOAT, [], [255.0])),
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Mul", ["image", "known"], ["kept"]),
        helper.make_node("GlobalAveragePool", ["kept"], ["mean"]),
        helper.make_node("Sub", ["one", "mean"], ["opposite"]),
        helper.make_node("Mul", ["opposite", "mask"], ["filled"]),
        helper.make_node("Add", ["kept", "filled"], ["whole"]),
        helper.make_node("Mul", ["whole", "scale"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "lama", [picture, mask], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / "lama_fp32.onnx"))


def build_sface(folder: Path) -> None:
    """A graph with SFace's input and output: 128 random projections of a face of 8x8 pixels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(3 * 8 * 8, 128)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["small"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sface",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / "face_recognition_sface_2021dec.onnx"))


_BUILDERS: dict[str, Callable[[Path], None]] = {
    "sdxl-inpainting": build_sdxl,
    "sdxl-openpose": build_controlnet,
    "sdxl-lcm-lora": build_lora,
    "flux2-klein-4b": build_klein,
    "sam2.1-tiny": build_sam,
    "clip": build_clip,
    "lama": build_lama,
    "sface": build_sface,
}
