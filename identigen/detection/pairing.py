"""Which sightings are one face, which face belongs to which body, and whose pixel is it: pure functions.

Detectors see the same face twice and the same person as a face and as a body. Everything here takes such sightings and
gives people: no model is run and no pixel is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from identigen import masks
from identigen.types import Box, Face, Floats, Mask, Point, Window

SAME_FACE_IOU = 0.4
SAME_FACE_INSIDE = 0.7
SAME_BODY_SHARE = 0.6
DOUBLE_SHARE = 0.5
# Of pixels that two silhouettes claim, 76 % go to the right person when the surer one gets them, 62 % when the nearer.
IN_FRONT = 0.1  # lead that the person in front has
SMOOTH = 0.03  # width of the average, in sizes of the common region: a border has no freckles


@dataclass(frozen=True, slots=True)
class Sighting:
    """One answer of one face detector: a box in photo pixels and its score (0..1)."""

    box: Box
    score: float
    detector: str


class Silhouette(Protocol):
    """How sure a detector is of each pixel of one person."""

    def over(self, window: Window) -> Floats:
        """Opacity (0..1) in a window of the photo."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Body:
    """A person seen as a region; `head` is where the head must be, `silhouette` how sure, when the detector knows."""

    mask: Mask
    score: float
    detector: str
    head: Box | None = None
    silhouette: Silhouette | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Person:
    """A face, a body, or both: what one subject is made of."""

    mask: Mask
    face: Face | None
    score: float
    head: Box | None = None
    silhouette: Silhouette | None = None


def area(box: Box) -> float:
    """Area of a box in square pixels; 0 when it is inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(a: Box, b: Box) -> float:
    """Common area of two boxes in square pixels."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    common = overlap(a, b)
    whole = area(a) + area(b) - common
    return common / whole if whole > 0 else 0.0


def inside(a: Box, b: Box) -> float:
    """Share of the smaller box that lies in the other one."""
    least = min(area(a), area(b))
    return overlap(a, b) / least if least > 0 else 0.0


def same_face(a: Box, b: Box) -> bool:
    """Whether two boxes show one face: they agree, or one is a part of the other."""
    return box_iou(a, b) > SAME_FACE_IOU or inside(a, b) > SAME_FACE_INSIDE


def group_sightings(sightings: Iterable[Sighting]) -> list[tuple[Sighting, ...]]:
    """Collect sightings of one face, the most trusted first in each group and the most trusted group first.

    A sighting joins the first group whose leader it agrees with, so that a chain of neighbours never melts together.
    """
    groups: list[list[Sighting]] = []
    for sighting in sorted(sightings, key=lambda s: -s.score):
        home = next((group for group in groups if same_face(group[0].box, sighting.box)), None)
        if home is None:
            groups.append([sighting])
        else:
            home.append(sighting)
    return [tuple(group) for group in groups]


def distinct_bodies(bodies: Iterable[Body]) -> list[Body]:
    """Drop a body that shows the same pixels as a more trusted one, is a part of it, or holds it and somebody else."""
    kept: list[Body] = []
    for body in sorted(bodies, key=lambda b: -b.score):
        if body.mask.area and all(_shared(body.mask, other.mask) < SAME_BODY_SHARE for other in kept):
            kept.append(body)
    return kept


def _shared(a: Mask, b: Mask) -> float:
    """Share of the smaller region that lies in the other one."""
    return masks.intersect(a, b).area / max(1, min(a.area, b.area))


def share_inside(box: Box, mask: Mask) -> float:
    """Share of the pixels of `box` that lie in `mask`."""
    whole = masks.rectangle(box, mask.photo_size)
    return masks.intersect(whole, mask).area / whole.area if whole.area else 0.0


def pair(faces: Sequence[Face], bodies: Sequence[Body]) -> list[tuple[Face | None, Body | None]]:
    """Give every face at most one body and every body at most one face; what is left over stands alone.

    A face belongs to the body that holds most of it; among equals to the one in whose upper part it sits, because the
    face of a child in front of an adult lies in both silhouettes.
    """
    offers = sorted(
        ((fit, i, j) for i, face in enumerate(faces) for j, body in enumerate(bodies) if (fit := _fit(face, body)) > 0),
        reverse=True,
    )
    partner: dict[int, int] = {}
    for _, i, j in offers:
        if i not in partner and j not in partner.values():
            partner[i] = j
    pairs: list[tuple[Face | None, Body | None]] = [
        (face, bodies[partner[i]] if i in partner else None) for i, face in enumerate(faces)
    ]
    taken = set(partner.values())
    return pairs + [(None, body) for j, body in enumerate(bodies) if j not in taken]


def _fit(face: Face, body: Body) -> float:
    """How well a face sits on a body: 0 not at all, up to 2."""
    _, y1, _, y2 = body.mask.window.box
    held = share_inside(face.box, body.mask)
    middle = ((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2)
    if held < 0.3 or (body.head is not None and not _holds(body.head, middle)):
        return 0.0
    depth = (middle[1] - y1) / max(y2 - y1, 1.0)
    return held + float(np.clip(1.0 - depth, 0.0, 1.0))


def _holds(box: Box, point: Point) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def without_doubles(people: Sequence[Person]) -> list[Person]:
    """Drop a faceless body that mostly shows pixels of somebody with a face: the same person, segmented twice."""
    with_face = [person for person in people if person.face]
    return [
        person
        for person in people
        if person.face
        or all(masks.intersect(person.mask, other.mask).area <= DOUBLE_SHARE * person.mask.area for other in with_face)
    ]


def face_region(face: Face, photo_size: tuple[int, int]) -> Mask:
    """The ellipse of a face, which always belongs to its own person."""
    return masks.ellipse(face.box, photo_size)


def separate(people: Sequence[Person]) -> list[Person]:
    """Make all masks disjoint: a face is its owner's; other common pixels go to whose silhouette is surer of them.

    Where no silhouette is known, the person in front gets them. In front is whose face is larger: near people look
    larger and hide far ones. People without a visible face come last, by size. Who loses everything keeps the face.
    """
    order = sorted(range(len(people)), key=lambda i: nearness(people[i]), reverse=True)
    cores = {i: face_region(face, people[i].mask.photo_size) for i in order if (face := people[i].face) is not None}
    done: dict[int, Mask] = {}
    for i in order:
        mask = _without(people[i].mask, [core for j, core in cores.items() if j != i])
        for j, near in list(done.items()):
            common = masks.intersect(mask, near)
            if common.area:
                won = _surer(common, people[i].silhouette, people[j].silhouette)
                done[j] = masks.subtract(near, won)
                mask = masks.subtract(mask, masks.subtract(common, won))
        if i in cores:
            mask = masks.union((mask, _without(cores[i], done.values())), mask.photo_size)
        done[i] = mask
    return [replace(person, mask=done[i]) for i, person in enumerate(people)]


def _surer(common: Mask, far: Silhouette | None, near: Silhouette | None) -> Mask:
    """The pixels of a common region that belong to the person behind."""
    if far is None or near is None:
        return Mask.empty(*common.photo_size)
    window = common.window
    lead = far.over(window) - near.over(window) - IN_FRONT
    smooth = cv2.GaussianBlur(lead, (0, 0), max(1.0, SMOOTH * max(window.width, window.height)))
    return Mask.from_window(common.pixels & np.asarray(smooth > 0), window, common.photo_size)


def nearness(person: Person) -> tuple[bool, float]:
    """Sort key: who is in front. People with a face first, the larger the nearer."""
    return (person.face is not None, person.face.size_px if person.face else float(person.mask.area))


def _without(mask: Mask, others: Iterable[Mask]) -> Mask:
    for other in others:
        common = mask.window.intersection(other.window)
        if common.width and common.height:
            mask = masks.subtract(mask, other)
    return mask


def left_to_right(people: Iterable[Person]) -> list[Person]:
    """Reading order: by the middle of the face, or of the body where there is none."""
    return sorted(people, key=_place)


def _place(person: Person) -> tuple[float, float]:
    box = person.face.box if person.face else person.mask.window.box
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def head_of(body: Mask) -> Box:
    """Guess the head of a person whose face is not seen: the top of the silhouette, generously.

    A standing head is 1/7.5 of the height; who sits or is cut off by the frame shows a larger share, hence the second
    limit from the width of the shoulders.
    """
    x1, y1, x2, y2 = body.window.box
    height, width = y2 - y1, x2 - x1
    reach = max(height / 6.0, min(0.6 * width, height / 2.5))
    top = body.pixels[: max(1, round(reach))]
    columns = np.flatnonzero(top.any(0))
    left, right = (x1 + float(columns[0]), x1 + float(columns[-1]) + 1) if len(columns) else (x1, x2)
    return (left, y1, right, y1 + reach)
