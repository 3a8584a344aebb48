"""How sharp the photo is, and drawings that are no sharper."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from identigen.identity.appearance import brightness, threefold
from identigen.types import Bools, Floats

BANDS = ((0.8, 1.8), (1.8, 1.4))  # up to how many pixels each goes that is brought to the photo's energy; most gain
LEAST_GAIN = 0.25
FAINT = 0.05  # energy, in levels squared, of what nobody sees
AROUND = 0.06  # of the face: around a place
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def sharpness_of(detail: Floats, seen: Floats) -> float:
    """Energy of the finest band of a detail map `(SIDE, SIDE, 3)` where it is `seen` `(SIDE, SIDE)`."""
    grey = brightness(detail)
    band = cv2.GaussianBlur(grey, (0, 0), 0.7) - cv2.GaussianBlur(grey, (0, 0), 2.0)
    return float(np.sqrt((band**2 * seen).sum() / max(float(seen.sum()), 1.0)))


def in_focus(detail: Floats, seen: Floats, most: float) -> Floats:
    """Blur a detail map `(SIDE, SIDE, 3)` until it is hardly sharper than the photo it goes into, which is `most`."""
    for sigma in (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5):
        out = np.asarray(cv2.GaussianBlur(detail, (0, 0), sigma), np.float32) if sigma else detail
        if sharpness_of(out, seen) <= 1.1 * most:
            break
    return out


def as_sharp(shown: Floats, picture: Floats, inside: Bools) -> Floats:
    """Bring new skin, place by place, to the sharpness that a `picture` of the same place has there.

    Both `(h, w, 3)` of 0..255, judged by what lies `inside` `(h, w)`; as it was where that is next to nothing. Softness
    comes first: a camera and its compression leave little of the very finest grain, and skin from a map would be
    noisier at equal edges. Then each band gets the picture's energy around each place: lips that are soft beside sharp
    stubble look pasted, however sharp a face is as a whole.
    """
    if inside.sum() < 50:
        return shown
    edges, grain = _edges_and_grain(picture, inside)
    for sigma in (0.0, 0.3, 0.4, 0.5):
        soft = np.asarray(cv2.GaussianBlur(shown, (0, 0), sigma), np.float32) if sigma else shown
        soft_edges, soft_grain = _edges_and_grain(soft, inside)
        if soft_grain * edges <= 1.25 * grain * soft_edges:
            break
    # What changes is light and dark alone: made stronger, a fine tint would become a stain.
    weight, change = inside.astype(np.float32), np.zeros(inside.shape, np.float32)
    reach = AROUND * float(np.sqrt(weight.sum()))
    for (_, most), band, wanted in zip(BANDS, _bands(brightness(soft)), _bands(brightness(picture)), strict=True):
        gain = np.sqrt((_energy(wanted, weight, reach) + FAINT) / (_energy(band, weight, reach) + FAINT))
        change += (np.clip(gain, LEAST_GAIN, most) - 1) * band
    return np.asarray(soft + threefold(change), np.float32)


def _bands(grey: Floats) -> list[Floats]:
    """What a picture `(h, w)` has in each of the finest bands, finest first."""
    softer = [grey, *(np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32) for sigma, _ in BANDS)]
    return [fine - coarse for fine, coarse in pairwise(softer)]


def _energy(band: Floats, weight: Floats, reach: float) -> Floats:
    """Mean square of a band around each place `(h, w)`, over `reach` pixels of what has `weight`.

    So smooth a field is worked out on a small copy.
    """
    both = np.dstack([band**2 * weight, weight])
    share = min(1.0, 3.0 / reach)
    small = cv2.resize(both, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), reach * share)
    squares, mass = cv2.split(cv2.resize(small, band.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return np.asarray(squares / np.maximum(mass, 1e-3), np.float32)


def _edges_and_grain(picture: Floats, inside: Bools) -> tuple[float, float]:
    """Mean Laplacian, which edges lead, and median response to Immerkær's kernel (1996), which the grain leads."""
    grey = brightness(picture)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F)[inside])
    grain = np.abs(cv2.filter2D(grey, cv2.CV_32F, _IMMERKAER)[inside])
    return float(edges.mean()), float(np.median(grain))
