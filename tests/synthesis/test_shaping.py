from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec
from identigen.identity.portrait import Portrait
from identigen.landmarks import eye_distance, eye_openness, head_pose, mouth_openness, smile
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


@pytest.mark.parametrize("wanting", [-0.03, 0.03])
def test_a_smile_that_was_lost_comes_back(codec: Codec, portrait: Portrait, wanting: float) -> None:
    as_is, mended = drawn(codec, portrait), drawn(codec, portrait, Missed(smile=wanting))
    assert smile(mended) - smile(as_is) == pytest.approx(wanting, abs=0.01)
    assert mouth_openness(mended) == pytest.approx(mouth_openness(as_is), abs=0.01)


def test_a_smile_that_was_drawn_too_broad_is_taken_back_in_part(portrait: Portrait) -> None:
    seen = np.array(portrait.points)
    seen[[61, 291], 1] -= 0.05 * eye_distance(seen)
    assert -0.05 < missed(portrait.points, seen).smile < -0.02
