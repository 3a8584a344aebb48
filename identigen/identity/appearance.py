"""The appearance codec: a face as lighting x detail on a canonical map, plus a shape in space.

An active appearance model (Cootes, Edwards, Taylor 2001) over dense landmarks. The canonical map is exactly symmetric,
so every component is either even or odd under mirroring: half of each is stored, and mirroring a face is a change of
signs. The texture is split into `coarse` (broad light and skin tone, which stays the photo's own) and a relative
`detail` (what makes the person), and only the detail is coded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.mesh import POINTS, SIDE, Mesh
from identigen.models import asset, borrow
from identigen.types import Floats

COARSE_SIGMA = 15.0  # in canonical pixels: broader than a brow, narrower than a cheek
SHADE_REACH = 10.0  # in canonical pixels: shade and colour of a cheek are broader
BROADEST = 38.0  # in canonical pixels: what lamps and sky do to a whole face
_THIRDS = np.full(3, 1 / 3, np.float32)
_ONES = np.ones(3, np.float32)
FLOOR = 16.0  # added to light before dividing: the ratio of two dark pixels is noise


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
