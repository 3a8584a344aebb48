"""What every face drawn here has and the faces in the photos had not, by which a hand is told: its mannerisms.

A new face may have brows of any form. Where all new ones are darker than those of the people whom they replace, that is
no trait of anybody but a fault of drawing, and of choosing: who is far from everybody looks stern. Faces were drawn
over those that teach, the mean difference was told as a line in what a photo asks for, and it is taken out of every new
face before that is shown. So astronomers take the pattern of a camera out of their pictures (flat fielding).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from identigen.identity.conditions import NAMES
from identigen.identity.mesh import POINTS, SIDE
from identigen.models import asset, borrow
from identigen.types import Floats

FILE = "models/mannerisms.safetensors"
KEY = "identigen-mannerisms"
TOLD = [NAMES.index(name) for name in ("age", "femininity", "beard", "lightness", "relief", "mouth_open")]
TERMS = len(TOLD) + 2


@dataclass(frozen=True, eq=False, slots=True)
class Mannerisms:
    """Lines in what a photo asks for, see `terms`: `skin` `(t, SIDE, SIDE, 3)` on the detail map, even, and `shape`
    `(t, 468, 3)` on the aligned points, against the eye distance.
    """

    skin: Floats
    shape: Floats

    def and_also(self, more: Mannerisms) -> Mannerisms:
        """These, and what was found once they were taken out."""
        return Mannerisms(self.skin + more.skin, self.shape + more.shape)

    def on_skin(self, condition: Floats) -> Floats:
        """What is taken from a detail map `(SIDE, SIDE, 3)` under a whitened `condition` `(c,)`."""
        return np.asarray(np.tensordot(terms(condition), self.skin, 1), np.float32)

    def on_shape(self, condition: Floats) -> Floats:
        """What is taken from aligned points `(468, 3)`, against the eye distance."""
        return np.asarray(np.tensordot(terms(condition), self.shape, 1), np.float32)


def terms(condition: Floats) -> Floats:
    """What a mannerism depends on `(t,)`: how old, how feminine and so on, how very young or old, and 1."""
    told = condition[TOLD]
    return np.asarray([*told, told[0] ** 2, 1.0], np.float32)


def no_mannerisms() -> Mannerisms:
    """Those of whoever draws everybody as they were."""
    return Mannerisms(np.zeros((TERMS, SIDE, SIDE, 3), np.float32), np.zeros((TERMS, POINTS, 3), np.float32))


def load_mannerisms() -> Mannerisms:
    """The shipped ones, read once."""
    with borrow(KEY, lambda: read_mannerisms(asset(FILE))) as mannerisms:
        return mannerisms


def read_mannerisms(path: Path) -> Mannerisms:
    """Mannerisms from their file, which holds the left half of the map."""
    from safetensors.numpy import load_file

    stored = load_file(path)
    skin, shape = (stored[name].astype(np.float32) * stored[f"{name}_step"] for name in ("skin", "shape"))
    return Mannerisms(np.concatenate([skin, skin[:, :, ::-1]], 2), np.asarray(shape, np.float32))


def write_mannerisms(mannerisms: Mannerisms, path: Path) -> None:
    """Bytes, with one step for each term."""
    from safetensors.numpy import save_file

    stored = {}
    for name, lines in (("skin", mannerisms.skin[:, :, : SIDE // 2]), ("shape", mannerisms.shape)):
        step = np.maximum(np.abs(lines).max(tuple(range(1, lines.ndim)), keepdims=True), 1e-6) / 127
        stored[name] = np.ascontiguousarray(np.round(lines / step).astype(np.int8))
        stored[f"{name}_step"] = np.asarray(step, np.float32)
    save_file(stored, path)
