from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.portrait import Portrait
from identigen.landmarks import LEFT_EYE, LIPS_INSIDE, OVAL, RIGHT_EYE
from identigen.synthesis.bending import bend, eye_shift, ramp
from identigen.synthesis.rendering import working_window
from identigen.types import Floats, Photo, Window


def marked(photo: Photo, points: Floats, at: int) -> Floats:
    """The photo, black but for a bright spot at one of the points."""
    y, x = np.mgrid[0 : photo.pixels.shape[0], 0 : photo.pixels.shape[1]]
    spot = np.exp(-((x - points[at, 0]) ** 2 + (y - points[at, 1]) ** 2) / (2 * 2.0**2))
    return np.asarray(255 * spot[..., None] * np.ones(3), np.uint8)


def test_what_was_at_the_old_jaw_is_seen_at_the_new_one(portrait: Portrait, astronaut: Photo) -> None:
    old, window = portrait.points, working_window(portrait.points, astronaut.pixels.shape[:2])
    middle = old[:468, :2].mean(0)
    new = np.array(old)
    new[:, :2] = middle + 0.94 * (old[:, :2] - middle)
    for at in (OVAL[9], OVAL[18], LIPS_INSIDE[0]):
        bent = bend(marked(astronaut, old, at), old, new, window)[..., 0]
        y, x = np.unravel_index(bent.argmax(), bent.shape)
        assert np.hypot(x + window.left - new[at, 0], y + window.top - new[at, 1]) < 1.5


@pytest.mark.parametrize("yaw", [-42, 42])
@pytest.mark.parametrize("deeper", [0.7, 1.4])
def test_nothing_folds_where_the_far_eye_of_a_turned_head_lies_before_the_rim(
    portrait: Portrait, yaw: float, deeper: float
) -> None:
    """On a picture of its own coordinates: around each eye both still grow, to the right and downwards."""
    turn = np.radians(yaw)
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    middle = portrait.points.mean(0)
    old, new = (
        np.asarray((portrait.points - middle) * [1, 1, depth] @ around.T + middle, np.float32) for depth in (1, deeper)
    )
    y, x = np.mgrid[0:512, 0:512].astype(np.float32)
    window = working_window(new, x.shape)
    bent = bend(np.dstack([x, y, x]), old, new, window)
    down, across = np.gradient(bent[..., :2], axis=(0, 1))
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    for ring in (RIGHT_EYE, LEFT_EYE):
        left, top = np.floor(new[ring, :2].min(0)).astype(int) - [window.left, window.top]
        right, bottom = np.ceil(new[ring, :2].max(0)).astype(int) - [window.left, window.top]
        assert area[top : bottom + 1, left : right + 1].min() > 0.2


def test_the_rim_stays_and_so_does_a_face_that_does_not_change(portrait: Portrait, astronaut: Photo) -> None:
    old, window = portrait.points, working_window(portrait.points, astronaut.pixels.shape[:2])
    there = astronaut.pixels[window.slices].astype(np.float32)
    assert np.abs(bend(astronaut.pixels, old, old, window) - there).max() < 1
    smaller = np.array(old)
    smaller[:, :2] = old[:, :2].mean(0) + 0.9 * (old[:, :2] - old[:, :2].mean(0))
    bent = bend(astronaut.pixels, old, smaller, window)
    assert np.abs(bent - there)[[0, -1]].max() < 1
    assert np.abs(bent - there)[:, [0, -1]].max() < 1
    assert np.abs(bent - there).max() > 20


def test_an_iris_goes_with_its_own_lids(portrait: Portrait) -> None:
    new = np.array(portrait.points)
    new[RIGHT_EYE, 0] -= 3
    new[LEFT_EYE, 1] += 2
    shift = eye_shift(portrait.points, new)
    assert np.allclose(shift[:5], [-3, 0], atol=1e-4)
    assert np.allclose(shift[5:], [0, 2], atol=1e-4)


def test_a_ramp_rises_from_the_rim() -> None:
    rise = ramp(Window(10, 20, 110, 80), 0.1)
    assert rise.shape == (60, 100)
    assert rise[0].max() == rise[:, -1].max() == 0
    assert np.array_equal(rise[6:-6, 10:-10], np.ones((48, 80)))
