"""The scales of a picture with a hole: what is known of it on each of them, and how far it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.types import Bools, Floats, Pixels

RADIUS = 3
SIZE = 2 * RADIUS + 1
"""Of a patch. Machine code on disk is told from older one by its own file: who changes these, touches `compiled.py`."""
CHANNELS = 5
"""Features of a pixel: RGB and two of texture."""
STRIDE = 8
"""Bytes a pixel of a picture takes, the last three of them 0: a row of a patch then fills whole vector registers."""
GUIDE_DEPTH = 48.0
"""The guide is drawn on the first level on which no pixel of the hole is farther than this from the rim."""
_TEXTURE = 3.0
"""Gradients are small numbers: this much larger they count like a colour."""
_BELIEF = 0.6
"""Depth, as a share of the thickness of the hole, at which the guide is half believed."""


@dataclass(frozen=True, eq=False, slots=True)
class Level:
    """One scale: features `(h, w, STRIDE)`, hole and barred `(h, w)`, guide `(h, w, CHANNELS)`.

    The features of the hole are painted in place: a copy for every round would cost more than the round.
    """

    features: Pixels
    hole: Bools
    barred: Bools
    guide: Pixels

    @property
    def unknown(self) -> Bools:
        """Where the picture tells nothing about the background."""
        return self.hole | self.barred

    @property
    def painted(self) -> Bools:
        """What is voted for: the hole, and of the barred pixels those that share a patch with it.

        Somebody who stands in front must not be continued into the hole: within its patches he is background, too.
        """
        if not self.barred.any():
            return self.hole
        reach = np.ones((2 * SIZE - 1, 2 * SIZE - 1), np.uint8)
        return np.asarray(self.hole | (self.barred & (cv2.dilate(self.hole.astype(np.uint8), reach) > 0)))

    def coarser(self) -> Level:
        """Half the size. Colours are averaged over known pixels only; a cell with any hole in it is hole."""
        known = (~(self.hole | self.barred)).astype(np.float32)
        weight = np.maximum(halve(known), 1e-6)
        # Channel by channel: as floats all five together would be the largest thing in memory.
        means = [halve(self.features[:, :, c] * known) / weight for c in range(CHANNELS)]
        features = np.zeros((*weight.shape, STRIDE), np.uint8)
        for c, mean in enumerate(means):
            features[:, :, c] = np.rint(mean)
        hole = halve(self.hole.astype(np.float32)) > 0
        # Barred colours are never averaged in, so that half a free cell is free: a crowd would leave no coarse scale.
        barred = halve(self.barred.astype(np.float32)) > 0.5
        return Level(features, hole, barred & ~hole, features)


def thickness(hole: Bools, unknown: Bools) -> float:
    """Largest distance of a pixel of the hole from what is known."""
    return float(inward(unknown)[hole].max(initial=0.0))


def inward(unknown: Bools) -> Floats:
    """Distance of every pixel from what is known; the border of the picture knows nothing."""
    if unknown.all():
        return np.full(unknown.shape, max(unknown.shape), np.float32)
    return np.asarray(cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def belief(level: Level, away: Floats) -> Floats:
    """How far the guide is to be believed so far away from what is known, 1 beside it.

    It falls with the distance on the scale of the hole's own thickness: a crowd around it makes nothing more certain.
    """
    reach = max(1.0, _BELIEF * thickness(level.hole, level.hole))
    return np.asarray(1.0 / (1.0 + (away / reach) ** 2), np.float32)


def usable_centres(level: Level) -> Pixels:
    """1 where a whole patch lies inside the picture and touches neither hole nor barred pixels."""
    free = (~(level.hole | level.barred)).astype(np.uint8)
    inside = np.asarray(cv2.erode(free, np.ones((SIZE, SIZE), np.uint8)), np.uint8)
    return without_margin(inside)


def without_margin(centres: Pixels) -> Pixels:
    """Clear the centres whose patch would leave the picture."""
    cleared = np.zeros_like(centres)
    inner = np.s_[RADIUS : max(RADIUS, centres.shape[0] - RADIUS), RADIUS : max(RADIUS, centres.shape[1] - RADIUS)]
    cleared[inner] = centres[inner]
    return cleared


def with_texture(pixels: Pixels, unknown: Bools) -> Pixels:
    """RGB and the local mean of |dx| and |dy| (Newson 2014), padded to `STRIDE`, all `uint8`."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # A gradient that reaches into the hole says nothing about the scene.
    known = (cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
    share = np.maximum(cv2.blur(known, (9, 9)), 1e-3)
    features = np.zeros((*unknown.shape, STRIDE), np.uint8)
    features[:, :, :3] = pixels
    for channel, (dx, dy) in enumerate(((1, 0), (0, 1)), start=3):
        slope = np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=1)) * known
        features[:, :, channel] = np.clip(_TEXTURE * cv2.blur(slope, (9, 9)) / share, 0, 255)
    return features


def halve(array: npt.NDArray[Any]) -> Floats:
    """Average 2x2 cells of `(h, w)`; an odd last row or column is repeated."""
    height, width = array.shape
    even = cv2.copyMakeBorder(array.astype(np.float32), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = (even.shape[1] // 2, even.shape[0] // 2)
    return np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.float32)
