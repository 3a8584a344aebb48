"""Paste a candidate into its photo: inside its coverage the new face, outside every pixel as it was."""

from __future__ import annotations

import numpy as np

from identigen.errors import EngineError
from identigen.masks import feather
from identigen.types import Bools, Candidate, Mask, Pixels, Window

VISIBLE = 0.5 / 255  # less coverage than this cannot move an 8-bit pixel


def paste(pixels: Pixels, candidate: Candidate, allowed: Mask | None = None) -> tuple[Window, Pixels, Mask]:
    """Blend a candidate over `(H, W, 3)` pixels.

    Returns the window, its new `(h, w, 3) uint8` pixels and the mask of those that may have changed; every pixel
    outside of the mask is the photo's own. `allowed` limits the change: its rim is feathered inwards, never outwards.
    """
    height, width = pixels.shape[:2]
    window = candidate.window
    if window.left < 0 or window.top < 0 or window.right > width or window.bottom > height:
        raise EngineError("a new face reaches over the photo's border; run the detection on this photo again.")
    below = pixels[window.slices]
    coverage = candidate.coverage
    if allowed is not None:
        coverage = coverage * feather(allowed, window, max(1.0, 0.03 * min(window.width, window.height)))
    blended = below + (candidate.pixels - below) * coverage[..., None]
    patch = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
    touched = (coverage > VISIBLE) & _bounds((patch != below).any(axis=2))
    patch[~touched] = below[~touched]
    return window, patch, Mask.from_window(touched, window, (height, width))


def _bounds(changed: Bools) -> Bools:
    """The smallest rectangle `(h, w)` around what really changed: a feathered rim mostly rounds to nothing."""
    out = np.zeros_like(changed)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if len(rows):
        out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return out
