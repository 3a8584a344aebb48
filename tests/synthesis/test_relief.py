from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import Codec, load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.mesh import SIDE
from identigen.identity.portrait import AGE, Portrait, read_portrait
from identigen.landmarks import face_box, find_landmarks
from identigen.synthesis.relief import _mirrored
from identigen.synthesis.rendering import (
    prepare,
)
from identigen.synthesis.retouching import BEARD
from identigen.types import Floats, Photo, Pixels


def read(codec: Codec, pixels: Pixels, points: Floats) -> Portrait:
    """A face of which the recogniser knows nothing."""
    return read_portrait(codec, load_conditions(), pixels, points, np.zeros(128, np.float32))


def relief(pixels: Pixels, points: Floats) -> Floats:
    """Strength of the fine relief that a new face would get, on the canonical map."""
    codec = load_codec()
    fine = np.abs(prepare(codec, read(codec, pixels, points), pixels).fine).mean(-1)
    return np.asarray(cv2.GaussianBlur(cv2.resize(fine, (SIDE, SIDE)), (0, 0), 2.0), np.float32)


def test_a_strand_on_one_cheek_leaves_no_ghost_on_the_other(astronaut: Photo) -> None:
    points = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert points is not None
    ends = [tuple(points[i, :2].round().astype(int).tolist()) for i in (116, 207)]
    striped = cv2.line(astronaut.pixels.copy(), *ends, (20, 10, 5), 2, cv2.LINE_AA)
    plain, marked = relief(astronaut.pixels, points), relief(striped, points)
    mesh = load_codec().mesh
    across = np.zeros((SIDE, SIDE), np.uint8)
    mirrored = [tuple(mesh.canonical[mesh.mirror[i]].round().astype(int).tolist()) for i in (116, 207)]
    cv2.line(across, *mirrored, (1,), 3)
    assert plain.max() > 0
    assert marked[across > 0].mean() < 1.3 * plain[across > 0].mean()


def test_wrinkles_that_only_the_model_expects_leave_no_negative(
    codec: Codec, portrait: Portrait, astronaut: Photo
) -> None:
    rows = np.mgrid[0:SIDE, 0:SIDE][0]
    wrinkles = (0.1 * np.sin(rows) * codec.mesh.bare)[..., None].astype(np.float32)
    furrowed = replace(portrait, expected=portrait.expected + wrinkles)
    plain, negative = (np.abs(prepare(codec, p, astronaut.pixels).fine) for p in (portrait, furrowed))
    assert negative.mean() < 1.3 * plain.mean()


@pytest.mark.parametrize(
    "lines_of_age",
    [pytest.param(((116, 207), (117, 205), (118, 36)), id="cheeks"), pytest.param(((165, 39), (167, 37)), id="lip")],
)
def test_an_old_face_keeps_the_lines_that_a_young_one_has_only_by_chance(
    codec: Codec, portrait: Portrait, astronaut: Photo, lines_of_age: tuple[tuple[int, int], ...]
) -> None:
    """On her cheeks dark lines are strands of hair, unless she is seventy."""
    striped = astronaut.pixels.copy()
    for a, b in (*lines_of_age, *codec.mesh.mirror[np.array(lines_of_age)]):
        ends = [tuple(portrait.points[i, :2].round().astype(int).tolist()) for i in (a, b)]
        striped = cv2.line(striped, *ends, (90, 55, 45), 1, cv2.LINE_AA)
    lines = []
    for years in (30, 70):
        raw = np.array(portrait.raw_condition)
        raw[AGE] = years**0.5
        plain, lined = (
            prepare(codec, replace(portrait, raw_condition=raw), p).fine for p in (astronaut.pixels, striped)
        )
        lines.append(float(np.percentile(plain - lined, 99.5)))
    assert lines[1] > 1.5 * lines[0]


def test_a_beard_keeps_its_hairs_and_a_bare_chin_gets_none(codec: Codec, portrait: Portrait, astronaut: Photo) -> None:
    """Stubble is the photo's own; what does not count as a beard must not bring the old chin back."""
    bearded = np.array(portrait.raw_condition)
    bearded[BEARD] = 1.2
    zone = codec.mesh.beard_zone * portrait.seen * portrait.seen[:, ::-1] > 0.9
    pixels = astronaut.pixels
    reliefs = []
    for raw in (portrait.raw_condition, bearded):
        read = replace(portrait, raw_condition=raw)
        fine = cv2.resize(prepare(codec, read, pixels).fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        reliefs.append(fine)
    hairs = (reliefs[1] - reliefs[0]).mean(-1)
    seen = (portrait.detail - cv2.GaussianBlur(portrait.detail, (0, 0), 4.0)).mean(-1)
    for part in (zone & (codec.mesh.bare > 0.9), zone & (codec.mesh.skin < 0.1)):  # cheeks and chin; up to the lips
        assert np.corrcoef(hairs[part], seen[part])[0, 1] > 0.8


def test_a_side_that_is_smooth_stays_smooth(codec: Codec, portrait: Portrait, astronaut: Photo) -> None:
    """What a hard light makes of one cheek would look like scars on the other."""
    x1, y1, x2, y2 = (round(edge) for edge in face_box(portrait.points))
    middle = (x1 + x2) // 2
    pixels = np.array(astronaut.pixels)
    shiny = np.random.default_rng(0).normal(0, 25, (y2 - y1, middle - x1, 1))
    pixels[y1:y2, x1:middle] = np.clip(pixels[y1:y2, x1:middle] + shiny, 0, 255)
    fine = cv2.resize(prepare(codec, portrait, pixels).fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(-1)
    skin = (codec.mesh.bare > 0.9) & (portrait.seen > 0.9) & (portrait.seen[:, ::-1] > 0.9) & ~portrait.hidden
    left, right = (float(fine[skin & side].std()) for side in (np.arange(SIDE) < 80, np.arange(SIDE) > 112))
    assert right < 0.7 * left


def test_relief_of_a_dark_side_does_not_come_into_the_light() -> None:
    """Noise that is strong against the little light it had would be scars in the sun."""
    left = np.mgrid[0:SIDE, 0:SIDE][1][..., None] < SIDE // 2
    fine = np.random.default_rng(0).normal(0, 0.1, (SIDE, SIDE, 1)).astype(np.float32) * np.ones(3, np.float32)
    even = np.full((SIDE, SIDE, 3), 200, np.float32)
    usual, shaded = (_mirrored(fine, coarse, 1.0)[:, -60:] for coarse in (even, np.where(left, 10, even)))
    assert np.allclose(usual, fine[:, 59::-1], rtol=0.5, atol=0.02)
    assert np.abs(shaded).mean() < 0.3 * np.abs(usual).mean()


@pytest.mark.parametrize("grey", [True, False])
def test_no_specks_of_colour_come_into_a_grey_photo(
    codec: Codec, portrait: Portrait, astronaut: Photo, grey: bool
) -> None:
    """A file's rounding differs from channel to channel: against little light that is a lot."""
    rng, pixels = np.random.default_rng(0), astronaut.pixels.astype(np.float32)
    if grey:
        pixels[:] = pixels.mean(-1, keepdims=True)
    pixels = np.clip(0.1 * pixels + rng.normal(0, 1, pixels.shape), 0, 255).astype(np.uint8)
    fine = prepare(codec, read(codec, pixels, portrait.points), pixels).fine
    colour = float(np.ptp(fine, axis=-1).mean() / np.abs(fine).mean())
    assert colour < 0.4 if grey else colour > 0.5
