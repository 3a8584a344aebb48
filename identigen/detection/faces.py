"""From the sightings of several detectors to faces that can be trusted, with landmarks and head pose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from identigen.detection.pairing import Sighting, box_iou, group_sightings, same_face
from identigen.landmarks import face_box, find_landmarks, head_pose
from identigen.types import Box, Face, Pixels, Window

MIN_FACE_PX = 10.0  # below this nobody can be recognised, and texture looks like faces
MIN_MESH_PX = 16.0
# Measured on 186 reference faces and 120 scenes without people: CenterFace alone saw every face, BlazeFace alone saw
# only trees and rocks (scores up to 0.70), and the mesh fits itself into anything, so none of them is believed alone.
SURE = 0.6
AGREED = 0.55
WITH_LANDMARKS = 0.4
BLAZE_ALONE = 0.8
MESH_IOU = 0.5
MESH_IOU_SQUARE = 0.35
TURNED = 40.0  # degrees


def judge_sightings(pixels: Pixels, sightings: Iterable[Sighting]) -> list[Face]:
    """Make faces of `(H, W, 3)` pixels out of what the detectors said, largest first, each face once."""
    groups = group_sightings(sightings)
    faces = [face for group in groups if (face := judge_group(pixels, group)) is not None]
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (f.landmarks is None, -f.score)):
        if not any(same_face(face.box, other.box) for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda f: -f.size_px)


def judge_group(pixels: Pixels, group: Sequence[Sighting]) -> Face | None:
    """Judge the sightings of one place; None when too little speaks for a face.

    What is left in doubt is a face: it gets covered. Only a mere hint is dropped, or half a carpet would be covered.
    """
    center = next((s for s in group if s.detector == "centerface"), None)
    box, score = clip((center or group[0]).box, pixels), group[0].score  # the first of a group is its surest
    size = Face(box).size_px
    if size < MIN_FACE_PX:
        return None
    agreed = len({sighting.detector for sighting in group}) > 1
    if center is None and not (agreed or score >= BLAZE_ALONE):
        return None
    points = find_landmarks(pixels, box) if size >= MIN_MESH_PX and score >= WITH_LANDMARKS else None
    if points is not None and box_iou(face_box(points), box) >= (MESH_IOU if center else MESH_IOU_SQUARE):
        pose = head_pose(points)
        # On a head turned far away the mesh ends before nose and mouth do: what the detector saw is the face, too.
        tight = face_box(points) if abs(pose.yaw) < TURNED else _both(face_box(points), box)
        return Face(clip(tight, pixels), points, pose, score)
    # A mesh that sits elsewhere than the detector's box is wrong, mostly on profiles: the box is right.
    return Face(box, score=score) if score >= SURE or (agreed and score >= AGREED) else None


def moved(face: Face, window: Window) -> Face:
    """A face that was found in the pixels of `window`, in pixels of the whole photo."""
    x1, y1, x2, y2 = face.box
    box = (x1 + window.left, y1 + window.top, x2 + window.left, y2 + window.top)
    if face.landmarks is None:
        return replace(face, box=box)
    points = face.landmarks.copy()
    points[:, :2] += (window.left, window.top)
    return replace(face, box=box, landmarks=points)


def _both(a: Box, b: Box) -> Box:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def clip(box: Box, pixels: Pixels) -> Box:
    """The part of a box that lies in the picture."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    return (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
