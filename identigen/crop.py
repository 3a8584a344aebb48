"""A square view of a part of a photo at a model's own size, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.types import Box, Floats, Pixels, Window

Numbers = npt.NDArray[np.integer[Any] | np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Crop:
    """The square `window` of a photo (it may reach over the border) seen as `side` x `side` pixels."""

    window: Window
    side: int

    def __post_init__(self) -> None:
        if self.window.width != self.window.height or self.window.width < 1 or self.side < 1:
            raise ValueError(f"a crop must be square and not empty: {self.window}, side {self.side}")

    @property
    def scale(self) -> float:
        """Pixels of the crop for one pixel of the photo."""
        return self.side / self.window.width

    def extract(self, pixels: Pixels) -> Pixels:
        """Cut the window out of `(H, W, 3)` pixels, repeat the border where it reaches over, and resize."""
        height, width = pixels.shape[:2]
        w = self.window
        inside = w.intersection(Window(0, 0, width, height))
        if not inside.width or not inside.height:
            raise ValueError(f"the crop {w} does not meet the photo of {width}x{height} pixels")
        part: Numbers = pixels[inside.slices]
        margins = (inside.top - w.top, w.bottom - inside.bottom, inside.left - w.left, w.right - inside.right)
        if any(margins):
            part = cv2.copyMakeBorder(part, *margins, cv2.BORDER_REPLICATE)
        return np.asarray(_resize(np.ascontiguousarray(part), self.side), np.uint8)

    def restore(self, square: Numbers, photo_size: tuple[int, int]) -> tuple[Numbers, Window]:
        """Bring `(side, side[, C])` back to the photo's scale; return the part inside the photo and its window."""
        inside = self.window.intersection(Window(0, 0, photo_size[1], photo_size[0]))
        back = _resize(square, self.window.width)
        w = self.window
        part = back[inside.top - w.top : inside.bottom - w.top, inside.left - w.left : inside.right - w.left]
        return part, inside

    def to_crop(self, points: Floats) -> Floats:
        """Points `(n, 2)` or `(n, 3)` of the photo in pixels of the crop; a third column is scaled alike."""
        moved = np.array(points, np.float32)
        moved[:, 0] -= self.window.left
        moved[:, 1] -= self.window.top
        return np.asarray(moved * self.scale, np.float32)

    def to_photo(self, points: Floats) -> Floats:
        """The inverse of `to_crop`."""
        moved = np.array(points, np.float32) / np.float32(self.scale)
        moved[:, 0] += self.window.left
        moved[:, 1] += self.window.top
        return np.asarray(moved, np.float32)


def square_around(box: Box, context: float, side: int) -> Crop:
    """The square crop centred on `box` whose edge is `context` times the longer side of the box."""
    x1, y1, x2, y2 = box
    edge = max(2, round(max(x2 - x1, y2 - y1) * context))
    left, top = round((x1 + x2 - edge) / 2), round((y1 + y2 - edge) / 2)
    return Crop(Window(left, top, left + edge, top + edge), side)


def square_inside(box: Box, context: float, side: int, photo_size: tuple[int, int]) -> Crop:
    """As `square_around`, moved to reach over the border as little as it can: what is there beats repetition."""
    w = square_around(box, context, side).window
    left, top = (
        min(max(start, 0), max(0, length - w.width)) if w.width <= length else (length - w.width) // 2
        for start, length in ((w.left, photo_size[1]), (w.top, photo_size[0]))
    )
    return Crop(Window(left, top, left + w.width, top + w.width), side)


def _resize(array: Numbers, side: int) -> Numbers:
    if array.shape[0] == side and array.shape[1] == side:
        return array.copy()
    # Averaging when it shrinks, smooth when it grows: anything else rings or aliases.
    method = cv2.INTER_AREA if side < array.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(array, (side, side), interpolation=method))
