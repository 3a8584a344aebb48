"""478 points of a face and what can be read from them.

MediaPipe Face Mesh with attention (Grishchenko et al. 2020, "Attention Mesh"): points 0-467 are the face, 468-472 and
473-477 the irises of the person's right and left eye. "Right" and "left" in names are the person's own.
"""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np

from identigen.crop import square_around
from identigen.models import borrow
from identigen.types import Box, Floats, Pixels, Pose

MESH_SIDE = 320  # the mesh needs a face of some 200 px: small faces are scaled up to it
CONTEXT = 1.7

# Symmetric pairs (person's right, left): the direction between them is the lateral axis of the head.
_PAIRS = np.array([[33, 263], [133, 362], [234, 454], [127, 356], [61, 291], [172, 397], [70, 300], [98, 327]])
_UPRIGHT = np.array([[10, 152], [151, 199], [168, 164]])  # top to bottom, on the midline
OVAL = np.array([10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148,
                 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109])  # fmt: skip
RIGHT_EYE = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246])
LEFT_EYE = np.array([263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466])
EYES = np.concatenate([RIGHT_EYE, LEFT_EYE])
# Above each eye, from its outer to its inner corner: the upper lid, and where it goes over into the brow's bone.
RIGHT_LID = np.array([[247, 30, 29, 27, 28, 56, 190], [113, 225, 224, 223, 222, 221, 189]])
LEFT_LID = np.array([[467, 260, 259, 257, 258, 286, 414], [342, 445, 444, 443, 442, 441, 413]])
LIPS_INSIDE = np.array([78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191])
LIPS_OUTSIDE = np.array([61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185])
MOUTH_CORNERS = np.array([61, 291])
RIGHT_BROW = np.array([70, 63, 105, 66, 107, 55, 65, 52, 53, 46])
LEFT_BROW = np.array([300, 293, 334, 296, 336, 285, 295, 282, 283, 276])
BELOW_NOSE = np.array([206, 57, 13, 287, 426])  # hull of the skin between nose and mouth, from fold to fold
NOSE = np.array([6, 168, 197, 195, 5, 4, 1, 2, 48, 64, 98, 278, 294, 327, 97, 326])
BROWS = np.concatenate([RIGHT_BROW, LEFT_BROW])
# Hulls on both cheeks, away from eyes, nostrils and beard: where a skin's tone is read.
CHEEKS = (np.array([117, 118, 101, 205, 50]), np.array([346, 347, 330, 425, 280]))


def find_landmarks(pixels: Pixels, box: Box) -> Floats | None:
    """Find the 478 points `(478, 3) float32` of the face in `box`, in pixels of the photo (z: same scale), else None.

    A second, wider look is taken when the first fails: tight portraits leave the mesh's own detector no context.
    """
    for context in (CONTEXT, 2.4, 1.25):
        crop = square_around(box, context, MESH_SIDE)
        with borrow("face-mesh", _build_mesh) as mesh, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype")  # protobuf 4 under mediapipe 0.10
            found = mesh.process(crop.extract(pixels)).multi_face_landmarks
        if not found:
            continue
        points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32) * MESH_SIDE
        points = crop.to_photo(points)
        if _matches(points, box):
            return points
    return None


def face_box(points: Floats) -> Box:
    """The tight box of the face's points."""
    lo, hi = points[:468, :2].min(0), points[:468, :2].max(0)
    return (float(lo[0]), float(lo[1]), float(hi[0]), float(hi[1]))


def head_pose(points: Floats) -> Pose:
    """Read the head's direction from the symmetric points; no camera model is needed for a weak perspective."""
    lateral = (points[_PAIRS[:, 1]] - points[_PAIRS[:, 0]]).astype(np.float64)
    lateral = (lateral / np.linalg.norm(lateral, axis=1, keepdims=True)).mean(0)
    lateral /= np.linalg.norm(lateral)
    down = (points[_UPRIGHT[:, 1]] - points[_UPRIGHT[:, 0]]).astype(np.float64).sum(0)
    down -= lateral * (down @ lateral)
    down /= np.linalg.norm(down)
    yaw = np.degrees(np.arctan2(lateral[2], np.hypot(lateral[0], lateral[1])))
    roll = np.degrees(np.arctan2(lateral[1], lateral[0]))
    pitch = np.degrees(np.arctan2(down[2], np.hypot(down[0], down[1])))
    return Pose(float(yaw), float(pitch), float(roll))


def _matches(points: Floats, box: Box) -> bool:
    """Whether the mesh sits on the face that was asked for and not on a neighbour."""
    x1, y1, x2, y2 = face_box(points)
    bx1, by1, bx2, by2 = box
    across, down = min(x2, bx2) - max(x1, bx1), min(y2, by2) - max(y1, by1)
    if across <= 0 or down <= 0:
        return False
    common = across * down
    whole = (x2 - x1) * (y2 - y1) + (bx2 - bx1) * (by2 - by1) - common
    return bool(common / whole > 0.25)


def _build_mesh() -> Any:
    cv2.setNumThreads(2)
    import mediapipe as mp

    return mp.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
    )


def eye_distance(points: Floats) -> float:
    """Distance between the middles of both eyes in space, in pixels; the ruler for openness."""
    return float(np.linalg.norm(points[RIGHT_EYE].mean(0) - points[LEFT_EYE].mean(0)))


def mouth_openness(points: Floats) -> float:
    """Gap between the lips as a fraction of the eye distance."""
    return float(np.linalg.norm(points[13] - points[14]) / eye_distance(points))


def smile(points: Floats) -> float:
    """How far the corners of the mouth stand above its middle, as a fraction of the eye distance; below 0 in a pout."""
    across = (points[[263, 362]].mean(0) - points[[33, 133]].mean(0))[:2]
    down = np.array([-across[1], across[0]]) / max(float(np.hypot(*across)), 1e-6)
    raised = (points[[13, 14]].mean(0) - points[MOUTH_CORNERS].mean(0))[:2] @ down
    return float(raised / eye_distance(points))


def eye_openness(points: Floats) -> float:
    """Mean gap between the lids as a fraction of the eye distance."""
    return float(eye_gaps(points).mean())


def eye_gaps(points: Floats) -> Floats:
    """Gap between the lids of the right eye and of the left one `(2,)`, as fractions of the eye distance."""
    gaps = np.linalg.norm(points[[159, 386]] - points[[145, 374]], axis=1)
    return np.asarray(gaps / eye_distance(points), np.float32)


def gaze(points: Floats) -> tuple[float, float]:
    """Where the eyes look relative to the head, in degrees: positive is to the right of the picture, and down.

    Read from how far each iris stands off the middle of its lids; an eyeball's radius is about 0.42 of the eye's width.
    """
    turns = []
    for centre, right, left in ((468, 33, 133), (473, 362, 263)):
        across = (points[left] - points[right])[:2]
        width = float(np.hypot(*across))
        off = (points[centre] - (points[right] + points[left]) / 2)[:2] / (0.42 * max(width, 1e-6))
        direction = across / max(width, 1e-6)
        turns.append((off @ direction, direction[0] * off[1] - direction[1] * off[0]))
    x, y = np.clip(np.mean(turns, axis=0), -0.95, 0.95)
    return float(np.degrees(np.arcsin(x))), float(np.degrees(np.arcsin(y)))
