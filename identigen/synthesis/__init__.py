"""Synthesisers: draw new people for the faces of a photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from identigen.types import Candidate, Edit, Operation, Pixels, Subject

__all__ = ["Synthesiser", "embedded_synthesiser"]


class Synthesiser(Protocol):
    """Proposes new identities; which of them is good enough is decided by the pipeline, not here."""

    name: str
    operations: frozenset[Operation]
    models: tuple[str, ...]
    """Names in `models.REGISTRY`."""

    def propose(self, pixels: Pixels, subject: Subject, edit: Edit, seeds: Sequence[int]) -> Iterator[Candidate]:
        """Yield one candidate for each seed, drawn only when it is asked for; the same seed gives the same bytes.

        Raise `EngineError` when this face cannot be done.
        """
        ...


def embedded_synthesiser() -> Synthesiser:
    """The engine that needs nothing but what the repository holds."""
    from identigen.synthesis.embedded import Embedded

    return Embedded()
