from __future__ import annotations

import cv2
import numpy as np
import pytest

from identigen.identity.mesh import SIDE
from identigen.synthesis.sharpness import as_sharp
from identigen.types import Floats

SEEN = np.ones((SIDE, SIDE), np.float32)


@pytest.fixture
def grain() -> Floats:
    return np.random.default_rng(2).normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_new_skin_is_about_as_sharp_as_what_it_is_laid_on(grain: Floats, sigma: float) -> None:
    skin, picture = (128 + 20 * np.asarray(cv2.GaussianBlur(grain, (0, 0), s), np.float32) for s in (0.9, sigma))
    before, after, wanted = (
        float(np.abs(cv2.Laplacian(p, cv2.CV_32F)).mean()) for p in (skin, as_sharp(skin, picture, SEEN > 0), picture)
    )
    assert abs(np.log(after / wanted)) < 0.6 * abs(np.log(before / wanted))


def test_a_few_pixels_tell_nothing_of_sharpness(grain: Floats) -> None:
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[:5, :5] = True
    assert as_sharp(grain, 0 * grain, inside) is grain
