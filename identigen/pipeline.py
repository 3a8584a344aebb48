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

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from identigen import masks
from identigen.composite import paste
from identigen.detection import Detector
from identigen.errors import EngineError, ModelError, OperationUnavailable, PlanError, Stopped
from identigen.obfuscation import WARNINGS, cover_region, obfuscate
from identigen.recognition import Recogniser, default_recogniser
from identigen.recognition.attributes import Attributes, agreement, compare, read_attributes
from identigen.report import Report, unique
from identigen.settings import Settings
from identigen.types import (
    MAX_SEED,
    Box,
    Candidate,
    Company,
    Edit,
    Face,
    Floats,
    Mask,
    Operation,
    Outcome,
    Photo,
    Pixels,
    Plan,
    Point,
    Quality,
    Result,
    Step,
    Subject,
    Window,
)
from identigen.verification import (
    Likeness,
    Source,
    describe_source,
    look_again,
    measure,
    outside_is_identical,
    same_face,
)

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor
    from identigen.synthesis import Synthesiser

ROUNDS = ((0.0, 4), (0.5, 4), (1.0, 4))
"""How far on the way from the asked strength to the full one, and how many candidates are drawn there."""
GOOD_AGREEMENT = 0.8
"""A safe candidate that keeps this much of what should be kept is taken without looking at the others."""
FILLS = 3
MOST_UNCOVERED = 0.15
"""Where no recogniser can judge a cover, this share of the face's oval may look out of it."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Which engine does an operation here; None when none can, and `reason` says why and what would help."""

    engine: str | None
    reason: str = ""


def make_plan(
    subjects: Sequence[Subject],
    operation: Operation | None = None,
    ids: Collection[int] | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Plan:
    """Give the named subjects (None: all) one operation (None: the default of each), with `options` of `Edit`.

    Every subject gets a seed of its own, derived from `seed`: two people of one photo must not come out alike.
    Raises `PlanError` when nobody has a number in `ids`.
    """
    known = {subject.id for subject in subjects}
    missing = sorted(set(ids or ()) - known)
    if missing:
        people = f"people 1 to {max(known)}" if known else "nobody"
        raise PlanError(f"There is no person {missing[0]} in this photo; it shows {people}.")
    return Plan(
        tuple(
            Edit(subject.id, operation or subject.default_operation, seed=derived_seed(seed, subject.id), **options)
            for subject in subjects
            if ids is None or subject.id in ids
        )
    )


def derived_seed(seed: int, index: int) -> int:
    """A seed for the `index`-th part of some work: the same every time, unlike its neighbours'."""
    if index == 0:
        return seed
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) % (MAX_SEED + 1)


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
        self.settings = settings or Settings.from_environment()
        self.detector = Detector(self.settings)
        self.recogniser: Recogniser = default_recogniser()
        self._synthesisers: tuple[Synthesiser, ...] | None = None
        self._predictor: BackgroundPredictor | None = None

    @property
    def synthesisers(self) -> tuple[Synthesiser, ...]:
        """The engines that draw new people, best first."""
        if self._synthesisers is None:
            from identigen.synthesis import available_synthesisers

            self._synthesisers = available_synthesisers(self.settings)
        return self._synthesisers

    @property
    def predictor(self) -> BackgroundPredictor:
        """What fills the place of somebody who is removed."""
        if self._predictor is None:
            from identigen.background import default_predictor

            self._predictor = default_predictor(self.settings)
        return self._predictor

    def prepare(self) -> tuple[str, ...]:
        """Fetch what may be fetched, load what a first visitor would wait for; return sentences to be shown."""
        notices = tuple(self.detector.prepare())
        for engine in self.synthesisers[:1]:
            engine.prepare()
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

        `finished` are outcomes of an earlier run that stay as they are (their subjects must not be in the plan).
        `stop`, asked from time to time, ends the work inside a picture; the result then holds who is finished. Raises
        `PlanError` for a person that does not exist and `OperationUnavailable` before anything is done.
        """
        self._check(subjects, plan, finished)
        return _Run(self, photo, subjects, plan, finished, stop).steps()

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
            return Availability(_engine_of(self.predictor))
        for engine in self.synthesisers:
            if operation in engine.operations:
                return Availability(engine.name)
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


@dataclass(frozen=True, eq=False, slots=True)
class _Trial:
    """A candidate that was pasted and measured."""

    seed: int
    window: Window
    patch: Pixels
    changed: Mask
    face: Face | None
    likeness: Likeness | None = None
    attributes: Attributes | None = None
    agreement: float = 1.0

    @property
    def is_safe(self) -> bool:
        return self.likeness is None or self.likeness.is_safe


class _Run:
    """One plan on one photo: the working picture, who was described already, and what is finished."""

    def __init__(
        self,
        pipeline: Pipeline,
        photo: Photo,
        subjects: Sequence[Subject],
        plan: Plan,
        finished: Sequence[Outcome],
        stop: Callable[[], bool] | None,
    ) -> None:
        self.pipeline = pipeline
        self.stop = stop
        self.photo = photo
        self.subjects = {subject.id: subject for subject in subjects}
        self.plan = plan
        self.outcomes = list(finished)
        self.pixels: Pixels = photo.pixels.copy()
        self.size = (photo.height, photo.width)
        self.started = time.perf_counter()
        self.models: list[str] = list(pipeline.detector.used_models)
        self.warnings: list[str] = [*photo.notes, *_crowd_warning(len(subjects), pipeline.settings.max_people)]
        self._sources: dict[int, Source] = {}
        self._descriptors: dict[int, Floats] = {}
        self._before: dict[int, Attributes] = {}
        self._given: dict[int, Floats] = {}

    def steps(self) -> Generator[Step, None, Result]:
        for outcome in self.outcomes:
            self._apply(outcome)
        active = [edit for edit in self.plan.edits if edit.operation is not Operation.KEEP]
        done = 0
        yield Step(0, len(active), "Starting")
        for edits in self._in_order(active):
            if self.stop is not None and self.stop():
                break
            names = " and ".join(str(edit.subject_id) for edit in edits)
            text = f"Person {names}: {_VERBS[edits[0].operation]}"
            yield Step(done, len(active), text, edits[0].subject_id, self._assembler())
            try:
                removal = edits[0].operation is Operation.REMOVE
                self._finish(self._remove(edits) if removal else [self._change(edits[0])])
            except Stopped:
                break
            done += len(edits)
        yield Step(done, len(active), "Checking", None, self._assembler())
        return self.result()

    def result(self) -> Result:
        """The photo with everybody who is finished, and the report about it."""
        outcomes = self._with_kept()
        picture = assemble(self.photo, outcomes)
        report = Report(
            engine="diffusion" if any(outcome.engine == "diffusion" for outcome in outcomes) else "embedded",
            seconds=time.perf_counter() - self.started,
            outcomes=outcomes,
            outside_mask_identical=outside_is_identical(self.photo.pixels, picture.pixels, outcomes),
            models=unique(self.models),
            warnings=unique(self.warnings if self.subjects else [*self.warnings, "Nobody was found in this photo."]),
        )
        return Result(picture, tuple(self.subjects.values()), outcomes, report)

    # ---------------------------------------------------------------- order

    def _in_order(self, edits: Sequence[Edit]) -> Iterator[list[Edit]]:
        """Removals first, neighbours together; then the others from far (small) to near (large)."""
        yield from self._removal_groups([edit for edit in edits if edit.operation is Operation.REMOVE])
        others = [edit for edit in edits if edit.operation is not Operation.REMOVE]
        for edit in sorted(others, key=lambda e: self.subjects[e.subject_id].mask.area):
            yield [edit]

    def _removal_groups(self, edits: Sequence[Edit]) -> list[list[Edit]]:
        """People who stand close are removed in one go: otherwise one would bleed into the place of the other."""
        groups: list[tuple[Window, list[Edit]]] = []
        for edit in edits:
            reach = self._reach(self.subjects[edit.subject_id])
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
        return Window.around(window.box, *self.size, margin=0.1 * max(window.width, window.height))

    # ---------------------------------------------------------------- new face

    def _change(self, edit: Edit) -> Outcome:
        start = time.perf_counter()
        subject = self.subjects[edit.subject_id]
        outcome = self._synthesise(subject, edit) if edit.operation.is_synthesis else self._cover(subject, edit)
        return replace(outcome, seconds=time.perf_counter() - start)

    def _synthesise(self, subject: Subject, edit: Edit) -> Outcome:
        cover = replace(edit, operation=Operation.LAYERED)
        refusal = _why_no_new_face(subject) if edit.operation is not Operation.BODY else ""
        if refusal:
            return self._cover(subject, cover, asked=edit.operation, reason=refusal)
        problems: list[str] = []
        for engine in self.pipeline.synthesisers:
            if edit.operation not in engine.operations:
                continue
            try:
                chosen, tried = self._best_candidate(engine, subject, edit)
            except (EngineError, ModelError) as error:
                problems.append(f"The {engine.name} engine could not draw this person: {error}")
                continue
            finally:
                self.warnings += engine.notices
            if chosen is None:
                problems.append(f"None of {tried} new identities was far enough from the person; covered instead.")
                self.warnings.append(f"Person {subject.id}: {problems[-1]}")
                outcome = self._cover(subject, cover, asked=edit.operation, reason=" ".join(problems))
                return replace(outcome, failed=True, candidates_tried=tried)
            return self._accept(engine, subject, edit, chosen, tried, " ".join(problems))
        return self._cover(subject, cover, asked=edit.operation, reason=" ".join(problems))

    def _accept(
        self, engine: Synthesiser, subject: Subject, edit: Edit, chosen: _Trial, tried: int, reason: str
    ) -> Outcome:
        self.models += [*engine.models, "dlib-resnet"]
        if chosen.likeness is not None:
            self._given[subject.id] = chosen.likeness.descriptor
        outcome = self._outcome(
            subject,
            edit,
            chosen.changed,
            chosen.window,
            chosen.patch,
            engine=engine.name,
            seed=chosen.seed,
            reason=reason,
            candidates_tried=tried,
            likeness=chosen.likeness,
            kept=compare(self._attributes(subject), chosen.attributes) if chosen.attributes else {},
        )
        return self._with_second_opinion(subject, chosen, outcome)

    def _with_second_opinion(self, subject: Subject, chosen: _Trial, outcome: Outcome) -> Outcome:
        """Add the referee's distance, where its weights are here; it never takes part in choosing."""
        from identigen.recognition.sface import referee

        judge = referee(self.pipeline.settings)
        if judge is None or subject.face is None or chosen.face is None:
            return outcome
        source = describe_source(judge, self.photo.pixels, subject.face)
        with self._shown(chosen.window, chosen.patch):
            found = measure(judge, self.pixels, chosen.face, source)
        self.models.append(judge.name)
        return replace(
            outcome,
            distances={**outcome.distances, judge.name: found.to_source},
            thresholds={**outcome.thresholds, judge.name: found.threshold},
        )

    def _best_candidate(self, engine: Synthesiser, subject: Subject, edit: Edit) -> tuple[_Trial | None, int]:
        """The first safe candidate that keeps enough, else the best keeper among the safe; and how many were drawn."""
        tried, best = 0, None
        company = self._company(subject)
        allowed = engine.region(self.pixels, subject, edit)
        for strength, seeds in _rounds(edit):
            stronger = replace(edit, strength=strength)
            for candidate in engine.propose(self.pixels, subject, stronger, seeds, company, self.stop):
                tried += 1
                trial = self._try(subject, edit, candidate, allowed, company)
                if trial is None or (trial.likeness and trial.likeness.verdict == "fail"):
                    continue
                if trial.is_safe and trial.agreement >= GOOD_AGREEMENT:
                    return trial, tried
                if best is None or _rank(trial) > _rank(best):
                    best = trial
            if best is not None:
                return best, tried
        return None, tried

    def _try(
        self, subject: Subject, edit: Edit, candidate: Candidate, allowed: Mask, company: Company
    ) -> _Trial | None:
        """Paste and measure a candidate; None when what was drawn is not seen as a face (or, without one, a person)."""
        window, patch, changed = paste(self.pixels, candidate, allowed)
        with self._shown(window, patch):
            if subject.face is None:
                seen = self.pipeline.detector.find_people(self.pixels, self._around(changed.window.box))
                drawn = any(masks.iou(mask, changed) > 0.3 for mask in seen)
                return _Trial(candidate.seed, window, patch, changed, None) if drawn else None
            again = self._face_after(subject.face, edit, changed)
            if again is None:
                return None
            recogniser, source = self.pipeline.recogniser, self._source(subject)
            likeness = measure(recogniser, self.pixels, again, source, company.others, company.given)
            if subject.face.landmarks is None:
                return _Trial(candidate.seed, window, patch, changed, again, likeness)
            after = read_attributes(self.pixels, again, likeness.descriptor)
        kept = agreement(self._attributes(subject), after)
        return _Trial(candidate.seed, window, patch, changed, again, likeness, after, kept)

    def _face_after(self, face: Face, edit: Edit, changed: Mask) -> Face | None:
        """The face that stands there now; a new body may hold its head a little elsewhere."""
        again = look_again(self.pixels, face.box)
        if again is not None or edit.operation is not Operation.BODY:
            return again
        found = self.pipeline.detector.find_faces(self.pixels, self._around(changed.window.box))
        inside = [f for f in found if f.landmarks is not None and changed.contains(_centre(f.box))]
        return inside[0] if inside else None

    # ---------------------------------------------------------------- cover

    def _cover(self, subject: Subject, edit: Edit, asked: Operation | None = None, reason: str = "") -> Outcome:
        """Cover, and cover more when the person can still be recognised: layered over the face, then a solid box."""
        asked = asked or edit.operation
        face_px = subject.face.size_px if subject.face else None
        for attempt, (operation, region) in enumerate(self._ladder(subject, edit)):  # noqa: B007 (read after the loop)
            window, patch = obfuscate(self.pixels, region, operation, edit.seed, face_px)
            likeness = self._likeness_after(subject, window, patch)
            if likeness.verdict == "pass" if likeness else _hides_face(region, subject, self.size):
                break
        if attempt:
            reason = f"{reason} Still recognisable under {edit.operation.value}; covered more strongly.".strip()
            self.warnings.append(f"Person {subject.id}: {reason}")
        return self._outcome(
            subject,
            replace(edit, operation=operation),
            region,
            window,
            patch,
            asked=asked,
            engine="classical",
            reason=reason,
            likeness=likeness,
            failed=attempt > 0,
        )

    def _ladder(self, subject: Subject, edit: Edit) -> Iterator[tuple[Operation, Mask]]:
        asked = edit.mask if edit.mask is not None else cover_region(subject, edit.region, edit.extent, self.size)
        yield edit.operation, asked
        whole = masks.union([asked, cover_region(subject, "segment", "face", self.size)], self.size)
        yield Operation.LAYERED, whole
        yield Operation.SOLID, masks.union([whole, cover_region(subject, "box", "head", self.size)], self.size)

    def _likeness_after(self, subject: Subject, window: Window, patch: Pixels) -> Likeness | None:
        """How near the covered face still is to the person; None where nobody can read a face any more.

        Only a face with landmarks is measured: of an unreadable one the recogniser sees hair and outline, and those
        are as near to a stranger's as to the person's own.
        """
        if subject.face is None:
            return None
        with self._shown(window, patch):
            faces = self.pipeline.detector.find_faces(self.pixels, self._around(subject.face.box))
            still = [face for face in faces if face.landmarks is not None and same_face(face.box, subject.face.box)]
            if not still:
                return None
            self.models.append("dlib-resnet")
            source = self._source(subject)
            found = [measure(self.pipeline.recogniser, self.pixels, face, source) for face in still]
        return min(found, key=lambda likeness: likeness.to_source)

    # ---------------------------------------------------------------- removal

    def _remove(self, edits: Sequence[Edit]) -> list[Outcome]:
        from identigen.background import removal_mask

        start = time.perf_counter()
        people = [self.subjects[edit.subject_id] for edit in edits]
        staying = [subject for subject in self.subjects.values() if subject not in people]
        regions: list[Mask] = []
        for edit, subject in zip(edits, people, strict=True):
            if edit.mask is not None:
                regions.append(edit.mask)
                continue
            found = removal_mask(self.photo.pixels, subject, staying)
            shadow = [found.shadow] if edit.attributes.get("shadow", "remove") == "remove" else []
            regions.append(masks.union([found.person, *shadow], self.size))
        hole = masks.union(regions, self.size)
        forbidden = masks.union([s.mask for s in self.subjects.values()], self.size)
        for attempt in range(FILLS):
            seed = derived_seed(edits[0].seed, attempt)
            window, patch = self.pipeline.predictor.predict(self.pixels, hole, forbidden, seed)
            ghosts = self._ghosts(hole, window, patch)
            if not ghosts:
                break
        self.models += self.pipeline.predictor.models
        self.warnings += self.pipeline.predictor.notices
        engine = _engine_of(self.pipeline.predictor)
        reason = ""
        if ghosts:
            reason = f"The detector still sees {ghosts} in the filled place after {FILLS} attempts."
        outcomes = []
        seconds = (time.perf_counter() - start) / len(edits)
        for edit, subject, region in zip(edits, people, regions, strict=True):
            if reason:
                self.warnings.append(f"Person {subject.id}: {reason}")
            part = _part(window, patch, region.window)
            likeness = self._likeness_after(subject, window, patch)
            if likeness.verdict == "fail" if likeness else not _hides_face(region, subject, self.size):
                outcome = self._cover_what_stayed(subject, edit)
            else:
                outcome = self._outcome(
                    subject,
                    edit,
                    region,
                    region.window,
                    part,
                    engine=engine,
                    seed=seed,
                    reason=reason,
                    likeness=likeness,
                )
            outcomes.append(replace(outcome, seconds=seconds, candidates_tried=attempt + 1))
        return outcomes

    def _cover_what_stayed(self, subject: Subject, edit: Edit) -> Outcome:
        """A removal that leaves the face to be seen, for example by a mask that misses it, becomes a cover."""
        reason = "The face could still be seen after the removal; covered instead."
        self.warnings.append(f"Person {subject.id}: {reason}")
        cover = replace(edit, operation=Operation.LAYERED, mask=None)
        return replace(self._cover(subject, cover, asked=Operation.REMOVE, reason=reason), failed=True)

    def _ghosts(self, hole: Mask, window: Window, patch: Pixels) -> str:
        """What a detector takes for a person in the filled place, in words; empty when there is nobody."""
        detector = self.pipeline.detector
        with self._shown(window, patch):
            around = self._around(hole.window.box)
            faces = [face for face in detector.find_faces(self.pixels, around) if hole.contains(_centre(face.box))]
            persons = [
                mask
                for mask in detector.find_people(self.pixels, around)
                if masks.intersect(mask, hole).area > 0.5 * mask.area
            ]
        if faces:
            return "a face"
        return "a person" if persons else ""

    # ---------------------------------------------------------------- shared

    def _outcome(
        self,
        subject: Subject,
        edit: Edit,
        changed: Mask,
        window: Window,
        patch: Pixels,
        *,
        engine: str,
        reason: str,
        asked: Operation | None = None,
        seed: int | None = None,
        candidates_tried: int = 0,
        likeness: Likeness | None = None,
        kept: Mapping[str, Mapping[str, Any]] | None = None,
        failed: bool = False,
    ) -> Outcome:
        name = self.pipeline.recogniser.name
        return Outcome(
            subject_id=subject.id,
            asked=asked or edit.operation,
            applied=edit.operation,
            reason=reason,
            seed=edit.seed if seed is None else seed,
            engine=engine,
            box=subject.box,
            region=edit.region,
            changed=changed,
            patch=_part(window, patch, changed.window),
            candidates_tried=candidates_tried,
            distances={name: likeness.to_source} if likeness else {},
            thresholds={name: likeness.threshold} if likeness else {},
            verdict=likeness.verdict if likeness else "not-applicable",
            kept=kept or {},
            failed=failed,
        )

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes.append(outcome)
            self._apply(outcome)
            if outcome.applied in WARNINGS:
                self.warnings.append(WARNINGS[outcome.applied])

    def _apply(self, outcome: Outcome) -> None:
        _lay(self.pixels, outcome)

    def _with_kept(self) -> tuple[Outcome, ...]:
        """The outcomes in the order of their patches (near people cover far ones), then everybody unchanged."""
        done = {outcome.subject_id: outcome for outcome in self.outcomes}
        kept = {
            subject.id: self._outcome(
                subject,
                Edit(subject.id, Operation.KEEP),
                Mask.empty(*self.size),
                Window(0, 0, 0, 0),
                np.zeros((0, 0, 3), np.uint8),
                engine="none",
                reason="",
            )
            for subject in self.subjects.values()
            if subject.id not in done
        }
        return (*self.outcomes, *kept.values())

    def _assembler(self) -> Any:
        return self.result if self.outcomes else None

    def _source(self, subject: Subject) -> Source:
        if subject.id not in self._sources:
            assert subject.face is not None  # who has no face is never measured
            found = describe_source(self.pipeline.recogniser, self.photo.pixels, subject.face)
            self._sources[subject.id] = found
            self._descriptors[subject.id] = found.aligned
        return self._sources[subject.id]

    def _attributes(self, subject: Subject) -> Attributes:
        """What should be kept of a subject, read off the source."""
        if subject.id not in self._before:
            source = self._source(subject)
            self._before[subject.id] = read_attributes(self.photo.pixels, source.face, source.aligned)
        return self._before[subject.id]

    def _company(self, subject: Subject) -> Company:
        """The subject, everybody else with a readable face, and the identities that were given already."""
        others = [s for s in self.subjects.values() if s.id != subject.id and s.face and s.face.landmarks is not None]
        for other in others:
            if other.id not in self._descriptors:
                assert other.face is not None
                found = self.pipeline.recogniser.describe(self.photo.pixels, [other.face])[0]
                self._descriptors[other.id] = found
        return Company(
            source=self._source(subject).aligned if subject.face else None,
            others=tuple(self._descriptors[other.id] for other in others),
            given=tuple(vector for number, vector in self._given.items() if number != subject.id),
        )

    def _around(self, box: Box) -> Window:
        return Window.around(_grown(box, 0.6), *self.size)

    @contextmanager
    def _shown(self, window: Window, patch: Pixels) -> Iterator[None]:
        """The working picture with `patch` in it, for as long as the block lasts."""
        before = self.pixels[window.slices].copy()
        self.pixels[window.slices] = patch
        try:
            yield
        finally:
            self.pixels[window.slices] = before


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
        _lay(pixels, outcome)
    return Photo(pixels, photo.source_name, photo.notes)


def _lay(pixels: Pixels, outcome: Outcome) -> None:
    changed = outcome.changed
    if changed.area:
        pixels[changed.window.slices][changed.pixels] = outcome.patch[changed.pixels]


def _part(window: Window, patch: Pixels, part: Window) -> Pixels:
    """The pixels of `part` out of a patch over `window`, which holds it."""
    rows = slice(part.top - window.top, part.bottom - window.top)
    return np.ascontiguousarray(patch[rows, part.left - window.left : part.right - window.left])


def _rounds(edit: Edit) -> Iterator[tuple[float, list[int]]]:
    """First candidates as asked, then further and further away from the person."""
    start = 0
    for share, count in ROUNDS:
        seeds = [derived_seed(edit.seed, index) for index in range(start, start + count)]
        yield edit.strength + share * (1.0 - edit.strength), seeds
        start += count


def _rank(trial: _Trial) -> tuple[bool, float]:
    return (trial.is_safe, trial.agreement)


def _why_no_new_face(subject: Subject) -> str:
    """The gate's reason when a new face would not be honest here; empty when it is."""
    face: Face | None = subject.face
    if face is None:
        return subject.reason or "No face can be seen, so the head is covered instead."
    if subject.default_operation is not Operation.FACE:
        return subject.reason or "The face cannot be read well enough for a new one; covered instead."
    return ""


def _hides_face(region: Mask, subject: Subject, size: tuple[int, int]) -> bool:
    """Whether next to nothing of the face looks out of a cover."""
    if subject.face is None:
        return True
    inner = masks.ellipse(subject.face.box, size)
    return masks.subtract(inner, region).area <= MOST_UNCOVERED * inner.area


def _engine_of(predictor: BackgroundPredictor) -> str:
    return "embedded" if predictor.name == "patchmatch" else "diffusion"


def _centre(box: Box) -> Point:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _crowd_warning(people: int, most: int) -> tuple[str, ...]:
    if people < most:
        return ()
    return (f"Only the {most} most visible people were looked at; others may be left as they are. See the settings.",)


def _grown(box: Box, share: float) -> Box:
    x1, y1, x2, y2 = box
    dx, dy = share * (x2 - x1), share * (y2 - y1)
    return (x1 - dx, y1 - dy, x2 + dx, y2 + dy)
