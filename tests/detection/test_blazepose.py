from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from identigen import masks
from identigen.detection.blazepose import SIDE, Aim, Stance, read_stance, read_twice, spot_people
from identigen.types import Box, Mask, Pixels, Point, Window

FACE = (175.0, 62.0, 275.0, 182.0)
AIM = Aim(225.0, 490.0, 1100.0)


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    return skimage.data.astronaut()


def silhouette(stance: Stance, height: int, width: int) -> Mask:
    return Mask.from_array(stance.over(Window(0, 0, width, height)) > 0.5)


def holds(box: Box, point: Point) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def test_an_aim_puts_the_hips_in_the_middle_and_the_crown_above() -> None:
    aim = Aim.at(np.array([100, 300], np.float32), np.array([180, 300], np.float32))
    to_view = aim.to_view().astype(float)
    assert to_view @ (100, 300, 1) == pytest.approx((SIDE / 2, SIDE / 2), abs=1e-3)
    crown = to_view @ (180, 300, 1)
    assert crown[0] == pytest.approx(SIDE / 2, abs=1e-3)
    assert crown[1] == pytest.approx(SIDE / 2 - SIDE / 2.5, abs=1e-3)
    assert aim.head == pytest.approx((100 + 0.78 * 80, 300))


def test_the_view_of_a_window_is_the_one_of_the_photo() -> None:
    aim = Aim(50, 60, 200, 0.3)
    assert aim.to_view(20, 10).astype(float) @ (10, 20, 1) == pytest.approx(
        aim.to_view().astype(float) @ (30, 30, 1), abs=1e-3
    )


def test_aims_at_one_person_resemble_each_other() -> None:
    assert Aim(100, 100, 200).resembles(Aim(110, 95, 230))
    assert not Aim(100, 100, 200).resembles(Aim(160, 100, 200))
    assert not Aim(100, 100, 200).resembles(Aim(100, 100, 90))


def test_a_person_is_spotted(astronaut: Pixels) -> None:
    score, aim = max(spot_people(astronaut, Window(0, 0, 512, 512)), key=lambda spot: spot[0])
    assert score > 0.6
    assert holds(FACE, aim.head)
    assert spot_people(np.full((300, 300, 3), 90, np.uint8), Window(0, 0, 300, 300)) == []


def test_somebody_cut_off_by_the_border_is_read_to_the_border(astronaut: Pixels) -> None:
    stance = read_stance(astronaut, AIM)
    assert stance.presence > 0.9
    assert holds(FACE, (float(stance.points[0, 0]), float(stance.points[0, 1])))
    assert stance.points[23:25, 1].min() > 400  # the hips lie at the lower edge or beyond it
    mask = silhouette(stance, 512, 512)
    assert mask.within(Window(100, 500, 260, 512)).mean() > 0.9
    assert not mask.contains((420, 60))


def test_a_person_is_read_alike_wherever_in_a_photo(astronaut: Pixels) -> None:
    wide = np.full((900, 1400, 3), 120, np.uint8)
    wide[388:, 700:1212] = astronaut
    here = silhouette(read_stance(astronaut, AIM), 512, 512)
    there = silhouette(read_stance(wide, Aim(AIM.x + 700, AIM.y + 388, AIM.side)), 900, 1400)
    moved = Mask.from_array(there.within(Window(700, 388, 1212, 900)))
    assert masks.iou(here, moved) > 0.85


def test_a_turned_aim_reads_somebody_who_lies(astronaut: Pixels) -> None:
    lying = np.ascontiguousarray(np.rot90(astronaut, 3))  # the head points to the right
    upright = silhouette(read_stance(astronaut, AIM), 512, 512)
    stance = read_stance(lying, Aim(512 - AIM.y, AIM.x, AIM.side, np.pi / 2))
    turned = Mask.from_array(np.rot90(silhouette(stance, 512, 512).to_array(), 1))
    assert stance.presence > 0.9
    assert masks.iou(upright, turned) > 0.9


def test_a_hidden_head_is_not_followed(astronaut: Pixels) -> None:
    pair = np.hstack([astronaut[:, :400], astronaut[:, 50:450]])
    between = Aim(380.0, 490.0, 1100.0)
    right_face = (FACE[0] + 350, FACE[1], FACE[2] + 350, FACE[3])
    left = read_stance(pair, between, hidden=[right_face])
    right = read_stance(pair, between, hidden=[FACE])
    assert left.points[0, 0] < 400 < right.points[0, 0]


def test_the_mirrored_reading_changes_the_silhouette_and_nothing_else(astronaut: Pixels) -> None:
    once = read_stance(astronaut, AIM)
    twice = read_twice(astronaut, once)
    assert twice.points is once.points
    assert twice.presence == once.presence
    assert 0.0 <= twice.opacity.min() <= twice.opacity.max() <= 1.0
    assert masks.iou(silhouette(once, 512, 512), silhouette(twice, 512, 512)) > 0.85


def test_the_same_photo_larger_gives_the_same_outline(astronaut: Pixels) -> None:
    large = cv2.resize(astronaut, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    small = silhouette(read_stance(astronaut, AIM), 512, 512)
    stance = read_stance(np.asarray(large, np.uint8), Aim(AIM.x * 4, AIM.y * 4, AIM.side * 4))
    shrunk = cv2.resize(silhouette(stance, 2048, 2048).to_array().astype(np.uint8), (512, 512), cv2.INTER_AREA)
    assert masks.iou(small, Mask.from_array(shrunk)) > 0.95


def test_visibility_counts_what_lies_in_the_photo() -> None:
    points = np.zeros((33, 3), np.float32)
    points[:3] = [(10, 10, 1.0), (20, 20, 0.5), (500, 10, 0.0)]
    points[3:, 0] = -5
    stance = Stance(points, 1.0, np.zeros((SIDE, SIDE), np.float32), AIM, AIM)
    assert stance.visibility((100, 100)) == pytest.approx(0.75)
    assert stance.visibility((5, 5)) == 0.0
