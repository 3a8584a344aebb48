from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from identigen.identity.appearance import SIDE, Codec, load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.portrait import Portrait, read_portrait
from identigen.landmarks import find_landmarks
from identigen.synthesis.rendering import prepare
from identigen.types import Floats, Photo, Pixels


def relief(pixels: Pixels, points: Floats) -> Floats:
    """Strength of the fine relief that a new face would get, on the canonical map."""
    codec = load_codec()
    portrait = read_portrait(codec, load_conditions(), pixels, points, np.zeros(128, np.float32))
    fine = np.abs(prepare(codec, portrait, pixels).fine).mean(-1)
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
