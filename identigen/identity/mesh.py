"""The canonical map: where on it each part of a face lies, and how a photo gets there and back.

Dense landmarks are laid out once, flat and exactly symmetric; a face is unwrapped triangle by triangle. Zones are
soft, from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.landmarks import (
    BELOW_NOSE,
    CHEEKS,
    EYES,
    LEFT_BROW,
    LEFT_EYE,
    LIPS_OUTSIDE,
    MOUTH_CORNERS,
    NOSE,
    RIGHT_BROW,
    RIGHT_EYE,
)
from identigen.masks import disc
from identigen.types import Bools, Floats, Window

SIDE = 192  # edge of the canonical map; the training faces are about 139 px wide, more would store only blur
POINTS = 468  # the mesh without the irises
MOUTH_GROWTH = 4
AROUND_BROWS = 8  # canonical pixels
ABOVE_BROWS = (6, 14)  # canonical pixels above their lower edge

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """The canonical layout: `canonical` `(468, 2)` in map pixels, `triangles` `(m, 3)`, `mirror` `(468,)` partners."""

    canonical: Floats
    triangles: Ints
    mirror: Ints

    @cached_property
    def _raster(self) -> tuple[Ints, Floats]:
        """Triangle of each map pixel (-1 outside) and its barycentric weights `(SIDE, SIDE, 3)`."""
        owner = _fill(self.canonical, self.triangles, np.arange(len(self.triangles)), (SIDE, SIDE))
        y, x = (axis.ravel() for axis in np.mgrid[0:SIDE, 0:SIDE])
        weights = _barycentric(x, y, np.maximum(owner, 0).ravel(), self.canonical[self.triangles])
        return owner, np.ascontiguousarray(weights.T).reshape(SIDE, SIDE, 3)

    @cached_property
    def _corners(self) -> Ints:
        """The three points around each map pixel `(SIDE, SIDE, 3)`."""
        return np.asarray(self.triangles[np.maximum(self._raster[0], 0)])

    @cached_property
    def inside(self) -> npt.NDArray[np.bool_]:
        """The map pixels that belong to the face, a symmetric region."""
        inside = self._raster[0] >= 0
        return inside & inside[:, ::-1]

    @cached_property
    def skin(self) -> Floats:
        """Forehead, cheeks, nose and chin: 1 where skin is expected, 0 on brows, eyes and lips and close to them."""
        return self._skin(eyes=7, brows=5, lips=6)

    @cached_property
    def skin_up_to_features(self) -> Floats:
        """The same, but for no more than the features themselves: where an old face has lines."""
        return self._skin(eyes=3, brows=5, lips=1, corners=9)

    def _skin(self, eyes: int, brows: int, lips: int, corners: int = 0) -> Floats:
        """1 on the face less its features and the corners of the mouth, grown by so many pixels each; 0 elsewhere."""
        marks = np.zeros((SIDE, SIDE), np.uint8)
        for ring, growth in (
            (RIGHT_EYE, eyes), (LEFT_EYE, eyes), (RIGHT_BROW, brows), (LEFT_BROW, brows), (LIPS_OUTSIDE, lips),
            *((np.array([corner]), corners) for corner in MOUTH_CORNERS),
        ):  # fmt: skip
            part = np.zeros_like(marks)
            cv2.fillConvexPoly(part, cv2.convexHull(np.round(self.canonical[ring]).astype(np.int32)), (1,))
            marks = np.maximum(marks, cv2.dilate(part, disc(growth)).astype(np.uint8))
        return np.asarray(self.inside & (marks == 0), np.float32)

    @cached_property
    def lips(self) -> Floats:
        """1 on the lips, softly 0 elsewhere."""
        return np.asarray(cv2.GaussianBlur(self._lips, (0, 0), 2.5), np.float32)

    @cached_property
    def mouth(self) -> Floats:
        """1 on the lips and around their corners, softly 0 elsewhere."""
        return np.asarray(cv2.GaussianBlur(cv2.dilate(self._lips, disc(MOUTH_GROWTH)), (0, 0), 2.5), np.float32)

    @cached_property
    def brows(self) -> Floats:
        """1 on the brows, softly 0 elsewhere."""
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for ring in (RIGHT_BROW, LEFT_BROW):
            cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(self.canonical[ring]).astype(np.int32)), (1,))
        return np.asarray(cv2.GaussianBlur(cv2.dilate(_even(canvas), disc(3)), (0, 0), 2.5), np.float32)

    @cached_property
    def above_brows(self) -> Floats:
        """1 from the middle of the brows to as far above them, softly 0 elsewhere."""
        higher = np.zeros_like(self.brows)
        for rows in range(*ABOVE_BROWS):
            higher[:-rows] = np.maximum(higher[:-rows], self.brows[rows:])
        return higher * self.inside

    @cached_property
    def brow_rows(self) -> slice:
        """The rows of the map that hold the brows, and as much around them as a blur of a few pixels wants to see."""
        rows = np.flatnonzero(self.brows.max(1) > 0)
        return slice(max(0, int(rows[0]) - AROUND_BROWS), int(rows[-1]) + 1 + AROUND_BROWS)

    @cached_property
    def sockets(self) -> Floats:
        """1 from the brows down to below the eyes, softly 0 elsewhere."""
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for brow, eye in ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE)):
            corners = self.canonical[np.concatenate([brow, eye])]
            cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(corners).astype(np.int32)), (1,))
        soft = cv2.GaussianBlur(cv2.dilate(_even(canvas), disc(6)), (0, 0), 2.5)
        return np.asarray(soft * self.inside, np.float32)

    @cached_property
    def eyes(self) -> Floats:
        """1 on the eyes and their lashes, softly 0 elsewhere."""
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for ring in (RIGHT_EYE, LEFT_EYE):
            cv2.fillPoly(canvas, [np.round(self.canonical[ring]).astype(np.int32)], (1,))
        return np.asarray(cv2.GaussianBlur(cv2.dilate(_even(canvas), disc(3)), (0, 0), 1.0), np.float32)

    @cached_property
    def cheeks(self) -> Floats:
        """1 where a skin's tone is read, 0 elsewhere."""
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for hull in CHEEKS:
            cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(self.canonical[hull]).astype(np.int32)), (1,))
        return canvas.astype(np.float32)

    @cached_property
    def beard_zone(self) -> Floats:
        """1 from the nose down to the jaw, but for the lips: where hair may grow; softly 0 elsewhere."""
        below_nose = np.mgrid[0:SIDE, 0:SIDE][0] > self.canonical[2, 1] + 2
        hairy = self.inside * below_nose * (1 - cv2.dilate(self._lips, disc(3)))
        return np.asarray(cv2.GaussianBlur(hairy.astype(np.float32), (0, 0), 1.2), np.float32)

    @cached_property
    def below_nose(self) -> Floats:
        """1 on the skin between nose and mouth, from fold to fold, softly 0 elsewhere."""
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(canvas, np.round(self.canonical[BELOW_NOSE]).astype(np.int32), (1,))
        return np.asarray(cv2.GaussianBlur(_even(canvas), (0, 0), 1.5) * (1 - self.lips), np.float32)

    @cached_property
    def hairless(self) -> Floats:
        """1 on cheeks and nose, where neither a fringe nor a beard hangs, 0 elsewhere."""
        below_eyes = np.mgrid[0:SIDE, 0:SIDE][0] > self.canonical[EYES, 1].mean()
        return np.asarray(self.skin * below_eyes * (1 - self.beard_zone), np.float32)

    @cached_property
    def nose(self) -> Floats:
        """1 on the nose below the eyes, softly 0 elsewhere."""
        return np.asarray(cv2.GaussianBlur(self._nose.astype(np.float32), (0, 0), 2.5), np.float32)

    @cached_property
    def bare(self) -> Floats:
        """1 on forehead, cheeks and chin and between the eyes, softly 0 near brows, eyes, nose and mouth."""
        away = self.skin * ~self._nose
        return np.asarray(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 4.0), np.float32)

    @cached_property
    def bare_up_to_features(self) -> Floats:
        """The same, but for no more than features and nose themselves: where an old face has lines."""
        away = self.skin_up_to_features * ~self._nose
        return np.asarray(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 1.5), np.float32)

    @cached_property
    def _depth(self) -> Floats:
        """How far inside of the face's rim each map pixel lies."""
        inside = cv2.erode(self.inside.astype(np.uint8), np.ones((3, 3), np.uint8))
        far = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(far[1:-1, 1:-1], np.float32)

    @cached_property
    def _lips(self) -> Floats:
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(canvas, [np.round(self.canonical[LIPS_OUTSIDE]).astype(np.int32)], (1,))
        return _even(canvas)

    @cached_property
    def _nose(self) -> Bools:
        nose = np.zeros((SIDE, SIDE), np.uint8)
        below_eyes = NOSE[self.canonical[NOSE, 1] > self.canonical[EYES, 1].mean()]
        cv2.fillConvexPoly(nose, cv2.convexHull(np.round(self.canonical[below_eyes]).astype(np.int32)), (1,))
        return np.asarray(cv2.dilate(nose, disc(5)) > 0)

    def depth(self, reach: float) -> Floats:
        """0 on the face's rim and off it, softly 1 from `reach` pixels inwards, `(SIDE, SIDE)`."""
        ramp = np.clip(self._depth / reach, 0, 1)
        return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)

    def unwarp(self, pixels: npt.NDArray[Any], points: Floats, side: int = SIDE) -> Floats:
        """Look at the face `points` `(468+, 2+)` of a picture as a canonical map `(side, side, C) float32`."""
        owner, weights = self._raster
        corners = points[:, :2][self.triangles[np.maximum(owner, 0)]]
        source = np.einsum("hwk,hwkc->hwc", weights, corners).astype(np.float32)
        source[owner < 0] = -1e4
        if side != SIDE:
            owner_far = cv2.resize((owner >= 0).astype(np.float32), (side, side)) < 0.5
            source = _dilate_map(source, owner >= 0)
            source = cv2.resize(source, (side, side), interpolation=cv2.INTER_LINEAR)
            source[owner_far] = -1e4
        shrink = _span(points[:, :2]) / (_span(self.canonical) * side / SIDE)
        if shrink > 1.5:  # a large face read by single samples would alias
            pixels = cv2.GaussianBlur(pixels, (0, 0), 0.42 * shrink)
        picture = np.ascontiguousarray(pixels, np.uint8 if pixels.dtype == np.uint8 else np.float32)
        return remap(picture, source, cv2.INTER_LINEAR)

    def facing(self, points: Floats) -> Floats:
        """How squarely each map pixel was seen, `(SIDE, SIDE) float32`: 0 turned away or grazing, 1 well in view."""
        corners = points[:POINTS][self.triangles].astype(np.float64)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        towards = normals[:, 2] * np.sign(_signed_area(self.canonical[self.triangles]))
        at_corners = self.triangles.T.ravel()
        total = np.bincount(at_corners, np.tile(towards, 3), POINTS)
        mass = np.bincount(at_corners, np.tile(np.linalg.norm(normals, axis=1), 3), POINTS) + 1e-9
        owner, weights = self._raster
        cosine = np.einsum("hwk,hwk->hw", weights, (total / mass).astype(np.float32)[self._corners])
        seen = np.clip((cv2.GaussianBlur(cosine, (0, 0), 3.0) - 0.15) / 0.2, 0, 1)
        return np.where(owner >= 0, seen, 0).astype(np.float32)

    def locate(self, points: Floats, window: Window) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """For each photo pixel of `window`: its place on the canonical map `(h, w, 2)`, and whether it is on the face.

        Painter's order, far triangles first, those turned away left out. Off the face all places are 0.
        """
        flat = points[:, :2].astype(np.float32) - np.array([window.left, window.top], np.float32)
        corners = flat[self.triangles]
        front = _signed_area(corners) * _signed_area(self.canonical[self.triangles]) > 0
        order = np.argsort(-points[:, 2][self.triangles].mean(1))
        order = order[front[order]]
        owner = _fill(flat, self.triangles, order, (window.height, window.width))
        place = np.zeros((window.height, window.width, 2), np.float32)
        y, x = np.nonzero(owner >= 0)
        triangle = owner[y, x]
        weights = _barycentric(x, y, triangle, corners)
        for axis in range(2):
            there = np.ascontiguousarray(self.canonical[self.triangles, axis].T)
            place[y, x, axis] = (weights * np.take(there, triangle, axis=1)).sum(0)
        return place, owner >= 0

    def align(self, points: Floats, reference: Floats) -> tuple[Floats, Floats, float, Floats]:
        """Bring `points` `(468, 3)` onto `reference` by rotation, scale and shift.

        Returns the aligned points and `rotation, scale, centre` with `points = aligned @ rotation * scale + centre`
        up to the reference's own centre (which is the origin).
        """
        centre = points.mean(0)
        spread = points - centre
        u, s, vt = np.linalg.svd(spread.T.astype(np.float64) @ reference)
        flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        turn = u @ flip @ vt
        scale = float((s * np.diag(flip)).sum() / (reference.astype(np.float64) ** 2).sum())
        return (spread @ turn / scale).astype(np.float32), turn.T.astype(np.float32), scale, centre.astype(np.float32)


def remap(picture: npt.NDArray[Any], places: Floats, method: int = cv2.INTER_CUBIC) -> Floats:
    """Read a picture at `places` `(h, w, 2)`, beyond its border the nearest pixel."""
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(picture, x, y, method, borderMode=cv2.BORDER_REPLICATE), np.float32)


def resized(canonical: Floats, side: int) -> Floats:
    """A canonical map, `side` pixels an edge."""
    method = cv2.INTER_AREA if side < SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(canonical, (side, side), interpolation=method), np.float32)


def _even(canvas: npt.NDArray[np.uint8]) -> Floats:
    """A zone that is the same on both sides, which rounded corners are not."""
    return np.maximum(canvas, canvas[:, ::-1]).astype(np.float32)


def _fill(points: Floats, triangles: Ints, order: npt.NDArray[np.intp], size: tuple[int, int]) -> Ints:
    """Paint the number of each triangle, in `order`, over a canvas of -1."""
    canvas = np.full(size, -1, np.int32)
    corners = np.round(points[triangles] * 16).astype(np.int32)
    for index in order:
        cv2.fillConvexPoly(canvas, corners[index], (int(index),), cv2.LINE_8, 4)
    return canvas


def _barycentric(x: Ints, y: Ints, triangle: Ints, corners: Floats) -> Floats:
    """Weights `(3, n)` of the places `x`, `y` `(n,)`, each in its own `triangle` `(n,)` of those with `corners`
    `(m, 3, 2)`.

    They are linear in the place: worked out once for each triangle, not for each of its pixels.
    """
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = _signed_area(corners)
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    slopes = np.stack([ac[:, 1], -ac[:, 0], -ab[:, 1], ab[:, 0]]) / area
    lines = np.concatenate([corners[:, 0].T, slopes]).astype(np.float32)
    start_x, start_y, *slopes = np.take(lines, triangle, axis=1)
    across, down = x.astype(np.float32) - start_x, y.astype(np.float32) - start_y
    v, w = across * slopes[0] + down * slopes[1], across * slopes[2] + down * slopes[3]
    weights = np.clip(np.stack([1 - v - w, v, w]), 0, 1)  # a sliver's pixel must not look far beyond its corners
    return np.asarray(weights / weights.sum(0), np.float32)


def _signed_area(corners: Floats) -> Floats:
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0], np.float32)


def _span(points: Floats) -> float:
    extent = points[:POINTS].max(0) - points[:POINTS].min(0)
    return float(np.sqrt(extent[0] * extent[1]))


def _dilate_map(source: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Continue a coordinate map a few pixels outwards, so that enlarging it does not drag the rim to nowhere."""
    out, known = source.copy(), inside.copy()
    for _ in range(4):
        mass = cv2.blur(known.astype(np.float32), (3, 3))
        mean = cv2.blur(np.where(known[..., None], out, 0), (3, 3)) / np.maximum(mass, 1e-6)[..., None]
        fresh = (mass > 0) & ~known
        out[fresh] = mean[fresh]
        known |= fresh
    return out
