from __future__ import annotations

import cv2
import numpy as np

from identigen.background import removal_mask
from identigen.masks import ellipse, intersect, rectangle, subtract
from identigen.types import Face, Mask, Pixels, Subject

SIZE = (300, 400)


def ground() -> Pixels:
    """A bright floor with a little grain."""
    noise = np.random.default_rng(0).normal(0, 3, (*SIZE, 3))
    return np.clip(np.array([170, 160, 140]) + noise, 0, 255).astype(np.uint8)


def person(left: int = 150) -> Mask:
    inside = np.zeros(SIZE, np.uint8)
    cv2.ellipse(inside, (left + 25, 60), (14, 18), 0, 0, 360, 1, -1)
    cv2.rectangle(inside, (left, 78), (left + 50, 160), 1, -1)
    cv2.rectangle(inside, (left + 5, 160), (left + 20, 250), 1, -1)
    cv2.rectangle(inside, (left + 30, 160), (left + 45, 250), 1, -1)
    return Mask.from_array(inside)


def subject(mask: Mask, number: int = 1) -> Subject:
    return Subject(number, mask.window.box, mask)


def scene(mask: Mask) -> Pixels:
    picture = ground()
    picture[mask.to_array()] = (40, 60, 120)
    return picture


def test_the_rim_is_grown_and_the_whole_person_is_inside():
    mask = person()
    found = removal_mask(scene(mask), subject(mask), [])
    assert subtract(mask, found.person).area == 0
    assert mask.area < found.person.area < 1.6 * mask.area


def test_hair_that_the_mask_missed_is_found():
    mask = person()
    picture = scene(mask)
    tuft = np.zeros(SIZE, np.uint8)
    cv2.rectangle(tuft, (170, 34), (180, 44), 1, -1)
    picture[tuft > 0] = (40, 60, 120)
    found = removal_mask(picture, subject(mask), []).person.to_array()
    assert found[tuft > 0].mean() > 0.8


def test_a_cast_shadow_is_found_and_kept_apart():
    mask = person()
    picture = scene(mask)
    shadow = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(shadow, [np.array([[152, 244], [198, 244], [290, 262], [280, 275], [150, 256]])], 1)
    cast = (shadow > 0) & ~mask.to_array()
    picture[cast] = (picture[cast] * 0.55).astype(np.uint8)
    found = removal_mask(picture, subject(mask), [])
    seen = found.shadow.to_array() | found.person.to_array()
    assert seen[cast].mean() > 0.8
    assert found.shadow.area < 1.8 * cast.sum()
    assert intersect(found.shadow, found.person).area == 0


def steps() -> Pixels:
    """Wide steps, bright and dark in turn, with grain: darker places that are no shadows."""
    picture = ground().astype(np.float32)
    picture *= np.where(np.arange(SIZE[0]) // 14 % 2, 0.6, 1.0)[:, None, None]
    return picture.astype(np.uint8)


def test_a_shadow_on_steps_is_told_from_the_steps():
    mask = person()
    inside = mask.to_array()
    bare = steps()
    bare[inside] = (40, 60, 120)
    assert removal_mask(bare, subject(mask), []).shadow.area == 0
    laid = np.array([[1, -0.7, 0.7 * 250], [0, -0.15, 250 + 0.15 * 250]], np.float32)
    cast = (cv2.warpAffine(inside.astype(np.uint8), laid, SIZE[::-1]) > 0) & ~inside
    shaded = bare.copy()
    shaded[cast] = (shaded[cast] * 0.5).astype(np.uint8)
    found = removal_mask(shaded, subject(mask), [])
    assert (found.shadow.to_array() | found.person.to_array())[cast].mean() > 0.8
    near = cv2.dilate(cast.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert near[found.shadow.to_array()].mean() > 0.9


def test_an_even_floor_has_no_shadow():
    mask = person()
    assert removal_mask(scene(mask), subject(mask), []).shadow.area == 0


def test_a_reflection_is_found():
    mask = Mask.from_array(np.pad(person().to_array()[100:, :], ((0, 100), (0, 0))))  # the feet stand at row 150
    picture = ground()
    inside = mask.to_array()
    rows = np.mgrid[: SIZE[0], : SIZE[1]][0]
    picture[inside] = np.stack([40 + rows, 40 + rows // 2, 120 - rows // 2], 2)[inside]
    mirrored = np.zeros(SIZE, bool)
    mirrored[151:301] = inside[150:0:-1][:149]
    reflected = picture[150:0:-1][:149] // 2 + 60
    picture[151:300][mirrored[151:300]] = reflected[mirrored[151:300]]
    found = removal_mask(picture, subject(mask), [])
    assert (found.shadow.to_array() | found.person.to_array())[mirrored].mean() > 0.7


def test_nobody_else_is_touched():
    one, other = person(150), person(202)
    picture = scene(one)
    picture[other.to_array()] = (40, 60, 120)
    found = removal_mask(picture, subject(one), [subject(other, 2)])
    assert intersect(found.person, other).area == 0
    assert intersect(found.shadow, other).area == 0


def in_front_of_somebody() -> tuple[Pixels, Subject, Subject, Mask]:
    """A picture, who stands in front, who behind, and the hair of the first, which the outline of the second holds."""
    mask, face = person(), Face((163.0, 48.0, 187.0, 78.0))
    crown = np.zeros(SIZE, np.uint8)
    cv2.ellipse(crown, (175, 58), (16, 22), 0, 0, 360, 1, -1)
    hair = subtract(Mask.from_array(crown), mask)
    shirt = np.zeros(SIZE, bool)
    shirt[10:110, 130:220] = True
    behind = subtract(Mask.from_array(shirt), mask)
    picture = ground()
    colours = ((behind, (150, 30, 30)), (mask, (40, 60, 120)), (ellipse(face.box, SIZE), (210, 160, 130)))
    for where, colour in (*colours, (hair, (30, 25, 20))):
        picture[where.to_array()] = colour
    return picture, Subject(1, mask.window.box, mask, face), subject(behind, 2), hair


def test_own_hair_that_is_taken_for_somebody_behind_goes_too():
    picture, front, behind, hair = in_front_of_somebody()
    found = removal_mask(picture, front, [behind])
    assert intersect(found.person, hair).area > 0.8 * hair.area
    assert intersect(found.person, subtract(behind.mask, hair)).area < 0.1 * behind.mask.area


def test_who_stands_in_front_keeps_their_hair():
    picture, front, behind, hair = in_front_of_somebody()
    found = removal_mask(picture, behind, [front])
    above = rectangle((0.0, 0.0, 400.0, 62.0), SIZE)
    assert intersect(intersect(found.person, hair), above).area < 0.2 * hair.area
    assert intersect(found.person, subtract(behind.mask, hair)).area > 0.8 * subtract(behind.mask, hair).area


def test_an_empty_mask_asks_for_nothing():
    found = removal_mask(ground(), Subject(1, (0, 0, 0, 0), Mask.empty(*SIZE)), [])
    assert found.person.area == found.shadow.area == 0
