"""The diffusion engine: a new face, head or whole person drawn by a downloaded model.

For each seed: region -> square crop around it -> wipe -> draw -> match colours -> background where the new person is
smaller than the old one -> back to the photo's scale. Whether a candidate is good enough is decided by the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from identigen import masks
from identigen.crop import Crop, square_inside
from identigen.detection import sam
from identigen.errors import EngineError, MaskError, ModelError
from identigen.models import ModelRecord
from identigen.models.devices import choose_device
from identigen.models.weights import is_present, locate
from identigen.recognition import clip
from identigen.recognition.attributes import Attributes, read_attributes
from identigen.settings import Settings
from identigen.synthesis import painter, prompt, regions, skeleton
from identigen.synthesis.painter import Order, never
from identigen.types import (
    Bools,
    Candidate,
    Company,
    Edit,
    Floats,
    Mask,
    Operation,
    Pixels,
    Proposals,
    Stop,
    Subject,
    Window,
)

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor

Outline = Callable[[Pixels], Bools | None]
"""The one person that dominates a square picture, as `(side, side)`; None when nobody is seen."""

CONTEXT = {Operation.FACE: 2.0, Operation.FACE_HAIR: 1.8, Operation.BODY: 1.6}
"""Edge of the crop in sizes of the region: a model must see what it continues."""
FEATHER = 0.03
"""Width of the soft rim in sizes of the region."""
LEAST_STRENGTH = 0.9
MIN_RIM = 0.005
"""Rims smaller than this share of the region are left to the model."""


def outline_of(square: Pixels) -> Bools | None:
    """Find the person in a drawn square by the bundled segmentation."""
    from identigen.detection.bundled import segment_person

    side = square.shape[0]
    found = segment_person(square, Window(0, 0, side, side))
    return None if found is None else found.mask.to_array()


class Diffusion:
    """Draws faces, heads and people."""

    name = "diffusion"
    operations = frozenset({Operation.FACE, Operation.FACE_HAIR, Operation.BODY})
    rounds: tuple[tuple[float, int], ...] = ((0.0, 4), (0.5, 2), (0.8, 2))  # each takes seconds

    def __init__(
        self,
        record: ModelRecord,
        settings: Settings,
        background: BackgroundPredictor | None = None,
        outline: Outline = outline_of,
    ) -> None:
        self.record = record
        self.settings = settings
        self.models = _taking_part(record, settings)
        self._background = background
        self._outline = outline

    def prepare(self) -> None:
        """Load the model before the first visitor waits for it."""
        painter.load(self.record.name, self.settings)

    def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
        """As it is: the model sees the whole crop while it draws."""
        return candidate

    def propose(
        self,
        pixels: Pixels,
        subject: Subject,
        edit: Edit,
        seeds: Sequence[int],
        company: Company | None = None,
        stop: Stop | None = None,
    ) -> Proposals:
        """Yield one candidate for each seed, drawn only when it is asked for; the same seed gives the same picture.

        `stop` is asked between denoising steps; when it turns true, `Stopped` is raised. Raises `EngineError` when
        there is no region, when the device is too small, or when the model gives no picture.
        """
        notices: list[str] = []
        region = self._region(pixels, subject, edit, notices)
        wishes = {**self._words(pixels, subject, notices), **edit.attributes}
        scene = _set_scene(pixels, subject, replace(edit, attributes=wishes), region, self.record.side)
        for seed in seeds:
            order = Order(
                self.record.name,
                scene.square,
                scene.inside,
                scene.prompt,
                seed,
                scene.skeleton,
                LEAST_STRENGTH + (1.0 - LEAST_STRENGTH) * edit.strength,
            )
            painted = painter.paint(order, self.settings, stop or never)
            drawn = painter.match_colours(painted.pixels, scene.square, scene.inside)
            candidate = self._candidate(pixels, subject, edit, scene, drawn, seed)
            yield replace(candidate, invented=True, notices=(*notices, *painted.notices, *candidate.notices))

    def region(self, pixels: Pixels, subject: Subject, edit: Edit) -> Mask:
        """Every pixel that a candidate for this edit may change."""
        return self._region(pixels, subject, edit, [])

    def _region(self, pixels: Pixels, subject: Subject, edit: Edit, notices: list[str]) -> Mask:
        hair = self._hair(pixels, subject, edit, notices)
        return regions.region_of(subject, edit, (pixels.shape[0], pixels.shape[1]), hair)

    def _hair(self, pixels: Pixels, subject: Subject, edit: Edit, notices: list[str]) -> Mask | None:
        """Hair outlined by SAM, as far as it is this person's; None where that is not to be had."""
        wanted = edit.operation is Operation.FACE_HAIR and edit.mask is None and subject.face is not None
        if not wanted or not sam.is_available(self.settings):
            return None
        assert subject.face is not None
        on, off = regions.hair_click(subject.face)
        try:
            found = sam.segment(pixels, [on], off, self.settings)
        except (ModelError, EngineError) as error:
            notices.append(f"{error} Hair is outlined without it.")
            return None
        return masks.intersect(found, regions.body(subject, found.photo_size))

    def _words(self, pixels: Pixels, subject: Subject, notices: list[str]) -> dict[str, str]:
        """What CLIP says of the face, where its weights are here."""
        if subject.face is None or not clip.is_available(self.settings):
            return {}
        try:
            return clip.read_words(pixels, subject.face.box, self.settings)
        except (ModelError, EngineError) as error:
            notices.append(f"{error} The new person is described without it.")
            return {}

    def _candidate(
        self, pixels: Pixels, subject: Subject, edit: Edit, scene: _Scene, drawn: Floats, seed: int
    ) -> Candidate:
        size = (pixels.shape[0], pixels.shape[1])
        back, window = scene.crop.restore(drawn, size)
        painted = np.clip(np.asarray(back, np.float32), 0.0, 255.0)
        notices: tuple[str, ...] = ()
        if edit.operation is not Operation.FACE:
            painted, notices = self._with_background(pixels, subject, scene, drawn, painted, window, seed)
        w = scene.region.window
        soft = max(1.0, FEATHER * max(w.width, w.height))
        return Candidate(seed, window, painted, masks.feather(scene.region, window, soft), notices=notices)

    def _with_background(
        self,
        pixels: Pixels,
        subject: Subject,
        scene: _Scene,
        drawn: Floats,
        painted: Floats,
        window: Window,
        seed: int,
    ) -> tuple[Floats, tuple[str, ...]]:
        """Show the place behind where the old hair or body was larger than the new one."""
        if self._background is None:
            return painted, ()
        outline = self._outline(np.clip(drawn, 0, 255).astype(np.uint8))
        if outline is None:
            return painted, ()
        size = (pixels.shape[0], pixels.shape[1])
        inside, place = scene.crop.restore(outline.astype(np.float32), size)
        person = Mask.from_window(np.asarray(inside) > 0.5, place, size)
        rim = regions.uncovered_rim(person, scene.region)
        if rim.area < MIN_RIM * scene.region.area:
            return painted, ()
        # Nothing may be learnt from the person who goes: the hole is the rim, the whole of the old person is barred.
        barred = masks.union([scene.region, subject.mask], size)
        try:
            fill = self._background.predict(pixels, rim, barred, seed)
        except (ModelError, MaskError) as error:
            return painted, (f"{error} The rim around the new person is drawn by {self.record.name} instead.",)
        return regions.lay_on_background(painted, person, scene.region, window, fill), fill.notices


def _taking_part(record: ModelRecord, settings: Settings) -> tuple[str, ...]:
    """Names in the registry of everything that is used beside the record itself, and of that."""
    extras = ("sdxl-lcm-lora", "sdxl-openpose") if record.name == "sdxl-inpainting" else ()
    return (record.name, *(name for name in (*extras, sam.NAME, clip.NAME) if is_present(name, settings)))


@dataclass(frozen=True, eq=False, slots=True)
class _Scene:
    """What all candidates of one edit have in common."""

    region: Mask
    crop: Crop
    square: Pixels
    inside: Bools
    prompt: str
    skeleton: Pixels | None


def _set_scene(pixels: Pixels, subject: Subject, edit: Edit, region: Mask, side: int) -> _Scene:
    crop = square_inside(region.window.box, CONTEXT[edit.operation], side, region.photo_size)
    seen = _attributes(pixels, subject)
    text = prompt.describe(edit.operation, prompt.words_for(seen, edit.attributes), prompt.view_of(seen))
    pose = None if edit.operation is Operation.FACE else _pose(pixels, subject, crop)
    return _Scene(region, crop, crop.extract(pixels), painter.hidden_in(crop, region), text, pose)


def _attributes(pixels: Pixels, subject: Subject) -> Attributes | None:
    if subject.face is None or subject.face.landmarks is None:
        return None
    return read_attributes(pixels, subject.face)


def _pose(pixels: Pixels, subject: Subject, crop: Crop) -> Pixels | None:
    window = Window.around(
        subject.mask.window.box if subject.mask.area else subject.box,
        pixels.shape[0],
        pixels.shape[1],
        0.05 * max(subject.mask.window.height, 1),
    )
    points = skeleton.with_face(skeleton.body_points(pixels, window), subject.face)
    return None if points is None else skeleton.draw(points, crop)


def diffusion_synthesiser(settings: Settings, background: BackgroundPredictor | None = None) -> Diffusion | None:
    """The engine, where its weights are here and it is wanted; None otherwise (`why_no_diffusion` says why).

    `auto` wants it only with a GPU: on a processor one candidate takes minutes.
    """
    record = painter.choose_painter(settings)
    if record is None or why_no_diffusion(settings):
        return None
    return Diffusion(record, settings, background)


def why_no_diffusion(settings: Settings) -> str:
    """One sentence on what is missing for this engine and what to do about it; empty when nothing is."""
    if settings.engine == "embedded":
        return "Only the embedded engine is switched on; set IDENTIGEN_ENGINE to auto or diffusion."
    if painter.choose_painter(settings) is None:  # asked first: looking for a device loads torch
        return _what_to_fetch(settings)
    try:
        device = choose_device(settings.device, may_be_lent=True)
    except EngineError as error:
        return str(error)
    if device == "cpu" and settings.engine != "diffusion":
        return (
            "Drawing hair and bodies takes minutes without a GPU; set IDENTIGEN_ENGINE=diffusion to do it all the same."
        )
    return ""


def _what_to_fetch(settings: Settings) -> str:
    name = "flux2-klein-4b" if settings.diffusion_model == "auto" else settings.diffusion_model
    try:
        locate(name, settings)
    except ModelError as error:
        smaller = " On a GPU below 13 GB take sdxl-inpainting." if settings.diffusion_model == "auto" else ""
        return f"{error}{smaller}"
    return ""
