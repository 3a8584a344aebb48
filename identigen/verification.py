"""The privacy check: is it still the same person, did anything else change, does the file tell more than its pixels?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from identigen import masks
from identigen.landmarks import face_box, find_landmarks, head_pose
from identigen.photo import encode, format_of, metadata_of, write_atomically
from identigen.recognition import Recogniser
from identigen.recognition.strangers import Strangers
from identigen.report import Report, Result
from identigen.types import Box, Face, Floats, Outcome, Pixels, Verdict, Window

MARGIN = 0.06
"""Beyond the threshold by this much is safe: another aligner moves a distance by a few hundredths."""
LEAST_MARGIN = 0.025
"""With less than this nobody is given a new face, however many were tried."""

SPARE = 0.02
"""So much more than the threshold from identities given before: who is drawn next to somebody changes their look."""


@dataclass(frozen=True, eq=False, slots=True)
class Likeness:
    """How near a face came to those that it must not resemble (Euclidean; larger is safer).

    `to_source` is the smallest of three looks (see `describe_looks`), or that of the first where others could change
    nothing: it is too near already, or to somebody else. `to_others` is about the people of the photo as they were,
    `to_given` about the identities that were given already, and `usual` is how near the person itself came to the
    nearest of the others: in a crowd of small faces a recogniser takes strangers for one. From the `limit` on nobody is
    taken for the source, from the `threshold` on no two for each other. They are the same, unless strangers were asked
    (see `among`); then the new face must be `hidden` among them as well.
    """

    to_source: float
    to_others: float
    to_given: float
    usual: float
    limit: float
    threshold: float
    descriptor: Floats
    hidden: bool = True

    def among(self, strangers: Strangers, source: Floats) -> Likeness:
        """The same, judged by how many strangers the recogniser takes for `source` `(128,)`; see `Strangers`."""
        limit = strangers.limit(source, self.threshold)
        return replace(self, limit=limit, hidden=strangers.hide(self.descriptor, source))

    @property
    def verdict(self) -> Verdict:
        """Beyond the limit from the source, the threshold from the given, and not liker the others than the person."""
        apart = self.to_given >= self.threshold and self.to_others >= min(self.threshold, self.usual)
        return "pass" if apart and self.hidden and self.to_source >= self.limit else "fail"

    @property
    def margin(self) -> float:
        """How far beyond the limit from the source; negative when the verdict is a failure, or might become one."""
        apart = self.verdict == "pass" and self.to_given >= self.threshold + SPARE
        return self.to_source - self.limit if apart else -1.0

    @property
    def is_safe(self) -> bool:
        """Beyond the limit by the margin, as seen from the source; everybody else needs the threshold alone."""
        return self.margin >= MARGIN and min(self.to_others, self.to_given) >= self.threshold


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """A person as the recogniser knew them: `looks` `(3, 128)` of one face, see `describe_looks`."""

    face: Face
    looks: Floats

    @property
    def descriptor(self) -> Floats:
        """The look `(128,)` that is aligned by our landmarks, the steadiest of the three."""
        return np.asarray(self.looks[0])


def describe_source(recogniser: Recogniser, pixels: Pixels, face: Face) -> Source:
    """Look at a face as it was."""
    return Source(face, describe_looks(recogniser, pixels, face, face.box))


def describe_looks(recogniser: Recogniser, pixels: Pixels, face: Face, box: Box) -> Floats:
    """Describe one face `(3, 128)` aligned in three ways: whoever checks a result may use any of them.

    By our landmarks; by the recogniser's own five points in `box`; by these in a square as other detectors draw it.
    """
    return recogniser.describe(pixels, [face, *_unaligned(box)])


def _unaligned(box: Box) -> tuple[Face, Face]:
    x1, y1, x2, y2 = box
    across, down, half = (x1 + x2) / 2, (y1 + y2) / 2, 0.55 * max(x2 - x1, y2 - y1)
    return Face(box), Face((across - half, down - half, across + half, down + half))


def look_again(pixels: Pixels, box: Box) -> Face | None:
    """Find the face that now stands where `box` is, with landmarks; None when the mesh sees none."""
    points = find_landmarks(pixels, box)
    if points is None:
        return None
    return Face(face_box(points), points, head_pose(points))


def measure(
    recogniser: Recogniser,
    pixels: Pixels,
    face: Face,
    source: Source,
    others: Sequence[Floats] = (),
    given: Sequence[Floats] = (),
    margin: float = 0.0,
    strangers: Strangers | None = None,
) -> Likeness:
    """Describe `face`, which stands where `source` stood, and measure its distances; those to nobody are infinite.

    It is judged among `strangers`, if they are given. With less than the `margin` beyond the limit it is of no use, and
    is not looked at again.
    """
    [descriptor] = recogniser.describe(pixels, [face])
    first = Likeness(
        to_source=float(np.linalg.norm(descriptor - source.descriptor)),
        to_others=_nearest(descriptor, others),
        to_given=_nearest(descriptor, given),
        usual=_nearest(source.descriptor, others),
        limit=recogniser.threshold,
        threshold=recogniser.threshold,
        descriptor=descriptor,
    )
    if strangers is not None:
        first = first.among(strangers, source.descriptor)
    if first.margin < margin:
        return first
    more = recogniser.describe(pixels, _unaligned(source.face.box))
    nearest = min(first.to_source, float(np.linalg.norm(more - source.looks[1:], axis=1).min()))
    return replace(first, to_source=nearest)


def same_face(a: Box, b: Box) -> bool:
    """Whether two face boxes are of one place: the centre of one lies in the other."""
    ax, ay = (a[0] + a[2]) / 2, (a[1] + a[3]) / 2
    bx, by = (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
    return (b[0] <= ax <= b[2] and b[1] <= ay <= b[3]) or (a[0] <= bx <= a[2] and a[1] <= by <= a[3])


def outside_is_identical(before: Pixels, after: Pixels, outcomes: Sequence[Outcome]) -> bool:
    """Whether every pixel outside of all changed regions is what it was."""
    height, width = before.shape[:2]
    allowed = masks.union([outcome.changed for outcome in outcomes], (height, width))
    rows = 256  # in bands: a whole-photo difference of 50 megapixels would cost 150 MB
    for top in range(0, height, rows):
        window = Window(0, top, width, min(height, top + rows))
        differs = (before[window.slices] != after[window.slices]).any(axis=2)
        if (differs & ~allowed.within(window)).any():
            return False
    return True


def export(result: Result, path: str | Path, quality: int = 95) -> Report:
    """Write the picture (PNG, JPEG or WebP by its ending), examine the written bytes, return the completed report.

    Raises `InputError` when the ending names no format. The file appears only when it is complete.
    """
    target = Path(path)
    data = encode(result.photo.pixels, format_of(target), quality)
    write_atomically(target, data)
    return examined(result, data)


def examined(result: Result, data: bytes) -> Report:
    """The report of `result`, completed by what the encoded picture `data` really holds besides pixels."""
    return result.report.with_export(metadata_removed=not metadata_of(data))


def _nearest(a: Floats, others: Sequence[Floats]) -> float:
    return min((float(np.linalg.norm(a - b)) for b in others), default=float("inf"))
