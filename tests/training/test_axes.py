from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from identigen.training.axes import KIN, Axes, fit_kin
from identigen.training.data import Faces


def test_faces_that_are_held_out_teach_no_kinship() -> None:
    rng = np.random.default_rng(3)
    embeddings, held_out = rng.standard_normal((60, 128)).astype(np.float32), np.arange(60) % 10 == 0
    faces = Faces(Path(), tuple(map(str, range(60))), np.zeros((60, 478, 3), np.float32), embeddings, held_out, 60)
    others = replace(faces, embeddings=np.where(held_out[:, None], 9 * embeddings, embeddings))
    axes = Axes(np.eye(3, 128, dtype=np.float32), np.zeros(3, np.float32))
    (directions, start), (again, start_again) = fit_kin(faces, axes), fit_kin(others, axes)
    assert np.array_equal(directions, again)
    assert np.array_equal(start, start_again)
    assert np.abs(directions @ axes.weights.T).max() < 1e-4
    assert np.allclose(directions @ directions.T, np.eye(KIN), atol=1e-4)
