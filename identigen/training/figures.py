"""Figures and plots of a training: what was learnt, whether it generalises, whether it copies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.identity.appearance import Codec, from_detail
from identigen.identity.fine_detail import STAYS, FineDetail
from identigen.identity.mesh import POINTS, SIDE, remap
from identigen.identity.prior import noise, sample
from identigen.landmarks import LEFT_EYE, RIGHT_EYE, face_box
from identigen.recognition import default_recogniser
from identigen.training.codec import Maps
from identigen.training.flow import Trained
from identigen.training.latents import Latents
from identigen.types import Face, Floats, Pixels, Window

SAMPLES = 1000
GREY = 150.0


def write_figures(
    out: Path,
    figures: Mapping[str, Any],
    codec: Codec,
    fine: FineDetail,
    trained: Trained,
    maps: Maps,
    taught: Latents,
    held: Latents,
) -> None:
    """Write `training.json`, `samples.jpg` (under the conditions of held-out faces), `loss.png` and `nearest.png`."""
    conditions = held.conditions[np.arange(SAMPLES) % len(held.conditions)]
    drawn = sample(trained.network, noise(range(SAMPLES), taught.codes.shape[1]), conditions)
    people = [_crisp(codec, fine, *person) for person in zip(drawn, conditions, strict=True)]
    _write(out / "samples.jpg", _sheet(codec, people[:48]))
    _write(out / "loss.png", plot_history(trained.history))
    copying = measure_copying(out, codec, maps, taught, drawn, people)
    (out / "training.json").write_text(json.dumps(dict(figures) | {"copying": copying}, indent=1) + "\n")


def measure_copying(
    out: Path, codec: Codec, maps: Maps, taught: Latents, drawn: Floats, people: Sequence[Floats]
) -> dict[str, float]:
    """How near `drawn` latents, whose detail maps are `people`, come to `taught` faces; write `nearest.png`.

    Those are drawn with their own detail, as they were seen: who lent a feature could be found again.
    """
    k = len(codec.detail_scale)
    originals = range(len(taught.rows) // 2)  # the second half are their mirror images
    own = (_own_detail(codec, maps, taught, i) for i in originals)
    to_taught, among = nearest(
        describe(codec, people, drawn[:, k:]), describe(codec, own, taught.codes[: len(originals), k:])
    )
    limit = float(np.percentile(among, 5))
    _write(out / "nearest.png", plot_nearest(to_taught, among, limit))
    return {
        "samples": len(drawn),
        "median_to_nearest_taught": float(np.median(to_taught)),
        "median_among_taught": float(np.median(among)),
        "limit": limit,
        "share_nearer_than_limit": float((to_taught < limit).mean()),
    }


def describe(codec: Codec, details: Iterable[Floats], shapes: Floats) -> Floats:
    """Descriptors `(n, 128)` of faces, all drawn in one and the same frame: same light, same pose, no hair."""
    recogniser = default_recogniser()
    faces = zip(details, shapes, strict=True)
    return np.concatenate([recogniser.describe(*_portrait(codec, detail, shape)) for detail, shape in faces])


def nearest(drawn: Floats, taught: Floats) -> tuple[Floats, Floats]:
    """Distance of each drawn face to its nearest taught one, and of each taught one to its nearest other."""
    own = _distances(taught, taught)
    np.fill_diagonal(own, np.inf)
    return np.asarray(_distances(drawn, taught).min(1), np.float32), np.asarray(own.min(1), np.float32)


def plot_nearest(drawn: Floats, taught: Floats, limit: float) -> Pixels:
    """Histograms of nearest distances: samples to taught faces (red), taught faces among themselves (black)."""
    canvas = np.full((320, 480, 3), 255, np.uint8)
    edges = np.linspace(0, max(float(drawn.max()), float(taught.max())), 41)
    for values, colour in ((taught, (0, 0, 0)), (drawn, (200, 30, 30))):
        share = np.histogram(values, edges)[0] / len(values)
        x = 40 + (edges[:-1] + edges[1:]) / 2 / edges[-1] * 420
        y = 290 - share / 0.25 * 270
        cv2.polylines(canvas, [np.stack([x, y], 1).round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
    column = round(40 + limit / edges[-1] * 420)
    cv2.line(canvas, (column, 20), (column, 290), (120, 120, 120), 1)
    text = f"dlib distance 0..{edges[-1]:.2f}; red: sample to nearest taught face; grey: limit {limit:.2f}"
    cv2.putText(canvas, text, (8, 312), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return canvas


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


def _distances(codes: Floats, others: Floats) -> Floats:
    squares = (codes**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * codes @ others.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def _crisp(codec: Codec, fine: FineDetail, code: Floats, condition: Floats) -> Floats:
    """The detail map of a latent in a photo as crisp as those that lent their features."""
    return fine.added(codec.decode(code[: len(codec.detail_scale)]), condition[STAYS])


def _own_detail(codec: Codec, maps: Maps, taught: Latents, i: int) -> Floats:
    """The detail map of a taught face as it was seen, and as the model draws it where it was not."""
    detail, seen = (part[taught.rows[i]].astype(np.float32) for part in (maps.detail, maps.seen))
    expected = codec.decode(taught.codes[i, : len(codec.detail_scale)])
    return np.asarray(expected + seen[..., None] * (detail - expected), np.float32)


def _portrait(codec: Codec, detail: Floats, shape: Floats) -> tuple[Pixels, list[Face]]:
    """A face drawn from the front on grey, and where it is."""
    points = (codec.shape_mean + codec.decode_shape(shape)) * 58 + [128, 128, 0]
    points = np.concatenate([points, np.zeros((10, 3))]).astype(np.float32)
    points[POINTS : POINTS + 5], points[POINTS + 5 :] = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    place, on_face = codec.mesh.locate(points, Window(0, 0, 256, 256))
    plain = np.broadcast_to(np.array([150, 123, 108], np.float32), (SIDE, SIDE, 3))
    skin = remap(from_detail(detail, plain), place).clip(0, 255)
    pixels = np.where(on_face[..., None], skin, GREY).astype(np.uint8)
    return pixels, [Face(face_box(points), points)]


def _sheet(codec: Codec, details: Sequence[Floats]) -> Pixels:
    plain = np.full((SIDE, SIDE, 3), GREY, np.float32) * [1.0, 0.82, 0.72]
    maps = [from_detail(detail, plain.astype(np.float32)) for detail in details]
    tiles = [np.where(codec.mesh.inside[..., None], tile.clip(0, 255), 255).astype(np.uint8) for tile in maps]
    return np.vstack([np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles) // 8 * 8, 8)])


def _write(path: Path, pixels: Pixels) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, quality=88)
