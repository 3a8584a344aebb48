from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identigen.errors import MaskError, PlanError
from identigen.types import MAX_SEED, Edit, Face, Mask, Operation, Photo, Plan, Subject, Window

windows = st.builds(
    lambda x, y, w, h: Window(x, y, x + w, y + h),
    st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9),
)  # fmt: skip


def as_set(window: Window) -> set[tuple[int, int]]:
    return {(x, y) for x in range(window.left, window.right) for y in range(window.top, window.bottom)}


@given(windows, windows)
def test_windows_meet_and_join_like_sets(a: Window, b: Window) -> None:
    assert as_set(a.intersection(b)) == as_set(a) & as_set(b)
    assert as_set(a.union(b)) >= as_set(a) | as_set(b)
    moved = b.relative_to(a)
    assert (moved.width, moved.height) == (b.width, b.height)
    assert (moved.left, moved.top) == (b.left - a.left, b.top - a.top)
    assert moved.placed_in(a) == b


def test_a_window_inside_out_is_refused() -> None:
    with pytest.raises(ValueError, match="inside out"):
        Window(3, 0, 2, 5)


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((1.2, 2.0, 3.1, 4.0), 0, Window(1, 2, 4, 4)),
        ((1.2, 2.0, 3.1, 4.0), 2, Window(0, 0, 6, 6)),
        ((-5, -5, 90, 90), 0, Window(0, 0, 20, 10)),
    ],
)
def test_the_window_around_a_box_stays_in_the_photo(
    box: tuple[float, float, float, float], margin: float, expected: Window
) -> None:
    assert Window.around(box, 10, 20, margin) == expected


@pytest.mark.parametrize("box", [(30, 30, 40, 40), (-9, -9, -2, -2), (5, 5, 2, 2)])
def test_a_box_elsewhere_has_an_empty_window(box: tuple[float, float, float, float]) -> None:
    window = Window.around(box, 10, 20)
    assert window.width * window.height == 0
    assert 0 <= window.left <= window.right <= 20
    assert 0 <= window.top <= window.bottom <= 10


def test_pixels_of_a_photo_cannot_be_changed_and_its_source_can() -> None:
    source = np.zeros((4, 6, 3), np.uint8)
    photo = Photo(source)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 1
    source[0, 0] = 1
    assert (photo.width, photo.height, photo.window) == (6, 4, Window(0, 0, 6, 4))
    with pytest.raises(dataclasses.FrozenInstanceError):
        photo.source_name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6, 3)), np.zeros((0, 6, 3), np.uint8)],
)
def test_other_arrays_are_no_photo(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        Photo(pixels)


def test_a_mask_keeps_only_what_is_set() -> None:
    array = np.zeros((10, 12), np.uint8)
    array[3:5, 4:9] = 7
    mask = Mask.from_array(array)
    assert mask.window == Window(4, 3, 9, 5)
    assert mask.area == 10
    assert np.array_equal(mask.to_array(), array > 0)
    assert mask.within(Window(8, 4, 12, 10)).sum() == 1
    assert Mask.from_array(np.zeros((3, 3))).window == Window(0, 0, 0, 0)
    with pytest.raises(ValueError, match="read-only"):
        mask.pixels[0, 0] = False


def test_a_point_is_inside_or_not() -> None:
    mask = Mask.from_array(np.eye(3, dtype=bool))
    assert mask.contains((1.9, 1.1))
    assert not mask.contains((2.0, 1.0))
    assert not mask.contains((-0.5, 0.0))  # left of the photo, not its first column
    assert not mask.contains((99, 99))


def test_a_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MaskError, match="window"):
        Mask(Window(0, 0, 2, 2), np.zeros((3, 3), bool), (9, 9))
    with pytest.raises(MaskError, match="boolean"):
        Mask(Window(0, 0, 2, 2), np.zeros((2, 2), np.uint8), (9, 9))  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="leaves"):
        Mask(Window(8, 8, 10, 10), np.zeros((2, 2), bool), (9, 9))
    with pytest.raises(MaskError, match=r"\(H, W\)"):
        Mask.from_array(np.zeros((2, 2, 3)))


def test_a_face_knows_its_size() -> None:
    assert Face((0, 0, 9, 16)).size_px == 12
    assert Face((5, 5, 1, 1)).size_px == 0
    with pytest.raises(ValueError, match="478"):
        Face((0, 0, 1, 1), np.zeros((68, 3), np.float32))


def test_operations_are_of_two_kinds() -> None:
    covers = {operation for operation in Operation if operation.is_cover}
    drawn = {operation for operation in Operation if operation.is_synthesis}
    assert covers == {Operation.LAYERED, Operation.BLUR, Operation.PIXELATE, Operation.SOLID}
    assert drawn == {Operation.FACE, Operation.FACE_HAIR, Operation.BODY}
    assert Operation("face+hair") is Operation.FACE_HAIR


@pytest.mark.parametrize(
    "values",
    [
        {"strength": 1.5},
        {"strength": float("nan")},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"region": "blob"},
        {"extent": "toe"},
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        Edit(1, Operation.FACE, **values)  # type: ignore[arg-type]


def test_one_person_has_one_edit() -> None:
    with pytest.raises(PlanError, match="two edits"):
        Plan((Edit(1, Operation.FACE), Edit(1, Operation.BLUR)))
    assert len(Plan((Edit(1, Operation.FACE), Edit(2, Operation.FACE))).edits) == 2


def test_a_subject_is_covered_unless_somebody_decides_otherwise() -> None:
    assert Subject(1, (0, 0, 1, 1), Mask.empty(4, 4)).default_operation is Operation.LAYERED
