"""Hair over faces: somebody else's, or drawn locks."""

from __future__ import annotations

import cv2
import numpy as np

from identigen.identity.occluders import SIDE
from identigen.training.occluders.scene import HALF, OCCLUDER, Rng, Scene, X, Y, bezier, blurred, cast
from identigen.types import Floats


def transplant(scene: Scene, rng: Rng) -> None:
    """Somebody else's hair, moved over the face; its edge is torn along the strands."""
    donors = scene.bases
    for _ in range(8):
        row = int(rng.integers(len(donors)))
        if donors.hair[row].mean() > 0.08:
            break
    else:
        return
    source = np.dstack([donors.pictures[row], 255 * donors.hair[row].astype(np.uint8)])
    if rng.uniform() < 0.5:
        source = source[:, ::-1]
    scale, turn = rng.uniform(0.8, 1.2), rng.normal(0, 0.15)
    shift = np.array([rng.normal(0, 16), rng.uniform(-6, 36)])
    x, y = X - SIDE / 2 - shift[0], Y - SIDE / 2 - shift[1]
    across, down = (np.cos(turn) * x + np.sin(turn) * y) / scale, (np.cos(turn) * y - np.sin(turn) * x) / scale
    slant = rng.normal(0, 0.5)
    torn = rng.uniform(0, 9) * _tufts(rng, X + slant * Y) + rng.uniform(0, 3) * _tufts(rng, 3 * (X + slant * Y))
    places = (across + SIDE / 2 + slant * torn).astype(np.float32), (down + SIDE / 2 + torn).astype(np.float32)
    moved = cv2.remap(np.ascontiguousarray(source), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = blurred(moved[..., 3].astype(np.float32) / 255, rng.uniform(0.5, 1.2))
    colour = moved[..., :3].astype(np.float32)
    if rng.uniform() < 0.5:
        colour = _dyed(colour, opacity, rng)
    cast(scene, opacity, rng)
    scene.lay(colour, opacity, OCCLUDER)


def strands(scene: Scene, rng: Rng) -> None:
    """Locks that begin at the rim of the face and fall over it."""
    left, top, width, height = scene.box
    colour = scene.picture.copy()
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    hair = _hair_colour(scene, rng)
    for _ in range(int(rng.integers(1, 6))):
        side = rng.uniform(-1, 1)
        root = np.array([left + width * (0.5 + 0.55 * side), top - height * (0.12 - 0.15 * side**2)])
        length = height * rng.uniform(0.2, 0.9)
        away = rng.normal(0, 0.35) - 0.1 * side
        end = root + length * np.array([away, 1.0])
        bend = (root + end) / 2 + rng.normal(0, 0.16, 2) * length
        spread, tip = rng.uniform(1, 9), rng.uniform(0.1, 1.1)
        for _ in range(int(rng.integers(3, int(8 + 6 * spread)))):
            offset = rng.normal(0, spread)
            wild = rng.normal(0, 1.2, (3, 2))
            path = np.array([root, bend, end]) + np.outer([1, 0.8, tip], [offset, 0]) + wild
            shade = np.clip(hair * rng.uniform(0.6, 1.4) + rng.normal(0, 4, 3), 0, 255)
            curve = [np.round(16 * bezier(path)).astype(np.int32)]
            thickness = 1 + int(rng.uniform() < 0.35)
            cv2.polylines(colour, curve, False, tuple(map(float, shade)), thickness, cv2.LINE_AA, 4)
            cv2.polylines(drawn, curve, False, (255,), thickness, cv2.LINE_AA, 4)
    opacity = drawn.astype(np.float32) / 255
    if rng.uniform() < 0.5:
        opacity = blurred(opacity, 0.5)
    cast(scene, opacity, rng)
    scene.lay(colour, opacity * rng.uniform(0.75, 1.0), OCCLUDER)


def _hair_colour(scene: Scene, rng: Rng) -> Floats:
    if rng.uniform() < 0.35:
        for _ in range(4):
            row = int(rng.integers(len(scene.bases)))
            inside = scene.bases.hair[row]
            if inside.any():
                return np.asarray(np.median(scene.bases.pictures[row][inside], axis=0), np.float32)
    return palette(rng)


def palette(rng: Rng) -> Floats:
    """Black to blond, red, grey and white hair, seldom a dye, in any light."""
    natural = np.array(
        [[22, 18, 16], [48, 34, 26], [84, 58, 40], [130, 94, 60], [190, 152, 104], [226, 200, 158], [140, 66, 34],
         [120, 118, 116], [190, 188, 186], [236, 234, 230]], np.float32
    )  # fmt: skip
    colour = natural[rng.integers(len(natural))] if rng.uniform() < 0.85 else rng.uniform(0, 255, 3)
    return np.asarray(np.clip(colour * rng.uniform(0.6, 1.25) + rng.normal(0, 6, 3), 0, 255), np.float32)


def _dyed(colour: Floats, where: Floats, rng: Rng) -> Floats:
    """The same strands in another colour."""
    grey = colour.mean(-1)
    level = float(grey[where > HALF].mean()) if (where > HALF).any() else 128.0
    share = np.clip((grey + 8) / (level + 8), 0.3, 2.2) ** rng.uniform(0.5, 1.1)
    return np.asarray(np.clip(share[..., None] * palette(rng), 0, 255), np.float32)


def _tufts(rng: Rng, across: Floats) -> Floats:
    """Noise that depends on one coordinate `(SIDE, SIDE)` in pixels alone."""
    spread = rng.uniform(2, 6)
    table = blurred(rng.standard_normal((1, 512)), spread)[0] * 1.9 * spread**0.5
    return np.asarray(table[np.round(across).astype(int) % 512], np.float32)
