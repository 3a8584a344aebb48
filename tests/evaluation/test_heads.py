from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from identigen.evaluation.heads import evaluate_heads, kernel_distance
from identigen.pipeline import Pipeline
from identigen.types import Floats, Photo


def crowd(count: int, shift: float = 0.0, spread: float = 1.0, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return (shift + spread * rng.standard_normal((count, 16))).astype(np.float32)


def test_one_crowd_is_no_distance_from_itself_and_the_estimate_is_unbiased() -> None:
    distance, error = kernel_distance(crowd(400), crowd(400, seed=1))
    assert abs(distance) < 4 * error + 0.02


@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.0), (0.0, 0.5), (0.0, 1.6)])
def test_another_place_or_another_spread_is_a_distance(shift: float, spread: float) -> None:
    same, _ = kernel_distance(crowd(400), crowd(400, seed=1))
    other, error = kernel_distance(crowd(400, shift, spread), crowd(400, seed=1))
    assert other > same + 5 * error


def test_the_farther_the_larger_and_a_seed_repeats() -> None:
    others = crowd(300, seed=1)
    near, far = (kernel_distance(crowd(300, shift), others)[0] for shift in (0.2, 0.6))
    assert far > near
    assert kernel_distance(crowd(300), others, seed=3) == kernel_distance(crowd(300), others, seed=3)


def test_it_is_the_formula_of_the_paper() -> None:
    x, y = crowd(2), crowd(2, seed=1)
    s = float((y.astype(float) ** 2).sum(1).mean())

    def k(a: Floats, b: Floats) -> float:
        return (float(a.astype(float) @ b.astype(float)) / s + 1) ** 3

    own = sum(k(a[i], a[j]) for a in (x, y) for i in range(2) for j in range(2) if i != j) / 2
    between = sum(k(a, b) for a in x for b in y) / 4
    assert kernel_distance(x, y, subsets=1)[0] == pytest.approx(own - 2 * between)


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="two features"):
        kernel_distance(crowd(1), crowd(10))


def test_a_folder_of_faces_is_compared_engine_by_engine(
    astronaut: Photo, pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    with (tmp_path / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file"], ["1.png"]])
    Image.fromarray(astronaut.pixels[10:220, 120:330]).resize((256, 256)).save(tmp_path / "1.png")
    work = tmp_path / "work"
    work.mkdir()
    vectors = np.random.default_rng(0).standard_normal((20, 128)).astype(np.float32)  # 20 people, two of them held out
    points = np.zeros((20, 478, 3), np.float32)
    np.savez(work / "measured.npz", files=np.array(["1.png"] * 20), landmarks=points, embeddings=vectors)
    table = evaluate_heads(tmp_path, work, sheet=tmp_path / "sheet", pipeline=pipeline)
    assert table["held-out pictures"] == 2
    assert table["new face, embedded: drawn"] == 2
    assert {"taught heads: KID x 1000", "new face, embedded: KID x 1000"} <= set(table)
    assert list((tmp_path / "sheet" / "face-embedded").glob("*.png"))
    assert "held-out pictures" in capsys.readouterr().out
