"""Background prediction by a diffusion model that edits: sharp, but it may put somebody new into the empty place.

So each answer is looked at: where a person appeared another seed is tried, and then a method that invents nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from identigen.background.lama import Lama, paste_hole, unseen
from identigen.background.patchmatch import PatchMatch, require_fit
from identigen.crop import square_inside
from identigen.errors import EngineError, IdentiGenError
from identigen.models import ModelRecord
from identigen.models.devices import choose_device
from identigen.models.weights import is_present
from identigen.settings import Settings
from identigen.synthesis import painter
from identigen.synthesis.painter import Order, choose_painter, match_colours
from identigen.types import MAX_SEED, Mask, Pixels, Window

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor

CONTEXT = 1.8
ATTEMPTS = 2
PROMPT = (
    "the same place with nobody in it, empty background, the surroundings continue, "
    "same light, same perspective, sharp and realistic photo"
)
Somebody = Callable[[Pixels, Mask], bool]
"""Whether a person can be seen in a region of a picture."""


class DiffusionBackground:
    """Fills holes by a downloaded model; `notices` are sentences about what went less well than it could."""

    name = "diffusion"

    def __init__(
        self, record: ModelRecord, settings: Settings, fallback: BackgroundPredictor, somebody: Somebody
    ) -> None:
        self.record = record
        self.settings = settings
        self.fallback = fallback
        self.models = (record.name, *fallback.models)
        self.notices: tuple[str, ...] = ()
        self._somebody = somebody

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0
    ) -> tuple[Window, Pixels]:
        """See `BackgroundPredictor.predict`."""
        require_fit(pixels, hole, forbidden)
        if not hole.area:
            return Window(0, 0, 0, 0), np.zeros((0, 0, 3), np.uint8)
        for attempt in range(ATTEMPTS):
            try:
                window, patch = self._draw(pixels, hole, forbidden, (seed + 7919 * attempt) % (MAX_SEED + 1))
            except EngineError as error:
                return self._fall_back(pixels, hole, forbidden, seed, str(error))
            shown = pixels.copy()
            shown[window.slices] = patch
            if not self._somebody(shown, hole):
                return window, patch
        reason = f"{self.record.name} put somebody into the empty place {ATTEMPTS} times."
        return self._fall_back(pixels, hole, forbidden, seed, reason)

    def _draw(self, pixels: Pixels, hole: Mask, forbidden: Mask | None, seed: int) -> tuple[Window, Pixels]:
        crop = square_inside(hole.window.box, CONTEXT, self.record.side, hole.photo_size)
        square, hidden = crop.extract(pixels), unseen(crop, hole, forbidden)
        painted = painter.paint(Order(self.record.name, square, hidden, PROMPT, seed), self.settings)
        self._note(painted.notices)
        return paste_hole(pixels, hole, crop, match_colours(painted.pixels, square, hidden))

    def _fall_back(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None, seed: int, reason: str
    ) -> tuple[Window, Pixels]:
        self._note((f"{reason} The background was predicted by {self.fallback.name} instead.",))
        return self.fallback.predict(pixels, hole, forbidden, seed)

    def _note(self, sentences: tuple[str, ...]) -> None:
        self.notices = tuple(dict.fromkeys((*self.notices, *sentences)))


def diffusion_background(settings: Settings, somebody: Somebody | None = None) -> DiffusionBackground | None:
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
    if slow and settings.engine != "diffusion":
        return None
    return DiffusionBackground(record, settings, without_diffusion(settings), somebody or _detector(settings))


def without_diffusion(settings: Settings) -> BackgroundPredictor:
    """LaMa where its weights are here, else the exemplar method."""
    if settings.engine != "embedded" and is_present("lama", settings):
        return Lama(settings)
    return PatchMatch()


def _edits(record: ModelRecord) -> bool:
    """Whether a model follows an instruction to leave a place empty; SDXL inpainting was not trained to."""
    return record.runs_in.endswith("Flux2KleinInpaintPipeline")


def _detector(settings: Settings) -> Somebody:
    from identigen import masks
    from identigen.detection import Detector

    detector = Detector(settings)

    def somebody(pixels: Pixels, hole: Mask) -> bool:
        w = hole.window
        around = Window.around(w.box, pixels.shape[0], pixels.shape[1], 0.3 * max(w.width, w.height))
        for face in detector.find_faces(pixels, around):
            x1, y1, x2, y2 = face.box
            if hole.contains(((x1 + x2) / 2, (y1 + y2) / 2)):
                return True
        found = detector.find_people(pixels, around)
        return any(masks.intersect(mask, hole).area > 0.5 * mask.area for mask in found)

    return somebody
