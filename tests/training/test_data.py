from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from identigen.errors import InputError
from identigen.training.data import measure, read_labels, without_duplicates


def test_of_near_duplicates_the_first_stays() -> None:
    vectors = np.array([[0.0, 0.0], [0.1, 0.0], [0.5, 0.0], [0.5, 0.2], [1.0, 0.0]], np.float32)
    assert without_duplicates(vectors).tolist() == [0, 2, 4]


def test_labels_are_complete_and_sensible() -> None:
    labels = read_labels()
    assert len(labels) > 200
    assert all(0 < label.age < 100 and label.beard in (0, 1, 2) for label in labels.values())
    assert {label.feminine for label in labels.values()} == {True, False}


def test_a_folder_without_an_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no index\.csv"):
        measure(tmp_path, tmp_path / "cache.npz")


def test_missing_pictures_are_counted_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,repository\na.webp,x\nb.webp,x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"2 faces .* are missing, first a\.webp"):
        measure(tmp_path, tmp_path / "cache.npz")
