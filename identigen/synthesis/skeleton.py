"""The pose of a person as the coloured stick figure that OpenPose ControlNets were trained on.

Points (MediaPipe Pose and Face Mesh) and drawing are ours: OpenPose's own, and controlnet-aux's port of it, may not be
used commercially.
"""

from __future__ import annotations

import colorsys
import warnings
from typing import Any

import cv2
import numpy as np

from identigen.crop import Crop
from identigen.models import borrow
from identigen.types import Face, Floats, Pixels, Window

VISIBLE = 0.5
THICKNESS = 24 / 1024
"""Of a line at its middle and of a point, in shares of the picture: what xinsir's ControlNet was trained with."""
DIMMED = 0.6
"""Lines are darker than points."""

# OpenPose's 18 points by number of MediaPipe's 33; the neck, which MediaPipe does not know, is between the shoulders.
_FROM_POSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_NECK, _SHOULDERS = 1, (11, 12)
# The lines in OpenPose's order; line and point number i have the i-th of 18 colours around the hue circle.
_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7)),  # shoulders and arms, the right one first
    *((1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),  # from the neck down the legs
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),  # head
)
_COLOURS = tuple(tuple(round(255 * part) for part in colorsys.hsv_to_rgb(i / 18, 1.0, 1.0)) for i in range(18))
# Nose, right eye, left eye, right ear, left ear: OpenPose's number and that of the face mesh.
_FROM_MESH = ((0, 1), (14, 468), (15, 473), (16, 234), (17, 454))


def body_points(pixels: Pixels, window: Window) -> Floats | None:
    """OpenPose's 18 points `(18, 3)` (x, y in the photo, visibility) of who dominates `window`; None for nobody."""
    part = np.ascontiguousarray(pixels[window.slices])
    if min(part.shape[:2]) < 16:
        return None
    with borrow("mediapipe-pose-points", _build_pose) as net, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype")  # protobuf 4 under mediapipe 0.10
        seen = net.process(part)
    if seen.pose_landmarks is None:
        return None
    rows = [(p.x, p.y, p.visibility) for p in seen.pose_landmarks.landmark]
    found = np.array(rows, np.float32) * [window.width, window.height, 1.0] + [window.left, window.top, 0.0]
    points = np.zeros((18, 3), np.float32)
    for number, source in enumerate(_FROM_POSE):
        if source is not None:
            points[number] = found[source]
    points[_NECK] = found[list(_SHOULDERS)].mean(0)
    return points


def with_face(points: Floats | None, face: Face | None) -> Floats | None:
    """Take the head's points from the face mesh, which is exact where the pose guesses."""
    if face is None or face.landmarks is None:
        return points
    out = np.zeros((18, 3), np.float32) if points is None else points.copy()
    for number, source in _FROM_MESH:
        out[number] = (*face.landmarks[source, :2], 1.0)
    return out


def draw(points: Floats, crop: Crop) -> Pixels:
    """Draw the visible points in a crop as `(side, side, 3)`; black where there is nothing."""
    canvas = np.zeros((crop.side, crop.side, 3), np.uint8)
    placed, seen = crop.to_crop(points)[:, :2], points[:, 2] >= VISIBLE
    half = max(1.0, THICKNESS * crop.side / 2)
    for (start, end), colour in zip(_LIMBS, _COLOURS, strict=False):
        if seen[start] and seen[end]:
            _draw_limb(canvas, placed[start], placed[end], half, tuple(DIMMED * part for part in colour))
    for number in np.flatnonzero(seen):
        _fill(canvas, placed[number], (half, half), 0.0, _COLOURS[number])
    return canvas


def _draw_limb(canvas: Pixels, start: Floats, end: Floats, half: float, colour: tuple[float, ...]) -> None:
    """A filled ellipse from one point to the other, `2 * half` thick in the middle."""
    along = end - start
    length = float(np.linalg.norm(along))
    _fill(canvas, (start + end) / 2, (length / 2, half), float(np.degrees(np.arctan2(along[1], along[0]))), colour)


def _fill(canvas: Pixels, centre: Floats, axes: tuple[float, float], degrees: float, colour: tuple[float, ...]) -> None:
    cv2.ellipse(canvas, ((float(centre[0]), float(centre[1])), (2 * axes[0], 2 * axes[1]), degrees), colour, -1)


def _build_pose() -> Any:
    import mediapipe as mp

    # Complexity 1 is the one whose weights are in the wheel; the others would be downloaded.
    return mp.solutions.pose.Pose(static_image_mode=True, model_complexity=1, min_detection_confidence=0.5)
