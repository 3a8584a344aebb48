"""What the appearance model is too coarse for: hairs of a brow, the crease of a lid, the edges of nostrils and lips.

A linear model of whole faces is smooth where people differ. As in the face hallucination of Liu, Shum and Freeman
(2007) it is followed by a local one of what it leaves over: for each feature of a new face the taught feature that
looks most like it lends its fine relief. Each eye, the nose and the mouth may get it from somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import SIDE, Mesh, brightness
from identigen.landmarks import LIPS_OUTSIDE, RIGHT_BROW, RIGHT_EYE
from identigen.masks import disc
from identigen.models import asset, borrow
from identigen.types import Floats, Window

FINE = 6.0  # pixels of the map: relief no broader than this is lent
LOOK = (1.0, 8.0)  # pixels of the map: the band in which features are compared
STEP = 2  # of the map, between pixels that are compared
MOST = 1.1  # gain of what is lent
STRONGEST = 2.5  # of its usual relief that an example lends: beyond are strands and frames
BRIGHT = 0.5  # share of what is lighter that is lent: a dark edge is a nostril or a lid, a light one an outline
FEATHER = 2.5

_NOSE = np.array([1, 2, 4, 5, 48, 64, 98, 278, 294, 327, 115, 344, 220, 440, 102, 331])
_FEATURES: Mapping[str, tuple[npt.NDArray[np.intp], int]] = {
    "eye": (np.concatenate([RIGHT_BROW, RIGHT_EYE]), 5),
    "nose": (_NOSE, 5),
    "mouth": (LIPS_OUTSIDE, 4),
}
FEATURES = tuple(_FEATURES)


@dataclass(frozen=True, eq=False, slots=True)
class Lent:
    """Taught examples of one feature: their `relief` `(n, h, w)` and how the model draws them, `looks` `(n, m)`."""

    relief: Floats
    looks: Floats


@dataclass(frozen=True, eq=False)
class FineDetail:
    """Taught features by name; of eyes there are only right ones, left ones are their mirror images."""

    mesh: Mesh
    lent: Mapping[str, Lent]

    @cached_property
    def zones(self) -> dict[str, tuple[Window, Floats]]:
        """Where each feature lies on the map, and its weight `(h, w)` in 0..1 there."""
        return feature_zones(self.mesh)

    @cached_property
    def usual(self) -> Floats:
        """Relief `(SIDE, SIDE)` of a middling photo, softer than those that lent theirs: for faces without one."""
        strength = np.mean([np.abs(lent.relief).mean() for lent in self.lent.values()])
        return np.full((SIDE, SIDE), 0.6 * strength, np.float32)

    def added(self, detail: Floats, own: Floats) -> Floats:
        """A detail map `(SIDE, SIDE, 3)` with fine relief on all its features.

        It is as strong as in the photo, whose `own` fine relief is `(SIDE, SIDE)`: soft faces stay soft.
        """
        relief = np.zeros((SIDE, SIDE), np.float32)
        for side in (1, -1):  # the left half of the face is looked at in the mirror
            seen, crisp = look(detail[:, ::side]), own[:, ::side]
            for name, (window, weight) in self.zones.items():
                if side < 0 and name != "eye":
                    continue
                lent, share = self._nearest(name, seen[window.slices])
                strength = (weight * np.abs(crisp[window.slices])).sum() / max(
                    float((weight * np.abs(lent)).sum()), 1e-6
                )
                gain = share * min(float(strength), MOST)
                relief[:, ::side][window.slices] += gain * weight * lent
        return np.asarray(detail + relief[..., None], np.float32)

    def _nearest(self, name: str, seen: Floats) -> tuple[Floats, float]:
        """Relief `(h, w)` of the example that looks most like what is `seen`, and how much alike they are, 0 to 1."""
        lent = self.lent[name]
        wanted = [seen] if name == "eye" else [seen, seen[:, ::-1]]
        told = np.stack([np.ascontiguousarray(view[::STEP, ::STEP]).ravel() for view in wanted])
        energy = (lent.looks**2).sum(1)
        unlike = energy[None] - 2 * told @ lent.looks.T
        view, index = divmod(int(unlike.argmin()), len(lent.looks))
        alike = told[view] @ lent.looks[index] / max(float(np.linalg.norm(told[view]) * np.sqrt(energy[index])), 1e-9)
        relief = lent.relief[index]
        limit = STRONGEST * float(np.sqrt((relief**2).mean()))
        relief = np.clip(relief, -limit, limit) * np.where(relief > 0, BRIGHT, 1)
        return relief[:, ::-1] if view else relief, float(np.sqrt(np.clip(alike, 0, 1)))


def fine_relief(left_over: Floats, seen: Floats) -> Floats:
    """What is no broader than `FINE` in a map `(SIDE, SIDE)`, judged by what is `seen` alone."""
    mass = cv2.GaussianBlur(seen, (0, 0), FINE) + 1e-3
    return np.asarray((left_over - cv2.GaussianBlur(left_over * seen, (0, 0), FINE) / mass) * seen, np.float32)


def look(detail: Floats) -> Floats:
    """The band `(SIDE, SIDE)` of a detail map in which features are compared."""
    grey = np.ascontiguousarray(brightness(detail))
    fine, broad = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in LOOK)
    return np.asarray(fine - broad, np.float32)


def feature_zones(mesh: Mesh) -> dict[str, tuple[Window, Floats]]:
    """Window and weight of each feature of `FEATURES` on the canonical map; together they weigh no more than 1."""
    soft = {}
    for name, (points, growth) in _FEATURES.items():
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(mesh.canonical[points]).astype(np.int32)), (1,))
        grown = cv2.dilate(canvas, disc(growth)).astype(np.float32)
        if name != "eye":
            grown = np.maximum(grown, grown[:, ::-1])
        soft[name] = cv2.GaussianBlur(grown, (0, 0), FEATHER) * mesh.inside
    total = np.maximum(sum(soft.values()) + soft["eye"][:, ::-1], 1)
    zones = {}
    for name, weight in soft.items():
        rows, columns = np.nonzero(weight > 0.02)
        left, right = int(columns.min()), int(columns.max()) + 1
        if name != "eye":
            left, right = min(left, SIDE - right), max(right, SIDE - left)
        window = Window(left, int(rows.min()), right, int(rows.max()) + 1)
        zones[name] = window, np.asarray((weight / total)[window.slices], np.float32)
    return zones


def load_fine_detail(mesh: Mesh) -> FineDetail:
    """The shipped examples, read once."""
    with borrow("identigen-fine-detail", lambda: _read(mesh)) as detail:
        return detail


def _read(mesh: Mesh) -> FineDetail:
    from safetensors.numpy import load_file

    stored = load_file(asset("models/fine_detail.safetensors"))

    def restored(name: str) -> Floats:
        values, step = stored[name], stored[f"{name}_step"]
        return np.asarray(values.astype(np.float32) * step.reshape(-1, *[1] * (values.ndim - 1)), np.float32)

    return FineDetail(mesh, {name: Lent(restored(f"{name}_relief"), restored(f"{name}_looks")) for name in FEATURES})
