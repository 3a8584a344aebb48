from __future__ import annotations

import numpy as np

from identigen.identity.conditions import NAMES, PARITY
from identigen.training.latents import Latents, balance


def test_a_mirror_image_turns_its_odd_numbers_around() -> None:
    codes = np.array([[1.0, 2.0, 3.0]], np.float32)
    conditions = np.ones((1, len(NAMES)), np.float32)
    both = Latents(np.array([7]), codes, conditions).mirrored(np.array([1.0, -1.0, 1.0], np.float32))
    assert both.rows.tolist() == [7, 7]
    assert both.codes.tolist() == [[1, 2, 3], [1, -2, 3]]
    assert np.array_equal(both.conditions[1], PARITY)


def test_rare_faces_count_more_but_not_without_bound() -> None:
    common, rare = np.full(950, 0.0), np.full(50, 1.0)
    trait = np.concatenate([common, rare]).astype(np.float32)
    weights = balance(trait)
    assert weights[-1] > 1.5 * weights[0]
    both = balance(trait, trait)
    assert both.max() / both.min() < 8
