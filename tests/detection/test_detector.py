from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from identigen import masks
from identigen.detection import Detector
from identigen.detection.pairing import box_iou
from identigen.models import REGISTRY, package_file
from identigen.settings import Settings
from identigen.types import Mask, Operation, Photo, Pixels, Subject, Window

ASTRONAUTS_FACE = (175.0, 62.0, 275.0, 182.0)


def picture(name: str) -> Photo:
    pixels = cv2.imread(str(package_file("ultralytics", f"assets/{name}")))
    return Photo(np.ascontiguousarray(pixels[..., ::-1]), name)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return Detector(Settings(offline=True, cache_dir=str(tmp_path_factory.mktemp("cache"))))


@pytest.fixture(scope="module")
def astronaut() -> Photo:
    return Photo(skimage.data.astronaut())


@pytest.fixture(scope="module")
def bus() -> Photo:
    return picture("bus.jpg")


@pytest.fixture(scope="module")
def on_the_bus(detector: Detector, bus: Photo) -> tuple[Subject, ...]:
    return detector.detect(bus)


def test_a_portrait_shows_one_person_with_face_landmarks_and_mask(detector: Detector, astronaut: Photo) -> None:
    (subject,) = detector.detect(astronaut)
    assert subject.id == 1
    assert subject.face is not None
    assert subject.face.landmarks is not None
    assert box_iou(subject.face.box, ASTRONAUTS_FACE) > 0.6
    assert subject.face.pose is not None
    assert abs(subject.face.pose.yaw) < 20
    assert subject.default_operation is Operation.FACE
    assert masks.subtract(masks.ellipse(subject.face.box, (512, 512)), subject.mask).area == 0
    assert 0.25 < subject.mask.area / 512**2 < 0.7


def test_people_in_a_street_are_numbered_left_to_right_and_share_no_pixel(
    bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    assert len(on_the_bus) >= 2
    assert [s.id for s in on_the_bus] == list(range(1, len(on_the_bus) + 1))
    assert sum(s.face is not None for s in on_the_bus) >= 2
    owners = sum(s.mask.to_array().astype(int) for s in on_the_bus)
    assert np.max(owners) == 1
    for subject in on_the_bus:
        assert subject.reason
        assert (subject.head_box is None) == (subject.face is not None)


def test_a_face_filling_the_frame_is_found(detector: Detector, astronaut: Photo) -> None:
    tight = Photo(np.ascontiguousarray(astronaut.pixels[60:190, 165:285]))
    (subject,) = detector.detect(tight)
    assert subject.face is not None
    assert subject.face.size_px > 70


def test_small_faces_in_a_large_photo_are_found_on_tiles(detector: Detector, astronaut: Photo) -> None:
    small = cv2.resize(astronaut.pixels, (128, 128), interpolation=cv2.INTER_AREA)
    wide = np.full((1600, 2400, 3), 90, np.uint8)
    wide[1100:1228, 1930:2058] = small
    (face,) = detector.find_faces(wide)
    expected = tuple(v / 4 + move for v, move in zip(ASTRONAUTS_FACE, (1930, 1100, 1930, 1100), strict=True))
    assert box_iou(face.box, (expected[0], expected[1], expected[2], expected[3])) > 0.5


def test_faces_found_in_a_window_lie_where_they_are_in_the_photo(detector: Detector, astronaut: Photo) -> None:
    (face,) = detector.find_faces(astronaut.pixels, Window(100, 20, 400, 300))
    assert box_iou(face.box, ASTRONAUTS_FACE) > 0.6
    assert face.landmarks is not None
    assert face.box[0] - 5 < face.landmarks[:, 0].min() < face.landmarks[:468, 0].max() < face.box[2] + 5
    assert detector.find_faces(astronaut.pixels, Window(0, 300, 120, 512)) == []


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((2, 3000, 3), np.uint8),
        np.zeros((300, 400, 3), np.uint8),
        np.full((300, 400, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8),
    ],
    ids=["one pixel", "thin", "black", "white", "noise"],
)
def test_nobody_is_found_where_nobody_is(detector: Detector, pixels: Pixels) -> None:
    photo = Photo(pixels)
    assert detector.detect(photo) == ()
    assert detector.find_people(photo.pixels, photo.window) == []
    assert detector.subject_at(photo, (0.0, 0.0), ()) is None


def test_a_click_on_somebody_known_returns_that_person(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    for subject in on_the_bus:
        row, column = np.argwhere(subject.mask.pixels)[subject.mask.area // 2]
        point = (float(column + subject.mask.window.left), float(row + subject.mask.window.top))
        assert detector.subject_at(bus, point, on_the_bus) is subject


def test_a_click_on_somebody_who_was_not_found_adds_that_person(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    gone, *rest = on_the_bus
    assert gone.face is not None
    x1, _, x2, y2 = gone.face.box
    found = detector.subject_at(bus, ((x1 + x2) / 2, y2 + 40), rest)
    assert found is not None
    assert found.id == max(s.id for s in rest) + 1
    assert masks.iou(found.mask, gone.mask) > 0.5
    assert found.face is not None
    assert all(masks.intersect(found.mask, other.mask).area == 0 for other in rest)


def test_a_click_on_an_object_cuts_it_out_by_colour(detector: Detector) -> None:
    pixels = np.full((240, 320, 3), (60, 110, 60), np.uint8)
    pixels += np.random.default_rng(0).integers(0, 12, pixels.shape).astype(np.uint8)
    cv2.circle(pixels, (160, 120), 30, (200, 60, 50), -1)
    found = detector.subject_at(Photo(pixels), (160, 120), ())
    assert found is not None
    truth = masks.ellipse((130, 90, 190, 150), (240, 320))
    assert masks.iou(found.mask, truth) > 0.85
    assert found.default_operation is Operation.LAYERED
    assert found.head_box == found.box
    assert "Neither a face nor a body" in found.reason
    assert found.quality.flags == ("no-face", "no-body")


def test_a_click_on_somebody_without_a_visible_head_outlines_the_body(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    found = detector.subject_at(bus, (760.0, 600.0), on_the_bus)
    assert found is not None
    assert found.reason == "No face is visible, so the head is covered."
    assert found.mask.contains((700.0, 830.0))  # a trouser leg
    assert found.mask.contains((770.0, 480.0))  # the jacket
    assert not found.mask.contains((600.0, 700.0))


def test_a_first_outline_shows_where_the_person_is(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    gone, *rest = on_the_bus
    assert gone.face is not None
    x1, _, x2, y2 = gone.face.box
    sketch = detector.sketch_at(bus, ((x1 + x2) / 2, y2 + 40), rest)
    assert sketch is not None
    assert sketch.photo_size == gone.mask.photo_size
    assert masks.iou(sketch, gone.mask) > 0.5
    assert detector.sketch_at(bus, (-5.0, 10.0), rest) is None


def test_a_click_in_a_large_photo_gives_the_outline_of_a_small_one_at_full_size(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    large = Photo(np.repeat(np.repeat(bus.pixels, 2, axis=0), 2, axis=1))
    face = on_the_bus[0].face
    assert face is not None
    point = (face.box[0] + face.box[2], 2 * face.box[3] + 80)
    small = detector.subject_at(bus, (point[0] / 2, point[1] / 2), ())
    for mask in (detector.sketch_at(large, point, ()), getattr(detector.subject_at(large, point, ()), "mask", None)):
        assert mask is not None
        assert mask.photo_size == (large.height, large.width)
        assert small is not None
        assert masks.iou(Mask.from_array(mask.to_array()[::2, ::2]), small.mask) > 0.7


def test_a_click_on_an_even_wall_adds_nobody(detector: Detector) -> None:
    wall = np.full((240, 320, 3), 140, np.uint8)
    wall += np.random.default_rng(0).integers(0, 12, wall.shape).astype(np.uint8)
    assert detector.subject_at(Photo(wall), (100, 100), ()) is None
    assert detector.subject_at(Photo(wall), (-5, 1000), ()) is None


def test_a_box_drawn_by_hand_becomes_a_subject_of_exactly_that_box(detector: Detector) -> None:
    photo = Photo(np.full((200, 300, 3), 120, np.uint8))
    found = detector.subject_in(photo, (250.0, 20.0, 340.0, 80.0), ())
    assert found is not None
    assert found.id == 1
    assert found.box == (250, 20, 300, 80)
    assert found.mask.area == 50 * 60
    assert found.head_box == (250, 20, 300, 80)
    assert detector.subject_in(photo, (400.0, 20.0, 500.0, 80.0), ()) is None


def test_a_box_around_a_missed_face_finds_that_face(detector: Detector, astronaut: Photo) -> None:
    found = detector.subject_in(astronaut, (150.0, 30.0, 300.0, 220.0), ())
    assert found is not None
    assert found.face is not None
    assert box_iou(found.face.box, ASTRONAUTS_FACE) > 0.6


def test_a_box_around_somebody_known_returns_that_person(
    detector: Detector, bus: Photo, on_the_bus: tuple[Subject, ...]
) -> None:
    known = on_the_bus[0]
    assert detector.subject_in(bus, known.face.box if known.face else known.box, on_the_bus) is known


def test_people_are_found_in_a_window_of_a_picture(detector: Detector, astronaut: Photo) -> None:
    (mask,) = detector.find_people(astronaut.pixels, Window(0, 0, 400, 512))
    assert mask.photo_size == (512, 512)
    assert mask.contains((220, 300))


def test_no_more_people_than_the_settings_allow(bus: Photo, tmp_path: Path) -> None:
    few = Detector(Settings(offline=True, max_people=1, cache_dir=str(tmp_path)))
    assert len(few.detect(bus)) == 1


def test_without_weights_it_says_what_is_missing_and_names_the_models_in_use(detector: Detector) -> None:
    assert detector.prepare() == detector.notices
    (notice,) = detector.notices
    assert "YOLO is not in use" in notice
    assert "IDENTIGEN_YOLO_WEIGHTS" in notice
    assert "yolo-seg" not in detector.used_models
    assert set(detector.used_models) <= set(REGISTRY)


def test_without_weights_neither_torch_nor_ultralytics_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from identigen.detection import Detector\n"
        "from identigen.settings import Settings\n"
        "from identigen.types import Photo\n"
        f"detector = Detector(Settings(offline=True, cache_dir={str(tmp_path)!r}))\n"
        "detector.prepare(); detector.detect(Photo(np.zeros((64, 64, 3), np.uint8)))\n"
        "print([name for name in ('torch', 'ultralytics') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
