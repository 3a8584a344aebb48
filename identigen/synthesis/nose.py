"""A lent nose in the photo: as far down as the one that was there, and lit from the same side."""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.appearance import Codec, brightness, threefold
from identigen.identity.mesh import SIDE, remap
from identigen.identity.noses import BASE, read_nose_base
from identigen.identity.portrait import Portrait
from identigen.types import Floats

# Pixels of the map: how much longer or shorter a nose may be than the photo's, in need and at leisure, and how far it
# is drawn up and down; what around its base goes with it, the rows where nothing does, and where that fades beside it.
FREEDOM, DRAWN = (4.0, 2.0), (-1.0, 6.0)
NOSTRILS, BRIDGE, LIP, BESIDE = 4.0, 84.0, 134.0, (28.0, 44.0)
ONE_SIDED = 0.9  # share of what differs from side to side that is the photo's
LAMP, MOST_SIDED = 3.0, 0.35  # pixels of the map: what differs from side to side is broader; and the most
HALF_SEEN, FADE = 0.3, 2.0  # of the map around a place; its pixels over which a zone fades


def with_nose_in_place(codec: Codec, detail: Floats, portrait: Portrait, leisure: float = 1.0) -> Floats:
    """A detail map whose nose ends about as low as the photo's, bridge and mouth left where they are.

    The mesh follows a nose only part of the way: that of a nodding head, or one that hangs, ends lower on the map,
    and a usual one in its place is a short nose over a long, empty lip.
    """
    old, new = portrait.nose_base, read_nose_base(codec, detail, portrait.seen)
    if old is None or new is None:
        return detail
    away, free = old.lower - new.lower, float(np.interp(leisure, (0, 1), FREEDOM))
    lower = min(old.trust, new.trust) * float(np.clip(away - np.clip(away, -free, free), *DRAWN))
    upper, under = BASE + new.lower - NOSTRILS, BASE + new.lower + NOSTRILS
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    rows = (0, BRIDGE, upper + lower, under + lower, LIP, SIDE)
    from_rows = np.interp(y[:, 0], rows, (0, BRIDGE, upper, under, LIP, SIDE)).astype(np.float32)
    beside = np.abs(x - (SIDE - 1) / 2)
    share = np.interp(beside, BESIDE, (1, 0)).astype(np.float32)
    share = share * share * (3 - 2 * share)
    return remap(detail, np.stack([x, y + share * (from_rows[:, None] - y)], -1))


def with_own_nose_light(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose nose is lit from where the photo's is: one side bright, the other in the shade.

    A nose is lent by somebody who sat in another light. Hardly anybody's is lopsided: what differs from side to side is
    the lamp, and without it a nose looks put on.
    """
    trust = np.asarray(codec.mesh.inside * portrait.seen * ~portrait.hidden, np.float32)
    both = trust * trust[:, ::-1]
    away = brightness(portrait.detail - detail)
    mass = cv2.GaussianBlur(both, (0, 0), LAMP)
    sided = cv2.GaussianBlur((away - away[:, ::-1]) / 2 * both, (0, 0), LAMP) / np.maximum(mass, HALF_SEEN)
    zone = ONE_SIDED * codec.mesh.nose * cv2.GaussianBlur(both, (0, 0), FADE)
    return detail + threefold(np.asarray(zone * np.clip(sided, -MOST_SIDED, MOST_SIDED), np.float32))
