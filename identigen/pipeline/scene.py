"""One photo while it is worked on: what the rooms of the pipeline share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from identigen.detection import Detector
from identigen.recognition import Recogniser
from identigen.recognition.attributes import Attributes, read_attributes
from identigen.settings import Settings
from identigen.types import (
    Box,
    Company,
    Edit,
    Floats,
    Mask,
    Operation,
    Outcome,
    Photo,
    Pixels,
    Point,
    Subject,
    Window,
)
from identigen.verification import Likeness, Source, describe_source, look_again, measure, same_face


class Scene:
    """The working picture of one run, and what is known about everybody in it: as they were, and as they were given."""

    def __init__(
        self,
        detector: Detector,
        recogniser: Recogniser,
        settings: Settings,
        photo: Photo,
        subjects: Sequence[Subject],
        stop: Callable[[], bool] | None,
    ) -> None:
        self.detector = detector
        self.recogniser = recogniser
        self.settings = settings
        self.photo = photo
        self.subjects = {subject.id: subject for subject in subjects}
        self.stop = stop
        self.pixels: Pixels = photo.pixels.copy()
        self.size = (photo.height, photo.width)
        self.models: list[str] = list(detector.used_models)
        self.warnings: list[str] = list(photo.notes)
        self._sources: dict[int, Source] = {}
        self._descriptors: dict[int, Floats] = {}
        self._before: dict[int, Attributes] = {}
        self._given: dict[int, Floats] = {}

    def lay(self, outcome: Outcome) -> None:
        """Put a finished outcome into the working picture; later ones are drawn on top of it."""
        lay(self.pixels, outcome)

    def lay_anew(self, outcomes: Sequence[Outcome]) -> None:
        """Begin again with the photo, and put these outcomes into it in order."""
        self.pixels = self.photo.pixels.copy()
        for outcome in outcomes:
            self.lay(outcome)

    def recall(self, outcome: Outcome) -> None:
        """Remember the identity that was given to somebody before this run, as it is seen now."""
        subject = self.subjects.get(outcome.subject_id)
        if subject is None or subject.face is None or not outcome.applied.is_synthesis:
            return
        face = look_again(self.pixels, subject.face.box)
        if face is not None:
            self.give(subject, self.recogniser.describe(self.pixels, [face])[0])

    def give(self, subject: Subject, descriptor: Floats) -> None:
        """Remember the identity `(128,)` that a subject got: nobody else of this photo may get it too."""
        self._given[subject.id] = descriptor

    def take_back(self, subject: Subject) -> None:
        """Forget the identity of somebody who has none any more: nobody need differ from it."""
        self._given.pop(subject.id, None)

    def source(self, subject: Subject) -> Source:
        if subject.id not in self._sources:
            assert subject.face is not None  # who has no face is never measured
            found = describe_source(self.recogniser, self.photo.pixels, subject.face)
            self._sources[subject.id] = found
            self._descriptors[subject.id] = found.descriptor
        return self._sources[subject.id]

    def attributes(self, subject: Subject) -> Attributes:
        """What should be kept of a subject, read off the source."""
        if subject.id not in self._before:
            source = self.source(subject)
            self._before[subject.id] = read_attributes(self.photo.pixels, source.face, source.descriptor)
        return self._before[subject.id]

    def company(self, subject: Subject) -> Company:
        """The subject, everybody else with a readable face, and the identities that were given already."""
        others = [s for s in self.subjects.values() if s.id != subject.id and s.face and s.face.landmarks is not None]
        for other in others:
            if other.id not in self._descriptors:
                assert other.face is not None
                found = self.recogniser.describe(self.photo.pixels, [other.face])[0]
                self._descriptors[other.id] = found
        return Company(
            source=self.source(subject).descriptor if subject.face else None,
            others=tuple(self._descriptors[other.id] for other in others),
            given=tuple(vector for number, vector in self._given.items() if number != subject.id),
        )

    def around(self, box: Box) -> Window:
        """A box with as much context as a detector needs."""
        return Window.around(_grown(box, 0.6), *self.size)

    @contextmanager
    def shown(self, window: Window, patch: Pixels) -> Iterator[None]:
        """The working picture with `patch` in it, for as long as the block lasts."""
        before = self.pixels[window.slices].copy()
        self.pixels[window.slices] = patch
        try:
            yield
        finally:
            self.pixels[window.slices] = before

    def likeness_after(self, subject: Subject, window: Window, patch: Pixels) -> Likeness | None:
        """How near the covered face still is to the person; None where nobody can read a face any more.

        Only a face with landmarks is measured: of an unreadable one the recogniser sees hair and outline, and those
        are as near to a stranger's as to the person's own.
        """
        if subject.face is None:
            return None
        with self.shown(window, patch):
            faces = self.detector.find_faces(self.pixels, self.around(subject.face.box))
            still = [face for face in faces if face.landmarks is not None and same_face(face.box, subject.face.box)]
            if not still:
                return None
            self.models.append("dlib-resnet")
            source = self.source(subject)
            found = [measure(self.recogniser, self.pixels, face, source) for face in still]
        return min(found, key=lambda likeness: likeness.to_source)

    def outcome(
        self,
        subject: Subject,
        edit: Edit,
        changed: Mask,
        window: Window,
        patch: Pixels,
        *,
        engine: str,
        reason: str,
        asked: Operation | None = None,
        seed: int | None = None,
        candidates_tried: int = 0,
        likeness: Likeness | None = None,
        kept: Mapping[str, Mapping[str, Any]] | None = None,
        failed: bool = False,
    ) -> Outcome:
        """What was done with a subject: `patch` over `window`, of which `changed` counts."""
        name = self.recogniser.name
        return Outcome(
            subject_id=subject.id,
            asked=asked or edit.operation,
            applied=edit.operation,
            reason=reason,
            seed=edit.seed if seed is None else seed,
            engine=engine,
            box=subject.box,
            region=edit.region,
            changed=changed,
            patch=part_of(window, patch, changed.window),
            candidates_tried=candidates_tried,
            distances={name: likeness.to_source} if likeness else {},
            thresholds={name: likeness.limit} if likeness else {},
            verdict=likeness.verdict if likeness else "not-applicable",
            kept=kept or {},
            failed=failed,
        )


def lay(pixels: Pixels, outcome: Outcome) -> None:
    """Put an outcome's patch into `pixels`, in place."""
    changed = outcome.changed
    if changed.area:
        pixels[changed.window.slices][changed.pixels] = outcome.patch[changed.pixels]


def part_of(window: Window, patch: Pixels, part: Window) -> Pixels:
    """The pixels of `part` out of a patch over `window`, which holds it."""
    rows = slice(part.top - window.top, part.bottom - window.top)
    return np.ascontiguousarray(patch[rows, part.left - window.left : part.right - window.left])


def centre(box: Box) -> Point:
    """The middle of a box."""
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _grown(box: Box, share: float) -> Box:
    x1, y1, x2, y2 = box
    dx, dy = share * (x2 - x1), share * (y2 - y1)
    return (x1 - dx, y1 - dy, x2 + dx, y2 + dy)
