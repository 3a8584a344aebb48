"""The photo's hair on a new face's detail map: brows where they were and as dark, a beard as dense.

Both grow on the person, not on whoever appears: they go with the hair around the face, and brows with its mood.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec, brightness, threefold, widely
from identigen.identity.brows import (
    HALVES,
    brow_hair,
    depth_and_amount,
    hair_on_even_skin,
    read_brow_lines,
    without_hairs,
)
from identigen.identity.mesh import SIDE, Mesh, remap
from identigen.identity.portrait import Portrait
from identigen.masks import disc
from identigen.types import Floats

Ints = npt.NDArray[np.intp]

BEARD_GAIN, BEARD_REACH = (0.2, 1.1), 6.0  # pixels of the map within which beards are compared
BROW_GAIN = (0.4, 1.25)
MOST_PALED = 0.25  # share of a brow's hair that goes with a mannerism
MOST_MOVED, BROW_SKIRT = 5.0, 3.0  # pixels of the map; the skin around goes with them
RIM_HEIGHT, FAINT_RIM = 11, 0.02  # pixels of the map that no rim is as high as; brightness that nobody sees
FEW = 50  # pixels of the map that tell nothing


def with_own_hair(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows as dark and a beard as dense as the photo's: the hair stays, and they belong to it."""
    return _with_own_brows(codec, _with_own_beard(codec, detail, portrait), portrait)


def with_brows_in_place(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows about as high, and as slanted, as the photo's.

    The mesh follows a brow only part of the way: a raised one lies higher on its map, and whoever takes over the
    person's mood has it there as well.
    """
    mesh, rows = codec.mesh, codec.mesh.brow_rows
    zone = mesh.brows[rows]
    lines = read_brow_lines(mesh, detail, portrait.seen)  # as they were read: in part, a brow slants otherwise
    y, x = np.mgrid[0 : zone.shape[0], 0:SIDE].astype(np.float32)
    lower = np.zeros_like(zone)
    for half, before, after in zip(HALVES, portrait.brow_lines, lines, strict=True):
        if before is not None and after is not None:
            lower[:, half] = np.clip(np.polyval(before - after, x[:, half]), -MOST_MOVED, MOST_MOVED)
    lower = cv2.GaussianBlur(lower * cv2.dilate(zone, disc(round(2 * BROW_SKIRT))), (0, 0), BROW_SKIRT)
    out = detail.copy()
    out[rows] = remap(np.ascontiguousarray(detail[rows]), np.stack([x, y - lower], -1))
    return out


def without_rims(codec: Codec, detail: Floats) -> Floats:
    """A detail map without light lines along the upper edge of its brows: a lender's lamp, or sharpening.

    Under another lamp they are a second contour.
    """
    rows = codec.mesh.brow_rows
    grey = np.ascontiguousarray(brightness(detail)[rows])
    rim = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((RIM_HEIGHT, 1), np.uint8))
    out = detail.copy()
    out[rows] -= threefold(codec.mesh.above_brows[rows] * np.maximum(cv2.GaussianBlur(rim, (0, 0), 1.0) - FAINT_RIM, 0))
    return out


def sparing_brows(mesh: Mesh, change: Floats, detail: Floats) -> Floats:
    """What may be taken from a detail map, both `(SIDE, SIDE, 3)`, so that its brows stay brows.

    They are made no darker: where one lies elsewhere, that would be a second one. Nor does more than a share of their
    hair go: pale ones would be gone.
    """
    rows = mesh.brow_rows
    hair = hair_on_even_skin(without_hairs(brightness(detail)))[rows]
    out = change.copy()
    spared = np.clip(out[rows], -threefold(MOST_PALED * hair), 0)
    out[rows] += threefold(mesh.brows[rows]) * (spared - out[rows])
    return out


def _with_own_beard(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with a beard as dense as the photo's, place by place: no moustache where there was none."""
    zone = codec.mesh.beard_zone
    trust = zone * portrait.seen
    old, new = (without_hairs(np.maximum(-brightness(picture), 0)) for picture in (portrait.detail, detail))
    around = np.maximum(widely(np.stack([old * trust, new * trust, trust], -1), BEARD_REACH), 0)
    known = around[..., 2] > 0.02 * around[..., 2].max()
    gain = np.clip(around[..., 0] / np.maximum(around[..., 1], 1e-3 * around[..., 2] + 1e-9), *BEARD_GAIN)
    return np.asarray(detail - threefold(np.where(known, gain - 1, 0) * zone * new), np.float32)


def _with_own_brows(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows of their own form, both alike, as dark as the photo's, paler where they are bushier.

    How dark they are where there is most hair counts as well as their sum, by which a thin brow would come out black.
    """
    rows, brows = codec.mesh.brow_rows, codec.mesh.brows[codec.mesh.brow_rows]
    zone = brows * np.asarray(portrait.seen * ~portrait.hidden, np.float32)[rows]
    depth, amount = depth_and_amount(brow_hair(without_hairs(brightness(portrait.detail)))[rows] * zone)
    if zone.sum() < FEW or depth <= 0:
        return detail
    new = depth_and_amount(brow_hair(without_hairs(brightness(detail)))[rows] * zone)
    darker, more = (there / max(here, 1e-6) for there, here in zip((depth, amount), new, strict=True))
    gain = float(np.clip(np.sqrt(darker * min(darker, more)), *BROW_GAIN))
    out = detail.copy()
    out[rows] -= threefold((gain - 1) * brows * hair_on_even_skin(brightness(detail))[rows])
    return out
