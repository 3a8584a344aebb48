from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from identigen import masks
from identigen.errors import InputError
from identigen.evaluation.detection import (
    Reference,
    Tally,
    evaluate_detection,
    match,
    read_references,
    score_faces,
    score_gate,
    score_outlines,
    score_people,
)
from identigen.settings import Settings
from identigen.types import Box, Face, Operation, Photo, Pose, Subject

SIZE = (400, 600)
POINTS = np.zeros((478, 3), np.float32)


def subject(number: int, box: Box, face: Box | None = None, yaw: float = 0, score: float = 0.9) -> Subject:
    seen = Face(face, POINTS, Pose(yaw, 0, 0), score) if face else None
    operation = Operation.FACE if seen else Operation.LAYERED
    return Subject(number, box, masks.rectangle(box, SIZE), seen, score, default_operation=operation, reason="because.")


def test_each_reference_is_matched_once_by_the_surest() -> None:
    pairs = match([5.0, 5.1, 9.0], [5.0, 8.0], lambda a, b: 1 - abs(a - b), 0.5)
    assert pairs == {0: 0}


def test_misses_and_false_faces_become_rows() -> None:
    found = [subject(1, (0, 0, 90, 90), (10, 10, 50, 50)), subject(2, (200, 0, 300, 90), (200, 10, 240, 50))]
    tally, rows = score_faces("a.jpg", found, [(12, 12, 52, 52), (400, 10, 440, 50)])
    assert tally == Tally(reference=2, found=1, false=1)
    assert (tally.recall, tally.precision) == (0.5, 0.5)
    assert [(row.kind, row.box[0]) for row in rows] == [("missed face", 400), ("false face", 200)]


def test_the_gate_counts_large_faces_that_look_at_us() -> None:
    found = [
        subject(1, (0, 0, 90, 90), (10, 10, 50, 50)),
        subject(2, (100, 0, 190, 90), (110, 10, 150, 50), yaw=60),
        subject(3, (300, 0, 390, 90), (300, 10, 320, 30)),
    ]
    references = [
        (10.0, 10.0, 50.0, 50.0),
        (110.0, 10.0, 150.0, 50.0),
        (300.0, 10.0, 320.0, 30.0),
        (500.0, 0.0, 550.0, 50.0),
    ]
    tally, (row,) = score_gate("a.jpg", found, references)
    assert (tally.reference, tally.found) == (2, 1)
    assert (row.kind, row.note) == ("no new face", "not found")


def test_small_people_and_crowds_count_neither_way() -> None:
    reference = Reference(
        Path("a.jpg"),
        (),
        people=(masks.rectangle((0, 0, 100, 200), SIZE),),
        ignored=(masks.rectangle((300, 0, 600, 400), SIZE),),
    )
    found = [
        subject(1, (0, 0, 100, 210)),
        subject(2, (320, 10, 400, 200)),
        subject(3, (150, 0, 250, 200)),
        subject(4, (150, 300, 200, 340)),
    ]
    tally, rows = score_people("a.jpg", found, reference)
    assert tally == Tally(reference=1, found=1, false=1)
    assert [(row.kind, row.box[0]) for row in rows] == [("false person", 150)]


def test_coco_people_are_sorted_into_counted_and_ignored(tmp_path: Path) -> None:
    def person(box: tuple[int, int, int, int], crowd: int = 0) -> dict[str, object]:
        x, y, w, h = box
        ring = [x, y, x + w, y, x + w, y + h, x, y + h]
        return {"image_id": 7, "bbox": box, "iscrowd": crowd, "segmentation": [ring]}

    coco = {
        "images": [{"id": 7, "file_name": "a.png", "width": 600, "height": 400}],
        "annotations": [person((0, 0, 100, 200)), person((200, 0, 60, 200)), person((300, 0, 200, 200), crowd=1)],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(coco))
    (tmp_path / "faces.json").write_text(json.dumps({"a.png": [[1, 2, 3, 4]]}))
    (reference,) = read_references(tmp_path)
    assert reference.faces == ((1, 2, 3, 4),)
    assert reference.people is not None
    assert len(reference.people) == 1
    assert reference.people[0].area == pytest.approx(100 * 200, rel=0.03)
    assert len(reference.ignored) == 2


def test_a_folder_without_references_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"faces\.json"):
        read_references(tmp_path)


def test_a_folder_is_measured_and_every_disagreement_shown(tmp_path: Path) -> None:
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "a.png")
    references = {"a.png": [[175, 62, 275, 182], [400, 300, 440, 350]]}
    (tmp_path / "faces.json").write_text(json.dumps(references))
    said: list[str] = []
    figures = evaluate_detection(
        tmp_path,
        settings=Settings(offline=True, cache_dir=str(tmp_path / "cache")),
        sheet=tmp_path / "sheet.png",
        rows_file=tmp_path / "rows.json",
        say=said.append,
    )
    assert figures["faces"]["recall"] == 0.5
    assert figures["faces"]["precision"] == 1.0
    assert figures["gate"] == {"reference": 2, "new_face": 1, "share": 0.5}
    assert "missed face" in said[-1]
    assert {row["kind"] for row in json.loads((tmp_path / "rows.json").read_text())} == {"missed face", "no new face"}
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 400


def test_an_outline_is_measured_by_what_a_removal_leaves_and_what_lies_outside() -> None:
    truth = masks.rectangle((100, 50, 200, 350), SIZE)
    reference = Reference(Path("one.jpg"), (), (truth,))
    photo = Photo(np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8))
    (whole,) = score_outlines(photo, [subject(1, (100, 50, 200, 350))], reference)
    assert (whole.iou, whole.covered, whole.outside) == (1.0, 1.0, 0.0)
    (short,) = score_outlines(photo, [subject(1, (80, 50, 200, 250))], reference)
    assert short.covered < 0.9
    assert short.outside == pytest.approx(20 / 120)
    assert score_outlines(photo, [subject(1, (400, 50, 500, 350))], reference) == []
