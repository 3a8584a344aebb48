"""The appearance codec: a face as lighting x detail on a canonical map, plus a shape in space.

An active appearance model (Cootes, Edwards, Taylor 2001) over dense landmarks. The canonical map is exactly symmetric,
so every component is either even or odd under mirroring: half of each is stored, and mirroring a face is a change of
signs. The texture is split into `coarse` (broad light and skin tone, which stays the photo's own) and a relative
`detail` (what makes the person), and only the detail is coded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.landmarks import CHEEKS, EYES, LEFT_BROW, LEFT_EYE, LIPS_OUTSIDE, NOSE, RIGHT_BROW, RIGHT_EYE
from identigen.masks import disc
from identigen.models import asset, borrow
from identigen.types import Bools, Floats, Window

SIDE = 192  # edge of the canonical map; the training faces are about 139 px wide, more would store only blur
POINTS = 468  # the mesh without the irises
COARSE_SIGMA = 15.0  # in canonical pixels: broader than a brow, narrower than a cheek
MOUTH_GROWTH = 4
SHADE_REACH = 10.0  # in canonical pixels: shade and colour of a cheek are broader
AROUND_BROWS = 8  # canonical pixels
BROADEST = 38.0  # in canonical pixels: what lamps and sky do to a whole face
_THIRDS = np.full(3, 1 / 3, np.float32)
_ONES = np.ones(3, np.float32)
FLOOR = 16.0  # added to light before dividing: the ratio of two dark pixels is noise

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
        """Forehead, cheeks, nose and chin: 1 where skin is expected, 0 on brows, eyes and lips."""
        marks = np.zeros((SIDE, SIDE), np.uint8)
        for ring, growth in ((RIGHT_EYE, 7), (LEFT_EYE, 7), (RIGHT_BROW, 5), (LEFT_BROW, 5), (LIPS_OUTSIDE, 6)):
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


def coarse_light(texture: Floats, weight: Floats) -> Floats:
    """The broad light on a canonical `(SIDE, SIDE, 3)` map, read only where `weight` `(SIDE, SIDE)` trusts it.

    Where nothing is trusted nearby (behind sunglasses, the far cheek) wider and wider surroundings speak.
    """
    total, mass = np.zeros_like(texture), np.zeros(texture.shape[:2], np.float32)
    for widening, trust in ((1.0, 1.0), (2.2, 0.02), (5.0, 0.0004)):
        small = int(SIDE / max(1.0, COARSE_SIGMA * widening / 4))
        sigma = COARSE_SIGMA * widening * small / SIDE
        both = np.concatenate([texture * weight[..., None], weight[..., None]], -1)
        blurred = cv2.GaussianBlur(cv2.resize(both, (small, small), interpolation=cv2.INTER_AREA), (0, 0), sigma)
        blurred = cv2.resize(blurred, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        total += trust * blurred[..., :3]
        mass += trust * np.maximum(blurred[..., 3], 0)
    return np.asarray(np.clip(total / np.maximum(mass, 1e-6)[..., None], 0, 255), np.float32)


def shared_modelling(coarse: Floats) -> Floats:
    """How a face's build darkens and lightens broad light `(SIDE, SIDE, 3)`: `(SIDE, SIDE)` logarithms.

    Deep sockets and full cheeks are the same on both sides; where the lamp stands makes the sides differ.
    """
    grey = np.maximum(brightness(coarse) + FLOOR, 1)
    bumps = np.log(grey / np.maximum(widely(grey, BROADEST), 1))
    return np.asarray((bumps + bumps[:, ::-1]) / 2, np.float32)


def widely(picture: Floats, reach: float) -> Floats:
    """A Gaussian blur of many pixels, worked out on a small copy: of what is as smooth nothing is lost."""
    side = max(16, round(len(picture) * min(1.0, 4 / reach)))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), reach * side / len(picture))
    return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def broadly(picture: Floats, zone: Floats) -> Floats:
    """A map of one channel or three, blurred by `SHADE_REACH`, judged by what lies in the `zone` alone."""
    mass = np.maximum(widely(zone, SHADE_REACH), 0.05)
    if picture.ndim == 3:
        zone, mass = threefold(zone), threefold(mass)
    return np.asarray(widely(picture * zone, SHADE_REACH) / mass, np.float32)


def brightness(picture: Floats) -> Floats:
    """Mean `(h, w)` of the three channels of `(h, w, 3) float32`; `mean` itself is forty times slower on so few."""
    return np.asarray(picture @ _THIRDS)


def threefold(grey: Floats, tint: Floats = _ONES) -> Floats:
    """A map `(h, w) float32` in three channels, times a `tint` `(3,)`.

    Two maps of three channels are multiplied ten times faster than one by `grey[..., None]`, or by a tint.
    """
    return np.asarray(cv2.merge([grey * share for share in tint]), np.float32)


def to_detail(texture: Floats, coarse: Floats) -> Floats:
    """What is left of a map when its broad light is divided out; 0 where both agree."""
    return np.asarray((texture + FLOOR) / (coarse + FLOOR) - 1.0, np.float32)


def from_detail(detail: Floats, coarse: Floats) -> Floats:
    """The inverse of `to_detail`."""
    return np.asarray((coarse + FLOOR) * (1.0 + detail) - FLOOR, np.float32)


@dataclass(frozen=True, eq=False)
class Codec:
    """Detail and shape as whitened coefficients; all arrays come from `assets/models/`.

    `detail_mean` `(half, 3)`; `detail_basis` `(k, half * 3)` orthonormal rows on the left half of the map, with
    `detail_scale` `(k,)` their spread in the data and `detail_parity` +1 (even) or -1 (odd). `shape_mean` `(468, 3)` of
    unit size, `shape_basis` `(m, 468 * 3)`, `shape_scale` `(m,)`, `shape_parity`. `modelling`
    `(SIDE, SIDE)` is the average `shared_modelling`.
    """

    mesh: Mesh
    detail_mean: Floats
    detail_basis: Floats
    detail_scale: Floats
    detail_parity: Floats
    shape_mean: Floats
    shape_basis: Floats
    shape_scale: Floats
    shape_parity: Floats
    modelling: Floats

    @cached_property
    def half(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows and columns of the stored left half."""
        rows, columns = np.nonzero(self.mesh.inside[:, : SIDE // 2])
        return rows, columns

    @cached_property
    def parity(self) -> Floats:
        """+1 (even) or -1 (odd) for each coefficient `(k + m,)`, detail first."""
        return np.concatenate([self.detail_parity, self.shape_parity])

    @cached_property
    def _even(self) -> npt.NDArray[np.bool_]:
        return self.detail_parity > 0

    @cached_property
    def _bases(self) -> tuple[Floats, Floats]:
        """Even and odd components apart: indexing them anew would copy 30 MB at every call."""
        return self.detail_basis[self._even], self.detail_basis[~self._even]

    @cached_property
    def spread(self) -> Floats:
        """How much taught faces differ at each place of the detail map, `(SIDE, SIDE, 1)`: standard deviation."""
        rows, columns = self.half
        variance = ((self.detail_scale[:, None] * self.detail_basis) ** 2).sum(0).reshape(-1, 3).mean(1)
        out = np.zeros((SIDE, SIDE), np.float32)
        out[rows, columns] = out[rows, SIDE - 1 - columns] = np.sqrt(variance)
        return out[..., None]

    def components(self) -> Floats:
        """What one unit of each coefficient adds to a map's brightness, `(k, SIDE, SIDE)`."""
        rows, columns = self.half
        left = self.detail_scale[:, None] * brightness(self.detail_basis.reshape(len(self.detail_scale), -1, 3))
        out = np.zeros((len(left), SIDE, SIDE), np.float32)
        out[:, rows, columns] = left
        out[:, rows, SIDE - 1 - columns] = self.detail_parity[:, None] * left
        return out

    def fold(self, detail: Floats) -> tuple[Floats, Floats]:
        """Even and odd part `(..., half * 3)` of maps `(..., SIDE, SIDE, 3)`, each seen on the left half."""
        rows, columns = self.half
        left, right = detail[..., rows, columns, :], detail[..., rows, SIDE - 1 - columns, :]
        flat = (*detail.shape[:-3], -1)
        return ((left + right) / 2 - self.detail_mean).reshape(flat), ((left - right) / 2).reshape(flat)

    def project(self, detail: Floats) -> Floats:
        """Whitened coefficients `(..., k)` of complete maps."""
        even, odd = self.fold(detail)
        even_basis, odd_basis = self._bases
        out = np.empty((*detail.shape[:-3], len(self.detail_scale)), np.float32)
        out[..., self._even] = even @ even_basis.T
        out[..., ~self._even] = odd @ odd_basis.T
        return np.asarray(out / self.detail_scale, np.float32)

    def encode(self, detail: Floats, weight: Floats, rounds: int = 4) -> Floats:
        """Whitened coefficients `(..., k)` of maps of which only the part with `weight` near 1 can be trusted.

        The rest is filled with what the model expects there, and both are improved in turn.
        """
        known = np.asarray(weight[..., None], np.float32)
        code = np.zeros((*detail.shape[:-3], len(self.detail_scale)), np.float32)
        for _ in range(rounds):
            code = self.project(detail * known + self.decode(code) * (1 - known))
        return code

    def decode(self, code: Floats) -> Floats:
        """The maps `(..., SIDE, SIDE, 3)` of whitened coefficients; 0 outside the face."""
        raw = code * self.detail_scale
        even_basis, odd_basis = self._bases
        lead = code.shape[:-1]
        even = (raw[..., self._even] @ even_basis).reshape(*lead, -1, 3) + self.detail_mean
        odd = (raw[..., ~self._even] @ odd_basis).reshape(*lead, -1, 3)
        rows, columns = self.half
        out = np.zeros((*lead, SIDE, SIDE, 3), np.float32)
        out[..., rows, columns, :] = even + odd
        out[..., rows, SIDE - 1 - columns, :] = even - odd
        return out

    def encode_shape(self, aligned: Floats) -> Floats:
        """Whitened shape coefficients `(m,)` of points aligned to `shape_mean`."""
        return np.asarray((self.shape_basis @ (aligned - self.shape_mean).ravel()) / self.shape_scale, np.float32)

    def decode_shape(self, code: Floats) -> Floats:
        """Offsets `(468, 3)` from `shape_mean`."""
        return np.asarray(((code * self.shape_scale) @ self.shape_basis).reshape(POINTS, 3), np.float32)


def remap(picture: npt.NDArray[Any], places: Floats, method: int = cv2.INTER_CUBIC) -> Floats:
    """Read a picture at `places` `(h, w, 2)`, beyond its border the nearest pixel."""
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(picture, x, y, method, borderMode=cv2.BORDER_REPLICATE), np.float32)


def load_codec() -> Codec:
    """The shipped codec, read once."""
    with borrow("identigen-appearance-codec", _read_codec) as codec:
        return codec


def _read_codec() -> Codec:
    from safetensors.numpy import load_file

    small = load_file(asset("models/appearance.safetensors"))
    large = load_file(asset("models/texture.safetensors"))
    basis = large["basis"].astype(np.float32) * large["step"][:, None].astype(np.float32)
    mesh = Mesh(small["canonical"], small["triangles"].astype(np.int32), small["mirror"].astype(np.int32))
    fields = {name: small[name].astype(np.float32) for name in _CODEC_FIELDS}
    return Codec(mesh=mesh, detail_basis=basis, **fields)


_CODEC_FIELDS = (
    "detail_mean",
    "detail_scale",
    "detail_parity",
    "shape_mean",
    "shape_basis",
    "shape_scale",
    "shape_parity",
    "modelling",
)


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
