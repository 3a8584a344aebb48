import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identigen.composite import paste
from identigen.errors import EngineError
from identigen.masks import rectangle
from identigen.types import Candidate, Window

PHOTO = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def candidate(window: Window, coverage: float = 1.0) -> Candidate:
    size = (window.height, window.width)
    return Candidate(1, window, np.full((*size, 3), 200, np.float32), np.full(size, coverage, np.float32))


def test_full_coverage_shows_the_new_face_and_nothing_else_changes():
    window, patch, mask = paste(PHOTO, candidate(Window(10, 20, 30, 50)))
    assert window == Window(10, 20, 30, 50)
    assert (patch == 200).all()
    assert mask.area == 20 * 30


def test_no_coverage_leaves_the_photo_as_it_was():
    window, patch, mask = paste(PHOTO, candidate(Window(10, 20, 30, 50), 0.0))
    assert (patch == PHOTO[window.slices]).all()
    assert mask.area == 0


@given(st.integers(0, 70), st.integers(0, 50), st.floats(0, 1), st.integers(0, 10**6))
def test_every_pixel_outside_the_mask_is_identical(left, top, cover, seed):
    window = Window(left, top, min(80, left + 25), min(60, top + 25))
    coverage = np.random.default_rng(seed).random((window.height, window.width)).astype(np.float32)
    coverage[coverage > cover] = 0
    pixels = np.full((window.height, window.width, 3), 99, np.float32)
    _, patch, mask = paste(PHOTO, Candidate(0, window, pixels, coverage))
    inside = mask.within(window)
    assert (patch[~inside] == PHOTO[window.slices][~inside]).all()


def test_the_users_mask_is_a_limit():
    allowed = rectangle((12, 22, 20, 30), (60, 80))
    _, _, mask = paste(PHOTO, candidate(Window(10, 20, 30, 50)), allowed)
    assert mask.area
    assert not (mask.to_array() & ~allowed.to_array()).any()


def test_a_candidate_of_another_photo_is_refused():
    with pytest.raises(EngineError, match="border"):
        paste(PHOTO, candidate(Window(70, 20, 90, 50)))
