"""The photo's own fine detail: pores, grain, wrinkles and the hairs of a beard, which no model of faces draws.

Its level stays, its pattern goes: a mark in its place would tell who was there.
"""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.appearance import FLOOR, Codec, brightness, threefold
from identigen.identity.mesh import SIDE, resized
from identigen.identity.portrait import Portrait
from identigen.synthesis.complexion import colourfulness
from identigen.synthesis.retouching import BEARD
from identigen.types import Bools, Floats

MARK = (3.7, 7.0)  # medians of fine relief, of young and of lined faces: what is stronger is a mark of its own
BEARDED, HAIR = (0.6, 1.0), 4.0  # readings from which on it is one, and wholly; pixels of the map, broader than a hair
SMOOTH = 1e-6  # energy of relief that nobody sees
SHADIER = 1.5  # how much less light relief may come from than it goes into
ROUGHER = 1.5  # gain that it may have to be as rough as the side of the face that it comes to
ROUGHEST, ROUGH_REACH = (2.5, 8.0), 3.0  # medians of its energy, from which on it is left behind; pixels of the map


def own_relief(codec: Codec, portrait: Portrait, texture: Floats, detail: Floats, coarse: Floats) -> Floats:
    """What a new face takes over of the photo's fine detail `(side, side, 3)`.

    `texture` is how the photo's face looks on a map of that size, `detail` what it has over its `coarse` light.
    """
    side = len(detail)
    mesh, lined = codec.mesh, portrait.by_age((0, 1))
    skin = mesh.skin + lined * (mesh.skin_up_to_features - mesh.skin)
    bare = mesh.bare + lined * (mesh.bare_up_to_features - mesh.bare)
    trust = resized(skin * portrait.seen * ~portrait.hidden, side)
    hairy = float(np.interp(portrait.raw_condition[BEARD], BEARDED, (0, 1))) * resized(mesh.beard_zone, side)
    fine = _fine_relief(portrait, detail, resized(portrait.expected, side), trust, resized(bare, side) * (1 - hairy))
    return _mirrored(fine, coarse, colourfulness(texture[trust > 0.5])) + _stubble(portrait, detail, hairy)


def _fine_relief(portrait: Portrait, detail: Floats, expected: Floats, trust: Floats, bare: Floats) -> Floats:
    """The photo's fine detail that no identity explains, to be taken from the other side of the face.

    Pores, grain, freckles and small wrinkles keep their density and size; a pattern that could be recognised does not
    stay in its place. Broad differences and single strong marks are left behind, so are places much rougher than the
    rest (a strand of hair, the edge of a hard shadow), and so is everything off `bare` skin: there it is the edge of a
    nostril, a lid or a beard, whose mirror image would be a ghost. An old face keeps strong ones: its lines.
    """
    reach = 3.0 * len(detail) / SIDE
    mass = cv2.GaussianBlur(trust, (0, 0), reach)[..., None] + 1e-3
    seen, told = (m - cv2.GaussianBlur(m * trust[..., None], (0, 0), reach) / mass for m in (detail, expected))
    # What the `expected` face explains is taken away only where it does: a wrinkle it made up would leave its negative.
    alike, energy = (cv2.GaussianBlur(brightness(m * told) * trust, (0, 0), reach) for m in (seen, told))
    fine = seen - np.clip(alike / np.maximum(energy, SMOOTH), 0, 1)[..., None] * told
    known = trust > 0.5
    limit = portrait.by_age(MARK) * float(np.median(np.abs(fine[known]))) if known.any() else 0.0
    even = _evenness(fine, trust, known, portrait.by_age(ROUGHEST))
    out = np.clip(fine, -limit, limit) * (bare * trust * trust[:, ::-1] * even)[..., None]
    return np.asarray(out, np.float32)


def _mirrored(fine: Floats, coarse: Floats, colourful: float) -> Floats:
    """Relief `(side, side, 3)` as seen on the other side of the face, about as rough there as what it replaces.

    A side that is smoother than the other, in a softer light, stays so. In deep shade relief is mostly noise, and its
    colour a camera's or a file's: it does not come into the light, nor into a photo that is not `colourful`.
    """
    grey = threefold(brightness(fine))
    fine = grey + colourful * (fine - grey)
    rough = cv2.GaussianBlur(brightness(fine) ** 2, (0, 0), 6.0 * len(fine) / SIDE) + SMOOTH
    as_rough = np.minimum(np.sqrt(rough / rough[:, ::-1]), ROUGHER)
    light = brightness(coarse) + FLOOR
    lit = np.minimum(SHADIER * light[:, ::-1] / light, 1)
    return np.ascontiguousarray(threefold(np.asarray(as_rough * lit, np.float32)) * fine[:, ::-1], np.float32)


def _stubble(portrait: Portrait, detail: Floats, hairy: Floats) -> Floats:
    """The relief of the photo's own beard `(side, side, 3)` where it is `hairy`: no model of faces draws single hairs.

    Not mirrored: the hair stays, and a beard that is lit from one side would leave bright ghosts on the other.
    """
    side = len(detail)
    trust = resized(portrait.seen * ~portrait.hidden, side) * hairy
    reach = HAIR * side / SIDE
    mass = cv2.GaussianBlur(trust, (0, 0), reach)[..., None] + 1e-3
    hair = detail - cv2.GaussianBlur(detail * trust[..., None], (0, 0), reach) / mass
    return np.asarray(trust[..., None] * hair, np.float32)


def _evenness(fine: Floats, trust: Floats, known: Bools, roughest: float) -> Floats:
    """How much of the relief `(side, side)` may be taken from each place: all of it where it is like that elsewhere."""
    energy = cv2.GaussianBlur(brightness(fine**2) * trust, (0, 0), ROUGH_REACH * len(fine) / SIDE)
    usual = float(np.median(energy[known])) if known.any() else 0.0
    return np.asarray(np.minimum(1, roughest * usual / np.maximum(energy, 1e-12)), np.float32)
