from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from identigen import masks
from identigen.errors import InputError
from identigen.photo import open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.recognition.strangers import Strangers
from identigen.types import Face, Floats, Mask, Operation, Outcome, Photo, Pixels, Subject
from identigen.verification import Likeness, Source, examined, export, measure, outside_is_identical, same_face


def outcome(changed: Mask) -> Outcome:
    patch = np.zeros((changed.window.height, changed.window.width, 3), np.uint8)
    return Outcome(
        subject_id=1, asked=Operation.SOLID, applied=Operation.SOLID, reason="", seed=0, engine="classical",
        box=changed.window.box, region="box", changed=changed, patch=patch,
    )  # fmt: skip


def test_a_single_pixel_outside_the_mask_is_noticed() -> None:
    before = np.zeros((600, 40, 3), np.uint8)
    allowed = outcome(masks.rectangle((10, 10, 20, 20), (600, 40)))
    after = before.copy()
    after[15, 15] = 255
    assert outside_is_identical(before, after, [allowed])
    after[599, 39, 2] = 1
    assert not outside_is_identical(before, after, [allowed])


def test_what_is_exported_holds_pixels_and_nothing_of_the_source(
    pipeline: Pipeline, astronaut: Photo, tmp_path: Path
) -> None:
    source = tmp_path / "source.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    Image.fromarray(astronaut.pixels).save(source, exif=exif, comment=b"secret place")
    photo = open_photo(source)
    subjects = pipeline.detect(photo)
    result = pipeline.anonymize(photo, subjects, make_plan(subjects, Operation.SOLID))
    for name in ("out.png", "out.jpg", "out.webp"):
        report = export(result, tmp_path / name)
        assert report.metadata_removed is True
        assert b"ecret" not in (tmp_path / name).read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), result.photo.pixels)


def test_metadata_that_was_left_is_noticed(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: tuple[Subject, ...], tmp_path: Path
) -> None:
    result = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.KEEP))
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    leaky = tmp_path / "leaky.jpg"
    Image.fromarray(astronaut.pixels).save(leaky, exif=exif)
    assert examined(result, leaky.read_bytes()).metadata_removed is False


def test_an_unknown_ending_is_refused_and_no_file_appears(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: tuple[Subject, ...], tmp_path: Path
) -> None:
    result = pipeline.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.KEEP))
    with pytest.raises(InputError, match="xyz"):
        export(result, tmp_path / "out.xyz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ((0, 0, 10, 10), (2, 2, 9, 9), True),
        ((0, 0, 10, 10), (0, 0, 100, 100), True),
        ((0, 0, 10, 10), (20, 0, 30, 10), False),
    ],
)
def test_faces_of_one_place(a: tuple[float, ...], b: tuple[float, ...], same: bool) -> None:
    assert same_face(a, b) is same  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "others", "given", "usual", "verdict", "safe"),
    [
        (0.70, 0.70, 0.70, 0.80, "pass", True),
        (0.62, 0.70, 0.70, 0.80, "pass", False),  # beyond the threshold, but not by the margin
        (0.59, 0.70, 0.70, 0.80, "fail", False),
        (0.70, 0.55, 0.70, 0.80, "fail", False),  # would be taken for a neighbour
        (0.70, 0.70, 0.55, 0.80, "fail", False),  # would look like another new face
        (0.70, 0.50, 0.70, 0.48, "pass", False),  # a crowd in which everybody looks alike to the recogniser
        (0.70, 0.70, 0.50, 0.48, "fail", False),  # nor there may two new faces be taken for one
        (0.70, float("inf"), float("inf"), float("inf"), "pass", True),
    ],
)
def test_what_counts_as_somebody_else(
    source: float, others: float, given: float, usual: float, verdict: str, safe: bool
) -> None:
    likeness = Likeness(source, others, given, usual, 0.60, 0.60, np.zeros(128, np.float32))
    assert (likeness.verdict, likeness.is_safe) == (verdict, safe)


def test_whom_many_strangers_look_like_is_told_apart_by_less_but_only_in_their_midst() -> None:
    new, far = (np.full(1, place, np.float32) for place in (0.55, 0.9))
    likeness = Likeness(0.55, 0.70, 0.70, 0.80, 0.60, 0.60, new)
    beside = Strangers(np.array([[0.2], [0.52]], np.float32))  # one is like the source, one like the new face
    assert likeness.verdict == "fail"
    assert likeness.among(beside, np.zeros(1)).verdict == "pass"
    assert replace(likeness, to_given=0.55).among(beside, np.zeros(1)).verdict == "fail"  # new faces differ as before
    alone = Strangers(np.array([[-0.2], [-0.5]], np.float32))
    assert likeness.among(alone, np.zeros(1)).verdict == "fail"  # nobody is nearer to it than the source
    assert likeness.among(Strangers(np.array([far, new])), np.zeros(1)).limit == pytest.approx(0.55, abs=0.01)


def test_every_look_has_a_say_but_only_once_the_first_is_beyond_the_threshold() -> None:
    class Recogniser:
        """Describes a face aligned by landmarks as `first`, any other as `rest`, and counts."""

        name, threshold = "fake", 0.60

        def __init__(self, first: float, rest: float) -> None:
            self.first, self.rest, self.described = first, rest, 0

        def describe(self, pixels: Pixels, faces: Sequence[Face]) -> Floats:
            self.described += len(faces)
            return np.array([[self.first if face.landmarks is not None else self.rest] for face in faces], np.float32)

    pixels, box = np.zeros((40, 40, 3), np.uint8), (10.0, 10.0, 30.0, 30.0)
    face = Face(box, np.zeros((478, 3), np.float32))
    source = Source(face, np.zeros((3, 1), np.float32))
    near, far = Recogniser(0.3, 0.9), Recogniser(0.9, 0.5)
    assert measure(near, pixels, face, source).to_source == pytest.approx(0.3)
    assert near.described == 1
    little = Recogniser(0.61, 0.9)
    assert measure(little, pixels, face, source, margin=0.02).to_source == pytest.approx(0.61)
    assert little.described == 1  # with so little nobody would take it
    beside_somebody = Recogniser(0.9, 0.9)
    assert measure(beside_somebody, pixels, face, source, given=[np.array([0.8], np.float32)]).verdict == "fail"
    assert beside_somebody.described == 1
    likeness = measure(far, pixels, face, source)
    assert likeness.to_source == pytest.approx(0.5)
    assert likeness.verdict == "fail"
