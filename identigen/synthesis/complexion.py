"""The colours of a photo's face, read once, for every new face that is drawn into it.

A new face is light and dark of its own; its colours are those of the skin, lips and brows that were there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identigen.identity.appearance import Codec, brightness, broadly, threefold, widely
from identigen.identity.portrait import Portrait
from identigen.types import Floats

# Of red, green and blue to the mean, by how much lighter skin is: over 150 taught faces; and the spread of lightness
# at which a photo's own skin says as much about it.
SHADE_TINT, TELLING = np.array([-0.12, 0.01, 0.11], np.float32), 0.03
UNFIT, FITS = 2.5, 0.03  # medians that a tint is off by, from which on it is not skin's; what is off by less is
OWN_TINT = 0.3  # of the fine tints that a new identity has of its own
COLOURFUL = 15.0  # levels between the channels of skin, from which on a photo is no tinted grey
# Pixels of the map within which lips are alike: under a moustache they are no redder than they were. And how much of
# the map around a place must be seen to tell it.
LIP_REACH, UNSEEN = 3.0, 0.1
HAIRY = 2.0  # summed squares of a brow's darkness, from which on it says more than the skin does


@dataclass(frozen=True, eq=False, slots=True)
class Complexion:
    """Colours as the detail map has them, relative to the broad light.

    `tints` `(SIDE, SIDE, 3)` are those of skin and lips apart from how light each place is; `shade` and `hair` `(3,)`
    are how the tint of skin and of brows changes with that. `colourful` is 0 in a grey photo and 1 in most.
    """

    tints: Floats
    shade: Floats
    hair: Floats
    colourful: float


def read_complexion(codec: Codec, portrait: Portrait) -> Complexion:
    """The colours of a portrait, where it is seen.

    Colour that comes with lightness is kept apart, or a new nose would have the colour of the old one's shadow.
    """
    mesh, trust = codec.mesh, np.asarray(portrait.seen * ~portrait.hidden, np.float32)
    colourful = colourfulness(portrait.coarse[mesh.inside])
    shade = shade_tint(codec, portrait, colourful)
    tint = portrait.detail - brightness(portrait.detail)[..., None] * (1 + shade)
    tints = broadly(tint, mesh.skin * trust)
    lips = np.minimum(2 * mesh.lips, 1) * trust
    mass = threefold(widely(lips, LIP_REACH))
    red = widely(tint * threefold(lips), LIP_REACH) / np.maximum(mass, UNSEEN)
    tints += threefold(mesh.lips) * np.minimum(mass / UNSEEN, 1) * (red - tints)
    return Complexion(tints, shade, brow_tint(codec, portrait, shade), colourful)


def coloured(codec: Codec, detail: Floats, complexion: Complexion) -> Floats:
    """A detail map that is as bright as before, in the colours of a photo's skin, lips and brows.

    Of its own the new face has only fine tints, and none in a grey photo.
    """
    mesh, shade = codec.mesh, complexion.shade
    grey, skin = brightness(detail), threefold(mesh.skin)
    other = (detail - threefold(grey, 1 + shade)) * skin
    fine = np.float32(OWN_TINT * complexion.colourful) * (other - broadly(other, mesh.skin)) * skin
    hair = threefold(mesh.brows * np.minimum(grey, 0), complexion.hair - shade)
    return np.asarray(threefold(grey, 1 + shade) + hair + complexion.tints + fine, np.float32)


def colourfulness(skin: Floats) -> float:
    """0 for the pixels `(n, 3)` of a grey photo's skin, 1 for most."""
    return float(np.clip(np.ptp(skin, axis=1).mean() / COLOURFUL, 0, 1)) if len(skin) else 1.0


def shade_tint(codec: Codec, portrait: Portrait, colourful: float = 1.0) -> Floats:
    """How the tint `(3,)` of this photo's skin changes with its lightness; where it says little, as skin usually does.

    Skin in the shade is warmer. In an overexposed photo, whose highlights have lost their red, it is much warmer. It is
    read once more without what does not fit: a strand of dark hair across a cheek would make every shadow grey.
    """
    usual = colourful * SHADE_TINT
    skin = codec.mesh.hairless * portrait.seen * ~portrait.hidden > 0.5
    if not skin.any():
        return usual
    grey = brightness(portrait.detail[skin])
    tint, fits, told = portrait.detail[skin] - grey[:, None], np.ones(len(grey), np.bool_), usual
    for _ in range(2):
        lighter, warmer = grey - grey[fits].mean(), tint - tint[fits].mean(0)
        told = (lighter[fits, None] * warmer[fits]).mean(0) + TELLING**2 * usual
        told = told / ((lighter[fits] ** 2).mean() + TELLING**2)
        off = np.linalg.norm(warmer - lighter[:, None] * told, axis=1)
        fits = off <= max(UNFIT * float(np.median(off)), FITS)
    return np.asarray(told, np.float32)


def brow_tint(codec: Codec, portrait: Portrait, shade: Floats) -> Floats:
    """How the tint `(3,)` of this photo's brows changes with their lightness; without any, as skin's in the `shade`."""
    zone = codec.mesh.brows * portrait.seen * ~portrait.hidden
    grey = brightness(portrait.detail)
    darker = np.minimum(grey, 0) * zone
    tint = portrait.detail - grey[..., None]
    told = (darker[..., None] * tint).sum((0, 1)) + HAIRY * shade
    return np.asarray(told / ((darker * grey).sum() + HAIRY), np.float32)
