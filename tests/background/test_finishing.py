from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen.background.finishing import doubt, harmonise, spread_seams
from identigen.background.scales import CHANNELS, Level, with_texture
from identigen.background.targets import Targets, find_targets
from identigen.types import Floats


def filled(step: int) -> tuple[Level, Targets]:
    """A flat grey picture whose hole is that many grey levels brighter."""
    pixels, hole = np.full((60, 70, 3), 100, np.uint8), np.zeros((60, 70), bool)
    hole[20:40, 25:45] = True
    pixels[hole] += np.uint8(step)
    level = Level(with_texture(pixels, hole), hole, np.zeros_like(hole), pixels)
    return replace(level, guide=level.features[:, :, :CHANNELS].copy()), find_targets(level)


def steepest(level: Level) -> float:
    grey: Floats = level.features[:, :, 0].astype(np.float32)
    return float(max(np.abs(np.diff(grey, axis=axis)).max() for axis in range(2)))


@pytest.mark.parametrize(("step", "least", "most"), [(4, 0, 2), (100, 80, 100)], ids=["a seam", "an edge"])
def test_a_seam_is_spread_and_an_edge_is_kept(step, least, most):
    level, targets = filled(step)
    # All copy a flat corner: whatever differs from pixel to pixel was not meant.
    sources = np.full(len(targets.places), 8 * 70 + 8, np.int32)
    spread_seams(level, targets, sources, np.zeros_like(sources), 20.0)
    assert least <= steepest(level) <= most


def test_what_fits_is_not_doubted():
    _, targets = filled(4)
    assert doubt(targets, np.zeros(len(targets.places), np.int32)).max() == 0
    assert doubt(targets, np.full(len(targets.places), 10**7, np.int32))[30, 35] > 0.99


def test_only_in_doubt_the_colours_move_to_those_of_the_guide():
    level, _ = filled(30)
    level.guide[:] = 100
    sure, unsure = (harmonise(level, np.full(level.hole.shape, d, np.float32), 40.0) for d in (0.0, 1.0))
    assert np.array_equal(sure, level.features[:, :, :3])
    assert unsure[level.hole].mean() < 115
    assert np.array_equal(unsure[~level.hole], sure[~level.hole])
