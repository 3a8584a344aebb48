"""Pairs to learn from: every face is replaced by somebody else's, and then drawn back into the picture that came out.

The second drawing shows the face that a true picture shows, with all the faults of drawing (a cycle as in Zhu et al.
2017, with the renderer as one half). The first drawing has no true picture; it tells what is met in use.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from identigen.composite import paste
from identigen.identity.appearance import load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.fine_detail import load_fine_detail
from identigen.identity.harmoniser import SIDE, look, square
from identigen.identity.imagination import Course, imagine
from identigen.identity.mesh import POINTS
from identigen.identity.portrait import Portrait, read_portrait
from identigen.landmarks import face_box
from identigen.recognition import default_recogniser
from identigen.synthesis.complexion import coloured
from identigen.synthesis.embedded import Sitting, sit
from identigen.synthesis.rendering import Drawing
from identigen.training.data import Faces
from identigen.types import Candidate, Face, Floats, Pixels
from identigen.verification import look_again

SMALL, SMALLEST = 0.4, 0.18  # share of pairs drawn in a reduced picture, and how far at most
TILES = 5  # of a strip: truth, drawn back, its share of new skin, somebody else, theirs
QUALITY = 95


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A picture in which one face was drawn, and where."""

    pixels: Floats
    skin: Floats


def draw_pairs(faces: Faces, folder: Path, each: int, processes: int = 1) -> None:
    """Write a strip of `TILES` squares for every face and each of `each` seeds into `folder`; go on where it stopped.

    Strips of held-out faces begin with `held`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [(row, number) for number in range(each) for row in range(len(faces.files))]
    if processes == 1:
        for task in tasks:
            _write(faces, folder, task)
    else:
        # Begun afresh: measuring has started threads here, and a copy of a process that has some may wait for ever.
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            list(pool.map(partial(_write, faces, folder), tasks, chunksize=8))


def _write(faces: Faces, folder: Path, task: tuple[int, int]) -> None:
    row, number = task
    path = folder / f"{'held' if faces.held_out[row] else 'pair'}-{number}-{row:05d}.webp"
    if path.is_file():
        return
    strip = _strip(faces, row, number)
    if strip is not None:
        cv2.imwrite(str(path), strip[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


def _strip(faces: Faces, row: int, number: int) -> Pixels | None:
    """`(SIDE, TILES * SIDE, 3)`, None where the new face is not seen as one."""
    rng = np.random.default_rng([row, number, 13])
    scale = float(rng.uniform(SMALLEST, 0.9)) if rng.uniform() < SMALL else 1.0
    pixels, points = faces.pixels(row), faces.landmarks[row]
    if scale < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        points = np.asarray(points * scale, np.float32)
    codec, conditions = load_codec(), load_conditions()
    fine = load_fine_detail(codec.mesh)
    portrait = read_portrait(codec, conditions, pixels, points, faces.embeddings[row])
    sitting = sit(codec, conditions, fine, portrait, pixels, portrait.condition)
    strength = float(rng.uniform(0.4, 0.9))
    course = Course.away_from(portrait, faces.embeddings[row], portrait.condition, strength)
    [other] = imagine(course, [int(rng.integers(1 << 30))])
    new = _pasted(pixels, sitting.draw(other, strength))
    picture = new.pixels.astype(np.uint8)
    again = look_again(picture, face_box(points))
    if again is None or again.landmarks is None:
        return None
    embedding = default_recogniser().describe(picture, [Face(again.box, again.landmarks)])[0]
    second = read_portrait(codec, conditions, picture, again.landmarks, embedding)
    back = _drawn_back(sit(codec, conditions, fine, second, picture, second.condition), portrait)
    truth = pixels.astype(np.float32)
    here, there = square(points), square(again.landmarks)
    tiles = [
        look(truth, there), look(back.pixels, there), look(255 * back.skin, there),
        look(new.pixels, here), look(255 * new.skin, here),
    ]  # fmt: skip
    assert len(tiles) == TILES
    tiles = [tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, -1) for tile in tiles]
    return np.clip(np.rint(np.hstack(tiles)), 0, 255).astype(np.uint8).reshape(SIDE, TILES * SIDE, 3)


def _drawn_back(sitting: Sitting, owner: Portrait) -> _Drawn:
    """The face of `owner` drawn over the one of the sitting, exactly where it was and with features of its own.

    Of all retouching only the colours are the picture's: what else it takes away (a dark lid, a highlight, a shade on
    the upper lip) the network would learn to put back, on whomever it sees.
    """
    portrait = sitting.portrait
    shape = (owner.points[:POINTS] - portrait.centre) / portrait.scale @ portrait.turn.T
    detail = owner.expected + owner.seen[..., None] * (owner.detail - owner.expected)
    skin = sitting.lit(coloured(sitting.codec, np.asarray(detail, np.float32), sitting.complexion))
    drawing = sitting.laid(skin, np.asarray(shape, np.float32))
    return _pasted(sitting.pixels, drawing)


def _pasted(pixels: Pixels, drawing: Drawing) -> _Drawn:
    window, patch, _ = paste(pixels, Candidate(0, drawing.window, drawing.pixels, drawing.coverage))
    out, skin = pixels.astype(np.float32), np.zeros(pixels.shape[:2], np.float32)
    out[window.slices] = patch
    skin[window.slices] = drawing.skin * drawing.coverage
    return _Drawn(out, skin)
