"""What the appearance model is too coarse for: how a brow, a lid, a nostril or a lip is really formed.

A linear model of whole faces blends many people: what it draws of one feature is vague, and nobody has it. As in the
face hallucination of Liu, Shum and Freeman (2007) a local model follows: each feature of a new face gets its form from
the taught one that looks most like it, of somebody whom the same is asked of. Eyes, nose and mouth come from three
people, on a build and a face that are none of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import brightness, threefold
from identigen.identity.brows import brow_hair, brow_kind, without_hairs
from identigen.identity.conditions import NAMES
from identigen.identity.mesh import SIDE, Mesh
from identigen.landmarks import LIPS_INSIDE, LIPS_OUTSIDE, RIGHT_BROW, RIGHT_EYE
from identigen.masks import disc
from identigen.models import asset, borrow
from identigen.types import Floats, Window

Ints = npt.NDArray[np.intp]

BROADEST = 10.0  # pixels of the map: form no broader than this is lent, broad shading stays the new face's
FINEST = 1.5  # pixels of the map: what is finer goes with the photo's focus
LOOK = (1.0, 8.0)  # pixels of the map: the band in which features are compared
STEP = 2  # of the map, between pixels that are compared
FIT = (0.5, 1.5)  # least and most gain of what is lent
CRISPEST = 1.2  # gain of its finest part, to that of the rest
DARKEST = 0.1  # of the light around: what is darker has no hue
KINDRED = 0.2  # of a like person, against a like feature: a young face gets no old brow
LIKE_BROWS = 0.3  # of brows like those that are seen: made as dark, broad ones for thin ones would be pale smears
FEATHER = 2.5

_STAYS = {"age": 3.0, "femininity": 2.0, "beard": 1.0, "relief": 1.0, "lightness": 0.5, "kin": 0.5}
STAYS = np.array([i for i, name in enumerate(NAMES) if name.split("_")[0] in _STAYS])
"""The conditions in which whoever lends a feature shall be like the new face."""
_MATTERS = np.array([_STAYS[NAMES[i].split("_")[0]] for i in STAYS], np.float32)
_MATTERS /= _MATTERS.sum()

_NOSE = np.array([1, 2, 4, 5, 48, 64, 98, 278, 294, 327, 115, 344, 220, 440, 102, 331])
_FEATURES: Mapping[str, tuple[npt.NDArray[np.intp], int]] = {
    "eye": (np.concatenate([RIGHT_BROW, RIGHT_EYE]), 5),
    "nose": (_NOSE, 5),
    "mouth": (LIPS_OUTSIDE, 4),
}
FEATURES = tuple(_FEATURES)


@dataclass(frozen=True, eq=False, slots=True)
class Lent:
    """Taught examples of one feature: their `form` `(n, h, w)` and how the model draws them, `looks` `(n, m)`.

    `kinds` `(n, len(STAYS))` is what was read of the `people` `(n,)` who lend them.
    """

    form: Floats
    looks: Floats
    kinds: Floats
    people: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class FineDetail:
    """Taught features by name; of eyes there are only right ones, left ones are their mirror images."""

    mesh: Mesh
    lent: Mapping[str, Lent]

    @cached_property
    def zones(self) -> dict[str, tuple[Window, Floats]]:
        """Where each feature lies on the map, and its weight `(h, w)` in 0..1 there."""
        return feature_zones(self.mesh)

    def added(self, detail: Floats, kind: Floats, finest: Floats | None = None, brows: Floats | None = None) -> Floats:
        """A detail map `(SIDE, SIDE, 3)` whose features are formed like those of people of the same `kind`.

        `finest` `(SIDE, SIDE)` is what a photo has of the finest detail (see `finest_detail`): in a soft one features
        stay soft. `brows` `(2,)` are what its brows are like (see `brow_kind`).
        """
        grey = brightness(detail)
        vague, seen = bands(self.mesh, grey)
        change, used = np.zeros((SIDE, SIDE), np.float32), list[Ints]()
        for name, (window, weight) in self.zones.items():
            views = [self.compared(name, turned(seen, flip)[window.slices])[None] for flip in (False, True)]
            index, mirrored, _ = self.lenders(name, views, kind, used, brows)
            used.append(self.lent[name].people[index])
            for flip in (False, True):
                if name == "eye" or flip == mirrored[0]:
                    own = None if finest is None else turned(finest, flip)[window.slices]
                    form = self._fitted(name, int(index[0]), float(self.gain(name, views[flip], index)[0]), own)
                    part = turned(change, flip)[window.slices]
                    part += weight * (form - turned(vague, flip)[window.slices])
        # As lighter and darker skin of one hue: added to all channels alike it would turn brows blue and lips grey.
        gain = np.maximum(1 + grey + change, 0) / np.maximum(1 + grey, DARKEST)
        return np.asarray((1 + detail) * threefold(gain) - 1, np.float32)

    def compared(self, name: str, picture: Floats) -> Floats:
        """What `(m,)` of a picture `(h, w)` of a feature is compared, each pixel as far as it counts."""
        return _thinned(picture) * self._weights[name]

    def lenders(
        self,
        name: str,
        views: Sequence[Floats],
        kind: Floats,
        used: Sequence[Ints] = (),
        brows: Floats | None = None,
    ) -> tuple[Ints, npt.NDArray[np.bool_], Floats]:
        """For `n` people, which example `(n,)` each is lent, which of them `(n,)` in the mirror, and how unlike it is.

        `views` are what is compared of the feature `(n, m)`, as it is and in the mirror. A left eye is looked at in the
        mirror, and both are one person's. Nobody is lent what one of `used`, each `(n,)`, would lend.
        """
        unlike = np.stack([self._unlike(name, view, kind) for view in views])
        if name == "eye" and brows is not None:
            unlike += LIKE_BROWS * ((self._brows - brows) ** 2).sum(1)
        for people in used:
            unlike += np.where(self.lent[name].people == people[:, None], np.inf, 0)
        if name == "eye":
            both = unlike.mean(0)
            return both.argmin(1), np.zeros(len(both), np.bool_), both.min(1)
        best = unlike.min(2)
        mirrored = best[1] < best[0]
        return np.where(mirrored, unlike[1].argmin(1), unlike[0].argmin(1)), mirrored, best.min(0)

    def gain(self, name: str, view: Floats, index: Ints) -> Floats:
        """What `(n,)` the examples `index` `(n,)` are multiplied by, to be as strong as what is drawn, `(n, m)`."""
        return np.asarray(np.clip(np.linalg.norm(view, axis=1) / self._looks[name][1][index], *FIT), np.float32)

    @cached_property
    def _weights(self) -> dict[str, Floats]:
        """How much each compared pixel of a feature counts."""
        shut = around_openings(self.mesh)
        return {name: np.sqrt(_thinned(weight * shut[window.slices])) for name, (window, weight) in self.zones.items()}

    @cached_property
    def _brows(self) -> Floats:
        """What the brows of the examples of eyes are like, `(n, 2)`; see `brow_kind`."""
        zone = self.mesh.brows[self.zones["eye"][0].slices]
        return np.stack([brow_kind(brow_hair(without_hairs(form)) * zone) for form in self.lent["eye"].form])

    @cached_property
    def _looks(self) -> dict[str, tuple[Floats, Floats]]:
        """Weighted looks `(n, m)` of the examples of each feature, and their lengths `(n,)`."""
        looks = {name: lent.looks * self._weights[name] for name, lent in self.lent.items()}
        return {name: (look, np.linalg.norm(look, axis=1) + 1e-6) for name, look in looks.items()}

    def _unlike(self, name: str, view: Floats, kind: Floats) -> Floats:
        """How unlike `(n, examples)` what is drawn `(n, m)` each is when as strong, and how unlike the `kind`."""
        looks, lengths = self._looks[name]
        length = np.linalg.norm(view, axis=1, keepdims=True) + 1e-6
        gain = np.clip(length / lengths, *FIT)
        unlike = ((gain * lengths) ** 2 - 2 * gain * (view @ looks.T)) / length**2
        return np.asarray(unlike + KINDRED * (self.lent[name].kinds - kind) ** 2 @ _MATTERS, np.float32)

    def _fitted(self, name: str, index: int, gain: float, own: Floats | None) -> Floats:
        """The form `(h, w)` of an example, `gain` times as strong and as crisp as the photo's `own`."""
        form, weight = self.lent[name].form[index], self.zones[name][1]
        fine = form - cv2.GaussianBlur(form, (0, 0), FINEST)
        finest = gain
        if own is not None:
            there = float((weight * own**2).sum() / max(float((weight * fine**2).sum()), 1e-9))
            finest = min(CRISPEST * gain, float(np.sqrt(there)))
        return np.asarray(gain * (form - fine) + finest * fine, np.float32)


def finest_detail(detail: Floats, seen: Floats) -> Floats:
    """What is finer than `FINEST` in a detail map `(SIDE, SIDE, 3)`, `(SIDE, SIDE)`, where it is `seen`."""
    grey = brightness(detail)
    return np.asarray((grey - cv2.GaussianBlur(grey, (0, 0), FINEST)) * seen, np.float32)


def form_of(mesh: Mesh, grey: Floats, seen: Floats) -> Floats:
    """What of a map's brightness `(SIDE, SIDE)` is no broader than `BROADEST`, judged by what is `seen` alone.

    Brows and lips are not: they are form however broad they are, and what is broad is the skin around them.
    """
    skin = np.asarray(seen * (1 - np.maximum(mesh.brows, mesh.lips)) ** 4, np.float32)  # off their soft rims, too
    mass = cv2.GaussianBlur(skin, (0, 0), BROADEST) + 1e-3
    return np.asarray(grey - cv2.GaussianBlur(grey * skin, (0, 0), BROADEST) / mass, np.float32)


def look(grey: Floats) -> Floats:
    """The band `(SIDE, SIDE)` of a map's brightness in which features are compared."""
    fine, broad = (cv2.GaussianBlur(np.ascontiguousarray(grey), (0, 0), sigma) for sigma in LOOK)
    return np.asarray(fine - broad, np.float32)


def bands(mesh: Mesh, grey: Floats) -> tuple[Floats, Floats]:
    """What is no broader than what is lent, and what is compared, both `(SIDE, SIDE)`."""
    return form_of(mesh, grey, mesh.inside.astype(np.float32)), look(grey)


def _thinned(picture: Floats) -> Floats:
    """The pixels `(m,)` of a feature that are compared."""
    return np.ascontiguousarray(picture[::STEP, ::STEP]).ravel()


def turned(picture: Floats, mirrored: bool) -> Floats:
    """A view of a map, from the other side where `mirrored`."""
    return picture[:, ::-1] if mirrored else picture


def around_openings(mesh: Mesh) -> Floats:
    """0 inside the right eye and the mouth, which stay the photo's own, softly 1 elsewhere, `(SIDE, SIDE)`."""
    openings = np.zeros((SIDE, SIDE), np.uint8)
    for ring in (RIGHT_EYE, LIPS_INSIDE):
        cv2.fillPoly(openings, [np.round(mesh.canonical[ring]).astype(np.int32)], (1,))
    return np.asarray(1 - cv2.GaussianBlur(openings.astype(np.float32), (0, 0), 1.0), np.float32)


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

    def lent(name: str) -> Lent:
        kinds, people = stored[f"{name}_kinds"].astype(np.float32), stored[f"{name}_people"].astype(np.int32)
        return Lent(restored(f"{name}_form"), restored(f"{name}_looks"), kinds, people)

    return FineDetail(mesh, {name: lent(name) for name in FEATURES})
