"""The photo's hair on a new face's detail map: brows where they were and as dark, a beard as dense.

Both grow on the person, not on whoever appears: they go with the hair around the face, and brows with its mood.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from identigen.identity.appearance import SIDE, Codec, brightness, broadly, remap, threefold, widely
from identigen.identity.portrait import Portrait
from identigen.masks import disc
from identigen.types import Floats

BEARD_GAIN, BEARD_REACH = (0.2, 1.1), 6.0  # pixels of the map within which beards are compared
# Of brows, to the photo's: gain, and how dark any part may be; pixels of the map, broader than single hairs.
BROW_GAIN, BLACKEST, A_HAIR = (0.4, 2.0), 2.0, 1.2
BROW_CORE = 0.55  # of a brow's darkest, from which on it tells where the brow lies
MOST_MOVED, BROW_SKIRT = 4.0, 3.0  # pixels of the map; the skin around goes with them
FEW = 50  # pixels of the map, or of its darkness, that tell nothing
SOFT = 2.0  # pixels of the map: lashes, folds and hairs are finer


def with_own_hair(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows as dark and a beard as dense as the photo's: the hair stays, and they belong to it."""
    return _with_own_brows(codec, _with_own_beard(codec, detail, portrait), portrait)


def with_brows_in_place(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows about as high, and as slanted, as the photo's.

    The mesh follows a brow only part of the way: a raised one lies higher on its map, and whoever takes over the
    person's mood has it there as well.
    """
    mesh, seen = codec.mesh, np.asarray(portrait.seen * ~portrait.hidden, np.float32)
    rows = mesh.brow_rows
    zone = mesh.brows[rows]
    old = soft(below_skin(portrait.detail, mesh.skin * seen)[rows]) * zone * seen[rows]
    new = soft(below_skin(detail, mesh.skin)[rows]) * zone
    y, x = np.mgrid[0 : zone.shape[0], 0:SIDE].astype(np.float32)
    lower = np.zeros_like(zone)
    for half in (slice(0, SIDE // 2), slice(SIDE // 2, SIDE)):
        before, after = (_lie(part[:, half], y[:, half], x[:, half]) for part in (old, new))
        if before is None or after is None:
            continue
        off = before.low - after.low + (before.slant - after.slant) * (x[:, half] - before.middle)
        lower[:, half] = np.clip(off, -MOST_MOVED, MOST_MOVED)
    lower = cv2.GaussianBlur(lower * cv2.dilate(zone, disc(round(2 * BROW_SKIRT))), (0, 0), BROW_SKIRT)
    out = detail.copy()
    out[rows] = remap(np.ascontiguousarray(detail[rows]), np.stack([x, y - lower], -1))
    return out


@dataclass(frozen=True, slots=True)
class _Lie:
    """How low a brow lies, how it slants, and where its middle is, in pixels of the map."""

    low: float
    slant: float
    middle: float


def _lie(hair: Floats, y: Floats, x: Floats) -> _Lie | None:
    """Where the darkest of a brow's `hair` `(h, w)` lies; None where there is too little."""
    if hair.sum() < FEW:
        return None
    core = np.maximum(hair - BROW_CORE * hair.max(), 0)
    core /= core.sum()
    low, middle = float((core * y).sum()), float((core * x).sum())
    slant = float((core * (x - middle) * (y - low)).sum() / max(float((core * (x - middle) ** 2).sum()), 1.0))
    return _Lie(low, slant, middle)


def _with_own_beard(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with a beard as dense as the photo's, place by place: no moustache where there was none."""
    zone = codec.mesh.beard_zone
    trust = zone * portrait.seen
    old, new = (soft(np.maximum(-brightness(picture), 0)) for picture in (portrait.detail, detail))
    around = widely(np.stack([old * trust, new * trust, trust], -1), BEARD_REACH)
    known = around[..., 2] > 0.02 * around[..., 2].max()
    gain = np.clip(around[..., 0] / np.maximum(around[..., 1], 1e-3 * around[..., 2] + 1e-9), *BEARD_GAIN)
    return np.asarray(detail - threefold(np.where(known, gain - 1, 0) * zone * new), np.float32)


def _with_own_brows(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows of their own form, both alike, as dark as the photo's, paler where they are bushier.

    How dark they are where there is most hair counts as well as their sum, by which a thin brow would come out black.
    What would be darker than any of the photo's is held back, or a brow's middle would be a block, and its tail a line.
    """
    mesh, seen = codec.mesh, np.asarray(portrait.seen * ~portrait.hidden, np.float32)
    rows = mesh.brow_rows
    zone = (mesh.brows * seen)[rows]
    depth, amount = _dark(below_skin(portrait.detail, mesh.skin * seen)[rows], zone)
    if zone.sum() < FEW or depth <= 0:
        return detail
    hair = drawn = below_skin(detail, mesh.skin)[rows]
    broad, gain, most = cv2.GaussianBlur(drawn, (0, 0), A_HAIR), 1.0, BLACKEST * depth
    for _ in range(3):  # what is held back at the darkest is made good by the rest
        darker, more = (old / max(new, 1e-6) for old, new in zip((depth, amount), _dark(hair, zone), strict=True))
        gain = float(np.clip(gain * np.sqrt(darker * min(darker, more)), *BROW_GAIN))
        hair = np.asarray(most * np.tanh(gain * broad / most) + gain * (drawn - broad), np.float32)
    out = detail.copy()
    out[rows] -= threefold(mesh.brows[rows] * (hair - drawn))
    return out


def below_skin(picture: Floats, skin: Floats) -> Floats:
    """How much darker than the `skin` around it each place of a map is, `(SIDE, SIDE)`."""
    grey = brightness(picture)
    return np.maximum(broadly(grey, skin) - grey, 0)


def _dark(darkness: Floats, zone: Floats) -> tuple[float, float]:
    """How dark a map is in a `zone` where it is darkest, and its sum there; both without single hairs."""
    even = soft(darkness)
    amount = float((even * zone).sum())
    return float((even**2 * zone).sum()) / max(amount, 1e-6), amount


def soft(picture: Floats) -> Floats:
    """A map of one channel without what is finer than `SOFT`."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), SOFT), np.float32)
