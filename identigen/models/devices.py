"""Where a model runs, in which number format, and how much of it stays on the card.

Four tiers, each slower and smaller than the one before:

    full        everything stays on the device
    offload     the parts take turns on the device (text encoder, denoiser, decoder)
    tiled       offload, and the decoder works in tiles
    quantised   tiled, and the weights of the large parts are stored in 8 bits
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from identigen.errors import EngineError, OutOfMemory
from identigen.settings import MemoryChoice

if TYPE_CHECKING:
    import torch

Tier = Literal["full", "offload", "tiled", "quantised"]
TIERS: tuple[Tier, ...] = ("full", "offload", "tiled", "quantised")

PICTURE_GB = 4.0
"""What drawing one picture of 1024 px takes beside the weights, decoding it included."""
TILED_PICTURE_GB = 1.5

_LARGE = ("unet", "transformer", "controlnet")
_KEPT_PRECISE = ("embed", "norm", "lm_head")
_LARGE_TEXT_ENCODER = 1_000_000_000
_NO_MEMORY = ("out of memory", "allocate memory", "tried to allocate", "alloc_failed")

F = TypeVar("F", bound=Callable[..., Any])


def choose_device(asked: str = "auto", *, may_be_lent: bool = False) -> str:
    """The device by name; raise `EngineError` for one that this machine does not have.

    On ZeroGPU there is a card only inside functions that `lent_gpu` decorates: they set `may_be_lent`.
    """
    if on_zero_gpu():
        return "cuda" if may_be_lent else "cpu"
    import torch

    has_mps = torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    kind, _, number = asked.partition(":")
    if kind == "mps" and not has_mps:
        raise EngineError("IDENTIGEN_DEVICE is mps, but this machine has no Apple GPU; set it to auto.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise EngineError(
            "IDENTIGEN_DEVICE is cuda, but torch sees no NVIDIA GPU; install its driver or set it to auto."
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise EngineError(
            f"IDENTIGEN_DEVICE is {asked}, but there are {torch.cuda.device_count()} GPUs, counted from 0."
        )
    return asked


def choose_dtype(device: str) -> torch.dtype:
    """bfloat16 where the card has it (it cannot overflow to black pictures), else float16; float32 on the CPU."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if on_zero_gpu() or torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if device == "mps" else torch.float32


def keep_numpy_to_one_thread() -> None:
    """Let numpy multiply matrices in the calling thread from now on.

    Its threads wait busily for more work and take the cores from torch's: the small products between two calls of a
    network become slower, not faster, and differ in their last digit with the number of cores.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")


def free_gigabytes(device: str) -> float | None:
    """Free memory of a card; None where there is nothing to share: on a processor, and on a card that is lent whole."""
    import torch

    if on_zero_gpu() or not device.startswith("cuda"):
        return None
    return float(torch.cuda.mem_get_info(torch.device(device))[0]) / 1e9


def choose_tier(asked: MemoryChoice, whole: float, largest: float, free: float | None) -> Tier:
    """The first tier that fits: `whole` and `largest` are gigabytes of all weights and of the largest part."""
    if asked != "auto":
        return asked
    if free is None or free >= whole + PICTURE_GB:
        return "full"
    if free >= largest + PICTURE_GB:
        return "offload"
    return "tiled" if free >= largest + TILED_PICTURE_GB else "quantised"


def next_tier(tier: Tier) -> Tier | None:
    """One tier more frugal; None below the last."""
    position = TIERS.index(tier) + 1
    return TIERS[position] if position < len(TIERS) else None


def arrange(pipe: Any, tier: Tier, device: str) -> None:
    """Put a diffusers pipeline on its device in the way of a tier; may be called again for a lower tier."""
    pipe.remove_all_hooks()
    if tier == "full":
        pipe.to(device)
        return
    if tier == "quantised":
        _store_in_eight_bits(pipe)
    if tier in ("tiled", "quantised"):
        pipe.vae.enable_tiling()
        pipe.vae.enable_slicing()
    pipe.enable_model_cpu_offload(device=device)


def _store_in_eight_bits(pipe: Any) -> None:
    """Keep large weights as float8 and widen each layer only while it computes (diffusers' layerwise casting)."""
    import torch
    from diffusers.hooks import apply_layerwise_casting

    pipe.to("cpu")
    for name in _LARGE:
        part = pipe.components.get(name)
        if part is not None:
            apply_layerwise_casting(part, torch.float8_e4m3fn, part.dtype)
    text_encoder = pipe.components.get("text_encoder")
    if text_encoder is not None and sum(p.numel() for p in text_encoder.parameters()) >= _LARGE_TEXT_ENCODER:
        # Its embedding stays wide: its type is what a pipeline takes for the type of all that follows.
        apply_layerwise_casting(
            text_encoder, torch.float8_e4m3fn, text_encoder.dtype, skip_modules_pattern=_KEPT_PRECISE
        )


def free_memory(device: str, thoroughly: bool = False) -> None:
    """Give cached memory back to the card; `thoroughly` takes 0.3 s for what only the garbage collector finds."""
    import torch

    if thoroughly:
        gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether CUDA, Metal, cuBLAS, onnxruntime or the machine itself ran out of memory: they share words, no class."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, Exception) and any(words in str(error).lower() for words in _NO_MEMORY)


@contextmanager
def enough_memory_for(name: str, device: str) -> Iterator[None]:
    """Say in one sentence, as `OutOfMemory`, that a device was too small for a model."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"{name} does not fit into the memory of {device}; close other programs, or set IDENTIGEN_DEVICE=cpu."
        ) from None


def on_zero_gpu() -> bool:
    """Whether this process runs on a shared GPU that is lent for single calls (Hugging Face ZeroGPU)."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


def lent_gpu(seconds: Callable[..., int]) -> Callable[[F], F]:
    """Decorate a function that needs the GPU: on ZeroGPU it runs in a process that has one, elsewhere nothing changes.

    `seconds` is called with the same arguments and says how long the GPU is needed. Arguments and result must be plain
    data that can be pickled.
    """

    def decorate(function: F) -> F:
        if not on_zero_gpu():
            return function
        import spaces

        return cast(F, spaces.GPU(duration=seconds)(function))

    return decorate
