"""What is done to a hole once it is filled: seams between pieces are spread, the overall colours settled."""

from __future__ import annotations

import cv2
import numpy as np

from identigen.background.bands import in_bands
from identigen.background.scales import CHANNELS, GUIDE_DEPTH, RADIUS, SIZE, STRIDE, Level, belief, inward, thickness
from identigen.background.targets import Ints, Targets, burdens
from identigen.types import Floats, Pixels

_MISFIT = 2.0
"""Root mean square difference, in grey levels, from which on a source is in doubt."""
_STEP = 5.0
"""Step between neighbours, in grey levels, from which on it is rather an edge than a seam."""
_SPREAD = 10.0
"""Over how many pixels the correction of a seam fades, in holes no deeper than `GUIDE_DEPTH`."""
_SWEEPS, _ROWS = 20, 256
"""Of the relaxation that spreads seams, and rows in one of its bands."""


def spread_seams(level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float) -> None:
    """Spread small steps between the pieces of the hole, and to what surrounds it, until they are not seen.

    A screened Poisson equation for a correction of the colours (Perez 2003, Darabi 2012): it makes up for the
    differences between neighbours by which the fill departs from its sources. Large steps are edges, or lie in texture
    that hides them: spreading those would be a haze.
    """
    from identigen.background import compiled

    rows, columns = np.flatnonzero(level.hole.any(1)), np.flatnonzero(level.hole.any(0))
    top, left = max(0, rows[0] - 1), max(0, columns[0] - 1)
    part = np.s_[top : rows[-1] + 2, left : columns[-1] + 2]
    # Beyond the border of the picture nothing is seen; with that margin every pixel has neighbours.
    free, seen = np.pad(level.hole[part], 1), np.pad(~level.barred[part], 1)
    fill = np.pad(level.features[part][:, :, :3], ((1, 1), (1, 1), (0, 0))).astype(np.float32)
    jumps, weights = np.zeros((2, *fill.shape), np.float32), np.zeros((2, *free.shape), np.float32)
    ys, xs, slopes = expected_slopes(level, targets, sources, costs, selectivity)
    ys, xs = ys + 1 - top, xs + 1 - left
    for axis, (down, right) in enumerate(((0, 1), (1, 0))):
        told = ~np.isnan(slopes[:, axis, 0])
        here, there = (ys[told], xs[told]), (ys[told] + down, xs[told] + right)
        jump = slopes[told, axis] - (fill[there] - fill[here])
        jumps[axis][here] = jump
        weights[axis][here] = (seen[here] & seen[there]) / (1.0 + np.mean(jump**2, 1) / _STEP**2)
    scale = max(1.0, thickness(level.hole, level.unknown) / GUIDE_DEPTH)
    correction = np.zeros_like(fill)
    scene = (correction, jumps, weights, free, np.float32((_SPREAD * scale) ** -2))
    for half in range(2 * _SWEEPS):
        in_bands(len(free), lambda lo, hi, half=half: compiled.relax(*scene, half % 2, lo, hi), _ROWS)  # type: ignore[misc]
    level.features[level.hole, :3] = np.clip(np.rint(fill[free] + correction[free]), 0, 255)


def expected_slopes(
    level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float
) -> tuple[Ints, Ints, Floats]:
    """Pixels (ys, xs) in the hole or beside it, and the steps `(n, 2, 3)` of colour to the right and below of them.

    NaN where no patch covers both.
    """
    from identigen.background import compiled

    places = np.flatnonzero(cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3), np.uint8))).astype(np.int32)
    slopes = np.full((len(places), 2, 3), np.nan, np.float32)
    picture = level.features.reshape(-1, STRIDE)
    scene = (picture, targets.order, sources, burdens(targets, costs), places, np.float32(selectivity), slopes)
    in_bands(len(places), lambda lo, hi: compiled.vote_slopes(*scene, lo, hi))
    ys, xs = np.divmod(places, level.hole.shape[1])
    return ys, xs, slopes


def doubt(targets: Targets, costs: Ints) -> Floats:
    """`(h, w)` in 0..1: 0 where a patch fits exactly, as in a regular pattern, near 1 where it is the least bad."""
    height, width = targets.order.shape
    misfit = np.zeros((height, width), np.float32)
    misfit[targets.ys, targets.xs] = 1.0 - np.exp(-np.sqrt(costs / (SIZE * SIZE * CHANNELS)) / _MISFIT)
    inner = misfit[RADIUS : height - RADIUS, RADIUS : width - RADIUS]
    # Patches are centred away from the border of the picture; what is nearest speaks for the margin.
    return np.asarray(np.pad(inner, RADIUS, mode="edge"), np.float32)


def harmonise(level: Level, doubtful: Floats, largest: float) -> Pixels:
    """The finished colours: where in doubt, the overall colour is moved to the guide's by at most `largest` levels."""
    rows, columns = np.flatnonzero(level.hole.any(1)), np.flatnonzero(level.hole.any(0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = level.hole[part].astype(np.float32)
    fill = level.features[:, :, :3][part].astype(np.float32)
    sigma = 5.0 * max(1.0, thickness(level.hole, level.unknown) / GUIDE_DEPTH)
    missing = cv2.GaussianBlur((level.guide[part][:, :, :3] - fill) * inside[:, :, None], (0, 0), sigma)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
    most = (largest * inside * doubtful[part] * belief(level, inward(level.unknown)[part]))[:, :, None]
    # Saturating softly: a hard limit would draw its own contour lines into a sky.
    step = most * np.tanh(missing / weight[:, :, None] / np.maximum(most, 1e-3))
    finished = level.features[:, :, :3].copy()
    finished[part] = np.clip(np.rint(fill + step), 0, 255).astype(np.uint8)
    return finished
