"""Lay hair, hats, hands, things and glasses over faces, and change them in ways that cover nothing.

Every cover and every change takes a `Scene` and a generator and changes the scene; here they are picked, and the
scene is photographed.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from identigen.identity.occluders import SIDE
from identigen.training.occluders.data import UNKNOWN, Bases, Bytes
from identigen.training.occluders.glasses import glasses
from identigen.training.occluders.hair import strands, transplant
from identigen.training.occluders.light import (
    beard,
    brows,
    coloured_light,
    make_up,
    shadow,
    shine,
    sockets,
    spots,
    wrinkles,
)
from identigen.training.occluders.scene import OCCLUDER, Rng, Scene, blurred
from identigen.training.occluders.things import hand, hat, hood, thing
from identigen.types import Floats

Change = Callable[[Scene, Rng], None]
WORN, OCCLUDED, TWO = 0.55, 0.55, 0.25  # share of scenes with glasses, with an occluder, and of these with two
# How often each is laid over a face, if any is; what covers nothing, and how many scenes have it.
COVERS: dict[Change, float] = {transplant: 0.36, strands: 0.24, hat: 0.1, hood: 0.06, hand: 0.14, thing: 0.1}
SKIN: dict[Change, float] = {brows: 0.15, beard: 0.15, make_up: 0.15, wrinkles: 0.25, sockets: 0.2, spots: 0.1}
LIGHT: dict[Change, float] = {shadow: 0.45, shine: 0.15, coloured_light: 0.12}


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
        picture = blurred(picture, rng.uniform(0.4, 1.6))
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
