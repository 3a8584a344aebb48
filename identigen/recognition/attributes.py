"""What can be read off a face besides who it is: pose, gaze, openness, skin tone, apparent age and gender presentation.

The same numbers steer the synthesis (they must stay), choose among its candidates and stand in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from identigen.landmarks import CHEEKS, eye_openness, gaze, head_pose, mouth_openness
from identigen.models import asset, borrow
from identigen.types import Face, Floats, Pixels, Pose

# From where on a stranger would name another age, gender presentation or origin: roots of years, of -1 to 1, standard
# deviations of `kin`.
ANOTHER_AGE, ANOTHER_GENDER, ANOTHER_ORIGIN = 1.2, 0.6, 1.8
# What may be asked for, by the attribute that it sets.
WISHES: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "age": ("age", {"child": 8.0, "young": 25.0, "middle": 45.0, "old": 72.0}),
    "gender": ("femininity", {"feminine": 1.0, "masculine": -1.0}),
    "beard": ("beard", {"none": 0.0, "some": 1.0, "full": 2.0}),
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """Numbers of one face; angles in degrees, openness as a fraction of the eye distance.

    `age` is apparent years, `femininity` runs from -1 to 1, `beard` from 0 to 2; all three are read along axes of the
    recogniser's embedding and are no facts about a person. `tone` is the individual typology angle (ITA) of the cheeks.
    `kin` places a face among the broad kinds that the recogniser tells apart, in standard deviations: never a label,
    only a measure of whether it moved.
    """

    pose: Pose
    gaze: tuple[float, float]
    mouth: float
    eyes: float
    tone: float
    age: float
    femininity: float
    beard: float
    kin: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Axes:
    """Linear read-outs of an embedding: `weights` `(3, 128)` and `bias` `(3,)` for root of age, femininity, beard."""

    weights: Floats
    bias: Floats

    def read(self, embedding: Floats) -> tuple[float, float, float]:
        """Apparent age in years, femininity and beard of one face."""
        root, feminine, beard = (self.weights @ embedding + self.bias).tolist()
        return float(np.clip(root, 1.0, 9.8) ** 2), float(np.clip(feminine, -1.5, 1.5)), float(np.clip(beard, 0, 2))


def load_axes() -> Axes:
    """The shipped axes, read once."""
    with borrow("identigen-attribute-axes", _read_axes) as axes:
        return axes


def load_kin() -> Floats:
    """The shipped directions `(4, 128)` of `Attributes.kin`, read once."""
    with borrow("identigen-kin-axes", _read_kin) as axes:
        return axes


def read_attributes(pixels: Pixels, face: Face, embedding: Floats | None = None) -> Attributes:
    """Read a face that has landmarks; give `embedding` `(128,)` where it is already known, it costs 0.1 s."""
    if face.landmarks is None:
        raise ValueError("attributes are read from landmarks; this face has none")
    if embedding is None:
        from identigen.recognition import default_recogniser

        embedding = default_recogniser().describe(pixels, [face])[0]
    points = face.landmarks
    age, feminine, beard = load_axes().read(embedding)
    return Attributes(
        pose=head_pose(points),
        gaze=gaze(points),
        mouth=mouth_openness(points),
        eyes=eye_openness(points),
        tone=skin_tone(pixels, points),
        age=age,
        femininity=feminine,
        beard=beard,
        kin=tuple((load_kin() @ embedding).tolist()),
    )


def skin_tone(pixels: Pixels, points: Floats) -> float:
    """Individual typology angle of the cheeks in degrees: above 55 very light, below -30 very dark (Chardon 1991)."""
    lo = np.maximum(np.floor(points[:468, :2].min(0)).astype(int), 0)
    hi = np.ceil(points[:468, :2].max(0)).astype(int) + 1
    part = np.ascontiguousarray(pixels[lo[1] : hi[1], lo[0] : hi[0]])
    mask = np.zeros(part.shape[:2], np.uint8)
    for hull in CHEEKS:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[hull, :2] - lo).astype(np.int32)), (1,))
    lab = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    skin = lab[mask > 0] if mask.any() else lab.reshape(-1, 3)
    lightness, _, yellow = np.median(skin, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50.0, max(float(yellow), 1e-3))))


def compare(before: Attributes, after: Attributes) -> Mapping[str, Mapping[str, Any]]:
    """Each attribute before and after, rounded for the report."""
    rows = {
        "yaw": (before.pose.yaw, after.pose.yaw),
        "pitch": (before.pose.pitch, after.pose.pitch),
        "roll": (before.pose.roll, after.pose.roll),
        "gaze_x": (before.gaze[0], after.gaze[0]),
        "gaze_y": (before.gaze[1], after.gaze[1]),
        "mouth_openness": (before.mouth, after.mouth),
        "eye_openness": (before.eyes, after.eyes),
        "skin_tone_ita": (before.tone, after.tone),
        "apparent_age": (before.age, after.age),
        "femininity": (before.femininity, after.femininity),
        "beard": (before.beard, after.beard),
    }
    return {name: {"before": round(old, 3), "after": round(new, 3)} for name, (old, new) in rows.items()}


def wished(before: Attributes, wishes: Mapping[str, str]) -> Attributes:
    """What a new face shall agree with: the person, but for what shall be otherwise; unknown wishes change nothing."""
    asked = {field: values[wishes[name]] for name, (field, values) in WISHES.items() if wishes.get(name) in values}
    return replace(
        before,
        age=asked.get("age", before.age),
        femininity=asked.get("femininity", before.femininity),
        beard=asked.get("beard", before.beard),
    )


def agreement(before: Attributes, after: Attributes) -> float:
    """How well a new face keeps what should stay, 1 = all of it; each term falls to a half at its tolerance."""
    turn = max(abs(before.pose.yaw - after.pose.yaw), abs(before.pose.pitch - after.pose.pitch))
    look = float(np.hypot(before.gaze[0] - after.gaze[0], before.gaze[1] - after.gaze[1]))
    misses = (
        (np.sqrt(before.age) - np.sqrt(after.age)) / 1.2,
        (before.femininity - after.femininity) / 0.7,
        (before.beard - after.beard) / 1.0,
        (before.tone - after.tone) / 10.0,
        (before.mouth - after.mouth) / 0.06,
        (before.eyes - after.eyes) / 0.04,
        turn / 4.0,
        look / 10.0,
    )
    return float(np.mean([1 / (1 + miss * miss) for miss in misses]))


def seems_alike(before: Attributes, after: Attributes) -> bool:
    """Whether a stranger would name the same age band, gender presentation and origin for both."""
    older = abs(np.sqrt(before.age) - np.sqrt(after.age))
    moved = max((abs(a - b) for a, b in zip(before.kin, after.kin, strict=True)), default=0.0)
    otherwise = abs(before.femininity - after.femininity)
    return bool(older < ANOTHER_AGE and otherwise < ANOTHER_GENDER and moved < ANOTHER_ORIGIN)


def _read_axes() -> Axes:
    from safetensors.numpy import load_file

    stored = load_file(asset("models/attributes.safetensors"))
    return Axes(stored["weights"].astype(np.float32), stored["bias"].astype(np.float32))


def _read_kin() -> Floats:
    from safetensors.numpy import load_file

    # The axes by which the prior is told kin, after those for age, femininity and beard.
    told = load_file(asset("models/conditions.safetensors"))
    axes, spread = told["axes"][3:], told["scale"][-len(told["axes"][3:]) :]
    return np.asarray(axes / spread[:, None], np.float32)
