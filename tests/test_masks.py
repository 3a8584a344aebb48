from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from identigen import masks
from identigen.errors import MaskError
from identigen.types import Mask, Window

SIZE = (24, 31)
inside = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
anywhere = arrays(np.bool_, st.just(SIZE))
quick = hypothesis_settings(max_examples=60, deadline=None)


def distances_to(target: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest True, the slow and certain way."""
    points = np.argwhere(target)
    grid = np.indices(target.shape).reshape(2, -1).T
    return np.sqrt(((grid[:, None] - points[None]) ** 2).sum(-1).min(1)).reshape(target.shape)


@given(anywhere, st.integers(1, 6))
@quick
def test_growing_takes_in_exactly_what_lies_within_the_radius(array: np.ndarray, radius: int) -> None:
    grown = masks.grow(Mask.from_array(array), radius).to_array()
    if not array.any():
        assert not grown.any()
        return
    distance = distances_to(array)
    assert grown[distance <= radius - 0.01].all()
    assert not grown[distance > radius + 0.01].any()


@given(anywhere, st.integers(1, 6))
@quick
def test_shrinking_leaves_what_lies_deeper_than_the_radius(array: np.ndarray, radius: int) -> None:
    left = masks.shrink(Mask.from_array(array), radius).to_array()
    if array.all():
        assert left.all()  # the border of the photo does not eat into the mask
        return
    distance = distances_to(~array)
    assert left[distance > radius + 0.01].all()
    assert not left[distance < radius - 0.01].any()


def test_a_negative_radius_goes_the_other_way() -> None:
    square = masks.rectangle((8, 8, 16, 16), SIZE)
    assert np.array_equal(masks.grow(square, -2).to_array(), masks.shrink(square, 2).to_array())
    assert np.array_equal(masks.shrink(square, -2).to_array(), masks.grow(square, 2).to_array())
    assert masks.grow(square, 0) is square


@given(anywhere, anywhere)
@quick
def test_the_algebra_is_that_of_sets(a: np.ndarray, b: np.ndarray) -> None:
    left, right = Mask.from_array(a), Mask.from_array(b)
    assert np.array_equal(masks.union([left, right], SIZE).to_array(), a | b)
    assert np.array_equal(masks.subtract(left, right).to_array(), a & ~b)
    assert np.array_equal(masks.intersect(left, right).to_array(), a & b)
    assert np.array_equal(masks.uncovered(left, right).to_array(), a & ~b)
    expected = (a & b).sum() / (a | b).sum() if (a | b).any() else 0.0
    assert masks.iou(left, right) == pytest.approx(expected)


def test_masks_of_two_photos_do_not_mix() -> None:
    here, there = masks.rectangle((1, 1, 3, 3), (10, 10)), masks.rectangle((1, 1, 3, 3), (10, 11))
    for combine in (masks.subtract, masks.intersect, masks.iou):
        with pytest.raises(MaskError, match="different photos"):
            combine(here, there)
    with pytest.raises(MaskError, match="different photos"):
        masks.union([here, there], (10, 10))


@given(anywhere, st.floats(0.0, 8.0), st.integers(0, 20), st.integers(0, 20), st.integers(0, 31), st.integers(0, 24))
@quick
def test_feathering_never_leaves_the_mask_and_does_not_depend_on_the_window(
    array: np.ndarray, width: float, left: int, top: int, right: int, bottom: int
) -> None:
    mask = Mask.from_array(array)
    whole = masks.feather(mask, Window(0, 0, SIZE[1], SIZE[0]), width)
    assert (whole[~array] == 0).all()
    assert (whole[array] > 0).all()
    assert whole.max(initial=0) <= 1
    window = Window(left, top, max(left, right), max(top, bottom))
    assert np.array_equal(masks.feather(mask, window, width), whole[window.slices])


def test_a_feathered_edge_rises_inwards_and_reaches_full_opacity() -> None:
    square = masks.rectangle((5, 5, 25, 25), (30, 30))
    row = masks.feather(square, square.window, 4)[10]
    assert (np.diff(row[:6]) >= 0).all()
    assert 0 < row[0] < 0.2
    assert row[10] == 1
    at_the_border = masks.feather(masks.rectangle((0, 0, 30, 15), (30, 30)), Window(0, 0, 30, 30), 4)
    assert at_the_border[0, 0] == 1  # the photo ends there, the person does not
    assert at_the_border[14, 15] < 0.2


@given(anywhere)
@quick
def test_run_lengths_come_back_as_they_went(array: np.ndarray) -> None:
    rle = masks.to_rle(Mask.from_array(array))
    assert rle["size"] == list(SIZE)
    assert rle["counts"] == coco_counts(array)
    assert np.array_equal(masks.from_rle(rle).to_array(), array)


def coco_counts(array: np.ndarray) -> list[int]:
    """The definition, pixel by pixel: down each column, the first run outside."""
    counts, state = [0], False
    for value in array.T.ravel():
        if bool(value) != state:
            counts.append(0)
            state = not state
        counts[-1] += 1
    return counts


@pytest.mark.parametrize(
    "rle",
    [
        {}, {"size": [2, 2]}, {"size": [2, 2], "counts": [3]}, {"size": [2, 2], "counts": [5, -1]},
        {"size": [0, 2], "counts": [0]}, {"size": "ab", "counts": [4]}, {"size": [2, 2], "counts": "PYn0"},
        {"size": [2, 2], "counts": [[2, 2]]}, {"size": [2, 2], "counts": [2**70]}, {"size": [2, 2, 2], "counts": [4]},
    ],
)  # fmt: skip
def test_run_lengths_that_make_no_mask_are_refused(rle: dict[str, object]) -> None:
    with pytest.raises(MaskError):
        masks.from_rle(rle)


@given(anywhere)
@quick
def test_a_mask_survives_its_picture(array: np.ndarray) -> None:
    assert np.array_equal(masks.from_png(masks.to_png(Mask.from_array(array)), SIZE).to_array(), array)


def test_a_picture_that_is_no_mask_of_this_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="31x24"):
        masks.from_png(masks.to_png(Mask.empty(10, 10)), SIZE)
    for wrong in (b"", b"text", masks.to_png(Mask.empty(*SIZE))[:60]):
        with pytest.raises(MaskError, match="picture"):
            masks.from_png(wrong, SIZE)
    with pytest.raises(MaskError):
        masks.from_png(tmp_path / "nowhere.png", SIZE)
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises(MaskError):
        masks.from_png(out.getvalue(), SIZE)


def test_a_painted_mask_is_read_by_brightness() -> None:
    out = io.BytesIO()
    Image.fromarray(np.array([[0, 100], [200, 255]], np.uint8)).convert("RGB").save(out, "PNG")
    assert masks.from_png(out.getvalue(), (2, 2)).to_array().tolist() == [[False, False], [True, True]]


def test_shapes_cover_what_they_say() -> None:
    assert masks.rectangle((2.2, 3.0, 5.0, 6.5), SIZE).window == Window(2, 3, 5, 7)
    assert masks.rectangle((-5, -5, 500, 500), SIZE).area == SIZE[0] * SIZE[1]
    assert masks.rectangle((40, 2, 50, 5), SIZE).area == 0
    round_one = masks.ellipse((4, 4, 20, 20), SIZE)
    assert round_one.area == pytest.approx(np.pi * 64, rel=0.05)
    assert round_one.window == Window(4, 4, 20, 20)
    assert masks.ellipse((7, 7, 8, 8), SIZE).area == 1
    triangle = masks.polygon([(2, 2), (20, 2), (2, 20)], SIZE)
    assert triangle.contains((4, 4))
    assert not triangle.contains((18, 18))
    assert masks.polygon([], SIZE).area == 0
    assert masks.polygon([(-50, -50), (-40, -50), (-40, -40)], SIZE).area == 0
    assert masks.polygon([(-50, -50), (80, -50), (80, 80), (-50, 80)], SIZE).area == SIZE[0] * SIZE[1]


@given(inside)
@quick
def test_the_largest_part_is_one_piece_and_none_is_larger(array: np.ndarray) -> None:
    part = masks.largest_part(array)
    assert not (part & ~array).any()
    assert part.any() == array.any()
    rest = array & ~part
    assert masks.largest_part(rest).sum() <= part.sum()


def test_the_largest_of_two_parts_stays() -> None:
    array = np.zeros((9, 9), bool)
    array[0:2, 0:2] = array[4:8, 4:8] = True
    assert masks.largest_part(array).sum() == 16


def test_a_disc_is_round() -> None:
    assert masks.disc(3).shape == (7, 7)
    assert masks.disc(3)[0, 0] == 0
    assert masks.disc(3)[3].all()
