"""Somebody whom no detector found, but a user points at: segment what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from identigen import masks
from identigen.crop import square_around
from identigen.detection.blazepose import Aim, Stance, read_stance, spot_people
from identigen.detection.bundled import body_of_aim, body_of_stance, segment_person
from identigen.detection.pairing import Body
from identigen.types import Bools, Box, Mask, Pixels, Point, Window

CROPS = (0.3, 0.5, 0.8)
"""Sides of the square crops around a point, in shares of the photo's shorter side."""
AIMS = (0.4, 0.8, 1.2)
"""Sides of the squares that the pose network is aimed at around a point, in the same shares."""
WORKING_SIDE = 1280
"""Longer side of the preview on which people are looked for: the network sees 256 pixels of it at a time."""
SKETCH_SIDE = 800
"""The same for a first outline; it may be rough."""
SKETCH_CROP, SKETCH_AIM = 0.5, 1.1
"""As `CROPS` and `AIMS`: a first outline has the time for one of each."""
MIN_VISIBILITY = 0.5
MIN_PRESENCE = 0.3
"""Lower than where nobody points: a user has said that somebody is there."""
SAME_IOU = 0.5
GRABCUT_CROP = 0.4
GRABCUT_SIDE = 128
GRABCUT_ROUNDS = 5
SKETCH_GRABCUT = (64, 2)  # side and rounds
MIN_CONTRAST = 8.0
"""Least difference of the mean colour (CIE Lab) between a region and its surroundings; less is sky or wall."""


def body_at(pixels: Pixels, point: Point, hidden: Sequence[Box] = ()) -> Body | None:
    """Segment the person under `point`: by pose where it sees somebody, by colour otherwise; None without either.

    Nobody whose head lies in a box of `hidden` is meant. A body without a `head` need not be a person.
    """
    return _by_pose(pixels, point, hidden) or _by_colour(pixels, point)


def sketch_at(pixels: Pixels, point: Point, hidden: Sequence[Box] = ()) -> Mask | None:
    """A first outline of what is under `point`, in a tenth of a second; what `body_at` then finds takes its place.

    One look by pose at one crop of a small preview, else a coarse cut by colour.
    """
    view, scale = _preview(pixels, SKETCH_SIDE, cv2.INTER_LINEAR)
    place = (point[0] * scale, point[1] * scale)
    spots = spot_people(view, _window_at(view, place, SKETCH_CROP))
    blind = Aim(*place, SKETCH_AIM * min(view.shape[:2]))
    aim = max(spots, key=lambda spot: spot[0])[1] if spots else blind
    stance = read_stance(view, aim, [_scaled(box, scale) for box in hidden])
    body = body_of_stance(view, stance) if stance.presence >= MIN_PRESENCE else None
    if body is not None and body.mask.contains(place):
        body = body_of_stance(pixels, stance.scaled(1 / scale))
        return body.mask if body else None
    body = _by_colour(pixels, point, *SKETCH_GRABCUT)
    return body.mask if body else None


def recognised(pixels: Pixels, body: Body, point: Point, hidden: Sequence[Box] = ()) -> Body:
    """The same body with the head that its pose tells, where what was segmented is a person."""
    pose = _by_pose(pixels, point, hidden)
    if pose is None or masks.iou(pose.mask, body.mask) < SAME_IOU:
        return body
    return replace(body, head=pose.head)


def body_in(pixels: Pixels, box: Box) -> Body:
    """The region that a box drawn by hand means: the person in it where one fills it, else the box itself."""
    window = Window.around(box, *pixels.shape[:2])
    frame = masks.rectangle(box, (pixels.shape[0], pixels.shape[1]))
    body = segment_person(pixels, window)
    if body is not None and body.mask.area > 0.25 * frame.area and body.score >= MIN_VISIBILITY:
        return body
    return Body(frame, 1.0, "by hand")


def _by_pose(pixels: Pixels, point: Point, hidden: Sequence[Box]) -> Body | None:
    """The clearest person whose silhouette holds the point, among crops of several sizes, else among aims at it."""
    view, scale = _preview(pixels, WORKING_SIDE, cv2.INTER_AREA)
    place = (point[0] * scale, point[1] * scale)
    bodies = [
        body
        for aim in _spots(view, place)
        if (body := body_of_aim(view, aim, MIN_VISIBILITY)) is not None and body.mask.contains(place)
    ]
    found = max(bodies, key=lambda body: body.score) if bodies else None
    found = found or _by_aim(view, place, [_scaled(box, scale) for box in hidden])
    if found is None or scale == 1.0:
        return found
    assert isinstance(found.silhouette, Stance)
    return body_of_stance(pixels, found.silhouette.scaled(1 / scale))


def _spots(pixels: Pixels, point: Point) -> list[Aim]:
    """The surest place of a person in each crop around the point, every person once."""
    spots = [
        max(found, key=lambda s: s[0]) for window in _windows(pixels, point) if (found := spot_people(pixels, window))
    ]
    kept: list[Aim] = []
    for _, aim in sorted(spots, key=lambda spot: -spot[0]):
        if not any(aim.resembles(other) for other in kept):
            kept.append(aim)
    return kept


def _by_aim(pixels: Pixels, point: Point, hidden: Sequence[Box]) -> Body | None:
    """The surest person in squares around the point; people without a visible head are found by nothing else."""
    best, surest = None, MIN_PRESENCE
    for share in AIMS:
        stance = read_stance(pixels, Aim(point[0], point[1], share * min(pixels.shape[:2])), hidden)
        closer = read_stance(pixels, stance.closer, hidden)
        presence = max(stance.presence, closer.presence)
        body = body_of_stance(pixels, closer)
        if body is not None and body.mask.contains(point) and presence >= surest and body.score >= MIN_VISIBILITY:
            best, surest = body, presence
    return best


def _windows(pixels: Pixels, point: Point) -> Iterator[Window]:
    for share in CROPS:
        yield _window_at(pixels, point, share)
    yield Window(0, 0, pixels.shape[1], pixels.shape[0])


def _window_at(pixels: Pixels, point: Point, share: float) -> Window:
    reach = share * min(pixels.shape[:2]) / 2
    return Window.around((point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach), *pixels.shape[:2])


def _preview(pixels: Pixels, longest: int, method: int) -> tuple[Pixels, float]:
    """The picture with at most `longest` pixels along its longer side, and the scale."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1.0:
        return pixels, scale
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=method), np.uint8), scale


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = box
    return (scale * x1, scale * y1, scale * x2, scale * y2)


def _by_colour(pixels: Pixels, point: Point, side: int = GRABCUT_SIDE, rounds: int = GRABCUT_ROUNDS) -> Body | None:
    """GrabCut (Rother et al. 2004) around the point; None when what it finds does not stand out."""
    height, width = pixels.shape[:2]
    reach = GRABCUT_CROP * min(height, width) / 2
    crop = square_around((point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach), 1.0, side)
    view = crop.extract(pixels)
    region = _grabcut(view, rounds)
    if region is None or not _stands_out(view, region):
        return None
    part, window = crop.restore(region.astype(np.float32), (height, width))
    mask = Mask.from_window(part > 0.5, window, (height, width))
    return Body(mask, 0.3, "grabcut") if mask.contains(point) else None


def _grabcut(view: Pixels, rounds: int) -> Bools | None:
    """The region around the middle of a square view; None when it vanishes or fills the view."""
    side = view.shape[0]
    seeds = np.full((side, side), cv2.GC_PR_BGD, np.uint8)
    middle = (side // 2, side // 2)
    cv2.circle(seeds, middle, side // 4, (float(cv2.GC_PR_FGD),), -1)
    cv2.circle(seeds, middle, side // 24, (float(cv2.GC_FGD),), -1)
    edge = max(1, side // 32)
    seeds[:edge] = seeds[-edge:] = seeds[:, :edge] = seeds[:, -edge:] = cv2.GC_BGD
    try:
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(view, seeds, (0, 0, side, side), *models, rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # one colour everywhere: there is nothing to cut
        return None
    inside = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    _, labels = cv2.connectedComponents(inside.astype(np.uint8))
    region = labels == labels[middle[1], middle[0]]
    return np.asarray(region) if 0.01 < region.mean() < 0.7 else None


def _stands_out(view: Pixels, region: Bools) -> bool:
    lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    ring = cv2.dilate(region.astype(np.uint8), masks.disc(8)).astype(bool) & ~region
    if not ring.any():
        return False
    return bool(np.linalg.norm(lab[region].mean(0) - lab[ring].mean(0)) >= MIN_CONTRAST)
