"""A reading of one face in a photo: everything the synthesis must know about it, measured once for all candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec, coarse_light, to_detail
from identigen.identity.brows import Lines, read_brow_lines, read_brows
from identigen.identity.conditions import NAMES, Conditions, light_cells, relief
from identigen.identity.mesh import POINTS
from identigen.identity.noses import NoseBase, read_nose_base
from identigen.identity.occluders import Glasses, find_occluders
from identigen.landmarks import head_pose
from identigen.types import Floats, Pixels

AGE, LINED = NAMES.index("age"), (45.0, 60.0)  # apparent years from which on a face has lines, and is full of them


@dataclass(frozen=True, eq=False, slots=True)
class Portrait:
    """One face as the model sees it.

    `points` `(478, 3)` in photo pixels. On the canonical map: `coarse` light, `seen` in 0..1, `hidden` (hair or cloth
    or glasses lie over it), `expected` (the codec's own
    rendering of `detail`). `code` and `shape_code` place the face among all faces; `aligned` `(468, 3)` is its shape,
    with `turn`, `scale`, `centre` leading back to the photo. `condition` is what a new identity has to agree with.
    `brows` `(2,)` are what its brows are like, `brow_lines` where they lie; see `read_brows`, `read_brow_lines`.
    `nose_base` is how low its nose reaches; see `read_nose_base`.
    """

    points: Floats
    coarse: Floats
    detail: Floats
    seen: Floats
    hidden: npt.NDArray[np.bool_]
    glasses: Glasses
    expected: Floats
    code: Floats
    shape_code: Floats
    aligned: Floats
    turn: Floats
    scale: float
    centre: Floats
    raw_condition: Floats
    condition: Floats
    brows: Floats | None
    brow_lines: Lines
    nose_base: NoseBase | None

    def by_age(self, young_and_lined: tuple[float, float]) -> float:
        """What suits a face of this age, between what does a young one (lines are strands, shadows) and an old one."""
        return float(np.interp(max(float(self.raw_condition[AGE]), 0.0) ** 2, LINED, young_and_lined))

    def to_photo(self, shape: Floats) -> Floats:
        """Aligned points `(n, 3)` as points of the photo, in this face's pose."""
        return np.asarray(shape @ self.turn * self.scale + self.centre, np.float32)


def read_portrait(
    codec: Codec,
    conditions: Conditions,
    pixels: Pixels,
    points: Floats,
    embedding: Floats,
    *,
    glasses_off: bool = False,
) -> Portrait:
    """Measure the face `points` `(478, 3)` of a picture; `embedding` `(128,)` is the recogniser's description of it.

    With `glasses_off` frames are taken for a part of the face: whoever is drawn there wears none. Dark ones stay: the
    photo has no eyes behind them.
    """
    mesh = codec.mesh
    texture = mesh.unwarp(pixels, points)
    facing = mesh.facing(points) * mesh.inside * _in_frame(codec, pixels, points)
    found = find_occluders(mesh, pixels, points)
    glasses_off = glasses_off and found.glasses != "dark"
    hidden = found.over if glasses_off else found.over | found.worn
    seen = np.asarray(facing * ~hidden, np.float32)
    coarse = coarse_light(texture, seen)
    detail = np.clip(to_detail(texture, coarse), -1, 3)
    code = codec.encode(detail, seen)
    aligned, turn, scale, centre = mesh.align(points[:POINTS], codec.shape_mean)
    pose = head_pose(points)
    raw = conditions.raw(light_cells(coarse), aligned, (pose.yaw, pose.pitch), relief(mesh, detail, seen), embedding)
    return Portrait(
        points=points,
        coarse=coarse,
        detail=detail,
        seen=seen,
        hidden=hidden,
        glasses="none" if glasses_off else found.glasses,
        expected=codec.decode(code),
        code=code,
        shape_code=codec.encode_shape(aligned),
        aligned=aligned,
        turn=turn,
        scale=scale,
        centre=centre,
        raw_condition=raw,
        condition=conditions.whiten(raw),
        brows=read_brows(mesh, detail, seen),
        brow_lines=read_brow_lines(mesh, detail, seen),
        nose_base=read_nose_base(codec, detail, seen),
    )


def _in_frame(codec: Codec, pixels: Pixels, points: Floats) -> Floats:
    """1 where the map looks at the photo, 0 where the face leaves it."""
    frame = np.zeros(pixels.shape[:2], np.float32)
    frame[1:-1, 1:-1] = 1
    lo, hi = points[:, :2].min(0), points[:, :2].max(0)
    if lo.min() > 2 and hi[0] < pixels.shape[1] - 2 and hi[1] < pixels.shape[0] - 2:
        return np.ones(codec.mesh.inside.shape, np.float32)
    return np.asarray(codec.mesh.unwarp(frame, points) > 0.5, np.float32)
