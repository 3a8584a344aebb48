"""Outlines mended by clicks: by colour on a drawn scene, by SAM with its real classes at tiny size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.detection import Detector, refining, sam
from identigen.errors import MaskError, OutOfMemory
from identigen.models.weights import locate
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.types import Mask, Photo, Subject

SIZE = (300, 240)
BODY = masks.rectangle((90, 60, 150, 290), SIZE)
ARM = masks.rectangle((150, 110, 200, 125), SIZE)
BAG = masks.rectangle((60, 180, 90, 220), SIZE)
ON_ARM, ON_BAG, ON_WALL = (180.0, 118.0), (75.0, 200.0), (20.0, 20.0)


@pytest.fixture(scope="module")
def scene() -> Photo:
    """Somebody in red with one arm stretched out, a blue bag beside them, a green wall behind."""
    pixels = np.full((*SIZE, 3), (70, 140, 80), np.uint8)
    for part, colour in ((BODY, (190, 50, 50)), (ARM, (190, 50, 50)), (BAG, (40, 60, 170))):
        pixels[part.to_array()] = colour
    noise = np.random.default_rng(0).normal(0, 6, pixels.shape)
    return Photo(np.clip(pixels + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def by_colour(tmp_path: Path) -> Detector:
    return Detector(Settings(offline=True, cache_dir=str(tmp_path)))


@pytest.fixture(scope="module")
def with_sam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("refine"), "sam2.1-tiny") as settings:
        yield settings


def test_a_point_on_what_is_missing_adds_it_and_nothing_else(by_colour: Detector, scene: Photo) -> None:
    mended = by_colour.refine(scene, BODY, [ON_ARM], [True])
    assert masks.iou(mended, masks.union([BODY, ARM], SIZE)) > 0.98
    assert masks.subtract(BODY, mended).area == 0


def test_a_point_on_what_is_too_much_takes_it_away_and_nothing_else(by_colour: Detector, scene: Photo) -> None:
    mended = by_colour.refine(scene, masks.union([BODY, BAG], SIZE), [ON_BAG], [False])
    assert masks.iou(mended, BODY) > 0.98
    assert masks.subtract(mended, masks.union([BODY, BAG], SIZE)).area == 0


def test_both_kinds_of_points_at_once(by_colour: Detector, scene: Photo) -> None:
    mended = by_colour.refine(scene, masks.union([BODY, BAG], SIZE), [ON_ARM, ON_BAG], [True, False])
    assert masks.iou(mended, masks.union([BODY, ARM], SIZE)) > 0.97


def test_the_same_points_give_the_same_outline_and_the_second_time_change_little(
    by_colour: Detector, scene: Photo
) -> None:
    one, two = (by_colour.refine(scene, BODY, [ON_ARM], [True]) for _ in range(2))
    assert np.array_equal(one.to_array(), two.to_array())
    assert masks.iou(one, by_colour.refine(scene, one, [ON_ARM], [True])) > 0.98


def test_a_point_is_obeyed_even_where_nothing_stands_out(by_colour: Detector) -> None:
    wall = Photo(np.full((*SIZE, 3), 90, np.uint8))
    assert by_colour.refine(wall, BODY, [ON_WALL], [True]).contains(ON_WALL)
    assert not by_colour.refine(wall, BODY, [(120.0, 150.0)], [False]).contains((120, 150))
    from_nothing = by_colour.refine(wall, Mask.empty(*SIZE), [ON_WALL], [True])
    assert from_nothing.contains(ON_WALL)


def test_points_beside_the_photo_or_without_a_label_are_refused(by_colour: Detector, scene: Photo) -> None:
    with pytest.raises(MaskError, match="500, 20 lies beside the photo of 240x300"):
        by_colour.refine(scene, BODY, [(500.0, 20.0)], [True])
    with pytest.raises(MaskError, match="with a label"):
        by_colour.refine(scene, BODY, [ON_ARM], [])
    with pytest.raises(MaskError, match="with a label"):
        by_colour.refine(scene, BODY, [], [])


def test_only_the_pieces_under_the_points_are_taken_over() -> None:
    """The proposal differs all around by two pixels, and has an arm and a foreign island more."""
    proposal = masks.union([masks.grow(BODY, 1), ARM, masks.rectangle((5, 5, 40, 40), SIZE)], SIZE)
    mended = refining.mend(BODY, proposal, [ON_ARM], [])
    gained = masks.subtract(mended, BODY)
    assert masks.iou(gained, ARM) > 0.85
    assert not mended.contains((20, 20))
    assert not mended.contains((89, 200))


def test_sam_gets_the_points_and_the_place_and_they_are_obeyed(
    with_sam: Settings, scene: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = sam.segment

    def segment(*args):  # type: ignore[no-untyped-def]
        asked.append(args[1:3] + args[4:])
        return real(*args)

    monkeypatch.setattr(sam, "segment", segment)
    detector = Detector(with_sam)
    whole = masks.union([BODY, BAG], SIZE)
    mended = detector.refine(scene, whole, [ON_ARM, ON_BAG], [True, False])
    assert asked == [((ON_ARM,), (ON_BAG,), (*whole.window.box[:2], 181, 290))]
    assert mended.contains(ON_ARM)
    assert not mended.contains(ON_BAG)
    detector.refine(scene, whole, [ON_BAG], [False])
    [(inside, _, _)] = asked[1:]
    assert whole.contains(inside[0])  # SAM wants a point on the person as well


def test_a_click_on_somebody_new_is_outlined_by_sam(
    with_sam: Settings, scene: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam, "segment", lambda *args: masks.union([BODY, ARM], SIZE))
    detector = Detector(with_sam)
    found = detector.subject_at(scene, ON_ARM, ())
    assert found is not None
    assert masks.iou(found.mask, masks.union([BODY, ARM], SIZE)) == 1.0
    monkeypatch.setattr(sam, "segment", lambda *args: masks.rectangle((0, 0, 240, 300), SIZE))
    assert sam.body_at(scene.pixels, ON_WALL, with_sam) is None  # the wall is nobody


def test_the_real_classes_answer_a_click(with_sam: Settings, astronaut: Photo) -> None:
    body = sam.body_at(astronaut.pixels, (220.0, 120.0), with_sam)
    assert body is None or body.mask.contains((220, 120))


@pytest.mark.parametrize("kind", ["damaged", "memory"])
def test_where_sam_fails_colour_serves_and_that_is_said(
    tmp_path: Path, scene: Photo, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with cache(tmp_path, "sam2.1-tiny") as settings:
        if kind == "damaged":
            snapshot = locate(sam.NAME, settings)
            shutil.copytree(snapshot.parents[1], tmp_path / "copy")
            snapshot.parents[1].unlink()
            (tmp_path / "copy").rename(snapshot.parents[1])
            (snapshot / "config.json").write_text("{}")
        else:
            monkeypatch.setattr(sam, "_predict", lambda *args: (_ for _ in ()).throw(RuntimeError("out of memory")))
            with pytest.raises(OutOfMemory, match="does not fit into the memory of cpu"):
                sam.segment(scene.pixels, [ON_ARM], [], settings)
        detector = Detector(settings)
        for _ in range(2):
            mended = detector.refine(scene, BODY, [ON_ARM], [True])
        detector.subject_at(scene, ON_WALL, ())
    assert masks.iou(mended, masks.union([BODY, ARM], SIZE)) > 0.98
    told = [notice for notice in detector.notices if sam.NAME in notice]
    assert [notice.rpartition("; ")[2].split(". ")[-1] for notice in told] == [
        "Outlines are mended by colour.",
        "Clicks are outlined without it.",
    ]


def test_the_pipeline_hands_it_out(pipeline: Pipeline, scene: Photo) -> None:
    subject = Subject(1, BODY.window.box, BODY, None)
    assert pipeline.refine(scene, subject, [ON_ARM], [True]).contains(ON_ARM)
