"""Speed and memory of the diffusion engine: real architectures at full size with random weights, through the product.

    python tests/benchmarks/diffusion.py                     # on a GPU: the table
    python tests/benchmarks/diffusion.py --models klein --tiers full,offload,quantised --steps 4,8 --compile
    python tests/benchmarks/diffusion.py --shapes            # parameters of each part; needs no GPU and no memory
    python tests/benchmarks/diffusion.py --tiny              # the script itself, on any machine

Random weights take the same time and memory as trained ones. Nothing is downloaded. What the table cannot tell is how
the pictures look.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny

from identigen.models import borrow, record_of, release
from identigen.models.devices import TIERS, Tier, choose_dtype
from identigen.settings import Settings
from identigen.synthesis import painter
from identigen.synthesis.painter import Order

NAMES = {"sdxl": "sdxl-inpainting", "klein": "flux2-klein-4b"}


@dataclass(frozen=True)
class Row:
    """One measurement: `first` includes warming up (and compiling), `seconds` is the median of the others."""

    model: str
    job: str
    tier: str
    steps: int
    first: float
    seconds: float
    peak_gb: float | None


def main() -> None:
    """Measure what the command line asks for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="sdxl,klein")
    parser.add_argument("--tiers", default="full,offload,quantised", help=", ".join(TIERS))
    parser.add_argument("--steps", default="4,8")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--compile", action="store_true", help="also measure the tier `full` compiled")
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    models = asked.models.split(",")
    if asked.shapes:
        for model in models:
            print_shapes(model)
        return
    if asked.tiny:
        asked.device, asked.side, asked.repeat = "cpu", tiny.SIDE, 1
    elif asked.device.startswith("cuda") and not _has_gpu():
        sys.exit("No GPU here: full-size models need one. `--shapes` and `--tiny` run on any machine.")
    print(_machine(asked.device))
    print(f"{'model':<6} {'job':<5} {'tier':<16} {'steps':>5} {'first s':>8} {'s':>7} {'peak GB':>8}")
    for model in models:
        runs = [(tier, False) for tier in asked.tiers.split(",")] + ([("full", True)] if asked.compile else [])
        for tier, compiled in runs:
            for row in measure(model, tier, compiled, asked):
                peak = "-" if row.peak_gb is None else f"{row.peak_gb:.2f}"
                print(
                    f"{row.model:<6} {row.job:<5} {row.tier:<16} {row.steps:>5} {row.first:>8.2f} {row.seconds:>7.2f} "
                    f"{peak:>8}",
                    flush=True,
                )


def measure(model: str, tier: Tier, compiled: bool, asked: argparse.Namespace) -> Iterator[Row]:
    """Seconds and peak memory of a face (no skeleton) and a body (with one, where the model takes it)."""
    settings = Settings(device=asked.device, memory=tier, engine="diffusion")
    with loaded(model, tier, compiled, asked):
        for job in ("face", "body"):
            for steps in (int(text) for text in asked.steps.split(",")):
                order = example(NAMES[model], job, steps, asked.side)
                _reset_peak(asked.device)
                runs = [_timed(lambda order=order: painter.paint(order, settings)) for _ in range(asked.repeat + 1)]
                done_in = runs[-1][1].tier  # a lower one than asked for where the memory ran out
                label = f"{done_in} compiled" if compiled else done_in
                median = float(np.median([seconds for seconds, _ in runs[1:]]))
                yield Row(model, job, label, steps, runs[0][0], median, _peak(asked.device))


def example(name: str, job: str, steps: int, side: int) -> Order:
    """An order as the engine gives it: half of the square to draw for a face, a tall region for a body."""
    square = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), bool)
    quarter = side // 4
    skeleton = None
    if job == "face":
        mask[quarter:-quarter, quarter:-quarter] = True
    else:
        mask[side // 10 : -side // 10, side // 3 : -side // 3] = True
        skeleton = np.zeros_like(square)
        skeleton[side // 5 : -side // 5, side // 2 - 4 : side // 2 + 4] = (255, 0, 0)
    return Order(name, square, mask, "portrait photo of a middle-aged woman", 1, skeleton, 0.95, steps)


@contextmanager
def loaded(model: str, tier: Tier, compiled: bool, asked: argparse.Namespace) -> Iterator[None]:
    """Put a pipeline with random weights where the product keeps its loaded models."""
    key = painter._key(NAMES[model])
    pipe, plain = _tiny_pipelines(model) if asked.tiny else PIPELINES[model](asked.device)
    for one in (pipe, plain):
        one.set_progress_bar_config(disable=True)
    easel = painter._Easel(record_of(NAMES[model]), pipe, plain, asked.device, tier)
    easel.arrange()
    if compiled:
        easel.compile()
    with borrow(key, lambda ready=easel: ready):
        pass
    try:
        yield
    finally:
        release(key)
        del easel, pipe, plain
        painter.free_memory(asked.device, thoroughly=True)


def _tiny_pipelines(model: str) -> tuple[Any, Any]:
    import tempfile

    extras = ("sdxl-lcm-lora", "sdxl-openpose") if model == "sdxl" else ()
    with tempfile.TemporaryDirectory() as folder, tiny.cache(Path(folder), NAMES[model], *extras) as settings:
        easel = painter._Easel.set_up(NAMES[model], settings)
        return easel.pipe, easel.plain


# ---------------------------------------------------------------- the published shapes


def unet_shape() -> dict[str, Any]:
    """The UNet of SDXL (Podell et al. 2023), as far as its ControlNet has it too."""
    return {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }


def sdxl_parts() -> dict[str, Callable[[], Any]]:
    """Builders of SDXL inpainting and its ControlNet, by name."""
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def text(hidden: int, inner: int, layers: int, heads: int, act: str) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=49408,
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            hidden_act=act,
            projection_dim=hidden,
            eos_token_id=513,  # of the small tokenizer, which stands in for the published one
        )

    return {
        "unet": lambda: UNet2DConditionModel(
            sample_size=128,
            in_channels=9,
            out_channels=4,
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            **unet_shape(),
        ),
        "controlnet": lambda: ControlNetModel(in_channels=4, **unet_shape()),
        "text_encoder": lambda: CLIPTextModel(text(768, 3072, 12, 12, "quick_gelu")),
        "text_encoder_2": lambda: CLIPTextModelWithProjection(text(1280, 5120, 32, 20, "gelu")),
        "vae": lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=2,
            sample_size=1024,
            scaling_factor=0.13025,
        ),
    }


def klein_parts() -> dict[str, Callable[[], Any]]:
    """Builders of FLUX.2 [klein] 4B, by name."""
    from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    qwen = Qwen3Config(
        vocab_size=151936,
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40960,
        tie_word_embeddings=True,
    )
    return {
        "transformer": lambda: Flux2Transformer2DModel(
            in_channels=128,
            num_layers=5,
            num_single_layers=20,
            num_attention_heads=24,
            attention_head_dim=128,
            joint_attention_dim=7680,
            guidance_embeds=False,
        ),
        "text_encoder": lambda: Qwen3ForCausalLM(qwen),
        "vae": AutoencoderKLFlux2,
    }


PARTS = {"sdxl": sdxl_parts, "klein": klein_parts}


def build_sdxl(device: str) -> tuple[Any, Any]:
    """The pipelines that the product builds from SDXL's files, with random weights."""
    from diffusers import (
        LCMScheduler,
        StableDiffusionXLControlNetInpaintPipeline,
        StableDiffusionXLInpaintPipeline,
    )

    parts = _random(sdxl_parts(), device)
    control = parts.pop("controlnet")
    tokenizer = tiny._clip_tokenizer()
    scheduler = LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    plain = StableDiffusionXLInpaintPipeline(
        **parts, tokenizer=tokenizer, tokenizer_2=tokenizer, scheduler=scheduler, add_watermarker=False
    )
    pipe = StableDiffusionXLControlNetInpaintPipeline(**plain.components, controlnet=control, add_watermarker=False)
    return pipe, plain


def build_klein(device: str) -> tuple[Any, Any]:
    """The pipeline that the product builds from klein's files, with random weights."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinInpaintPipeline

    pipe = Flux2KleinInpaintPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        tokenizer=tiny._qwen_tokenizer(),
        is_distilled=True,
        **_random(klein_parts(), device),
    )
    return pipe, pipe


PIPELINES = {"sdxl": build_sdxl, "klein": build_klein}


def _random(parts: dict[str, Callable[[], Any]], device: str) -> dict[str, Any]:
    """Build parts on the device in its number format; drawing four billion numbers on a processor takes minutes."""
    import torch

    built = {}
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    for name, build in parts.items():
        torch.set_default_dtype(choose_dtype(device))
        try:
            with torch.device(device):
                built[name] = build().eval().requires_grad_(False)
        finally:
            torch.set_default_dtype(before)
        built[name].to("cpu")  # the tier decides what goes where
    return built


def print_shapes(model: str) -> None:
    """Parameters of each part, counted without memory for them: to be compared with the published figures."""
    import torch

    for name, build in PARTS[model]().items():
        with torch.device("meta"):
            count = sum(weight.numel() for weight in build().parameters())
        print(f"{model:<6} {name:<15} {count / 1e9:6.3f} billion parameters")


# ---------------------------------------------------------------- measuring


def _timed(work: Callable[[], painter.Painted]) -> tuple[float, painter.Painted]:
    start = time.perf_counter()
    painted = work()  # ends with pixels in the processor's memory: nothing is left to wait for
    return time.perf_counter() - start, painted


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _reset_peak(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float | None:
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if device.startswith("cuda") else None


def _machine(device: str) -> str:
    import diffusers
    import torch

    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"{device}: no peak is measured"
    return f"{name}; torch {torch.__version__}, diffusers {diffusers.__version__}; random weights"


if __name__ == "__main__":
    main()
