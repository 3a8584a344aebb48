"""Lay hair, hats, hands, things and glasses over faces, and change them in ways that cover nothing.

Every function takes a `Scene` and a generator and changes the scene; what covers the face is noted in its truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.occluders import SIDE
from identigen.landmarks import CHEEKS, LEFT_BROW, LEFT_EYE, LIPS_OUTSIDE, OVAL, RIGHT_BROW, RIGHT_EYE
from identigen.training.occluders.data import COVERED, UNKNOWN, Bases, Bytes
from identigen.types import Floats

Rng = np.random.Generator
Change = Callable[["Scene", Rng], None]
OCCLUDER, GLASSES = 0, 1
HALF = 0.5  # opacity from which a pixel counts as covered
TRACE = 0.12  # and below which it does not
WORN, OCCLUDED, TWO = 0.55, 0.55, 0.25  # share of scenes with glasses, with an occluder, and of these with two
TINTED = 0.35  # opacity of a lens from which it hides an eye
_Y, _X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


@dataclass
class Scene:
    """`picture` `(SIDE, SIDE, 3)` in 0..255, `truth` `(SIDE, SIDE, 2)`, `points` `(468, 2)`; `bases` to borrow from."""

    picture: Floats
    truth: Bytes
    points: Floats
    bases: Bases

    def lay(self, colour: Floats, opacity: Floats, kind: int, labelled: Floats | None = None) -> None:
        """Cover the scene with `colour` `(SIDE, SIDE, 3)` by `opacity` `(SIDE, SIDE)`; half covered is unknown."""
        self.picture += (colour - self.picture) * opacity[..., None]
        told = opacity if labelled is None else labelled
        self.truth[told >= HALF] = 0
        self.truth[told >= HALF, kind] = COVERED
        self.truth[(told > TRACE) & (told < HALF), kind] = UNKNOWN

    def dim(self, share: Floats) -> None:
        """Multiply the light by `share` `(SIDE, SIDE)`."""
        self.picture *= share[..., None]

    @property
    def skin(self) -> Floats:
        """Median colour `(3,)` of both cheeks."""
        spots = np.clip(np.round(self.points[np.concatenate(CHEEKS)]), 0, SIDE - 1).astype(int)
        return np.asarray(np.median(self.picture[spots[:, 1], spots[:, 0]], axis=0), np.float32)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the face."""
        low, high = self.points.min(0), self.points.max(0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def compose(bases: Bases, row: int, rng: Rng) -> tuple[Bytes, Bytes, Floats]:
    """A new picture `(SIDE, SIDE, 3)` of the base `row`, its truth `(SIDE, SIDE, 2)` and points `(468, 2)`."""
    truth = np.zeros((SIDE, SIDE, 2), np.uint8)
    truth[..., OCCLUDER] = bases.truth[row]
    scene = Scene(bases.pictures[row].astype(np.float32), truth, bases.points[row].copy(), bases)
    _some_of(SKIN, scene, rng)
    covers: list[Change] = []
    if rng.uniform() < WORN:
        covers.append(glasses)
    if rng.uniform() < OCCLUDED:
        picked = rng.choice(len(COVERS), 2, False, list(COVERS.values()))
        covers += [list(COVERS)[k] for k in picked[: 1 + int(rng.uniform() < TWO)]]
    for k in rng.permutation(len(covers)):
        covers[k](scene, rng)
    _some_of(LIGHT, scene, rng)
    np.clip(scene.picture, 0, 255, scene.picture)
    return _photographed(scene, rng)


def _some_of(changes: dict[Change, float], scene: Scene, rng: Rng) -> None:
    for change, share in changes.items():
        if rng.uniform() < share:
            change(scene, rng)


# Hair


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
    x, y = _X - SIDE / 2 - shift[0], _Y - SIDE / 2 - shift[1]
    across, down = (np.cos(turn) * x + np.sin(turn) * y) / scale, (np.cos(turn) * y - np.sin(turn) * x) / scale
    slant = rng.normal(0, 0.5)
    torn = rng.uniform(0, 9) * _tufts(rng, _X + slant * _Y) + rng.uniform(0, 3) * _tufts(rng, 3 * (_X + slant * _Y))
    places = (across + SIDE / 2 + slant * torn).astype(np.float32), (down + SIDE / 2 + torn).astype(np.float32)
    moved = cv2.remap(np.ascontiguousarray(source), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = _blurred(moved[..., 3].astype(np.float32) / 255, rng.uniform(0.5, 1.2))
    colour = moved[..., :3].astype(np.float32)
    if rng.uniform() < 0.5:
        colour = _dyed(colour, opacity, rng)
    _cast(scene, opacity, rng)
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
            curve = [np.round(16 * _bezier(path)).astype(np.int32)]
            thickness = 1 + int(rng.uniform() < 0.35)
            cv2.polylines(colour, curve, False, tuple(map(float, shade)), thickness, cv2.LINE_AA, 4)
            cv2.polylines(drawn, curve, False, (255,), thickness, cv2.LINE_AA, 4)
    opacity = drawn.astype(np.float32) / 255
    if rng.uniform() < 0.5:
        opacity = _blurred(opacity, 0.5)
    _cast(scene, opacity, rng)
    scene.lay(colour, opacity * rng.uniform(0.75, 1.0), OCCLUDER)


def _hair_colour(scene: Scene, rng: Rng) -> Floats:
    if rng.uniform() < 0.35:
        for _ in range(4):
            row = int(rng.integers(len(scene.bases)))
            inside = scene.bases.hair[row]
            if inside.any():
                return np.asarray(np.median(scene.bases.pictures[row][inside], axis=0), np.float32)
    return _palette(rng)


def _palette(rng: Rng) -> Floats:
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
    return np.asarray(np.clip(share[..., None] * _palette(rng), 0, 255), np.float32)


# Cloth, hands and things


def hat(scene: Scene, rng: Rng) -> None:
    """A hat, a cap, a headband or a headscarf down to somewhere on the forehead; seldom a scarf up to the nose."""
    left, top, width, height = scene.box
    x = (_X - left - width / 2) / width
    edge = top + height * rng.uniform(-0.02, 0.26) + height * (rng.normal(0, 0.12) * x + rng.normal(0.1, 0.3) * x**2)
    edge = edge + rng.uniform(0, 2) * _noise(rng, 12)
    depth = edge - _Y
    if rng.uniform() < 0.15:
        depth = _Y - (top + height * rng.uniform(0.5, 0.75) + height * rng.normal(0, 0.2) * x**2)
    opacity = np.clip(depth / rng.uniform(0.8, 2) + 0.5, 0, 1)
    if rng.uniform() < 0.25:
        opacity = opacity * np.clip(rng.uniform(0.15, 0.4) * height - depth, 0, 1)
    _cloth(scene, opacity, depth, rng)


def hood(scene: Scene, rng: Rng) -> None:
    """A headscarf or a hood around the face."""
    left, top, width, height = scene.box
    middle = left + width * rng.normal(0.5, 0.05), top + height * rng.normal(0.55, 0.04)
    wide, high = width * rng.uniform(0.38, 0.52), height * rng.uniform(0.42, 0.56)
    angle = np.arctan2(_Y - middle[1], _X - middle[0])
    radius = np.hypot((_X - middle[0]) / wide, (_Y - middle[1]) / high)
    wavy = 0.03 * np.sin(angle * 3 + rng.uniform(0, 6)) + 0.02 * np.sin(angle * 7 + rng.uniform(0, 6))
    depth = (radius - 1 + wavy) * min(wide, high)
    _cloth(scene, np.clip(depth / rng.uniform(0.8, 2) + 0.5, 0, 1), depth, rng)


def _cloth(scene: Scene, opacity: Floats, depth: Floats, rng: Rng) -> None:
    colour = _stuff(scene, rng) * (1 + rng.uniform(0, 0.3) * _noise(rng, int(rng.integers(3, 12))))[..., None]
    round_off = 1 - rng.uniform(0, 0.5) * np.exp(-np.maximum(depth, 0) / rng.uniform(1, 8))
    _cast(scene, opacity, rng, 14)
    scene.lay(np.asarray(colour * round_off[..., None], np.float32), opacity.astype(np.float32), OCCLUDER)


def _stuff(scene: Scene, rng: Rng) -> Floats:
    """Flat, striped, checked, knitted, or a piece of some picture `(SIDE, SIDE, 3)`."""
    base = rng.uniform(0, 255, 3) if rng.uniform() < 0.6 else np.full(3, rng.uniform(5, 250))
    kind = rng.integers(5)
    if kind == 4:
        row, size = int(rng.integers(len(scene.bases))), int(rng.integers(24, 90))
        y, x = rng.integers(0, SIDE - size, 2)
        piece = scene.bases.pictures[row][y : y + size, x : x + size]
        return np.asarray(cv2.resize(piece, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.15, 1.2)
    along, across = np.cos(turn) * _X + np.sin(turn) * _Y, np.cos(turn) * _Y - np.sin(turn) * _X
    wave = np.zeros_like(_X)
    if kind == 1:
        wave = np.sin(pitch * along)
    elif kind == 2:
        wave = np.sign(np.sin(pitch * along) * np.sin(pitch * across))
    elif kind == 3:
        wave = 0.5 * np.sin(1.6 * along) * np.sin(1.6 * across) + 0.4 * _noise(rng, 96)
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
    _cast(scene, opacity, rng)
    tone = 1 + 0.05 * _noise(rng, 24) + rng.uniform(0, 0.25) * _noise(rng, 3)
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
        soft = _blurred(filled, rng.uniform(1, 6))
        opacity = np.asarray(np.clip((soft - 0.5) * rng.uniform(6, 16) + 0.5, 0, 1), np.float32)
        light = 0.6 + 0.5 * soft
    colour = _stuff(scene, rng) * (rng.uniform(0.15, 0.5) if rng.uniform() < 0.4 else 1.0)
    _cast(scene, opacity, rng)
    scene.lay(np.asarray(light[..., None] * colour, np.float32), opacity, OCCLUDER)


def _bars(
    parts: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]], rng: Rng
) -> tuple[Floats, Floats]:
    """Rounded bars from, to, radius: their opacity, and the light on their roundness."""
    opacity, light = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    edge = rng.uniform(0.35, 0.8)
    for start, end, radius in parts:
        along = end - start
        share = ((_X - start[0]) * along[0] + (_Y - start[1]) * along[1]) / max(float(along @ along), 1e-6)
        share = np.clip(share, 0, 1)
        away = np.hypot(_X - start[0] - share * along[0], _Y - start[1] - share * along[1])
        inside = np.clip(radius - away + 0.5, 0, 1)
        rounded = edge + (1 - edge) * np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1))
        light = light * (1 - inside) + rounded * inside
        opacity = np.maximum(opacity, inside)
    return np.asarray(opacity, np.float32), np.asarray(light, np.float32)


# Glasses


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
        cv2.polylines(frame, [_fixed(_bezier(path))], False, (255,), max(1, thick), cv2.LINE_AA, 3)
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
    _cast(scene, opacity, rng, 5)
    _lenses(scene, glass, np.asarray((_Y - centres[:, 1].mean()) / high, np.float32), rng)
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
            wave = np.sin(pitch * (np.cos(turn) * _X + np.sin(turn) * _Y) + rng.uniform(0, 6)) + 0.3 * _noise(rng, 6)
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
        mirrored = _stuff(scene, rng) if rng.uniform() < 0.5 else _blurred(scene.picture[::-1], 4)
        colour = colour + mirrored * (rng.uniform(0.1, 0.8) * np.clip(0.5 + 0.7 * _noise(rng, 4), 0, 1)[..., None])
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
    light = np.clip(1 + uneven * _noise(rng, int(rng.integers(8, 40))), 0.4, 2.2) * rng.uniform(0.6, 1.1)
    return np.asarray(np.clip(base * light[..., None], 0, 255), np.float32)


# What covers nothing


def shadow(scene: Scene, rng: Rng) -> None:
    """A shadow with an edge of any hardness on one side of a curve, or the pattern of leaves and blinds."""
    turn = rng.uniform(0, 2 * np.pi)
    away = np.cos(turn) * (_X - SIDE / 2) + np.sin(turn) * (_Y - SIDE / 2) + rng.normal(0, 30)
    kind = rng.uniform()
    if kind < 0.7:
        away = away + rng.uniform(0, 14) * _noise(rng, int(rng.integers(3, 9)))
    elif kind < 0.85:
        away = 30 * _noise(rng, int(rng.integers(4, 12))) + rng.normal(0, 15)
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
        across, down = _X - x, _Y - y
        along, aside = np.cos(turn) * across + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * across
        light += rng.uniform(40, 220) * np.exp(-((along / spread[0]) ** 2) - (aside / spread[1]) ** 2)
    scene.picture += np.minimum(light, 230)[..., None] * np.clip(1 + rng.normal(0, 0.06, 3), 0.8, 1.2).astype(
        np.float32
    )


def coloured_light(scene: Scene, rng: Rng) -> None:
    """Lamps of two colours from two sides."""
    turn = rng.uniform(0, 2 * np.pi)
    away = np.cos(turn) * (_X - SIDE / 2) + np.sin(turn) * (_Y - SIDE / 2) + 8 * _noise(rng, 5)
    share = (1 / (1 + np.exp(-away / rng.uniform(3, 30))))[..., None]
    one, other = (np.exp(rng.normal(0, 0.35, 3)) for _ in range(2))
    scene.picture *= (share * one + (1 - share) * other).astype(np.float32)


def brows(scene: Scene, rng: Rng) -> None:
    """Heavier brows."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for ring in (RIGHT_BROW, LEFT_BROW):
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    drawn = _blurred(cv2.dilate(drawn, np.ones((int(rng.integers(1, 5)),) * 2)), rng.uniform(1, 2))
    opacity = drawn * np.clip(rng.uniform(0.4, 0.9) + 0.35 * _noise(rng, 96), 0, 1)
    scene.picture += (_palette(rng) - scene.picture) * opacity[..., None]


def beard(scene: Scene, rng: Rng) -> None:
    """A beard or stubble: a face's own hair."""
    points = scene.points
    drawn = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(drawn, [np.round(points[OVAL]).astype(np.int32)], (1.0,))
    below = points[2, 1] + 2 + rng.uniform(0, 0.5) * np.abs(_X - points[2, 0]) * rng.normal(0, 1)
    drawn *= below < _Y
    cheeks = np.abs(_X - points[2, 0]) * rng.uniform(0.2, 0.9)
    drawn *= np.clip((_Y - points[2, 1]) / 3 + 1.0, 0, 1) * np.clip((_Y + cheeks - points[13, 1]) / 6 + 1.5, 0, 1)
    lips = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(lips, [np.round(points[LIPS_OUTSIDE]).astype(np.int32)], (1.0,))
    drawn = _blurred(drawn, rng.uniform(2, 5)) * (1 - _blurred(lips, 1))
    opacity = drawn * np.clip(rng.uniform(0.2, 0.85) + 0.35 * _noise(rng, 96) + 0.2 * _noise(rng, 10), 0, 1)
    scene.picture += (_palette(rng) - scene.picture) * opacity[..., None]


def make_up(scene: Scene, rng: Rng) -> None:
    """Lips, lids and cheeks in some colour."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    kind = rng.integers(3)
    rings = ((LIPS_OUTSIDE,), (RIGHT_EYE, LEFT_EYE), CHEEKS)[kind]
    for ring in rings:
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    drawn = _blurred(drawn, (1.0, 3.0, 6.0)[kind]) * rng.uniform(0.2, 0.7)
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
    soft = _blurred(np.minimum(drawn, 1), rng.uniform(0.6, 1.4))
    scene.dim(1 - rng.uniform(0.15, 0.6) * soft)
    scene.dim(1 + rng.uniform(0, 0.2) * np.roll(soft, 2, 0))


def sockets(scene: Scene, rng: Rng) -> None:
    """Eyes that lie in the shade, or are painted all around."""
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE):
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.round(scene.points[ring]).astype(np.int32)), (1.0,))
    growth = int(rng.integers(1, 16))
    drawn = _blurred(cv2.dilate(drawn, np.ones((growth, growth))), rng.uniform(1, 5))
    scene.dim(1 - rng.uniform(0.2, 0.75) * drawn)


def _crease(drawn: Floats, path: npt.NDArray[np.float64], rng: Rng) -> None:
    line = [np.round(16 * _bezier(path + rng.normal(0, 1, (3, 2)))).astype(np.int32)]
    cv2.polylines(drawn, line, False, (float(rng.uniform(0.3, 1)),), int(rng.integers(1, 3)), cv2.LINE_8, 4)


def spots(scene: Scene, rng: Rng) -> None:
    """Freckles, moles and blemishes."""
    left, top, width, height = scene.box
    drawn = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 60))):
        spot = int(left + width * rng.uniform(0.1, 0.9)), int(top + height * rng.uniform(0.05, 0.95))
        cv2.circle(drawn, spot, int(rng.integers(0, 3)), (float(rng.uniform(0.2, 1)),), -1)
    scene.dim(1 - rng.uniform(0.1, 0.5) * _blurred(drawn, 0.8))


# The photo


def _photographed(scene: Scene, rng: Rng) -> tuple[Bytes, Bytes, Floats]:
    """Placed, mirrored, cut off at a border, reduced, blurred, grainy, grey, compressed."""
    turn, scale = np.radians(rng.normal(0, 5)), np.exp(rng.normal(0, 0.06))
    move = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.uniform() < 0.5:
        move[:, 0] *= -1
    middle = np.full(2, (SIDE - 1) / 2)
    affine = np.hstack([move, (middle - move @ middle + rng.normal(0, 4, 2))[:, None]])
    size = (SIDE, SIDE)
    picture = np.asarray(cv2.warpAffine(scene.picture, affine, size, borderMode=cv2.BORDER_REPLICATE), np.float32)
    nothing = (UNKNOWN, UNKNOWN)
    truth = cv2.warpAffine(scene.truth, affine, size, flags=cv2.INTER_NEAREST, borderValue=nothing).astype(np.uint8)
    points = scene.points @ move.T + affine[:, 2] + rng.normal(0, 1.2, 2) + rng.normal(0, 0.4, scene.points.shape)
    if rng.uniform() < 0.12:
        _cut(picture, truth, rng)
    if rng.uniform() < 0.28:
        small = int(SIDE * np.exp(rng.uniform(np.log(0.24), 0)))
        picture = np.asarray(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), np.float32)
        picture = _compressed(picture, rng) if rng.uniform() < 0.5 else picture
        method = cv2.INTER_CUBIC if rng.uniform() < 0.5 else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(picture, size, interpolation=method), np.float32)
    elif rng.uniform() < 0.3:
        picture = _blurred(picture, rng.uniform(0.4, 1.6))
    if rng.uniform() < 0.25:
        picture = np.repeat((picture @ np.array([0.3, 0.59, 0.11], np.float32))[..., None], 3, -1)
    contrast, level = np.exp(rng.normal(0, 0.15)), rng.normal(0, 10)
    picture = (picture - 120) * contrast + 120 + level
    picture = 255 * (np.clip(picture, 0, 255) / 255) ** np.exp(rng.normal(0, 0.15))
    picture *= np.exp(rng.normal(0, 0.05, 3))
    if rng.uniform() < 0.4:
        grain = rng.standard_normal((SIDE, SIDE, 1 if rng.uniform() < 0.5 else 3), np.float32)
        picture = picture + rng.uniform(1, 7) * grain
    if rng.uniform() < 0.25:
        picture = _compressed(picture, rng)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), truth, points.astype(np.float32)


def _cut(picture: Floats, truth: Bytes, rng: Rng) -> None:
    """The photo ends here: its last row or column is repeated."""
    width = int(rng.integers(8, 45))
    for turn in rng.choice(4, int(rng.integers(1, 4)), False):
        seen, told = np.rot90(picture, turn), np.rot90(truth, turn)
        seen[:width] = seen[width]
        told[:width] = UNKNOWN


def _compressed(picture: Floats, rng: Rng) -> Floats:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
    _, data = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)


def _cast(scene: Scene, opacity: Floats, rng: Rng, reach: float = 8) -> None:
    """The shadow of what is about to be laid over the scene; it covers nothing."""
    if rng.uniform() < 0.3:
        return
    shift = np.array([[1, 0, rng.normal(0, reach / 2)], [0, 1, rng.uniform(0, reach)]])
    fallen = cv2.warpAffine(opacity, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    scene.dim(1 - rng.uniform(0.05, 0.6) * _blurred(fallen, rng.uniform(0.6, 0.6 * reach)))


def _blurred(picture: npt.NDArray[Any], spread: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.float32)


def _noise(rng: Rng, cells: int) -> Floats:
    """Smooth noise `(SIDE, SIDE)` of unit size with `cells` bumps a side."""
    return np.asarray(
        cv2.resize(rng.standard_normal((cells, cells), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    )


def _tufts(rng: Rng, across: Floats) -> Floats:
    """Noise that depends on one coordinate `(SIDE, SIDE)` in pixels alone."""
    spread = rng.uniform(2, 6)
    table = _blurred(rng.standard_normal((1, 512)), spread)[0] * 1.9 * spread**0.5
    return np.asarray(table[np.round(across).astype(int) % 512], np.float32)


def _bezier(path: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A quadratic curve `(12, 2)` of three control points."""
    t = np.linspace(0, 1, 12)[:, None]
    return np.asarray((1 - t) ** 2 * path[0] + 2 * t * (1 - t) * path[1] + t**2 * path[2])


def _fixed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Points of the square on a canvas of twice its size, in eighths of a pixel."""
    return np.asarray(np.round(8 * (2 * points + 0.5)), np.int32)


# How often each is laid over a face, if any is; what covers nothing, and how many scenes have it.
COVERS: dict[Change, float] = {transplant: 0.36, strands: 0.24, hat: 0.1, hood: 0.06, hand: 0.14, thing: 0.1}
SKIN: dict[Change, float] = {brows: 0.15, beard: 0.15, make_up: 0.15, wrinkles: 0.25, sockets: 0.2, spots: 0.1}
LIGHT: dict[Change, float] = {shadow: 0.45, shine: 0.15, coloured_light: 0.12}
