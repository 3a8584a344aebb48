from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec
from identigen.identity.portrait import Portrait
from identigen.landmarks import LIPS_INSIDE, LIPS_OUTSIDE, eye_distance
from identigen.synthesis.features import with_own_features
from identigen.synthesis.shaping import new_shape
from identigen.types import Floats


def somebody_else(codec: Codec, portrait: Portrait, seed: int) -> Floats:
    """Points of somebody of another build, as they would stand in the photo."""
    code = np.random.default_rng(seed).standard_normal(len(portrait.shape_code)).astype(np.float32)
    return portrait.to_photo(new_shape(codec, portrait, code, 0.5))


UPPER_LIP, LOWER_LIP = np.array([80, 81, 82, 13, 312, 311, 310]), np.array([88, 178, 87, 14, 317, 402, 318])

MOUTH = np.concatenate([LIPS_OUTSIDE, LIPS_INSIDE])


@pytest.mark.parametrize("seed", range(8))
def test_lips_never_cross_and_a_smile_stays_one(codec: Codec, portrait: Portrait, seed: int) -> None:
    other = somebody_else(codec, portrait, seed)
    assert (other[LOWER_LIP, 1] > other[UPPER_LIP, 1]).all()
    assert other[0, 1] < other[13, 1]  # the outlines lie outside of the gap
    assert other[17, 1] > other[14, 1]

    def rise(points: Floats) -> float:
        """How far the corners stand above the middle of the mouth, as a share of its width."""
        sag = points[[13, 14], 1].mean() - points[[78, 308], 1].mean()
        return float(sag / np.linalg.norm(points[308] - points[78]))

    assert 0.4 * rise(portrait.points) < rise(other) < 1.7 * rise(portrait.points)


@pytest.mark.parametrize("seed", range(8))
def test_nobody_starts_to_frown_or_to_worry(codec: Codec, portrait: Portrait, seed: int) -> None:
    """Brows may be of another form, but stand about as high over their eyes and rise outwards about as much."""
    code = np.random.default_rng(seed).standard_normal(len(portrait.shape_code)).astype(np.float32)
    old, new = portrait.aligned, new_shape(codec, portrait, 2 * code, 0.5)

    def brow(shape: Floats, at: int, eye: int) -> float:
        return float(shape[eye, 1] - shape[at, 1]) / eye_distance(shape)

    for inner, outer, corner in ((107, 70, 33), (336, 300, 263)):
        risen = [brow(shape, outer, corner) - brow(shape, inner, corner) for shape in (old, new)]
        assert abs(risen[1] - risen[0]) < 0.15
        assert abs(brow(new, outer, corner) - brow(old, outer, corner)) < 0.2


@pytest.mark.parametrize("seed", range(8))
def test_lips_stay_about_as_full(codec: Codec, portrait: Portrait, seed: int) -> None:
    other = somebody_else(codec, portrait, seed)
    for outer, inner in ((0, 13), (17, 14)):
        full = [np.linalg.norm(points[outer] - points[inner]) for points in (portrait.points, other)]
        assert 0.6 < full[1] / full[0] < 1.6


@pytest.mark.parametrize("seed", range(8))
def test_a_mouth_neither_purses_nor_slips_under_the_nose(codec: Codec, portrait: Portrait, seed: int) -> None:
    """Even of somebody whose build is far from everybody's the mouth stays about as wide, and about where it was."""
    code = np.random.default_rng(seed).standard_normal(len(portrait.shape_code)).astype(np.float32)
    old, new = portrait.aligned, new_shape(codec, portrait, 2 * code, 0.5)

    def measured(shape: Floats, a: int, b: int, axis: int) -> float:
        return float((shape[b] - shape[a])[axis]) / eye_distance(shape)

    bounds = {(78, 308, 0): (0.8, 1.25), (2, 0, 1): (0.55, 1.3), (17, 152, 1): (0.7, 1.35)}
    for way, (least, most) in bounds.items():
        assert least < measured(new, *way) / measured(old, *way) < most


def test_only_in_need_a_nose_ends_far_above_its_mouth(codec: Codec, portrait: Portrait) -> None:
    """A long upper lip looks like nobody's, but rather that than a cover."""
    old, short_nosed = portrait.aligned, np.array(portrait.aligned)
    short_nosed[:, 1] -= (
        0.4 * eye_distance(old) * np.exp(-(((old - old[2])[:, :2] / (0.3 * eye_distance(old))) ** 2).sum(1))
    )
    lips = [
        float((shape[0] - shape[2])[1])
        for shape in (with_own_features(codec, old, short_nosed, 0.0, 0.0, leisure=leisure) for leisure in (1.0, 0.0))
    ]
    assert lips[1] > 1.1 * lips[0]


@pytest.mark.parametrize("higher", [0.05, 0.15, 0.3])
def test_a_mouth_is_never_drawn_over_its_nose(codec: Codec, portrait: Portrait, higher: float) -> None:
    """Somebody with a long nose and a high mouth: where both meet teeth would grow around the nostrils."""
    old = portrait.aligned
    new = np.array(old)
    new[MOUTH, 1] -= higher * eye_distance(old)
    drawn = with_own_features(codec, old, new, 0.0, 0.0)
    assert drawn[0, 1] - drawn[2, 1] > 0.55 * (old[0, 1] - old[2, 1])


def test_a_chin_begins_below_a_full_lip(codec: Codec, portrait: Portrait) -> None:
    """A lip that hangs over its chin would be cut off by it, with a hard edge."""
    full = np.array(portrait.aligned)
    full[[17, 84, 314, 181, 405], 1] = full[200, 1]
    drawn = with_own_features(codec, full, full, 0.0, 0.0)
    for column in ([17, 18, 200, 199, 175, 152], [84, 83, 201, 208, 171, 148], [314, 313, 421, 428, 396, 377]):
        assert (np.diff(drawn[column, 1]) > 0).all()


def test_the_same_face_stays_as_it_is(codec: Codec, portrait: Portrait) -> None:
    own = portrait.aligned
    assert np.allclose(with_own_features(codec, own, own, 0.0, 0.0), own, atol=0.01 * eye_distance(own))


@pytest.mark.parametrize("left", [-0.3, 0.1, 0.5])
def test_lips_that_fold_in_are_still_seen(codec: Codec, portrait: Portrait, left: float) -> None:
    """Their red lies behind the line then, however deep they are, and bare skin is drawn in its place."""
    old, folded = portrait.aligned, np.array(portrait.aligned)
    for outline, line in (
        ([185, 40, 39, 37, 0, 267, 269, 270, 409], [191, 80, 81, 82, 13, 312, 311, 310, 415]),
        ([146, 91, 181, 84, 17, 314, 405, 321, 375], [95, 88, 178, 87, 14, 317, 402, 318, 324]),
    ):
        folded[outline, 1] = old[line, 1] + left * (old[outline, 1] - old[line, 1])
        folded[outline, 2] -= 0.1 * eye_distance(old)
    drawn = with_own_features(codec, old, folded, 0.0, 0.0)
    for outer, inner in ((0, 13), (17, 14)):
        full = [shape[outer, 1] - shape[inner, 1] for shape in (old, drawn)]
        assert 0.6 < full[1] / full[0] < 1.4
