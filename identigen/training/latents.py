"""Turn the measured faces into what the prior learns: latents, conditions, and their mirror images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec
from identigen.identity.conditions import LIGHT, NAMES, PARITY, Conditions, light_cells, relief
from identigen.identity.mesh import POINTS
from identigen.landmarks import head_pose
from identigen.recognition.attributes import Axes
from identigen.training.codec import Maps
from identigen.training.data import Faces
from identigen.types import Floats

SHRINKAGE = 0.3  # of the covariance: with six faces for each trait, most of what two have in common is chance


@dataclass(frozen=True, eq=False)
class Latents:
    """`codes` `(n, d)` (detail, then shape) and whitened `conditions` `(n, c)` of the faces `rows`."""

    rows: npt.NDArray[np.intp]
    codes: Floats
    conditions: Floats

    def mirrored(self, parity: Floats) -> Latents:
        """The same faces followed by their mirror images; `parity` `(d,)` is that of the codes."""
        return Latents(
            np.concatenate([self.rows, self.rows]),
            np.concatenate([self.codes, self.codes * parity]),
            np.concatenate([self.conditions, self.conditions * PARITY]),
        )


def encode_faces(codec: Codec, faces: Faces, maps: Maps, rows: npt.NDArray[np.intp], batch: int = 100) -> Floats:
    """Latents `(len(rows), d)`."""
    details = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        detail, seen = maps.detail[part].astype(np.float32), maps.seen[part].astype(np.float32)
        details.append(codec.encode(detail, seen, rounds=3))
    aligned = [codec.mesh.align(faces.landmarks[i, :POINTS], codec.shape_mean)[0] for i in rows]
    shapes = [codec.encode_shape(points) for points in aligned]
    return np.concatenate([np.concatenate(details), np.array(shapes)], axis=1).astype(np.float32)


def fit_conditions(
    codec: Codec,
    faces: Faces,
    maps: Maps,
    axes: Axes,
    kin: tuple[Floats, Floats],
    codes: Floats,
    rows: npt.NDArray[np.intp],
) -> Conditions:
    """The condition reader that the faces `rows`, whose latents are `codes` `(len(rows), d)`, teach."""
    cells = _cells(maps, rows)
    grey = cells.mean(-1)
    flat = grey - grey.mean((1, 2), keepdims=True)
    even, odd = (flat + flat[:, :, ::-1]) / 2, (flat - flat[:, :, ::-1]) / 2
    reader = Conditions(
        light_even=_leading(even, 5),
        light_odd=_leading(odd, 4),
        axes=np.concatenate([axes.weights, kin[0]]).astype(np.float32),
        axes_bias=np.concatenate([axes.bias, kin[1]]).astype(np.float32),
        mean=np.zeros(len(NAMES), np.float32),
        scale=np.ones(len(NAMES), np.float32),
        middle=np.zeros((len(NAMES) + 1, codes.shape[1]), np.float32),
        spread=np.ones(codes.shape[1], np.float32),
    )
    raw = read_raw(reader, codec, faces, maps, rows)
    both = np.concatenate([raw, raw * PARITY])  # the population is symmetric: odd conditions have mean zero
    mean = np.where(PARITY > 0, both.mean(0), 0).astype(np.float32)
    scale = both.std(0).astype(np.float32)
    reader = replace(reader, mean=mean, scale=scale)
    told = np.array([np.append(reader.whiten(r), 1) for r in raw])
    penalty = 0.02 * len(told) * np.eye(told.shape[1])
    middle = np.linalg.solve(told.T @ told + penalty, told.T @ codes).astype(np.float32)
    spread = np.sqrt(((codes - told @ middle) ** 2).mean(0)).astype(np.float32)
    return replace(reader, middle=middle, spread=spread)


def read_raw(reader: Conditions, codec: Codec, faces: Faces, maps: Maps, rows: npt.NDArray[np.intp]) -> Floats:
    """Raw conditions `(len(rows), c)` of the faces `rows`."""
    cells = _cells(maps, rows)
    return np.array([_raw(reader, codec, faces, maps, i, light) for i, light in zip(rows, cells, strict=True)])


def scatter(conditions: Conditions, latents: Latents) -> Floats:
    """Covariance `(d, d)` of people who meet the same condition, shrunk towards its diagonal (Ledoit and Wolf 2004)."""
    usual = np.hstack([latents.conditions, np.ones((len(latents.rows), 1), np.float32)]) @ conditions.middle
    away = (latents.codes - usual).astype(np.float64)
    found = away.T @ away / len(away)
    return np.asarray((1 - SHRINKAGE) * found + SHRINKAGE * np.diag(np.diag(found)), np.float32)


def balance(*traits: Floats, bins: int = 8) -> Floats:
    """Drawing weights `(n,)` that make faces of rare skin tones and ages count more, at most some six times.

    Each trait `(n,)` is cut into equal steps between its first and last hundredth; a step's weight falls with the root
    of its share.
    """
    weights = np.ones(len(traits[0]))
    for trait in traits:
        low, high = np.quantile(trait, [0.01, 0.99])
        place = np.clip(((trait - low) / (high - low) * bins).astype(int), 0, bins - 1)
        share = np.bincount(place, minlength=bins)[place] / len(place)
        weights *= np.clip(np.sqrt(1 / (bins * share)), 0.7, 1.8)
    return np.asarray(weights, np.float32)


def _cells(maps: Maps, rows: npt.NDArray[np.intp]) -> Floats:
    return np.array([light_cells(maps.coarse[i].astype(np.float32)) for i in rows])


def _raw(reader: Conditions, codec: Codec, faces: Faces, maps: Maps, i: int, light: Floats) -> Floats:
    points = faces.landmarks[i]
    pose = head_pose(points)
    aligned = codec.mesh.align(points[:POINTS], codec.shape_mean)[0]
    fine = relief(codec.mesh, maps.detail[i].astype(np.float32), maps.seen[i].astype(np.float32))
    return reader.raw(light, aligned, (pose.yaw, pose.pitch), fine, faces.embeddings[i])


def _leading(cells: Floats, count: int) -> Floats:
    _, _, vt = np.linalg.svd(cells.reshape(-1, LIGHT * LIGHT), full_matrices=False)
    return np.asarray(vt[:count], np.float32)
