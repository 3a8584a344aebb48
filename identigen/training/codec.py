"""Fit the appearance codec: symmetric layout, occluders left out, principal components of detail and shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import coarse_light, shared_modelling, to_detail
from identigen.identity.mesh import POINTS, SIDE, Mesh
from identigen.identity.occluders import find_occluders
from identigen.landmarks import EYES, LIPS_INSIDE, LIPS_OUTSIDE, OVAL, head_pose
from identigen.training.data import Faces
from identigen.types import Floats

DETAIL_COMPONENTS = 224
SHAPE_COMPONENTS = 48
MAX_YAW = 40.0
MARGIN = 3


def mean_shape(points: Floats, rounds: int = 4) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Procrustes mean `(468, 3)` of unit size, made mirror-symmetric, and each point's mirror partner."""
    mesh = Mesh(np.zeros((POINTS, 2), np.float32), np.zeros((0, 3), np.int32), np.arange(POINTS, dtype=np.int32))
    mean = points[0, :POINTS] - points[0, :POINTS].mean(0)
    for _ in range(rounds):
        mean = np.mean([mesh.align(p[:POINTS], mean)[0] for p in points[::3]], 0)
        mean -= mean.mean(0)
        mean /= np.sqrt((mean**2).sum(1).mean())
    mean = _upright(mean)
    flipped = mean * [-1, 1, 1]
    mirror = np.argmin(((mean[None] - flipped[:, None]) ** 2).sum(-1), 1).astype(np.int32)
    mirror = np.where(mirror[mirror] == np.arange(POINTS), mirror, np.arange(POINTS)).astype(np.int32)
    return ((mean + flipped[mirror]) / 2).astype(np.float32), mirror


def layout(mean: Floats, mirror: npt.NDArray[np.int32]) -> Mesh:
    """The canonical map of a mean shape: seen from the front, as large as the map allows."""
    from scipy.spatial import Delaunay

    flat = mean[:, :2].astype(np.float64)
    centre = np.array([0.0, (flat[:, 1].min() + flat[:, 1].max()) / 2])
    scale = (SIDE - 2 * MARGIN) / np.ptp(flat, axis=0).max()
    canonical = (flat - centre) * scale + (SIDE - 1) / 2
    kept = _well_apart(canonical, mirror)
    return Mesh(canonical.astype(np.float32), kept[Delaunay(canonical[kept]).simplices].astype(np.int32), mirror)


def _well_apart(canonical: npt.NDArray[np.float64], mirror: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Points that make good triangles: under the nose the surface folds and its points fall on one another."""
    kept: list[int] = []
    important = [*OVAL, *EYES, *LIPS_INSIDE, *LIPS_OUTSIDE]
    for point in dict.fromkeys([*important, *range(POINTS)]):
        pair = [point, int(mirror[point])]
        near = np.linalg.norm(canonical[kept] - canonical[point], axis=1).min() if kept else np.inf
        if point in important or (near > 2.5 and point not in kept):
            kept.extend(p for p in dict.fromkeys(pair) if p not in kept)
    return np.array(kept, np.intp)


@dataclass(frozen=True, eq=False)
class Maps:
    """Faces on the canonical map: `coarse` and `detail` `(n, SIDE, SIDE, 3)`, `seen` `(n, SIDE, SIDE)` in 0..1."""

    coarse: npt.NDArray[np.float16]
    detail: npt.NDArray[np.float16]
    seen: npt.NDArray[np.float16]


def unwrap(mesh: Mesh, faces: Faces) -> Maps:
    """Unwarp every face; what is turned away, cut off or under hair is not trusted."""
    n = len(faces.files)
    coarse = np.zeros((n, SIDE, SIDE, 3), np.float16)
    detail, seen = np.zeros_like(coarse), np.zeros((n, SIDE, SIDE), np.float16)
    for i in range(n):
        pixels, points = faces.pixels(i), faces.landmarks[i]
        texture = mesh.unwarp(pixels, points)
        weight = mesh.facing(points) * mesh.inside * ~find_occluders(mesh, pixels, points).over
        light = coarse_light(texture, weight)
        coarse[i], detail[i], seen[i] = light, np.clip(to_detail(texture, light), -1, 3), weight
    return Maps(coarse, detail, seen)


def fit_detail(mesh: Mesh, maps: Maps, components: int, rounds: int, rows: npt.NDArray[np.intp]) -> tuple[Floats, ...]:
    """Principal components of the detail of `rows`, unseen parts filled in by the model itself, round by round.

    Even and odd parts are independent for a symmetric population (every face and its mirror image), so the two are
    fitted apart on half the pixels. Returns mean, basis, scale and parity as `Codec` stores them.
    """
    r, c = np.nonzero(mesh.inside[:, : SIDE // 2])
    n = len(rows)
    left = maps.detail[rows][:, r, c].astype(np.float32).reshape(n, -1)
    right = maps.detail[rows][:, r, SIDE - 1 - c].astype(np.float32).reshape(n, -1)
    known_left = np.repeat(maps.seen[rows][:, r, c].astype(np.float32), 3, axis=1)
    known_right = np.repeat(maps.seen[rows][:, r, SIDE - 1 - c].astype(np.float32), 3, axis=1)
    mean = (left * known_left + right * known_right).sum(0) / np.maximum((known_left + known_right).sum(0), 1e-3)
    fill_left, fill_right = np.tile(mean, (n, 1)), np.tile(mean, (n, 1))
    result: tuple[Floats, ...] = ()
    for number in range(rounds):
        full_left = left * known_left + fill_left * (1 - known_left)
        full_right = right * known_right + fill_right * (1 - known_right)
        even, odd = (full_left + full_right) / 2, (full_left - full_right) / 2
        mean = even.mean(0)
        result = _join(mean, *_principal(even - mean, components), *_principal(odd, components), components, n)
        if number < rounds - 1:
            _, basis, _, parity = result
            back_even = (even - mean) @ basis[parity > 0].T @ basis[parity > 0] + mean
            back_odd = odd @ basis[parity < 0].T @ basis[parity < 0]
            fill_left, fill_right = back_even + back_odd, back_even - back_odd
    return result


def fit_shape(mesh: Mesh, mean: Floats, points: Floats, components: int) -> tuple[Floats, Floats, Floats]:
    """Principal components of aligned shapes: basis `(m, 468 * 3)`, scale and parity."""
    offsets = np.array([mesh.align(p[:POINTS], mean)[0] for p in points]) - mean
    flipped = offsets[:, mesh.mirror] * np.array([-1, 1, 1], np.float32)
    n = len(points)
    even = ((offsets + flipped) / 2).reshape(n, -1)
    odd = ((offsets - flipped) / 2).reshape(n, -1)
    even = even - even.mean(0)
    _, basis, scale, parity = _join(even[0], *_principal(even, components), *_principal(odd, components), components, n)
    return basis, scale, parity


def typical_modelling(maps: Maps, rows: npt.NDArray[np.intp]) -> Floats:
    """The average `shared_modelling` `(SIDE, SIDE)` of the faces in `rows`."""
    return np.asarray(np.mean([shared_modelling(maps.coarse[i].astype(np.float32)) for i in rows], 0), np.float32)


def _principal(rows: Floats, components: int, rounds: int = 2) -> tuple[Floats, Floats]:
    """Leading directions `(k, d)` and variances of centred `rows` (randomised iteration, Halko et al. 2011)."""
    width = min(components + 16, *rows.shape)
    span = np.random.default_rng(0).standard_normal((len(rows), width)).astype(np.float32)
    for _ in range(rounds + 1):
        span = np.linalg.qr(rows.T @ span)[0]
        projected = rows @ span
        span, right = (np.linalg.qr(projected)[0], span)
    _, values, vt = np.linalg.svd(rows @ right, full_matrices=False)
    basis = (vt @ right.T)[:components]
    return basis.astype(np.float32), (values[:components] ** 2 / len(rows)).astype(np.float32)


def _join(
    mean: Floats, even: Floats, even_variance: Floats, odd: Floats, odd_variance: Floats, components: int, n: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """The `components` strongest of both kinds, strongest first."""
    basis, variance = np.concatenate([even, odd]), np.concatenate([even_variance, odd_variance])
    parity = np.concatenate([np.ones(len(even)), -np.ones(len(odd))]).astype(np.float32)
    order = np.argsort(-variance)[:components]
    return mean.astype(np.float32), basis[order], np.sqrt(variance[order]).astype(np.float32), parity[order]


def _upright(mean: Floats) -> Floats:
    """Turn a shape so that its two halves mirror each other in x."""
    pose = head_pose(np.concatenate([mean, mean[:10]]).astype(np.float32))
    yaw, roll = np.radians(pose.yaw), np.radians(pose.roll)
    turn_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    return np.asarray(mean @ turn_z.T @ turn_y.T, np.float32)
