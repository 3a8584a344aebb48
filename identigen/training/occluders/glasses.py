"""Glasses on faces: frames of any shape, clear and dark lenses."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.occluders import SIDE
from identigen.landmarks import LEFT_EYE, RIGHT_EYE
from identigen.training.occluders.scene import GLASSES, Rng, Scene, X, Y, bezier, blurred, cast, noise
from identigen.training.occluders.things import stuff
from identigen.types import Floats

TINTED = 0.35  # opacity of a lens from which it hides an eye


def glasses(scene: Scene, rng: Rng) -> None:
    """A pair of clear or dark glasses of any shape."""
    points = scene.points
    rings = (RIGHT_EYE, LEFT_EYE)
    centres = np.array([points[ring].mean(0) for ring in rings])
    across = centres[1] - centres[0]
    apart = float(np.hypot(*across))
    if apart < 12:
        return
    level = across / apart
    down = np.array([-level[1], level[0]])
    widths = np.array([np.ptp(points[ring] @ level) for ring in rings])
    turned = np.clip(widths / widths.mean(), 0.6, 1.25)
    wide = apart * rng.uniform(0.33, 0.47)
    high = wide * rng.uniform(0.55, 1.05)
    power = 2 / rng.choice([2.0, 2.4, 3.2, 5.0])
    droop, wing = rng.uniform(0, 0.35) * (rng.uniform() < 0.4), rng.normal(0, 0.08)
    shift = rng.uniform(-0.02, 0.14) * apart
    theta = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    loops = []
    for side, centre, share in zip((-1, 1), centres, turned, strict=True):
        x = np.sign(np.cos(theta)) * np.abs(np.cos(theta)) ** power
        y = np.sign(np.sin(theta)) * np.abs(np.sin(theta)) ** power
        y = y * (1 + droop * (y > 0)) - wing * x
        x = x * (1 - 0.5 * droop * np.maximum(y, 0)) + 0.4 * droop * np.maximum(y, 0) * 0.5
        middle = centre + level * side * rng.uniform(0, 0.05) * apart + down * shift
        loops.append(middle + np.outer(side * x * wide * share, level) + np.outer(y * high, down))
    thick = int(rng.choice([1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7]))
    frame = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    half, browed = rng.uniform() < 0.12, int(rng.integers(2, 7)) * (rng.uniform() < 0.2)
    for loop in loops:
        if half:
            upper = loop[(theta > np.pi - 0.2) | (theta < 0.01)]
            cv2.polylines(frame, [_fixed(upper)], False, (255,), thick, cv2.LINE_AA, 3)
        else:
            cv2.polylines(frame, [_fixed(loop)], True, (255,), thick, cv2.LINE_AA, 3)
        if browed:
            upper = loop[(theta > np.pi + 0.1) & (theta < 2 * np.pi - 0.1)]
            cv2.polylines(frame, [_fixed(upper)], False, (255,), thick + browed, cv2.LINE_AA, 3)
    inner = [loop[np.argmin(((loop - (centres.mean(0) + down * shift)) ** 2).sum(1))] for loop in loops]
    arch = rng.uniform(0.0, 0.12) * apart
    for extra in (0.0, 0.16 * apart) if rng.uniform() < 0.2 else (0.0,):
        path = np.array([inner[0], (inner[0] + inner[1]) / 2 - down * (arch + extra), inner[1]]) - down * extra
        cv2.polylines(frame, [_fixed(bezier(path))], False, (255,), max(1, thick), cv2.LINE_AA, 3)
    if rng.uniform() < 0.85:
        lift = rng.uniform(0.1, 0.6) * high
        for side, loop, ear in zip((-1, 1), loops, (127, 356), strict=True):
            outer = loop[np.argmax(side * (loop @ level))] - down * lift
            end = points[ear] + level * side * 4 - down * rng.uniform(-4, 4)
            if side * (end - outer) @ level > 2:
                cv2.polylines(frame, [_fixed(np.array([outer, end]))], False, (255,), max(1, thick), cv2.LINE_AA, 3)
    opacity = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lens = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    for loop in loops:
        cv2.fillPoly(lens, [_fixed(loop)], (255,), cv2.LINE_AA, 3)
    glass = cv2.resize(lens, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    cast(scene, opacity, rng, 5)
    _lenses(scene, glass, np.asarray((Y - centres[:, 1].mean()) / high, np.float32), rng)
    metal = thick < 4 and rng.uniform() < 0.7
    scene.lay(_frame_colour(scene, metal, rng), opacity * (0.55 if rng.uniform() < 0.08 else 1.0), GLASSES,
              np.minimum(1, opacity * 1.3))  # fmt: skip


def _lenses(scene: Scene, glass: Floats, height: Floats, rng: Rng) -> None:
    """Clear with reflections, or dark, fading downwards, or mirroring; `height` is -1 at the upper rim and 1 below."""
    if rng.uniform() < 0.6:
        scene.lay(np.broadcast_to(rng.uniform(0, 255, 3), (SIDE, SIDE, 3)).astype(np.float32),
                  glass * rng.uniform(0, 0.12), GLASSES, np.zeros_like(glass))  # fmt: skip
        if rng.uniform() < 0.5:
            turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.03, 0.2)
            wave = np.sin(pitch * (np.cos(turn) * X + np.sin(turn) * Y) + rng.uniform(0, 6)) + 0.3 * noise(rng, 6)
            bands = np.clip((wave - rng.uniform(0.2, 0.9)) * rng.uniform(1, 6), 0, 1) * rng.uniform(0.1, 0.6)
            tint = np.clip(235 + rng.normal(0, 30, 3), 0, 255)
            self_lit = np.broadcast_to(tint, (SIDE, SIDE, 3)).astype(np.float32)
            scene.lay(self_lit, np.asarray(glass * bands, np.float32), GLASSES, np.zeros_like(glass))
        return
    shade = np.full_like(glass, rng.uniform(0.55, 1.0) ** 0.6)
    if rng.uniform() < 0.35:
        shade = np.clip(shade - rng.uniform(0.1, 0.3) * (height + 1), 0.2, 1)
    colour = np.broadcast_to(rng.uniform(0, 60, 3) * rng.uniform(0.2, 1.2), (SIDE, SIDE, 3)).astype(np.float32)
    if rng.uniform() < 0.5:  # tinted: what is behind shines through in another colour
        through = rng.uniform(0.15, 0.6) * np.clip(1 + rng.normal(0, 0.4, 3), 0.3, 1.8)
        colour = scene.picture * np.clip(through, 0.03, 0.75).astype(np.float32) + 0.3 * colour
        shade = np.clip(shade + 0.2, 0, 1)
    if rng.uniform() < 0.4:
        mirrored = stuff(scene, rng) if rng.uniform() < 0.5 else blurred(scene.picture[::-1], 4)
        colour = colour + mirrored * (rng.uniform(0.1, 0.8) * np.clip(0.5 + 0.7 * noise(rng, 4), 0, 1)[..., None])
    opacity = np.asarray(glass * shade, np.float32)
    scene.lay(np.asarray(np.clip(colour, 0, 255), np.float32), opacity, GLASSES, np.where(opacity > TINTED, glass, 0))


def _frame_colour(scene: Scene, metal: bool, rng: Rng) -> Floats:
    """Metal, black, brown, of the skin's own hue, or of any colour `(SIDE, SIDE, 3)`; unevenly lit."""
    kind = rng.uniform()
    if metal:
        base = np.array([[196, 160, 90], [180, 182, 186], [60, 60, 64], [176, 120, 100]])[rng.integers(4)]
    elif kind < 0.4:
        base = np.full(3, rng.uniform(5, 45)) + rng.normal(0, 4, 3)
    elif kind < 0.6:
        base = np.array([90, 56, 34]) * rng.uniform(0.5, 1.5)
    elif kind < 0.8:
        base = scene.skin * rng.choice([rng.uniform(0.4, 0.8), rng.uniform(1.15, 1.5)]) + rng.normal(0, 15, 3)
    else:
        base = rng.uniform(0, 255, 3)
    uneven = 0.5 if metal or rng.uniform() < 0.3 else 0.15
    light = np.clip(1 + uneven * noise(rng, int(rng.integers(8, 40))), 0.4, 2.2) * rng.uniform(0.6, 1.1)
    return np.asarray(np.clip(base * light[..., None], 0, 255), np.float32)


def _fixed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Points of the square on a canvas of twice its size, in eighths of a pixel."""
    return np.asarray(np.round(8 * (2 * points + 0.5)), np.int32)
