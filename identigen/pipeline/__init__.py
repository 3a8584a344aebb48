"""The only room that knows all others.

    Photo ──detect──▶ Subjects ──make_plan──▶ Plan ──run──▶ for each Edit:
        new face   propose candidates ─▶ paste ─▶ look again ─▶ measure ─▶ the first safe one that keeps enough
        removal    mask with rim and shadow ─▶ predict the background ─▶ look whether somebody is still there
        cover      region ─▶ obfuscate ─▶ measure
    ──▶ Result + Report

Synthesis proposes, background predicts, obfuscation covers; only this file renders them into the photo, measures,
chooses and retries. It fails closed: what cannot be shown to be another person is covered, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from identigen import masks
from identigen.detection import Detector
from identigen.errors import EngineError, ModelError, OperationUnavailable, PlanError
from identigen.models.devices import keep_numpy_to_one_thread
from identigen.obfuscation import WARNINGS
from identigen.pipeline.plan import derived_seed, make_plan
from identigen.pipeline.removal import engine_of
from identigen.pipeline.run import Run, assemble
from identigen.pipeline.scene import Scene
from identigen.recognition import Recogniser, default_recogniser
from identigen.report import Result, Step
from identigen.settings import Settings
from identigen.types import Box, Mask, Operation, Outcome, Photo, Plan, Point, Quality, Subject

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor
    from identigen.synthesis import Synthesiser

__all__ = ["Availability", "Pipeline", "assemble", "complete", "derived_seed", "make_plan"]


@dataclass(frozen=True, slots=True)
class Availability:
    """Which engine does an operation here; None when none can, and `reason` says why and what would help.

    `others` are the engines that can do it as well, next best first.
    """

    engine: str | None
    reason: str = ""
    others: tuple[str, ...] = ()


def complete(steps: Generator[Step, None, Result]) -> Result:
    """Go through all steps of `Pipeline.run` and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result


class Pipeline:
    """Detects, plans and runs; keeps its models loaded, keeps nothing of any photo.

    Example:
        pipeline = Pipeline()
        photo = open_photo("party.jpg")
        subjects = pipeline.detect(photo)
        result = pipeline.anonymize(photo, subjects, make_plan(subjects, Operation.FACE))
        report = export(result, "party-anonymous.png")

    """

    def __init__(self, settings: Settings | None = None) -> None:
        keep_numpy_to_one_thread()
        self.settings = settings or Settings.from_environment()
        self.detector = Detector(self.settings)
        self.recogniser: Recogniser = default_recogniser()
        self._synthesisers: tuple[Synthesiser, ...] | None = None
        self._predictors: tuple[BackgroundPredictor, ...] | None = None

    @property
    def synthesisers(self) -> tuple[Synthesiser, ...]:
        """The engines that draw new people, best first."""
        if self._synthesisers is None:
            from identigen.synthesis import available_synthesisers

            self._synthesisers = available_synthesisers(self.settings)
        return self._synthesisers

    @property
    def predictors(self) -> tuple[BackgroundPredictor, ...]:
        """What fills the place of somebody who is removed, best first."""
        if self._predictors is None:
            from identigen.background import available_predictors

            self._predictors = available_predictors(self.settings)
        return self._predictors

    def prepare(self) -> tuple[str, ...]:
        """Fetch what may be fetched, load what a first visitor would wait for; return sentences to be shown."""
        notices = tuple(self.detector.prepare())
        for engine in self.synthesisers:
            try:
                engine.prepare()
            except (EngineError, ModelError) as error:
                notices += (f"The {engine.name} engine cannot be used: {error}",)
            else:
                break
        return notices

    def operations(self) -> dict[Operation, Availability]:
        """What can be done here, by which engine, and for the rest why not."""
        return {operation: self._availability(operation) for operation in Operation}

    def detect(self, photo: Photo) -> tuple[Subject, ...]:
        """Find everybody, numbered from 1, left to right."""
        return self.detector.detect(photo)

    def subject_at(self, photo: Photo, point: Point, subjects: Sequence[Subject]) -> Subject | None:
        """Who is under `point`: one of `subjects`, somebody new with the next number, or None."""
        return self.detector.subject_at(photo, point, subjects)

    def sketch_at(self, photo: Photo, point: Point, subjects: Sequence[Subject]) -> Mask | None:
        """A first outline of somebody new under `point`, a tenth of a second after the click; None for nothing."""
        return self.detector.sketch_at(photo, point, subjects)

    def refine(self, photo: Photo, subject: Subject, points: Sequence[Point], labels: Sequence[bool]) -> Mask:
        """The subject's outline, mended by points that belong to it (label true) and points that do not.

        By SAM where its weights are here, by colour otherwise; only the pieces under the points change. Give the
        answer back as `Edit.mask`, or as the mask of the subject. Raises `MaskError` for a point beside the photo.
        """
        return self.detector.refine(photo, subject.mask, points, labels)

    def subject_in(self, photo: Photo, box: Box, subjects: Sequence[Subject]) -> Subject:
        """The person in a box drawn by hand; where none is recognised the whole box counts as one, to be covered."""
        found = self.detector.subject_in(photo, box, subjects)
        if found is not None:
            return found
        mask = masks.rectangle(box, (photo.height, photo.width))
        if not mask.area:
            raise PlanError(
                f"The box {[round(v) for v in box]} lies outside the photo of {photo.width}x{photo.height} pixels."
            )
        number = max((subject.id for subject in subjects), default=0) + 1
        reason = "Nobody was recognised in this box, so all of it is covered."
        return Subject(number, mask.window.box, mask, None, 0.0, Quality("poor", ("drawn-by-hand",)), reason=reason)

    def run(
        self,
        photo: Photo,
        subjects: Sequence[Subject],
        plan: Plan,
        finished: Sequence[Outcome] = (),
        stop: Callable[[], bool] | None = None,
    ) -> Generator[Step, None, Result]:
        """Carry out a plan step by step; close the generator to stop between two people.

        `finished` are outcomes of an earlier run that stay as they are (their subjects must not be in the plan). Only a
        new face that is no longer safe once its neighbours are drawn is covered.
        `stop`, asked from time to time, ends the work inside a picture; the result then holds who is finished. Raises
        `PlanError` for a person that does not exist and `OperationUnavailable` before anything is done.
        """
        self._check(subjects, plan, finished)
        scene = Scene(self.detector, self.recogniser, self.settings, photo, subjects, stop)
        return Run(self, scene, plan, finished).steps()

    def anonymize(self, photo: Photo, subjects: Sequence[Subject] | None = None, plan: Plan | None = None) -> Result:
        """Do all of `run` at once; without a plan everybody gets the default operation."""
        subjects = self.detect(photo) if subjects is None else subjects
        return complete(self.run(photo, subjects, make_plan(subjects) if plan is None else plan))

    def _availability(self, operation: Operation) -> Availability:
        if operation is Operation.KEEP:
            return Availability("none")
        if operation.is_cover:
            return Availability("classical", WARNINGS.get(operation, ""))
        if operation is Operation.REMOVE:
            return Availability(engine_of(self.predictors[0]))
        able = [engine.name for engine in self.synthesisers if operation in engine.operations]
        if able:
            return Availability(able[0], others=tuple(able[1:]))
        from identigen.synthesis import why_unavailable

        return Availability(None, why_unavailable(operation, self.settings))

    def _check(self, subjects: Sequence[Subject], plan: Plan, finished: Sequence[Outcome]) -> None:
        known = {subject.id for subject in subjects}
        done = {outcome.subject_id for outcome in finished}
        for edit in plan.edits:
            if edit.subject_id not in known:
                raise PlanError(f"There is no person {edit.subject_id} in this photo.")
            if edit.subject_id in done:
                raise PlanError(f"Person {edit.subject_id} is finished already; leave them out of one of the two.")
            available = self._availability(edit.operation)
            if available.engine is None:
                raise OperationUnavailable(available.reason)
