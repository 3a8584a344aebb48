from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from identigen.batch import photos_in, run_batch, targets
from identigen.errors import InputError
from identigen.pipeline import Pipeline, make_plan
from identigen.types import Operation, Photo, Plan, Subject


def cover(subjects: tuple[Subject, ...]) -> Plan:
    return make_plan(subjects, Operation.SOLID)


@pytest.fixture
def album(tmp_path: Path, astronaut: Photo) -> Path:
    album = tmp_path / "album"
    (album / "trip").mkdir(parents=True)
    picture = Image.fromarray(astronaut.pixels)
    picture.save(album / "a.jpg")
    picture.save(album / "trip" / "b.png")
    (album / "bad.jpg").write_text("no picture")
    (album / "notes.txt").write_text("not meant")
    return album


def test_a_folder_is_mirrored_and_a_bad_file_becomes_a_row(pipeline: Pipeline, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = list(run_batch(pipeline, album, out, cover))
    assert {row.photo: row.status for row in rows} == {"a.jpg": "done", "bad.jpg": "unreadable", "trip/b.png": "done"}
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.*")) == ["a.png", "report.jsonl", "trip/b.png"]
    written = [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()]
    assert [row["photo"] for row in written] == [row.photo for row in rows]
    assert written[0]["report"]["checks"]["metadata_removed"] is True


def test_names_that_would_meet_are_kept_apart() -> None:
    source, out = Path("in"), Path("out")
    found = targets([source / "a.jpg", source / "a.png", source / "b.jpg"], source, out, ".png")
    assert found == [out / "a.jpg.png", out / "a.png.png", out / "b.png"]


def test_only_pictures_are_listed_in_order(album: Path) -> None:
    (album / ".hidden.jpg").write_text("")
    assert [str(path.relative_to(album)) for path in photos_in(album)] == ["a.jpg", "bad.jpg", "trip/b.png"]


def test_folders_that_cannot_be_used_are_refused(pipeline: Pipeline, album: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, out, text in [
        (album, album / "out", "inside"),
        (tmp_path / "nowhere", tmp_path / "out", "not a folder"),
        (tmp_path / "empty", tmp_path / "out", "no pictures"),
    ]:
        with pytest.raises(InputError, match=text):
            next(run_batch(pipeline, source, out, cover))
