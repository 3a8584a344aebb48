"""The protocol for new faces: what counts as a failure, what as a hit, and a run on a real picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import cache

from identigen.errors import InputError
from identigen.evaluation.identity import (
    Case,
    by_group,
    evaluate_identity,
    format_groups,
    is_hit,
    person_of,
    save_sheets,
    summary,
)
from identigen.photo import save_photo
from identigen.pipeline import Pipeline
from identigen.recognition.groups import AGES, TONES
from identigen.types import Photo


def case(number: int, after: float | None, tone: float = 50.0, age: float = 30.0) -> Case:
    """A person at a place of their own; the result lies `after` away, None when there is none."""
    source = np.zeros(128, np.float32)
    source[number] = 10.0
    moved = None if after is None else source + np.eye(128, dtype=np.float32)[100 + number] * after
    return Case(
        f"{number}.png", f"person {number}", tone, age, source, moved, moved, None, {}, None, np.nan, np.nan, None
    )


def test_names_of_pictures_name_the_person() -> None:
    assert person_of(Path("Ada_Lovelace_0002.jpg")) == "Ada_Lovelace"
    assert person_of(Path("04163.webp")) == "04163"


def test_nearest_original_decides_and_a_missing_result_is_a_hit() -> None:
    cases = [case(0, 0.7), case(1, 20.0), case(2, None)]
    people, vectors = np.array([c.person for c in cases]), np.array([c.source for c in cases])
    assert is_hit(cases[0].after, "person 0", people, vectors)
    assert not is_hit(cases[0].source, "person 1", people, vectors)
    assert is_hit(None, "person 2", people, vectors)


def test_failures_count_against_us() -> None:
    cases = [case(0, 0.7), case(1, None)]
    table = summary(cases, 2, [(c.person, c.source) for c in cases])
    assert table["faces"] == 4
    assert table["new face"] == 0.0  # neither has an outcome
    assert table["rank-1, closed loop"] == 1.0  # two were never found, one is missing, one is still nearest to itself
    assert table["distance, closed loop"] == pytest.approx(0.35)


def test_the_referee_counts_hits_and_failures_alike() -> None:
    seen = [(np.eye(4, dtype=np.float32)[i], after) for i, after in enumerate(np.eye(4, dtype=np.float32)[[0, 2, 2]])]
    cases = [replace(case(i, 20.0), refereed=pair) for i, pair in enumerate([*seen, (np.ones(4, np.float32), None)])]
    gallery, refereed = [(c.person, c.source) for c in cases], [(c.person, c.refereed[0]) for c in cases if c.refereed]
    table = summary(cases, 0, gallery, refereed)
    assert table["rank-1 by the referee, closed loop"] == 0.75  # the first and the third are known, the last is missing
    assert "rank-1 by the referee, closed loop" not in summary(cases, 0, gallery)


def test_groups_are_cut_by_tone_and_age() -> None:
    cases = [case(0, 0.7, tone=60, age=70), case(1, 0.7, tone=-50, age=5), case(2, 0.7, tone=-40, age=33)]
    by_tone = by_group(cases, TONES, lambda c: c.tone)
    assert {name: row["faces"] for name, row in by_tone.items()} == {"light": 1.0, "dark": 2.0}
    by_age = by_group(cases, AGES, lambda c: c.age)
    assert set(by_age) == {"over 60", "30 to 60", "child"}
    assert "child" in format_groups("apparent age", by_age)


def test_sheets_hold_every_tile_at_its_own_size(tmp_path: Path) -> None:
    tiles = [
        np.full((2 * side, side, 3), side % 256, np.uint8)
        for side in (512, 90, 90, 512, 512, 300, 512, 512, 91, 512, 512)
    ]
    save_sheets(tmp_path, tiles)
    pages = [np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("*.png"))]
    assert len(pages) == 2
    for side in (90, 91, 300):
        expected = 2 * side * side * sum(tile.shape[1] == side for tile in tiles)
        assert (pages[0] == side % 256).all(axis=2).sum() == expected
    save_sheets(tmp_path / "none", [])
    assert not list((tmp_path / "none").iterdir())


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        evaluate_identity(tmp_path)
    with pytest.raises(InputError, match="no pictures"):
        evaluate_identity(tmp_path / "absent")


def test_a_run_prints_the_table_and_leaves_a_sheet(
    pipeline: Pipeline, astronaut: Photo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_photo(astronaut.pixels, tmp_path / "Eileen_0001.png")
    groups = tmp_path / "groups.json"
    blind = tmp_path / "blind"
    table = evaluate_identity(tmp_path, sheet=tmp_path / "sheet", blind=blind, groups=groups, pipeline=pipeline)
    assert json.loads(groups.read_text())["skin tone"]["light"]["new face"] == 1.0
    assert table["new face"] == 1.0
    assert table["distance, closed loop"] >= 0.6
    assert table["found again by centerface"] == 1.0
    assert table["head pose, median"] < 8
    assert "rank-1, first candidate" in capsys.readouterr().out
    assert len(list((tmp_path / "sheet").glob("*.png"))) == 1
    [answer] = json.loads((tmp_path / "blind.key.json").read_text()).items()
    assert answer == ("portrait_001.png", {"portrait": "Eileen_0001.png 1", "shown": "new face"})
    assert (blind / "portrait_001.png").is_file()


def test_a_referee_that_is_here_is_asked(
    astronaut: Photo, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    save_photo(astronaut.pixels, tmp_path / "Eileen_0001.png")
    with cache(tmp_path_factory.mktemp("models"), "sface") as settings:
        table = evaluate_identity(tmp_path, pipeline=Pipeline(settings))
    assert table["rank-1 by the referee, closed loop"] == 1.0  # there is nobody else in the gallery
    assert "models pull sface" not in capsys.readouterr().out
