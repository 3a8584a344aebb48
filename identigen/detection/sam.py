"""Outlines by clicking: SAM 2.1 (Ravi et al. 2024), with points that are on the thing and points that are not.

Used when its weights are here (`identigen models pull sam2.1-tiny`); the embedded way of `pointing` serves otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.errors import MaskError, ModelCorrupt
from identigen.models import borrow
from identigen.models.devices import choose_device
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.types import Mask, Pixels, Point

NAME = "sam2.1-tiny"
VIEW_SIDE = 1024


def is_available(settings: Settings) -> bool:
    """Whether the weights are on this machine."""
    return is_present(NAME, settings)


def segment(pixels: Pixels, positive: Sequence[Point], negative: Sequence[Point], settings: Settings) -> Mask:
    """Outline what the positive points are on and the negative ones are not, in `(H, W, 3)` pixels.

    Parts that hang together with no positive point are left out. Raises `MaskError` without a positive point and the
    family of `ModelError` when the weights cannot be used.
    """
    if not positive:
        raise MaskError("An outline needs at least one point on the person; click there first.")
    height, width = pixels.shape[:2]
    scale = min(1.0, VIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    view = pixels if scale == 1 else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    folder = locate(NAME, settings)
    with borrow(f"sam:{folder}", lambda: _build(folder, choose_device(settings.device))) as (model, processor):
        small = _predict(
            model, processor, view, [(x * scale, y * scale) for x, y in (*positive, *negative)], len(positive)
        )
    large = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.0
    return _clicked_parts(Mask.from_array(large), positive)


def _predict(model: Any, processor: Any, view: Pixels, points: Sequence[Point], positive: int) -> Any:
    """The logits `(h, w)` of the best of the model's three answers; the first `positive` points are on the thing."""
    import torch

    labels = [1] * positive + [0] * (len(points) - positive)
    inputs = processor(
        images=np.array(view),  # torch warns of arrays that it may not write to
        input_points=[[[list(point) for point in points]]],
        input_labels=[[labels]],
        return_tensors="pt",
    ).to(model.device)
    with torch.inference_mode():
        # Several points say exactly what is meant; one may mean the button, the shirt or the person.
        answer = model(**inputs, multimask_output=len(points) == 1)
    best = int(answer.iou_scores[0, 0].argmax())
    logits = answer.pred_masks[0, 0, best].float().cpu().numpy()
    return cv2.resize(logits, (view.shape[1], view.shape[0]), interpolation=cv2.INTER_LINEAR)


def _clicked_parts(mask: Mask, positive: Sequence[Point]) -> Mask:
    """Only the connected parts under a positive point; all of it when no point lies on any part."""
    if not mask.area:
        return mask
    _, labels = cv2.connectedComponents(mask.pixels.astype(np.uint8), connectivity=8)
    wanted = {
        int(labels[int(y) - mask.window.top, int(x) - mask.window.left]) for x, y in positive if mask.contains((x, y))
    }
    if not wanted:
        return mask
    return Mask.from_window(np.isin(labels, list(wanted)), mask.window, mask.photo_size)


def _build(folder: Path, device: str) -> tuple[Any, Any]:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.Sam2Model.from_pretrained(folder, local_files_only=True)
        processor = transformers.Sam2Processor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelCorrupt(
            f"{NAME} could not be loaded ({type(error).__name__}); `identigen models pull {NAME}` repairs it."
        ) from error
    return model.eval().to(device), processor
