"""How low a nose reaches on the canonical map: the mesh follows its base only part of the way, so it is looked for."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from identigen.identity.appearance import Codec, brightness
from identigen.identity.mesh import SIDE
from identigen.types import Floats

BASE = 115.0  # row of the map in which the usual nose ends
ROWS, COLUMNS = slice(100, 125), slice(72, 120)  # of the map: nostrils, wings and tip
MIDDLE, REACH = (112.0, 95.5), (13.0, 28.0)  # rows and columns of the map: where they count most, and how far they do
HIGHEST, LOWEST = 6, 8  # pixels of the map, above and below the usual place, among which it is looked for
LOOK = (1.0, 7.0)  # pixels of the map: the band that nostrils lie in
DOUBT = 0.004  # of likeness lost for each squared pixel: where little tells, it is the usual place
IN_VIEW = 0.6  # of a nose, or it is not told
NO_NOSE, A_NOSE = 0.5, 0.7  # likeness to the usual nose: a moustache or a hard shadow in its place, and surely one


class NoseBase(NamedTuple):
    """By how many pixels of the map a nose ends `lower` than the usual one, and the `trust` in 0..1 it deserves."""

    lower: float
    trust: float


def read_nose_base(codec: Codec, detail: Floats, seen: Floats) -> NoseBase | None:
    """Where the nose of a detail map `(SIDE, SIDE, 3)` ends; None where it is hardly `seen` `(SIDE, SIDE)`.

    Told by sliding the usual nose along it (normalised cross-correlation).
    """
    if (codec.mesh.nose * seen).sum() < IN_VIEW * codec.mesh.nose.sum():
        return None
    usual, weight = _usual(codec)
    around = slice(ROWS.start - HIGHEST, ROWS.stop + LOWEST)
    alike = cv2.matchTemplate(_band(detail)[around, COLUMNS], usual, cv2.TM_CCOEFF_NORMED, mask=weight)[:, 0]
    shifts = np.arange(-HIGHEST, LOWEST + 1)
    alike = np.clip(np.nan_to_num(alike), -1, 1) - DOUBT * shifts**2  # of an even patch there is no telling
    best = int(alike[1:-1].argmax()) + 1
    before, here, after = (float(value) for value in alike[best - 1 : best + 2])
    bend = before - 2 * here + after
    between = 0.5 * (before - after) / bend if bend < 0 else 0.0
    trust = float(np.interp(here, (NO_NOSE, A_NOSE), (0, 1)))
    return NoseBase(float(shifts[best] + np.clip(between, -0.5, 0.5)), trust)


@lru_cache(maxsize=4)
def _usual(codec: Codec) -> tuple[Floats, Floats]:
    """The usual nose and how much each of its pixels counts."""
    usual = _band(codec.decode(np.zeros(len(codec.detail_scale), np.float32)))
    y, x = np.mgrid[0:SIDE, 0:SIDE][:, ROWS, COLUMNS].astype(np.float32)
    far = ((y - MIDDLE[0]) / REACH[0]) ** 2 + ((x - MIDDLE[1]) / REACH[1]) ** 2
    return np.ascontiguousarray(usual[ROWS, COLUMNS]), np.asarray(np.exp(-far), np.float32)


def _band(detail: Floats) -> Floats:
    """What of a map's brightness nostrils lie in, both sides alike: from which side it is lit tells nothing."""
    grey = brightness(detail)
    grey = np.ascontiguousarray((grey + grey[:, ::-1]) / 2)
    fine, broad = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in LOOK)
    return np.asarray(fine - broad, np.float32)
