"""What covers nothing: light and shadow, and skin with what grows, lies or is painted on it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.occluders import SIDE
from identigen.landmarks import CHEEKS, LEFT_BROW, LEFT_EYE, LIPS_OUTSIDE, OVAL, RIGHT_BROW, RIGHT_EYE
from identigen.training.occluders.hair import palette
from identigen.training.occluders.scene import Rng, Scene, X, Y, bezier, blurred, noise
from identigen.types import Floats


def shadow(scene: Scene, rng: Rng) -> None:
    """A shadow with an edge of any hardness on one side of a curve, or the pattern of leaves and blinds."""
    turn = rng.uniform(0, 2 * np.pi)
    away = np.cos(turn) * (X - SIDE / 2) + np.sin(turn) * (Y - SIDE / 2) + rng.normal(0, 30)
    kind = rng.uniform()
    if kind < 0.7:
        away = away + rng.uniform(0, 14) * noise(rng, int(rng.integers(3, 9)))
    elif kind < 0.85:
        away = 30 * noise(rng, int(rng.integers(4, 12))) + rng.normal(0, 15)
    else:
        away = 20 * np.sin(away * rng.uniform(0.1, 0.35)) + rng.normal(0, 8)
    edge = np.clip(0.5 + away / rng.uniform(1, 5) ** rng.uniform(0.5, 2.2), 0, 1)
    depth = 1 - rng.uniform(0.3, 0.9)
    tint = 1 + rng.normal(0, 0.06, 3)
    scene.picture *= 1 - (edge * depth)[..., None] * np.clip(tint, 0.8, 1.15).astype(np.float32)
    if rng.uniform() < 0.3:  # the lit side is exposed for, or over
        scene.picture *= np.float32(rng.uniform(1.1, 1.9))


def shine(scene: Scene, rng: Rng) -> None:
    """Highlights on forehead, nose and cheeks."""
    left, top, width, height = scene.box
    light = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        spread = width * rng.uniform(0.02, 0.16, 2)
        x, y = left + width * rng.uniform(0.1, 0.9), top + height * rng.uniform(0, 0.9)
        turn = rng.uniform(0, np.pi)
        across, down = X - x, Y - y
        along, aside = np.cos(turn) * across + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * across
        light += rng.uniform(40, 220) * np.exp(-((along / spread[0]) ** 2) - (aside / spread[1]) ** 2)
    scene.picture += np.minimum(light, 230)[..., None] * np.clip(1 + rng.normal(0, 0.06, 3), 0.8, 1.2).astype(
        np.float32
    )


def coloured_light(scene: Scene, rng: Rng) -> None:
    """Lamps of two colours from two sides."""
    turn = rng.uniform(0, 2 * np.pi)
    away = np.cos(turn) * (X - SIDE / 2) + np.sin(turn) * (Y - SIDE / 2) + 8 * noise(rng, 5)
    share = (1 / (1 + np.exp(-away / rng.uniform(3, 30))))[..., None]
    one, other = (np.exp(rng.normal(0, 0.35, 3)) for _ in range(2))
    scene.picture *= (share * one + (1 - share) * other).astype(np.float32)


def brows(scene: Scene, rng: Rng) -> None:
    """Heavier brows."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for ring in (RIGHT_BROW, LEFT_BROW):
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    drawn = blurred(cv2.dilate(drawn, np.ones((int(rng.integers(1, 5)),) * 2)), rng.uniform(1, 2))
    opacity = drawn * np.clip(rng.uniform(0.4, 0.9) + 0.35 * noise(rng, 96), 0, 1)
    scene.picture += (palette(rng) - scene.picture) * opacity[..., None]


def beard(scene: Scene, rng: Rng) -> None:
    """A beard or stubble: a face's own hair."""
    points = scene.points
    drawn = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(drawn, [np.round(points[OVAL]).astype(np.int32)], (1.0,))
    below = points[2, 1] + 2 + rng.uniform(0, 0.5) * np.abs(X - points[2, 0]) * rng.normal(0, 1)
    drawn *= below < Y
    cheeks = np.abs(X - points[2, 0]) * rng.uniform(0.2, 0.9)
    drawn *= np.clip((Y - points[2, 1]) / 3 + 1.0, 0, 1) * np.clip((Y + cheeks - points[13, 1]) / 6 + 1.5, 0, 1)
    lips = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(lips, [np.round(points[LIPS_OUTSIDE]).astype(np.int32)], (1.0,))
    drawn = blurred(drawn, rng.uniform(2, 5)) * (1 - blurred(lips, 1))
    opacity = drawn * np.clip(rng.uniform(0.2, 0.85) + 0.35 * noise(rng, 96) + 0.2 * noise(rng, 10), 0, 1)
    scene.picture += (palette(rng) - scene.picture) * opacity[..., None]


def make_up(scene: Scene, rng: Rng) -> None:
    """Lips, lids and cheeks in some colour."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    kind = rng.integers(3)
    rings = ((LIPS_OUTSIDE,), (RIGHT_EYE, LEFT_EYE), CHEEKS)[kind]
    for ring in rings:
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    drawn = blurred(drawn, (1.0, 3.0, 6.0)[kind]) * rng.uniform(0.2, 0.7)
    scene.picture += (rng.uniform(20, 220, 3).astype(np.float32) * [1, 0.5, 0.6] - scene.picture) * drawn[..., None]


def wrinkles(scene: Scene, rng: Rng) -> None:
    """Furrows on the forehead and between the brows, folds beside nose and mouth."""
    left, top, width, height = scene.box
    drawn = np.zeros((SIDE, SIDE), np.float32)
    bend = rng.normal(0, 4)
    for _ in range(int(rng.integers(1, 6))):
        y, x = top + height * rng.uniform(0.02, 0.25), left + width * rng.uniform(0.2, 0.5)
        path = np.array([[x, y], [left + width / 2, y + bend], [left + width * rng.uniform(0.5, 0.8), y]])
        _crease(drawn, path, rng)
    for side in (-1, 1):
        nose, corner = scene.points[98 if side < 0 else 327], scene.points[61 if side < 0 else 291]
        path = np.array([nose, (nose + corner) / 2, corner]) + np.outer([0, 8, 4], [side, 0]) + [[0, 0], [0, 0], [0, 6]]
        _crease(drawn, path, rng)
        frown = scene.points[9] + [side * rng.uniform(2, 5), 6]
        _crease(drawn, np.array([frown, frown - [0, 6], frown - [side * rng.normal(0, 2), rng.uniform(8, 16)]]), rng)
        inner, outer = scene.points[133 if side < 0 else 362], scene.points[33 if side < 0 else 263]
        sag = rng.uniform(4, 14)
        _crease(drawn, np.array([inner, (inner + outer) / 2, outer]) + np.outer([0.4, 1, 0.3], [0, sag]), rng)
    soft = blurred(np.minimum(drawn, 1), rng.uniform(0.6, 1.4))
    scene.dim(1 - rng.uniform(0.15, 0.6) * soft)
    scene.dim(1 + rng.uniform(0, 0.2) * np.roll(soft, 2, 0))


def sockets(scene: Scene, rng: Rng) -> None:
    """Eyes that lie in the shade, or are painted all around."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE):
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    growth = int(rng.integers(1, 16))
    drawn = blurred(cv2.dilate(drawn, np.ones((growth, growth))), rng.uniform(1, 5))
    scene.dim(1 - rng.uniform(0.2, 0.75) * drawn)


def _crease(drawn: Floats, path: npt.NDArray[np.float64], rng: Rng) -> None:
    line = [np.round(16 * bezier(path + rng.normal(0, 1, (3, 2)))).astype(np.int32)]
    cv2.polylines(drawn, line, False, (float(rng.uniform(0.3, 1)),), int(rng.integers(1, 3)), cv2.LINE_8, 4)


def spots(scene: Scene, rng: Rng) -> None:
    """Freckles, moles and blemishes."""
    left, top, width, height = scene.box
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 60))):
        spot = int(left + width * rng.uniform(0.1, 0.9)), int(top + height * rng.uniform(0.05, 0.95))
        cv2.circle(drawn, spot, int(rng.integers(0, 3)), (float(rng.uniform(0.2, 1)),), -1)
    scene.dim(1 - rng.uniform(0.1, 0.5) * blurred(drawn, 0.8))
