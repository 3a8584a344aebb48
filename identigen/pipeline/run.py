"""One plan on one photo, person by person: who comes first, who is finished, what the report says."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from identigen.errors import Stopped
from identigen.obfuscation import WARNINGS
from identigen.pipeline.cover import cover
from identigen.pipeline.person import cover_after_all, is_still_safe, replace_person
from identigen.pipeline.removal import remove
from identigen.pipeline.scene import Scene, lay
from identigen.report import Report, Result, Step, unique
from identigen.types import Edit, Mask, Operation, Outcome, Photo, Plan, Subject, Window
from identigen.verification import outside_is_identical

if TYPE_CHECKING:
    from identigen.pipeline import Pipeline

LOOKED_AT = 0.3
"""Of a face's size, around its box: what a recogniser sees of its surroundings."""


class Run:
    """Carries a plan out on a scene."""

    def __init__(self, pipeline: Pipeline, scene: Scene, plan: Plan, finished: Sequence[Outcome]) -> None:
        self.pipeline = pipeline
        self.scene = scene
        self.plan = plan
        self.outcomes = list(finished)
        self.started = time.perf_counter()
        scene.warnings += _crowd_warning(len(scene.subjects), scene.settings.max_people)

    def steps(self) -> Generator[Step, None, Result]:
        """Person by person; see `Pipeline.run`."""
        self.scene.lay_anew(self.outcomes)
        for outcome in self.outcomes:
            self.scene.recall(outcome)
        active = [edit for edit in self.plan.edits if edit.operation is not Operation.KEEP]
        done = 0
        yield Step(0, len(active), "Starting")
        for edits in self._in_order(active):
            if self.scene.stop is not None and self.scene.stop():
                break
            names = " and ".join(str(edit.subject_id) for edit in edits)
            text = f"Person {names}: {_VERBS[edits[0].operation]}"
            yield Step(done, len(active), text, edits[0].subject_id, self._assembler())
            try:
                self._finish(self._change(edits))
            except Stopped:
                break
            done += len(edits)
        yield Step(done, len(active), "Checking", None, self._assembler())
        self._look_back()
        return self.result()

    def result(self) -> Result:
        """The photo with everybody who is finished, and the report about it."""
        outcomes = self._with_kept()
        scene = self.scene
        picture = assemble(scene.photo, outcomes)
        report = Report(
            engine="diffusion" if any(outcome.engine == "diffusion" for outcome in outcomes) else "embedded",
            seconds=time.perf_counter() - self.started,
            outcomes=outcomes,
            outside_mask_identical=outside_is_identical(scene.photo.pixels, picture.pixels, outcomes),
            models=unique(scene.models),
            warnings=unique([*scene.warnings, *(() if scene.subjects else ("Nobody was found in this photo.",))]),
        )
        return Result(picture, tuple(scene.subjects.values()), outcomes, report)

    def _in_order(self, edits: Sequence[Edit]) -> Iterator[list[Edit]]:
        """Removals first, neighbours together; then the others from far (small) to near (large)."""
        yield from self._removal_groups([edit for edit in edits if edit.operation is Operation.REMOVE])
        others = [edit for edit in edits if edit.operation is not Operation.REMOVE]
        for edit in sorted(others, key=lambda e: self.scene.subjects[e.subject_id].mask.area):
            yield [edit]

    def _removal_groups(self, edits: Sequence[Edit]) -> list[list[Edit]]:
        """People who stand close are removed in one go: otherwise one would bleed into the place of the other."""
        groups: list[tuple[Window, list[Edit]]] = []
        for edit in edits:
            reach = self._reach(self.scene.subjects[edit.subject_id])
            group = [edit]
            apart = []
            for other_reach, other in groups:
                common = reach.intersection(other_reach)
                if common.width and common.height:
                    reach, group = reach.union(other_reach), [*other, *group]
                else:
                    apart.append((other_reach, other))
            groups = [*apart, (reach, group)]
        return [group for _, group in groups]

    def _reach(self, subject: Subject) -> Window:
        window = subject.mask.window
        return Window.around(window.box, *self.scene.size, margin=0.1 * max(window.width, window.height))

    def _change(self, edits: Sequence[Edit]) -> list[Outcome]:
        start = time.perf_counter()
        edit, subject = edits[0], self.scene.subjects[edits[0].subject_id]
        if edit.operation is Operation.REMOVE:
            return remove(self.scene, self.pipeline.predictors, edits)
        if edit.operation.is_synthesis:
            outcome = replace_person(self.scene, self.pipeline.synthesisers, subject, edit)
        else:
            outcome = cover(self.scene, subject, edit)
        return [replace(outcome, seconds=time.perf_counter() - start)]

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes.append(outcome)
            self.scene.lay(outcome)
            if outcome.applied in WARNINGS:
                self.scene.warnings.append(WARNINGS[outcome.applied])

    def _look_back(self) -> None:
        """Cover whoever is known, or taken for somebody else here, since neighbours were drawn into their surroundings.

        A cover tells less about those whom it reaches into, so that nobody need be looked at twice.
        """
        for outcome in tuple(self.outcomes):
            subject = self.scene.subjects.get(outcome.subject_id)
            if subject is None or not outcome.applied.is_synthesis or not self._is_reached_into(subject, outcome):
                continue
            if not is_still_safe(self.scene, subject, outcome):
                self.outcomes.remove(outcome)
                self.scene.take_back(subject)
                self.scene.lay_anew(self.outcomes)
                self._finish([cover_after_all(self.scene, subject, outcome)])

    def _is_reached_into(self, subject: Subject, outcome: Outcome) -> bool:
        """Whether something was drawn later where the recogniser looks at a face."""
        if subject.face is None:
            return False
        looked_at = Window.around(subject.face.box, *self.scene.size, margin=LOOKED_AT * subject.face.size_px)
        later = self.outcomes[self.outcomes.index(outcome) + 1 :]
        common = (looked_at.intersection(other.changed.window) for other in later)
        return any(window.width and window.height for window in common)

    def _with_kept(self) -> tuple[Outcome, ...]:
        """The outcomes in the order of their patches (near people cover far ones), then everybody unchanged."""
        done = {outcome.subject_id: outcome for outcome in self.outcomes}
        kept = {
            subject.id: self.scene.outcome(
                subject,
                Edit(subject.id, Operation.KEEP),
                Mask.empty(*self.scene.size),
                Window(0, 0, 0, 0),
                np.zeros((0, 0, 3), np.uint8),
                engine="none",
                reason="",
            )
            for subject in self.scene.subjects.values()
            if subject.id not in done
        }
        return (*self.outcomes, *kept.values())

    def _assembler(self) -> Any:
        return self.result if self.outcomes else None


_VERBS = {
    Operation.FACE: "drawing a new face",
    Operation.FACE_HAIR: "drawing a new face and hair",
    Operation.BODY: "drawing a new body",
    Operation.REMOVE: "predicting the background",
    Operation.LAYERED: "covering",
    Operation.BLUR: "covering",
    Operation.PIXELATE: "covering",
    Operation.SOLID: "covering",
}


def assemble(photo: Photo, outcomes: Sequence[Outcome]) -> Photo:
    """The source with the patches of `outcomes` laid on it in order."""
    pixels = photo.pixels.copy()
    for outcome in outcomes:
        lay(pixels, outcome)
    return Photo(pixels, photo.source_name, photo.notes)


def _crowd_warning(people: int, most: int) -> tuple[str, ...]:
    if people < most:
        return ()
    return (f"Only the {most} most visible people were looked at; others may be left as they are. See the settings.",)
