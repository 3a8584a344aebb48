"""Pure algebra of masks: grow, shrink, feather, combine, exchange."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.errors import MaskError
from identigen.types import Bools, Box, Floats, Mask, Window


def disc(radius: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A round structuring element of `2 * radius + 1` pixels."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def grow(mask: Mask, radius: float) -> Mask:
    """Move the border outwards by `radius` pixels; a negative radius shrinks."""
    if radius < 0:
        return shrink(mask, -radius)
    steps = round(radius)
    if steps == 0 or not mask.area:
        return mask
    height, width = mask.photo_size
    window = Window.around(mask.window.box, height, width, steps + 1)
    # A distance is exact at any radius and its cost does not grow with it, unlike a dilation by a large disc.
    outside = (~mask.within(window)).astype(np.uint8)
    return Mask.from_window(_distance(outside) <= steps, window, mask.photo_size)


def shrink(mask: Mask, radius: float) -> Mask:
    """Move the border inwards by `radius` pixels; the photo's own border does not eat into the mask."""
    if radius < 0:
        return grow(mask, -radius)
    steps = round(radius)
    if steps == 0 or not mask.area:
        return mask
    depth, window = _depth(mask)
    return Mask.from_window(depth > steps, window, mask.photo_size)


def feather(mask: Mask, window: Window, width: float) -> Floats:
    """Opacity `(h, w) float32` over `window`: 1 deep inside, 0 outside, a smooth inner ramp of `width` pixels.

    The ramp lies inside the mask so that nothing outside of it ever changes; the photo's own border has no ramp.
    """
    common = window.intersection(mask.window)
    if width <= 0 or not common.width or not common.height:
        return mask.within(window).astype(np.float32)
    depth, around = _depth(mask)
    ramp = np.clip(depth[common.relative_to(around).slices] / (width + 1.0), 0.0, 1.0)
    out = np.zeros((window.height, window.width), np.float32)
    out[common.relative_to(window).slices] = ramp * ramp * (3.0 - 2.0 * ramp)
    return out


def union(masks: Iterable[Mask], photo_size: tuple[int, int]) -> Mask:
    """Everything that is in at least one of the masks."""
    parts = [mask for mask in masks if mask.area]
    window = Window(0, 0, 0, 0)
    for mask in parts:
        _require_same_photo(mask.photo_size, photo_size)
        window = window.union(mask.window)
    inside = np.zeros((window.height, window.width), bool)
    for mask in parts:
        inside |= mask.within(window)
    return Mask.from_window(inside, window, photo_size)


def subtract(mask: Mask, other: Mask) -> Mask:
    """What is in `mask` and not in `other`."""
    _require_same_photo(mask.photo_size, other.photo_size)
    return Mask.from_window(mask.pixels & ~other.within(mask.window), mask.window, mask.photo_size)


def intersect(mask: Mask, other: Mask) -> Mask:
    """What is in both masks."""
    _require_same_photo(mask.photo_size, other.photo_size)
    return Mask.from_window(mask.pixels & other.within(mask.window), mask.window, mask.photo_size)


def uncovered(old: Mask, new: Mask) -> Mask:
    """The rim that shows when something new covers less than what was there before."""
    return subtract(old, new)


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union, 0 when both are empty."""
    common = intersect(a, b).area
    whole = a.area + b.area - common
    return common / whole if whole else 0.0


def rectangle(box: Box, photo_size: tuple[int, int]) -> Mask:
    """The pixels of a box."""
    window = Window.around(box, *photo_size)
    return Mask.from_window(np.ones((window.height, window.width), bool), window, photo_size)


def ellipse(box: Box, photo_size: tuple[int, int]) -> Mask:
    """The ellipse that touches the four sides of a box."""
    window = Window.around(box, *photo_size)
    x1, y1, x2, y2 = box
    y, x = np.mgrid[window.top : window.bottom, window.left : window.right].astype(np.float32) + 0.5
    rx, ry = max((x2 - x1) / 2, 0.5), max((y2 - y1) / 2, 0.5)
    inside = ((x - (x1 + x2) / 2) / rx) ** 2 + ((y - (y1 + y2) / 2) / ry) ** 2 <= 1.0
    return Mask.from_window(inside, window, photo_size)


def polygon(points: Sequence[Sequence[float]] | Floats, photo_size: tuple[int, int]) -> Mask:
    """The filled polygon through `points` `(n, 2)`, its outline included."""
    corners = np.asarray(points, np.float32).reshape(-1, 2)
    if not len(corners):
        return Mask.empty(*photo_size)
    lo, hi = corners.min(0), corners.max(0)
    window = Window.around((float(lo[0]), float(lo[1]), float(hi[0]) + 1, float(hi[1]) + 1), *photo_size)
    if not window.width or not window.height:
        return Mask.empty(*photo_size)
    canvas = np.zeros((window.height, window.width), np.uint8)
    shifted = np.round((corners - [window.left, window.top]) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [shifted], (1,), cv2.LINE_8, 4)
    return Mask.from_window(canvas, window, photo_size)


def to_rle(mask: Mask) -> dict[str, list[int]]:
    """Uncompressed COCO run lengths `{"size": [h, w], "counts": [...]}`: column by column, first run outside."""
    height, width = mask.photo_size
    w = mask.window
    columns = np.zeros((height, w.width), bool)
    columns[w.top : w.bottom] = mask.pixels
    flat = columns.T.ravel()
    changes = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0)) + w.left * height
    edges = np.concatenate(([0], changes, [height * width]))
    if flat.size and flat[-1]:  # the last column of the window ends inside: the run stops there
        edges = np.insert(edges, -1, w.right * height)
    counts = np.diff(edges)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [height, width], "counts": [int(c) for c in counts]}


def from_rle(rle: dict[str, Any]) -> Mask:
    """Read what `to_rle` wrote; raise `MaskError` when the run lengths do not fill the photo."""
    try:
        height, width = (int(v) for v in rle["size"])
        counts = np.asarray(rle["counts"], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MaskError("the mask is not a COCO run-length record with 'size' and 'counts'.") from None
    if height <= 0 or width <= 0 or counts.ndim != 1 or (counts < 0).any() or int(counts.sum()) != height * width:
        raise MaskError("the mask's run lengths do not add up to its size; it was cut off or belongs to another photo.")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return Mask.from_array(flat.reshape(width, height).T)


def to_png(mask: Mask) -> bytes:
    """A whole-photo 8-bit PNG: white inside, black outside."""
    done, data = cv2.imencode(".png", mask.to_array().astype(np.uint8) * 255)
    if not done:
        raise MaskError("the mask could not be encoded as a PNG.")
    return bytes(data.tobytes())


def from_png(source: bytes | str | Path, photo_size: tuple[int, int]) -> Mask:
    """Read a mask picture (bright = inside) of exactly `photo_size` `(H, W)`; raise `MaskError` otherwise."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a size that alarms Pillow is refused just below
            picture = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        with picture:
            if (picture.height, picture.width) != tuple(photo_size):
                raise MaskError(
                    f"the mask has {picture.width}x{picture.height} pixels but the photo has "
                    f"{photo_size[1]}x{photo_size[0]}; export it again at the photo's size."
                )
            inside = np.asarray(picture.convert("L")) >= 128
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise MaskError("the mask is not a picture that can be read; save it as a black and white PNG.") from None
    return Mask.from_array(inside)


def largest_part(inside: Bools) -> Bools:
    """Only the largest connected part of a boolean array."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    if count <= 2:
        return inside
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _depth(mask: Mask) -> tuple[Floats, Window]:
    """How far inside each pixel lies, 0 outside; over the mask's window and one pixel more, so that its edge counts."""
    window = Window.around(mask.window.box, *mask.photo_size, margin=1)
    inside = mask.within(window).astype(np.uint8)
    return _distance(inside), window


def _distance(inside: np.ndarray[Any, np.dtype[np.uint8]]) -> Floats:
    """Distance of each non-zero pixel to the nearest zero.

    OpenCV's threads make the last bits differ from call to call, which would move a mask's border by a pixel now and
    then. Squares of these distances are whole numbers: rounding them gives the exact value, every time.
    """
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.sqrt(np.rint(np.square(distance, dtype=np.float64))), np.float32)


def _require_same_photo(a: tuple[int, int], b: tuple[int, int]) -> None:
    if tuple(a) != tuple(b):
        raise MaskError(f"two masks of different photos cannot be combined: {a[1]}x{a[0]} and {b[1]}x{b[0]} pixels.")
