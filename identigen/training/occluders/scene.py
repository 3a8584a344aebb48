"""A scene to cover or to change, and what is needed to draw into it.

What is laid over the face is noted in the scene's truth; the light may change without a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.occluders import SIDE
from identigen.landmarks import CHEEKS
from identigen.training.occluders.data import COVERED, UNKNOWN, Bases, Bytes
from identigen.types import Floats

Rng = np.random.Generator
OCCLUDER, GLASSES = 0, 1
HALF = 0.5  # opacity from which a pixel counts as covered
TRACE = 0.12  # and below which it does not
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


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


def cast(scene: Scene, opacity: Floats, rng: Rng, reach: float = 8) -> None:
    """The shadow of what is about to be laid over the scene; it covers nothing."""
    if rng.uniform() < 0.3:
        return
    shift = np.array([[1, 0, rng.normal(0, reach / 2)], [0, 1, rng.uniform(0, reach)]])
    fallen = cv2.warpAffine(opacity, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    scene.dim(1 - rng.uniform(0.05, 0.6) * blurred(fallen, rng.uniform(0.6, 0.6 * reach)))


def blurred(picture: npt.NDArray[Any], spread: float) -> Floats:
    """`picture` under a Gaussian of `spread` pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.float32)


def noise(rng: Rng, cells: int) -> Floats:
    """Smooth noise `(SIDE, SIDE)` of unit size with `cells` bumps a side."""
    return np.asarray(
        cv2.resize(rng.standard_normal((cells, cells), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    )


def bezier(path: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A quadratic curve `(12, 2)` of three control points."""
    t = np.linspace(0, 1, 12)[:, None]
    return np.asarray((1 - t) ** 2 * path[0] + 2 * t * (1 - t) * path[1] + t**2 * path[2])
