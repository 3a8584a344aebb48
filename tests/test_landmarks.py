from __future__ import annotations

import numpy as np
import pytest

from identigen.landmarks import OVAL, face_box, find_landmarks, head_pose
from identigen.types import Floats, Photo

FACE = (175.0, 65.0, 280.0, 195.0)  # of the astronaut, roughly


@pytest.fixture(scope="module")
def points(astronaut: Photo) -> Floats:
    found = find_landmarks(astronaut.pixels, FACE)
    assert found is not None
    return found


def test_the_points_lie_on_the_face(points: Floats) -> None:
    assert points.shape == (478, 3)
    assert points.dtype == np.float32
    right_eye, left_eye, chin = points[468, :2], points[473, :2], points[152, :2]
    assert np.allclose(right_eye, (204, 101), atol=6)
    assert np.allclose(left_eye, (245, 101), atol=8)
    assert chin[1] > 165
    x1, _, x2, _ = face_box(points)
    assert 165 < x1 < 195
    assert 265 < x2 < 290
    assert len(set(OVAL.tolist())) == 36


def test_a_small_face_has_the_same_points(astronaut: Photo, points: Floats) -> None:
    import cv2

    small = cv2.resize(astronaut.pixels, (128, 128), interpolation=cv2.INTER_AREA)
    found = find_landmarks(small, tuple(v / 4 for v in FACE))
    assert found is not None
    assert np.abs(found[:468, :2] * 4 - points[:468, :2]).mean() < 4


def test_nobody_is_found_in_noise_or_on_another_place(astronaut: Photo) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    assert find_landmarks(noise, (50, 50, 150, 150)) is None
    assert find_landmarks(astronaut.pixels, (330.0, 180.0, 400.0, 260.0)) is None  # a model of a rocket


def turned(points: Floats, axis: int, degrees: float) -> Floats:
    angle = np.radians(degrees)
    a, b = ((1, 2), (0, 2), (0, 1))[axis]
    turn = np.eye(3)
    turn[a, a] = turn[b, b] = np.cos(angle)
    turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
    centre = points.mean(0)
    return ((points - centre) @ turn.T + centre).astype(np.float32)


@pytest.mark.parametrize(("axis", "name"), [(0, "pitch"), (1, "yaw"), (2, "roll")])
@pytest.mark.parametrize("degrees", [-25.0, 20.0])
def test_the_pose_follows_a_turned_head(points: Floats, axis: int, name: str, degrees: float) -> None:
    straight, after = head_pose(points), head_pose(turned(points, axis, degrees))
    assert abs(getattr(after, name) - getattr(straight, name)) == pytest.approx(abs(degrees), abs=5)


def test_a_mirrored_face_looks_the_other_way(astronaut: Photo, points: Floats) -> None:
    mirrored = np.ascontiguousarray(astronaut.pixels[:, ::-1])
    found = find_landmarks(mirrored, (512 - FACE[2], FACE[1], 512 - FACE[0], FACE[3]))
    assert found is not None
    assert head_pose(found).yaw == pytest.approx(-head_pose(points).yaw, abs=4)
    assert head_pose(found).roll == pytest.approx(-head_pose(points).roll, abs=4)
