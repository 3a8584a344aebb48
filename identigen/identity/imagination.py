"""Who shall appear instead: people are imagined by the prior, steered away from the person, and the best is taken.

"Away" is measured where it counts, in the recogniser's embedding, as it is foretold to be once somebody is drawn
(`identigen.identity.foretelling`). Identity is decoupled from the rest (CFA-Net, Ma et al. 2021): a seed is a point in
the prior's noise, the photo sets the conditions, and between two seeds lie the people in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from identigen.identity.appearance import Codec, load_codec
from identigen.identity.conditions import NAMES, VAGUENESS, Conditions, load_conditions
from identigen.identity.foretelling import Foretelling, load_foretelling
from identigen.identity.lending import load_lending
from identigen.identity.portrait import Portrait
from identigen.identity.prior import Indices, load_prior, noise, sample
from identigen.types import Floats, Sighting

TEMPERATURE = 1.05  # of the noise: seeds shall differ; `within_reason` keeps oddities out
DISTANCE = (1.0, 1.1)  # foretold, from the source, at strength 0 and 1: nobody needs to be farther
PUSH, MOST_PUSHED = 2.6, 0.5  # how fast the flow is steered there at strength 1; distance that is made up at a time
LOOSE = 0.8
CHANCES = 72  # imagining is cheap, and who is far by chance looks better than who was pushed
FINALISTS = (36, 20)  # of them who go on after a first and a second look ahead: the best hardly ever falls
LIKING = 1.5  # of a seed for its own kind of people, against distance from the source
ODDITY = 0.35  # how much farther away who is twice as unusual must be: who was pushed looks drawn, the nose above all
SUITING = 0.15  # how much farther away who is lent features less like theirs must be: they look mixed
LEAST_CALM = 0.25  # share of both that counts, however far somebody must be: a cover is better than a grimace
INDIVIDUALITY = 0.6
OVERSTATED = 1.5
LOPSIDED = 0.6
ODDEST = 15.5  # from the usual face, in latent units: three in four held-out faces are nearer
MOST, LOOSEST = 3.5, 5.0  # of one trait, in its usual amounts: at leisure, and where nobody was far enough
KEEPING, TIGHT = 0.1, 0.05  # of what must stay, against distance: at leisure, and where nobody was far enough
ELBOW_ROOM, MORE_ROOM = 0.75, 0.15  # foretold distance from anybody else, or so much more than the person had
CROWDED = 2.0  # what is wanting of it, against distance from the source
ELDERS, PARENTS = 5, 2  # so many are tried before others descend, and from so many of the best in turn
OWN = 0.45  # what a child has of its own; the rest (of 1, squared) is its parent's
UNSURPRISED = 1.7  # how much more a face's own surprises differ from each other than from none, squared
KIN = [i for i, name in enumerate(NAMES) if name.startswith("kin")]
APPARENT = [NAMES.index(name) for name in ("age", "femininity", "beard")]


@dataclass(frozen=True, slots=True)
class Blend:
    """Part of the way from each seed's person to that of another `seed`: `share` 0 is the own, 1 the other."""

    seed: int
    share: float


def imagine(course: Course, seeds: Sequence[int], blend: Blend | None = None, kind: int | None = None) -> Floats:
    """Identities `(n, d)`, one for each seed, on the `course` away from a person.

    For each seed several people are imagined. The one is taken who is far enough at the least change of what must stay
    and, as far as that goes, of the kind that the seed `kind` likes (each seed's own where it is None): the farthest
    alone would look alike, and so would the farthest of several candidates. All are judged as children of the course's
    parent, if it has one, and with the features that they will be lent.
    """
    condition, strength = course.condition, course.strength
    calm = max(leisure(strength), LEAST_CALM)
    start, wobble, liking = _dreams(seeds, kind, len(course.own), len(condition))
    if blend is not None:
        others = _dreams([blend.seed] * len(seeds), None, len(course.own), len(condition))
        start, wobble, liking = (
            between(one, other, blend.share) for one, other in zip((start, wobble, liking), others, strict=True)
        )
    told = told_vaguely(condition, strength) + LOOSE * VAGUENESS * wobble
    codec, most = load_codec(), LOOSEST + (MOST - LOOSEST) * calm

    def grown(people: Floats) -> Floats:
        return within_reason(codec, course.conditions, course.descended(people), condition, most)

    def judged(people: Floats, unlike: Floats | None = None) -> Floats:
        """What each seed's people are worth `(n, each)`, if their features were lent by others so `unlike` them."""
        liked = course.likes(people, np.repeat(liking, len(people) // len(seeds), axis=0))
        odd = ODDITY * oddity(codec, course.conditions, people, condition)
        if unlike is not None:
            odd = odd + SUITING * unlike
        worth = course.worth(people) + leisure(strength) * LIKING * liked - calm * odd
        return np.asarray(worth.reshape(len(seeds), -1))

    def finalists(people: Floats, look: int) -> Indices:
        worth = judged(grown(people))
        return _rows(np.argsort(-worth, axis=1, kind="stable")[:, : FINALISTS[look]], worth.shape[1])

    people = sample(load_prior(), TEMPERATURE * start, told, steer=course.steer, choose=finalists)
    people, unlike = load_lending().lent(grown(people), condition, course.brows)
    best = _rows(judged(people, unlike).argmax(1)[:, None], FINALISTS[-1])
    return np.asarray(people[best], np.float32)


def _rows(chosen: Indices, each: int) -> Indices:
    """Rows among all people of those `chosen` `(n, m)` of each seed's own, of whom there are `each`."""
    return np.asarray((chosen + each * np.arange(len(chosen))[:, None]).ravel(), np.intp)


def _dreams(seeds: Sequence[int], kind: int | None, d: int, c: int) -> tuple[Floats, Floats, Floats]:
    """Noise of every chance of every seed `(n * CHANCES, d)` and of what they are told `(n * CHANCES, c)`, and the
    kind of people that each seed likes `(n, d)`.
    """
    chances = [[seed, 7, i] for seed in seeds for i in range(CHANCES)]
    start, told = np.split(noise(chances, d + c), [d], axis=1)
    return start, told, noise([[seed if kind is None else kind, 11] for seed in seeds], d)


@dataclass(frozen=True, eq=False)
class Course:
    """The way from one person, whose latent is `own` `(d,)`, to somebody else under a wished `condition` `(c,)`.

    `strangers` `(n, 128)` are other people as seen from the person's `embedding` `(128,)`: nobody shall come nearer to
    them than `room` `(n,)`. `bias` `(128,)` is added to what is foretold. `brows` `(2,)` are what those in the photo
    are like, if they are seen. Whoever comes next descends from the `parent` `(d,)`, if there is one.
    """

    conditions: Conditions
    foretelling: Foretelling
    own: Floats
    own_condition: Floats
    embedding: Floats
    condition: Floats
    strength: float
    strangers: Floats
    room: Floats
    bias: Floats
    brows: Floats | None = None
    parent: Floats | None = None

    @classmethod
    def away_from(
        cls,
        portrait: Portrait,
        embedding: Floats,
        condition: Floats,
        strength: float,
        others: Sequence[Floats] = (),
        given: Sequence[Floats] = (),
    ) -> Course:
        """The course from a portrait, whose embedding is `(128,)`, past people who are seen as `others` and `given`.

        A recogniser takes some `others` for the person already; of them nobody needs to be farther than that.
        """
        size = len(embedding)
        strangers = np.reshape(np.asarray([*others, *given], np.float32), (-1, size)) - embedding
        usual = np.linalg.norm(strangers[: len(others)], axis=1).min(initial=ELBOW_ROOM)
        room = np.repeat([min(ELBOW_ROOM, usual + MORE_ROOM), ELBOW_ROOM], [len(others), len(given)])
        return cls(
            load_conditions(),
            load_foretelling(),
            np.concatenate([portrait.code, portrait.shape_code]),
            portrait.condition,
            embedding,
            condition,
            strength,
            strangers,
            np.asarray(room, np.float32),
            np.zeros(size, np.float32),
            portrait.brows,
        )

    def after(self, tried: Sequence[Sighting]) -> Course:
        """The course once those who were `tried` have been seen.

        They turned out otherwise than was foretold, for no face is quite linear: what is learnt is the mean, as if
        `UNSURPRISED` more had been as foretold. Once there are enough, whoever comes next descends from one of the best
        (an evolution strategy, Rechenberg 1973): what made them come out far is inherited.
        """
        if not tried:
            return self
        seen = np.stack([sighting.descriptor for sighting in tried]) - self.embedding
        identities = np.stack([sighting.identity for sighting in tried])
        bias = (seen - self.moved(identities)).sum(0) / (UNSURPRISED + len(tried))
        parent = None
        if len(tried) >= ELDERS:
            best = np.argsort(-self._worth(seen), kind="stable")[:PARENTS]
            parent = identities[best[len(tried) % PARENTS]]
        return replace(self, bias=np.asarray(bias, np.float32), parent=parent)

    def descended(self, people: Floats) -> Floats:
        """People `(n, d)` as children of the course's parent: as far from the usual face, and mostly as it is."""
        if self.parent is None:
            return people
        usual = usual_identity(self.conditions, self.condition)
        return np.asarray(usual + np.sqrt(1 - OWN**2) * (self.parent - usual) + OWN * (people - usual), np.float32)

    def steer(self, heading: Floats) -> Floats:
        """How far `(n, d)` people on their way shall be moved: away from the person and from the nearest stranger.

        Never along apparent age, gender presentation and beard, nor along kinship while it is told; and everybody along
        what sets them apart from the usual face, or all would be led to one place.
        """
        move = self.moved(heading)
        across = self._across(move)
        aim = self._aimed(across - self._usual, self.wanted - self._length(across))
        if len(self.strangers):
            apart = move[:, None] - self.strangers
            wanting = self.room - self._length(apart)
            nearest = wanting.argmax(1)
            row = np.arange(len(move))
            aim += self._aimed(self._across(apart[row, nearest]), wanting[row, nearest])
        return np.asarray(aim @ self.foretelling.lift)

    def worth(self, people: Floats) -> Floats:
        """How well `(n,)` each of `people` `(n, d)` would do: far enough, little lost, not like anybody else here."""
        return self._worth(self.moved(people))

    def _worth(self, move: Floats) -> Floats:
        lost = np.linalg.norm(move @ self.conditions.axes[:3].T, axis=1)
        keeping = TIGHT + (KEEPING - TIGHT) * leisure(self.strength)
        worth = np.minimum(self._length(self._across(move)), self.wanted) - keeping * lost
        if len(self.strangers):
            wanting = self.room - self._length(move[:, None] - self.strangers)
            worth -= CROWDED * np.maximum(wanting.max(1), 0)
        return np.asarray(worth, np.float32)

    def likes(self, people: Floats, liking: Floats) -> Floats:
        """How far `(n,)` people `(n, d)` are of the kind `liking` `(n, d)`, as the recogniser will see it.

        Neither nearer to the person nor farther for it, nor of another age or gender presentation.
        """
        usual = usual_identity(self.conditions, self.condition)
        away = _unit(self._across(self.moved(usual[None])))
        kind = self._across(liking @ self.foretelling.likeness.T)
        kind = _unit(kind - (kind @ away.T) * away)
        return np.asarray((self._across(self.moved(people)) * kind).sum(1), np.float32)

    def moved(self, identities: Floats) -> Floats:
        """Foretold move `(n, 128)` of the embedding once `identities` `(n, d)` are drawn over the person."""
        return np.asarray((identities - self.own) @ self.foretelling.likeness.T + self._base, np.float32)

    @property
    def wanted(self) -> float:
        """Foretold distance that is far enough."""
        return DISTANCE[0] + (DISTANCE[1] - DISTANCE[0]) * self.strength

    @cached_property
    def _base(self) -> Floats:
        return self.bias + self.foretelling.base(self.own, self.own_condition, self.embedding, self.strength)

    @cached_property
    def _kept(self) -> Floats:
        """Projection `(128, 128)` of a move onto what stays: age, gender presentation, beard; kin while it is told."""
        axes = np.linalg.qr(self.conditions.axes.T)[0]
        return np.asarray(axes * ([1.0] * 3 + [kinship(self.strength)] * len(KIN)) @ axes.T, np.float32)

    @cached_property
    def _usual(self) -> Floats:
        usual = usual_identity(self.conditions, self.condition)
        return np.asarray(INDIVIDUALITY * self._across(self.moved(usual[None])), np.float32)

    def _across(self, move: Floats) -> Floats:
        return np.asarray(move - move @ self._kept)

    def _aimed(self, aim: Floats, missing: Floats) -> Floats:
        """By how much `(n, 128)` the embedding shall move along `aim`, of which `missing` `(n,)` is wanting."""
        aim = _unit(aim)
        gain = np.maximum(((aim @ self.foretelling.obedience) * aim).sum(1, keepdims=True), 0.1)
        push = PUSH * self.strength * np.clip(missing, 0, MOST_PUSHED)[:, None]
        return np.asarray(push / gain * aim, np.float32)

    def _length(self, move: Floats) -> Floats:
        """Expected length of a foretold move, given what is not foretold."""
        return np.asarray(np.sqrt((move**2).sum(-1) + self.foretelling.doubt**2))


def _unit(vectors: Floats) -> Floats:
    """Vectors `(n, 128)` at length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6), np.float32)


def usual_identity(conditions: Conditions, condition: Floats) -> Floats:
    """The mean identity `(d,)` of everybody who meets a condition."""
    return np.asarray(np.append(condition, 1).astype(np.float32) @ conditions.middle)


def kinship(strength: float) -> float:
    """How far kinship is kept: in full up to the usual strength of a half, a quarter of it at 1."""
    return min(1.0, 1.75 - 1.5 * strength)


def leisure(strength: float) -> float:
    """How much counts besides distance: all up to the usual strength of a half, nothing from three quarters on."""
    return float(np.clip(3.0 - 4.0 * strength, 0, 1))


def within_reason(
    codec: Codec, conditions: Conditions, people: Floats, condition: Floats, most: float = MOST
) -> Floats:
    """People `(n, d)` no odder than most real ones who meet a `condition` `(c,)`: far from the usual face, or lopsided,
    or with one trait overstated (by more than `most` of its usual amounts), they are grimaces.
    """
    usual = usual_identity(conditions, condition)
    # Where parity is -1, both sides of a face differ.
    away = (people - usual) * np.where(codec.parity < 0, LOPSIDED, 1).astype(np.float32)
    length = np.linalg.norm(away, axis=1, keepdims=True)
    away = away * np.minimum(1, ODDEST / np.maximum(length, 1e-6))
    bound = most * conditions.spread
    return np.asarray(usual + bound * np.tanh(away / bound), np.float32)


def oddity(codec: Codec, conditions: Conditions, people: Floats, condition: Floats) -> Floats:
    """How unusual `(n,)` people `(n, d)` are among all who meet a `condition` `(c,)`: taught faces have about 1.

    Each trait is measured by its own usual amount and counts as much as it shows, detail and build alike.
    """
    away = (people - usual_identity(conditions, condition)) / conditions.spread
    shown = np.concatenate([scale / scale.sum() for scale in (codec.detail_scale, codec.shape_scale)]) / 2
    return np.asarray(np.sqrt(away**2 @ shown), np.float32)


def told_vaguely(condition: Floats, strength: float) -> Floats:
    """The condition as it is told to the prior, before each seed hears it a little differently.

    What is told vaguely is followed vaguely, so that apparent age, gender presentation and beard are overstated:
    without that, children grow up and the old grow young.
    """
    told = np.array(condition)
    told[KIN] *= kinship(strength)
    told[APPARENT] *= OVERSTATED
    return told


def between(a: Floats, b: Floats, share: float) -> Floats:
    """Part of the way from noise `a` to noise `b` `(n, d)` along the sphere, where all likely noise lies."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    angle = np.arccos(np.clip((a * b).sum(1) / np.maximum(lengths, 1e-6), -1, 1))[:, None]
    if np.any(np.sin(angle) < 1e-3):  # the same seed twice
        return np.asarray((1 - share) * a + share * b, np.float32)
    return np.asarray((np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle), np.float32)
