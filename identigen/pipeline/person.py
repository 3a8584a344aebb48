"""New people: candidates are pasted, looked at again and measured; a safe one that keeps enough is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from identigen import masks
from identigen.composite import paste
from identigen.errors import EngineError, ModelError
from identigen.pipeline.cover import cover
from identigen.pipeline.plan import derived_seed
from identigen.pipeline.scene import Scene, centre
from identigen.recognition.attributes import Attributes, agreement, compare, read_attributes, seems_alike, wished
from identigen.recognition.groups import patience_for
from identigen.types import (
    Candidate,
    Company,
    Edit,
    Face,
    Floats,
    Mask,
    Operation,
    Outcome,
    Pixels,
    Proposals,
    Sighting,
    Subject,
    Window,
)
from identigen.verification import LEAST_MARGIN, MARGIN, Likeness, describe_source, look_again, measure

if TYPE_CHECKING:
    from identigen.synthesis import Synthesiser

GOOD_AGREEMENT = 0.8
"""A safe candidate is a good one that keeps this much of what should be kept, and whom nobody would take for another
age, gender presentation or origin."""
AMPLE, CHOOSY = 0.14, 5
"""A good candidate this far beyond the threshold is taken without looking at the others: other recognisers than ours
will look, and they follow ours only so far. After so many candidates the best good one will do."""
HOPELESS = 0.2
"""Where even the farthest of the first two rounds falls short of the threshold by this much, nobody else is tried."""
FEW, SLIM = 5, 0.01
"""A round ends after so many candidates where the chance that one of those left would do is less than this."""
SCATTER, SURE_OF_IT = 0.035, 2
"""By how much candidates for one face usually differ in distance, known as well as from so many of them."""
ABOUT_AS_SURE = 0.8


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """A candidate that was pasted and measured."""

    candidate: Candidate
    window: Window
    patch: Pixels
    changed: Mask
    face: Face | None
    likeness: Likeness | None = None
    attributes: Attributes | None = None
    agreement: float = 1.0
    seems_alike: bool = True

    @property
    def is_safe(self) -> bool:
        return self.likeness is None or self.likeness.is_safe

    @property
    def is_good(self) -> bool:
        return self.is_safe and self.seems_alike and self.agreement >= GOOD_AGREEMENT

    @property
    def margin(self) -> float:
        """How far beyond the threshold; without a face there is nobody to be known by."""
        return float("inf") if self.likeness is None else self.likeness.margin


def replace_person(scene: Scene, engines: Sequence[Synthesiser], subject: Subject, edit: Edit) -> Outcome:
    """Give a person a new face, head or body; where none is safe, or none can be drawn, cover them and say why."""
    layered = replace(edit, operation=Operation.LAYERED)
    refusal = _why_no_new_face(subject) if edit.operation is not Operation.BODY else ""
    if refusal:
        return cover(scene, subject, layered, asked=edit.operation, reason=refusal)
    problems: list[str] = []
    tried = 0
    for engine in engines:
        if edit.operation not in engine.operations or edit.engine not in (None, engine.name):
            continue
        try:
            chosen, drawn = _best_candidate(scene, engine, subject, edit)
        except (EngineError, ModelError) as error:
            problems.append(f"The {engine.name} engine could not draw this person: {error}")
            continue
        tried += drawn
        if chosen is not None:
            return _accept(scene, engine, subject, edit, chosen, tried, " ".join(problems))
        problems.append(f"None of {drawn} new identities by the {engine.name} engine was far enough from the person.")
    reason = " ".join([*problems, "The person is covered instead."])
    scene.warnings.append(f"Person {subject.id}: {reason}")
    covered = cover(scene, subject, layered, asked=edit.operation, reason=reason)
    return replace(covered, failed=covered.failed or tried > 0, candidates_tried=tried)


def _accept(
    scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit, chosen: Trial, tried: int, reason: str
) -> Outcome:
    scene.models += [*engine.models, "dlib-resnet"]
    if chosen.likeness is not None:
        scene.give(subject, chosen.likeness.descriptor)
    outcome = scene.outcome(
        subject,
        edit,
        chosen.changed,
        chosen.window,
        chosen.patch,
        engine=engine.name,
        seed=chosen.candidate.seed,
        reason=reason,
        candidates_tried=tried,
        likeness=chosen.likeness,
        kept=compare(scene.attributes(subject), chosen.attributes) if chosen.attributes else {},
    )
    return _with_second_opinion(scene, subject, chosen, outcome)


def _with_second_opinion(scene: Scene, subject: Subject, chosen: Trial, outcome: Outcome) -> Outcome:
    """Add the referee's distance, where its weights are here; it never takes part in choosing."""
    from identigen.recognition.sface import referee

    judge = referee(scene.settings)
    if judge is None or subject.face is None or chosen.face is None:
        return outcome
    try:
        source = describe_source(judge, scene.photo.pixels, subject.face)
        with scene.shown(chosen.window, chosen.patch):
            found = measure(judge, scene.pixels, chosen.face, source)
    except ModelError as error:
        scene.warnings.append(f"There is no second opinion: {error}")
        return outcome
    scene.models.append(judge.name)
    return replace(
        outcome,
        distances={**outcome.distances, judge.name: found.to_source},
        thresholds={**outcome.thresholds, judge.name: found.threshold},
    )


def _best_candidate(scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit) -> tuple[Trial | None, int]:
    """The first candidate that is good and far away, else a good one, else the best keeper; and how many were drawn."""
    tried, best = 0, None
    reached: list[list[float]] = []  # how far beyond the threshold the candidates of each round came
    company, sightings = scene.company(subject), list[Sighting]()
    allowed = engine.region(scene.pixels, subject, edit)
    patience = patience_for(scene.attributes(subject)) if subject.face and subject.face.landmarks is not None else 1.0
    for strength, seeds in _rounds(engine, edit, patience):
        stronger = replace(edit, strength=strength)
        told = replace(company, tried=tuple(sightings))
        proposals = engine.propose(scene.pixels, subject, stronger, seeds, told, scene.stop)
        seen: Floats | None = None  # the recogniser's descriptor of the last one, which teaches the engine
        left = len(seeds)
        reached.append([])
        while (candidate := _next(proposals, seen)) is not None:
            tried, left = tried + 1, left - 1
            # Who comes no farther than a good one cannot take its place.
            needed = best.margin if best is not None and best.is_good else LEAST_MARGIN
            trial = _try(scene, subject, edit, candidate, allowed, company, needed)
            likeness = None if trial is None else trial.likeness
            seen = None if likeness is None else likeness.descriptor
            if likeness is not None:
                reached[-1].append(likeness.to_source - likeness.threshold)
                if candidate.identity is not None:
                    sightings.append(Sighting(candidate.identity, likeness.descriptor))
            if trial is not None and trial.margin >= LEAST_MARGIN and (best is None or _rank(trial) > _rank(best)):
                best = trial
            if best is not None and best.is_good and (best.margin >= AMPLE or tried >= CHOOSY):
                return _finished(scene, engine, subject, edit, best, allowed, company), tried
            if best is None and _chance(reached[-1], left) < SLIM:
                break
        if best is not None and best.margin >= MARGIN:
            break
        if strength > edit.strength and max(chain(*reached), default=-1.0) < -HOPELESS:
            break
    return best and _finished(scene, engine, subject, edit, best, allowed, company), tried


def _chance(reached: Sequence[float], left: int) -> float:
    """Chance that one of the candidates `left` would be far enough, if they scatter like those who were tried."""
    if len(reached) < FEW:
        return 1.0
    mean, known = float(np.mean(reached)), SURE_OF_IT + len(reached)
    variance = (SURE_OF_IT * SCATTER**2 + float(np.square(np.array(reached) - mean).sum())) / known
    one = math.erfc((LEAST_MARGIN - mean) / math.sqrt(2 * variance)) / 2
    return float(1 - (1 - one) ** left)


def _next(proposals: Proposals, seen: Floats | None) -> Candidate | None:
    """The next candidate of an engine that is told how the last one was `seen`; None after the last."""
    try:
        return proposals.send(seen)
    except StopIteration:
        return None


def _finished(
    scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit, chosen: Trial, allowed: Mask, company: Company
) -> Trial:
    """The chosen candidate with the engine's last touches, or with half of them; as it was where both are unsafe.

    Touches lead back towards faces as they usually are, and so a little towards the person.
    """
    touched = engine.finish(scene.pixels, subject, chosen.candidate)
    if touched is chosen.candidate:
        return chosen
    halfway = replace(touched, pixels=(chosen.candidate.pixels + touched.pixels) / 2)
    for candidate in (touched, halfway):
        trial = _try(scene, subject, edit, candidate, allowed, company)
        if trial is not None and trial.margin >= min(MARGIN, chosen.margin):
            return trial
    return chosen


def _try(
    scene: Scene,
    subject: Subject,
    edit: Edit,
    candidate: Candidate,
    allowed: Mask,
    company: Company,
    needed: float = LEAST_MARGIN,
) -> Trial | None:
    """Paste and measure a candidate; None when what was drawn is not seen as a face (or, without one, a person).

    With less than the margin that is `needed` it is measured no further.
    """
    window, patch, changed = paste(scene.pixels, candidate, allowed)
    with scene.shown(window, patch):
        if subject.face is None:
            seen = scene.detector.find_people(scene.pixels, scene.around(changed.window.box))
            drawn = any(masks.iou(mask, changed) > 0.3 for mask in seen)
            return Trial(candidate, window, patch, changed, None) if drawn else None
        again = _face_after(scene, subject.face, edit, changed)
        if again is None or (candidate.invented and not _is_seen(scene, subject.face, changed)):
            return None
        recogniser, source = scene.recogniser, scene.source(subject)
        likeness = measure(recogniser, scene.pixels, again, source, company.others, company.given, needed)
        if subject.face.landmarks is None:
            return Trial(candidate, window, patch, changed, again, likeness)
        after = read_attributes(scene.pixels, again, likeness.descriptor)
    before = wished(scene.attributes(subject), dict(edit.attributes))
    kept, alike = agreement(before, after), seems_alike(before, after)
    return Trial(candidate, window, patch, changed, again, likeness, after, kept, alike)


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


def _rounds(engine: Synthesiser, edit: Edit, patience: float) -> Iterator[tuple[float, list[int]]]:
    """First candidates as asked, then further and further away from the person."""
    start = 0
    for share, usual in engine.rounds:
        count = round(patience * usual)
        seeds = [derived_seed(edit.seed, index) for index in range(start, start + count)]
        yield edit.strength + share * (1.0 - edit.strength), seeds
        start += count


def _rank(trial: Trial) -> tuple[bool, bool, bool, float, float]:
    enough = min(trial.agreement, GOOD_AGREEMENT)
    return (trial.is_safe, trial.margin >= MARGIN, trial.seems_alike, enough, trial.margin)


def _why_no_new_face(subject: Subject) -> str:
    """The gate's reason when a new face would not be honest here; empty when it is."""
    face: Face | None = subject.face
    if face is None:
        return subject.reason or "No face can be seen, so the head is covered instead."
    if subject.default_operation is not Operation.FACE:
        return subject.reason or "The face cannot be read well enough for a new one; covered instead."
    return ""
