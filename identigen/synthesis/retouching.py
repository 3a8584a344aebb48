"""Retouch a new face's detail map, so that it belongs to the photo: its light, its lips and lids, its tone.

Who somebody is lies in brows, eyes, nose, mouth and build. How softly the light models a cheek, how red skin gets in
the shade, how dark the hair is (`identigen.synthesis.hair`): that is the photo's, and whoever appears in it takes it
over.
"""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.appearance import Codec, brightness, broadly, from_detail, shared_modelling, threefold, widely
from identigen.identity.conditions import NAMES
from identigen.identity.portrait import Portrait
from identigen.synthesis.complexion import LIP_REACH, Complexion, coloured
from identigen.synthesis.hair import with_brows_in_place, with_own_hair, without_rims
from identigen.synthesis.nose import with_nose_in_place, with_own_nose_light
from identigen.types import Floats

BARE_SKIN, NOSE_SHADING = (0.75, 0.9), 0.8  # of young and of lined faces
BARE_SKIN_IN_NEED, NOSE_SHADING_IN_NEED = 0.9, 0.9
FURROWS, FURROWED = (0.3, 1.0), 3.5  # share of bare skin's own lines, of young and of lined faces; pixels of the map
EXTREME = 2.5  # standard deviations among taught faces
OWN_TONE = 0.6  # share of the difference in lightness between the cheeks that goes
OWN_SHADE = 0.35  # share of the photo's own broad shading that stays
OWN_SIDE, SHADE_FADE = 0.9, 8.0  # and of what in it differs from side to side; pixels of the map over which that fades
# The share in need and at leisure; pixels of the map; and the most.
SHADE_BELOW_NOSE, FOLD, MOST_SHADED = (0.0, 0.6), 3.0, 0.4
LEAST_HARD, HARDEST, SMOOTH = 0.3, (1.4, 2.0), 1e-5  # gains, the most of young and of lined faces; energy nobody sees
MODELLING = (1.5, 9.0, 10.0)  # pixels of the map: the band that models a face, and how far around it is measured
OWN_LIPS = 0.8  # share of the broad difference that goes
FEW = 50  # pixels of the map that tell nothing
BRIGHTEST, DULLEST, KNEE = 98.0, 0.06, 0.8  # percentile; least highlight; share of it from which on light is held back
# The share around the eyes, in need and at leisure; how much less of it where they are lighter than the photo's; what
# nobody sees; and pixels of the map.
OWN_SOCKETS, LESS_DARKENED, SLIGHT, SOCKET_REACH = (0.25, 0.8), 0.4, 0.02, 9.0
UNSEEN = 0.15  # of the map around a place: where less is seen, less is told
CONTRAST = (0.3, 1.3)  # of broad light on a face, to the usual one
LIGHT_REACH = 18.0  # pixels of the map, from the face's rim inwards
BEARD = NAMES.index("beard")


def impersonal_light(codec: Codec, portrait: Portrait) -> Floats:
    """The photo's broad light `(SIDE, SIDE, 3)` as it would fall on the average face.

    Whoever stood in it is left out, or their sockets and cheekbones would show through the new skin; how strongly it
    models a face stays: in flat light nobody has dark sockets. So does a full beard, which goes on below the face.
    """
    bearded = float(np.clip(portrait.raw_condition[BEARD], 0, 1)) * codec.mesh.beard_zone
    own = shared_modelling(portrait.coarse)
    change = (1 - bearded) * (_contrast(codec, portrait, own) * codec.modelling - own)
    cheeks = codec.mesh.cheeks * portrait.seen * ~portrait.hidden
    if cheeks.sum() < FEW:
        cheeks = codec.mesh.cheeks
    change -= (change * cheeks).sum() / cheeks.sum()  # the skin's tone, read there, stays
    change = change * codec.mesh.depth(LIGHT_REACH)  # so does the light that goes on over the hair line and the jaw
    return from_detail(np.asarray(np.expm1(change)[..., None], np.float32), portrait.coarse)


def _contrast(codec: Codec, portrait: Portrait, own: Floats) -> float:
    """How strongly a photo's light models its face, of which `own` `(SIDE, SIDE)` is seen; 1 for usual light."""
    weight = codec.mesh.depth(LIGHT_REACH) * portrait.seen * ~portrait.hidden
    if weight.sum() < FEW:
        return 1.0
    seen, usual = (m - float((m * weight).sum() / weight.sum()) for m in (own, codec.modelling))
    told = float((weight * seen * usual).sum() / max(float((weight * usual**2).sum()), 1e-6))
    return float(np.clip(told, *CONTRAST))


def modelled(codec: Codec, portrait: Portrait, detail: Floats, usual: Floats, leisure: float = 1.0) -> Floats:
    """The map `(SIDE, SIDE, 3)` of a new identity, as softly modelled and as evenly lit as the portrait.

    `usual` is the mean map for what the photo asks for. Brows are as dark as there, so that such brows are lent.
    Without `leisure`, where nobody was far enough, more of the new person's own shading stays.
    """
    own, nose = (
        float(np.interp(leisure, (0, 1), ends))
        for ends in ((BARE_SKIN_IN_NEED, portrait.by_age(BARE_SKIN)), (NOSE_SHADING_IN_NEED, NOSE_SHADING))
    )
    detail = calmed(codec, detail, usual, own, portrait.by_age(FURROWS), nose)
    detail = with_own_hardness(codec, detail, portrait)
    detail = with_own_shade(codec, detail, portrait)
    return with_own_hair(codec, detail, portrait)


def matched(codec: Codec, portrait: Portrait, detail: Floats, complexion: Complexion, leisure: float = 1.0) -> Floats:
    """A map `(SIDE, SIDE, 3)` whose features are final, with the brightness of lips and hair and the colours of the
    portrait's photo: colour comes last, or what a brow has left would stay behind as its tint.

    Without `leisure`, where nobody was far enough, eyes lie as deep as the new person's, a nose is freer, and none of
    the photo's shade stays below it.
    """
    detail = without_rims(codec, detail)
    detail = with_brows_in_place(codec, detail, portrait)
    detail = with_own_lips(codec, detail, portrait)
    detail = with_nose_in_place(codec, detail, portrait, leisure)
    detail = with_own_nose_light(codec, detail, portrait)
    detail = with_own_shade_below_nose(codec, detail, portrait, leisure)
    detail = with_own_sockets(codec, detail, portrait, leisure)
    detail = without_glare(codec, detail, portrait)
    detail = with_own_tone(codec, detail, portrait)
    detail = with_own_hair(codec, detail, portrait)
    return coloured(codec, detail, complexion)


def calmed(
    codec: Codec,
    detail: Floats,
    usual: Floats,
    own: float = BARE_SKIN[0],
    furrows: float = FURROWS[0],
    nose: float = NOSE_SHADING,
) -> Floats:
    """A new detail map without blotches: on bare skin only the share `own` of what differs from the `usual` face.

    Brows, eyes, nose and mouth make a person; a cheek that differs from everybody's is a stain, and so is what hardly
    any taught face has at its place. Of a nose, most of which is form, only the share `nose` is left: shaded as freely
    as an eye it would have furrows. Of lines on bare skin only the share `furrows` of the rest is left: on a young
    forehead they are a frown.
    """
    limit = EXTREME * codec.spread + 1e-6
    away = limit * np.tanh((detail - usual) / limit)
    bare = codec.mesh.bare
    kept = 1 - (1 - own) * bare - (1 - nose) * codec.mesh.nose * (1 - bare)
    lines = away - cv2.GaussianBlur(away, (0, 0), FURROWED)
    away = (away - threefold((1 - furrows) * bare) * lines) * threefold(kept)
    return np.asarray(usual + away, np.float32)


def with_own_hardness(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose skin is modelled about as strongly, place by place, as the photo's.

    In soft light and on young cheeks it stays soft, deep wrinkles stay deep; what forms there is the new person's.
    """
    fine, broad, around = MODELLING
    trust = np.asarray(codec.mesh.skin * portrait.seen * ~portrait.hidden, np.float32)

    def modelling(picture: Floats) -> Floats:
        grey = brightness(picture)
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), fine) - widely(grey, broad), np.float32)

    def energy(band: Floats) -> Floats:
        return np.maximum(widely(band**2 * trust, around), 0)

    new = modelling(detail)
    gain = np.sqrt((energy(modelling(portrait.detail)) + SMOOTH) / (energy(new) + SMOOTH))
    zone, hardest = cv2.GaussianBlur(trust, (0, 0), 2.0), portrait.by_age(HARDEST)
    return np.asarray(detail + threefold((np.clip(gain, LEAST_HARD, hardest) - 1) * zone * new), np.float32)


def with_own_shade(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose bare skin is broadly nearer to the photo's: a cheek in the shade keeps its tone there.

    Nearest in what differs from side to side: that is where the lamp stands, and no trait of anybody. Cut off at a
    fringe, it would be a line on the skin, and on the other side its mirror image.
    """
    bare = np.asarray(codec.mesh.bare * portrait.seen * ~portrait.hidden, np.float32)
    away = broadly(brightness(detail - portrait.detail), bare) * codec.mesh.bare
    lopsided = (away - away[:, ::-1]) / 2 * cv2.GaussianBlur(bare * bare[:, ::-1], (0, 0), SHADE_FADE)
    return np.asarray(detail - threefold(OWN_SHADE * away + (OWN_SIDE - OWN_SHADE) * lopsided), np.float32)


def with_own_shade_below_nose(codec: Codec, detail: Floats, portrait: Portrait, leisure: float = 1.0) -> Floats:
    """A detail map whose skin between nose and mouth is shaded as the photo's.

    The nose's shadow lies there, and a smile folds it. Who lends a nose or a mouth was evenly lit and hardly moved:
    left as theirs, it is a pale muzzle.
    """
    zone = codec.mesh.below_nose
    lighter = np.clip(_lighter(portrait, detail, zone, FOLD), -MOST_SHADED, MOST_SHADED)
    return detail + threefold(np.float32(np.interp(leisure, (0, 1), SHADE_BELOW_NOSE)) * zone * lighter)


def with_own_lips(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose lips are about as dark as the photo's: make-up stays, and none appears.

    Place by place, with the skin around them: no lip is broader or narrower than it looked under a moustache.
    """
    mouth = codec.mesh.mouth
    return detail + threefold(OWN_LIPS * mouth * _lighter(portrait, detail, mouth, LIP_REACH))


def without_glare(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with no highlight brighter than the photo's own: in another light a lid or a nose would glow."""
    known = codec.mesh.skin * portrait.seen * ~portrait.hidden > 0.5
    if known.sum() < FEW:
        return detail
    brightest = max(float(np.percentile(brightness(portrait.detail)[known], BRIGHTEST)), DULLEST)
    grey = brightness(detail)
    over = np.maximum(grey - KNEE * brightest, 0)
    room = (1 - KNEE) * brightest
    return np.asarray(detail - threefold(over - room * np.tanh(over / room)), np.float32)


def with_own_tone(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map about as light on its cheeks as the photo's, where a skin's tone is read."""
    cheeks = codec.mesh.cheeks * portrait.seen * ~portrait.hidden
    if cheeks.sum() < FEW:
        return detail
    lighter = float((brightness(detail - portrait.detail) * cheeks).sum() / cheeks.sum())
    return np.asarray(detail - threefold(OWN_TONE * lighter * (1 - codec.mesh.lips)), np.float32)


def with_own_sockets(codec: Codec, detail: Floats, portrait: Portrait, leisure: float = 1.0) -> Floats:
    """A detail map broadly not much darker than the photo's, nor much lighter, from the brows to below the eyes.

    Eye shadow stays, and none appears: most who differ much from the usual face have darker sockets, and look made up
    or ill. The form of lids and brows is finer, and stays the new person's.
    """
    sockets = codec.mesh.sockets
    lighter = _lighter(portrait, detail, sockets * (1 - codec.mesh.eyes), SOCKET_REACH)
    change = np.maximum(lighter - SLIGHT, 0) + LESS_DARKENED * np.minimum(lighter + SLIGHT, 0)
    return detail + threefold(np.float32(np.interp(leisure, (0, 1), OWN_SOCKETS)) * sockets * change)


def _lighter(portrait: Portrait, detail: Floats, zone: Floats, reach: float) -> Floats:
    """How much lighter the photo is than a detail map around each place `(SIDE, SIDE)`, judged by what is seen."""
    told = np.asarray(zone * portrait.seen * ~portrait.hidden, np.float32)
    mass = widely(told, reach)
    return np.asarray(widely(brightness(portrait.detail - detail) * told, reach) / np.maximum(mass, UNSEEN), np.float32)
