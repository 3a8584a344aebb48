from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import SIDE, Codec, brightness, shared_modelling
from identigen.identity.conditions import load_conditions
from identigen.identity.imagination import usual_identity
from identigen.identity.portrait import Portrait
from identigen.synthesis.retouching import (
    brow_tint,
    calmed,
    impersonal_light,
    matched,
    shade_tint,
    with_own_colour,
    with_own_hair,
    with_own_hardness,
    with_own_lids,
    with_own_lips,
    with_own_shade,
    with_own_tone,
    without_glare,
)
from identigen.types import Bools, Floats


@pytest.fixture(scope="module")
def usual(codec: Codec, portrait: Portrait) -> Floats:
    """The detail map of the usual face under the portrait's conditions."""
    conditions = load_conditions()
    return codec.decode(usual_identity(conditions, portrait.condition)[: len(codec.detail_scale)])


@pytest.fixture(scope="module")
def wrinkles(codec: Codec) -> Floats:
    """Folds over the whole skin, `(SIDE, SIDE, 3)`."""
    rows = np.sin(np.arange(SIDE, dtype=np.float32) / 3.0) * 0.12
    return np.asarray(rows[:, None, None] * codec.mesh.skin[..., None] * np.ones(3, np.float32), np.float32)


def cheeks(codec: Codec, portrait: Portrait) -> Bools:
    return (codec.mesh.bare > 0.9) & (portrait.seen > 0.9) & ~portrait.hidden


def depth(detail: Floats, where: Bools) -> float:
    return float(np.std(detail.mean(-1)[where]))


def test_sockets_and_cheekbones_of_who_was_there_do_not_show_through(codec: Codec, portrait: Portrait) -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    sunken = sum(np.exp(-((x - c) ** 2 + (y - 75) ** 2) / (2 * 15**2)) for c in (60, SIDE - 1 - 60))
    hollow = replace(portrait, coarse=portrait.coarse * (1 - 0.4 * sunken)[..., None].astype(np.float32))
    plain, light = impersonal_light(codec, portrait), impersonal_light(codec, hollow)
    pairs = ((hollow.coarse, portrait.coarse), (light, plain))
    shadow = [brightness(a)[75, 60] / brightness(b)[75, 60] for a, b in pairs]
    assert 1 - shadow[1] < 0.6 * (1 - shadow[0])
    away = [np.abs(shared_modelling(c) - codec.modelling)[codec.mesh.inside].mean() for c in (hollow.coarse, light)]
    assert away[1] < 0.5 * away[0]


def test_cheeks_stay_as_light_as_they_were(codec: Codec, portrait: Portrait) -> None:
    y = np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32)
    pale = replace(portrait, coarse=portrait.coarse * (1 - 0.3 * np.exp(-(((y - 120) / 20) ** 2)))[..., None])
    seen = (codec.mesh.cheeks * portrait.seen > 0.5) & ~portrait.hidden
    before, after = (brightness(c)[seen].mean() for c in (pale.coarse, impersonal_light(codec, pale)))
    assert after == pytest.approx(before, rel=0.03)


def test_light_from_one_side_stays_where_it_was(codec: Codec, portrait: Portrait) -> None:
    lit = np.linspace(0.6, 1.4, SIDE, dtype=np.float32)[None, :, None]
    from_left = replace(portrait, coarse=np.broadcast_to(120 * lit, portrait.coarse.shape).astype(np.float32))
    light = brightness(impersonal_light(codec, from_left))
    assert light[:, 150].mean() / light[:, 41].mean() == pytest.approx(float(lit[0, 150, 0] / lit[0, 41, 0]), rel=0.05)


def test_nobody_gets_deep_folds_in_a_photo_of_smooth_skin(codec: Codec, portrait: Portrait, wrinkles: Floats) -> None:
    smooth = replace(portrait, detail=np.zeros_like(wrinkles))
    mended = with_own_hardness(codec, wrinkles, smooth)
    assert depth(mended, cheeks(codec, portrait)) < 0.6 * depth(wrinkles, cheeks(codec, portrait))


def test_a_wrinkled_skin_does_not_come_out_smooth(codec: Codec, portrait: Portrait, wrinkles: Floats) -> None:
    old = replace(portrait, detail=wrinkles)
    mended = with_own_hardness(codec, 0.7 * wrinkles, old)
    assert depth(mended, cheeks(codec, portrait)) > 0.8 * depth(wrinkles, cheeks(codec, portrait))


def test_brows_and_lips_are_left_to_the_new_person(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    smooth = replace(portrait, detail=np.zeros_like(usual))
    lips = codec.mesh.lips > 0.99
    assert np.allclose(with_own_hardness(codec, usual, smooth)[lips], usual[lips], atol=1e-4)


def test_a_face_is_not_of_another_colour_than_its_neck(codec: Codec, portrait: Portrait) -> None:
    green = portrait.detail + np.array([-0.1, 0.1, 0.0], np.float32)
    mended = with_own_colour(codec, green, portrait, 1.0, shade_tint(codec, portrait))
    where = cheeks(codec, portrait)
    off = [np.abs((detail - portrait.detail)[where].mean(0)).max() for detail in (green, mended)]
    assert off[1] < 0.2 * off[0]


def test_shade_is_as_warm_as_it_is_elsewhere_in_the_photo(codec: Codec, portrait: Portrait) -> None:
    """In an overexposed photo highlights have lost their red; what is darker there must not look grey."""
    y = np.linspace(-0.15, 0.15, SIDE, dtype=np.float32)[:, None, None] * np.ones((1, SIDE, 1), np.float32)
    burnt = replace(portrait, detail=np.asarray(y * (1 + np.array([-0.6, 0.1, 0.5], np.float32)), np.float32))
    tint = shade_tint(codec, burnt)
    assert tint == pytest.approx([-0.6, 0.1, 0.5], abs=0.1)
    darker = burnt.detail - 0.1
    mended = with_own_colour(codec, darker, burnt, 1.0, tint)
    where = cheeks(codec, portrait)
    darker_by = mended[where].mean() - burnt.detail[where].mean()
    reddened = (mended - burnt.detail)[where].mean(0) - darker_by
    assert reddened.tolist() == pytest.approx((darker_by * tint).tolist(), abs=0.01)


def test_what_no_face_has_is_not_drawn(codec: Codec, usual: Floats) -> None:
    """A single white flash or black hole between the eyes is a flaw of the draw."""
    flash = np.zeros((SIDE, SIDE), np.float32)
    x, y = codec.mesh.canonical[168].round().astype(int).tolist()
    cv2.circle(flash, (x, y), 6, (2.0,), -1)
    drawn = calmed(codec, usual + flash[..., None], usual)
    assert (drawn - usual).mean(-1)[y, x] < 0.6
    slight = calmed(codec, usual + 0.02 * flash[..., None], usual)
    assert (slight - usual).mean(-1)[y, x] > 0.015


def test_a_nose_is_shaded_less_freely_than_brows_and_more_than_cheeks(codec: Codec, usual: Floats) -> None:
    lighter = (calmed(codec, usual + 0.02, usual) - usual).mean(-1)
    mesh = codec.mesh
    brows, nose, cheeks = (lighter[zone > 0.95].mean() for zone in (mesh.brows, mesh.nose - mesh.bare, mesh.bare))
    assert brows > 1.2 * nose
    assert nose > 1.2 * cheeks


def test_faint_brows_get_nearer_to_the_photos(codec: Codec, portrait: Portrait) -> None:
    """The hair on the head stays, and brows that go with it."""
    faint = portrait.expected * (1 - 0.4 * codec.mesh.brows[..., None])
    mended = with_own_hair(codec, faint, portrait)
    dark, before, after = (
        (np.minimum(picture.mean(-1), 0) * codec.mesh.brows * portrait.seen).sum()
        for picture in (portrait.expected, faint, mended)
    )
    assert abs(after - dark) < 0.7 * abs(before - dark)


def test_a_grey_photo_gets_no_colour(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    tinted = usual + np.array([0.2, 0.0, -0.2], np.float32)
    grey = replace(portrait, detail=np.repeat(brightness(portrait.detail)[..., None], 3, -1))
    drawn = matched(codec, grey, tinted, 0.0, np.zeros(3, np.float32))
    assert np.allclose(drawn, drawn.mean(-1, keepdims=True), atol=1e-6)


def test_what_is_left_of_a_brow_has_the_colour_of_skin(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    """A warm brow that was drawn and then gave way to a fainter one must leave no orange stain."""
    mesh = codec.mesh
    stain = usual + mesh.brows[..., None] * np.array([0.1, 0.0, -0.1], np.float32)
    tint = shade_tint(codec, portrait)
    plain, mended = (with_own_colour(codec, detail, portrait, 1.0, tint) for detail in (usual, stain))
    where = (mesh.brows > 0.9) & (portrait.seen > 0.9) & ~portrait.hidden
    assert np.abs((mended - plain)[where]).max() < 0.02


def test_brows_are_of_the_colour_of_the_photos_own(codec: Codec, portrait: Portrait) -> None:
    mesh = codec.mesh
    red = np.array([-0.5, 0.1, 0.4], np.float32)  # of what is darker: 1 - 0.5 of it is lost in the red
    flat = np.zeros((SIDE, SIDE, 3), np.float32)
    brows = -0.4 * mesh.brows[..., None]
    ginger = replace(
        portrait,
        detail=np.asarray(brows * (1 + red), np.float32),
        seen=np.ones_like(portrait.seen),
        hidden=portrait.hidden & False,
    )
    assert brow_tint(codec, ginger, np.zeros(3, np.float32)) == pytest.approx(red, abs=0.1)
    drawn = with_own_colour(codec, flat + 0.5 * brows, ginger, 1.0, np.zeros(3, np.float32))
    core = mesh.brows > 0.99
    assert (drawn[..., 0] - drawn[..., 2])[core].mean() == pytest.approx(0.9 * 0.2, abs=0.04)


def test_the_lamp_stays_on_its_side(codec: Codec, portrait: Portrait) -> None:
    """One cheek in the shadow of a nose that is gone is still in shadow; both alike would be a build, and are not."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    cheek = np.exp(-((x - 45) ** 2 + (y - 115) ** 2) / (2 * 18**2))[..., None]
    flat, there = np.zeros((SIDE, SIDE, 3), np.float32), (slice(110, 120), slice(40, 50))
    lit = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    one, both = (replace(lit, detail=np.asarray(-0.3 * s, np.float32)) for s in (cheek, cheek + cheek[:, ::-1]))
    lopsided, even = (-with_own_shade(codec, flat, photo)[there].mean() for photo in (one, both))
    assert lopsided > 1.3 * even


def test_no_brows_are_blacker_and_no_moustache_grows_than_the_photo_has(codec: Codec, portrait: Portrait) -> None:
    hairy = portrait.expected - 0.4 * np.maximum(codec.mesh.brows, codec.mesh.beard_zone)[..., None]
    mended = with_own_hair(codec, hairy, portrait)
    for zone in (codec.mesh.brows, codec.mesh.beard_zone):
        dark, before, after = ((picture.mean(-1) * zone).sum() for picture in (portrait.expected, hairy, mended))
        assert abs(after - dark) < 0.75 * abs(before - dark)
    bare = codec.mesh.bare > 0.99
    bare &= (codec.mesh.brows < 0.01) & (codec.mesh.beard_zone < 0.01)
    assert np.allclose(mended[bare], hairy[bare], atol=0.02)


def test_a_brow_keeps_its_tail_when_it_gets_darker(codec: Codec, portrait: Portrait) -> None:
    """Whose middle was drawn dark has no black block there, with a hair line for a tail, and both sides agree."""
    mesh = codec.mesh
    flat = np.zeros((SIDE, SIDE, 3), np.float32)
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    dark = replace(seen, detail=np.asarray(flat - 0.5 * mesh.brows[..., None], np.float32))
    across = np.abs(np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2)
    inner, outer = ((mesh.brows > 0.9) & side for side in (across < 40, across > 52))
    assert inner.any()
    assert outer.any()
    faint = np.where(across < 46, 0.4, 0.15).astype(np.float32) * mesh.brows
    mended = with_own_hair(codec, flat - faint[..., None], dark).mean(-1)
    assert -0.9 < mended[inner].mean() < -0.45
    assert mended[outer].mean() < 0.4 * mended[inner].mean()
    assert np.allclose(mended, mended[:, ::-1], atol=1e-3)


def test_a_bushy_brow_is_no_bar_where_the_photos_are_thin(codec: Codec, portrait: Portrait) -> None:
    mesh = codec.mesh
    flat = np.zeros((SIDE, SIDE, 3), np.float32)
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    thin = replace(seen, detail=np.asarray(flat - 0.4 * mesh.brows[..., None] ** 30, np.float32))
    bushy = flat - 0.4 * mesh.brows[..., None]
    amounts = [
        float((-picture.mean(-1) * mesh.brows).sum())
        for picture in (thin.detail, bushy, with_own_hair(codec, bushy, thin))
    ]
    assert abs(amounts[2] - amounts[0]) < 0.4 * abs(amounts[1] - amounts[0])


def test_nobody_puts_eye_shadow_on(codec: Codec, portrait: Portrait) -> None:
    """Lids no darker than the photo's; lids that are lighter are the new person's."""
    mesh = codec.mesh
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    lids = mesh.lids > 0.95
    for shade in (-0.3, 0.3):
        made_up = seen.detail + shade * mesh.lids[..., None]
        before, after = (
            (detail - seen.detail)[lids].mean() for detail in (made_up, with_own_lids(codec, made_up, seen))
        )
        assert after == pytest.approx(before, abs=0.02) if shade > 0 else after > 0.7 * before


def test_nobody_puts_lipstick_on(codec: Codec, portrait: Portrait) -> None:
    lips = codec.mesh.lips[..., None]
    painted = portrait.detail + lips * np.array([-0.1, -0.35, -0.3], np.float32)
    as_dark = with_own_lips(codec, painted, portrait)
    mended = with_own_colour(codec, as_dark, portrait)
    where = (codec.mesh.lips > 0.9) & (portrait.seen > 0.9) & ~portrait.hidden
    off = [np.abs((detail - portrait.detail)[where].mean(0)).max() for detail in (painted, mended)]
    assert off[1] < 0.55 * off[0]
    away = codec.mesh.lips < 0.001
    assert np.allclose(as_dark[away], painted[away], atol=1e-3)


def test_no_highlight_is_brighter_than_the_photos_own(codec: Codec, portrait: Portrait) -> None:
    glaring = portrait.detail + 0.8 * codec.mesh.brows[..., None]
    dimmed = without_glare(codec, glaring, portrait)
    known = (codec.mesh.skin > 0.5) & (portrait.seen > 0.5) & ~portrait.hidden
    brightest = np.percentile(portrait.detail.mean(-1)[known], 99)
    assert dimmed.mean(-1)[codec.mesh.brows > 0.5].max() <= brightest
    dark = portrait.detail - 0.5
    assert np.array_equal(without_glare(codec, dark, portrait)[known], dark[known])


def test_a_new_nose_has_not_the_colour_of_the_old_ones_shadow(codec: Codec, portrait: Portrait) -> None:
    """The old nose's side was dark and warm; the new one is bright there and must be as pale as bright skin is."""
    tint = np.array([-0.5, 0.0, 0.5], np.float32)
    shadow = np.zeros((SIDE, SIDE, 1), np.float32)
    x, y = codec.mesh.canonical[5].round().astype(int).tolist()
    shadow[y - 25 : y + 25, x - 20 : x + 20] = -0.3
    old = replace(
        portrait, detail=shadow * (1 + tint), seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False
    )
    flat = np.zeros((SIDE, SIDE, 3), np.float32)
    mended = with_own_colour(codec, flat, old, 1.0, tint)
    warmth = mended[..., 0] - mended[..., 2]
    assert abs(warmth[y, x]) < 0.03


def test_cheeks_stay_about_as_light(codec: Codec, portrait: Portrait) -> None:
    lighter = portrait.detail + np.float32(0.1)
    where = cheeks(codec, portrait) & (codec.mesh.cheeks > 0.5)
    toned = with_own_tone(codec, lighter, portrait)
    assert 0 < (toned - portrait.detail)[where].mean() < 0.05
    assert np.allclose(with_own_tone(codec, portrait.detail, portrait), portrait.detail, atol=1e-6)
