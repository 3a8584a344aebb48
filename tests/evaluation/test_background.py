from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from identigen.errors import InputError
from identigen.evaluation import background
from identigen.evaluation.background import draw_silhouette, evaluate_background, known_answers, score


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("b", "a"):
        grain = cv2.GaussianBlur(rng.normal(0, 60, (90, 120, 3)), (0, 0), 1.5) + 120
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.clip(grain, 0, 255).astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize("share", [0.05, 0.12, 0.2])
@pytest.mark.parametrize("size", [(120, 180), (180, 120)])
def test_a_silhouette_covers_the_share_asked_for_and_stands(share, size):
    hole = draw_silhouette(*size, share, np.random.default_rng(3))
    assert hole.mean() == pytest.approx(share, abs=0.01)
    rows = np.flatnonzero(hole.any(1))
    assert rows[-1] > 0.7 * size[0]
    assert cv2.connectedComponents(hole.astype(np.uint8))[0] == 2


def test_the_same_folder_gives_the_same_holes_in_order_of_names(scenes):
    first, again = list(known_answers(scenes)), list(known_answers(scenes))
    assert [scene.name for scene in first] == ["a", "b"]
    assert all(np.array_equal(x.hole, y.hole) for x, y in zip(first, again, strict=True))
    assert not np.array_equal(first[0].hole, next(iter(known_answers(scenes, seed=1))).hole)


def test_the_truth_scores_best_and_blur_is_told_from_texture(scenes):
    scene = next(iter(known_answers(scenes)))
    blurred = np.where(scene.hole[:, :, None], cv2.GaussianBlur(scene.truth, (0, 0), 6), scene.truth)
    perfect, smeared = score(scene.truth, scene.truth, scene.hole), score(scene.truth, blurred, scene.hole)
    assert (perfect.psnr, perfect.ssim, perfect.texture) == (60.0, pytest.approx(1.0), 0.0)
    assert perfect.sharpness == pytest.approx(1.0, abs=0.25)
    assert smeared.sharpness < 0.7 * perfect.sharpness
    assert smeared.texture > 1.0
    assert smeared.psnr < 40


def test_nobody_who_fills_sees_the_answer(scenes, monkeypatch, capsys):
    seen = []

    def spy(pixels, hole):
        seen.append(int(pixels[hole].max()))
        return pixels

    monkeypatch.setattr(background, "rivals", lambda: {"telea": spy})
    evaluate_background(scenes)
    assert seen == [0, 0]


def test_the_table_and_the_sheet_name_everybody(scenes, tmp_path, capsys):
    sheet = tmp_path / "sheet" / "fills.png"
    sheet.parent.mkdir()
    result = evaluate_background(scenes, limit=1, sheet=sheet)
    assert result["scenes"] == 1
    assert {"truth", "telea", "ns", "ours"} <= set(result["methods"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in result["methods"])
    assert cv2.imread(str(sheet)).shape[1] > 240


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no pictures"):
        evaluate_background(tmp_path)
    with pytest.raises(InputError, match="holds no pictures"):
        evaluate_background(tmp_path / "missing")


def test_a_damaged_scene_is_named(scenes):
    (scenes / "0.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"0\.png cannot be read"):
        evaluate_background(scenes)
