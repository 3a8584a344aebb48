"""The stick figure for ControlNets, from our own points."""

from __future__ import annotations

import numpy as np
import pytest

from identigen.crop import Crop
from identigen.synthesis.skeleton import body_points, draw, with_face
from identigen.types import Face, Photo, Window

CROP = Crop(Window(0, 0, 300, 300), 300)


@pytest.fixture(scope="module")
def points(astronaut: Photo) -> np.ndarray:  # type: ignore[type-arg]
    found = body_points(astronaut.pixels, astronaut.window)
    assert found is not None
    return found


def test_a_person_has_eighteen_points_in_their_places(points: np.ndarray) -> None:  # type: ignore[type-arg]
    nose, neck, right_shoulder, left_shoulder = points[0], points[1], points[2], points[5]
    assert points.shape == (18, 3)
    assert 195 < nose[0] < 250
    assert nose[1] < neck[1]
    assert right_shoulder[0] < neck[0] < left_shoulder[0]
    assert points[14, 0] < points[15, 0]  # her right eye is on the left of the picture


def test_nobody_has_no_points() -> None:
    assert body_points(np.full((200, 200, 3), 128, np.uint8), Window(0, 0, 200, 200)) is None
    assert body_points(np.zeros((200, 200, 3), np.uint8), Window(0, 0, 5, 5)) is None


def test_the_face_mesh_knows_the_head_better() -> None:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[1] = (150, 100, 0)
    face = Face((100, 50, 200, 150), landmarks)
    points = with_face(None, face)
    assert points is not None
    assert points[0].tolist() == [150, 100, 1]
    assert points[2, 2] == 0
    assert with_face(None, None) is None


def test_the_drawing_follows_the_points_and_leaves_out_what_is_not_seen() -> None:
    points = np.zeros((18, 3), np.float32)
    points[2], points[3] = (60, 60, 1.0), (60, 240, 1.0)
    figure = draw(points, CROP)
    assert figure.shape == (300, 300, 3)
    assert figure[150, 60].max() > 60
    assert figure[:, 100:].max() == 0
    points[3, 2] = 0.2
    assert draw(points, CROP)[150, 60].max() == 0


def test_the_drawing_is_placed_and_scaled_by_the_crop() -> None:
    points = np.zeros((18, 3), np.float32)
    points[2], points[3] = (60, 60, 1.0), (60, 240, 1.0)
    part = draw(points, Crop(Window(0, 50, 100, 150), 300))
    assert part[150, 180].max() > 60
    assert part[150, 60].max() == 0


def test_colours_and_order_are_those_that_controlnets_were_trained_with() -> None:
    """Facts of OpenPose's format: which points are joined, and in which colour."""
    points = np.zeros((18, 3), np.float32)
    points[1], points[2], points[0] = (150, 100, 1.0), (50, 100, 1.0), (150, 20, 1.0)
    figure = draw(points, CROP)
    assert figure[100, 50].tolist() == [255, 170, 0]  # the right shoulder, a point
    assert figure[100, 100].tolist() == [153, 0, 0]  # from the neck to it, a line
    assert figure[60, 150].tolist() == [0, 0, 153]  # from the neck to the nose
    assert figure[20, 150].tolist() == [255, 0, 0]
    points[0, 2] = 0.0
    points[17] = (250, 20, 1.0)  # an ear is joined to its eye and to nothing else
    assert draw(points, CROP)[60, 200].max() == 0


def test_lines_are_as_thick_as_the_controlnet_was_trained_with() -> None:
    points = np.zeros((18, 3), np.float32)
    points[2], points[3] = (512, 100, 1.0), (512, 900, 1.0)
    figure = draw(points, Crop(Window(0, 0, 1024, 1024), 1024))
    assert 18 <= np.count_nonzero(figure[500].max(1) > 40) <= 32
