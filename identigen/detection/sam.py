"""Outlines by clicking: SAM 2.1 (Ravi et al. 2024), with points that are on the thing and points that are not.

Used when its weights are here (`identigen models pull sam2.1-tiny`); the embedded ways of `pointing` and `refining`
serve otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.detection.pairing import Body
from identigen.errors import MaskError
from identigen.models import borrow
from identigen.models.devices import choose_device, enough_memory_for
from identigen.models.loading import read
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.types import Box, Mask, Pixels, Point

NAME = "sam2.1-tiny"
VIEW_SIDE = 1024
NEARLY_AS_SURE = 0.9
"""One click may mean a button, the shirt or the person: the largest answer is taken that is this sure of itself, in
shares of the surest."""
MOST_OF_A_PHOTO = 0.8
"""What is larger is a wall or the sky, which can be clicked as well."""
SCORE = 0.5
"""Of somebody whom a user pointed at and no detector found."""


def is_available(settings: Settings) -> bool:
    """Whether the weights are on this machine."""
    return is_present(NAME, settings)


def segment(
    pixels: Pixels, positive: Sequence[Point], negative: Sequence[Point], settings: Settings, box: Box | None = None
) -> Mask:
    """Outline what the positive points are on and the negative ones are not, in `(H, W, 3)` pixels.

    `box`, if given, holds the thing. Parts that hang together with no positive point are left out. Raises `MaskError`
    without a positive point, the family of `ModelError` when the weights cannot be used, and `OutOfMemory` when the
    device is too small.
    """
    if not positive:
        raise MaskError("An outline needs at least one point on the person; click there first.")
    height, width = pixels.shape[:2]
    scale = min(1.0, VIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    view = pixels if scale == 1 else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    prompt: dict[str, Any] = {
        "input_points": [[[[x * scale, y * scale] for x, y in (*positive, *negative)]]],
        "input_labels": [[[1] * len(positive) + [0] * len(negative)]],
    }
    if box is not None:
        prompt["input_boxes"] = [[[value * scale for value in box]]]
    folder, device = locate(NAME, settings), choose_device(settings.device)
    with enough_memory_for(NAME, device), borrow(f"sam:{folder}", lambda: _build(folder, device)) as (model, processor):
        small = _predict(model, processor, view, prompt)
    large = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.0
    return _clicked_parts(Mask.from_array(large), positive)


def body_at(pixels: Pixels, point: Point, settings: Settings) -> Body | None:
    """The person, or the thing, under a click; None where it is the scene itself. Raises what `segment` raises."""
    mask = segment(pixels, [point], [], settings)
    if not mask.contains(point) or mask.area > MOST_OF_A_PHOTO * pixels.shape[0] * pixels.shape[1]:
        return None
    return Body(mask, SCORE, "sam")


def _predict(model: Any, processor: Any, view: Pixels, prompt: dict[str, Any]) -> Any:
    """The logits `(h, w)` of the model's answer to a prompt of points in pixels of the view."""
    import torch

    alone = len(prompt["input_labels"][0][0]) == 1 and "input_boxes" not in prompt
    # torch warns of arrays that it may not write to
    inputs = processor(images=np.array(view), **prompt, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        # Several points say exactly what is meant.
        answer = model(**inputs, multimask_output=alone)
    scores, masks = answer.iou_scores[0, 0], answer.pred_masks[0, 0]
    areas = (masks > 0).sum((1, 2))
    best = int(torch.where(scores >= NEARLY_AS_SURE * scores.max(), areas, -1).argmax())
    return cv2.resize(masks[best].float().cpu().numpy(), view.shape[1::-1], interpolation=cv2.INTER_LINEAR)


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

    model, processor = (read(kind, NAME, folder) for kind in (transformers.Sam2Model, transformers.Sam2Processor))
    return model.eval().to(device), processor
