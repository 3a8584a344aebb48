"""Background prediction: what a person, or the rim around something new, has hidden."""

from __future__ import annotations

from typing import Protocol

from identigen.background.removal import RemovalMask, removal_mask
from identigen.settings import Settings
from identigen.types import Mask, Pixels, Window

__all__ = ["BackgroundPredictor", "RemovalMask", "default_predictor", "removal_mask"]


class BackgroundPredictor(Protocol):
    """Fills a hole in a picture with what was probably behind it."""

    name: str
    models: tuple[str, ...]
    """Names in `identigen.models.REGISTRY`; empty for an exemplar method."""
    notices: tuple[str, ...]
    """Sentences for people about what went less well than it could."""

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0
    ) -> tuple[Window, Pixels]:
        """Fill `hole` of `(H, W, 3) uint8` pixels; return the hole's window and the pixels over that window.

        Pixels of the window outside the hole are the photo's own. Nothing is taken from `forbidden` (other people) nor
        from the hole. The same seed gives the same bytes. Raises `MaskError` when a mask belongs to a photo of another
        size or nothing is left to learn from; an empty hole gives an empty window.
        """
        ...


def default_predictor(settings: Settings | None = None) -> BackgroundPredictor:
    """The best predictor under `settings`: one with downloaded weights where they are here, else by exemplars."""
    from identigen.background.patchmatch import PatchMatch

    if settings is None or settings.engine == "embedded":
        return PatchMatch()
    from identigen.background.diffusion import diffusion_background, without_diffusion

    return diffusion_background(settings) or without_diffusion(settings)
