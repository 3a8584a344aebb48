from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import Codec, brightness
from identigen.identity.brows import read_brow_lines
from identigen.identity.mesh import SIDE
from identigen.identity.portrait import Portrait
from identigen.synthesis.hair import sparing_brows, with_brows_in_place, with_own_hair, without_rims
from identigen.types import Floats


def test_raised_brows_stay_raised(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    """The mesh lags behind a raised brow: it lies higher on its map, and the new one must as well."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    raised = cv2.remap(usual, x, y + 3, cv2.INTER_LINEAR)
    surprised = replace(portrait, brow_lines=read_brow_lines(codec.mesh, raised, np.ones_like(portrait.seen)))
    placed = with_brows_in_place(codec, usual, surprised)
    zone = codec.mesh.brows > 0.5
    off = [float(np.abs(brightness(detail - raised))[zone].mean()) for detail in (usual, placed)]
    assert off[1] < 0.5 * off[0]
    below = np.mgrid[0:SIDE, 0:SIDE][0] > 75
    assert np.allclose(placed[below], usual[below])


@pytest.mark.parametrize("faintness", [0.25, 1.0])
def test_brows_slant_as_they_did(codec: Codec, portrait: Portrait, faintness: float) -> None:
    """Whoever looks friendly does not look angry, even with brows that are hardly seen."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    outwards = np.abs(x - (SIDE - 1) / 2) - 45

    def brows(slant: float, low: float) -> Floats:
        line = np.exp(-(((y - low - slant * outwards) / 2.5) ** 2) / 2)
        return np.asarray(-0.4 * (line * codec.mesh.brows)[..., None] * np.ones(3, np.float32), np.float32)

    low = float(np.average(y, weights=codec.mesh.brows))
    kind, angry = brows(0.12, low), brows(-0.12, low)
    lines = read_brow_lines(codec.mesh, np.float32(faintness) * kind, np.ones_like(portrait.seen))
    placed = with_brows_in_place(codec, angry, replace(portrait, brow_lines=lines))
    off = [float(np.abs(detail - kind).mean()) for detail in (angry, placed)]
    assert off[1] < 0.5 * off[0]


def test_a_fringe_over_half_a_brow_slants_nobody_else_s(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    """What is left of an arched brow rises or falls: compared with a whole one, it would be led astray."""
    x = np.mgrid[0:SIDE, 0:SIDE][1]
    fringe = np.asarray(1 - ((x > 30) & (x < 50)), np.float32)
    there = replace(portrait, seen=fringe, brow_lines=read_brow_lines(codec.mesh, usual, fringe))
    assert np.abs(with_brows_in_place(codec, usual, there) - usual).max() < 0.01


def test_brows_that_are_hidden_move_no_others(codec: Codec, portrait: Portrait, usual: Floats) -> None:
    lines = read_brow_lines(codec.mesh, portrait.detail, portrait.seen * (codec.mesh.brows < 0.01))
    assert lines == (None, None)
    under_a_cap = replace(portrait, brow_lines=lines)
    assert np.allclose(with_brows_in_place(codec, usual, under_a_cap), usual, atol=1e-4)


def test_faint_brows_get_nearer_to_the_photos(codec: Codec, portrait: Portrait) -> None:
    """The hair on the head stays, and brows that go with it."""
    faint = portrait.expected * (1 - 0.4 * codec.mesh.brows[..., None])
    mended = with_own_hair(codec, faint, portrait)
    dark, before, after = (
        (np.minimum(picture.mean(-1), 0) * codec.mesh.brows * portrait.seen).sum()
        for picture in (portrait.expected, faint, mended)
    )
    assert abs(after - dark) < 0.7 * abs(before - dark)


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
    assert mended[outer].mean() / mended[inner].mean() == pytest.approx(0.15 / 0.4, rel=0.1)
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
    assert abs(amounts[2] - amounts[0]) < 0.5 * abs(amounts[1] - amounts[0])


def test_a_brow_over_a_deep_socket_is_not_faded(codec: Codec, portrait: Portrait) -> None:
    """What is dark around a brow is no hair: counted as such it would leave a bare ridge of the brow."""
    mesh = codec.mesh
    brow, skin = 0.3 * mesh.brows[..., None] ** 4, np.zeros((SIDE, SIDE, 3), np.float32)
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    deep = np.asarray(0.3 * cv2.GaussianBlur(mesh.sockets, (0, 0), 6)[..., None] * np.ones(3), np.float32)
    mended = with_own_hair(codec, skin - brow - deep, replace(seen, detail=np.asarray(skin - brow, np.float32)))
    told = brow[..., 0] > 0.2
    assert (mended + deep).mean(-1)[told].mean() == pytest.approx(-brow[..., 0][told].mean(), rel=0.2)


@pytest.mark.parametrize("there", [0.5, 0.1])
def test_a_brow_made_darker_or_paler_is_no_row_of_strokes(codec: Codec, portrait: Portrait, there: float) -> None:
    """The forehead above it is freckled: what a brow stands out from differs from column to column."""
    mesh, rng = codec.mesh, np.random.default_rng(1)
    freckles = np.asarray(np.abs(rng.normal(0, 0.04, (SIDE, SIDE, 1))) * (1 - mesh.brows[..., None]), np.float32)
    seen = replace(portrait, seen=np.ones_like(portrait.seen), hidden=portrait.hidden & False)
    photo = replace(seen, detail=np.asarray(-there * mesh.brows[..., None] * np.ones(3), np.float32))
    drawn = np.asarray((freckles - 0.25 * mesh.brows[..., None]) * np.ones(3), np.float32)
    change = (with_own_hair(codec, drawn, photo) - drawn).mean(-1)
    brow = mesh.brows > 0.99
    assert np.abs(change[brow]).mean() > 0.03
    along = np.diff(change, axis=1)[:, 1:][brow[:, 2:] & brow[:, :-2]]
    assert np.abs(along).mean() < 0.05 * np.abs(change[brow]).mean()


def test_a_light_line_above_a_brow_goes_and_the_brow_stays(codec: Codec, usual: Floats) -> None:
    """It is a lender's lamp, and looks like a second contour."""
    line = np.zeros_like(usual)
    upper = [int(np.flatnonzero(column > 0.5)[0]) if column.max() > 0.5 else 0 for column in codec.mesh.brows.T]
    for x, row in enumerate(upper):
        line[row - 3 : row, x] = 0.3 * (row > 0)
    out = without_rims(codec, usual + line)
    assert np.abs(out - usual)[line > 0].mean() < 0.4 * line[line > 0].mean()
    eyes = codec.mesh.eyes > 0.5
    assert np.abs(out - usual)[eyes].max() < 0.02
    assert np.abs(without_rims(codec, usual) - usual).mean() < 0.002


def test_a_change_makes_no_brow_darker_and_leaves_pale_ones(codec: Codec) -> None:
    mesh, y = codec.mesh, np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32)
    low = float(np.average(y, weights=mesh.brows))
    hair = 0.15 * np.exp(-(((y - low) / 3) ** 2) / 2) * mesh.brows
    detail = np.asarray(-hair[..., None] * np.ones(3), np.float32)
    brow = (mesh.brows > 0.95) & (np.abs(y - low) < 1)
    for taken in (0.3, -0.3):
        change = np.full_like(detail, taken)
        spared = sparing_brows(mesh, change, detail)
        assert np.array_equal(spared[mesh.brows == 0], change[mesh.brows == 0])
        after = (detail - spared)[brow].mean()
        assert 0.6 * detail[brow].mean() > after > 1.2 * detail[brow].mean()
