"""From the sightings of several detectors to faces that can be trusted, with landmarks and head pose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from identigen.detection.pairing import Sighting, group_sightings, same_face
from identigen.landmarks import face_box, find_landmarks, head_pose
from identigen.types import Box, Face, Pixels, Window

MIN_FACE_PX = 10.0  # below this nobody can be recognised, and texture looks like faces
MIN_MESH_PX = 16.0
SURE = 0.6
DOUBTFUL = 0.5


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

    Landmarks are the strongest evidence. Without them one detector must be sure, or two must agree: such a face gets
    covered, but a mere hint would cover half of a patterned carpet.
    """
    box = clip(_best_box(group), pixels)
    score = max(sighting.score for sighting in group)
    size = Face(box).size_px
    if size < MIN_FACE_PX:
        return None
    points = find_landmarks(pixels, box) if size >= MIN_MESH_PX else None
    if points is not None:
        return Face(clip(face_box(points), pixels), points, head_pose(points), score)
    agreed = len({sighting.detector for sighting in group}) > 1
    return Face(box, score=score) if score >= SURE or (agreed and score >= DOUBTFUL) else None


def moved(face: Face, window: Window) -> Face:
    """A face that was found in the pixels of `window`, in pixels of the whole photo."""
    x1, y1, x2, y2 = face.box
    box = (x1 + window.left, y1 + window.top, x2 + window.left, y2 + window.top)
    if face.landmarks is None:
        return replace(face, box=box)
    points = face.landmarks.copy()
    points[:, :2] += (window.left, window.top)
    return replace(face, box=box, landmarks=points)


def clip(box: Box, pixels: Pixels) -> Box:
    """The part of a box that lies in the picture."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    return (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))


def _best_box(group: Sequence[Sighting]) -> Box:
    """CenterFace's box where there is one: BlazeFace's is a square that leaves out the forehead."""
    return next((s for s in group if s.detector == "centerface"), group[0]).box
