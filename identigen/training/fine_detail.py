"""Collect taught features whose fine relief new faces may borrow; see `identigen.identity.fine_detail`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec, brightness
from identigen.identity.fine_detail import FEATURES, STEP, FineDetail, Lent, feature_zones, fine_relief, look
from identigen.training.codec import Maps
from identigen.types import Floats, Window

EXAMPLES = 400
CRISP = (0.6, 0.95)  # quantiles of a feature's relief: below it is out of focus, above it are strands and glasses
IN_VIEW = 0.97


def fit_fine_detail(codec: Codec, maps: Maps, rows: npt.NDArray[np.intp], examples: int = EXAMPLES) -> FineDetail:
    """Examples of each feature from the faces `rows`: crisp ones, wholly in view, spread evenly over the list."""
    zones = feature_zones(codec.mesh)
    found: dict[str, list[tuple[Floats, Floats, float]]] = {name: [] for name in FEATURES}
    for i in rows:
        detail, seen = maps.detail[i].astype(np.float32), maps.seen[i].astype(np.float32)
        expected = codec.decode(codec.encode(detail, seen, rounds=3))
        relief, seen_as = fine_relief(brightness(detail - expected), seen), look(expected)
        for name, (window, weight) in zones.items():
            for side in (1, -1) if name == "eye" else (1,):
                in_view = float((seen[:, ::side][window.slices] * weight).sum() / weight.sum())
                cut = _cut(relief[:, ::side], window)
                found[name].append((cut, _cut(seen_as[:, ::side], window)[::STEP, ::STEP].ravel(), in_view))
    return FineDetail(codec.mesh, {name: _chosen(found[name], zones[name][1], examples) for name in FEATURES})


def save_fine_detail(detail: FineDetail, path: Path) -> None:
    """Write 8 bits a value and one step an example."""
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, lent in detail.lent.items():
        for kind, values in (("relief", lent.relief), ("looks", lent.looks)):
            flat = values.reshape(len(values), -1)
            step = np.maximum(np.abs(flat).max(1), 1e-6) / 127
            arrays[f"{name}_{kind}"] = np.round(flat / step[:, None]).astype(np.int8).reshape(values.shape)
            arrays[f"{name}_{kind}_step"] = step.astype(np.float32)
    save_file(arrays, path)


def _cut(picture: Floats, window: Window) -> Floats:
    return np.ascontiguousarray(picture[window.slices])


def _chosen(found: list[tuple[Floats, Floats, float]], weight: Floats, examples: int) -> Lent:
    in_view = [(relief, looks) for relief, looks, share in found if share > IN_VIEW]
    strength = np.array([float((weight * relief**2).sum()) for relief, _ in in_view])
    low, high = np.quantile(strength, CRISP)
    crisp = np.flatnonzero((strength >= low) & (strength <= high))
    taken = crisp[np.unique(np.linspace(0, len(crisp) - 1, min(examples, len(crisp))).astype(int))]
    return Lent(np.array([in_view[i][0] for i in taken]), np.array([in_view[i][1] for i in taken]))
