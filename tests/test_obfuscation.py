from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from identigen import masks
from identigen.errors import OperationUnavailable
from identigen.landmarks import OVAL, face_box, find_landmarks
from identigen.obfuscation import WARNINGS, cover_region, obfuscate
from identigen.recognition import default_recogniser
from identigen.types import Box, Face, Mask, Operation, Photo, Pixels, Pose, Subject

COVERS = [operation for operation in Operation if operation.is_cover]
SIZE = (300, 400)


def scene() -> Pixels:
    """Noise over a slope of light: detail everywhere, so that anything that shines through can be seen."""
    rng = np.random.default_rng(5)
    slope = np.linspace(40, 200, SIZE[1])[None, :, None]
    return np.clip(slope + rng.normal(0, 30, (*SIZE, 3)), 0, 255).astype(np.uint8)


REGION = masks.ellipse((120, 60, 240, 220), SIZE)


def shown(pixels: Pixels, region: Mask, operation: Operation, seed: int = 0, face_px: float | None = None) -> Pixels:
    """The whole photo with the cover in place."""
    window, patch = obfuscate(pixels, region, operation, seed, face_px)
    out = pixels.copy()
    out[window.slices] = patch
    return out


# ------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize("operation", COVERS)
def test_a_cover_changes_the_region_and_nothing_else(operation: Operation) -> None:
    before = scene()
    source = before.copy()
    after = shown(before, REGION, operation, 3, 120)
    inside = REGION.to_array()
    assert np.array_equal(before, source)  # nothing edits its argument
    assert np.array_equal(after[~inside], before[~inside])
    assert (after[inside] != before[inside]).any(1).mean() > 0.95


@pytest.mark.parametrize("operation", COVERS)
def test_no_detail_of_the_region_reaches_the_cover(operation: Operation) -> None:
    """Two photos that differ inside by detail alone look the same when covered, up to the very edge."""
    one = scene()
    checks = (np.indices(SIZE).sum(0) % 2 * 2 - 1)[..., None] * 35
    other = np.where(REGION.to_array()[..., None], np.clip(one.astype(int) + checks, 0, 255), one).astype(np.uint8)
    difference = shown(one, REGION, operation, 3, 120).astype(int) - shown(other, REGION, operation, 3, 120)
    assert np.abs(other.astype(int) - one).max() >= 35
    # What is left is a change of the mean where clipping made one: far below the detail, and without its pattern.
    assert np.abs(difference).max() <= 8
    inside = REGION.to_array()
    assert abs((difference * np.sign(checks))[inside].mean()) < 0.1


@pytest.mark.parametrize("operation", [Operation.LAYERED, Operation.BLUR])
def test_a_soft_cover_has_no_seam(operation: Operation) -> None:
    slope = np.repeat(np.linspace(40, 200, SIZE[1]).astype(np.uint8)[None, :, None], SIZE[0], 0).repeat(3, 2)
    slope[120:150, 150:210] = 255  # something bright in the face
    after = shown(slope, REGION, operation, 1, 120).astype(int)
    inside = REGION.to_array()
    edge = inside & ~masks.shrink(REGION, 1).to_array()
    assert np.abs(after - slope)[edge].mean() < 6
    assert np.abs(after - shown(slope, REGION, Operation.SOLID, 1, 120))[edge].mean() > 15


@pytest.mark.parametrize("operation", COVERS)
def test_a_seed_repeats_exactly(operation: Operation) -> None:
    first, again = shown(scene(), REGION, operation, 7), shown(scene(), REGION, operation, 7)
    assert np.array_equal(first, again)


def test_another_seed_places_other_tiles_and_noise() -> None:
    for operation in (Operation.LAYERED, Operation.PIXELATE):
        assert not np.array_equal(shown(scene(), REGION, operation, 1), shown(scene(), REGION, operation, 2))


def test_solid_is_one_colour_and_pixelate_a_few() -> None:
    inside = REGION.to_array()
    assert len(np.unique(shown(scene(), REGION, Operation.SOLID)[inside], axis=0)) == 1
    assert len(np.unique(shown(scene(), REGION, Operation.PIXELATE, face_px=120)[inside], axis=0)) < 40


def test_layered_has_grain_and_blur_has_none() -> None:
    def roughness(pixels: Pixels) -> float:
        return float(np.abs(np.diff(pixels[100:180, 150:210].astype(int), axis=1)).mean())

    assert roughness(shown(scene(), REGION, Operation.BLUR)) < 1.5
    assert 2 < roughness(shown(scene(), REGION, Operation.LAYERED)) < 8


def test_the_strength_follows_the_size_of_the_face() -> None:
    def coarseness(face_px: float) -> int:
        return len(np.unique(shown(scene(), REGION, Operation.PIXELATE, 0, face_px)[REGION.to_array()], axis=0))

    assert coarseness(30) > 4 * coarseness(90)


def test_a_large_face_is_covered_as_strongly_as_a_small_one() -> None:
    """Large faces are worked on at a smaller scale; the look must not change."""
    large = scene().repeat(4, 0).repeat(4, 1)
    region = masks.ellipse((480, 240, 960, 880), large.shape[:2])
    for operation in (Operation.BLUR, Operation.SOLID):
        one = shown(scene(), REGION, operation, 0, 120)[80:200, 140:220].astype(float).mean((0, 1))
        other = shown(large, region, operation, 0, 480)[320:800, 560:880].astype(float).mean((0, 1))
        assert np.abs(one - other).max() < 3


@pytest.mark.parametrize("operation", COVERS)
@pytest.mark.parametrize(
    "region",
    [
        Mask.empty(*SIZE), masks.rectangle((5, 5, 6, 6), SIZE), masks.rectangle((0, 0, 400, 300), SIZE),
        masks.rectangle((390, 290, 400, 300), SIZE),
    ],
    ids=["nothing", "one pixel", "everything", "corner"],
)  # fmt: skip
def test_odd_regions_are_covered_too(operation: Operation, region: Mask) -> None:
    window, patch = obfuscate(scene(), region, operation)
    assert patch.shape == (window.height, window.width, 3)
    assert patch.dtype == np.uint8


def test_what_is_no_cover_is_refused() -> None:
    for operation in (Operation.KEEP, Operation.FACE, Operation.REMOVE):
        with pytest.raises(OperationUnavailable, match=operation.value.replace("+", r"\+")):
            obfuscate(scene(), REGION, operation)


def test_only_plain_pixelation_needs_a_warning() -> None:
    assert set(WARNINGS) == {Operation.PIXELATE}
    assert "layered" in WARNINGS[Operation.PIXELATE]


@pytest.fixture(scope="module")
def astronaut_face(astronaut: Photo) -> Face:
    points = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert points is not None
    return Face(face_box(points), points)


@pytest.fixture(scope="module")
def ancelotti(zidane: Photo) -> Face:
    points = find_landmarks(zidane.pixels, (905.0, 115.0, 1055.0, 280.0))
    assert points is not None
    return Face(face_box(points), points)


@pytest.mark.parametrize("operation", [Operation.LAYERED, Operation.BLUR, Operation.SOLID])
def test_the_recogniser_no_longer_knows_the_person(
    operation: Operation, astronaut: Photo, astronaut_face: Face, zidane: Photo, ancelotti: Face
) -> None:
    recogniser = default_recogniser()
    for photo, face in ((astronaut, astronaut_face), (zidane, ancelotti)):
        size = (photo.height, photo.width)
        subject = Subject(1, face.box, masks.rectangle(face.box, size), face)
        after = shown(photo.pixels, cover_region(subject, "segment", "face", size), operation, 0, face.size_px)
        before_and_after = [recogniser.describe(pixels, [face])[0] for pixels in (photo.pixels, after)]
        assert np.linalg.norm(before_and_after[0] - before_and_after[1]) > recogniser.threshold


# ------------------------------------------------------------------------------------------------------- regions


def person(box: Box, face: Face | None = None, head_box: Box | None = None, empty: bool = False) -> Subject:
    mask = Mask.empty(*SIZE) if empty else masks.ellipse(box, SIZE)
    return Subject(1, box, mask, face, head_box=head_box)


FACE = Face((180.0, 60.0, 220.0, 110.0))
STANDING: Box = (140.0, 30.0, 260.0, 295.0)


def holds(region: Mask, box: Box) -> bool:
    """Whether all of the face but the corners of its box is in the region."""
    return not masks.subtract(masks.ellipse(box, SIZE), region).area


@pytest.mark.parametrize("region", ["box", "segment"])
@pytest.mark.parametrize("extent", ["face", "head", "person"])
def test_a_visible_face_is_always_covered(region: str, extent: str) -> None:
    elsewhere = person((300.0, 200.0, 390.0, 290.0), FACE)  # a mask that missed the face
    for subject in (person(STANDING, FACE), person(STANDING, FACE, empty=True), elsewhere):
        covered = cover_region(subject, region, extent, SIZE)  # type: ignore[arg-type]
        assert holds(covered, FACE.box)


def test_the_forehead_and_the_chin_are_covered_with_the_face() -> None:
    covered = cover_region(person(STANDING, FACE), "segment", "face", SIZE)
    assert covered.window.top < FACE.box[1] - 8
    assert covered.window.bottom > FACE.box[3] + 2


@pytest.mark.parametrize("region", ["box", "segment"])
def test_more_is_covered_from_face_to_head_to_person(region: str) -> None:
    areas = [cover_region(person(STANDING, FACE), region, e, SIZE).area for e in ("face", "head", "person")]  # type: ignore[arg-type]
    assert areas[0] < areas[1] < areas[2]


def test_landmarks_give_the_outline_of_the_face(astronaut: Photo, astronaut_face: Face) -> None:
    size = (astronaut.height, astronaut.width)
    subject = Subject(1, astronaut_face.box, Mask.empty(*size), astronaut_face)
    covered = cover_region(subject, "segment", "face", size)
    assert astronaut_face.landmarks is not None
    assert all(covered.contains((x, y)) for x, y in astronaut_face.landmarks[OVAL, :2].tolist())
    assert covered.area < cover_region(subject, "box", "face", size).area


@pytest.mark.parametrize(
    ("pose", "place"), [(Pose(36, 0, 0), (1.08, 0.5)), (Pose(-36, 0, 0), (-0.08, 0.5)), (Pose(0, -28, 0), (0.5, 1.3))]
)
def test_what_stands_out_of_a_turned_or_raised_head_is_covered(
    pose: Pose, place: tuple[float, float], astronaut: Photo, astronaut_face: Face
) -> None:
    size = (astronaut.height, astronaut.width)
    x1, y1, x2, y2 = astronaut_face.box
    there = (x1 + place[0] * (x2 - x1), y1 + place[1] * (y2 - y1))
    straight, moved = (
        cover_region(Subject(1, face.box, Mask.empty(*size), face), "segment", "face", size)
        for face in (replace(astronaut_face, pose=Pose(0, 0, 0)), replace(astronaut_face, pose=pose))
    )
    assert moved.contains(there)
    assert not straight.contains(there)
    assert masks.subtract(straight, moved).area == 0


def test_the_chin_of_somebody_who_screams_is_covered(astronaut: Photo, astronaut_face: Face) -> None:
    assert astronaut_face.landmarks is not None
    size, (x1, y1, x2, y2) = (astronaut.height, astronaut.width), astronaut_face.box
    points = astronaut_face.landmarks.copy()
    points[14, 1] += 0.35 * (x2 - x1)  # the lower lip alone: the mesh's chin lags behind a scream
    screaming = replace(astronaut_face, landmarks=points)
    covered = cover_region(Subject(1, screaming.box, Mask.empty(*size), screaming), "segment", "face", size)
    assert covered.contains(((x1 + x2) / 2, y1 + 1.3 * (y2 - y1)))


def test_landmarks_that_left_the_face_do_not_uncover_it(astronaut: Photo, astronaut_face: Face) -> None:
    assert astronaut_face.landmarks is not None
    size = (astronaut.height, astronaut.width)
    strayed = Face(astronaut_face.box, astronaut_face.landmarks + np.float32([150, 100, 0]))
    covered = cover_region(Subject(1, strayed.box, Mask.empty(*size), strayed), "segment", "face", size)
    assert masks.subtract(masks.ellipse(strayed.box, size), covered).area == 0


def test_without_a_face_the_head_is_covered() -> None:
    head: Box = (170.0, 30.0, 230.0, 100.0)
    for extent in ("face", "head"):
        assert cover_region(person(STANDING, head_box=head), "box", extent, SIZE).window.box == head  # type: ignore[arg-type]
        segment = cover_region(person(STANDING, head_box=head), "segment", extent, SIZE)  # type: ignore[arg-type]
        assert 0 < segment.area < masks.rectangle(head, SIZE).area


def test_where_nobody_knows_the_head_the_top_is_covered_and_of_the_lying_all() -> None:
    standing = cover_region(person(STANDING), "box", "face", SIZE)
    assert standing.window.top == 30
    assert 60 <= standing.window.height <= 100
    lying: Box = (20.0, 200.0, 380.0, 290.0)
    assert cover_region(person(lying), "box", "face", SIZE).window.box == lying


boxes = st.tuples(st.floats(-80, 390), st.floats(-80, 290), st.floats(1, 300), st.floats(1, 300)).map(
    lambda v: (v[0], v[1], max(v[0] + v[2], 2.0), max(v[1] + v[3], 2.0))
)


@given(
    boxes, st.none() | boxes, st.none() | boxes, st.booleans(),
    st.sampled_from(["box", "segment"]), st.sampled_from(["face", "head", "person"]),
)  # fmt: skip
@hypothesis_settings(max_examples=150, deadline=None)
def test_there_is_always_something_to_cover(
    box: Box, face: Box | None, head: Box | None, empty: bool, region: str, extent: str
) -> None:
    subject = person(box, Face(face) if face else None, head, empty)
    assert cover_region(subject, region, extent, SIZE).area > 0  # type: ignore[arg-type]
