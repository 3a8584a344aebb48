"""What goes wrong with models while people are worked on: each time one clear sentence, and the next best thing.

What goes wrong while weights are fetched is in `test_weights.py`, a device that is too small in
`synthesis/test_painter.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.background import available_predictors
from identigen.background.lama import Lama
from identigen.background.patchmatch import PatchMatch
from identigen.errors import ModelCorrupt, OutOfMemory, Stopped
from identigen.models import REGISTRY
from identigen.models.weights import locate
from identigen.pipeline import Pipeline, complete, make_plan
from identigen.report import Result
from identigen.settings import Settings
from identigen.synthesis import embedded_synthesiser, painter
from identigen.synthesis.diffusion import Diffusion
from identigen.types import Edit, Fill, Mask, Operation, Outcome, Photo, Pixels, Plan, Subject

Subjects = tuple[Subject, ...]
FAILURES = {
    "memory": OutOfMemory("sdxl-inpainting does not fit into the memory of cuda, not even quantised."),
    "damaged": ModelCorrupt("sdxl-inpainting could not be loaded; `identigen models pull sdxl-inpainting` repairs it."),
}


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("failures"), "sdxl-inpainting", "flux2-klein-4b", "lama", "sface") as settings:
        yield settings


@pytest.fixture
def both(with_weights: Settings, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The diffusion engine first, as on a GPU, and the embedded one behind it."""
    pipeline = Pipeline(with_weights)
    engines = (Diffusion(REGISTRY["sdxl-inpainting"], with_weights), embedded_synthesiser())
    monkeypatch.setattr(pipeline, "_synthesisers", engines)
    return pipeline


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


def only(result: Result) -> Outcome:
    [outcome] = result.outcomes
    assert result.report.outside_mask_identical
    return outcome


@pytest.mark.parametrize("kind", FAILURES)
def test_a_new_face_comes_from_the_embedded_engine_and_that_is_said(
    both: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(painter, "paint", raising(FAILURES[kind]))
    outcome = only(both.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1)))
    assert (outcome.applied, outcome.engine) == (Operation.FACE, "embedded")
    assert outcome.reason == f"The diffusion engine could not draw this person: {FAILURES[kind]}"


@pytest.mark.parametrize("kind", FAILURES)
def test_a_new_body_which_nothing_else_can_draw_becomes_a_cover_and_that_is_said(
    both: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(painter, "paint", raising(FAILURES[kind]))
    result = both.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.BODY))
    outcome = only(result)
    assert outcome.applied.is_cover
    assert str(FAILURES[kind]) in outcome.reason
    assert "covered instead" in outcome.reason
    assert any(str(FAILURES[kind]) in warning for warning in result.report.warnings)


def test_faces_that_do_not_pass_are_drawn_by_the_other_engine(
    both: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    """Random weights draw noise, in which the face mesh sees faces and a detector none."""
    outcome = only(both.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1)))
    assert (outcome.applied, outcome.engine, outcome.verdict) == (Operation.FACE, "embedded", "pass")
    hopeless = sum(count for _, count in Diffusion.rounds[:2])
    assert outcome.reason.startswith(f"None of {hopeless} new identities by the diffusion engine")
    assert outcome.candidates_tried > hopeless


def test_a_damaged_referee_leaves_the_result_as_it_is(
    both: Pipeline, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identigen.recognition import sface

    monkeypatch.setattr(both, "_synthesisers", (embedded_synthesiser(),))
    monkeypatch.setattr(sface, "_build", raising(ModelCorrupt("sface could not be loaded.")))
    monkeypatch.setattr(sface, "locate", lambda name, settings: Path("nowhere"))
    result = both.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.FACE, seed=1))
    assert only(result).applied is Operation.FACE
    assert "There is no second opinion: sface could not be loaded." in result.report.warnings


def test_an_engine_that_cannot_be_prepared_is_said_at_the_start(
    both: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painter, "load", raising(FAILURES["damaged"]))
    assert f"The diffusion engine cannot be used: {FAILURES['damaged']}" in both.prepare()


# ---------------------------------------------------------------- removal


class Paint:
    """A predictor that fills with one colour, or with what it is given, or fails."""

    models: tuple[str, ...] = ()

    def __init__(self, name: str, content: Pixels | Exception | None = None, attempts: int = 1) -> None:
        self.name, self.content, self.attempts = name, content, attempts
        self.seeds: list[int] = []
        self.holes: list[Mask] = []

    def predict(self, pixels: Pixels, hole: Mask, forbidden: Any = None, seed: int = 0, stop: Any = None) -> Fill:
        self.seeds.append(seed)
        self.holes.append(hole)
        if isinstance(self.content, Exception):
            raise self.content
        w = hole.window
        part = np.full((w.height, w.width, 3), 128, np.uint8) if self.content is None else self.content[w.slices]
        return Fill(w, np.where(hole.pixels[:, :, None], part, pixels[w.slices]), (f"by {self.name}",))


def removed(
    pipeline: Pipeline, photo: Photo, subjects: Subjects, *predictors: Paint, plan: Plan | None = None
) -> Result:
    fresh = Pipeline(pipeline.settings)
    fresh.detector, fresh._predictors = pipeline.detector, predictors  # type: ignore[assignment]
    return fresh.anonymize(photo, subjects, plan or make_plan(subjects, Operation.REMOVE))


def test_a_predictor_that_fails_is_followed_by_the_next_and_that_is_said(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    broken, whole = Paint("flux2-klein-4b", FAILURES["memory"], attempts=2), Paint("patchmatch")
    result = removed(pipeline, astronaut, astronaut_subjects, broken, whole)
    outcome = only(result)
    assert (outcome.applied, outcome.engine) == (Operation.REMOVE, "embedded")
    assert outcome.reason == (
        f"flux2-klein-4b could not predict the background: {FAILURES['memory']} It was filled by patchmatch instead."
    )
    assert len(broken.seeds) == len(whole.seeds) == 1
    assert "by patchmatch" in result.report.warnings
    assert "by flux2-klein-4b" not in result.report.warnings


def test_a_model_that_puts_somebody_into_the_empty_place_is_tried_again_and_then_left(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    inventive, honest = Paint("flux2-klein-4b", astronaut.pixels, attempts=2), Paint("lama")
    outcome = only(removed(pipeline, astronaut, astronaut_subjects, inventive, honest))
    assert len(set(inventive.seeds)) == 2
    assert (outcome.applied, outcome.engine) == (Operation.REMOVE, "diffusion")
    assert "still sees a face in the place that flux2-klein-4b filled. It was filled by lama instead." in outcome.reason


def test_each_new_try_takes_in_more_and_the_report_says_who_is_still_seen(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    inventive = Paint("patchmatch", astronaut.pixels, attempts=3)
    result = removed(pipeline, astronaut, astronaut_subjects, inventive)
    first, second, third = inventive.holes
    assert masks.subtract(first, second).area == masks.subtract(second, third).area == 0
    assert first.area < second.area < third.area
    assert any("still sees a face in the place that patchmatch filled." in said for said in result.report.warnings)
    assert only(result).reason


def test_a_region_that_a_user_drew_is_never_widened(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    drawn = masks.rectangle(astronaut_subjects[0].box, (astronaut.height, astronaut.width))
    inventive = Paint("patchmatch", astronaut.pixels, attempts=2)
    plan = Plan((Edit(astronaut_subjects[0].id, Operation.REMOVE, mask=drawn),))
    removed(pipeline, astronaut, astronaut_subjects, inventive, plan=plan)
    assert [masks.iou(hole, drawn) for hole in inventive.holes] == [1.0, 1.0]


def test_where_no_predictor_gives_anything_the_person_is_covered(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    result = removed(pipeline, astronaut, astronaut_subjects, Paint("lama", FAILURES["damaged"]))
    outcome = only(result)
    assert (outcome.asked, outcome.applied) == (Operation.REMOVE, Operation.LAYERED)
    assert result.report.failed
    assert "could not be loaded" in outcome.reason


def test_a_damaged_lama_is_followed_by_exemplars(
    tmp_path: Path, pipeline: Pipeline, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    with cache(tmp_path, "lama") as settings:
        snapshot = locate("lama", settings)
        shutil.copytree(snapshot.parents[1], tmp_path / "copy")
        snapshot.parents[1].unlink()
        (tmp_path / "copy").rename(snapshot.parents[1])
        (snapshot / "lama_fp32.onnx").write_bytes(b"damaged")
        predictors = available_predictors(settings)
        assert [type(predictor) for predictor in predictors] == [Lama, PatchMatch]
        result = removed(pipeline, astronaut, astronaut_subjects, predictors[0], Paint("patchmatch"))  # type: ignore[arg-type]
    assert "`identigen models pull lama` repairs it" in only(result).reason
    assert only(result).engine == "embedded"


# ---------------------------------------------------------------- stopped


def test_a_stop_inside_a_drawn_picture_leaves_everybody_else_finished_and_this_one_as_they_were(
    with_weights: Settings, zidane: Photo, zidane_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(with_weights)
    monkeypatch.setattr(pipeline, "_synthesisers", (Diffusion(REGISTRY["sdxl-inpainting"], with_weights),))
    nearer = max(zidane_subjects, key=lambda subject: subject.mask.area)
    farther = next(subject for subject in zidane_subjects if subject is not nearer)
    plan = Plan((Edit(farther.id, Operation.SOLID), Edit(nearer.id, Operation.BODY)))
    inside: list[str] = []
    real = painter.paint

    def paint(order: Any, settings: Settings, stop: Any) -> Any:
        inside.append("begun")
        try:
            return real(order, settings, stop)
        except Stopped:
            inside.append("stopped")
            raise

    monkeypatch.setattr(painter, "paint", paint)
    calls: list[int] = []

    def stop() -> bool:
        calls.append(len(inside))
        return calls.count(1) > 1  # the second time it is asked inside the picture

    result = complete(pipeline.run(zidane, zidane_subjects, plan, stop=stop))
    assert inside == ["begun", "stopped"]
    applied = {outcome.subject_id: outcome.applied for outcome in result.outcomes}
    assert applied == {farther.id: Operation.SOLID, nearer.id: Operation.KEEP}
    cover = next(outcome.changed for outcome in result.outcomes if outcome.subject_id == farther.id)
    same = (zidane.pixels == result.photo.pixels).all(2)
    assert same[~cover.to_array()].all()
    assert masks.intersect(cover, farther.mask).area


def test_a_stop_inside_a_removal_leaves_the_person_as_they_were(
    with_weights: Settings, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    pipeline = Pipeline(replace(with_weights, engine="diffusion"))
    assert pipeline.predictors[0].name == "flux2-klein-4b"
    plan = make_plan(astronaut_subjects, Operation.REMOVE)
    asked = iter([False, False, True])
    result = complete(pipeline.run(astronaut, astronaut_subjects, plan, stop=lambda: next(asked)))
    assert [outcome.applied for outcome in result.outcomes] == [Operation.KEEP]
    assert np.array_equal(result.photo.pixels, astronaut.pixels)
