"""Foretell what a new identity will look like to the recogniser, before it is drawn.

Drawing and describing a face takes some 30 ms, foretelling it a few microseconds: of many imagined people the ones who
will be far enough from the person are picked, and the flow is steered towards them. The recogniser itself judges what
was drawn; a wrong guess costs time, never privacy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from identigen.models import asset, borrow
from identigen.types import Floats


@dataclass(frozen=True, eq=False)
class Foretelling:
    """A linear read-out of how the embedding moves, fitted on faces that were drawn and looked at.

    `likeness` `(128, d)`: for each unit that the latent moves. `drift` `(128, d + c + 128 + 2)`: what moves anyway,
    from `[latent, condition, embedding, strength, 1]` of the person. `lift` `(128, d)`: the most natural move of the
    latent for each unit that the embedding shall move. `doubt`: root mean square length of the rest.
    """

    likeness: Floats
    drift: Floats
    lift: Floats
    doubt: float

    @cached_property
    def obedience(self) -> Floats:
        """How the embedding moves `(128, 128)` when the latent is moved by the `lift`: nearly as it should."""
        return np.asarray(self.lift @ self.likeness.T, np.float32)

    def base(self, latent: Floats, condition: Floats, embedding: Floats, strength: float) -> Floats:
        """How far `(128,)` the embedding of this person moves when they are drawn as themselves."""
        return np.asarray(self.drift @ features(latent, condition, embedding, strength), np.float32)


def features(latent: Floats, condition: Floats, embedding: Floats, strength: float) -> Floats:
    """What `Foretelling.drift` looks at."""
    return np.concatenate([latent, condition, EMBEDDING_SCALE * embedding, [strength, 1.0]]).astype(np.float32)


EMBEDDING_SCALE = 5.0  # brings an embedding's entries to about the spread of the others, for the ridge


def load_foretelling() -> Foretelling:
    """The shipped read-out, read once."""
    with borrow("identigen-foretelling", _read) as foretelling:
        return foretelling


def _read() -> Foretelling:
    from safetensors.numpy import load_file

    stored = load_file(asset("models/foretelling.safetensors"))
    likeness, drift, lift = (stored[name].astype(np.float32) for name in ("likeness", "drift", "lift"))
    return Foretelling(likeness, drift, lift, float(stored["doubt"][0]))
