"""Which pixels a new face, new hair or a new body may take: pure functions of masks and points."""

from __future__ import annotations

import cv2
import numpy as np

from identigen import masks
from identigen.errors import EngineError
from identigen.types import Box, Edit, Face, Fill, Floats, Mask, Operation, Subject, Window

FACE_GROWTH = 0.07
"""The oval is grown by this share of the face, so that no rim of the old face is left."""
HAIR_GROWTH = 0.05
BODY_GROWTH = 0.02


def region_of(subject: Subject, edit: Edit, photo_size: tuple[int, int], hair: Mask | None = None) -> Mask:
    """What an edit may redraw; the mask that the user drew always wins.

    `hair` is an outline found elsewhere; without it hair is guessed from the person's mask. Raises `EngineError` when
    there is nothing to go by.
    """
    if edit.mask is not None:
        return _not_empty(edit.mask)
    if edit.operation is Operation.BODY:
        return _not_empty(body(subject, photo_size))
    if subject.face is None:
        raise EngineError("No face can be seen, so there is nothing to redraw; draw a mask or choose the whole body.")
    oval = face_oval(subject.face, photo_size)
    if edit.operation is not Operation.FACE_HAIR:
        return _not_empty(oval)
    around = hair if hair is not None and hair.area else hair_above(subject, photo_size)
    return _not_empty(masks.grow(masks.union([oval, around], photo_size), HAIR_GROWTH * subject.face.size_px))


def face_oval(face: Face, photo_size: tuple[int, int]) -> Mask:
    """The face with its jaw line, a little more than tight; an ellipse where there are no landmarks.

    The hull of all points, not the line of the jaw: in profile nose and lips stand out beyond it.
    """
    if face.landmarks is None:
        oval = masks.ellipse(_grown(face.box, 0.05, 0.15, 0.05), photo_size)
    else:
        hull = cv2.convexHull(np.ascontiguousarray(face.landmarks[:468, :2]))
        oval = masks.polygon(np.asarray(hull, np.float32)[:, 0], photo_size)
    return masks.grow(oval, max(1.0, FACE_GROWTH * face.size_px))


def hair_above(subject: Subject, photo_size: tuple[int, int]) -> Mask:
    """The person's mask around and above the face, without the face: hair, hat and ears.

    An ellipse that narrows towards the chin, so that shoulders and clothes stay.
    """
    if subject.face is None:
        return Mask.empty(*photo_size)
    head = masks.ellipse(_grown(subject.face.box, 0.6, 0.8, 0.15), photo_size)
    return masks.subtract(masks.intersect(subject.mask, head), face_oval(subject.face, photo_size))


def body(subject: Subject, photo_size: tuple[int, int]) -> Mask:
    """The whole person, a little more than the mask, with the head even where the mask missed it."""
    parts = [subject.mask]
    if subject.face is not None:
        parts.append(face_oval(subject.face, photo_size))
    elif subject.head_box is not None:
        parts.append(masks.ellipse(subject.head_box, photo_size))
    whole = masks.union(parts, photo_size)
    return masks.grow(whole, max(2.0, BODY_GROWTH * max(whole.window.height, whole.window.width)))


def hair_click(face: Face) -> tuple[tuple[float, float], tuple[tuple[float, float], ...]]:
    """Where to click for hair: a point on it, above the forehead, and points that are none (nose, chin)."""
    if face.landmarks is None:
        x1, y1, x2, y2 = face.box
        return ((x1 + x2) / 2, y1 - 0.15 * (y2 - y1)), (((x1 + x2) / 2, (y1 + y2) / 2),)
    top, chin, nose = (face.landmarks[index, :2] for index in (10, 152, 1))
    above = top + 0.15 * (top - chin)
    return _point(above), (_point(nose), _point(chin))


def lay_on_background(painted: Floats, person: Mask, region: Mask, window: Window, background: Fill) -> Floats:
    """Put predicted background where the old person was and the new one is not.

    painted `(h, w, 3)` over `window`; person: the new one; region: what was redrawn; background: the fill of `rim`.
    """
    rim = uncovered_rim(person, region)
    place, pixels = background.window, background.pixels
    own = place.intersection(window).intersection(rim.window)
    if not rim.area or not own.width or not own.height:
        return painted
    out = painted.copy()
    share = masks.feather(rim, own, 2.0)[:, :, None]
    target = out[own.relative_to(window).slices]
    target += share * (pixels[own.relative_to(place).slices].astype(np.float32) - target)
    return out


def uncovered_rim(person: Mask, region: Mask) -> Mask:
    """What of a region shows background again, because the new person is smaller than the old one."""
    return masks.uncovered(region, masks.grow(person, 1))


def _not_empty(mask: Mask) -> Mask:
    if not mask.area:
        raise EngineError("The region to redraw is empty; draw a mask where the new person shall be.")
    return mask


def _point(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _grown(box: Box, aside: float, above: float, below: float) -> Box:
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return (x1 - aside * width, y1 - above * height, x2 + aside * width, y2 + below * height)
