"""Who is in the photo: `Detector` finds people, faces and their outlines, and proposes what to do with each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from identigen import masks
from identigen.detection import bundled, faces, gate, pairing, pointing, refining, sam, yolo
from identigen.detection.pairing import Body, Person
from identigen.errors import EngineError, ModelError
from identigen.settings import Settings
from identigen.types import Box, Face, Mask, Photo, Pixels, Point, Subject, Window

__all__ = ["Detector"]

BUNDLED_MODELS = ("centerface", "mediapipe-face-detection", "mediapipe-face-mesh", "mediapipe-pose")
MIN_SHARE = 0.3
"""A new subject must own at least this much of what was segmented for it; less is somebody who is already there."""

_log = logging.getLogger(__name__)


class Detector:
    """Finds people by the bundled models, and by YOLO where its weights are.

    Several threads may share one. `notices` are sentences for people about what is not in use, and why.

    Example:
        detector = Detector(Settings())
        subjects = detector.detect(photo)

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._weights: Path | None = None
        self.notices: tuple[str, ...] = ()
        try:
            self._weights = yolo.locate(settings)
        except ModelError as missing:
            self.notices = (str(missing),)

    @property
    def used_models(self) -> tuple[str, ...]:
        """Names in `models.REGISTRY` of what is really in use."""
        return (*BUNDLED_MODELS, "yolo-seg") if self._weights else BUNDLED_MODELS

    def prepare(self, announce: Callable[[str], None] = _log.info) -> tuple[str, ...]:
        """Try once to fetch the YOLO weights, load every model, return the notices; `announce` tells of the fetch."""
        if self._weights is None:
            try:
                self._weights, self.notices = yolo.fetch(self._settings, announce), ()
            except ModelError as missing:
                self.notices = (str(missing),)
        blank = Photo(bundled.blank_picture())
        self.detect(blank)
        bundled.warm_up(blank.pixels)
        return self.notices

    def detect(self, photo: Photo) -> tuple[Subject, ...]:
        """Find everybody in a photo, numbered from 1, left to right, with disjoint masks; nobody gives `()`."""
        people = self._find_everybody(photo.pixels)
        people = sorted(people, key=pairing.nearness, reverse=True)[: self._settings.max_people]
        people = [person for person in pairing.separate(people) if person.mask.area]
        return tuple(_subject(number, person) for number, person in enumerate(pairing.left_to_right(people), 1))

    def subject_at(self, photo: Photo, point: Point, subjects: Sequence[Subject]) -> Subject | None:
        """Who is under `point`: one of `subjects`, or a new one with the next number; None when nothing stands out."""
        for subject in subjects:
            if subject.mask.contains(point):
                return subject
        for subject in subjects:
            if _contains(subject.face.box if subject.face else subject.head_box, point):
                return subject
        body = self._body_at(photo.pixels, point, [s.face.box for s in subjects if s.face])
        return self._added(photo, body, subjects) if body else None

    def sketch_at(self, photo: Photo, point: Point, subjects: Sequence[Subject]) -> Mask | None:
        """A first outline of somebody new under `point`, at once and roughly; `subject_at` then says who it is."""
        if not self._is_in(photo.pixels, point):
            return None
        return pointing.sketch_at(photo.pixels, point, [s.face.box for s in subjects if s.face])

    def subject_in(self, photo: Photo, box: Box, subjects: Sequence[Subject]) -> Subject | None:
        """A subject for a box drawn by hand; somebody of `subjects` when all of it is already theirs."""
        box = faces.clip(box, photo.pixels)
        if pairing.area(box) < 4:
            return None
        return self._added(photo, pointing.body_in(photo.pixels, box), subjects)

    def refine(self, photo: Photo, mask: Mask, points: Sequence[Point], labels: Sequence[bool]) -> Mask:
        """Mend an outline by points that belong to it (label true) and points that do not; see `refining`.

        Raises `MaskError` for a point beside the photo or without a label.
        """
        positive, negative = refining.sort_points(photo.pixels, points, labels)
        proposal = None
        if sam.is_available(self._settings):
            try:
                proposal = refining.propose_by_sam(photo.pixels, mask, positive, negative, self._settings)
            except (EngineError, ModelError) as broken:
                self._tell(f"{broken} Outlines are mended by colour.")
        if proposal is None:
            proposal = refining.propose_by_colour(photo.pixels, mask, positive, negative)
        return refining.mend(mask, proposal, positive, negative)

    def find_faces(self, pixels: Pixels, window: Window | None = None, tiled: bool = True) -> list[Face]:
        """Find the faces in `(H, W, 3)` pixels, or in a window of them (boxes in the whole photo), largest first.

        Without tiles, which take most of the time, only faces of a 25th of the longer side and more are found.
        """
        window = window or Window(0, 0, pixels.shape[1], pixels.shape[0])
        part = pixels[window.slices]
        if not part.size:
            return []
        return [faces.moved(face, window) for face in faces.judge_sightings(part, bundled.sight_faces(part, tiled))]

    def find_people(self, pixels: Pixels, window: Window) -> list[Mask]:
        """Regions of people in a window of a picture, with or without a face; they may overlap."""
        part = np.ascontiguousarray(pixels[window.slices])
        if not part.size:
            return []
        size = pixels.shape[:2]
        return [_moved(person.mask, window, (size[0], size[1])) for person in self._find_everybody(part)]

    def _find_everybody(self, pixels: Pixels) -> list[Person]:
        """Everybody once, by face, body or both; their masks may overlap."""
        found = self.find_faces(pixels)
        bodies = self._find_bodies(pixels, found)
        people = [_person(pixels, face, body, found, bodies) for face, body in pairing.pair(found, bodies)]
        return pairing.without_doubles(people)

    def _find_bodies(self, pixels: Pixels, faces: Sequence[Face] = ()) -> list[Body]:
        """People as regions, each once: by YOLO where it is in use, else by a search with the pose model."""
        if min(pixels.shape[:2]) < bundled.MIN_SIDE:
            return []
        if self._weights is not None:
            try:
                return pairing.distinct_bodies(yolo.segment_people(pixels, self._weights, self._settings))
            except ModelError as broken:
                self._weights, self.notices = None, (str(broken),)
        return pairing.distinct_bodies(bundled.search_bodies(pixels, faces))

    def _body_at(self, pixels: Pixels, point: Point, hidden: Sequence[Box]) -> Body | None:
        if not self._is_in(pixels, point):
            return None
        if sam.is_available(self._settings):
            try:
                body = sam.body_at(pixels, point, self._settings)
                if body is not None:
                    return pointing.recognised(pixels, body, point, hidden)
            except (EngineError, ModelError) as broken:
                self._tell(f"{broken} Clicks are outlined without it.")
        return pointing.body_at(pixels, point, hidden)

    @staticmethod
    def _is_in(pixels: Pixels, point: Point) -> bool:
        height, width = pixels.shape[:2]
        return 0 <= point[0] < width and 0 <= point[1] < height and min(height, width) >= bundled.MIN_SIDE

    def _tell(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices = (*self.notices, sentence)

    def _added(self, photo: Photo, body: Body, subjects: Sequence[Subject]) -> Subject | None:
        """`body` as a new subject, without the pixels of the others."""
        taken = masks.union((s.mask for s in subjects), body.mask.photo_size)
        free = masks.subtract(body.mask, taken)
        if free.area < MIN_SHARE * body.mask.area:
            return max(subjects, key=lambda s: masks.intersect(s.mask, body.mask).area)
        face = self._face_of(photo, free, subjects)
        person = Person(free, face, body.score, body.head or free.window.box)
        number = max((s.id for s in subjects), default=0) + 1
        return _subject(number, person, is_person=body.head is not None)

    def _face_of(self, photo: Photo, mask: Mask, subjects: Sequence[Subject]) -> Face | None:
        """The largest face on `mask` that is nobody's yet."""
        reach = 0.1 * max(mask.window.width, mask.window.height)
        window = Window.around(mask.window.box, photo.height, photo.width, reach)
        known = [s.face.box for s in subjects if s.face]
        # The face of one person is large enough in a picture of nobody else.
        for face in self.find_faces(photo.pixels, window, tiled=False):
            if pairing.share_inside(face.box, mask) > 0.5 and not any(pairing.same_face(face.box, k) for k in known):
                return face
        return None


def _contains(box: Box | None, point: Point) -> bool:
    return box is not None and box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _moved(mask: Mask, window: Window, photo_size: tuple[int, int]) -> Mask:
    """A mask of the pixels of `window`, as a mask of the whole photo."""
    w = mask.window
    place = Window(w.left + window.left, w.top + window.top, w.right + window.left, w.bottom + window.top)
    return Mask(place if mask.area else w, mask.pixels, photo_size)


def _person(
    pixels: Pixels, face: Face | None, body: Body | None, faces: Sequence[Face], bodies: Sequence[Body]
) -> Person:
    """Complete a pair by pose: a face without a body gets one, a body its missing parts and where its head must be."""
    if body is not None and body.detector != bundled.POSE:
        body = bundled.complete(pixels, body, face, faces, bodies)
    elif face is not None:
        others = [other for other in faces if other is not face]
        body = bundled.body_of_face(pixels, face, others) or body  # aimed by the face is surer than by the search
    if body is None:
        assert face is not None, "a pair holds a face or a body"
        return Person(pairing.face_region(face, (pixels.shape[0], pixels.shape[1])), face, face.score)
    if face is not None:
        return Person(body.mask, face, face.score, silhouette=body.silhouette)
    return Person(body.mask, None, body.score, body.head or pairing.head_of(body.mask), body.silhouette)


def _subject(number: int, person: Person, is_person: bool = True) -> Subject:
    quality, operation, reason = gate.judge(person.face, is_person)
    box, head = person.mask.window.box, None if person.face else person.head
    return Subject(number, box, person.mask, person.face, person.score, quality, operation, reason, head)
