"""What lies in front of a face on the canonical map: hair, hats and scarves from the rim inwards, and glasses."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import FLOOR, SIDE, Codec, Mesh, from_detail
from identigen.landmarks import EYES, LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from identigen.masks import disc
from identigen.types import Bools, Floats

Glasses = Literal["none", "clear", "dark"]
# Limits read off 298 labelled training faces: of 22 clear pairs 17 are found, of 11 dark ones 8 (one as a clear one);
# 2 of 265 faces without any are taken for wearers.
FRAME_LIMIT = 2.4
DARK_LIMIT = 0.36
ONE_SIDED = 1.5  # what cannot be compared with the other side has to be that much stronger


def hair_over_skin(mesh: Mesh, texture: Floats, seen: Floats) -> npt.NDArray[np.bool_]:
    """Where hair, a hat or a scarf lies over the upper face `(SIDE, SIDE)`: unlike the skin, and reaching the rim.

    The skin's light is modelled as a smooth surface fitted robustly to forehead, cheeks and nose.
    """
    small = SIDE // 3
    log = np.log(cv2.resize(texture, (small, small), interpolation=cv2.INTER_AREA) + FLOOR)
    tone = np.stack([log.mean(-1), log[..., 0] - log[..., 1], log[..., 2] - log[..., 1]], -1)
    trusted = cv2.resize(seen, (small, small), interpolation=cv2.INTER_AREA) > 0.6
    y, x = np.mgrid[-1 : 1 : small * 1j, -1 : 1 : small * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1)
    skin = trusted & (cv2.resize(mesh.skin, (small, small), interpolation=cv2.INTER_AREA) > 0.5)
    if skin.sum() < 60:
        return np.zeros((SIDE, SIDE), bool)
    weight = np.ones(int(skin.sum()))
    fit = np.zeros((6, 3))
    for _ in range(8):
        pull = terms[skin] * weight[:, None]
        calm = 0.02 * len(weight) * np.diag([0, 0.2, 0.2, 1, 1, 1])
        fit = np.linalg.solve(pull.T @ terms[skin] + calm, pull.T @ tone[skin])
        rest = _difference(tone[skin] - terms[skin] @ fit)
        weight = 1 / (1 + (rest / max(float(np.median(rest)), 0.3)) ** 4)
    unlike = _difference(tone - terms @ fit)
    unlike = cv2.GaussianBlur(unlike.astype(np.float32), (0, 0), 0.8)
    flag = ((unlike > 1.0) & trusted).astype(np.uint8)
    flag &= (cv2.resize(mesh.fringe_zone.astype(np.uint8), (small, small)) > 0).astype(np.uint8)
    flag = cv2.morphologyEx(flag, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flag)
    rim = cv2.erode(cv2.resize(mesh.inside.astype(np.uint8), (small, small)), np.ones((5, 5), np.uint8)) == 0
    touching = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] > 8 and (rim & (labels == k)).any()]
    found = np.isin(labels, touching).astype(np.float32)
    return np.asarray(cv2.resize(cv2.dilate(found, np.ones((3, 3))), (SIDE, SIDE)) > 0.5)


def _difference(tone: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """How unlike the expected skin a tone is, 1 = at the limit: darker counts more than brighter, colour most."""
    light, red, blue = tone[..., 0], tone[..., 1], tone[..., 2]
    light = np.where(light < 0, light / 0.42, light / 0.7)
    return np.asarray(np.sqrt(light**2 + (red / 0.22) ** 2 + (blue / 0.3) ** 2))


def find_glasses(codec: Codec, detail: Floats, expected: Floats, coarse: Floats, seen: Floats) -> tuple[Glasses, Bools]:
    """Tell whether glasses are worn, and where their frames (and dark lenses) lie on the map `(SIDE, SIDE)`.

    The codec has learnt faces without glasses, so that frames are what it cannot explain (`expected` is its attempt).
    Strands, wrinkles and shadows it cannot explain either, but they do not lie below both eyes alike, as lower rims do.
    Dark lenses betray themselves by how little light comes from both eyes.
    """
    mesh = codec.mesh
    below, lens, zone = _eye_regions(mesh)
    skin = (mesh.skin > 0.5) & (seen > 0.5) & ~_hull(mesh, EYES, 4)
    if skin.sum() < 500:
        return "none", np.zeros((SIDE, SIDE), bool)
    rest = cv2.GaussianBlur(np.abs(detail - expected).mean(-1) * seen, (0, 0), 1.5) / codec.expected_error
    rest /= np.median(rest[skin])
    trusted = seen > 0.5
    near = np.asarray(cv2.dilate(rest, np.ones((7, 7), np.uint8)), np.float32)
    alike = np.where(trusted[:, ::-1], np.minimum(rest, near[:, ::-1]), rest / ONE_SIDED)
    if _percentile(alike, below & trusted, 92) < FRAME_LIMIT:
        return "none", np.zeros((SIDE, SIDE), bool)
    light = from_detail(detail, coarse).mean(-1)
    rows = np.arange(SIDE)[:, None] - mesh.canonical[EYES, 1].mean()
    cheek = max(_percentile(light, skin & (rows > 25) & (rows < 60), 50) or 128.0, 1.0)
    left = np.arange(SIDE)[None] < SIDE / 2
    if all(_percentile(light, lens & side, 50) < DARK_LIMIT * cheek for side in (left, ~left)):
        lenses = (zone & (light < 0.6 * cheek)).astype(np.uint8)
        lenses = cv2.morphologyEx(lenses, cv2.MORPH_CLOSE, disc(7)).astype(np.uint8)
        return "dark", np.asarray(cv2.dilate(lenses, disc(2)) > 0)
    inner = cv2.dilate((_hull(mesh, RIGHT_EYE, 1) | _hull(mesh, LEFT_EYE, 1)).astype(np.uint8), disc(1)) > 0
    frames = (zone & (rest > 2.0) & (alike > 1.3) & ~inner).astype(np.uint8)
    frames = _large_parts(cv2.morphologyEx(frames, cv2.MORPH_CLOSE, disc(2)).astype(np.uint8), 30)
    return "clear", np.asarray(cv2.dilate(frames, disc(1)) > 0)


def _eye_regions(mesh: Mesh) -> tuple[Bools, Bools, Bools]:
    """Around the eyes: where lower rims lie, the lenses, and wherever a frame may be."""
    brows = _hull(mesh, RIGHT_BROW, 4) | _hull(mesh, LEFT_BROW, 4)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    level = mesh.canonical[EYES, 1].mean()
    across = np.abs(x - (SIDE - 1) / 2)
    around = (_hull(mesh, RIGHT_EYE, 32) | _hull(mesh, LEFT_EYE, 32)) & mesh.inside
    eyes = _hull(mesh, RIGHT_EYE, 8) | _hull(mesh, LEFT_EYE, 8)
    below = around & ~eyes & (y > level + 8) & (across > 10)
    lens = (_hull(mesh, RIGHT_EYE, 9) | _hull(mesh, LEFT_EYE, 9)) & ~brows
    bridge = (across < 9) & (np.abs(y - level + 2) < 12)
    temples = (np.abs(y - level + 4) < 10) & (across > 45)
    return below, lens, (around | bridge | temples) & mesh.inside


def _hull(mesh: Mesh, points: npt.NDArray[np.intp], growth: int) -> Bools:
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(mesh.canonical[points]).astype(np.int32)), (1,))
    return np.asarray(cv2.dilate(canvas, disc(growth)) > 0)


def _percentile(values: Floats, where: Bools, share: float) -> float:
    return float(np.percentile(values[where], share)) if where.sum() > 20 else 0.0


def _large_parts(flags: npt.NDArray[np.uint8], area: int) -> npt.NDArray[np.uint8]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flags)
    large = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] >= area]
    return np.isin(labels, large).astype(np.uint8)
