"""The head engine with random weights: everything but the look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from heads import tiny_weights

from identigen import masks, models
from identigen.composite import paste
from identigen.errors import EngineError, MaskError, Stopped
from identigen.identity import head as head_model
from identigen.identity.head import HAIR, TRAITS, Traits, inner_face
from identigen.models import HEAD_RECORD, REGISTRY, asset, release
from identigen.pipeline import Pipeline, make_plan
from identigen.settings import Settings
from identigen.synthesis import available_synthesisers, why_unavailable
from identigen.synthesis.head import ALIKE, HeadPainter, choose_traits
from identigen.types import Candidate, Edit, Fill, Mask, Operation, Photo, Pixels, Stop, Subject

EDIT = Edit(1, Operation.FACE_HAIR)


def size_of(photo: Photo) -> tuple[int, int]:
    return (photo.height, photo.width)


class Asked:
    """A background predictor that answers in one colour and remembers what it was asked."""

    name, models, attempts = "asked", (), 1

    def __init__(self, answer: int | str) -> None:
        self.answer = answer
        self.holes: list[Mask] = []
        self.barred: list[Mask | None] = []

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0, stop: Stop | None = None
    ) -> Fill:
        self.holes.append(hole)
        self.barred.append(forbidden)
        if isinstance(self.answer, str):
            raise MaskError(self.answer)
        w = hole.window
        out = np.where(hole.pixels[..., None], self.answer, pixels[w.slices]).astype(np.uint8)
        return Fill(w, out, ("The background was guessed.",))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Random weights where the shipped ones would lie."""
    folder = tiny_weights(tmp_path_factory.mktemp("assets"))

    def find(relative: str) -> Path:
        return folder / "config.json" if relative == models.HEAD else asset(relative)

    release("identigen-head")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "asset", find)
        patch.setattr(head_model, "asset", find)
        patch.setitem(REGISTRY, HEAD_RECORD.name, HEAD_RECORD)
        yield
    release("identigen-head")


@pytest.fixture(scope="module")
def woman(astronaut_subjects: tuple[Subject, ...]) -> Subject:
    return astronaut_subjects[0]


@pytest.fixture(scope="module")
def candidate(shipped: None, astronaut: Photo, woman: Subject) -> Candidate:
    return next(HeadPainter(Asked(128)).propose(astronaut.pixels, woman, EDIT, [3]))


def test_without_weights_hair_is_not_offered_and_one_sentence_says_what_would_help(tmp_path: Path) -> None:
    if models.is_shipped(models.HEAD):
        pytest.skip("the head model's weights are shipped")
    settings = Settings(cache_dir=str(tmp_path), device="cpu", engine="embedded")
    assert not any(Operation.FACE_HAIR in engine.operations for engine in available_synthesisers(settings))
    text = why_unavailable(Operation.FACE_HAIR, settings)
    assert "head model, which has not been trained well enough yet" in text
    assert "python -m identigen.training.head" in text
    assert "head model" not in why_unavailable(Operation.BODY, settings)
    assert HEAD_RECORD.name not in REGISTRY


def test_with_weights_the_embedded_engine_offers_hair(shipped: None, tmp_path: Path) -> None:
    engines = available_synthesisers(Settings(cache_dir=str(tmp_path), device="cpu", engine="embedded"))
    assert [engine.name for engine in engines] == ["embedded", "embedded"]
    assert Operation.FACE_HAIR in engines[1].operations
    assert all(name in REGISTRY for name in engines[1].models)


def test_outside_the_region_every_pixel_stays(astronaut: Photo, woman: Subject, candidate: Candidate) -> None:
    region = HeadPainter(Asked(128)).region(astronaut.pixels, woman, EDIT)
    assert not (candidate.coverage[~region.within(candidate.window)] > 0).any()
    window, patch, changed = paste(astronaut.pixels, candidate, region)
    untouched = ~changed.within(window)
    assert np.array_equal(patch[untouched], astronaut.pixels[window.slices][untouched])
    assert changed.area > 0.5 * region.area


def test_the_region_holds_the_hair_with_room_but_no_more_of_the_clothes(astronaut: Photo, woman: Subject) -> None:
    assert woman.face is not None
    region = HeadPainter(Asked(128)).region(astronaut.pixels, woman, EDIT)
    x1, y1, x2, y2 = woman.face.box
    middle = (x1 + x2) / 2
    assert region.contains((middle, y1 - 0.2 * (y2 - y1)))  # hair
    assert region.contains((x1 - 0.3 * (x2 - x1), (y1 + y2) / 2))  # background beside it
    assert not region.contains((middle, y2 + 0.6 * (y2 - y1)))  # her suit


def test_the_neck_stays_and_beside_it_what_is_no_hair(astronaut: Photo, woman: Subject) -> None:
    assert woman.face is not None
    assert woman.face.landmarks is not None
    region = HeadPainter(Asked(128)).region(astronaut.pixels, woman, EDIT)
    top, chin = woman.face.landmarks[10, :2], woman.face.landmarks[152, :2]
    assert region.contains(tuple(chin.tolist()))
    assert not region.contains(tuple((chin + 0.12 * (chin - top)).tolist()))


def test_the_new_face_stays_sharp_in_the_middle(astronaut: Photo, woman: Subject, candidate: Candidate) -> None:
    assert woman.face is not None
    assert woman.face.landmarks is not None
    core = masks.shrink(inner_face(woman.face.landmarks, size_of(astronaut)), 12).within(candidate.window)
    drawn, old = candidate.pixels[core], astronaut.pixels[candidate.window.slices][core]
    assert candidate.identity is not None
    assert 2 < np.abs(drawn - old).mean() < 60  # somebody else in the same light, not the noise of random weights


def test_a_seed_repeats_to_the_byte_and_another_draws_somebody_else(
    astronaut: Photo, woman: Subject, candidate: Candidate
) -> None:
    again, other = HeadPainter(Asked(128)).propose(astronaut.pixels, woman, EDIT, [3, 4])
    assert np.array_equal(again.pixels, candidate.pixels)
    assert np.array_equal(again.coverage, candidate.coverage)
    assert not np.array_equal(other.pixels, candidate.pixels)


def test_the_place_of_old_hair_goes_to_the_background_predictor(
    shipped: None, astronaut: Photo, woman: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identigen.synthesis import head

    def bald(model: object, stage: head._Stage, *_: object) -> tuple[np.ndarray, np.ndarray]:
        window = stage.window
        opacity = inner_face(stage.face.landmarks, stage.size).within(window).astype(np.float32)
        return np.full((window.height, window.width, 3), 90, np.float32), opacity

    monkeypatch.setattr(head, "_draw", bald)
    background = Asked(200)
    candidate = next(HeadPainter(background).propose(astronaut.pixels, woman, EDIT, [3]))
    hole, barred = background.holes[0], background.barred[0]
    assert barred is not None
    assert masks.subtract(hole, barred).area == 0  # nothing may be learnt from the person who goes
    assert woman.face is not None
    x1, y1, x2, y2 = woman.face.box
    hair = (round((x1 + x2) / 2), round(y1 - 0.2 * (y2 - y1)))
    assert hole.contains(hair)
    assert candidate.pixels[hair[1] - candidate.window.top, hair[0] - candidate.window.left].tolist() == [200] * 3
    assert candidate.notices == ("The background was guessed.",)
    wall = (round(x1 - 0.5 * (x2 - x1)), round(y1))  # was background, is background: the photo's own pixel
    own = astronaut.pixels[wall[1], wall[0]]
    assert np.array_equal(candidate.pixels[wall[1] - candidate.window.top, wall[0] - candidate.window.left], own)

    refused = next(HeadPainter(Asked("nothing is left to learn from.")).propose(astronaut.pixels, woman, EDIT, [3]))
    assert "nothing is left" in refused.notices[0]
    drawn = refused.pixels[hair[1] - refused.window.top, hair[0] - refused.window.left]
    assert drawn.tolist() == [90] * 3  # the model's own guess, never the old hair


def test_the_users_mask_wins(shipped: None, astronaut: Photo, woman: Subject) -> None:
    assert woman.face is not None
    own = masks.rectangle(woman.face.box, size_of(astronaut))
    edit = replace(EDIT, mask=own)
    engine = HeadPainter(Asked(128))
    assert masks.subtract(engine.region(astronaut.pixels, woman, edit), own).area == 0
    candidate = next(engine.propose(astronaut.pixels, woman, edit, [3]))
    assert not (candidate.coverage[~own.within(candidate.window)] > 0).any()


def test_a_head_at_the_border_of_the_photo_is_drawn(shipped: None, astronaut: Photo, pipeline: Pipeline) -> None:
    cut = Photo(np.ascontiguousarray(astronaut.pixels[20:300, 150:420]))
    subject = next(s for s in pipeline.detect(cut) if s.face is not None)
    candidate = next(HeadPainter(Asked(128)).propose(cut.pixels, subject, replace(EDIT, subject_id=subject.id), [1]))
    assert candidate.window.left >= 0
    assert candidate.pixels.shape[:2] == (candidate.window.height, candidate.window.width)


def test_stopping_ends_it_and_what_cannot_be_done_is_said(shipped: None, astronaut: Photo, woman: Subject) -> None:
    engine = HeadPainter(Asked(128))
    with pytest.raises(Stopped):
        next(engine.propose(astronaut.pixels, woman, EDIT, [1], stop=lambda: True))
    with pytest.raises(EngineError, match="no face"):
        next(engine.propose(astronaut.pixels, replace(woman, face=None), EDIT, [1]))
    for wish, answer in (({"hair": "green"}, "hair=black/brown"), ({"shoes": "red"}, "no attribute shoes=red")):
        with pytest.raises(EngineError, match=answer):
            next(engine.propose(astronaut.pixels, woman, replace(EDIT, attributes=wish), [1]))


def test_wishes_choose_hair_that_was_taught() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, len(TRAITS))).astype(np.float32) * 10 + 30
    table = Traits(rows, rows.mean(0), rows.std(0))
    person = rows[7, len(HAIR) :]
    told = {seed: choose_traits(table, person, {}, seed) * table.scale + table.mean for seed in range(8)}
    taught = {tuple(row.round(2)) for row in rows[:, : len(HAIR)]}
    assert {tuple(row[: len(HAIR)].round(2)) for row in told.values()} <= taught
    assert len({tuple(row) for row in told.values()}) > 4  # a seed of its own has hair of its own
    for row in told.values():
        assert np.allclose(row[len(HAIR) :], person, atol=1e-3)  # the person's own traits stay
    blond = [choose_traits(table, person, {"hair": "blond"}, seed)[0] for seed in range(8)]
    black = [choose_traits(table, person, {"hair": "black"}, seed)[0] for seed in range(8)]
    assert np.mean(blond) > np.mean(black) + 1
    assert len(table.nearest(rows[0], np.ones(len(TRAITS), np.float32), ALIKE)) == ALIKE


def test_the_pipeline_closes_the_loop(shipped: None, astronaut: Photo, tmp_path: Path) -> None:
    pipeline = Pipeline(Settings(offline=True, cache_dir=str(tmp_path), engine="embedded", device="cpu"))
    assert pipeline.operations()[Operation.FACE_HAIR].engine == "embedded"
    subjects = pipeline.detect(astronaut)
    result = pipeline.anonymize(astronaut, subjects, make_plan(subjects, Operation.FACE_HAIR, seed=1))
    outcome = result.outcomes[0]
    assert result.report.outside_mask_identical
    assert outcome.candidates_tried >= 1
    assert outcome.verdict == "pass"  # by a new head, or by the cover that takes its place
    if outcome.applied is Operation.FACE_HAIR:
        assert HEAD_RECORD.name in [model["name"] for model in result.report.to_json()["models"]]
