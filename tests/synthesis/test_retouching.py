from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import Codec, brightness, shared_modelling
from identigen.identity.mesh import SIDE
from identigen.identity.portrait import Portrait
from identigen.synthesis.complexion import coloured, read_complexion
from identigen.synthesis.retouching import (
    calmed,
    impersonal_light,
    modelled,
    with_own_hardness,
    with_own_lips,
    with_own_shade,
    with_own_shade_below_nose,
    with_own_sockets,
    with_own_tone,
    without_glare,
)
from identigen.types import Bools, Floats


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
    away = [np.abs(shared_modelling(a) - shared_modelling(b))[codec.mesh.inside].mean() for a, b in pairs]
    assert away[1] < 0.65 * away[0]


def test_the_light_goes_on_over_the_rim(codec: Codec, portrait: Portrait) -> None:
    """A bright forehead that went dark at the edge of the new face would end in a line below the hair."""
    y = np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32)
    bright = replace(portrait, coarse=portrait.coarse * (1 + 0.3 * np.exp(-((y / 60) ** 2)))[..., None])
    change = np.abs(np.log(brightness(impersonal_light(codec, bright)) / brightness(bright.coarse)))
    rim = codec.mesh.inside & (codec.mesh.depth(6.0) < 1)
    assert change[rim].max() < 0.035
    assert change[codec.mesh.depth(40.0) == 1].max() > 0.04


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


def test_what_no_face_has_is_not_drawn(codec: Codec, usual: Floats) -> None:
    """A single white flash or black hole between the eyes is a flaw of the draw."""
    flash = np.zeros((SIDE, SIDE), np.float32)
    x, y = codec.mesh.canonical[168].round().astype(int).tolist()
    cv2.circle(flash, (x, y), 6, (2.0,), -1)
    drawn = calmed(codec, usual + flash[..., None], usual)
    assert (drawn - usual).mean(-1)[y, x] < 0.6
    slight = calmed(codec, usual + 0.02 * flash[..., None], usual, furrows=1.0)
    assert (slight - usual).mean(-1)[y, x] > 0.015


def test_a_nose_is_shaded_less_freely_than_brows_and_more_than_cheeks(codec: Codec, usual: Floats) -> None:
    lighter = (calmed(codec, usual + 0.02, usual) - usual).mean(-1)
    mesh = codec.mesh
    brows, nose, cheeks = (lighter[zone > 0.95].mean() for zone in (mesh.brows, mesh.nose - mesh.bare, mesh.bare))
    assert brows > 1.2 * nose
    assert nose > 1.05 * cheeks


def test_only_in_need_a_new_person_is_shaded_freely(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    """Rather a cheek that looks drawn than a cover."""
    rng = np.random.default_rng(3)
    blotches = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 5.0)
    cheek, kept = codec.mesh.bare > 0.95, list[float]()
    for leisure in (1.0, 0.0):
        drawn, plain = (modelled(codec, portrait, d, usual, leisure) for d in (usual + 0.1 * blotches, usual))
        kept.append(float(np.abs(drawn - plain)[cheek].mean()))
    assert kept[1] > 1.1 * kept[0]


def test_young_skin_gets_no_frown(codec: Codec, usual: Floats) -> None:
    """A furrow between the brows is a mood, and on a young forehead an age; a broad hollow is neither."""
    x = np.abs(np.arange(SIDE, dtype=np.float32) - SIDE // 2)
    between = (slice(20, 45), SIDE // 2)
    furrow, hollow = (np.tile(-0.1 * np.exp(-((x / width) ** 2) / 2), (SIDE, 1))[..., None] for width in (1.5, 12.0))

    def kept(drawn: Floats, furrows: float) -> float:
        return float(((calmed(codec, usual + drawn, usual, 0.7, furrows) - usual)[between] / drawn[between]).mean())

    assert kept(furrow, 0.0) < 0.6 * kept(furrow, 1.0)
    assert kept(hollow, 0.0) > 0.9 * kept(hollow, 1.0)


def test_the_lamp_stays_on_its_side(codec: Codec, portrait: Portrait) -> None:
    """One cheek in the shadow of a nose that is gone is still in shadow; both alike would be a build, and are not."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    cheek = np.exp(-((x - 45) ** 2 + (y - 115) ** 2) / (2 * 18**2))[..., None]
    flat, there = np.zeros((SIDE, SIDE, 3), np.float32), (slice(110, 120), slice(40, 50))
    lit = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    one, both = (replace(lit, detail=np.asarray(-0.3 * s, np.float32)) for s in (cheek, cheek + cheek[:, ::-1]))
    lopsided, even = (-with_own_shade(codec, flat, photo)[there].mean() for photo in (one, both))
    assert lopsided > 1.3 * even


def test_shade_is_not_cut_off_at_a_fringe(codec: Codec, portrait: Portrait) -> None:
    """It would be a line on the skin, and its mirror image another one on the other side."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    fringe = (y < 22) & (x < SIDE / 2)
    lopsided = np.asarray(0.3 * np.tanh((x - SIDE / 2) / 30)[..., None] * np.ones(3), np.float32)
    seen = np.asarray(~fringe, np.float32)
    change = brightness(
        with_own_shade(codec, 0 * lopsided, replace(portrait, detail=lopsided, seen=seen, hidden=fringe))
    )
    steps = np.abs(np.diff(change, axis=0))[17:27, 60:132]
    assert np.abs(change).max() > 0.1
    assert steps.max() < 0.015


@pytest.mark.parametrize("shade", [-0.25, 0.25])
def test_the_shadow_under_the_nose_stays(codec: Codec, portrait: Portrait, shade: float) -> None:
    """More of it at leisure than in need; lips, nose and cheeks are left to the others."""
    mesh = codec.mesh
    y = np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32)
    shadow = np.asarray(shade * np.exp(-(((y - 124) / 5) ** 2))[..., None] * np.ones(3), np.float32)
    photo = replace(portrait, detail=shadow, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    lent = np.zeros((SIDE, SIDE, 3), np.float32)
    under = (mesh.below_nose > 0.95) & (y > 121) & (y < 127)
    left = []
    for leisure in (1.0, 0.0):
        mended = brightness(with_own_shade_below_nose(codec, lent, photo, leisure))
        assert np.allclose(mended[mesh.below_nose < 0.01], 0, atol=5e-3)
        left.append(float(mended[under].mean() / brightness(shadow)[under].mean()))
    assert 0.4 < left[0] < 0.8
    assert left[1] < 0.5 * left[0]


@pytest.mark.parametrize(("shade", "most"), [(-0.3, 0.45), (0.3, 0.85)])
def test_nobody_puts_eye_shadow_on(codec: Codec, portrait: Portrait, shade: float, most: float) -> None:
    """Lids are hardly darker than the photo's, and not much lighter; their folds are those of the new person."""
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    sockets, rows = codec.mesh.sockets[..., None], np.arange(SIDE, dtype=np.float32)
    folds = 0.1 * np.sin(rows * 2.0)[:, None, None] * sockets
    made_up = np.asarray(seen.detail + folds + shade * sockets, np.float32)
    mended = with_own_sockets(codec, made_up, seen)
    lids = (codec.mesh.sockets > 0.99) & (codec.mesh.eyes < 0.01)
    left = (mended - seen.detail - folds)[lids]
    assert np.abs(left).mean() < most * abs(shade)
    assert left.std() < 0.1 * abs(shade)
    away = codec.mesh.sockets < 0.001
    assert np.allclose(mended[away], made_up[away], atol=1e-3)


def test_where_nobody_was_far_enough_eyes_may_lie_deeper(codec: Codec, portrait: Portrait) -> None:
    deep = np.asarray(portrait.detail - 0.3 * codec.mesh.sockets[..., None], np.float32)
    lids = (codec.mesh.sockets > 0.99) & (codec.mesh.eyes < 0.01) & (portrait.seen > 0.9) & ~portrait.hidden
    led = [float((with_own_sockets(codec, deep, portrait, leisure) - deep)[lids].mean()) for leisure in (0.0, 1.0)]
    assert 0 < led[0] < 0.5 * led[1]


def test_lids_that_are_hidden_make_nobody_up(codec: Codec, portrait: Portrait) -> None:
    masked = replace(portrait, seen=portrait.seen * (codec.mesh.sockets < 0.001))
    pale = np.asarray(portrait.detail + 0.3 * codec.mesh.sockets[..., None], np.float32)
    middle = (codec.mesh.sockets > 0.99) & (codec.mesh.eyes < 0.01)
    change = np.abs(with_own_sockets(codec, pale, masked) - pale)[middle]
    assert change.mean() < 0.03


def test_in_flat_light_nobody_has_deep_sockets(codec: Codec, portrait: Portrait) -> None:
    """How strongly the light models a face is the photo's."""

    def depth_of(strength: float) -> float:
        coarse = 120 * np.exp(strength * codec.modelling)[..., None] * np.ones(3, np.float32)
        lit = replace(portrait, coarse=np.asarray(coarse, np.float32), seen=np.ones_like(portrait.seen))
        lit = replace(lit, hidden=portrait.hidden & False)
        return float(shared_modelling(impersonal_light(codec, lit))[codec.mesh.depth(40.0) > 0.9].std())

    assert depth_of(0.4) < 0.55 * depth_of(1.0)
    assert depth_of(5.0) < 2 * depth_of(1.0)


def test_nobody_puts_lipstick_on(codec: Codec, portrait: Portrait) -> None:
    lips = codec.mesh.lips[..., None]
    painted = portrait.detail + lips * np.array([-0.1, -0.35, -0.3], np.float32)
    as_dark = with_own_lips(codec, painted, portrait)
    mended = coloured(codec, as_dark, read_complexion(codec, portrait))
    where = (codec.mesh.lips > 0.9) & (portrait.seen > 0.9) & ~portrait.hidden
    off = [np.abs((detail - portrait.detail)[where].mean(0)).max() for detail in (painted, mended)]
    assert off[1] < 0.55 * off[0]
    away = codec.mesh.lips < 0.001
    assert np.allclose(as_dark[away], painted[away], atol=3e-3)


def test_a_moustache_still_hangs_over_the_lip(codec: Codec, portrait: Portrait) -> None:
    """What covers half of a lip covers half of the new one, in its own colour."""
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    lips, rows = codec.mesh.lips, np.mgrid[0:SIDE, 0:SIDE][0]
    upper = (lips * (rows < codec.mesh.canonical[13, 1] - 2))[..., None]
    lower = (lips * (rows > codec.mesh.canonical[14, 1] + 2))[..., None]
    grey, red = np.array([-0.3, -0.3, -0.3], np.float32), np.array([0.1, -0.3, -0.2], np.float32)
    hairy = replace(seen, detail=np.asarray(upper * grey + lower * red, np.float32))
    bare = np.asarray(lips[..., None] * red, np.float32)
    mended = coloured(codec, with_own_lips(codec, bare, hairy), read_complexion(codec, hairy))
    above, below = (mended[part[..., 0] > 0.95].mean(0) for part in (upper, lower))
    assert above.mean() < below.mean() - 0.05
    assert above[0] - above[1] < 0.5 * (below[0] - below[1])


def test_no_highlight_is_brighter_than_the_photos_own(codec: Codec, portrait: Portrait) -> None:
    glaring = portrait.detail + 0.8 * codec.mesh.brows[..., None]
    dimmed = without_glare(codec, glaring, portrait)
    known = (codec.mesh.skin > 0.5) & (portrait.seen > 0.5) & ~portrait.hidden
    brightest = np.percentile(portrait.detail.mean(-1)[known], 99)
    assert dimmed.mean(-1)[codec.mesh.brows > 0.5].max() <= brightest
    dark = portrait.detail - 0.5
    assert np.array_equal(without_glare(codec, dark, portrait)[known], dark[known])


def test_cheeks_stay_about_as_light(codec: Codec, portrait: Portrait) -> None:
    lighter = portrait.detail + np.float32(0.1)
    where = cheeks(codec, portrait) & (codec.mesh.cheeks > 0.5)
    toned = with_own_tone(codec, lighter, portrait)
    assert 0 < (toned - portrait.detail)[where].mean() < 0.05
    assert np.allclose(with_own_tone(codec, portrait.detail, portrait), portrait.detail, atol=1e-6)
