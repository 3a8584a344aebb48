"""New face and hair on the embedded engine: a sharp new face first, then the head model draws everything around it.

For each seed: new face (`embedded`) -> square around the head -> hair, ears and outline by the head model, in 256 px
-> background predicted where the old hair was larger -> back to the photo's scale, the new face sharp on top. Whether
a candidate is good enough is decided by the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from identigen import masks
from identigen.background import BackgroundPredictor
from identigen.crop import Crop
from identigen.errors import EngineError, MaskError, ModelError, Stopped
from identigen.identity.head import (
    HAIR,
    PERSON,
    TRAITS,
    HeadModel,
    Scene,
    Traits,
    frame,
    hair_traits,
    inner_face,
    keypoints,
    load_head,
    noise_of,
    sample,
)
from identigen.landmarks import find_landmarks
from identigen.recognition import default_recogniser
from identigen.recognition.attributes import read_attributes
from identigen.synthesis import regions
from identigen.synthesis.embedded import OVERRIDES, Embedded, with_landmarks
from identigen.types import (
    Candidate,
    Company,
    Edit,
    Face,
    Floats,
    Mask,
    Operation,
    Pixels,
    Proposals,
    Stop,
    Subject,
    Window,
)

ROOM = 0.18
"""So far into the background, in sizes of the face, new hair may be larger than the old."""
FEATHER = 0.03
"""Width of the soft rims of region and inner face, in sizes of the face."""
FACES = 4
"""So many new faces are measured before hair is drawn around the best: a face takes a tenth of the time of a head."""
ALIKE = 48
"""Heads among which a seed chooses its hair: those of the most similar age, gender presentation and skin tone."""
WISHED = 6.0
"""How much more than those a wish counts."""
USUAL = 3.0
"""No trait is asked for that lies farther from the mean, in standard deviations."""
SOLID = 0.9
"""From this opacity on a pixel is all the new head's: of the old one nothing may shine through."""
HALO = 0.02
"""The old head is wider than its outline by so much of the face: fine hair, ringing of JPEG."""
NECK = 0.06
"""So far below the chin, in heights of the face, the neck stays the photo's own."""
SHORT = 0.02
"""Hair with less than this below the mouth, in faces, is short: beside the neck everything stays, too."""
EDGE = 0.02
"""So much of the square's rim is never drawn: the model must see what it continues."""
MIN_RIM = 0.002
"""A rim smaller than this share of the region is not worth a prediction."""

WISHES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "hair": {
        "black": {"hair_lightness": 10, "hair_green_red": 2, "hair_blue_yellow": 2},
        "brown": {"hair_lightness": 25, "hair_green_red": 9, "hair_blue_yellow": 13},
        "blond": {"hair_lightness": 60, "hair_green_red": 6, "hair_blue_yellow": 28},
        "red": {"hair_lightness": 36, "hair_green_red": 24, "hair_blue_yellow": 30},
        "grey": {"hair_lightness": 62, "hair_green_red": 0, "hair_blue_yellow": 4},
        "none": {"hair_area": 0, "hair_length": 0},
    },
    "hair_length": {"short": {"hair_length": 0}, "long": {"hair_length": 0.25}},
}
"""What `Edit.attributes` may ask for, beside what the embedded engine knows: the nearest taught heads are taken."""


@dataclass(frozen=True, eq=False, slots=True)
class _Stage:
    """What all candidates of one edit have in common: `old` is the head that was there, `body` the whole person."""

    face: Face
    region: Mask
    old: Mask
    body: Mask
    square: Window

    @property
    def size(self) -> tuple[int, int]:
        return self.region.photo_size

    @property
    def window(self) -> Window:
        """The part of the square that lies inside the photo."""
        return self.square.intersection(Window(0, 0, self.size[1], self.size[0]))

    @property
    def soft(self) -> float:
        """Width of the rims in pixels."""
        return max(1.0, FEATHER * self.face.size_px)


@dataclass(frozen=True, eq=False, slots=True)
class _NewFace:
    """The photo with a new face; `inner` is what of it stays, empty where the head model has to draw it."""

    pixels: Pixels
    inner: Mask
    identity: Floats | None = None


class HeadPainter:
    """Draws heads by the embedded engine's own model; the background shows where the new hair is smaller."""

    name = "embedded"
    operations = frozenset({Operation.FACE_HAIR})
    rounds: tuple[tuple[float, int], ...] = ((0.0, 4), (0.5, 4))
    models: tuple[str, ...] = ("identigen-head", *Embedded.models)

    def __init__(self, background: BackgroundPredictor) -> None:
        self._background = background
        self._faces = Embedded()

    def prepare(self) -> None:
        """Read the weights."""
        self._faces.prepare()
        load_head()

    def region(self, pixels: Pixels, subject: Subject, edit: Edit) -> Mask:
        """Face and hair with room for larger hair, as far as the model's square reaches."""
        return _set_stage(pixels, subject, edit).region

    def propose(
        self,
        pixels: Pixels,
        subject: Subject,
        edit: Edit,
        seeds: Sequence[int],
        company: Company | None = None,
        stop: Stop | None = None,
    ) -> Proposals:
        """Yield one candidate for each seed; see `Synthesiser`."""
        stage, model = _set_stage(pixels, subject, edit), load_head()
        company = company or Company()
        if company.source is None:
            company = replace(company, source=default_recogniser().describe(pixels, [stage.face])[0])
        person = _person(pixels, stage.face, edit, company)
        for seed in seeds:
            traits = choose_traits(model.traits, person, edit.attributes, seed)
            new = self._new_face(pixels, subject, stage, edit, seed, company, stop)
            colour, opacity = _draw(model, stage, new, traits, seed, stop)
            below, notices = self._uncover(pixels, stage, colour, opacity, seed, stop)
            painted = below + opacity[..., None] * (colour - below)
            sharp = masks.feather(new.inner, stage.window, stage.soft)[..., None]
            painted = painted + sharp * (new.pixels[stage.window.slices] - painted)
            coverage = masks.feather(stage.region, stage.window, stage.soft)
            yield Candidate(seed, stage.window, painted.astype(np.float32), coverage, new.identity, notices=notices)

    def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
        """As it is: its face was finished before hair was drawn around it."""
        return candidate

    def _new_face(
        self,
        pixels: Pixels,
        subject: Subject,
        stage: _Stage,
        edit: Edit,
        seed: int,
        company: Company,
        stop: Stop | None,
    ) -> _NewFace:
        """Of several new faces the first that the recogniser takes for somebody else, else the farthest."""
        recogniser, source = default_recogniser(), company.source
        wishes = {name: wish for name, wish in edit.attributes.items() if name not in WISHES}
        order = replace(edit, operation=Operation.FACE, attributes=wishes)
        seeds = [seed, *(np.random.SeedSequence([seed, 13]).generate_state(FACES - 1) % 2**31).tolist()]
        best, farthest = _NewFace(pixels, Mask.empty(*stage.size)), -1.0
        for candidate in self._faces.propose(pixels, subject, order, seeds, company, stop):
            shown = _blended(pixels, self._faces.finish(pixels, subject, candidate))
            points = find_landmarks(shown, stage.face.box)
            if points is None:
                continue
            apart = float(np.linalg.norm(recogniser.describe(shown, [Face(stage.face.box, points)])[0] - source))
            if apart > farthest:
                best, farthest = _NewFace(shown, inner_face(points, stage.size), candidate.identity), apart
            if apart >= recogniser.threshold:
                break
        return best

    def _uncover(
        self, pixels: Pixels, stage: _Stage, colour: Floats, opacity: Floats, seed: int, stop: Stop | None
    ) -> tuple[Floats, tuple[str, ...]]:
        """The photo over the stage's window, with predicted background where the new head leaves the old one bare.

        Where none can be predicted the model's own guess stands there: the old hair never does.
        """
        below = pixels[stage.window.slices].astype(np.float32)
        person = Mask.from_window(opacity >= 1, stage.window, stage.size)
        rim = masks.intersect(masks.uncovered(stage.old, person), stage.region)
        bare = rim.within(stage.window)[..., None]
        if rim.area < MIN_RIM * stage.region.area:
            return np.where(bare, colour, below), ()
        # Nothing may be learnt from the person who goes: the hole is the rim, the whole of the old person is barred.
        barred = masks.union([stage.old, stage.body], stage.size)
        try:
            fill = self._background.predict(pixels, rim, barred, seed, stop)
        except (ModelError, EngineError, MaskError) as error:
            return np.where(bare, colour, below), (
                f"{error} The rim around the new head is drawn by its model instead.",
            )
        own = fill.window.intersection(stage.window)
        place = own.relative_to(stage.window).slices
        below[place] = np.where(bare[place], fill.pixels[own.relative_to(fill.window).slices], below[place])
        return below, fill.notices


def choose_traits(table: Traits, person: Floats, wishes: Mapping[str, str], seed: int) -> Floats:
    """Whitened traits `(9,)` for a seed: hair as some taught head has it who is like `person` `(4,)` and the wishes.

    Raises `EngineError` for a wish that is unknown.
    """
    raw = np.concatenate([table.mean[: len(HAIR)], person]).astype(np.float32)
    weights = np.array([0.0] * len(HAIR) + [1.0] * len(PERSON), np.float32)
    for name, wish in wishes.items():
        if name in WISHES and wish not in WISHES[name]:
            raise EngineError(f"the head model knows no {name}={wish}; it knows {name}={'/'.join(WISHES[name])}.")
        for trait, value in WISHES.get(name, {}).get(wish, {}).items():
            raw[TRAITS.index(trait)], weights[TRAITS.index(trait)] = value, WISHED
    wished = bool(weights[: len(HAIR)].any())
    near = table.nearest(raw, weights, ALIKE // 4 if wished else ALIKE)
    hair = near[np.random.default_rng([seed, 17]).integers(len(near)), : len(HAIR)]
    return np.clip(table.whiten(np.concatenate([hair, person])), -USUAL, USUAL)


def _set_stage(pixels: Pixels, subject: Subject, edit: Edit) -> _Stage:
    face, size = with_landmarks(pixels, subject), (pixels.shape[0], pixels.shape[1])
    assert face.landmarks is not None
    head = regions.region_of(replace(subject, face=face), edit, size)
    square = frame(face.landmarks, head).window
    region = head
    if edit.mask is None:  # into the background only: nobody's clothes need to be drawn anew
        room = masks.subtract(masks.grow(head, ROOM * face.size_px), subject.mask)
        region = masks.subtract(masks.union([head, room], size), _neck(pixels, subject, face, size))
    inset = EDGE * square.width
    x1, y1, x2, y2 = square.box
    reach = masks.rectangle((x1 + inset, y1 + inset, x2 - inset, y2 - inset), size)
    person = masks.union([subject.mask, regions.face_oval(face, size)], size)
    old = masks.grow(masks.intersect(head, person), HALO * face.size_px)
    return _Stage(face, masks.intersect(region, reach), old, subject.mask, square)


def _neck(pixels: Pixels, subject: Subject, face: Face, size: tuple[int, int]) -> Mask:
    """What stays below a chin: the neck, and unless there hangs hair, everything beside it."""
    assert face.landmarks is not None
    points = face.landmarks
    crop = frame(points)
    window, moved = crop.window, crop.to_crop(points)
    hair, oval = (
        cv2.resize(mask.within(window).astype(np.uint8), (crop.side, crop.side)) > 0
        for mask in (regions.hair_above(replace(subject, face=face), size), regions.face_oval(face, size))
    )
    length = hair_traits(crop.extract(pixels), hair, oval, moved)[HAIR.index("hair_length")]
    down = points[152, :2] - points[10, :2]
    top = points[152, :2] + NECK * down
    aside = (points[397, :2] - points[172, :2]) / 2 * (1.0 if length > SHORT else 5.0)
    return masks.polygon(np.array([top - aside, top + aside, top + aside + 2 * down, top - aside + 2 * down]), size)


def _person(pixels: Pixels, face: Face, edit: Edit, company: Company) -> Floats:
    """`PERSON` `(4,)` of a face, with what was asked for put in."""
    seen = read_attributes(pixels, face, company.source)
    read = {"age": seen.age**0.5, "femininity": seen.femininity, "beard": seen.beard}
    for name, wish in edit.attributes.items():
        read |= OVERRIDES.get(name, {}).get(wish, {})
    return np.array([read["age"], read["femininity"], read["beard"], seen.tone], np.float32)


def _blended(pixels: Pixels, candidate: Candidate) -> Pixels:
    out = np.array(pixels)
    below = out[candidate.window.slices]
    share = candidate.coverage[..., None]
    out[candidate.window.slices] = np.rint(np.clip(below + share * (candidate.pixels - below), 0, 255)).astype(np.uint8)
    return out


def _draw(
    model: HeadModel, stage: _Stage, new: _NewFace, traits: Floats, seed: int, stop: Stop | None
) -> tuple[Floats, Floats]:
    """Colour `(h, w, 3)` in 0..255 and opacity `(h, w)` in 0..1 of a new head over the stage's window."""
    crop, device = Crop(stage.square, model.side), model.network.device
    person = masks.union([stage.body, stage.old], stage.size)
    hidden = masks.subtract(stage.region, new.inner)
    skin = regions.face_oval(stage.face, stage.size)

    def square(mask: Mask) -> torch.Tensor:
        inside = mask.within(stage.square).astype(np.float32)
        return torch.from_numpy(cv2.resize(inside, (crop.side, crop.side), interpolation=cv2.INTER_AREA))[None, None]

    def may_go_on() -> None:
        if stop is not None and stop():
            raise Stopped("Stopped; the people who were finished are kept.")

    assert stage.face.landmarks is not None
    colour = torch.from_numpy(crop.extract(new.pixels)).permute(2, 0, 1)[None].float() / 255
    scene = Scene(
        picture=(2 * torch.cat([colour, square(person)], 1) - 1).to(device),
        mask=(square(hidden) > 0.5).float().to(device),
        skin=(square(skin) > 0.5).float().to(device),
        keypoints=torch.from_numpy(crop.to_crop(keypoints(stage.face.landmarks)) / crop.side)[None].to(device),
        traits=torch.from_numpy(traits)[None].to(device),
        told=torch.ones(1, 2, device=device),
    )
    drawn = sample(model.network, scene, noise_of(seed, crop.side).to(device), between=may_go_on)
    values = (drawn[0].permute(1, 2, 0).cpu().numpy() + 1) / 2
    back = np.clip(crop.restore(np.ascontiguousarray(values), stage.size)[0], 0, 1)
    opacity = np.clip(back[..., 3] / SOLID, 0, 1)
    return np.asarray(255 * back[..., :3], np.float32), np.asarray(opacity, np.float32)
