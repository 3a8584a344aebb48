"""The search for somebody else: candidates are pasted, looked at again and measured; a safe one who keeps enough is
taken.

There are people whom the recogniser hardly tells from others: children above all. If nobody is far enough from one of
them, a runner-up is taken who is hidden among strangers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from identigen import masks
from identigen.composite import paste
from identigen.pipeline.plan import derived_seed
from identigen.pipeline.scene import Scene, centre
from identigen.recognition.attributes import Attributes, agreement, read_attributes, seems_alike, wished
from identigen.recognition.groups import patience_for
from identigen.recognition.strangers import WELL_HIDDEN, Strangers, strangers_to
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
    Subject,
    Window,
)
from identigen.verification import LEAST_MARGIN, MARGIN, Likeness, look_again, measure

if TYPE_CHECKING:
    from identigen.synthesis import Synthesiser

GOOD_AGREEMENT = 0.8
"""A safe candidate is a good one that keeps this much of what should be kept, whom nobody would take for another age,
gender presentation or origin, and to whom strangers are nearer than the person."""
AMPLE, CHOOSY = 0.14, 5
"""A good candidate this far beyond the threshold is taken without looking at the others: other recognisers than ours
will look, and they follow ours only so far. After so many candidates the best good one will do."""
HOPELESS = 0.2
"""Where even the farthest of the first two rounds falls short of the threshold by this much, nobody else is tried."""
FEW, SLIM = 5, 0.01
"""A round ends after so many candidates where the chance that one of those left would do is less than this."""
SCATTER, SURE_OF_IT = 0.035, 2
"""By how much candidates for one face usually differ in distance, known as well as from so many of them."""
MILDER = 0.25
"""Later rounds go the less far, the lower the limit is: so much below the threshold they would go no farther."""
ABOUT_AS_SURE = 0.8


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """A candidate that was pasted and measured; `hidden` if strangers are nearer to it than the person."""

    candidate: Candidate
    window: Window
    patch: Pixels
    changed: Mask
    face: Face | None
    likeness: Likeness | None = None
    attributes: Attributes | None = None
    agreement: float = 1.0
    seems_alike: bool = True
    hidden: bool = True

    @property
    def is_safe(self) -> bool:
        return self.likeness is None or self.likeness.is_safe

    @property
    def is_good(self) -> bool:
        return self.is_safe and self.hidden and self.seems_alike and self.agreement >= GOOD_AGREEMENT

    @property
    def margin(self) -> float:
        """How far beyond the limit; without a face there is nobody to be known by."""
        return float("inf") if self.likeness is None else self.likeness.margin

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, float, float]:
        """The larger, the better."""
        enough = min(self.agreement, GOOD_AGREEMENT)
        return (self.is_safe, self.margin >= MARGIN, self.hidden, self.seems_alike, enough, self.margin)


def search(scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit) -> tuple[Trial | None, int]:
    """Whoever shall take a person's place, if anybody is safe, and how many were drawn.

    Candidates come in rounds, each farther away from the person, until one will do.
    """
    ours = Search.begun(scene, engine, subject, edit)
    for strength, seeds in ours.rounds():
        ours.go_through(strength, seeds)
        if ours.is_over(strength):
            break
    return ours.chosen(), ours.tried


@dataclass(eq=False, slots=True)
class Search:
    """Candidates of one `engine` for one person, and the best so far.

    `slack` is by how much less than the recogniser's threshold is far enough from this person among `strangers`;
    `farthest` is how far beyond the threshold anybody came.
    """

    scene: Scene
    engine: Synthesiser
    subject: Subject
    edit: Edit
    company: Company
    allowed: Mask
    strangers: Strangers | None
    slack: float
    tried: int = 0
    farthest: float = -math.inf
    best: Trial | None = None
    runner_up: Trial | None = None
    sightings: list[Sighting] = field(default_factory=list)

    @classmethod
    def begun(cls, scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit) -> Search:
        """Nobody was tried yet."""
        strangers, slack, threshold = None, 0.0, scene.recogniser.threshold
        if subject.face is not None:
            strangers = strangers_to(scene.recogniser.name)
        if strangers is not None:
            slack = threshold - strangers.limit(scene.source(subject).descriptor, threshold)
        allowed = engine.region(scene.pixels, subject, edit)
        return cls(scene, engine, subject, edit, scene.company(subject), allowed, strangers, slack)

    def rounds(self) -> Iterator[tuple[float, list[int]]]:
        """Strength and seeds: first candidates as asked, then further and further away from the person."""
        face, edit, start = self.subject.face, self.edit, 0
        is_read = face is not None and face.landmarks is not None
        patience = patience_for(self.scene.attributes(self.subject)) if is_read else 1.0
        for share, usual in self.engine.rounds:
            count = round(patience * usual)
            seeds = [derived_seed(edit.seed, index) for index in range(start, start + count)]
            yield edit.strength + share * (1.0 - self.slack / MILDER) * (1.0 - edit.strength), seeds
            start += count

    @property
    def is_settled(self) -> bool:
        """Whether nobody else need be drawn at all."""
        best = self.best
        return best is not None and best.is_good and (best.margin >= AMPLE or self.tried >= CHOOSY)

    def is_over(self, strength: float) -> bool:
        """Whether no round shall follow one of this `strength`: farther away would mean a grimace, or be in vain."""
        if self.is_settled or (self.best is not None and self.best.margin >= MARGIN):
            return True
        if strength <= self.edit.strength:
            return False
        return self.farthest < -HOPELESS or (
            self.best is None and self.runner_up is not None and self.runner_up.is_safe
        )

    def go_through(self, strength: float, seeds: Sequence[int]) -> None:
        """Try one candidate for each seed, or fewer where one will do or it has become clear that none will."""
        stronger, told = replace(self.edit, strength=strength), replace(self.company, tried=tuple(self.sightings))
        proposals = self.engine.propose(self.scene.pixels, self.subject, stronger, seeds, told, self.scene.stop)
        reached: list[float] = []  # how far beyond the threshold each of this round came
        seen: Floats | None = None  # the recogniser's descriptor of the last one, which teaches the engine
        left = len(seeds)
        while (candidate := _next(proposals, seen)) is not None:
            self.tried, left = self.tried + 1, left - 1
            # Who comes no farther than a good one cannot take its place.
            needed = self.best.margin if self.best is not None and self.best.is_good else LEAST_MARGIN
            trial = self._try(candidate, needed)
            likeness = None if trial is None else trial.likeness
            seen = None if likeness is None else likeness.descriptor
            if likeness is not None:
                reached.append(likeness.to_source - likeness.threshold)
                self.farthest = max(self.farthest, reached[-1])
                if candidate.identity is not None:
                    self.sightings.append(Sighting(candidate.identity, likeness.descriptor))
            if trial is not None:
                self._consider(trial)
            wanted = LEAST_MARGIN - (self.slack if self.runner_up is None else 0.0)
            if self.is_settled or (self.best is None and _chance(reached, left, wanted) < SLIM):
                break

    def chosen(self) -> Trial | None:
        """The best, else the runner-up, with the engine's last touches."""
        if self.best is not None:
            return self._finished(self.best)
        return self.runner_up and self._finished(self.runner_up, self.strangers)

    def _consider(self, trial: Trial) -> None:
        """Remember the best, and until there is one the best of those who are hidden among strangers."""
        if trial.margin >= LEAST_MARGIN:
            self.best = _better(trial, self.best)
        elif self.best is None and trial.likeness is not None and self.strangers is not None:
            source = self.scene.source(self.subject).descriptor
            among = replace(trial, likeness=trial.likeness.among(self.strangers, source))
            if among.margin >= LEAST_MARGIN and _better(among, self.runner_up) is among:
                again = self._try(trial.candidate, strangers=self.strangers)  # this time with all looks
                if again is not None and again.margin >= LEAST_MARGIN:
                    self.runner_up = _better(again, self.runner_up)

    def _finished(self, chosen: Trial, strangers: Strangers | None = None) -> Trial:
        """The chosen candidate with the engine's last touches, or with half of them; as it was where both do harm.

        Touches lead back towards faces as they usually are: a little towards the person, or towards another age.
        """
        touched = self.engine.finish(self.scene.pixels, self.subject, chosen.candidate)
        if touched is chosen.candidate:
            return chosen
        halfway = replace(touched, pixels=(chosen.candidate.pixels + touched.pixels) / 2)
        for candidate in (touched, halfway):
            trial = self._try(candidate, strangers=strangers)
            if trial is None or trial.margin < min(MARGIN, chosen.margin):
                continue
            if (trial.hidden, trial.seems_alike) >= (chosen.hidden, chosen.seems_alike):
                return trial
        return chosen

    def _try(
        self, candidate: Candidate, needed: float = LEAST_MARGIN, strangers: Strangers | None = None
    ) -> Trial | None:
        """Paste and measure a candidate; None when what was drawn is not seen as a face (or, without one, a person).

        With less than the margin that is `needed` it is measured no further.
        """
        scene, subject, company = self.scene, self.subject, self.company
        window, patch, changed = paste(scene.pixels, candidate, self.allowed)
        with scene.shown(window, patch):
            if subject.face is None:
                seen = scene.detector.find_people(scene.pixels, scene.around(changed.window.box))
                drawn = any(masks.iou(mask, changed) > 0.3 for mask in seen)
                return Trial(candidate, window, patch, changed, None) if drawn else None
            again = _face_after(scene, subject.face, self.edit, changed)
            if again is None or (candidate.invented and not _is_seen(scene, subject.face, changed)):
                return None
            source, known = scene.source(subject), (company.others, company.given)
            likeness = measure(scene.recogniser, scene.pixels, again, source, *known, needed, strangers)
            if subject.face.landmarks is None:
                return Trial(candidate, window, patch, changed, again, likeness)
            after = read_attributes(scene.pixels, again, likeness.descriptor)
        before = wished(scene.attributes(subject), dict(self.edit.attributes))
        kept, alike = agreement(before, after), seems_alike(before, after)
        hidden = self.strangers is None or self.strangers.hide(likeness.descriptor, source.descriptor, WELL_HIDDEN)
        return Trial(candidate, window, patch, changed, again, likeness, after, kept, alike, hidden)


def _better(one: Trial, other: Trial | None) -> Trial:
    return one if other is None or one.rank > other.rank else other


def _next(proposals: Proposals, seen: Floats | None) -> Candidate | None:
    """The next candidate of an engine that is told how the last one was `seen`; None after the last."""
    try:
        return proposals.send(seen)
    except StopIteration:
        return None


def _chance(reached: Sequence[float], left: int, wanted: float) -> float:
    """Chance that one of the candidates `left` would come as far as `wanted`, if they scatter like those `reached`."""
    if len(reached) < FEW:
        return 1.0
    mean, known = float(np.mean(reached)), SURE_OF_IT + len(reached)
    variance = (SURE_OF_IT * SCATTER**2 + float(np.square(np.array(reached) - mean).sum())) / known
    one = math.erfc((wanted - mean) / math.sqrt(2 * variance)) / 2
    return float(1 - (1 - one) ** left)


def _is_seen(scene: Scene, face: Face, changed: Mask) -> bool:
    """Whether a detector is about as sure of a face there as it was of the person's: the mesh sees faces in noise."""
    found = scene.detector.find_faces(scene.pixels, scene.around(changed.window.box))
    return any(f.score >= ABOUT_AS_SURE * face.score and changed.contains(centre(f.box)) for f in found)


def _face_after(scene: Scene, face: Face, edit: Edit, changed: Mask) -> Face | None:
    """The face that stands there now; a new body may hold its head a little elsewhere."""
    again = look_again(scene.pixels, face.box)
    if again is not None or edit.operation is not Operation.BODY:
        return again
    found = scene.detector.find_faces(scene.pixels, scene.around(changed.window.box))
    inside = [f for f in found if f.landmarks is not None and changed.contains(centre(f.box))]
    return inside[0] if inside else None
