from __future__ import annotations

from pathlib import Path

import numpy as np

from identigen.training.export import save_foretelling
from identigen.training.foretelling import Drawn, fit_foretelling


def drawn(rows: int = 900) -> tuple[Drawn, np.ndarray]:
    """Faces whose embedding moves by a known map of how the latent moved, by what was told, and by chance."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((6, 128)) * 0.03
    moved, told = rng.standard_normal((rows, 6)), np.hstack([rng.standard_normal((rows, 3)), np.ones((rows, 1))])
    seen = moved @ truth + told @ (rng.standard_normal((4, 128)) * 0.01) + 0.01 * rng.standard_normal((rows, 128))
    held_out = np.arange(rows) % 10 == 0
    return Drawn(moved.astype(np.float32), told.astype(np.float32), seen.astype(np.float32), held_out), truth


def test_what_drawing_does_is_recovered_from_what_was_drawn() -> None:
    faces, truth = drawn()
    foretelling, quality = fit_foretelling(faces, np.eye(6))
    assert np.corrcoef(foretelling.likeness.ravel(), truth.T.ravel())[0, 1] > 0.99
    assert quality["explained"] > 0.9
    assert quality["distance_correlation"] > 0.9
    assert 0.1 < foretelling.doubt < 0.2  # the noise, and what the ridge holds back


def test_whoever_is_pushed_changes_as_people_differ() -> None:
    """Where one trait differs little among people, the same move of the embedding is made with the others."""
    free, stiff = np.eye(6), np.diag([0.01, 1, 1, 1, 1, 1]).astype(np.float32)
    usual, natural = (fit_foretelling(drawn()[0], scatter)[0] for scatter in (free, stiff))
    aim = usual.likeness.sum(1)
    assert abs((aim @ natural.lift)[0]) < 0.6 * abs((aim @ usual.lift)[0])
    assert (natural.obedience.T @ aim) @ aim > 0.5 * aim @ aim


def test_weights_come_back_from_the_file_that_is_shipped(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    foretelling, _ = fit_foretelling(drawn()[0], np.eye(6))
    save_foretelling(foretelling, tmp_path / "foretelling.safetensors")
    stored = load_file(tmp_path / "foretelling.safetensors")
    assert np.allclose(stored["likeness"], foretelling.likeness, atol=1e-2)
    assert float(stored["doubt"][0]) > 0
