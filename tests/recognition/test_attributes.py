from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen.landmarks import face_box, find_landmarks
from identigen.recognition.attributes import (
    Attributes,
    agreement,
    compare,
    read_attributes,
    seems_alike,
    skin_tone,
    wished,
)
from identigen.types import Face, Photo


@pytest.fixture(scope="module")
def face(astronaut: Photo) -> Face:
    points = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert points is not None
    return Face(face_box(points), points)


@pytest.fixture(scope="module")
def attributes(astronaut: Photo, face: Face) -> Attributes:
    return read_attributes(astronaut.pixels, face)


def test_the_astronaut_is_read_as_she_looks(attributes: Attributes) -> None:
    assert attributes.femininity > 0
    assert 18 < attributes.age < 55
    assert attributes.beard < 0.8
    assert abs(attributes.pose.yaw) < 20
    assert attributes.mouth > 0.02  # she smiles with her teeth showing
    assert attributes.tone > 20


def test_a_darker_picture_has_a_darker_skin(astronaut: Photo, face: Face) -> None:
    assert face.landmarks is not None
    dark = (astronaut.pixels * 0.45).astype(np.uint8)
    assert skin_tone(dark, face.landmarks) < skin_tone(astronaut.pixels, face.landmarks) - 15


def test_nobody_agrees_better_with_a_face_than_itself(attributes: Attributes) -> None:
    assert agreement(attributes, attributes) == 1.0
    older = replace(attributes, age=attributes.age + 30)
    other = replace(older, femininity=-attributes.femininity)
    assert 1 > agreement(attributes, older) > agreement(attributes, other)


def test_another_age_gender_presentation_or_origin_is_noticed(attributes: Attributes) -> None:
    assert seems_alike(attributes, replace(attributes, age=attributes.age + 5, mouth=0.9))
    assert not seems_alike(attributes, replace(attributes, age=8.0))
    assert not seems_alike(attributes, replace(attributes, femininity=attributes.femininity - 0.8))
    moved = (attributes.kin[0] + 2.0, *attributes.kin[1:])
    assert not seems_alike(attributes, replace(attributes, kin=moved))


def test_the_report_tells_both_sides(attributes: Attributes) -> None:
    rows = compare(attributes, replace(attributes, mouth=0.5))
    assert rows["mouth_openness"]["after"] == 0.5
    assert rows["yaw"]["before"] == rows["yaw"]["after"]


def test_without_landmarks_nothing_is_read(astronaut: Photo) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        read_attributes(astronaut.pixels, Face((0.0, 0.0, 10.0, 10.0)))


def test_who_shall_be_a_child_is_compared_with_one(attributes: Attributes) -> None:
    child = replace(attributes, age=8.0)
    assert wished(attributes, {"age": "child"}) == child
    assert seems_alike(wished(attributes, {"age": "child", "skin": "lighter"}), child)
    assert wished(attributes, {"skin": "lighter"}) == attributes
