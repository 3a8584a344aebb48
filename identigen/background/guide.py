"""The guide: what surrounds a hole, continued into it, without detail.

Each hidden pixel takes what most of the views around it agree on, a mode and not a mean, so that a wood ends at the sky
with an edge and not with a haze.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from identigen.background.bands import in_bands
from identigen.background.scales import CHANNELS, SIZE, Level, inward, usable_centres
from identigen.types import Bools, Floats, Pixels

_DIRECTIONS = 16
"""In which lines are continued, over half a turn."""
_UNLIKE = 12.0
"""Difference, in grey levels, at which two views hardly belong together."""
_LINE = 30.0
"""How many times more a view counts that looks like the opposite one: a line or a band goes through there."""
_NEARNESS = 7.5
"""Power of the distance with which a view loses weight."""
_SOFT = 1.5
"""Width (sigma, pixels) over which the guide averages what is seen."""


def with_guide(levels: list[Level], at: int) -> list[Level]:
    """Give every level the overall colours to expect: those of level `at` with lines continued into the hole."""
    base = levels[at]
    # The guide takes no colour of a barred person either.
    unknown = base.unknown | _slivers(base)
    # As far from the hole as the patches of the coarsest level reach; nobody asks what is behind the rest of a crowd.
    near = inward(~base.hole) <= 2 * SIZE * 2 ** (len(levels) - 1 - at)
    drawn = continued(base.features, unknown, unknown & near)
    guides = [_enlarged(drawn, 2 ** (at - depth), levels[depth].hole.shape) for depth in range(at)] + [drawn]
    for level in levels[at + 1 :]:
        guides.append(_halved(guides[-1], level.hole.shape))
    return [replace(level, guide=guide) for level, guide in zip(levels, guides, strict=True)]


def _enlarged(features: Pixels, times: int, shape: tuple[int, ...]) -> Pixels:
    """So many times larger; what reaches beyond a picture of this shape is cut off."""
    size = (features.shape[1] * times, features.shape[0] * times)
    channels = [cv2.resize(c, size, interpolation=cv2.INTER_CUBIC) for c in cv2.split(features)]
    return np.asarray(cv2.merge([np.ascontiguousarray(c[: shape[0], : shape[1]]) for c in channels]), np.uint8)


def _halved(features: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Half as large: of the given shape."""
    size = (shape[1], shape[0])
    channels = [cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in cv2.split(features)]
    return np.asarray(cv2.merge(channels), np.uint8)


def _slivers(level: Level) -> Bools:
    """Islands beside people that hold no whole patch, if others do: a rest of their hair must not colour a region."""
    if not level.barred.any():
        return np.zeros_like(level.hole)
    _, labels = cv2.connectedComponents((~level.unknown).astype(np.uint8), connectivity=4)
    large = np.unique(labels[usable_centres(level) > 0])
    beside = np.unique(labels[cv2.dilate(level.barred.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0])
    return np.asarray(~level.unknown & np.isin(labels, beside) & ~np.isin(labels, large) & bool(len(large)))


def continued(features: Pixels, unknown: Bools, wanted: Bools) -> Pixels:
    """Features without detail, and with what surrounds the unknown `(h, w)` continued into the wanted part of it."""
    drawn = _softened(features, ~unknown)
    if not wanted.any():
        return drawn
    # All that a wanted pixel can see lies beside the unknown.
    rows, columns = np.flatnonzero(unknown.any(1)), np.flatnonzero(unknown.any(0))
    part = np.s_[max(0, rows[0] - 1) : rows[-1] + 2, max(0, columns[0] - 1) : columns[-1] + 2]
    colours, inside = np.ascontiguousarray(drawn[part]), wanted[part]
    seen, sure = _agreed(colours, unknown[part], inside)
    drawn[part][inside] = seen
    blind = unknown & ~wanted
    blind[part][inside] = sure == 0
    return drawn if sure.all() else _smoothly(drawn, blind)


def _agreed(colours: Pixels, unknown: Bools, wanted: Bools) -> tuple[Pixels, Floats]:
    """What most of the views around each wanted pixel agree on, and which share of them; 0 where nothing is seen."""
    from identigen.background import compiled

    count = int(wanted.sum())
    numbers = np.where(unknown, np.int32(-2), np.int32(-1))
    numbers[wanted] = np.arange(count, dtype=np.int32)
    turn = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    directions = np.stack([np.sin(turn), np.cos(turn)], 1).astype(np.float32)
    views, weights = (np.zeros((count, 2 * _DIRECTIONS), kind) for kind in (np.int32, np.float32))
    lines = (numbers, directions, np.float32(_NEARNESS), views, weights)
    in_bands(_DIRECTIONS, lambda lo, hi: compiled.look_along(*lines, lo, hi), 1)
    seen, sure = np.zeros((count, CHANNELS), np.uint8), np.zeros(count, np.float32)
    scene = (colours.reshape(-1, CHANNELS), views, weights, np.float32(_UNLIKE), np.float32(_LINE), seen, sure)
    in_bands(count, lambda lo, hi: compiled.agree(*scene, lo, hi))
    return seen, sure


def _softened(features: Pixels, known: Bools) -> Pixels:
    """Local means over the known pixels."""
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), _SOFT)
    weight = known / np.maximum(share, 1e-3)
    soft = [cv2.GaussianBlur(features[:, :, c] * known.astype(np.float32), (0, 0), _SOFT) for c in range(CHANNELS)]
    return np.asarray(cv2.merge([np.rint(channel * weight).astype(np.uint8) for channel in soft]), np.uint8)


def _smoothly(features: Pixels, unknown: Bools) -> Pixels:
    """`(h, w, 5)` features with the unknown ones interpolated smoothly (Bertalmio 2001, Navier-Stokes)."""
    hidden, channels = unknown.astype(np.uint8), cv2.split(features)
    return np.stack([cv2.inpaint(channel, hidden, 3, cv2.INPAINT_NS) for channel in channels], 2)
