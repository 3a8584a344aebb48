from __future__ import annotations

import numpy as np

from identigen.evaluation.showcase import PAPER, PEOPLE, TILE, people


def test_the_sheet_shows_everybody_once_and_repeats() -> None:
    sheet = people(seed=3)
    assert sheet.shape == (2 * TILE, len(PEOPLE) // 2 * TILE, 3)
    tiles = [sheet[y : y + TILE, x : x + TILE] for y in (0, TILE) for x in range(0, sheet.shape[1], TILE)]
    assert all((tile < PAPER - 20).any(axis=2).mean() > 0.2 for tile in tiles)
    assert len({tile.tobytes() for tile in tiles}) == len(PEOPLE)
    assert np.array_equal(sheet, people(seed=3))
