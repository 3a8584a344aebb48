from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen.identity.appearance import Codec, brightness
from identigen.identity.mesh import SIDE
from identigen.identity.portrait import Portrait
from identigen.synthesis.complexion import brow_tint, coloured, read_complexion, shade_tint
from identigen.types import Bools, Floats


@pytest.fixture(scope="module")
def bare(codec: Codec, portrait: Portrait) -> Portrait:
    """The portrait with nothing hidden and everything in view."""
    return replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)


@pytest.fixture(scope="module")
def skin(codec: Codec, portrait: Portrait) -> Bools:
    """Where the portrait shows its cheeks."""
    return np.asarray((codec.mesh.cheeks * portrait.seen > 0.5) & ~portrait.hidden)


def in_its_colours(codec: Codec, detail: Floats, portrait: Portrait) -> Floats:
    return coloured(codec, detail, read_complexion(codec, portrait))


def test_a_face_is_not_of_another_colour_than_its_neck(codec: Codec, portrait: Portrait, skin: Bools) -> None:
    green = portrait.detail + np.array([-0.1, 0.1, 0.0], np.float32)
    mended = in_its_colours(codec, green, portrait)
    off = [np.abs((detail - portrait.detail)[skin].mean(0)).max() for detail in (green, mended)]
    assert off[1] < 0.2 * off[0]


def test_shade_is_as_warm_as_it_is_elsewhere_in_the_photo(codec: Codec, portrait: Portrait, skin: Bools) -> None:
    """In an overexposed photo highlights have lost their red; what is darker there must not look grey."""
    across = np.linspace(-0.15, 0.15, SIDE, dtype=np.float32)[None, :, None] * np.ones((SIDE, 1, 1), np.float32)
    burnt = replace(portrait, detail=np.asarray(across * (1 + np.array([-0.6, 0.1, 0.5], np.float32)), np.float32))
    tint = shade_tint(codec, burnt)
    assert tint == pytest.approx([-0.6, 0.1, 0.5], abs=0.1)
    mended = in_its_colours(codec, burnt.detail - 0.1, burnt)
    darker_by = mended[skin].mean() - burnt.detail[skin].mean()
    reddened = (mended - burnt.detail)[skin].mean(0) - darker_by
    assert reddened.tolist() == pytest.approx((darker_by * tint).tolist(), abs=0.01)


def test_a_fringe_or_a_beard_makes_no_shadow_grey(codec: Codec, bare: Portrait) -> None:
    """Dark hair is grey; a nose's shadow beside it is as warm as on anybody."""
    mesh = codec.mesh
    across = np.linspace(-0.15, 0.15, SIDE, dtype=np.float32)[None, :, None] * np.ones((SIDE, 1, 1), np.float32)
    warm = across * (1 + np.array([-0.3, 0.0, 0.3], np.float32))
    hairy = (np.mgrid[0:SIDE, 0:SIDE][0] < 40) | (mesh.beard_zone > 0.5)
    hairy[:, 60:64] = True  # and a strand across a cheek
    face = np.where(hairy[..., None], np.float32(-0.6), warm).astype(np.float32)
    assert shade_tint(codec, replace(bare, detail=face)) == pytest.approx([-0.3, 0.0, 0.3], abs=0.05)


def test_a_grey_photo_gets_no_colour(codec: Codec, portrait: Portrait) -> None:
    tinted = portrait.detail + np.array([0.2, 0.0, -0.2], np.float32)
    detail, coarse = (np.repeat(brightness(m)[..., None], 3, -1) for m in (portrait.detail, portrait.coarse))
    drawn = in_its_colours(codec, tinted, replace(portrait, detail=detail, coarse=coarse))
    assert np.allclose(drawn, drawn.mean(-1, keepdims=True), atol=1e-5)


def test_what_is_left_of_a_brow_has_the_colour_of_skin(codec: Codec, portrait: Portrait) -> None:
    """A warm brow that was drawn and then gave way to a fainter one must leave no orange stain."""
    mesh = codec.mesh
    stain = portrait.detail + mesh.brows[..., None] * np.array([0.1, 0.0, -0.1], np.float32)
    plain, mended = (in_its_colours(codec, detail, portrait) for detail in (portrait.detail, stain))
    where = (mesh.brows > 0.9) & (portrait.seen > 0.9) & ~portrait.hidden
    assert np.abs((mended - plain)[where]).max() < 0.02


def test_brows_are_of_the_colour_of_the_photos_own(codec: Codec, bare: Portrait) -> None:
    mesh = codec.mesh
    red = np.array([-0.5, 0.1, 0.4], np.float32)  # of what is darker: 1 - 0.5 of it is lost in the red
    flat = np.zeros((SIDE, SIDE, 3), np.float32)
    brows = -0.4 * mesh.brows[..., None]
    ginger = replace(bare, detail=np.asarray(brows * (1 + red), np.float32))
    assert brow_tint(codec, ginger, np.zeros(3, np.float32)) == pytest.approx(red, abs=0.1)
    drawn = in_its_colours(codec, flat + 0.5 * brows, ginger)
    core = mesh.brows > 0.99
    assert (drawn[..., 0] - drawn[..., 2])[core].mean() == pytest.approx(0.9 * 0.2, abs=0.04)


def test_a_new_nose_has_not_the_colour_of_the_old_ones_shadow(codec: Codec, bare: Portrait) -> None:
    """The old nose's side was dark and warm; the new one is bright there and must be as pale as bright skin is."""
    shadow = np.zeros((SIDE, SIDE, 1), np.float32)
    x, y = codec.mesh.canonical[5].round().astype(int).tolist()
    shadow[y - 25 : y + 25, x - 20 : x + 20] = -0.3
    old = replace(bare, detail=shadow * (1 + np.array([-0.5, 0.0, 0.5], np.float32)))
    mended = in_its_colours(codec, np.zeros((SIDE, SIDE, 3), np.float32), old)
    warmth = mended[..., 0] - mended[..., 2]
    assert abs(warmth[y, x]) < 0.03
