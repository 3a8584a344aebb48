"""Recognisers: how near are two faces to being one person?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from identigen.types import Face, Floats, Pixels

__all__ = ["Recogniser", "default_recogniser"]


class Recogniser(Protocol):
    """Turns faces into vectors whose Euclidean distance tells people apart."""

    name: str
    threshold: float
    """Two faces nearer than this are taken for one person."""

    def describe(self, pixels: Pixels, faces: Sequence[Face]) -> Floats:
        """Describe `n` faces of one picture as `(n, d) float32`."""
        ...


def default_recogniser() -> Recogniser:
    """The recogniser inside the loop: dlib's, which needs no download."""
    from identigen.recognition.dlib_resnet import DlibResnet

    return DlibResnet()
