"""The embedded engine: a new face from the shipped appearance model, with no download and no GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from identigen.errors import EngineError, Stopped
from identigen.identity.appearance import Codec, load_codec
from identigen.identity.conditions import NAMES, VAGUENESS, Conditions, load_conditions
from identigen.identity.portrait import Portrait, read_portrait
from identigen.identity.prior import load_prior, noise, sample
from identigen.landmarks import EYES, OVAL, find_landmarks
from identigen.masks import intersect, rectangle
from identigen.recognition import default_recogniser
from identigen.synthesis.rendering import draw, prepare
from identigen.types import Candidate, Company, Edit, Face, Floats, Mask, Operation, Pixels, Stop, Subject

TEMPERATURE = 0.9  # of the noise: a little less than the data's own spread keeps rare oddities out
DISTANCE = (0.4, 1.0)  # foretold distance from the source at strength 0 and 1
STIFFNESS = 1e-3
LOOSE = 0.6
PUSH = 0.6
CHANCES = 12
FREE = 0.75  # from this strength on, kinship may be given up for distance
YAW = NAMES.index("yaw")
BARE_SKIN, SKIN_TINT, LIP_TINT = 0.5, 0.25, 0.7
KEEPING = 0.1
RIM_FREEDOM, RIM_DEPTH = 0.4, 0.35  # share of the new build that the outline gets; how deep, in half faces, it is held
ELBOW_ROOM = 0.7  # foretold distance from everybody else in the photo
MARGIN = 0.25  # a new face never changes a pixel outside of its box grown by this share of its sides


class Embedded:
    """Draws faces by flow matching over an appearance model; see `identigen.identity`."""

    name = "embedded"
    operations = frozenset({Operation.FACE})
    models: tuple[str, ...] = ("identigen-appearance", "mediapipe-face-mesh", "dlib-resnet")

    def prepare(self) -> None:
        """Read the weights."""
        load_codec()
        load_conditions()
        load_prior()

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
    ) -> Iterator[Candidate]:
        """Yield one candidate for each seed; all identities are sampled at once, each is drawn when asked for."""
        face = with_landmarks(pixels, subject)
        codec, conditions = load_codec(), load_conditions()
        company = company or Company()
        embedding = company.source
        if embedding is None:
            embedding = default_recogniser().describe(pixels, [face])[0]
        assert face.landmarks is not None
        portrait = read_portrait(codec, conditions, pixels, face.landmarks, embedding)
        condition = override(conditions, portrait.raw_condition, edit.attributes)
        strangers = [vector - embedding for vector in (*company.others, *company.given)]
        identities = imagine(conditions, portrait, condition, seeds, edit.strength, strangers)
        canvas = prepare(codec, portrait, pixels)
        k = len(codec.detail_scale)
        colourful = float(np.clip(np.ptp(portrait.coarse[codec.mesh.inside], axis=1).mean() / 15, 0, 1))
        usual = codec.decode((np.append(condition, 1).astype(np.float32) @ conditions.middle)[:k])
        for seed, identity in zip(seeds, identities, strict=True):
            if stop is not None and stop():
                raise Stopped("Stopped; the people who were finished are kept.")
            shape = new_shape(codec, portrait, identity[k:], edit.strength)
            drawing = draw(
                codec, portrait, canvas, pixels, calmed(codec, codec.decode(identity[:k]), usual, colourful), shape
            )
            yield Candidate(seed, drawing.window, drawing.pixels, drawing.coverage, identity)


def imagine(
    conditions: Conditions,
    portrait: Portrait,
    condition: Floats,
    seeds: Sequence[int],
    strength: float,
    strangers: Sequence[Floats] = (),
) -> Floats:
    """Identities `(n, d)` under the portrait's condition, far from the portrait's own.

    For each seed several people are imagined, and the one is taken who is far enough at the least change of what must
    stay. "Far" is measured where it counts, in the recogniser's embedding as foretold from the latent, but only across
    the directions of apparent age, gender presentation, beard and (but for high strengths) kinship, which shall stay.
    `strangers` `(d,)` are other people as seen from the portrait's embedding: nobody is taken who would resemble them.
    """
    own = np.concatenate([portrait.code, portrait.shape_code])
    likeness = conditions.likeness
    kept = np.linalg.qr(conditions.axes[: 7 if strength < FREE else 3].T)[0]
    lift = np.linalg.solve(likeness @ likeness.T + STIFFNESS * np.eye(len(likeness)), likeness)
    wanted = DISTANCE[0] + (DISTANCE[1] - DISTANCE[0]) * strength

    def apart(heading: Floats) -> tuple[Floats, Floats, Floats]:
        whole = (heading - own) @ likeness.T
        across = whole - whole @ kept @ kept.T
        return whole, across, np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)

    def lead_away(heading: Floats) -> Floats:
        _, across, length = apart(heading)
        step = across / length @ lift
        gain = np.maximum(((step @ likeness.T) * across / length).sum(1, keepdims=True), 0.1)
        return np.asarray(PUSH * np.clip(wanted - length, 0, 0.1 + 0.4 * strength) * step / gain, np.float32)

    chances = [[seed, 7, i] for seed in seeds for i in range(CHANCES)]
    start = TEMPERATURE * noise(chances, len(own))
    told = np.array([_loosened(conditions, condition, chance) for chance in chances])
    people = sample(load_prior(), start, told, steer=lead_away)
    whole, _, length = apart(people)
    lost = ((whole @ conditions.axes[:3].T) ** 2).sum(1)
    worth = np.minimum(length[:, 0], wanted) - KEEPING * np.sqrt(lost)
    if strangers:
        nearest = np.linalg.norm(whole[:, None] - np.stack(strangers), axis=2).min(1)
        worth -= np.maximum(ELBOW_ROOM - nearest, 0)
    best = worth.reshape(len(seeds), CHANCES).argmax(1) + CHANCES * np.arange(len(seeds))
    return np.asarray(people[best], np.float32)


def _loosened(conditions: Conditions, condition: Floats, chance: Sequence[int]) -> Floats:
    """The condition as one of many people could meet it: kinship, which is told vaguely, differs from seed to seed."""
    wobble = np.random.default_rng([*chance, 1]).standard_normal(len(condition))
    return np.asarray(condition + LOOSE * VAGUENESS * wobble, np.float32)


def calmed(codec: Codec, detail: Floats, usual: Floats, colourful: float = 1.0) -> Floats:
    """A new detail map without blotches: on bare skin only part of what differs from the `usual` face is drawn.

    Brows, eyes, nose and mouth make a person; a cheek that differs from everybody's is a stain. Colour follows the
    photo but for the lips: a tint from another lamp would show, and a grey photo (`colourful` 0) gets none.
    """
    out = usual + (detail - usual) * (1 - (1 - BARE_SKIN) * codec.mesh.bare)[..., None]
    grey, plain = out.mean(-1, keepdims=True), usual - usual.mean(-1, keepdims=True)
    tint = plain + (out - grey - plain) * (SKIN_TINT + (LIP_TINT - SKIN_TINT) * codec.mesh.lips)[..., None]
    return np.asarray(grey + colourful * tint, np.float32)


def new_shape(codec: Codec, portrait: Portrait, code: Floats, strength: float) -> Floats:
    """The portrait's points `(468, 3)` with the new identity's build and the photo's expression."""
    # Of a turned head the outline is not the mesh's rim: moved as far as in front, it would bulge.
    yaw = abs(float(portrait.raw_condition[YAW]))
    gain = (0.6 + 0.5 * strength) * (1 - 0.5 * float(np.clip((yaw - 12) / 28, 0, 1)))
    shape = portrait.aligned + gain * _inner(codec)[:, None] * codec.decode_shape(code - portrait.shape_code)
    if portrait.glasses != "none":  # frames are rigid: what they sit on keeps its place
        shape = portrait.aligned + (shape - portrait.aligned) * _below_glasses(codec)[:, None]
    return _keep_expression(portrait.aligned, shape)


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
    "age": {
        "child": {"age": 8**0.5},
        "young": {"age": 25**0.5},
        "middle": {"age": 45**0.5},
        "old": {"age": 72**0.5},
    },
    "gender": {"feminine": {"femininity": 1.0}, "masculine": {"femininity": -1.0}},
    "beard": {"none": {"beard": 0.0}, "some": {"beard": 1.0}, "full": {"beard": 2.0}},
}


def _inner(codec: Codec) -> Floats:
    """Freedom `(468,)` of each point: all of it inside the face, less towards the rim, where collars and walls bend."""
    flat = codec.shape_mean[:, :2]
    to_rim = np.linalg.norm(flat[:, None] - flat[OVAL][None], axis=2).min(1)
    depth = np.clip(to_rim / (RIM_DEPTH * np.abs(flat[:, 0]).max()), 0, 1)
    return np.asarray(RIM_FREEDOM + (1 - RIM_FREEDOM) * depth, np.float32)


def _below_glasses(codec: Codec) -> Floats:
    """Freedom `(468,)` of each point under a pair of glasses: none near the eyes, all of it at mouth and chin."""
    height = codec.mesh.canonical[:, 1]
    return np.asarray(np.clip((height - height[EYES].mean() - 15) / 40, 0.1, 1), np.float32)


def _keep_expression(old: Floats, new: Floats) -> Floats:
    """Open the new mouth and eyes exactly as wide as the old ones."""
    out = np.array(new)
    for upper, lower in _LIDS_AND_LIPS:
        gap_old, gap_new = old[lower] - old[upper], out[lower] - out[upper]
        middle = (out[lower] + out[upper]) / 2
        length_old = np.linalg.norm(gap_old, axis=1, keepdims=True)
        length_new = np.maximum(np.linalg.norm(gap_new, axis=1, keepdims=True), 1e-6)
        gap = gap_new * (length_old / length_new)
        out[upper], out[lower] = middle - gap / 2, middle + gap / 2
    return out


# Upper and lower partners of both eyes and of the inner lips, corners left out.
_LIDS_AND_LIPS = (
    (np.array([246, 161, 160, 159, 158, 157, 173]), np.array([7, 163, 144, 145, 153, 154, 155])),
    (np.array([466, 388, 387, 386, 385, 384, 398]), np.array([249, 390, 373, 374, 380, 381, 382])),
    (np.array([191, 80, 81, 82, 13, 312, 311, 310, 415]), np.array([95, 88, 178, 87, 14, 317, 402, 318, 324])),
)


def with_landmarks(pixels: Pixels, subject: Subject) -> Face:
    """The face with its points; raise `EngineError` when there is no face, or none of its points is found."""
    face = subject.face
    if face is None:
        raise EngineError(
            f"person {subject.id} shows no face that could be replaced; cover or remove this person instead."
        )
    if face.landmarks is not None:
        return face
    points = find_landmarks(pixels, face.box)
    if points is None:
        raise EngineError(
            f"no landmarks were found on the face of person {subject.id}; cover or remove this person instead."
        )
    return Face(face.box, points, face.pose, face.score)
