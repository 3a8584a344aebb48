"""Background prediction: what a person, or the rim around something new, has hidden."""

from __future__ import annotations

from typing import Protocol

from identigen.background.removal import RemovalMask, removal_mask
from identigen.settings import Settings
from identigen.types import Fill, Mask, Pixels, Stop

__all__ = ["BackgroundPredictor", "RemovalMask", "available_predictors", "default_predictor", "removal_mask"]


class BackgroundPredictor(Protocol):
    """Fills a hole in a picture with what was probably behind it."""

    name: str
    models: tuple[str, ...]
    """Names in `identigen.models.REGISTRY`; empty for an exemplar method."""
    attempts: int
    """How many seeds are worth trying before another predictor is asked."""

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0, stop: Stop | None = None
    ) -> Fill:
        """Fill `hole` of `(H, W, 3) uint8` pixels.

        Nothing is taken from `forbidden` (other people) nor from the hole. The same seed gives the same bytes; an empty
        hole gives an empty window. Once `stop`, asked from time to time, is true, `Stopped` is raised. Raises
        `MaskError` when a mask belongs to a photo of another size or nothing is left to learn from, the families of
        `ModelError` and `EngineError` when weights cannot be used.
        """
        ...


def available_predictors(settings: Settings) -> tuple[BackgroundPredictor, ...]:
    """What really runs here, best first: a diffusion model that edits, LaMa, exemplars; the last needs no weights."""
    from identigen.background.patchmatch import PatchMatch

    if settings.engine == "embedded":
        return (PatchMatch(),)
    from identigen.background.diffusion import diffusion_background
    from identigen.background.lama import lama_background

    with_weights = (diffusion_background(settings), lama_background(settings))
    return (*(predictor for predictor in with_weights if predictor is not None), PatchMatch())


def default_predictor(settings: Settings | None = None) -> BackgroundPredictor:
    """The best predictor under `settings`; without settings the one that needs no weights."""
    return available_predictors(settings or Settings(engine="embedded"))[0]
