"""New skin as sharp, and as grainy, as what it is laid on."""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.appearance import brightness
from identigen.types import Bools, Floats

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def as_sharp(shown: Floats, picture: Floats, inside: Bools) -> Floats:
    """Bring the finest band of new skin to what a `picture` of the same place has there: softness first, then energy.

    Both `(h, w, 3)` of 0..255, judged by what lies `inside` `(h, w)`; as it was where that is next to nothing.

    A camera and its compression leave little of the very finest grain; skin from a map would be noisier at equal edges.
    """
    if inside.sum() < 50:
        return shown
    edges, grain = _edges_and_grain(picture, inside)
    for sigma in (0.0, 0.3, 0.4, 0.5):
        soft = np.asarray(cv2.GaussianBlur(shown, (0, 0), sigma), np.float32) if sigma else shown
        soft_edges, soft_grain = _edges_and_grain(soft, inside)
        if soft_grain * edges <= 1.25 * grain * soft_edges:
            break
    gain = float(np.clip(edges / max(soft_edges, 1e-6), 0.25, 1.5))
    return np.asarray(soft + (gain - 1) * (soft - cv2.GaussianBlur(soft, (0, 0), 1.0)), np.float32)


def _edges_and_grain(picture: Floats, inside: Bools) -> tuple[float, float]:
    """Mean Laplacian, which edges lead, and median response to Immerkær's kernel (1996), which the grain leads."""
    grey = brightness(picture)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F)[inside])
    grain = np.abs(cv2.filter2D(grey, cv2.CV_32F, _IMMERKAER)[inside])
    return float(edges.mean()), float(np.median(grain))
