from __future__ import annotations

import numpy as np

from identigen.identity.conditions import NAMES, PARITY, load_conditions
from identigen.training.latents import Latents, balance, scatter


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


def test_people_who_meet_the_same_condition_differ_in_what_no_condition_tells() -> None:
    """What is told is taken out, and what two traits have in common stays, held back a little."""
    reader, rng = load_conditions(), np.random.default_rng(0)
    told = rng.standard_normal((4000, len(NAMES))).astype(np.float32)
    away = np.zeros((4000, reader.middle.shape[1]), np.float32)
    away[:, 0] = rng.standard_normal(4000)
    away[:, 1] = 0.5 * away[:, 0] + 0.1 * rng.standard_normal(4000)
    codes = np.hstack([told, np.ones((4000, 1), np.float32)]) @ reader.middle + away
    found = scatter(reader, Latents(np.arange(4000), codes.astype(np.float32), told))
    assert abs(found[0, 0] - 1) < 0.1
    assert 0.2 < found[0, 1] < 0.5
    assert np.abs(found[2:]).max() < 1e-3
