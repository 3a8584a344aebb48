"""How near are drawn people to people who were never taught? Kernel distances (Bińkowski et al. 2018, "KID").

Inception's features know nothing of faces; here the recogniser's descriptors take their place. In every held-out
picture the person is replaced by the first candidate of each engine, and the crowd of the new descriptors is compared
with the crowd of the old ones. What a perfect model would reach is told by taught heads against held-out ones. The
pipeline chooses nothing here; only that the head engine looks at up to four faces before it draws hair around one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from identigen.composite import paste
from identigen.errors import EngineError
from identigen.evaluation.identity import format_table, largest_face, save_sheets
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.synthesis import Synthesiser
from identigen.training.data import Faces, measure
from identigen.types import Edit, Floats, Operation, Photo, Pixels, Subject
from identigen.verification import look_again

SUBSETS, SUBSET = 100, 100
JOBS = {Operation.FACE: "new face", Operation.FACE_HAIR: "new face and hair"}


def evaluate_heads(
    faces: Path,
    work: Path,
    *,
    limit: int | None = None,
    sheet: Path | None = None,
    pipeline: Pipeline | None = None,
) -> dict[str, Any]:
    """Kernel distances of all engines that are here, on the tenth of `faces` that was held out; print and return them.

    `work` keeps what is measured (landmarks and descriptors: some minutes). `limit` draws that many pictures with seed
    0; `sheet` is a folder for contact sheets, original above result. Raises `InputError` where `index.csv` is missing.
    """
    pipeline = pipeline or Pipeline(Settings.from_environment())
    work.mkdir(parents=True, exist_ok=True)
    measured = measure(faces, work / "measured.npz")
    rng = np.random.default_rng(0)  # the list is sorted by where the pictures came from
    held = rng.permutation(np.flatnonzero(measured.held_out))[:limit]
    taught = rng.permutation(np.flatnonzero(~measured.held_out))[: len(held)]
    table: dict[str, Any] = {"held-out pictures": len(held)}
    _report(table, "taught heads", measured.embeddings[taught], measured.embeddings[held])
    for operation, job in JOBS.items():
        for engine in pipeline.synthesisers:
            if operation not in engine.operations:
                continue
            vectors, tiles = _replaced(pipeline, engine, operation, measured, held)
            name = f"{job}, {engine.name}"
            table[f"{name}: drawn"] = len(vectors)
            _report(table, name, vectors, measured.embeddings[held])
            if sheet is not None and tiles:
                save_sheets(sheet / f"{operation.name.lower()}-{engine.name}", tiles)
    print(format_table(table))
    return table


def kernel_distance(
    features: Floats, others: Floats, subsets: int = SUBSETS, size: int = SUBSET, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard error of the squared maximum mean discrepancy `(n, d)` to `(m, d)` under a cubic kernel.

    The unbiased estimate, over random subsets of `size` (half of what there is, where that is less). The kernel is
    `(x . y / s + 1) ** 3` where `s` is the mean squared length: Inception's `s` is about its dimension, a descriptor's
    is not. Raises `ValueError` when there are fewer than two of either.
    """
    fewer = min(len(features), len(others))
    size = min(size, max(2, fewer // 2))
    if fewer < 2:
        raise ValueError(f"a kernel distance needs two features of either kind, not {len(features)} and {len(others)}")
    scale = float((others.astype(np.float64) ** 2).sum(1).mean())
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(subsets):
        x = features[rng.choice(len(features), size, replace=False)].astype(np.float64)
        y = others[rng.choice(len(others), size, replace=False)].astype(np.float64)
        found.append(_discrepancy(x, y, scale))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(subsets))


def _discrepancy(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], scale: float) -> float:
    within_x, within_y, between = ((a @ b.T / scale + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    pairs = len(x) * (len(x) - 1)
    own = (within_x.sum() - np.trace(within_x) + within_y.sum() - np.trace(within_y)) / pairs
    return float(own - 2 * between.mean())


def _report(table: dict[str, Any], name: str, features: Floats, others: Floats) -> None:
    if min(len(features), len(others)) < 2:
        return
    distance, error = kernel_distance(features, others)
    table[f"{name}: KID x 1000"] = 1000 * distance
    table[f"{name}: standard error"] = 1000 * error


def _replaced(
    pipeline: Pipeline,
    engine: Synthesiser,
    operation: Operation,
    faces: Faces,
    rows: npt.NDArray[np.intp],
) -> tuple[Floats, list[Pixels]]:
    """Descriptors `(n, d)` of first candidates in the pictures `rows`, and pairs of pictures; failures are left out."""
    vectors, tiles = [], []
    for row in rows:
        photo = Photo(faces.pixels(int(row)))
        subject = largest_face(pipeline.detect(photo))
        if subject is None or subject.face is None:
            continue
        after = _first(engine, operation, photo, subject, int(row))
        face = None if after is None else look_again(after, subject.face.box)
        if after is None or face is None:
            continue
        vectors.append(pipeline.recogniser.describe(after, [face])[0])
        tiles.append(np.vstack([photo.pixels, after]))
    return np.array(vectors, np.float32), tiles


def _first(engine: Synthesiser, operation: Operation, photo: Photo, subject: Subject, seed: int) -> Pixels | None:
    """The picture with the engine's first candidate; None where it cannot draw this person."""
    edit = Edit(subject.id, operation, seed=seed)
    try:
        candidate = next(engine.propose(photo.pixels, subject, edit, [seed]))
        window, patch, _ = paste(photo.pixels, candidate, engine.region(photo.pixels, subject, edit))
    except EngineError:
        return None
    out = np.array(photo.pixels)
    out[window.slices] = patch
    return out
