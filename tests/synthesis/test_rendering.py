from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import Codec
from identigen.identity.conditions import load_conditions
from identigen.identity.mesh import SIDE
from identigen.identity.portrait import Portrait, read_portrait
from identigen.landmarks import face_box, find_landmarks
from identigen.synthesis.rendering import (
    SKETCHED,
    Drawing,
    Sketchbook,
    _face_size,
    _laid_on,
    _without_slivers,
    draw,
    paint,
    prepare,
    working_window,
)
from identigen.synthesis.shaping import missed
from identigen.types import Photo


@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_a_sketch_shows_the_mesh_what_the_drawing_will(codec: Codec, astronaut: Photo, scale: float) -> None:
    """Whoever is large in the photo is sketched small, who is small stays so; pose and mouth read the same."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = np.asarray(cv2.resize(astronaut.pixels, None, fx=scale, fy=scale, interpolation=method), np.uint8)
    points = find_landmarks(pixels, (175.0 * scale, 65.0 * scale, 280.0 * scale, 195.0 * scale))
    assert points is not None
    portrait = read_portrait(codec, load_conditions(), pixels, points, np.zeros(128, np.float32))
    canvas = prepare(codec, portrait, pixels)
    book = Sketchbook.of(portrait, canvas, pixels)
    size, sketched_size = (_face_size(p) for p in (points, book.portrait.points))
    assert sketched_size == pytest.approx(min(size, SKETCHED), abs=0.5)
    skin = paint(canvas, codec.decode(portrait.code))  # the person herself, as the codec has her
    sketched = book.seen(codec, skin, portrait.aligned)
    drawing = draw(codec, portrait, canvas, pixels, skin, portrait.aligned)
    picture = pixels.astype(np.float32)
    part = picture[drawing.window.slices]
    part += (drawing.pixels - part) * drawing.coverage[..., None]
    seen = find_landmarks(np.clip(picture, 0, 255).astype(np.uint8), face_box(points))
    assert sketched is not None
    assert seen is not None
    one, other = missed(book.portrait.points, sketched), missed(points, seen)
    assert one.yaw == pytest.approx(other.yaw, abs=1.0)
    assert one.pitch == pytest.approx(other.pitch, abs=1.0)
    assert one.mouth == pytest.approx(other.mouth, abs=0.02)
    assert one.eyes == pytest.approx(other.eyes, abs=0.02)


def test_what_turns_away_is_not_drawn_as_a_line() -> None:
    skin = np.full((SIDE, SIDE, 3), 150.0, np.float32)
    skin[:, 90:94] = 20
    facing = np.ones((SIDE, SIDE), np.float32)
    facing[:, 88:96] = 0
    assert np.abs(_without_slivers(skin, facing) - 150).max() < 1
    assert np.array_equal(_without_slivers(skin, np.ones_like(facing)), skin)


def test_the_contour_of_a_nose_before_its_cheek_has_no_steps(codec: Codec, portrait: Portrait) -> None:
    """A dark nose before a bright cheek, the head turned: between both lie pixels that show a part of each."""
    turn = np.radians(40)
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    middle = portrait.points[:468].mean(0)
    points = ((portrait.points - middle) @ around.T + middle).astype(np.float32)
    x = np.mgrid[0:SIDE, 0:SIDE][1]
    maps = np.where(np.abs(x - SIDE / 2)[..., None] < 24, 40.0, 200.0) * np.ones(3)
    window = working_window(points, (512, 512))
    shown, _ = _laid_on(codec, points, window, maps.astype(np.float32), np.ones((SIDE, SIDE), np.float32))
    grey = shown.mean(-1)
    between = (grey > 60) & (grey < 180)
    stepped = cv2.remap(
        maps.astype(np.float32), *np.moveaxis(codec.mesh.locate(points, window)[0], -1, 0), cv2.INTER_LINEAR
    )
    stepped = stepped.mean(-1)
    assert between.sum() > 1.2 * ((stepped > 60) & (stepped < 180)).sum()


def test_a_shut_eye_stays_shut_and_an_open_one_gets_new_lids(
    codec: Codec, portrait: Portrait, astronaut: Photo
) -> None:
    """On a lid that hides an eye there are no lashes and no fold of another, open one."""
    asleep = np.array(portrait.points)
    for upper, lower in zip((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), strict=True):
        asleep[upper] = asleep[lower]
    canvas = prepare(codec, portrait, astronaut.pixels)
    skin = np.zeros((canvas.side, canvas.side, 3), np.float32)
    drawing = draw(codec, replace(portrait, points=asleep), canvas, astronaut.pixels, skin, portrait.aligned)
    awake = draw(codec, portrait, canvas, astronaut.pixels, skin, portrait.aligned)

    def on_lid(of: Drawing, fold: int, bone: int) -> float:
        x, y = (round(float(edge)) for edge in 0.75 * portrait.points[fold, :2] + 0.25 * portrait.points[bone, :2])
        return float(of.skin[y - of.window.top, x - of.window.left])

    assert on_lid(drawing, 27, 223) < 0.6 * on_lid(awake, 27, 223)
    assert on_lid(drawing, 257, 443) == pytest.approx(on_lid(awake, 257, 443), abs=0.05)
