"""The pose of a person as the coloured stick figure that OpenPose ControlNets were trained on.

The points are ours (MediaPipe Pose and Face Mesh); only the drawing is controlnet-aux's, whose own detectors may not be
used commercially and are never loaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from identigen.crop import Crop
from identigen.models import borrow
from identigen.types import Face, Floats, Pixels, Window

VISIBLE = 0.5
LINE_FACTOR = 3
"""xinsir's ControlNet was trained with lines three times as thick, at 1024 px, as controlnet-aux draws them."""

# OpenPose's 18 points by number of MediaPipe's 33; the neck, which MediaPipe does not know, is between the shoulders.
_FROM_POSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_NECK, _SHOULDERS = 1, (11, 12)
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
    side = max(1, round(crop.side / LINE_FACTOR))
    canvas = np.zeros((side, side, 3), np.uint8)
    drawing, keypoint = _drawing()
    placed = crop.to_crop(points) / crop.side
    keypoints: Sequence[Any] = [
        keypoint(x=float(x), y=float(y)) if seen >= VISIBLE else None
        for (x, y), seen in zip(placed[:, :2], points[:, 2], strict=True)
    ]
    small = drawing(canvas, keypoints)
    return np.asarray(cv2.resize(small, (crop.side, crop.side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _drawing() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import brings the warnings of every detector that it knows
        from controlnet_aux.open_pose.body import Keypoint
        from controlnet_aux.open_pose.util import draw_bodypose
    return draw_bodypose, Keypoint


def _build_pose() -> Any:
    import mediapipe as mp

    # Complexity 1 is the one whose weights are in the wheel; the others would be downloaded.
    return mp.solutions.pose.Pose(static_image_mode=True, model_complexity=1, min_detection_confidence=0.5)
