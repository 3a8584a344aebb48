"""Fit the read-outs: age, femininity, beard and kinship along the recogniser's embedding, glasses in the map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.recognition.attributes import Axes
from identigen.training.data import Faces, Label
from identigen.types import Floats

RIDGE = 0.3
KIN = 4


@dataclass(frozen=True, slots=True)
class AxisQuality:
    """Ten-fold cross-validated quality of the axes on the labelled faces."""

    labelled: int
    age_error_years: float
    age_correlation: float
    gender_accuracy: float
    beard_correlation: float


def fit_axes(faces: Faces, labels: dict[str, Label]) -> tuple[Axes, AxisQuality]:
    """Ridge regression on the labelled faces, judged by ten-fold cross-validation."""
    rows, told = _labelled(faces, labels)
    x = faces.embeddings[rows]
    y = np.array([[np.sqrt(t.age), 1.0 if t.feminine else -1.0, t.beard] for t in told], np.float32)
    guess = np.zeros_like(y)
    for fold in range(10):
        out = np.arange(len(y)) % 10 == fold
        weights, bias = _ridge(x[~out], y[~out])
        guess[out] = x[out] @ weights.T + bias
    quality = AxisQuality(
        labelled=len(y),
        age_error_years=float(np.abs(guess[:, 0] ** 2 - y[:, 0] ** 2).mean()),
        age_correlation=float(np.corrcoef(guess[:, 0], y[:, 0])[0, 1]),
        gender_accuracy=float(((guess[:, 1] > 0) == (y[:, 1] > 0)).mean()),
        beard_correlation=float(np.corrcoef(guess[:, 2], y[:, 2])[0, 1]),
    )
    return Axes(*_ridge(x, y)), quality


def fit_kin(faces: Faces, axes: Axes) -> tuple[Floats, Floats]:
    """The broadest directions of the embedding beside the named axes: they carry what families of faces share.

    Faces that are held out teach nothing.
    """
    named, taught = np.linalg.qr(axes.weights.T)[0], faces.embeddings[~faces.held_out]
    centre = taught.mean(0)
    rest = taught - centre
    rest = rest - rest @ named @ named.T
    _, _, vt = np.linalg.svd(rest, full_matrices=False)
    return vt[:KIN].astype(np.float32), (-vt[:KIN] @ centre).astype(np.float32)


def glasses_score(faces: Faces, labels: dict[str, Label], details: Iterable[npt.NDArray[Any]]) -> Floats:
    """How much each face looks as if it wore glasses, about 0 to 1, from its detail `(SIDE, SIDE, 3)` at the eyes."""
    greys = (detail[20:100].astype(np.float32).mean(-1) for detail in details)
    bands = np.array([cv2.resize(grey, (64, 27), interpolation=cv2.INTER_AREA) for grey in greys])
    x = np.nan_to_num(bands.reshape(len(bands), -1))
    u, _, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    features = u[:, :150] * np.sqrt(len(x))
    rows, told = _labelled(faces, labels)
    y = np.array([t.glasses != "none" for t in told], np.float32)
    weights, bias = _ridge(features[rows], y[:, None], 100.0)
    return np.asarray(features @ weights[0] + bias[0], np.float32)


def _labelled(faces: Faces, labels: dict[str, Label]) -> tuple[npt.NDArray[np.intp], list[Label]]:
    rows = np.array([i for i, name in enumerate(faces.files) if name in labels], np.intp)
    return rows, [labels[faces.files[i]] for i in rows]


def _ridge(x: Floats, y: Floats, penalty: float = RIDGE) -> tuple[Floats, Floats]:
    """Weights `(outputs, inputs)` and bias of a linear read-out."""
    centre, level = x.mean(0), y.mean(0)
    flat = x - centre
    weights = np.linalg.solve(flat.T @ flat + penalty * np.eye(x.shape[1]), flat.T @ (y - level)).T
    return weights.astype(np.float32), (level - weights @ centre).astype(np.float32)
