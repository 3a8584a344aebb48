"""The promises of the main job, on real photos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen import masks
from identigen.errors import OperationUnavailable, PlanError
from identigen.pipeline import Pipeline, assemble, complete, derived_seed, make_plan
from identigen.pipeline.scene import Scene
from identigen.pipeline.search import AMPLE, FEW, Trial
from identigen.recognition.dlib_resnet import DlibResnet
from identigen.recognition.strangers import Strangers, strangers_to
from identigen.report import Result
from identigen.settings import Settings
from identigen.synthesis.embedded import Embedded
from identigen.types import Candidate, Edit, Mask, Operation, Photo, Pixels, Plan, Subject, Window

Subjects = tuple[Subject, ...]


def changed_outside(before: Photo, result: Result, allowed: Mask) -> int:
    differs = (before.pixels != result.photo.pixels).any(axis=2)
    return int((differs & ~allowed.to_array()).sum())


@pytest.fixture(scope="module")
def new_face(pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects) -> Result:
    return pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1))


def test_a_new_face_is_somebody_else(new_face: Result) -> None:
    [outcome] = new_face.outcomes
    assert outcome.applied is Operation.FACE
    assert outcome.verdict == "pass"
    assert outcome.distances["dlib"] >= 0.60
    assert not new_face.report.failed


def test_a_new_face_stays_inside_its_grown_box(new_face: Result, astronaut: Photo) -> None:
    face = new_face.subjects[0].face
    assert face is not None
    x1, y1, x2, y2 = face.box
    dx, dy = 0.25 * (x2 - x1), 0.25 * (y2 - y1)
    allowed = masks.rectangle((x1 - dx, y1 - dy, x2 + dx, y2 + dy), (astronaut.height, astronaut.width))
    assert changed_outside(astronaut, new_face, allowed) == 0
    assert (astronaut.pixels != new_face.photo.pixels).any()


def test_the_new_face_is_still_a_face_in_the_same_pose(new_face: Result) -> None:
    kept = new_face.outcomes[0].kept
    assert abs(kept["yaw"]["before"] - kept["yaw"]["after"]) <= 8


def test_a_seed_repeats_exactly_and_another_does_not(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, new_face: Result
) -> None:
    again = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1))
    other = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=2))
    assert np.array_equal(new_face.photo.pixels, again.photo.pixels)
    assert not np.array_equal(new_face.photo.pixels, other.photo.pixels)


@pytest.mark.parametrize("operation", [Operation.LAYERED, Operation.BLUR, Operation.SOLID])
def test_a_cover_hides_the_person_and_leaves_the_rest(
    pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects, operation: Operation
) -> None:
    result = pipeline.anonymize(zidane, zidane_subjects, make_plan(zidane_subjects, operation))
    everything = masks.union([o.changed for o in result.outcomes], (zidane.height, zidane.width))
    assert changed_outside(zidane, result, everything) == 0
    assert result.report.outside_mask_identical
    for outcome in result.outcomes:
        assert outcome.verdict in ("pass", "not-applicable")
        assert outcome.changed.area > 0


def test_the_cover_of_a_profile_hides_nose_mouth_and_chin(
    pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects
) -> None:
    profile = zidane_subjects[0]
    assert profile.default_operation is Operation.LAYERED
    result = pipeline.anonymize(zidane, zidane_subjects, make_plan(zidane_subjects, None, [profile.id]))
    covered = next(o for o in result.outcomes if o.subject_id == profile.id).changed
    for place in ((655.0, 360.0), (645.0, 380.0), (612.0, 410.0), (625.0, 320.0)):  # nose, lips, open mouth, eye
        assert covered.contains(place)


def test_different_people_get_different_operations_and_the_rest_is_kept(
    pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects
) -> None:
    first, second = zidane_subjects[:2]
    plan = Plan((Edit(first.id, Operation.SOLID),))
    result = pipeline.anonymize(zidane, zidane_subjects, plan)
    assert {o.subject_id: o.applied for o in result.outcomes} == {
        first.id: Operation.SOLID,
        second.id: Operation.KEEP,
    }
    inside = second.mask.to_array() & ~result.outcomes[0].changed.to_array()
    assert np.array_equal(zidane.pixels[inside], result.photo.pixels[inside])


def test_the_mask_drawn_by_the_user_wins(pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects) -> None:
    drawn = masks.rectangle((20, 300, 120, 400), (astronaut.height, astronaut.width))
    nobody = replace(astronaut_subjects[0], face=None)
    plan = Plan((Edit(nobody.id, Operation.SOLID, mask=drawn),))
    result = pipeline.anonymize(astronaut, (nobody,), plan)
    assert np.array_equal(result.outcomes[0].changed.to_array(), drawn.to_array())
    assert changed_outside(astronaut, result, drawn) == 0


def test_a_cover_that_misses_the_face_is_made_stronger_and_reported(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    beside = masks.rectangle((20, 300, 60, 340), (astronaut.height, astronaut.width))
    plan = Plan((Edit(astronaut_subjects[0].id, Operation.BLUR, mask=beside),))
    result = pipeline.anonymize(astronaut, astronaut_subjects, plan)
    [outcome] = result.outcomes
    assert result.report.failed
    assert outcome.applied is not Operation.BLUR
    assert outcome.verdict in ("pass", "not-applicable")


def test_no_safe_candidate_means_a_cover_and_never_the_face(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, told = [], []

    class Mirror:
        """An engine whose every proposal is the person itself; it remembers what it was told of them."""

        name, operations, models = "mirror", frozenset({Operation.FACE}), ()
        rounds = ((0.0, 20), (0.5, 3), (0.9, 7))

        def region(self, pixels, subject, edit):  # type: ignore[no-untyped-def]
            return masks.rectangle(subject.face.box, pixels.shape[:2])

        def propose(self, pixels, subject, edit, seeds, company=None, stop=None):  # type: ignore[no-untyped-def]
            window = Window.around(subject.face.box, *pixels.shape[:2])
            cut = pixels[window.slices].astype(np.float32)
            for seed in seeds:
                told.append([int(sighting.identity[0]) for sighting in company.tried])
                identity = np.full(1, len(told), np.float32)
                seen = yield Candidate(seed, window, cut, np.ones(cut.shape[:2], np.float32), identity)
                heard.append((seen, company.source))

        def finish(self, pixels, subject, candidate):  # type: ignore[no-untyped-def]
            return candidate

    monkeypatch.setattr(pipeline, "_synthesisers", (Mirror(),))
    plan = make_plan(astronaut_subjects, Operation.FACE)
    result = pipeline.anonymize(astronaut, astronaut_subjects, plan)
    [outcome] = result.outcomes
    assert result.report.failed
    assert outcome.asked is Operation.FACE
    assert outcome.applied in (Operation.LAYERED, Operation.SOLID)
    # The first few show that nobody of the first round will do, two rounds that it is hopeless.
    assert outcome.candidates_tried == FEW + 3
    assert len(heard) == outcome.candidates_tried - 1  # its first round was left before it heard of the last
    assert all(np.linalg.norm(seen - source) < 0.1 for seen, source in heard)  # told that it was the person each time
    assert told == [[]] * FEW + [list(range(1, FEW + 1))] * 3  # a later round knows who was tried in vain before
    assert "covered" in outcome.reason


def test_whom_the_recogniser_takes_for_many_strangers_is_hidden_among_them(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strict(DlibResnet):
        """Takes nearly everybody for one person."""

        threshold = 0.95

    monkeypatch.setattr(pipeline, "recogniser", Strict())
    monkeypatch.setattr("identigen.pipeline.search.strangers_to", lambda name: None)
    plan = make_plan(astronaut_subjects, Operation.FACE)
    [covered] = pipeline.anonymize(astronaut, astronaut_subjects, plan).outcomes
    assert covered.applied is not Operation.FACE  # nobody can look that different
    face, usual = astronaut_subjects[0].face, strangers_to("dlib")
    assert face is not None
    assert usual is not None
    source = Strict().describe(astronaut.pixels, [face])[0]
    away = np.random.default_rng(0).standard_normal((100, 128)).astype(np.float32)
    alike = source + 0.55 * away / np.linalg.norm(away, axis=1, keepdims=True)
    crowd = Strangers(np.concatenate([usual.descriptors, alike]))
    monkeypatch.setattr("identigen.pipeline.search.strangers_to", lambda name: crowd)
    [outcome] = pipeline.anonymize(astronaut, astronaut_subjects, plan).outcomes
    assert (outcome.applied, outcome.verdict) == (Operation.FACE, "pass")
    assert 0.55 <= outcome.thresholds["dlib"] < outcome.distances["dlib"] < Strict.threshold
    assert f"{outcome.thresholds['dlib']:.2f} counts as far enough" in outcome.reason


def test_who_is_nearer_to_the_person_than_to_anybody_is_taken_only_if_nobody_else_comes(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for the person in a gallery would come upon the new face, however far away it is."""
    plan = make_plan(astronaut_subjects, Operation.FACE, seed=0)
    [usual] = pipeline.anonymize(astronaut, astronaut_subjects, plan).outcomes
    nobody_near = Strangers(np.full((200, 128), 5.0, np.float32))
    monkeypatch.setattr("identigen.pipeline.search.strangers_to", lambda name: nobody_near)
    [lonely] = pipeline.anonymize(astronaut, astronaut_subjects, plan).outcomes
    assert usual.verdict == lonely.verdict == "pass"
    assert lonely.candidates_tried > usual.candidates_tried


def test_last_touches_that_bring_the_person_back_are_left_out(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Undoing(Embedded):
        """Finishes a new face by drawing the old one."""

        def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
            return replace(candidate, pixels=pixels[candidate.window.slices].astype(np.float32))

    monkeypatch.setattr(pipeline, "_synthesisers", (Undoing(),))
    result = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE))
    [outcome] = result.outcomes
    assert (outcome.applied, outcome.verdict) == (Operation.FACE, "pass")


def test_last_touches_that_go_too_far_are_taken_by_half(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fading(Embedded):
        """Finishes a new face by painting it over in one colour."""

        def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
            drawn.append(candidate)
            return replace(candidate, pixels=np.full_like(candidate.pixels, candidate.pixels.mean()))

    drawn: list[Candidate] = []
    monkeypatch.setattr(pipeline, "_synthesisers", (Fading(),))
    # Somebody who is told by half their contrast: not everybody is.
    result = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1))
    assert result.outcomes[0].applied is Operation.FACE
    [candidate] = drawn
    whole = candidate.coverage > 0.99
    shown = result.photo.pixels[candidate.window.slices][whole]
    assert shown.std() == pytest.approx(candidate.pixels[whole].std() / 2, rel=0.1)


def test_removal_changes_the_place_and_nobody_is_seen_there(
    pipeline: Pipeline, astronaut: Photo, zidane: Photo, zidane_subjects: Subjects
) -> None:
    subject = zidane_subjects[0]
    result = pipeline.anonymize(zidane, zidane_subjects, Plan((Edit(subject.id, Operation.REMOVE),)))
    outcome = next(o for o in result.outcomes if o.subject_id == subject.id)
    assert outcome.applied is Operation.REMOVE
    assert masks.subtract(subject.mask, outcome.changed).area < 0.05 * subject.mask.area
    assert changed_outside(zidane, result, outcome.changed) == 0
    assert outcome.reason or not any(
        subject.face and _near(face.box, subject.face.box) for face in pipeline.detector.find_faces(result.photo.pixels)
    )


def test_a_removal_that_misses_the_face_becomes_a_cover(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    beside = masks.rectangle((20, 300, 60, 340), (astronaut.height, astronaut.width))
    plan = Plan((Edit(astronaut_subjects[0].id, Operation.REMOVE, mask=beside),))
    result = pipeline.anonymize(astronaut, astronaut_subjects, plan)
    [outcome] = result.outcomes
    assert result.report.failed
    assert (outcome.asked, outcome.applied) == (Operation.REMOVE, Operation.LAYERED)
    assert outcome.verdict in ("pass", "not-applicable")


def _near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return abs(a[0] - b[0]) < 0.3 * (b[2] - b[0]) and abs(a[1] - b[1]) < 0.3 * (b[3] - b[1])


def test_stopping_keeps_who_is_finished(pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects) -> None:
    steps = pipeline.run(zidane, zidane_subjects, make_plan(zidane_subjects, Operation.SOLID))
    seen = next(steps)
    while seen.done < 1:
        seen = next(steps)
    so_far = seen.so_far
    steps.close()
    assert so_far is not None
    applied = [outcome.applied for outcome in so_far.outcomes]
    assert applied.count(Operation.SOLID) == 1
    assert applied.count(Operation.KEEP) == len(zidane_subjects) - 1


def test_a_stop_inside_the_work_keeps_who_is_finished(
    pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects
) -> None:
    asked = iter([False, True])
    plan = make_plan(zidane_subjects, Operation.SOLID)
    result = complete(pipeline.run(zidane, zidane_subjects, plan, stop=lambda: next(asked)))
    applied = [outcome.applied for outcome in result.outcomes]
    assert applied.count(Operation.SOLID) == 1
    assert applied.count(Operation.KEEP) == len(zidane_subjects) - 1


def test_one_person_is_done_again_without_touching_the_other(
    pipeline: Pipeline, zidane: Photo, zidane_subjects: Subjects
) -> None:
    result = pipeline.anonymize(zidane, zidane_subjects, make_plan(zidane_subjects, Operation.SOLID))
    first, second = zidane_subjects[:2]
    finished = [o for o in result.outcomes if o.subject_id == second.id]
    again = complete(pipeline.run(zidane, zidane_subjects, Plan((Edit(first.id, Operation.LAYERED),)), finished))
    assert {o.subject_id: o.applied for o in again.outcomes} == {
        first.id: Operation.LAYERED,
        second.id: Operation.SOLID,
    }
    only_second = assemble(zidane, finished)
    inside = finished[0].changed.to_array()
    assert np.array_equal(only_second.pixels[inside], again.photo.pixels[inside])


def test_a_new_face_that_a_neighbour_spoilt_is_covered_at_last(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, new_face: Result
) -> None:
    """Here the neighbour's patch holds the very face that was to be hidden."""
    [outcome] = new_face.outcomes
    person, neighbour = astronaut_subjects[0], replace(astronaut_subjects[0], id=2, face=None)
    same = astronaut.pixels[outcome.changed.window.slices]
    beside = replace(outcome, subject_id=2, applied=Operation.REMOVE, patch=same)
    result = complete(pipeline.run(astronaut, (person, neighbour), Plan(()), [outcome, beside]))
    covered = next(o for o in result.outcomes if o.subject_id == person.id)
    assert (covered.asked, covered.applied) == (Operation.FACE, Operation.LAYERED)
    assert "neighbours" in covered.reason
    assert result.report.failed
    inside = covered.changed.to_array()
    assert np.abs(result.photo.pixels[inside].astype(int) - astronaut.pixels[inside]).mean() > 10
    assert result.report.outside_mask_identical


def test_a_new_face_whose_neighbour_does_no_harm_stays(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, new_face: Result
) -> None:
    [outcome] = new_face.outcomes
    person, neighbour = astronaut_subjects[0], replace(astronaut_subjects[0], id=2, face=None)
    window = outcome.changed.window
    corner = masks.rectangle(
        (window.left, window.top, window.left + 4, window.top + 4), (astronaut.height, astronaut.width)
    )
    plan = Plan((Edit(neighbour.id, Operation.SOLID, mask=corner),))
    result = complete(pipeline.run(astronaut, (person, neighbour), plan, [outcome]))
    assert {o.subject_id: o.applied for o in result.outcomes} == {1: Operation.FACE, 2: Operation.SOLID}


def test_who_was_finished_before_is_not_given_to_anybody_else(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, new_face: Result
) -> None:
    other = replace(astronaut_subjects[0], id=2)
    scene = Scene(
        pipeline.detector, pipeline.recogniser, pipeline.settings, astronaut, (astronaut_subjects[0], other), None
    )
    scene.lay_anew(new_face.outcomes)
    scene.recall(new_face.outcomes[0])
    [given] = scene.company(other).given
    near_source = np.linalg.norm(given - scene.source(other).descriptor)
    assert near_source == pytest.approx(new_face.outcomes[0].distances["dlib"], abs=0.1)
    assert not scene.company(astronaut_subjects[0]).given
    scene.take_back(astronaut_subjects[0])
    assert not scene.company(other).given


def test_nobody_in_the_photo_is_a_warning_not_an_error(pipeline: Pipeline) -> None:
    empty = Photo(np.zeros((64, 64, 3), np.uint8))
    result = pipeline.anonymize(empty)
    assert np.array_equal(result.photo.pixels, empty.pixels)
    assert any("Nobody" in warning for warning in result.report.warnings)


def test_a_crowd_beyond_the_limit_is_said(
    pipeline: Pipeline, settings: Settings, zidane: Photo, zidane_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "settings", replace(settings, max_people=len(zidane_subjects)))
    result = pipeline.anonymize(zidane, zidane_subjects, make_plan(zidane_subjects, Operation.KEEP))
    assert any("left as they are" in warning for warning in result.report.warnings)


def test_what_no_engine_can_do_is_refused_before_anything_is_done(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    with pytest.raises(OperationUnavailable, match="diffusion"):
        pipeline.run(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.BODY))


def test_plans_name_only_people_who_exist(astronaut_subjects: Subjects) -> None:
    with pytest.raises(PlanError, match="no person 7"):
        make_plan(astronaut_subjects, Operation.FACE, ids=[7])
    with pytest.raises(PlanError, match="two edits"):
        Plan((Edit(1, Operation.FACE), Edit(1, Operation.BLUR)))


def test_two_people_get_two_seeds_and_always_the_same(zidane_subjects: Subjects) -> None:
    seeds = [edit.seed for edit in make_plan(zidane_subjects, Operation.FACE, seed=5).edits]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [derived_seed(5, subject.id) for subject in zidane_subjects]


def test_somebody_without_a_face_needs_no_second_candidate() -> None:
    """There is nobody to be known by: each further body would cost seconds for nothing."""
    window, pixels = Window(0, 0, 4, 4), np.zeros((4, 4, 3), np.uint8)
    drawn = Candidate(0, window, pixels.astype(np.float32), np.ones((4, 4), np.float32))
    seen = Trial(drawn, window, pixels, Mask.empty(4, 4), None)
    assert seen.is_good
    assert seen.margin >= AMPLE
    alone = replace(seen, hidden=False)  # this one would be come upon by who looks for the person
    assert alone.rank < seen.rank
    assert not alone.is_good


def test_a_hand_drawn_box_is_covered_even_where_nobody_is_recognised(pipeline: Pipeline) -> None:
    wall = Photo(np.full((200, 300, 3), 90, np.uint8))
    subject = pipeline.subject_in(wall, (50, 40, 120, 150), ())
    assert subject.default_operation is Operation.LAYERED
    assert masks.iou(subject.mask, masks.rectangle((50, 40, 120, 150), (200, 300))) > 0.9


def test_operations_say_what_is_missing(pipeline: Pipeline) -> None:
    available = pipeline.operations()
    assert available[Operation.FACE].engine == "embedded"
    assert available[Operation.BODY].engine is None
    assert "GPU" in available[Operation.BODY].reason or "diffusion" in available[Operation.BODY].reason


def test_the_engine_that_was_asked_for_is_not_silently_replaced(astronaut: Photo, settings: Settings) -> None:
    diffusion = Pipeline(replace(settings, engine="diffusion"))
    assert diffusion.operations()[Operation.FACE].engine != "embedded"
