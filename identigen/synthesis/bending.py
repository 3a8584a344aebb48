"""The photo around a new face, bent smoothly so that the old outline falls on the new one: no second jaw shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from identigen.identity.mesh import POINTS, remap
from identigen.landmarks import LEFT_BROW, LEFT_EYE, LIPS_INSIDE, LIPS_OUTSIDE, OVAL, RIGHT_BROW, RIGHT_EYE
from identigen.types import Floats, Pixels, Window

_NOSE = np.array([1, 2, 4, 5, 6, 168, 195, 197, 48, 64, 98, 278, 294, 327])
_CHEEKS = np.array([50, 101, 117, 187, 205, 280, 330, 346, 411, 425, 9, 151, 108, 337, 18, 200, 199])
_IRISES = np.array([468, 473])
_KEPT = (RIGHT_EYE, LEFT_EYE, _IRISES, LIPS_INSIDE[::2], LIPS_OUTSIDE[::2])  # what the photo's own shows of
_DRAWN = (RIGHT_BROW, LEFT_BROW, _NOSE, _CHEEKS)  # over these new skin lies
STEEPEST = 0.5  # how much, of their distance, two anchors may come nearer to each other: from 1 on the picture folds


def eye_shift(old: Floats, new: Floats) -> Floats:
    """How far each of the ten iris points `(10, 2)` goes: with the middle of its own lids."""
    right, left = ((new[ring, :2] - old[ring, :2]).mean(0) for ring in (RIGHT_EYE, LEFT_EYE))
    return np.asarray(np.repeat([right, left], 5, axis=0), np.float32)


def bend(pixels: Pixels, old: Floats, new: Floats, window: Window) -> Floats:
    """The photo in `window`, `(h, w, 3)`, bent so that `old` points `(478, 3)` fall on `new` ones and the rim stays.

    By a thin-plate spline (Bookstein 1989) through the features and the outline.
    """
    size = np.array([window.width, window.height], np.float64)
    origin = np.array([window.left, window.top], np.float64)
    anchors = _anchors(old, new)
    ends = new[anchors, :2].astype(np.float64) - origin
    offsets = (old[anchors, :2] - new[anchors, :2]).astype(np.float64)
    along = np.linspace(0, 1, 9)[:, None]
    rim = np.concatenate([np.hstack([along, along * 0]), np.hstack([along, along * 0 + 1]),
                          np.hstack([along * 0, along])[1:-1], np.hstack([along * 0 + 1, along])[1:-1]])  # fmt: skip
    centres = np.concatenate([ends, rim * size]) / size.max()
    values = np.concatenate([offsets, np.zeros((len(rim), 2))])
    knots = int(np.clip(size.max() / 5, 24, 48))  # the spline is smooth: it is worked out on a grid and enlarged
    grid_x, grid_y = (np.linspace(0, s - 1, knots) for s in size)
    places = np.stack(np.meshgrid(grid_x, grid_y), -1).reshape(-1, 2) / size.max()
    field = _thin_plate(centres, values, places).reshape(knots, knots, 2).astype(np.float32)
    field = np.asarray(cv2.resize(field, (window.width, window.height), interpolation=cv2.INTER_CUBIC), np.float32)
    field *= ramp(window, 0.06)[..., None]
    y, x = np.mgrid[0 : window.height, 0 : window.width].astype(np.float32)
    pad = max(8, round(0.15 * max(window.width, window.height)))
    around = Window.around(window.box, pixels.shape[0], pixels.shape[1], margin=pad)
    picture = np.ascontiguousarray(pixels[around.slices])
    start = np.array([window.left - around.left, window.top - around.top], np.float32)
    return remap(picture, np.stack([x, y], -1) + field + start)


def _anchors(old: Floats, new: Floats) -> NDArray[np.intp]:
    """Which points are taken along: of two that would fold the picture between them, the one that matters more.

    Of a turned head a part of the mesh's rim lies behind the far eye, and goes another way.
    """
    outline = [cv2.convexHull(p[:POINTS, :2].astype(np.float32), returnPoints=False).ravel() for p in (old, new)]
    order = list(dict.fromkeys(int(i) for i in np.concatenate([*_KEPT, *outline, OVAL, *_DRAWN])))
    places, ways = new[order, :2], (old - new)[order, :2]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    conflict = np.linalg.norm(ways[:, None] - ways[None], axis=2) > STEEPEST * apart
    taken: list[int] = []
    for candidate in range(len(order)):
        if not conflict[candidate, taken].any():
            taken.append(candidate)
    return np.asarray(order)[taken]


def _thin_plate(centres: Floats, values: Floats, places: Floats) -> Floats:
    """Interpolate `values` given at `centres` at `places`, a little stiffened."""

    def kernel(a: Floats, b: Floats) -> Floats:
        r2 = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
        return np.asarray(r2 * np.log(r2 + r2.dtype.type(1e-12)))

    n = len(centres)
    affine = np.hstack([np.ones((n, 1)), centres])
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = kernel(centres, centres) + 1e-5 * np.eye(n)
    system[:n, n:], system[n:, :n] = affine, affine.T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    # Read in single precision, which takes half the time: a thousandth of a pixel is seen by nobody.
    places, centres, weights = (a.astype(np.float32) for a in (places, centres, weights))
    return np.asarray(kernel(places, centres) @ weights[:n] + places @ weights[n + 1 :] + weights[n])


def ramp(window: Window, share: float) -> Floats:
    """`(h, w)`: 0 on the window's rim, 1 from `share` of its size inwards."""
    rows = np.minimum(np.arange(window.height), np.arange(window.height)[::-1]) / max(1.0, share * window.height)
    columns = np.minimum(np.arange(window.width), np.arange(window.width)[::-1]) / max(1.0, share * window.width)
    rise = np.clip(np.minimum(rows[:, None], columns[None]), 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise), np.float32)
