"""Figures and plots of a training: what was learnt, whether it generalises, whether it copies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.identity.appearance import SIDE, Codec, from_detail
from identigen.identity.prior import noise, sample
from identigen.training.flow import Trained
from identigen.training.latents import Latents
from identigen.types import Floats, Pixels

SAMPLES = 1000
GREY = 150.0


def write_figures(
    out: Path, figures: Mapping[str, Any], codec: Codec, trained: Trained, taught: Latents, held: Latents
) -> None:
    """Write `training.json`, `samples.jpg` (drawn under the conditions of held-out faces) and `loss.png`."""
    conditions = held.conditions[np.arange(SAMPLES) % len(held.conditions)]
    drawn = sample(trained.network, noise(range(SAMPLES), taught.codes.shape[1]), conditions)
    record = dict(figures) | {"copying": nearest(drawn, taught.codes, held.codes)}
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    _write(out / "samples.jpg", _sheet(codec, drawn[:48]))
    _write(out / "loss.png", plot_history(trained.history))


def nearest(drawn: Floats, taught: Floats, held: Floats) -> dict[str, float]:
    """Median distance to the nearest taught face, of samples and (for comparison) of faces never taught."""
    return {
        "sample_to_taught": float(np.median(_nearest(drawn, taught))),
        "held_out_to_taught": float(np.median(_nearest(held, taught))),
        "share_nearer_than_any_held_out": float((_nearest(drawn, taught) < _nearest(held, taught).min()).mean()),
    }


def plot_history(history: tuple[tuple[int, float, float], ...]) -> Pixels:
    """Training loss (black) and held-out loss (red) over the steps, as a small picture."""
    canvas = np.full((320, 480, 3), 255, np.uint8)
    rows = np.array(history, float)
    top = float(rows[:, 1:].max()) * 1.05
    for column, colour in ((1, (0, 0, 0)), (2, (200, 30, 30))):
        x = 40 + rows[:, 0] / rows[-1, 0] * 420
        y = 290 - rows[:, column] / top * 270
        cv2.polylines(canvas, [np.stack([x, y], 1).round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
    label = f"loss 0..{top:.2f}, {int(rows[-1, 0])} steps; red: held out"
    cv2.putText(canvas, label, (40, 312), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return canvas


def _nearest(codes: Floats, others: Floats) -> Floats:
    squares = (codes**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * codes @ others.T
    return np.asarray(np.sqrt(np.maximum(squares.min(1), 0)), np.float32)


def _sheet(codec: Codec, codes: Floats) -> Pixels:
    plain = np.full((SIDE, SIDE, 3), GREY, np.float32) * [1.0, 0.82, 0.72]
    k = len(codec.detail_scale)
    maps = [from_detail(codec.decode(code[:k]), plain.astype(np.float32)) for code in codes]
    tiles = [np.where(codec.mesh.inside[..., None], tile.clip(0, 255), 255).astype(np.uint8) for tile in maps]
    return np.vstack([np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles) // 8 * 8, 8)])


def _write(path: Path, pixels: Pixels) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, quality=88)
