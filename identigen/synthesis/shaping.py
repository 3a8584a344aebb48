"""The new identity's build in the photo's pose and with its expression.

What is drawn is looked at: a new nose or brow makes a head *seem* tilted, and lips seem parted, although the points
were kept. The next drawing makes up for that, so that pose and expression stay as they are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from identigen.identity.appearance import Codec
from identigen.identity.conditions import NAMES
from identigen.identity.imagination import leisure
from identigen.identity.portrait import Portrait
from identigen.landmarks import EYES, OVAL, eye_openness, head_pose, mouth_openness, smile
from identigen.synthesis.features import with_own_features
from identigen.types import Floats

YAW = NAMES.index("yaw")
BUILD = (0.6, 1.6)  # gain of the new build, at strength 0 and 1
RIM_FREEDOM, RIM_DEPTH = 0.6, 0.35  # share of the new build that the outline gets; how deep, in half faces, it is held
SHARE, MOST_DEGREES = 0.6, 5.0  # of what was missed: all of it would bend a nose to please the mesh
MOST_RAISED = 0.06  # of the eye distance, the corners of a mouth: beyond, the mesh was mistaken
MOUTH_SHARE = 0.9  # lips that are drawn apart are seen apart


@dataclass(frozen=True, slots=True)
class Missed:
    """What is wanting between a face and how it was drawn: degrees, and fractions of the eye distance."""

    yaw: float = 0.0
    pitch: float = 0.0
    eyes: float = 0.0
    mouth: float = 0.0
    smile: float = 0.0


NOTHING = Missed()


def missed(wanted: Floats, seen: Floats) -> Missed:
    """Compare the points `(478, 3)` of the photo's face with those seen on what was drawn over it."""
    old, new = head_pose(wanted), head_pose(seen)
    return Missed(
        yaw=float(np.clip(SHARE * (old.yaw - new.yaw), -MOST_DEGREES, MOST_DEGREES)),
        pitch=float(np.clip(SHARE * (old.pitch - new.pitch), -MOST_DEGREES, MOST_DEGREES)),
        eyes=SHARE * (eye_openness(wanted) - eye_openness(seen)),
        mouth=MOUTH_SHARE * (mouth_openness(wanted) - mouth_openness(seen)),
        smile=SHARE * float(np.clip(smile(wanted) - smile(seen), -MOST_RAISED, MOST_RAISED)),
    )


def new_shape(codec: Codec, portrait: Portrait, code: Floats, strength: float, wanting: Missed = NOTHING) -> Floats:
    """The portrait's points `(468, 3)` with the new identity's build, making up for what an earlier drawing missed."""
    # Of a turned head the outline is not the mesh's rim: moved as far as in front, it would bulge.
    yaw = abs(float(portrait.raw_condition[YAW]))
    gain = float(np.interp(strength, (0, 1), BUILD)) * (1 - 0.5 * float(np.clip((yaw - 12) / 28, 0, 1)))
    freedom = _inner(codec)[:, None]
    shape = portrait.aligned + gain * freedom * codec.decode_shape(code - portrait.shape_code)
    shape = shape + freedom * (_turned(shape, wanting) - shape)
    if portrait.glasses != "none":  # frames are rigid: what they sit on keeps its place
        shape = portrait.aligned + (shape - portrait.aligned) * _below_glasses(codec)[:, None]
    shape = np.asarray(shape, np.float32)
    return with_own_features(
        codec, portrait.aligned, shape, wanting.eyes, wanting.mouth, wanting.smile, leisure(strength)
    )


def _turned(shape: Floats, wanting: Missed) -> Floats:
    """A head `(468, 3)`, x to the right, y down, turned by the degrees that are wanting."""
    yaw, pitch = np.radians([wanting.yaw, -wanting.pitch])
    around = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    middle = shape.mean(0)
    return np.asarray((shape - middle) @ (around @ nod) + middle, np.float32)


@lru_cache(maxsize=4)
def _inner(codec: Codec) -> Floats:
    """Freedom `(468,)` of each point: all of it inside the face, less towards the rim, where collars and walls bend."""
    flat = codec.shape_mean[:, :2]
    to_rim = np.linalg.norm(flat[:, None] - flat[OVAL][None], axis=2).min(1)
    depth = np.clip(to_rim / (RIM_DEPTH * np.abs(flat[:, 0]).max()), 0, 1)
    return np.asarray(RIM_FREEDOM + (1 - RIM_FREEDOM) * depth, np.float32)


def _below_glasses(codec: Codec) -> Floats:
    """Freedom `(468,)` of each point under a pair of glasses: none near the eyes, all of it at mouth and chin."""
    height = codec.mesh.canonical[:, 1]
    return np.asarray(np.clip((height - height[EYES].mean() - 15) / 40, 0.1, 1), np.float32)
