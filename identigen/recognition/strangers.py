"""Strangers, as the recogniser sees them: how many of them does it take for one person?

Its threshold is right for most people. Of small children it takes every second pair for one, and nobody can look as
different as the threshold asks who shall still be a child. What a distance is worth is told by the distances of
strangers, the cohort (Auckenthaler et al. 2000, who did so for voices).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from identigen.models import asset, borrow
from identigen.recognition.dlib_resnet import DlibResnet
from identigen.types import Floats

FILE = "models/strangers.safetensors"
ONE_IN = 100
"""So rarely are strangers taken for one person, as it is by the threshold among grown-ups."""
WELL_HIDDEN = 30
"""One in so many strangers had better be nearer to a new face than the person: then a small gallery has some, too."""
NEAREST = 0.5
"""Whoever is nearer than this is taken for the same person, however many others are as near."""


@dataclass(frozen=True, eq=False, slots=True)
class Strangers:
    """Descriptors `(n, 128)` of people who are not each other, by the recogniser inside the loop."""

    descriptors: Floats

    def limit(self, source: Floats, threshold: float) -> float:
        """From how far on somebody is not taken for `source` `(128,)`: one in a hundred strangers is nearer.

        Never farther than the `threshold`, and never nearer than `NEAREST`.
        """
        return float(np.clip(np.quantile(self._distances(source), 1 / ONE_IN), NEAREST, threshold))

    def hide(self, new: Floats, source: Floats, one_in: int = ONE_IN) -> bool:
        """Whether one in `one_in` strangers is nearer to a `new` face `(128,)` than the person it took the place of.

        Whoever looks for that person comes upon them first (k-anonymity, Sweeney 2002).
        """
        nearer = self._distances(new) < np.linalg.norm(new - source)
        return bool(nearer.mean() >= 1 / one_in)

    def _distances(self, descriptor: Floats) -> Floats:
        return np.asarray(np.linalg.norm(self.descriptors - descriptor, axis=1), np.float32)


def strangers_to(recogniser: str) -> Strangers | None:
    """The shipped ones, which are faces that the model was taught; None where they were not shown to a recogniser."""
    if recogniser != DlibResnet.name:
        return None
    with borrow("identigen-strangers", _read) as strangers:
        return strangers


def _read() -> Strangers:
    from safetensors.numpy import load_file

    stored = load_file(asset(FILE))
    return Strangers(stored["descriptors"].astype(np.float32) * stored["step"])
