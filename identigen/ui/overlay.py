"""Numbered outlines over a photo, and crops of faces: pure functions from subjects to SVG and pixels.

Everything is drawn in pixels of the whole photo; the SVG's view box scales it to whatever the page shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from identigen.crop import square_around
from identigen.types import Box, Mask, Photo, Pixels, Subject, Window

CROP_SIDE = 160
TRACING_SIDE = 720  # outlines are traced on masks of at most this many pixels: sharper is not seen, only sent


@dataclass(frozen=True, slots=True)
class Outline:
    """The border of a person as SVG path data, and where its number is written."""

    path: str
    label: tuple[float, float]


def outline(subject: Subject, mask: Mask | None = None) -> Outline:
    """Trace a person's region; a region of nothing falls back to the box."""
    region = mask or subject.mask
    path = trace(region) if region.area else ""
    return Outline(path or rectangle(subject.box), _label_point(subject, region))


def face_crop(photo: Photo, subject: Subject, side: int = CROP_SIDE) -> Pixels:
    """A square picture `(side, side, 3)` of a person's face, or of the upper end of the body where no face was seen."""
    return crop_at(photo.pixels, portrait_box(subject), side)


def crop_at(pixels: Pixels, box: Box, side: int = CROP_SIDE) -> Pixels:
    """A square picture of what surrounds a box."""
    return square_around(box, 1.55, side).extract(pixels)


def portrait_box(subject: Subject) -> Box:
    """The box by which one recognises a person: face, head, or the top of the body."""
    if subject.face is not None:
        return subject.face.box
    if subject.head_box is not None:
        return subject.head_box
    x1, y1, x2, y2 = subject.box
    edge = min(x2 - x1, y2 - y1)
    middle = (x1 + x2) / 2
    return (middle - edge / 2, y1, middle + edge / 2, y1 + edge)


def trace(mask: Mask) -> str:
    """SVG path data of all parts of a mask, holes included (fill rule even-odd)."""
    window, scale = mask.window, _tracing_scale(mask.window)
    picture = mask.pixels.astype(np.uint8)
    if scale < 1.0:
        size = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
        shrunk = cv2.resize(picture * 255, size, interpolation=cv2.INTER_AREA)
        picture = (shrunk >= 128).astype(np.uint8)
    # Without a margin a region that touches its window would be traced half a pixel inside.
    picture = np.pad(picture, 1)
    contours, _ = cv2.findContours(picture, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in contours:
        corners = cv2.approxPolyDP(contour, 0.9, True)[:, 0, :]
        if len(corners) > 2:
            points = (corners - 0.5) / scale + (window.left, window.top)
            parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(parts)


def _tracing_scale(window: Window) -> float:
    return min(1.0, TRACING_SIDE / max(window.width, window.height, 1))


def rectangle(box: Box) -> str:
    """SVG path data of a box."""
    x1, y1, x2, y2 = box
    return f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}Z"


def _label_point(subject: Subject, region: Mask) -> tuple[float, float]:
    """Where the number stands: above the face when there is one, so that crowds stay readable."""
    height, width = region.photo_size
    box = subject.face.box if subject.face else (subject.head_box or subject.box)
    x, y = (box[0] + box[2]) / 2, box[1] - 0.18 * (box[3] - box[1] if subject.face else 0)
    return (float(np.clip(x, 0, width)), float(np.clip(y, 0, height)))
