from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from identigen.crop import Crop, square_around, square_inside
from identigen.types import Window

quick = hypothesis_settings(max_examples=60, deadline=None)
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
crops = st.builds(
    lambda left, top, edge: Crop(Window(left, top, left + edge, top + edge), edge),
    st.integers(-20, 45), st.integers(-20, 35), st.integers(25, 60),
)  # fmt: skip


@given(crops)
@quick
def test_a_crop_at_its_own_size_comes_back_pixel_for_pixel(crop: Crop) -> None:
    part, window = crop.restore(crop.extract(PHOTO), PHOTO.shape[:2])
    assert np.array_equal(part, PHOTO[window.slices])
    assert window == crop.window.intersection(Window(0, 0, 50, 40))


@given(crops, st.integers(8, 200))
@quick
def test_every_crop_has_its_side_and_returns_to_its_window(crop: Crop, side: int) -> None:
    other = Crop(crop.window, side)
    assert other.extract(PHOTO).shape == (side, side, 3)
    part, window = other.restore(np.ones((side, side), np.float32), PHOTO.shape[:2])
    assert part.shape == (window.height, window.width)
    assert np.allclose(part, 1)


@given(crops, st.integers(8, 400), st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 3), min_size=1, max_size=5))
@quick
def test_points_go_and_return(crop: Crop, side: int, points: list[tuple[float, float, float]]) -> None:
    there = Crop(crop.window, side)
    given_points = np.array(points, np.float32)
    kept = given_points.copy()
    assert np.allclose(there.to_photo(there.to_crop(given_points)), kept, atol=1e-3)
    assert np.array_equal(given_points, kept)  # nothing edits its argument
    flat = given_points[:, :2]
    assert np.allclose(there.to_crop(flat), there.to_crop(given_points)[:, :2])


def test_points_follow_the_pixels() -> None:
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[40:42, 60:62] = 255
    crop = square_around((50, 30, 70, 50), 2.0, 80)
    seen = np.argwhere(crop.extract(photo)[..., 0] > 128).mean(0)[::-1] + 0.5
    assert np.allclose(crop.to_crop(np.array([[61.0, 41.0]], np.float32))[0], seen, atol=0.6)


def test_over_the_border_the_photo_is_continued() -> None:
    photo = np.full((10, 10, 3), 200, np.uint8)
    assert (Crop(Window(-5, -5, 10, 10), 15).extract(photo) == 200).all()
    with pytest.raises(ValueError, match="does not meet"):
        Crop(Window(20, 20, 30, 30), 10).extract(photo)


def test_a_crop_is_a_copy() -> None:
    photo = PHOTO.copy()
    Crop(Window(0, 0, 30, 30), 30).extract(photo)[:] = 0
    assert np.array_equal(photo, PHOTO)


def test_square_around_holds_the_box_in_its_middle() -> None:
    crop = square_around((10, 20, 30, 30), 1.5, 64)
    assert crop.window == Window(5, 10, 35, 40)
    assert crop.scale == pytest.approx(64 / 30)
    assert square_around((5, 5, 5, 5), 2.0, 8).window.width == 2


@pytest.mark.parametrize(
    ("window", "side"), [(Window(0, 0, 4, 5), 8), (Window(0, 0, 0, 0), 8), (Window(0, 0, 4, 4), 0)]
)
def test_a_crop_is_square_and_not_empty(window: Window, side: int) -> None:
    with pytest.raises(ValueError, match="square"):
        Crop(window, side)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((40, 40, 60, 60), (30, 30, 70, 70)),
        ((0, 0, 20, 20), (0, 0, 40, 40)),
        ((180, 80, 200, 100), (160, 60, 200, 100)),
        ((90, 0, 110, 100), (0, -50, 200, 150)),
        ((0, 0, 200, 100), (-100, -150, 300, 250)),
    ],
)
def test_a_square_stays_inside_the_photo_where_it_can(box: tuple[float, ...], window: tuple[int, ...]) -> None:
    crop = square_inside(box, 2.0, 64, (100, 200))
    assert crop.window == Window(*window)
    assert crop.side == 64
