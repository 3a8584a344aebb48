"""Draws into the hole of a square picture: the diffusion models, loaded once, one run at a time.

The models differ in class, steps and guidance; an `Order` does not. What lies inside the mask is wiped out before a
model sees the picture (`wipe`), so that nothing of the person who was there can reach the result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from identigen.crop import Crop
from identigen.errors import EngineError, OutOfMemory, Stopped
from identigen.models import ModelRecord, borrow, record_of
from identigen.models.devices import (
    Tier,
    arrange,
    choose_device,
    choose_dtype,
    choose_tier,
    enough_memory_for,
    free_gigabytes,
    free_memory,
    is_out_of_memory,
    lent_gpu,
    next_tier,
    on_zero_gpu,
)
from identigen.models.loading import read
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.types import Bools, Floats, Mask, Pixels, Stop, Window, read_only

PAINTERS = ("flux2-klein-4b", "flux2-klein-9b", "sdxl-inpainting")
"""Models that can carry out an order, best first; one that was not downloaded or not allowed is passed over."""

SLOW_STEPS = 25
SLOW_GUIDANCE = 6.0
BLACK = 3.0
"""Pictures whose hole is nowhere brighter than this (of 255) are taken for a numeric failure."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class Order:
    """What to draw: plain data, so that it can cross into another process.

    `square` `(side, side, 3)`; `mask` `(side, side)`: draw where True; `skeleton` `(side, side, 3)`: pose, for models
    that take one; `strength` 0..1: how freely the first guess may be left.
    """

    model: str
    square: Pixels
    mask: Bools
    prompt: str
    seed: int
    skeleton: Pixels | None = None
    strength: float = 1.0
    steps: int = 0

    def __post_init__(self) -> None:
        side = self.square.shape[0]
        if self.square.shape != (side, side, 3) or self.mask.shape != (side, side):
            raise ValueError(f"an order is square: {self.square.shape} with a mask of {self.mask.shape}")
        if not self.mask.any():
            raise EngineError("There is nothing to draw: the mask is empty; mark a larger region.")
        object.__setattr__(self, "square", read_only(self.square))
        object.__setattr__(self, "mask", read_only(self.mask))


@dataclass(frozen=True, eq=False, slots=True)
class Painted:
    """The square as the model gave it, `(side, side, 3) float32` in 0..255, and what was noteworthy on the way."""

    pixels: Floats
    tier: Tier
    notices: tuple[str, ...] = ()


def never() -> bool:
    """Nobody asks to stop."""
    return False


def choose_painter(settings: Settings) -> ModelRecord | None:
    """The model that the settings name, or the best one whose weights are here; None when there is none."""
    names = PAINTERS if settings.diffusion_model == "auto" else (settings.diffusion_model,)
    return next((record_of(name) for name in names if is_present(name, settings)), None)


def paint(order: Order, settings: Settings, stop: Stop = never) -> Painted:
    """Carry out an order; nobody else uses the model meanwhile.

    Raises `Stopped` when `stop` turns true, between two denoising steps at the latest; `OutOfMemory` when not even the
    most frugal tier fits; `EngineError` when the model gives no picture; the family of `ModelError` when it cannot be
    loaded.
    """
    return _paint(order, settings, never if on_zero_gpu() else stop)  # a function cannot cross into another process


def load(name: str, settings: Settings) -> None:
    """Load a model now instead of with the first order; on ZeroGPU this must happen before the first request.

    One that is to be compiled draws a first picture, for which the first visitor would wait minutes.
    """
    with borrow(_key(name), lambda: _Easel.set_up(name, settings)) as easel:
        if easel.compiled:
            side = easel.record.side
            blank = Order(name, np.full((side, side, 3), 128, np.uint8), np.ones((side, side), bool), "a face", 0)
            easel.untold += easel.paint(blank, never).notices


def _seconds(order: Order, settings: Settings, stop: Stop = never) -> int:
    """How long ZeroGPU should lend a card for this order."""
    return 15 + 2 * (order.steps or record_of(order.model).steps or SLOW_STEPS)


@lent_gpu(_seconds)
def _paint(order: Order, settings: Settings, stop: Stop = never) -> Painted:
    with borrow(_key(order.model), lambda: _Easel.set_up(order.model, settings)) as easel:
        return easel.paint(order, stop)


def _key(name: str) -> str:
    return f"painter:{name}"


# ---------------------------------------------------------------- the loaded model


@dataclass(slots=True)
class _Easel:
    """A pipeline on its device. `plain` shares every weight with `pipe`, which may have a ControlNet more."""

    record: ModelRecord
    pipe: Any
    plain: Any
    device: str
    tier: Tier
    fast: bool = True
    compiled: bool = False
    untold: list[str] = field(default_factory=list)
    """What the next one to get a picture should know."""

    @classmethod
    def set_up(cls, name: str, settings: Settings) -> _Easel:
        record = record_of(name)
        device = choose_device(settings.device, may_be_lent=True)
        with enough_memory_for(name, "this machine"):
            pipe, plain, fast = _BUILDERS[record.runs_in](record, settings, choose_dtype(device))
        extra = record_of("sdxl-openpose").vram_gigabytes if pipe is not plain else 0.0
        free = free_gigabytes(device)
        tier = choose_tier(settings.memory, record.vram_gigabytes + extra, record.largest_gigabytes + extra, free)
        easel = cls(record, pipe, plain, device, tier, fast)
        easel.arrange()
        if settings.compile and easel.tier == "full" and not on_zero_gpu():
            easel.compile()
        return easel

    def arrange(self) -> None:
        """Bring the pipeline into its tier, or into the first one below that fits."""
        while not _fits(lambda: arrange(self.pipe, self.tier, self.device)):
            self.step_down()

    def compile(self) -> None:
        """Compile the blocks that repeat in the denoiser: seconds instead of minutes, and most of the gain."""
        denoiser = getattr(self.pipe, "transformer", None) or self.pipe.unet
        denoiser.compile_repeated_blocks(fullgraph=True)
        self.compiled = True

    def step_down(self) -> None:
        """Go one tier lower and remember to say so; raise `OutOfMemory` below the last."""
        lower = next_tier(self.tier)
        if lower is None:
            raise OutOfMemory(
                f"{self.record.name} does not fit into the memory of {self.device}, not even {self.tier}; close other "
                "programs, or choose a smaller model by IDENTIGEN_DIFFUSION_MODEL."
            )
        notice = f"{self.record.name} ran out of memory ({self.tier}); it goes on more slowly ({lower})."
        self.tier = lower
        self.untold.append(notice)
        free_memory(self.device, thoroughly=True)
        _log.warning(notice)

    def paint(self, order: Order, stop: Stop) -> Painted:
        """One picture, in the first tier from the present one on that has the memory for it."""
        pictures: list[Floats] = []
        while not _fits(lambda: pictures.append(self.run(order, stop))):
            self.step_down()
            self.arrange()
        told, self.untold = tuple(self.untold), []
        return Painted(pictures[0], self.tier, told)

    def run(self, order: Order, stop: Stop) -> Floats:
        """One picture; never one that is black, flat or not a number."""
        import torch

        generator = torch.Generator("cpu").manual_seed(order.seed)  # the same picture on every device

        def between_steps(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            pipe._interrupt = pipe._interrupt or stop()
            return tensors

        if stop():
            raise Stopped("Stopped before the picture was begun.")
        with_pose = order.skeleton is not None and self.pipe is not self.plain
        pipe = self.pipe if with_pose else self.plain
        arguments = _ARGUMENTS[self.record.runs_in](self, order, with_pose)
        try:
            picture = pipe(
                **arguments,
                image=_image(wipe(order.square, order.mask)),
                mask_image=_image(np.where(order.mask, 255, 0).astype(np.uint8)),
                prompt=order.prompt,
                height=order.square.shape[0],
                width=order.square.shape[1],
                generator=generator,
                output_type="np",
                callback_on_step_end=between_steps,
            ).images[0]
        finally:
            free_memory(self.device)
        if pipe._interrupt:
            raise Stopped("Stopped in the middle of a picture.")
        return _require_picture(np.asarray(picture, np.float32) * 255.0, order)


def _fits(work: Callable[[], None]) -> bool:
    """Do `work`; False when the memory was not enough for it.

    Whoever goes on does so after the `except` block, which would keep the failed tensors alive.
    """
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _require_picture(picture: Floats, order: Order) -> Floats:
    inside = picture[order.mask]
    if not np.isfinite(inside).all():
        raise EngineError(f"{order.model} gave no picture (numbers overflowed); set IDENTIGEN_DEVICE=cpu to be sure.")
    if float(inside.max()) <= BLACK or float(inside.std()) < 1e-3:
        raise EngineError(f"{order.model} gave an empty picture; try another seed, or pull its weights again.")
    return picture


def _image(array: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(array)


# ---------------------------------------------------------------- the models


def _arguments_sdxl(easel: _Easel, order: Order, with_pose: bool) -> dict[str, Any]:
    steps = order.steps or (easel.record.steps if easel.fast else SLOW_STEPS)
    strength = min(order.strength, 0.99)  # the model's card: at 1 it draws greyish noise
    arguments: dict[str, Any] = {
        "strength": strength,
        # The pipeline leaves out the share of steps that strength saves; the user asked for `steps` of them.
        "num_inference_steps": int(np.ceil(steps / strength)),
        "guidance_scale": 1.0 if easel.fast else SLOW_GUIDANCE,
        "negative_prompt": "painting, drawing, deformed, blurred, text",
    }
    if with_pose:
        arguments["control_image"] = _image(np.ascontiguousarray(order.skeleton))
        arguments["controlnet_conditioning_scale"] = 0.9
    return arguments


def _arguments_klein(easel: _Easel, order: Order, with_pose: bool) -> dict[str, Any]:
    # Distilled: guidance is ignored, and fewer than all steps leave a blurred picture.
    return {"strength": 1.0, "num_inference_steps": order.steps or easel.record.steps, "guidance_scale": 1.0}


def _build_sdxl(record: ModelRecord, settings: Settings, dtype: Any) -> tuple[Any, Any, bool]:
    """SDXL inpainting (Podell et al. 2023), a few-step LoRA (Luo et al. 2023) and a ControlNet (Zhang et al. 2023)."""
    import diffusers

    options = {"dtype": dtype, "variant": record.variant, "add_watermarker": False}
    plain = read(diffusers.StableDiffusionXLInpaintPipeline, record.name, locate(record.name, settings), **options)
    plain.set_progress_bar_config(disable=True)
    fast = is_present("sdxl-lcm-lora", settings)
    if fast:
        lora = locate("sdxl-lcm-lora", settings)
        plain.load_lora_weights(lora, weight_name="pytorch_lora_weights.safetensors", local_files_only=True)
        plain.fuse_lora()
        plain.unload_lora_weights()
        plain.scheduler = diffusers.LCMScheduler.from_config(plain.scheduler.config)
    if not is_present("sdxl-openpose", settings):
        return plain, plain, fast
    control = read(diffusers.ControlNetModel, "sdxl-openpose", locate("sdxl-openpose", settings), dtype=dtype)
    pipe = diffusers.StableDiffusionXLControlNetInpaintPipeline(
        **plain.components, controlnet=control, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe, plain, fast


def _build_klein(record: ModelRecord, settings: Settings, dtype: Any) -> tuple[Any, Any, bool]:
    """FLUX.2 [klein] (Black Forest Labs 2026), distilled to four steps."""
    import diffusers

    pipe = read(diffusers.Flux2KleinInpaintPipeline, record.name, locate(record.name, settings), dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe, pipe, True


_BUILDERS = {
    "diffusers.StableDiffusionXLInpaintPipeline": _build_sdxl,
    "diffusers.Flux2KleinInpaintPipeline": _build_klein,
}
_ARGUMENTS = {
    "diffusers.StableDiffusionXLInpaintPipeline": _arguments_sdxl,
    "diffusers.Flux2KleinInpaintPipeline": _arguments_klein,
}


# ---------------------------------------------------------------- pure parts


def hidden_in(crop: Crop, *regions: Mask) -> Bools:
    """What a model must not see of a crop, as `(side, side)`: every pixel that any pixel of the regions had a part in.

    Where the crop reaches over the photo its border was repeated: pixels repeated out of a region are hidden as well.
    """
    height, width = regions[0].photo_size
    w = crop.window
    inside = w.intersection(Window(0, 0, width, height))
    seen = np.zeros((inside.height, inside.width), bool)
    for region in regions:
        seen |= region.within(inside)
    margins = (inside.top - w.top, w.bottom - inside.bottom, inside.left - w.left, w.right - inside.right)
    share = cv2.copyMakeBorder(seen.astype(np.float32), *margins, cv2.BORDER_REPLICATE)
    method = cv2.INTER_AREA if crop.side < w.width else cv2.INTER_LINEAR
    share = cv2.resize(share, (crop.side, crop.side), interpolation=method)
    # A pixel of the photo reaches two of its own widths into a picture that was enlarged by cubic interpolation.
    reach = max(1, int(np.ceil(2 * crop.scale)))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate((share > 0).astype(np.uint8), kernel) > 0)


def wipe(square: Pixels, mask: Bools) -> Pixels:
    """Replace what is inside the mask by a smooth continuation of what is outside: no pixel inside is ever read.

    Push-pull (Gortler et al. 1996): averages of the known pixels at every scale, the finest known one wins.
    """
    known = (~mask).astype(np.float32)
    return _push_pull(square.astype(np.float32) * known[:, :, None], known).round().clip(0, 255).astype(np.uint8)


def _push_pull(colours: Floats, weight: Floats) -> Floats:
    """Fill where `weight` is 0; `colours` are already multiplied by their weight."""
    if min(weight.shape) == 1:
        mean = colours.sum((0, 1)) / max(float(weight.sum()), 1e-6) if weight.any() else np.full(3, 128.0)
        coarse = np.broadcast_to(mean.astype(np.float32), colours.shape)
    else:
        half = (max(1, weight.shape[1] // 2), max(1, weight.shape[0] // 2))
        smaller = _push_pull(
            np.asarray(cv2.resize(colours, half, interpolation=cv2.INTER_AREA), np.float32),
            np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), np.float32),
        )
        coarse = cv2.resize(smaller, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    own = np.minimum(weight, 1.0)[:, :, None]
    colour = colours / np.maximum(weight, 1e-6)[:, :, None]
    return np.asarray(own * colour + (1.0 - own) * coarse, np.float32)


def match_colours(painted: Floats, square: Pixels, mask: Bools) -> Floats:
    """Take back the colour shift that a model gave to pixels it should have left alone.

    It is read off a ring around the mask, as the median of the differences: edges that were drawn anew must not count.
    At most 24 of 255 are taken back.
    """
    radius = max(2, mask.shape[0] // 32)
    wide = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2))
    ring = (wide > 0) & ~mask
    if not ring.any():
        return painted
    shift = np.median(square[ring].astype(np.float32) - painted[ring], axis=0)
    return np.asarray(painted + np.clip(shift, -24.0, 24.0), np.float32)
