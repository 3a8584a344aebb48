"""Cloth, hands and things over faces."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.occluders import SIDE
from identigen.training.occluders.scene import OCCLUDER, Rng, Scene, X, Y, blurred, cast, noise
from identigen.types import Floats


def hat(scene: Scene, rng: Rng) -> None:
    """A hat, a cap, a headband or a headscarf down to somewhere on the forehead; seldom a scarf up to the nose."""
    left, top, width, height = scene.box
    x = (X - left - width / 2) / width
    edge = top + height * rng.uniform(-0.02, 0.26) + height * (rng.normal(0, 0.12) * x + rng.normal(0.1, 0.3) * x**2)
    edge = edge + rng.uniform(0, 2) * noise(rng, 12)
    depth = edge - Y
    if rng.uniform() < 0.15:
        depth = Y - (top + height * rng.uniform(0.5, 0.75) + height * rng.normal(0, 0.2) * x**2)
    opacity = np.clip(depth / rng.uniform(0.8, 2) + 0.5, 0, 1)
    if rng.uniform() < 0.25:
        opacity = opacity * np.clip(rng.uniform(0.15, 0.4) * height - depth, 0, 1)
    _cloth(scene, opacity, depth, rng)


def hood(scene: Scene, rng: Rng) -> None:
    """A headscarf or a hood around the face."""
    left, top, width, height = scene.box
    middle = left + width * rng.normal(0.5, 0.05), top + height * rng.normal(0.55, 0.04)
    wide, high = width * rng.uniform(0.38, 0.52), height * rng.uniform(0.42, 0.56)
    angle = np.arctan2(Y - middle[1], X - middle[0])
    radius = np.hypot((X - middle[0]) / wide, (Y - middle[1]) / high)
    wavy = 0.03 * np.sin(angle * 3 + rng.uniform(0, 6)) + 0.02 * np.sin(angle * 7 + rng.uniform(0, 6))
    depth = (radius - 1 + wavy) * min(wide, high)
    _cloth(scene, np.clip(depth / rng.uniform(0.8, 2) + 0.5, 0, 1), depth, rng)


def _cloth(scene: Scene, opacity: Floats, depth: Floats, rng: Rng) -> None:
    colour = stuff(scene, rng) * (1 + rng.uniform(0, 0.3) * noise(rng, int(rng.integers(3, 12))))[..., None]
    round_off = 1 - rng.uniform(0, 0.5) * np.exp(-np.maximum(depth, 0) / rng.uniform(1, 8))
    cast(scene, opacity, rng, 14)
    scene.lay(np.asarray(colour * round_off[..., None], np.float32), opacity.astype(np.float32), OCCLUDER)


def stuff(scene: Scene, rng: Rng) -> Floats:
    """Flat, striped, checked, knitted, or a piece of some picture `(SIDE, SIDE, 3)`."""
    base = rng.uniform(0, 255, 3) if rng.uniform() < 0.6 else np.full(3, rng.uniform(5, 250))
    kind = rng.integers(5)
    if kind == 4:
        row, size = int(rng.integers(len(scene.bases))), int(rng.integers(24, 90))
        y, x = rng.integers(0, SIDE - size, 2)
        piece = scene.bases.pictures[row][y : y + size, x : x + size]
        return np.asarray(cv2.resize(piece, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.15, 1.2)
    along, across = np.cos(turn) * X + np.sin(turn) * Y, np.cos(turn) * Y - np.sin(turn) * X
    wave = np.zeros_like(X)
    if kind == 1:
        wave = np.sin(pitch * along)
    elif kind == 2:
        wave = np.sign(np.sin(pitch * along) * np.sin(pitch * across))
    elif kind == 3:
        wave = 0.5 * np.sin(1.6 * along) * np.sin(1.6 * across) + 0.4 * noise(rng, 96)
    other = base + rng.normal(0, 50, 3)
    mix = (0.5 + 0.5 * np.clip(wave, -1, 1))[..., None]
    return np.asarray(np.clip(base * (1 - mix) + other * mix, 0, 255), np.float32)


def hand(scene: Scene, rng: Rng) -> None:
    """Fingers and a palm that come in from below or a side."""
    left, top, width, height = scene.box
    target = np.array([left + width * rng.uniform(0.1, 0.9), top + height * rng.uniform(0.3, 1.0)])
    heading = rng.uniform(-0.15, 1.15) * np.pi  # from the right over below to the left
    out = np.array([np.cos(heading), np.sin(heading)])
    aside = np.array([-out[1], out[0]])
    thick = width * rng.uniform(0.05, 0.085)
    skin = np.clip(scene.skin * rng.uniform(0.65, 1.25) + rng.normal(0, 8, 3), 0, 255)
    fingers = int(rng.integers(1, 6))
    fan = rng.uniform(0, 0.22)
    parts: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]] = []
    palm = target + out * width * rng.uniform(0.35, 0.5)
    parts.append((palm, palm + out * width, thick * rng.uniform(1.5, 0.6 + fingers * 0.9)))
    for k in range(fingers):
        place = k - (fingers - 1) / 2
        tip = target + aside * place * thick * (1.9 + 6 * fan) + out * rng.uniform(0, 0.12) * width
        parts.append((tip, palm + aside * place * thick * 1.7, thick * rng.uniform(0.85, 1.1)))
    opacity, light = _bars(parts, rng)
    cast(scene, opacity, rng)
    tone = 1 + 0.05 * noise(rng, 24) + rng.uniform(0, 0.25) * noise(rng, 3)
    scene.lay(np.asarray(light[..., None] * tone[..., None] * skin, np.float32), opacity, OCCLUDER)


def thing(scene: Scene, rng: Rng) -> None:
    """A microphone, a stick or a blob of something."""
    left, top, width, height = scene.box
    target = np.array([left + width * rng.uniform(0.0, 1.0), top + height * rng.uniform(0.35, 1.05)])
    if rng.uniform() < 0.5:
        heading = rng.uniform(-0.1, 1.1) * np.pi
        out = np.array([np.cos(heading), np.sin(heading)])
        thick = width * rng.uniform(0.03, 0.1)
        parts = [(target, target + out * 2 * width, thick)]
        if rng.uniform() < 0.6:
            parts.append((target, target + out * 0.5 * thick, thick * rng.uniform(1.2, 2.0)))
        opacity, light = _bars(parts, rng)
    else:
        corners = target + rng.normal(0, 0.28, (int(rng.integers(4, 8)), 2)) * width
        filled = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillConvexPoly(filled, cv2.convexHull(np.round(corners).astype(np.int32)), (1.0,))
        soft = blurred(filled, rng.uniform(1, 6))
        opacity = np.asarray(np.clip((soft - 0.5) * rng.uniform(6, 16) + 0.5, 0, 1), np.float32)
        light = 0.6 + 0.5 * soft
    colour = stuff(scene, rng) * (rng.uniform(0.15, 0.5) if rng.uniform() < 0.4 else 1.0)
    cast(scene, opacity, rng)
    scene.lay(np.asarray(light[..., None] * colour, np.float32), opacity, OCCLUDER)


def _bars(
    parts: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]], rng: Rng
) -> tuple[Floats, Floats]:
    """Rounded bars from, to, radius: their opacity, and the light on their roundness."""
    opacity, light = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    edge = rng.uniform(0.35, 0.8)
    for start, end, radius in parts:
        along = end - start
        share = ((X - start[0]) * along[0] + (Y - start[1]) * along[1]) / max(float(along @ along), 1e-6)
        share = np.clip(share, 0, 1)
        away = np.hypot(X - start[0] - share * along[0], Y - start[1] - share * along[1])
        inside = np.clip(radius - away + 0.5, 0, 1)
        rounded = edge + (1 - edge) * np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1))
        light = light * (1 - inside) + rounded * inside
        opacity = np.maximum(opacity, inside)
    return np.asarray(opacity, np.float32), np.asarray(light, np.float32)
