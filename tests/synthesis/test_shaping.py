from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec
from identigen.identity.portrait import Portrait
from identigen.landmarks import eye_distance, eye_openness, head_pose, mouth_openness
from identigen.synthesis.shaping import NOTHING, Missed, missed, new_shape
from identigen.types import Floats


def drawn(codec: Codec, portrait: Portrait, wanting: Missed = NOTHING) -> Floats:
    """Points of somebody with the portrait's own build, as they would stand in the photo."""
    return portrait.to_photo(new_shape(codec, portrait, portrait.shape_code, 0.5, wanting))


def test_nothing_is_wanting_where_both_are_the_same(portrait: Portrait) -> None:
    assert missed(portrait.points, portrait.points) == NOTHING


def test_a_head_that_seems_tilted_is_turned_back_in_part(codec: Codec, portrait: Portrait) -> None:
    straight = head_pose(drawn(codec, portrait))
    for wanting in (Missed(yaw=4.0), Missed(pitch=4.0)):
        turned = head_pose(drawn(codec, portrait, wanting))
        assert turned.yaw - straight.yaw == pytest.approx(wanting.yaw, abs=2.5)
        assert turned.pitch - straight.pitch == pytest.approx(wanting.pitch, abs=2.5)
        moved = (turned.yaw - straight.yaw) + (turned.pitch - straight.pitch)
        assert moved > 1.0


def test_what_is_wanting_is_a_share_of_the_difference_and_never_much(portrait: Portrait) -> None:
    seen = np.array(portrait.points)
    seen[:, 2] += 2.0 * (seen[:, 0] - seen[:, 0].mean())  # far off: the mesh was mistaken
    wanting = missed(portrait.points, seen)
    assert -5.0 <= wanting.yaw < -1.0


def test_mouth_and_eyes_open_by_what_is_wanting(codec: Codec, portrait: Portrait) -> None:
    as_is, wider = drawn(codec, portrait), drawn(codec, portrait, Missed(eyes=0.02, mouth=0.05))
    assert mouth_openness(wider) - mouth_openness(as_is) == pytest.approx(0.05, abs=0.02)
    assert eye_openness(wider) - eye_openness(as_is) == pytest.approx(0.02, abs=0.01)


def test_lips_close_and_lids_never_do(codec: Codec, portrait: Portrait) -> None:
    closed = drawn(codec, portrait, Missed(eyes=-1.0, mouth=-1.0))
    assert mouth_openness(closed) < 0.01
    assert eye_openness(closed) > 0.5 * eye_openness(drawn(codec, portrait))


def test_teeth_are_never_bared_to_please_the_mesh(codec: Codec, portrait: Portrait) -> None:
    as_is, bared = drawn(codec, portrait), drawn(codec, portrait, Missed(mouth=0.5))
    assert mouth_openness(bared) - mouth_openness(as_is) < 0.06


def test_two_looks_add_up_and_what_nobody_sees_is_let_be() -> None:
    both = Missed(yaw=1.0, mouth=0.02) + Missed(yaw=-0.8, mouth=-0.015, pitch=0.1)
    assert both.yaw == pytest.approx(0.2)
    assert both.mouth == pytest.approx(0.005)
    assert both.is_slight
    assert not Missed(pitch=-2.0).is_slight
    assert not Missed(eyes=0.02).is_slight


def somebody_else(codec: Codec, portrait: Portrait, seed: int) -> Floats:
    """Points of somebody of another build, as they would stand in the photo."""
    code = np.random.default_rng(seed).standard_normal(len(portrait.shape_code)).astype(np.float32)
    return portrait.to_photo(new_shape(codec, portrait, code, 0.5))


UPPER_LIP, LOWER_LIP = np.array([80, 81, 82, 13, 312, 311, 310]), np.array([88, 178, 87, 14, 317, 402, 318])


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

    def measured(shape: Floats, a: int, b: int) -> float:
        return float(np.linalg.norm((shape[a] - shape[b])[:2])) / eye_distance(shape)

    for (a, b), (least, most) in {(78, 308): (0.8, 1.25), (2, 0): (0.55, 1.5), (17, 152): (0.75, 1.35)}.items():
        assert least < measured(new, a, b) / measured(old, a, b) < most
