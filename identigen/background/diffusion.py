"""Background prediction by a diffusion model that edits: sharp, but it may put somebody new into the empty place.

Whether somebody appeared is looked at by the pipeline, which then tries another seed, and after that a method that
invents nobody.
"""

from __future__ import annotations

from identigen.background.lama import paste_hole, unseen
from identigen.background.patchmatch import EMPTY, require_fit
from identigen.crop import square_inside
from identigen.errors import IdentiGenError
from identigen.models import ModelRecord
from identigen.models.devices import choose_device
from identigen.settings import Settings
from identigen.synthesis import painter
from identigen.synthesis.painter import Order, choose_painter, match_colours, never
from identigen.types import Fill, Mask, Pixels, Stop

CONTEXT = 1.8
PROMPT = (
    "the same place with nobody in it, empty background, the surroundings continue, "
    "same light, same perspective, sharp and realistic photo"
)


class DiffusionBackground:
    """Fills holes by a downloaded model that follows the instruction to leave a place empty."""

    attempts = 2

    def __init__(self, record: ModelRecord, settings: Settings) -> None:
        self.record = record
        self.settings = settings
        self.name = record.name
        self.models: tuple[str, ...] = (record.name,)

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0, stop: Stop | None = None
    ) -> Fill:
        """See `BackgroundPredictor.predict`."""
        require_fit(pixels, hole, forbidden)
        if not hole.area:
            return EMPTY
        crop = square_inside(hole.window.box, CONTEXT, self.record.side, hole.photo_size)
        square, hidden = crop.extract(pixels), unseen(crop, hole, forbidden)
        order = Order(self.record.name, square, hidden, PROMPT, seed)
        painted = painter.paint(order, self.settings, stop or never)
        return paste_hole(pixels, hole, crop, match_colours(painted.pixels, square, hidden), painted.notices)


def diffusion_background(settings: Settings) -> DiffusionBackground | None:
    """The predictor by diffusion where its weights are here and it is wanted; None otherwise.

    `auto` wants it only with a GPU: on a processor one picture takes minutes.
    """
    record = choose_painter(settings)
    if settings.engine == "embedded" or record is None or not _edits(record):
        return None
    try:
        slow = choose_device(settings.device, may_be_lent=True) == "cpu"
    except IdentiGenError:
        return None
    return None if slow and settings.engine != "diffusion" else DiffusionBackground(record, settings)


def _edits(record: ModelRecord) -> bool:
    """Whether a model follows an instruction to leave a place empty; SDXL inpainting was not trained to."""
    return record.runs_in.endswith("Flux2KleinInpaintPipeline")
