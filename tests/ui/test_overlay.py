import re

import numpy as np

from identigen import masks
from identigen.types import Face, Mask, Photo, Subject
from identigen.ui.overlay import crop_at, face_crop, outline, portrait_box

SIZE = (400, 600)


def corners(path: str) -> np.ndarray:
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float)


def test_an_outline_follows_its_region_in_photo_pixels():
    box = (100.0, 50.0, 300.0, 350.0)
    points = corners(outline(Subject(1, box, masks.rectangle(box, SIZE))).path)
    assert np.abs(points.min(0) - (100, 50)).max() <= 1
    assert np.abs(points.max(0) - (300, 350)).max() <= 1


def test_a_large_region_is_traced_coarsely_but_in_place():
    box = (500.0, 1000.0, 3500.0, 3900.0)
    path = outline(Subject(1, box, masks.ellipse(box, (4000, 4000)))).path
    points = corners(path)
    assert np.abs(points.min(0) - (500, 1000)).max() < 12
    assert np.abs(points.max(0) - (3500, 3900)).max() < 12
    assert len(path) < 6000


def test_two_parts_are_two_paths():
    array = np.zeros(SIZE, bool)
    array[10:100, 10:100] = array[200:300, 200:300] = True
    path = outline(Subject(1, (10, 10, 300, 300), Mask.from_array(array))).path
    assert path.count("M") == 2


def test_an_own_mask_is_what_is_outlined():
    subject = Subject(1, (0, 0, 50, 50), masks.rectangle((0, 0, 50, 50), SIZE))
    points = corners(outline(subject, masks.rectangle((200, 200, 260, 260), SIZE)).path)
    assert points.min() >= 199


def test_nothing_in_a_mask_falls_back_to_the_box():
    assert outline(Subject(1, (5, 6, 50, 60), Mask.empty(*SIZE))).path == "M5.0 6.0H50.0V60.0H5.0Z"


def test_the_number_stands_in_the_photo():
    face = Face((300.0, -20.0, 360.0, 40.0))
    line = outline(Subject(1, (250, 0, 400, 400), masks.rectangle((250, 0, 400, 400), SIZE), face))
    assert line.label == (330.0, 0.0)


def test_a_crop_shows_the_face():
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[100:140, 200:240] = 255
    face = Face((200.0, 100.0, 240.0, 140.0))
    crop = face_crop(Photo(pixels), Subject(1, (150, 90, 300, 390), Mask.empty(*SIZE), face), 62)
    assert crop.shape == (62, 62, 3)
    assert crop[31, 31].tolist() == [255, 255, 255]
    assert crop[2, 2].tolist() == [0, 0, 0]
    assert np.array_equal(crop, crop_at(pixels, face.box, 62))


def test_without_a_face_the_upper_end_of_the_body_is_shown():
    body = Subject(1, (100.0, 50.0, 160.0, 350.0), Mask.empty(*SIZE))
    assert portrait_box(body) == (100.0, 50.0, 160.0, 110.0)
