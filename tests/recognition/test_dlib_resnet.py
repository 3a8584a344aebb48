from __future__ import annotations

import cv2
import numpy as np
import pytest

from identigen.landmarks import face_box, find_landmarks
from identigen.recognition import Recogniser, default_recogniser
from identigen.types import Box, Face, Photo, Pixels

ASTRONAUT: Box = (175.0, 65.0, 280.0, 195.0)
ANCELOTTI: Box = (905.0, 115.0, 1055.0, 280.0)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return default_recogniser()


def face_at(pixels: Pixels, box: Box) -> Face:
    points = find_landmarks(pixels, box)
    assert points is not None
    return Face(face_box(points), points)


def distance(recogniser: Recogniser, a: tuple[Pixels, Face], b: tuple[Pixels, Face]) -> float:
    one, other = recogniser.describe(a[0], [a[1]])[0], recogniser.describe(b[0], [b[1]])[0]
    return float(np.linalg.norm(one - other))


def test_the_same_person_is_near_in_another_picture(recogniser: Recogniser, astronaut: Photo) -> None:
    darker = (cv2.resize(astronaut.pixels, (360, 360), interpolation=cv2.INTER_AREA) * 0.8).astype(np.uint8)
    small = face_at(darker, tuple(v * 360 / 512 for v in ASTRONAUT))
    large = face_at(astronaut.pixels, ASTRONAUT)
    assert distance(recogniser, (astronaut.pixels, large), (darker, small)) < 0.3


def test_two_people_are_further_apart_than_the_threshold(
    recogniser: Recogniser, astronaut: Photo, zidane: Photo
) -> None:
    woman, man = face_at(astronaut.pixels, ASTRONAUT), face_at(zidane.pixels, ANCELOTTI)
    assert distance(recogniser, (astronaut.pixels, woman), (zidane.pixels, man)) > recogniser.threshold == 0.60


def test_landmarks_are_not_needed(recogniser: Recogniser, astronaut: Photo) -> None:
    with_points = face_at(astronaut.pixels, ASTRONAUT)
    without = Face(with_points.box)
    assert distance(recogniser, (astronaut.pixels, with_points), (astronaut.pixels, without)) < 0.4


def test_many_faces_are_described_in_one_call_as_one_by_one(recogniser: Recogniser, zidane: Photo) -> None:
    face = face_at(zidane.pixels, ANCELOTTI)
    other = Face((560.0, 255.0, 660.0, 435.0))
    both = recogniser.describe(zidane.pixels, [face, other])
    assert both.shape == (2, 128)
    assert both.dtype == np.float32
    assert np.allclose(both[1], recogniser.describe(zidane.pixels, [other])[0], atol=1e-4)
    assert recogniser.describe(zidane.pixels, []).shape == (0, 128)


def test_a_face_at_the_border_and_a_tiny_one_are_described(recogniser: Recogniser, astronaut: Photo) -> None:
    faces = [Face((-20.0, -20.0, 40.0, 40.0)), Face((480.0, 480.0, 512.0, 512.0)), Face((100.0, 100.0, 106.0, 106.0))]
    assert np.isfinite(recogniser.describe(astronaut.pixels, faces)).all()
