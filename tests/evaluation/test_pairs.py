from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from identigen.errors import InputError
from identigen.evaluation import pairs
from identigen.evaluation.background import known_answers
from identigen.evaluation.pairs import write_pairs


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name in ("a", "b", "c"):
        grain = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.GaussianBlur(grain, (0, 0), 1.5))
    return folder


def black(pixels, hole):
    return np.where(hole[:, :, None], 0, pixels).astype(np.uint8)


def test_a_pair_does_not_tell_who_filled_it_and_the_key_does(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "rivals", lambda: {"shift-map": black})
    key = write_pairs(scenes, tmp_path / "judge", limit=2)
    assert sorted(p.name for p in (tmp_path / "judge").iterdir()) == ["pair_01.png", "pair_02.png"]
    assert key == tmp_path / "judge.key.json"
    answers = json.loads(key.read_text(encoding="utf-8"))
    for (name, answer), scene in zip(answers.items(), known_answers(scenes), strict=False):
        assert answer["scene"] == scene.name
        picture = cv2.imread(str(tmp_path / "judge" / name))
        half = (picture.shape[1] - 12) // 2
        dark = {"left": (picture[:, :half] == 0).mean(), "right": (picture[:, -half:] == 0).mean()}
        assert answer[max(dark, key=dark.__getitem__)] == "shift-map"


def test_the_sides_change_from_pair_to_pair(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "rivals", lambda: {"shift-map": black})
    draws = iter((0, 1, 0))
    monkeypatch.setattr(pairs.secrets, "randbelow", lambda _: next(draws))
    answers = json.loads(write_pairs(scenes, tmp_path / "judge").read_text(encoding="utf-8"))
    assert [answer["left"] for answer in answers.values()] == ["ours", "shift-map", "ours"]


def test_without_shift_map_it_says_what_to_install(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "rivals", dict)
    with pytest.raises(InputError, match="opencv-contrib"):
        write_pairs(scenes, tmp_path / "judge")
