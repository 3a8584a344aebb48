"""The embedded engine: a new face from the shipped appearance model, with no download and no GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from identigen.errors import EngineError, Stopped
from identigen.identity.appearance import Codec, brightness, load_codec, threefold
from identigen.identity.conditions import Conditions, load_conditions
from identigen.identity.fine_detail import STAYS, FineDetail, finest_detail, load_fine_detail
from identigen.identity.foretelling import load_foretelling
from identigen.identity.harmoniser import load_harmoniser
from identigen.identity.imagination import Blend, Course, imagine, leisure, usual_identity
from identigen.identity.lending import load_lending
from identigen.identity.mannerisms import load_mannerisms
from identigen.identity.mesh import POINTS, Mesh
from identigen.identity.portrait import Portrait, read_portrait
from identigen.identity.prior import load_prior
from identigen.landmarks import eye_distance, face_box, find_landmarks, mouth_openness
from identigen.masks import intersect, rectangle
from identigen.recognition import default_recogniser
from identigen.recognition.attributes import WISHES
from identigen.synthesis.complexion import Complexion, read_complexion
from identigen.synthesis.hair import sparing_brows
from identigen.synthesis.harmonising import harmonised
from identigen.synthesis.rendering import Canvas, Drawing, Sketchbook, draw, paint, prepare, surroundings
from identigen.synthesis.retouching import matched, modelled
from identigen.synthesis.shaping import NOTHING, Missed, missed, new_shape
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
    Sighting,
    Stop,
    Subject,
)

SKIN_GAIN = {"lighter": 1.15, "darker": 0.85}  # more would no longer go with the neck
UNSTEADY, PIXEL = 0.045, 0.5  # of the face, and pixels of the photo: what sound points move by at most
WIDEST = 0.55  # opening of a mouth, against the eye distance, that the mesh follows; of a wider one teeth would be left
LEAST_LIKE = 0.2  # correlation with the usual face: of photos whose mesh lies where it should, none is below 0.3
RIM = 18.0  # pixels of the map, that tell more of hair and jaw
REACH = 1.0  # of the face on each side: all that is ever looked at
MANNERED_IN_NEED = 0.5  # share of the mannerisms that goes where nobody was far enough
MARGIN = 0.25  # a new face never changes a pixel outside of its box grown by this share of its sides


class Embedded:
    """Draws faces by flow matching over an appearance model; see `identigen.identity`."""

    name = "embedded"
    operations = frozenset({Operation.FACE})
    models: tuple[str, ...] = ("identigen-appearance", "mediapipe-face-mesh", "dlib-resnet")
    # Never all the way: a grimace is worse than a cover.
    rounds: tuple[tuple[float, int], ...] = ((0.0, 12), (0.25, 6), (0.7, 24))

    def prepare(self) -> None:
        """Read the weights."""
        load_fine_detail(load_codec().mesh)
        load_conditions()
        load_foretelling()
        load_lending()
        load_mannerisms()
        load_prior()
        load_harmoniser()

    def region(self, pixels: Pixels, subject: Subject, edit: Edit) -> Mask:
        """The face's box grown by a quarter, less what the user's mask leaves out."""
        if subject.face is None:
            return Mask.empty(*pixels.shape[:2])
        x1, y1, x2, y2 = subject.face.box
        dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
        grown = rectangle((x1 - dx, y1 - dy, x2 + dx, y2 + dy), (pixels.shape[0], pixels.shape[1]))
        return grown if edit.mask is None else intersect(grown, edit.mask)

    def propose(
        self,
        pixels: Pixels,
        subject: Subject,
        edit: Edit,
        seeds: Sequence[int],
        company: Company | None = None,
        stop: Stop | None = None,
    ) -> Proposals:
        """Yield one candidate for each seed, drawn when asked for; all are of the kind that `edit.seed` likes.

        Told how they were seen, it foretells the next ones better, and lets them descend from the farthest.
        """
        face = with_landmarks(pixels, subject)
        codec, conditions = load_codec(), load_conditions()
        fine = load_fine_detail(codec.mesh)
        company = company or Company()
        embedding = company.source
        if embedding is None:
            embedding = default_recogniser().describe(pixels, [face])[0]
        assert face.landmarks is not None
        here = surroundings(face.landmarks, pixels, REACH)
        pixels = pixels[here.slices]
        points = face.landmarks - np.array([here.left, here.top, 0], np.float32)
        if not is_steady(codec.mesh, pixels, points):
            raise _uncertain(subject)
        wishes = dict(edit.attributes)
        off = wishes.get("glasses") == "none"
        portrait = read_portrait(codec, conditions, pixels, points, embedding, glasses_off=off)
        if off and portrait.glasses == "dark":
            raise _behind_dark_glasses(subject)
        blend = read_blend(wishes.pop("blend", ""))
        condition = override(conditions, portrait.raw_condition, wishes)
        gain = SKIN_GAIN.get(wishes.get("skin", ""), 1.0)
        sitting = sit(codec, conditions, fine, portrait, pixels, condition, gain)
        if sitting.likeness < LEAST_LIKE:
            raise _uncertain(subject)
        course = Course.away_from(portrait, embedding, condition, edit.strength, company.others, company.given)
        tried = list(company.tried)
        for seed in seeds:
            if stop is not None and stop():
                raise Stopped("Stopped; the people who were finished are kept.")
            # One by one: sums over other batches differ in the last digit, and a seed shall repeat to the last byte.
            [identity] = imagine(course.after(tried), [seed], blend, edit.seed)
            drawing = sitting.draw(identity, edit.strength)
            window = drawing.window.placed_in(here)
            seen = yield Candidate(seed, window, drawing.pixels, drawing.coverage, identity, drawing.skin)
            if seen is not None:
                tried.append(Sighting(identity, seen))

    def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
        """Mend what drawing left behind."""
        points = with_landmarks(pixels, subject).landmarks
        assert points is not None
        return harmonised(pixels, points, candidate)


@dataclass(frozen=True, eq=False, slots=True)
class Sitting:
    """One face while it is drawn: what all candidates share.

    `usual` is the mean detail map for its condition, `kind` what its features' lenders have of it. `finest`
    `(SIDE, SIDE)` is the finest detail of the photo's face. `mannered` and `misplaced` are what would be drawn on
    everybody here, on the map `(SIDE, SIDE, 3)` and of points `(468, 3)`; see `identigen.identity.mannerisms`.
    """

    codec: Codec
    fine: FineDetail
    portrait: Portrait
    canvas: Canvas
    sketchbook: Sketchbook
    pixels: Pixels
    usual: Floats
    complexion: Complexion
    kind: Floats
    finest: Floats
    mannered: Floats
    misplaced: Floats

    @property
    def likeness(self) -> float:
        """How like a face the portrait looks on its map, from -1 to 1; little where the mesh lies beside it."""
        portrait = self.portrait
        weight = np.asarray(self.codec.mesh.depth(RIM) * portrait.seen * ~portrait.hidden, np.float32)
        own, usual = brightness(portrait.detail), brightness(self.usual)
        return float(np.nan_to_num(cv2.matchTemplate(own, usual, cv2.TM_CCOEFF_NORMED, mask=weight)[0, 0]))

    def draw(self, identity: Floats, strength: float) -> Drawing:
        """Draw the `identity` `(d,)` over the face."""
        k = len(self.codec.detail_scale)
        skin = self.painted(identity[:k], leisure(strength))
        seen = self.sketchbook.seen(self.codec, skin, self.built(identity[k:], strength))
        wanting = NOTHING if seen is None else missed(self.sketchbook.portrait.points, seen)
        return self.laid(skin, self.built(identity[k:], strength, wanting))

    def built(self, code: Floats, strength: float, wanting: Missed = NOTHING) -> Floats:
        """The aligned points `(468, 3)` of a shape `code`; see `shaping.new_shape`."""
        return new_shape(self.codec, self.portrait, code, strength, wanting) - self.misplaced

    def painted(self, code: Floats, leisure: float = 1.0) -> Floats:
        """The skin of a detail `code` `(k,)` as it would look in this photo, with features that are lent."""
        modelled = self.modelled(self.codec.decode(code), leisure)
        detail = self.fine.added(modelled, self.kind, self.finest, self.portrait.brows)
        return self.lit(self.matched(detail, leisure))

    def modelled(self, detail: Floats, leisure: float = 1.0) -> Floats:
        """A detail map `(SIDE, SIDE, 3)` as softly modelled as this photo; see `retouching.modelled`."""
        return modelled(self.codec, self.portrait, detail, self.usual, leisure)

    def matched(self, detail: Floats, leisure: float = 1.0) -> Floats:
        """A finished detail map `(SIDE, SIDE, 3)` in the colours of this photo; see `retouching.matched`.

        It is rid of mannerisms: of all of them at `leisure`, of half of them where nobody was far enough.
        """
        detail = matched(self.codec, self.portrait, detail, self.complexion, leisure)
        share = np.float32(np.interp(leisure, (0, 1), (MANNERED_IN_NEED, 1)))
        return detail - sparing_brows(self.codec.mesh, share * self.mannered, detail)

    def lit(self, detail: Floats) -> Floats:
        """The skin of a detail map `(SIDE, SIDE, 3)` in this photo's light; see `paint`."""
        return paint(self.canvas, detail)

    def laid(self, skin: Floats, shape: Floats) -> Drawing:
        """A painted `skin` on the aligned `shape` `(468, 3)`, over the face; see `draw`."""
        return draw(self.codec, self.portrait, self.canvas, self.pixels, skin, shape)


def is_steady(mesh: Mesh, pixels: Pixels, points: Floats) -> bool:
    """Whether the same `points` `(478, 3)` are found on the face's mirror image, and no mouth wider than the mesh goes.

    Elsewhere (a wide scream, a full profile) features would be drawn beside the true ones.
    """
    if mouth_openness(points) > WIDEST:
        return False
    x1, y1, x2, y2 = face_box(points)
    around = surroundings(points, pixels)
    flipped = np.ascontiguousarray(pixels[around.slices][:, ::-1])
    again = find_landmarks(flipped, (around.right - x2, y1 - around.top, around.right - x1, y2 - around.top))
    if again is None:
        return False
    back = np.stack([around.right - 1 - again[:POINTS, 0], again[:POINTS, 1] + around.top], -1)[mesh.mirror]
    away = np.median(np.linalg.norm(back - points[:POINTS, :2], axis=1))
    return bool(away < UNSTEADY * np.sqrt((x2 - x1) * (y2 - y1)) + PIXEL)


def sit(
    codec: Codec,
    conditions: Conditions,
    fine: FineDetail,
    portrait: Portrait,
    pixels: Pixels,
    condition: Floats,
    skin_gain: float = 1.0,
) -> Sitting:
    """Prepare what all candidates for a portrait under one `condition` `(c,)` share; `skin_gain` makes skin lighter."""
    usual = codec.decode(usual_identity(conditions, condition)[: len(codec.detail_scale)])
    canvas = prepare(codec, portrait, pixels)
    canvas = replace(canvas, coarse=canvas.coarse * np.float32(skin_gain))
    complexion, finest = read_complexion(codec, portrait), finest_detail(portrait.detail, portrait.seen)
    sketchbook = Sketchbook.of(portrait, canvas, pixels)
    hand = load_mannerisms()
    mannered, misplaced = hand.on_skin(condition), eye_distance(portrait.aligned) * hand.on_shape(condition)
    grey = threefold(brightness(mannered))
    mannered = grey + np.float32(complexion.colourful) * (mannered - grey)
    return Sitting(
        codec, fine, portrait, canvas, sketchbook, pixels, usual, complexion, condition[STAYS], finest,
        mannered, misplaced,
    )  # fmt: skip


def read_blend(text: str) -> Blend | None:
    """`SEED@SHARE`: identities part of the way to another seed's person; None for an empty text.

    Raises `EngineError` for what cannot be read.
    """
    if not text:
        return None
    seed, _, share = text.partition("@")
    try:
        blend = Blend(int(seed), float(share))
    except ValueError:
        blend = Blend(-1, -1.0)
    if blend.seed < 0 or not 0 <= blend.share <= 1:
        raise EngineError(
            f"blend={text} cannot be read; write SEED@SHARE with a share from 0 to 1, for example 42@0.5."
        )
    return blend


def override(conditions: Conditions, raw: Floats, attributes: Mapping[str, str]) -> Floats:
    """The whitened condition, with what the user asked for put in; raise `EngineError` for what is unknown."""
    changed = np.array(raw)
    for name, wish in attributes.items():
        table = OVERRIDES.get(name)
        if table is None or wish not in table:
            known = ", ".join(f"{key}={'/'.join(values)}" for key, values in OVERRIDES.items())
            raise EngineError(f"the embedded engine knows no attribute {name}={wish}; it knows {known}.")
        for condition, value in table[wish].items():
            changed[conditions.index[condition]] = value
    return conditions.whiten(changed)


OVERRIDES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    # The condition is the root of the age.
    **{
        name: {wish: {field: value**0.5 if field == "age" else value} for wish, value in values.items()}
        for name, (field, values) in WISHES.items()
    },
    "skin": {"lighter": {}, "darker": {}},  # the photo's own light is drawn lighter or darker: see SKIN_GAIN
    "glasses": {"none": {}},  # no frames are kept; there are none that could be put on
}


def _uncertain(subject: Subject) -> EngineError:
    return EngineError(
        f"The face of person {subject.id} is turned or opened so far that its features were not found with "
        "certainty; cover or remove this person instead."
    )


def _behind_dark_glasses(subject: Subject) -> EngineError:
    return EngineError(
        f"Person {subject.id} wears dark glasses, and the photo does not show the eyes behind them; leave the glasses "
        "on, or cover or remove this person instead."
    )


def with_landmarks(pixels: Pixels, subject: Subject) -> Face:
    """The face with its points; raise `EngineError` when there is no face, or none of its points is found."""
    face = subject.face
    if face is None:
        raise EngineError(
            f"Person {subject.id} shows no face that could be replaced; cover or remove this person instead."
        )
    if face.landmarks is not None:
        return face
    points = find_landmarks(pixels, face.box)
    if points is None:
        raise EngineError(
            f"No landmarks were found on the face of person {subject.id}; cover or remove this person instead."
        )
    return Face(face.box, points, face.pose, face.score)
