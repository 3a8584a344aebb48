from __future__ import annotations

import numpy as np
import pytest

from identigen.detection.gate import judge
from identigen.types import Face, Operation, Pose

POINTS = np.zeros((478, 3), np.float32)


def face(size: float = 80, yaw: float | None = 0, score: float = 0.9, pitch: float = 0) -> Face:
    if yaw is None:
        return Face((0, 0, size, size), score=score)
    return Face((0, 0, size, size), POINTS, Pose(yaw, pitch, 0), score)


@pytest.mark.parametrize(
    ("seen", "level", "flags", "said"),
    [
        (face(), "good", (), "well enough"),
        (face(size=30), "fair", (), "well enough"),
        (face(yaw=-45), "fair", (), "well enough"),
        (face(size=20), "poor", ("small-face",), "20 pixels"),
        (face(yaw=None), "poor", ("no-landmarks",), "could not be located"),
        (face(yaw=-62), "poor", ("profile",), "62 degrees"),
        (face(pitch=-22), "good", (), "well enough"),
        (face(pitch=28), "good", (), "well enough"),
        (face(pitch=-28), "poor", ("thrown-back",), "thrown back by 28 degrees"),
        (face(score=0.42), "poor", ("low-score",), "42 %"),
        (face(size=12, yaw=None), "poor", ("small-face", "no-landmarks"), "12 pixels"),
        (None, "poor", ("no-face",), "head is covered"),
    ],
)
def test_who_gets_a_new_face_and_why_not(seen: Face | None, level: str, flags: tuple[str, ...], said: str) -> None:
    quality, operation, reason = judge(seen)
    assert (quality.level, quality.flags) == (level, flags)
    assert operation is (Operation.LAYERED if flags else Operation.FACE)
    assert said in reason
    assert reason.endswith(".")


def test_what_is_marked_and_no_person_says_so() -> None:
    quality, operation, reason = judge(None, is_person=False)
    assert quality.flags == ("no-face", "no-body")
    assert operation is Operation.LAYERED
    assert "Neither a face nor a body" in reason
    assert judge(face(), is_person=False) == judge(face())
