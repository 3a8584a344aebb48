from __future__ import annotations

import cv2
import numpy as np
import pytest

from identigen import masks
from identigen.detection import bundled, faces
from identigen.detection.blazepose import Aim, read_stance
from identigen.detection.pairing import Body
from identigen.models import package_file
from identigen.types import Face, Pixels, Point, Window

SHOES = {"left": [(84.0, 876.0), (205.0, 876.0)], "right": [(273.0, 845.0)]}


def picture(name: str) -> Pixels:
    pixels = cv2.imread(str(package_file("ultralytics", f"assets/{name}")))
    return np.ascontiguousarray(pixels[..., ::-1])


def find_faces(pixels: Pixels) -> list[Face]:
    found = faces.judge_sightings(pixels, bundled.sight_faces(pixels))
    return sorted(found, key=lambda face: face.box[0])


@pytest.fixture(scope="module")
def bus() -> Pixels:
    return picture("bus.jpg")


@pytest.fixture(scope="module")
def men(bus: Pixels) -> list[Face]:
    return find_faces(bus)


def holds_all(body: Body | None, points: list[Point]) -> bool:
    return body is not None and all(body.mask.contains(point) for point in points)


def test_walking_men_are_outlined_to_their_shoes(bus: Pixels, men: list[Face]) -> None:
    left, right = (bundled.body_of_face(bus, face, [o for o in men if o is not face]) for face in men)
    assert holds_all(left, SHOES["left"])
    assert holds_all(right, SHOES["right"])
    assert left is not None
    assert right is not None
    assert masks.intersect(left.mask, right.mask).area < 0.02 * right.mask.area
    assert not left.mask.contains((150.0, 850.0))  # the pavement between the shoes


def test_a_man_cut_off_at_the_hip_is_outlined_from_shoulder_to_shoulder() -> None:
    zidane = picture("zidane.jpg")
    shouting, standing = find_faces(zidane)
    body = bundled.body_of_face(zidane, shouting, [standing])
    assert holds_all(body, [(300.0, 350.0), (220.0, 500.0), (230.0, 640.0), (560.0, 215.0), (600.0, 700.0)])
    assert body is not None
    assert not body.mask.contains((985.0, 90.0))  # the other man's forehead
    face = masks.ellipse(shouting.box, (720, 1280))
    assert masks.subtract(face, body.mask).area < 0.04 * face.area  # the box of a profile holds some background


def test_somebody_whose_face_cannot_be_seen_is_found_by_the_body(bus: Pixels, men: list[Face]) -> None:
    hidden = bus.copy()
    x1, y1, x2, y2 = (int(v) for v in men[1].box)
    hidden[y1 - 15 : y2 + 5, x1 - 8 : x2 + 8] = cv2.blur(hidden, (61, 61))[y1 - 15 : y2 + 5, x1 - 8 : x2 + 8]
    part = np.ascontiguousarray(hidden[350:920, 180:600])
    (body,) = bundled.search_bodies(part)
    assert body.mask.contains((100.0, 230.0))
    assert body.head is not None
    assert masks.intersect(masks.rectangle(body.head, (570, 420)), body.mask).area > 0


def test_the_search_leaves_out_whose_face_is_known(bus: Pixels, men: list[Face]) -> None:
    bodies = bundled.search_bodies(bus, men)
    for face in men:
        x, y = (face.box[0] + face.box[2]) / 2, face.box[3] + 100
        assert not any(body.mask.contains((x, y)) for body in bodies)


def test_a_body_gets_back_its_feet_but_nothing_of_others(bus: Pixels, men: list[Face]) -> None:
    face = men[0]
    whole = bundled.body_of_face(bus, face, men[1:])
    assert whole is not None
    w = whole.mask.window
    torso = masks.intersect(whole.mask, masks.rectangle((w.left, w.top, w.right, w.bottom - 70.0), (1080, 810)))
    taken = masks.rectangle((190.0, 860.0, 260.0, 900.0), (1080, 810))
    coarse, other = Body(torso, 0.8, "yolo-seg"), Body(taken, 0.7, "yolo-seg")
    full = bundled.complete(bus, coarse, face, men, [coarse, other])
    assert holds_all(full, SHOES["left"][:1])
    assert masks.subtract(torso, full.mask).area == 0
    assert masks.intersect(full.mask, taken).area == 0
    assert (full.score, full.detector) == (0.8, "yolo-seg")


def test_a_body_that_the_pose_contradicts_stays_as_it_is(bus: Pixels) -> None:
    wall = Body(masks.rectangle((450.0, 60.0, 560.0, 200.0), (1080, 810)), 0.5, "yolo-seg")
    assert bundled.complete(bus, wall, None, [], [wall]) is wall


def test_nobody_is_segmented_in_a_window_without_people(bus: Pixels) -> None:
    assert bundled.segment_person(bus, Window(400, 0, 800, 300)) is None
    assert bundled.segment_person(bus, Window(0, 0, 10, 300)) is None


def test_a_head_beyond_the_border_is_taken_for_the_top_of_what_is_seen(bus: Pixels) -> None:
    headless = np.ascontiguousarray(bus[500:960, 150:450])
    stance = read_stance(headless, Aim(130.0, 120.0, 560.0))
    body = bundled.body_of_stance(headless, stance)
    assert body is not None
    assert body.head is not None
    assert masks.intersect(masks.rectangle(body.head, (460, 300)), body.mask).area > 100
