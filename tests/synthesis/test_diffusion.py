"""The diffusion engine on photos, with the real pipeline classes at tiny size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.background.patchmatch import PatchMatch
from identigen.composite import paste
from identigen.detection import sam
from identigen.errors import EngineError, PlanError, Stopped
from identigen.models import REGISTRY
from identigen.models.weights import locate
from identigen.settings import Settings
from identigen.synthesis.diffusion import Diffusion
from identigen.types import Bools, Candidate, Edit, Fill, Mask, Operation, Photo, Pixels, Subject

Subjects = tuple[Subject, ...]
SYNTHESES = [Operation.FACE, Operation.FACE_HAIR, Operation.BODY]


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    names = ("sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose", "flux2-klein-4b")
    with cache(tmp_path_factory.mktemp("engine"), *names) as settings:
        yield settings


@pytest.fixture
def engine(with_weights: Settings) -> Diffusion:
    return Diffusion(REGISTRY["sdxl-inpainting"], with_weights)


@pytest.fixture
def klein(with_weights: Settings) -> Diffusion:
    return Diffusion(REGISTRY["flux2-klein-4b"], with_weights)


def first(engine: Diffusion, photo: Photo, subject: Subject, edit: Edit, seed: int = 3) -> Candidate:
    return next(iter(engine.propose(photo.pixels, subject, edit, [seed])))


@pytest.mark.parametrize("operation", SYNTHESES)
@pytest.mark.parametrize("model", ["sdxl-inpainting", "flux2-klein-4b"])
def test_a_candidate_changes_its_region_and_nothing_else(
    with_weights: Settings, model: str, astronaut: Photo, astronaut_subjects: Subjects, operation: Operation
) -> None:
    engine = Diffusion(REGISTRY[model], with_weights)
    subject = astronaut_subjects[0]
    edit = Edit(1, operation)
    candidate = first(engine, astronaut, subject, edit)
    region = engine.region(astronaut.pixels, subject, edit)
    window, patch, changed = paste(astronaut.pixels, candidate)
    assert masks.subtract(changed, region).area == 0
    assert changed.area > 0.9 * region.area
    after = astronaut.pixels.copy()
    after[window.slices] = patch
    differs = (after != astronaut.pixels).any(2)
    assert not (differs & ~region.to_array()).any()
    assert differs[region.to_array()].mean() > 0.8


def test_regions_grow_with_the_operation(engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects) -> None:
    areas = [engine.region(astronaut.pixels, astronaut_subjects[0], Edit(1, o)).area for o in SYNTHESES]
    assert areas == sorted(areas)
    assert len(set(areas)) == 3


def test_a_seed_repeats_exactly_and_every_seed_has_its_own(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    edit = Edit(1, Operation.FACE)
    one, two = engine.propose(astronaut.pixels, astronaut_subjects[0], edit, [5, 6])
    again = first(engine, astronaut, astronaut_subjects[0], edit, 5)
    assert (one.seed, two.seed) == (5, 6)
    assert np.array_equal(one.pixels, again.pixels)
    assert np.abs(one.pixels - two.pixels).mean() > 1


def test_the_person_never_reaches_the_result(engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects) -> None:
    """Two people in the same place: what is drawn is the same to the last bit."""
    face = astronaut_subjects[0].face
    assert face is not None
    subject = replace(astronaut_subjects[0], face=replace(face, landmarks=None))  # no words are read off the face
    edit = Edit(1, Operation.FACE)
    inside = engine.region(astronaut.pixels, subject, edit).to_array()
    other = astronaut.pixels.copy()
    other[inside] = np.random.default_rng(0).integers(0, 256, (int(inside.sum()), 3))
    one = first(engine, astronaut, subject, edit)
    two = first(engine, Photo(other), subject, edit)
    assert np.array_equal(one.pixels[one.coverage > 0], two.pixels[two.coverage > 0])


def test_the_users_mask_is_drawn_into_and_nothing_else(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    drawn = masks.rectangle((300, 300, 360, 380), (512, 512))
    candidate = first(engine, astronaut, astronaut_subjects[0], Edit(1, Operation.BODY, mask=drawn))
    assert masks.subtract(paste(astronaut.pixels, candidate)[2], drawn).area == 0


def test_a_face_at_the_border_stays_inside_the_photo(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    face = astronaut_subjects[0].face
    assert face is not None
    x1, y1, x2, y2 = (round(value) for value in face.box)
    cut = Photo(np.ascontiguousarray(astronaut.pixels[y1 + 10 :, x1 + 10 : x2 - 10]))
    box = (0.0, 0.0, float(x2 - x1 - 20), float(y2 - y1 - 10))
    subject = Subject(1, box, masks.rectangle(box, (cut.height, cut.width)), replace(face, box=box, landmarks=None))
    candidate = first(engine, cut, subject, Edit(1, Operation.FACE))
    inside = candidate.window.intersection(cut.window)
    assert inside == candidate.window
    assert np.isfinite(candidate.pixels).all()


def test_wishes_reach_the_model_and_free_text_does_not(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    old, young = (
        first(engine, astronaut, astronaut_subjects[0], Edit(1, Operation.FACE, attributes={"age": age}))
        for age in ("old", "young")
    )
    assert np.abs(old.pixels - young.pixels).mean() > 1e-3
    with pytest.raises(PlanError):
        first(engine, astronaut, astronaut_subjects[0], Edit(1, Operation.FACE, attributes={"age": "like Ada"}))


def test_stopping_ends_in_the_middle_and_closing_draws_no_more(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(Stopped):
        list(engine.propose(astronaut.pixels, astronaut_subjects[0], Edit(1, Operation.FACE), [1, 2, 3], stop=stop))
    assert len(asked) == 2
    candidates = engine.propose(astronaut.pixels, astronaut_subjects[0], Edit(1, Operation.FACE), [1, 2, 3])
    next(iter(candidates))
    candidates.close()  # type: ignore[attr-defined]
    assert list(candidates) == []


def test_somebody_without_a_face_can_get_a_body_but_no_face(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    faceless = replace(astronaut_subjects[0], face=None)
    assert first(engine, astronaut, faceless, Edit(1, Operation.BODY)).coverage.max() > 0.99
    with pytest.raises(EngineError, match="No face"):
        first(engine, astronaut, faceless, Edit(1, Operation.FACE))


@pytest.mark.parametrize("operation", [Operation.FACE_HAIR, Operation.BODY])
def test_where_new_hair_or_a_new_body_is_smaller_the_background_is_predicted(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects, operation: Operation
) -> None:
    subject = astronaut_subjects[0]
    asked: list[tuple[Mask, Mask | None]] = []

    class Green(PatchMatch):
        def predict(self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, *rest: object) -> Fill:
            asked.append((hole, forbidden))
            w = hole.window
            return Fill(w, np.full((w.height, w.width, 3), (0, 255, 0), np.uint8), ("it is green",))

    def slim(square: Pixels) -> Bools:
        side = square.shape[0]
        person = np.zeros((side, side), bool)
        person[:, side * 2 // 5 : side * 3 // 5] = True
        return person

    slimmer = Diffusion(engine.record, engine.settings, background=Green(), outline=slim)
    candidate = first(slimmer, astronaut, subject, Edit(1, operation))
    [(hole, forbidden)] = asked
    assert candidate.notices == ("it is green",)
    assert forbidden is not None
    assert masks.subtract(subject.mask, forbidden).area == 0
    deep = masks.shrink(hole, 6).within(candidate.window)
    assert deep.any()
    assert np.allclose(candidate.pixels[deep], (0, 255, 0))
    assert masks.subtract(hole, slimmer.region(astronaut.pixels, subject, Edit(1, operation))).area == 0


def test_the_report_names_every_model_that_took_part(engine: Diffusion, klein: Diffusion) -> None:
    assert engine.models == ("sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose")
    assert klein.models == ("flux2-klein-4b",)


def test_notices_tell_of_a_lower_tier(
    engine: Diffusion, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identigen.synthesis import painter

    real = painter.paint

    def paint(*args: object) -> painter.Painted:
        painted = real(*args)  # type: ignore[arg-type]
        return painter.Painted(painted.pixels, "offload", ("it ran out of memory",))

    monkeypatch.setattr(painter, "paint", paint)
    assert first(engine, astronaut, astronaut_subjects[0], Edit(1, Operation.FACE)).notices == ("it ran out of memory",)


def test_the_engine_is_chosen_by_what_is_really_here(tmp_path: object) -> None:
    from identigen.synthesis.painter import choose_painter

    assert choose_painter(Settings(cache_dir=str(tmp_path))) is None


def test_helpers_with_damaged_weights_are_done_without_and_that_is_said(
    tmp_path: Path, astronaut: Photo, astronaut_subjects: Subjects
) -> None:
    names = ("sdxl-inpainting", "sdxl-lcm-lora", "sam2.1-tiny", "clip")
    with cache(tmp_path, *names) as settings:
        for name in names[2:]:
            snapshot = locate(name, settings)
            copy = tmp_path / f"{name}-damaged"
            shutil.copytree(snapshot.parents[1], copy)
            store = snapshot.parents[1]
            store.unlink()
            copy.rename(store)
            (store / "snapshots" / snapshot.name / "config.json").write_text("{}")
        engine = Diffusion(REGISTRY["sdxl-inpainting"], settings)
        assert {"sam2.1-tiny", "clip"} <= set(engine.models)
        candidate = first(engine, astronaut, astronaut_subjects[0], Edit(1, Operation.FACE_HAIR))
        assert candidate.coverage.max() > 0.99
        text = " ".join(candidate.notices)
    assert "models pull sam2.1-tiny" in text
    assert "models pull clip" in text


def test_hair_is_outlined_by_a_click_where_sam_is_here(
    tmp_path: Path, astronaut: Photo, astronaut_subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks: list[tuple[object, object]] = []

    def segment(pixels: Pixels, on: object, off: object, settings: Settings) -> Mask:
        clicks.append((on, off))
        return masks.rectangle((150, 10, 330, 60), (512, 512))

    monkeypatch.setattr(sam, "segment", segment)
    with cache(tmp_path, "sdxl-inpainting", "sam2.1-tiny") as settings:
        engine = Diffusion(REGISTRY["sdxl-inpainting"], settings)
        region = engine.region(astronaut.pixels, astronaut_subjects[0], Edit(1, Operation.FACE_HAIR))
        engine.region(astronaut.pixels, astronaut_subjects[0], Edit(1, Operation.FACE))
    assert len(clicks) == 1
    assert region.contains((230, 30))
    assert not region.contains((160, 200))
    assert not region.contains((330, 30))  # outlined, but not this person's
