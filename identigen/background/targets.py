"""What is filled and from where: a target is a patch that touches the hole, its source the place it is copied from.

Pixels are numbered in reading order: the number of (y, x) is y * width + x, called its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from identigen.background.scales import RADIUS, SIZE, Level, belief, inward, usable_centres, without_margin
from identigen.types import Floats, Pixels

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False, slots=True)
class Targets:
    """Every patch that touches the hole, in reading order."""

    ys: Ints
    xs: Ints
    places: Ints
    """Of the pixels they are centred on."""
    order: Ints
    """`(h, w)`: number of the target centred on a pixel, -1 where there is none."""
    trust: Floats
    """Patches near the rim know more than those deep inside."""
    painted: Ints
    """Places that are voted for."""
    guided: Floats
    """How far the guide is to be believed, 1 at the rim; deep inside it is a mere guess."""
    usable: Pixels
    """`(h, w)`: 1 where the whole patch may be copied."""


def find_targets(level: Level) -> Targets:
    """Centres of all patches that touch the hole and lie inside the picture."""
    touched = np.asarray(cv2.dilate(level.hole.astype(np.uint8), np.ones((SIZE, SIZE), np.uint8)), np.uint8)
    touched = without_margin(touched)
    ys, xs = (a.astype(np.int32) for a in np.nonzero(touched))
    order = np.full(touched.shape, -1, np.int32)
    order[ys, xs] = np.arange(len(ys), dtype=np.int32)
    places = (ys * touched.shape[1] + xs).astype(np.int32)
    away = inward(level.unknown)[ys, xs]
    trust = np.maximum(1.3**-away, 1e-3).astype(np.float32)
    painted = np.flatnonzero(level.painted).astype(np.int32)
    return Targets(ys, xs, places, order, trust, painted, belief(level, away), usable_centres(level))


def burdens(targets: Targets, costs: Ints) -> Floats:
    """What each target costs for every bit of trust in it: the less, the more its patch has to say."""
    return np.asarray(costs / targets.trust, np.float32)


def random_sources(targets: Targets, seed: int) -> Ints:
    """A random usable place `(n,)` for every target."""
    places = np.flatnonzero(targets.usable)
    picks = np.random.default_rng(seed).integers(0, len(places), len(targets.places))
    return np.asarray(places[picks], np.int32)


def carry(sources: Ints, coarse: Targets, fine: Targets) -> Ints:
    """Sources of the finer level: twice the coordinates, the same corner of the cell, or the nearest usable place."""
    height, width = coarse.order.shape
    y = np.clip(fine.ys // 2, RADIUS, height - 1 - RADIUS)
    x = np.clip(fine.xs // 2, RADIUS, width - 1 - RADIUS)
    ys, xs = np.divmod(sources[coarse.order[y, x]], width)
    carried = (2 * ys + (fine.ys & 1)) * fine.order.shape[1] + 2 * xs + (fine.xs & 1)
    lost = fine.usable.ravel()[carried] == 0
    if lost.any():
        carried[lost] = _nearest_usable(fine.usable)[carried[lost]]
    return np.asarray(carried, np.int32)


def _nearest_usable(usable: Pixels) -> Ints:
    """The usable place next to every place `(h * w,)`."""
    _, labels = cv2.distanceTransformWithLabels(1 - usable, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.flatnonzero(usable)
    nearest = np.zeros(int(labels.max()) + 1, np.int32)
    nearest[labels.ravel()[places]] = places
    return np.asarray(nearest[labels.ravel()], np.int32)
