"""Retouch a new face's detail map, so that it belongs to the photo: its light, its colours, its hair.

Who somebody is lies in brows, eyes, nose, mouth and build. How softly the light models a cheek, how red skin gets in
the shade, how dark the hair is: that is the photo's, and whoever appears in it takes it over.
"""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.appearance import (
    SIDE,
    Codec,
    brightness,
    broadly,
    from_detail,
    remap,
    shared_modelling,
    threefold,
    widely,
)
from identigen.identity.conditions import NAMES
from identigen.identity.portrait import Portrait
from identigen.masks import disc
from identigen.synthesis.complexion import Complexion, coloured
from identigen.types import Floats

BARE_SKIN, NOSE_SHADING = (0.4, 0.7), 0.65  # of young and of lined faces
FURROWS, FURROWED = (0.3, 1.0), 3.5  # share of bare skin's own lines, of young and of lined faces; pixels of the map
EXTREME = 2.5  # standard deviations among taught faces
OWN_TONE = 0.6  # share of the difference in lightness between the cheeks that goes
OWN_SHADE = 0.35  # share of the photo's own broad shading that stays
OWN_SIDE = 0.9  # and of what in it differs from side to side
LEAST_HARD, HARDEST, SMOOTH = 0.3, (1.4, 2.0), 1e-5  # gains, the most of young and of lined faces; energy nobody sees
MODELLING = (1.5, 9.0, 10.0)  # pixels of the map: the band that models a face, and how far around it is measured
OWN_LIPS, FEW = 0.9, 50  # share of the difference that goes; pixels of the map that tell nothing
BRIGHTEST, DULLEST, KNEE = 98.0, 0.06, 0.5  # percentile; least highlight; share of it from which on light is held back
BEARD_GAIN, BEARD_REACH = (0.2, 1.1), 6.0  # pixels of the map within which beards are compared
# Of brows, to the photo's: gain, and how dark any part may be; pixels of the map, broader than single hairs.
BROW_GAIN, BLACKEST, A_HAIR = (0.4, 2.0), 2.0, 1.2
BROW_CORE = 0.55  # of a brow's darkest, from which on it tells where the brow lies
MOST_MOVED, BROW_SKIRT = 4.0, 3.0  # pixels of the map; the skin around goes with them
LEAST_LIDS, SOFT = 0.3, 2.0  # least gain; pixels of the map: lashes, folds and hairs are finer
BEARD = NAMES.index("beard")


def impersonal_light(codec: Codec, portrait: Portrait) -> Floats:
    """The photo's broad light `(SIDE, SIDE, 3)` as it would fall on the average face.

    Whoever stood in it is left out, or their sockets and cheekbones would show through the new skin. A full beard
    stays: it goes on below the face.
    """
    bearded = float(np.clip(portrait.raw_condition[BEARD], 0, 1)) * codec.mesh.beard_zone
    change = (1 - bearded) * (codec.modelling - shared_modelling(portrait.coarse))
    cheeks = codec.mesh.cheeks * portrait.seen * ~portrait.hidden
    if cheeks.sum() < FEW:
        cheeks = codec.mesh.cheeks
    change -= (change * cheeks).sum() / cheeks.sum()  # the skin's tone, read there, stays
    return from_detail(np.asarray(np.expm1(change)[..., None], np.float32), portrait.coarse)


def modelled(codec: Codec, portrait: Portrait, detail: Floats, usual: Floats) -> Floats:
    """The map `(SIDE, SIDE, 3)` of a new identity, as softly modelled and as evenly lit as the portrait.

    `usual` is the mean map for what the photo asks for. Brows are as dark as there, so that such brows are lent.
    """
    detail = calmed(codec, detail, usual, portrait.by_age(BARE_SKIN), portrait.by_age(FURROWS))
    detail = with_own_hardness(codec, detail, portrait)
    detail = with_own_shade(codec, detail, portrait)
    return with_own_hair(codec, detail, portrait)


def matched(codec: Codec, portrait: Portrait, detail: Floats, complexion: Complexion) -> Floats:
    """A map `(SIDE, SIDE, 3)` whose features are final, with the brightness of lips and hair and the colours of the
    portrait's photo: colour comes last, or what a brow has left would stay behind as its tint.
    """
    detail = with_brows_in_place(codec, detail, portrait)
    detail = with_own_lips(codec, detail, portrait)
    detail = with_own_lids(codec, detail, portrait)
    detail = without_glare(codec, detail, portrait)
    detail = with_own_tone(codec, detail, portrait)
    detail = with_own_hair(codec, detail, portrait)
    return coloured(codec, detail, complexion)


def calmed(
    codec: Codec, detail: Floats, usual: Floats, own: float = BARE_SKIN[0], furrows: float = FURROWS[0]
) -> Floats:
    """A new detail map without blotches: on bare skin only the share `own` of what differs from the `usual` face.

    Brows, eyes, nose and mouth make a person; a cheek that differs from everybody's is a stain, and so is what hardly
    any taught face has at its place. Of a nose most is form: shaded as freely as an eye it would have furrows.
    """
    limit = EXTREME * codec.spread + 1e-6
    away = limit * np.tanh((detail - usual) / limit)
    bare = codec.mesh.bare
    kept = 1 - (1 - own) * bare - (1 - NOSE_SHADING) * codec.mesh.nose * (1 - bare)
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

    Nearest in what differs from side to side: that is where the lamp stands, and no trait of anybody.
    """
    bare = np.asarray(codec.mesh.bare * portrait.seen * ~portrait.hidden, np.float32)
    away = broadly(brightness(detail - portrait.detail), bare) * bare
    lopsided = (away - away[:, ::-1]) / 2 * (bare * bare[:, ::-1])
    return np.asarray(detail - threefold(OWN_SHADE * away + (OWN_SIDE - OWN_SHADE) * lopsided), np.float32)


def with_brows_in_place(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows about as high, and as slanted, as the photo's.

    The mesh follows a brow only part of the way: a raised one lies higher on its map, and whoever takes over the
    person's mood has it there as well.
    """
    mesh, seen = codec.mesh, np.asarray(portrait.seen * ~portrait.hidden, np.float32)
    rows = mesh.brow_rows
    zone = mesh.brows[rows]
    old = _soft(_below_skin(portrait.detail, mesh.skin * seen)[rows]) * zone * seen[rows]
    new = _soft(_below_skin(detail, mesh.skin)[rows]) * zone
    y, x = np.mgrid[0 : zone.shape[0], 0:SIDE].astype(np.float32)
    lower = np.zeros_like(zone)
    for half in (slice(0, SIDE // 2), slice(SIDE // 2, SIDE)):
        before, after = (_lie(part[:, half], y[:, half], x[:, half]) for part in (old, new))
        if before is None or after is None:
            continue
        off = before[0] - after[0] + (before[1] - after[1]) * (x[:, half] - before[2])
        lower[:, half] = np.clip(off, -MOST_MOVED, MOST_MOVED)
    lower = cv2.GaussianBlur(lower * cv2.dilate(zone, disc(round(2 * BROW_SKIRT))), (0, 0), BROW_SKIRT)
    out = detail.copy()
    out[rows] = remap(np.ascontiguousarray(detail[rows]), np.stack([x, y - lower], -1))
    return out


def _lie(hair: Floats, y: Floats, x: Floats) -> tuple[float, float, float] | None:
    """How low a brow's `hair` `(h, w)` lies, how it slants, and where its middle is; None where there is too little."""
    if hair.sum() < FEW:
        return None
    core = np.maximum(hair - BROW_CORE * hair.max(), 0)
    core /= core.sum()
    low, along = float((core * y).sum()), float((core * x).sum())
    slant = float((core * (x - along) * (y - low)).sum() / max(float((core * (x - along) ** 2).sum()), 1.0))
    return low, slant, along


def with_own_lips(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose lips are about as dark as the photo's: make-up stays, and none appears."""
    trust = codec.mesh.lips * portrait.seen * ~portrait.hidden
    if trust.sum() < FEW:
        return detail
    darker = float((brightness(detail - portrait.detail) * trust).sum() / trust.sum())
    return np.asarray(detail - threefold(OWN_LIPS * darker * codec.mesh.lips), np.float32)


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


def with_own_lids(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map whose skin around the eyes is no darker than the photo's: no eye shadow and no rings appear."""
    mesh, seen = codec.mesh, np.asarray(portrait.seen * ~portrait.hidden, np.float32)
    zone = mesh.lids * seen
    if zone.sum() < FEW:
        return detail
    old, new = _soft(_below_skin(portrait.detail, mesh.skin * seen)), _soft(_below_skin(detail, mesh.skin))
    gain = float(np.clip((old * zone).sum() / max(float((new * zone).sum()), 1e-6), LEAST_LIDS, 1))
    return np.asarray(detail + threefold((1 - gain) * mesh.lids * new), np.float32)


def with_own_hair(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with brows as dark and a beard as dense as the photo's: the hair stays, and they belong to it."""
    return _with_own_brows(codec, _with_own_beard(codec, detail, portrait), portrait)


def _with_own_beard(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    """A detail map with a beard as dense as the photo's, place by place: no moustache where there was none."""
    zone = codec.mesh.beard_zone
    trust = zone * portrait.seen
    old, new = (_soft(np.maximum(-brightness(picture), 0)) for picture in (portrait.detail, detail))
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
    depth, amount = _dark(_below_skin(portrait.detail, mesh.skin * seen)[rows], zone)
    if zone.sum() < FEW or depth <= 0:
        return detail
    hair = drawn = _below_skin(detail, mesh.skin)[rows]
    broad, gain, most = cv2.GaussianBlur(drawn, (0, 0), A_HAIR), 1.0, BLACKEST * depth
    for _ in range(3):  # what is held back at the darkest is made good by the rest
        darker, more = (old / max(new, 1e-6) for old, new in zip((depth, amount), _dark(hair, zone), strict=True))
        gain = float(np.clip(gain * np.sqrt(darker * min(darker, more)), *BROW_GAIN))
        hair = np.asarray(most * np.tanh(gain * broad / most) + gain * (drawn - broad), np.float32)
    out = detail.copy()
    out[rows] -= threefold(mesh.brows[rows] * (hair - drawn))
    return out


def _below_skin(picture: Floats, skin: Floats) -> Floats:
    """How much darker than the `skin` around it each place of a map is, `(SIDE, SIDE)`."""
    grey = brightness(picture)
    return np.maximum(broadly(grey, skin) - grey, 0)


def _dark(darkness: Floats, zone: Floats) -> tuple[float, float]:
    """How dark a map is in a `zone` where it is darkest, and its sum there; both without single hairs."""
    soft = _soft(darkness)
    amount = float((soft * zone).sum())
    return float((soft**2 * zone).sum()) / max(amount, 1e-6), amount


def _soft(picture: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), SOFT), np.float32)
