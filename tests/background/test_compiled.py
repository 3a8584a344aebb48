from __future__ import annotations

import numpy as np

from identigen.background.compiled import distance, fading, look_along
from identigen.background.scales import CHANNELS, RADIUS, STRIDE

NOWHERE = np.int32(2**31 - 1)


def test_the_distance_of_two_patches_is_that_of_their_features():
    height, width = 20, 30
    picture = np.zeros((height, width, STRIDE), np.uint8)
    picture[:, :, :CHANNELS] = np.random.default_rng(0).integers(0, 256, (height, width, CHANNELS))
    one, two = (
        picture[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1].astype(int) for y, x in ((5, 4), (16, 26))
    )
    right = ((one - two) ** 2).sum()
    here, there = 5 * width + 4, 16 * width + 26
    assert distance(picture.ravel(), width, here, there, np.int32(7), NOWHERE) == right + 7
    assert distance(picture.ravel(), width, here, there, np.int32(7), np.int32(1000)) >= 1000


def test_fading_is_nearly_the_exponential_function():
    for x in np.linspace(0, 20, 81, dtype=np.float32):
        assert abs(fading(x) - np.exp(-x)) < 0.02
    assert fading(np.float32(16)) == 0


def test_a_hidden_pixel_sees_the_nearest_known_one_on_both_sides():
    numbers = np.full((9, 12), -1, np.int32)
    numbers[4, 3:8] = np.arange(5)
    views, weights = np.zeros((5, 4), np.int32), np.zeros((5, 4), np.float32)
    directions = np.array([[0, 1], [1, 0]], np.float32)
    look_along(numbers, directions, np.float32(2), views, weights, 0, 2)
    row = 4 * 12
    assert views[1].tolist() == [row + 2, row + 8, row - 12 + 4, row + 12 + 4]
    np.testing.assert_allclose(weights[1], [1 / 4, 1 / 16, 1, 1])


def test_behind_what_is_neither_known_nor_asked_for_nothing_is_nearer():
    numbers = np.full((1, 7), -1, np.int32)
    numbers[0, 2:5] = (-2, 0, -2)
    views, weights = np.zeros((1, 2), np.int32), np.zeros((1, 2), np.float32)
    look_along(numbers, np.array([[0, 1]], np.float32), np.float32(1), views, weights, 0, 1)
    assert views[0].tolist() == [1, 5]
    np.testing.assert_allclose(weights[0], [1 / 2, 1 / 2])


def test_beyond_the_border_nothing_is_seen():
    numbers = np.full((1, 5), -1, np.int32)
    numbers[0, 3:] = (0, 1)
    views, weights = np.zeros((2, 2), np.int32), np.zeros((2, 2), np.float32)
    look_along(numbers, np.array([[0, 1]], np.float32), np.float32(1), views, weights, 0, 1)
    assert (weights[:, 0] > 0).all()
    assert (weights[:, 1] == 0).all()
