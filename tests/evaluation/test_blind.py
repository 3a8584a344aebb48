from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from identigen.evaluation.blind import write_portraits

BEFORE, AFTER = 40, 200


def test_half_of_the_portraits_are_untouched_and_only_the_key_tells_which(tmp_path: Path) -> None:
    tile = np.repeat(np.array([BEFORE, AFTER], np.uint8), 30)[:, None, None] * np.ones((1, 30, 3), np.uint8)
    key = write_portraits({f"person {i}": tile for i in range(40)}, tmp_path / "judge")
    assert key == tmp_path / "judge.key.json"
    answers = json.loads(key.read_text())
    assert sorted(answers) == sorted(path.name for path in (tmp_path / "judge").iterdir())
    assert sorted(answer["portrait"] for answer in answers.values()) == sorted(f"person {i}" for i in range(40))
    for file, answer in answers.items():
        shown = np.asarray(Image.open(tmp_path / "judge" / file))
        assert shown.shape == (30, 30, 3)
        assert (shown == (BEFORE if answer["shown"] == "untouched" else AFTER)).all()
    assert sum(answer["shown"] == "untouched" for answer in answers.values()) == 20
    assert [answer["portrait"] for answer in answers.values()] != [f"person {i}" for i in range(40)]
