"""Background prediction by LaMa (Suvorov et al. 2022) on onnxruntime: no prompt, nobody invented, any machine.

The network sees 512 x 512 pixels. What it fills in a larger place is scaled up and therefore soft; the exemplar method
stays sharp there.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from identigen.background.patchmatch import EMPTY, require_fit
from identigen.crop import Crop, square_inside
from identigen.errors import MaskError, ModelCorrupt
from identigen.models import borrow, record_of
from identigen.models.devices import choose_device, enough_memory_for, is_out_of_memory
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.synthesis.painter import hidden_in
from identigen.types import Bools, Fill, Floats, Mask, Pixels, Stop

NAME = "lama"
CONTEXT = 2.0
TOLERANCE = 24.0
"""How much of 255 the answer may differ, on average, where nothing was to be filled."""


class Lama:
    """Fills holes by LaMa; its weights must be on this machine."""

    name = "lama"
    models: tuple[str, ...] = (NAME,)
    attempts = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0, stop: Stop | None = None
    ) -> Fill:
        """See `BackgroundPredictor.predict`; no randomness: the seed changes nothing. One pass: it ends before a stop.

        Raises the family of `ModelError` when the weights are missing or not LaMa's.
        """
        require_fit(pixels, hole, forbidden)
        if not hole.area:
            return EMPTY
        crop = square_inside(hole.window.box, CONTEXT, record_of(NAME).side, hole.photo_size)
        barred = unseen(crop, hole, forbidden)
        filled = self._fill(crop.extract(pixels), barred)
        return paste_hole(pixels, hole, crop, filled)

    def _fill(self, square: Pixels, barred: Bools) -> Floats:
        folder = locate(NAME, self.settings)
        device = choose_device(self.settings.device)
        build = partial(_build, folder / "lama_fp32.onnx", device)
        with enough_memory_for(NAME, device), borrow(f"lama:{folder}", build) as session:
            return run(session, square, barred)


def lama_background(settings: Settings) -> Lama | None:
    """LaMa, where its weights are on this machine."""
    return Lama(settings) if is_present(NAME, settings) else None


def unseen(crop: Crop, hole: Mask, forbidden: Mask | None) -> Bools:
    """What a model must not see of a crop: the hole and everybody else; raise `MaskError` when nothing is left."""
    hidden = hidden_in(crop, *(mask for mask in (hole, forbidden) if mask is not None))
    if hidden.all():
        raise MaskError("Nothing is left around the hole to learn the background from; make the mask smaller.")
    return hidden


def paste_hole(pixels: Pixels, hole: Mask, crop: Crop, filled: Floats, notices: tuple[str, ...] = ()) -> Fill:
    """The hole's window of the photo with the filled square in the hole, every other pixel as it was."""
    back, inside = crop.restore(filled, (pixels.shape[0], pixels.shape[1]))
    w = hole.window
    part = np.clip(np.rint(back[w.relative_to(inside).slices]), 0, 255).astype(np.uint8)
    return Fill(w, np.where(hole.pixels[:, :, None], part, pixels[w.slices]), notices)


def run(session: Any, square: Pixels, hole: Bools) -> Floats:
    """Fill the hole of a `(side, side, 3)` square; return `float32` in 0..255.

    Raises `ModelCorrupt` when the answer changes what was not to be filled: then this is not LaMa.
    """
    image = square.astype(np.float32).transpose(2, 0, 1)[None] / 255.0
    mask = hole.astype(np.float32)[None, None]
    try:
        [answer] = session.run(None, {"image": image * (1.0 - mask), "mask": mask})
        picture = np.asarray(answer, np.float32)[0].transpose(1, 2, 0)
    except Exception as error:  # whatever onnxruntime raises for a graph of other inputs
        if is_out_of_memory(error):
            raise
        raise ModelCorrupt(f"{NAME} cannot be run ({type(error).__name__}); `identigen models pull {NAME}`.") from error
    # Exports differ in whether they answer in 0..1 or 0..255; the known pixels tell which.
    known = square[~hole].astype(np.float32)
    scale = min((1.0, 255.0), key=lambda factor: float(np.abs(picture[~hole] * factor - known).mean()))
    off = float(np.abs(picture[~hole] * scale - known).mean())
    if not np.isfinite(picture).all() or off > TOLERANCE:
        raise ModelCorrupt(f"The file of {NAME} is another model; `identigen models pull {NAME}` repairs it.")
    return np.asarray(picture * scale, np.float32)


def _build(path: Path, device: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxruntime tells which providers it lacks
        import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # onnxruntime's own exceptions have no common base that could be named here
        if is_out_of_memory(error):
            raise
        raise ModelCorrupt(f"{path.name} could not be loaded; `identigen models pull {NAME}` repairs it.") from error
