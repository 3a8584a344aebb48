"""What must stay of a face, as one vector: light, skin tone, pose, expression, relief, apparent age and the like.

Every condition is even or odd under mirroring, so that the mirror image of a training face is a training face too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from identigen.identity.appearance import FLOOR, brightness
from identigen.identity.mesh import Mesh
from identigen.landmarks import BROWS, EYES
from identigen.models import asset, borrow
from identigen.types import Floats

LIGHT = 8  # the light is looked at as 8 x 8 cells
NAMES = (
    *(f"light_even_{i}" for i in range(5)),
    *(f"light_odd_{i}" for i in range(4)),
    "lightness",
    "redness",
    "blueness",
    "yaw",
    "pitch",
    "mouth_open",
    "mouth_width",
    "eyes_open",
    "brows_raised",
    "relief",
    "age",
    "femininity",
    "beard",
    *(f"kin_{i}" for i in range(4)),
)
# How vaguely the prior is told each condition, in units of its spread. Told exactly, twenty-five numbers name one face
# of the training set, and the prior would learn that face by heart instead of everybody who could be meant.
_VAGUENESS = {"light": 0.35, "yaw": 0.2, "pitch": 0.3, "mouth": 0.25, "eyes": 0.25, "brows": 0.3, "relief": 0.2}
_VAGUENESS |= {
    "lightness": 0.2,
    "redness": 0.2,
    "blueness": 0.2,
    "age": 0.25,
    "femininity": 0.2,
    "beard": 0.3,
    "kin": 0.8,
}
VAGUENESS = np.array([_VAGUENESS.get(name, _VAGUENESS.get(name.split("_")[0])) for name in NAMES], np.float32)
PARITY = np.array([-1.0 if name.startswith("light_odd") or name == "yaw" else 1.0 for name in NAMES], np.float32)


@dataclass(frozen=True, eq=False)
class Conditions:
    """How a face becomes its whitened condition vector; arrays from `assets/models/`.

    `light_even` `(5, 64)` and `light_odd` `(4, 64)`: directions of the 8 x 8 log light. `axes` `(3 + 4, 128)` and
    `axes_bias`: age, femininity, beard and broad kinship along the recogniser's embedding. `mean`, `scale` whiten.
    `middle` `(c + 1, d)` foretells the mean latent from a whitened condition and 1; `spread` `(d,)` is how far from it
    taught faces lie (root mean square).
    """

    light_even: Floats
    light_odd: Floats
    axes: Floats
    axes_bias: Floats
    mean: Floats
    scale: Floats
    middle: Floats
    spread: Floats

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each condition by name."""
        return {name: i for i, name in enumerate(NAMES)}

    def raw(self, light: Floats, shape: Floats, pose: tuple[float, float], relief: float, embedding: Floats) -> Floats:
        """The vector before whitening; `light` `(8, 8, 3)` log light, `shape` `(468, 3)` aligned points."""
        grey = light.mean(-1)
        level = float(grey.mean())
        flat = (grey - level).ravel()
        parts: list[Any] = [
            self.light_even @ flat,
            self.light_odd @ flat,
            [level, float((light[..., 0] - light[..., 1]).mean()), float((light[..., 2] - light[..., 1]).mean())],
            pose,
            expression(shape),
            [relief],
            self.axes @ embedding + self.axes_bias,
        ]
        return np.asarray(np.concatenate(parts), np.float32)

    def whiten(self, raw: Floats) -> Floats:
        """Zero mean, unit spread over the training faces, cut at three so that nothing asks for the unheard-of."""
        return np.asarray(np.clip((raw - self.mean) / self.scale, -3, 3), np.float32)


def load_conditions() -> Conditions:
    """The shipped reader, read once."""
    with borrow("identigen-appearance-conditions", _read_conditions) as conditions:
        return conditions


def _read_conditions() -> Conditions:
    from safetensors.numpy import load_file

    stored = load_file(asset("models/conditions.safetensors"))
    return Conditions(**{field.name: stored[field.name].astype(np.float32) for field in fields(Conditions)})


def light_cells(coarse: Floats) -> Floats:
    """The coarse map as `(8, 8, 3)` log light."""
    return np.asarray(np.log(cv2.resize(coarse, (LIGHT, LIGHT), interpolation=cv2.INTER_AREA) + FLOOR), np.float32)


def expression(shape: Floats) -> Floats:
    """Opening and width of the mouth, opening of the eyes, raising of the brows, of aligned points of unit size."""
    lids = shape[[159, 386]] - shape[[145, 374]]
    brows = shape[BROWS].mean(0) - shape[EYES].mean(0)
    return np.array(
        [
            np.linalg.norm(shape[13] - shape[14]),
            np.linalg.norm(shape[61] - shape[291]),
            np.linalg.norm(lids, axis=1).mean(),
            np.linalg.norm(brows),
        ],
        np.float32,
    )


def relief(mesh: Mesh, detail: Floats, seen: Floats) -> float:
    """Log energy of fine detail on the skin: wrinkles, pores, stubble. The level is kept, never the pattern."""
    grey = brightness(detail)
    fine = cv2.GaussianBlur(grey, (0, 0), 1.2) - cv2.GaussianBlur(grey, (0, 0), 4.0)
    weight = mesh.skin * seen
    if weight.sum() < 100:
        return float(np.log(0.03))
    return float(np.log(np.sqrt((fine**2 * weight).sum() / weight.sum()) + 1e-3))
