from __future__ import annotations

import numpy as np

from identigen.background.guide import continued, with_guide
from identigen.background.scales import Level, with_texture
from identigen.types import Bools, Pixels


def drawn(grey: Pixels, unknown: Bools) -> Pixels:
    shown = np.where(unknown, 0, grey)
    features = with_texture(np.repeat(shown[:, :, None], 3, 2).astype(np.uint8), unknown)
    return continued(features, unknown, unknown)[:, :, 0]


def hole(height: int, width: int) -> Bools:
    inside = np.zeros((height, width), bool)
    inside[15:45, 20:60] = True
    return inside


def test_two_regions_meet_with_an_edge_and_no_haze():
    grey = np.where(np.arange(80) < 40, 210, 50)[None, :].repeat(60, 0).astype(np.uint8)
    inside = hole(60, 80)
    guide = drawn(grey, inside)
    assert (np.abs(guide[inside].astype(int) - grey[inside]) < 20).mean() > 0.85
    assert ((guide[inside] > 80) & (guide[inside] < 180)).mean() < 0.1


def test_a_band_goes_through():
    grey = np.full((60, 80), 200, np.uint8)
    grey[:, 36:44] = 40
    guide = drawn(grey, hole(60, 80))
    assert guide[16:44, 38:42].max() < 90
    assert guide[16:44, 22:30].min() > 170


def test_where_nothing_is_seen_the_guide_is_smooth():
    grey = np.full((60, 80), 120, np.uint8)
    unknown = np.ones((60, 80), bool)
    unknown[:3, :3] = False
    assert np.abs(drawn(grey, unknown).astype(int) - 120).max() <= 2


def test_what_is_behind_the_rest_of_a_crowd_is_not_asked_for():
    pixels = np.full((60, 400, 3), 90, np.uint8)
    inside, barred = np.zeros((60, 400), bool), np.zeros((60, 400), bool)
    inside[20:40, 30:50] = True
    barred[:, 50:390] = True
    features = with_texture(pixels, inside | barred)
    (level,) = with_guide([Level(features, inside, barred, features)], 0)
    assert (level.guide[inside, :3] == 90).all()
    assert (level.guide[20:40, 50:58, :3] == 90).all()
    assert (level.guide[20:40, 200:300] == 0).all()


def test_every_level_gets_a_guide_of_its_size():
    pixels = np.full((61, 83, 3), 90, np.uint8)
    inside = hole(61, 83)
    fine = Level(with_texture(pixels, inside), inside, np.zeros_like(inside), pixels)
    levels = [fine, fine.coarser(), fine.coarser().coarser()]
    for level in with_guide(levels, 1):
        assert level.guide.shape == (*level.hole.shape, 5)
        assert (level.guide[level.hole, :3] == 90).all()
