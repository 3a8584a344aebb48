from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from identigen.composite import paste
from identigen.errors import EngineError
from identigen.identity.mannerisms import Mannerisms, no_mannerisms
from identigen.landmarks import (
    LEFT_EYE,
    LIPS_INSIDE,
    RIGHT_EYE,
    eye_distance,
    eye_openness,
    face_box,
    find_landmarks,
    gaze,
    head_pose,
    mouth_openness,
)
from identigen.masks import rectangle
from identigen.recognition import default_recogniser
from identigen.recognition.attributes import skin_tone
from identigen.synthesis.embedded import Embedded, read_blend
from identigen.types import Candidate, Edit, Face, Floats, Operation, Photo, Pixels, Subject, Window

FACE = (175.0, 65.0, 280.0, 195.0)  # of the astronaut, roughly


@pytest.fixture(scope="module")
def subject(astronaut: Photo) -> Subject:
    points = find_landmarks(astronaut.pixels, FACE)
    assert points is not None
    face = Face(face_box(points), points, head_pose(points))
    return Subject(1, face.box, rectangle(face.box, astronaut.pixels.shape[:2]), face)


@pytest.fixture(scope="module")
def candidates(astronaut: Photo, subject: Subject) -> list[Candidate]:
    return list(Embedded().propose(astronaut.pixels, subject, Edit(1, Operation.FACE), [3, 4]))


def pasted(photo: Photo, candidate: Candidate) -> Pixels:
    window, patch, _ = paste(photo.pixels, candidate)
    pixels = photo.pixels.copy()
    pixels[window.slices] = patch
    return pixels


def face_in(pixels: Pixels) -> Face:
    points = find_landmarks(pixels, FACE)
    assert points is not None
    return Face(face_box(points), points)


def test_what_is_drawn_on_everybody_is_taken_out(
    astronaut: Photo, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever draws every nose too red draws it less red; in a grey photo that is no colour."""
    none, red = no_mannerisms(), no_mannerisms()
    red.skin[-1] = [0.2, 0.0, -0.2]
    grey = np.repeat(astronaut.pixels.mean(-1, keepdims=True), 3, -1).astype(np.uint8)

    def drawn(pixels: Pixels, hand: Mannerisms) -> Floats:
        monkeypatch.setattr("identigen.synthesis.embedded.load_mannerisms", lambda: hand)
        [candidate] = Embedded().propose(pixels, subject, Edit(1, Operation.FACE), [3])
        assert candidate.skin is not None
        return np.asarray(candidate.pixels[candidate.skin > 0.9].mean(0))

    change = drawn(astronaut.pixels, red) - drawn(astronaut.pixels, none)
    assert change[0] < -5
    assert change[2] > 5
    assert np.abs(drawn(grey, red) - drawn(grey, none)).max() < 2


def test_the_new_face_is_somebody_else(astronaut: Photo, subject: Subject, candidates: list[Candidate]) -> None:
    recogniser = default_recogniser()
    assert subject.face is not None
    source = recogniser.describe(astronaut.pixels, [subject.face])[0]
    distances = []
    for candidate in candidates:
        pixels = pasted(astronaut, candidate)
        distances.append(np.linalg.norm(recogniser.describe(pixels, [face_in(pixels)])[0] - source))
    assert max(distances) >= recogniser.threshold
    assert min(distances) > 0.45


def test_pose_gaze_and_expression_stay(astronaut: Photo, subject: Subject, candidates: list[Candidate]) -> None:
    assert subject.face is not None
    old = subject.face.landmarks
    assert old is not None
    for candidate in candidates:
        new = face_in(pasted(astronaut, candidate)).landmarks
        assert new is not None
        assert abs(head_pose(new).yaw - head_pose(old).yaw) < 5
        assert abs(mouth_openness(new) - mouth_openness(old)) < 0.06
        assert abs(eye_openness(new) - eye_openness(old)) < 0.05
        assert np.hypot(*np.subtract(gaze(new), gaze(old))) < 12


def test_a_seed_repeats_to_the_last_byte(astronaut: Photo, subject: Subject, candidates: list[Candidate]) -> None:
    again = next(Embedded().propose(astronaut.pixels, subject, Edit(1, Operation.FACE), [4]))
    assert (pasted(astronaut, again) == pasted(astronaut, candidates[1])).all()
    assert (candidates[0].pixels != candidates[1].pixels).any()


def test_all_change_lies_in_the_face_box_grown_by_a_quarter(
    astronaut: Photo, subject: Subject, candidates: list[Candidate]
) -> None:
    x1, y1, x2, y2 = subject.box
    allowed = Window.around((x1, y1, x2, y2), 512, 512, margin=0.125 * max(x2 - x1, y2 - y1))
    for candidate in candidates:
        assert candidate.window.intersection(allowed) == candidate.window


def test_more_strength_asks_for_more_distance(astronaut: Photo, subject: Subject) -> None:
    engine, recogniser = Embedded(), default_recogniser()
    assert subject.face is not None
    source = recogniser.describe(astronaut.pixels, [subject.face])[0]
    means = []
    for strength in (0.0, 1.0):
        edit = Edit(1, Operation.FACE, strength=strength)
        drawn = [pasted(astronaut, c) for c in engine.propose(astronaut.pixels, subject, edit, [3, 4])]
        means.append(np.mean([np.linalg.norm(recogniser.describe(p, [face_in(p)])[0] - source) for p in drawn]))
    assert means[1] > means[0]


def test_a_tiny_face_is_drawn_too(astronaut: Photo) -> None:
    small = cv2.resize(astronaut.pixels, (128, 128), interpolation=cv2.INTER_AREA)
    box = (44.0, 16.0, 70.0, 49.0)
    subject = Subject(1, box, rectangle(box, (128, 128)), Face(box))
    candidate = next(Embedded().propose(small, subject, Edit(1, Operation.FACE), [1]))
    _, patch, mask = paste(small, candidate)
    assert mask.area > 300
    assert np.isfinite(candidate.pixels).all()
    assert np.abs(patch.astype(float) - small[candidate.window.slices]).mean() > 2


def test_a_face_at_the_border_stays_inside_the_photo(astronaut: Photo) -> None:
    cut = np.ascontiguousarray(astronaut.pixels[40:200, 190:330])
    points = find_landmarks(cut, (0.0, 25.0, 92.0, 155.0))
    if points is None:
        pytest.skip("the face mesh does not find a face that is cut by the border")
    subject = Subject(1, face_box(points), rectangle(face_box(points), cut.shape[:2]), Face(face_box(points), points))
    window, patch, _ = paste(cut, next(Embedded().propose(cut, subject, Edit(1, Operation.FACE), [1])))
    assert patch.shape[:2] == (window.height, window.width)


def test_what_cannot_be_done_is_said(astronaut: Photo, subject: Subject) -> None:
    engine = Embedded()
    with pytest.raises(EngineError, match="no face"):
        next(engine.propose(astronaut.pixels, replace(subject, face=None), Edit(1, Operation.FACE), [1]))
    corner = Face((0.0, 0.0, 40.0, 40.0))
    with pytest.raises(EngineError, match="landmarks"):
        next(engine.propose(astronaut.pixels, replace(subject, face=corner), Edit(1, Operation.FACE), [1]))
    wish = Edit(1, Operation.FACE, attributes={"age": "immortal"})
    with pytest.raises(EngineError, match="age=immortal"):
        next(engine.propose(astronaut.pixels, subject, wish, [1]))


def test_skin_may_be_asked_for_lighter_or_darker(astronaut: Photo, subject: Subject) -> None:
    tones = []
    for wish in ("darker", "lighter"):
        edit = Edit(1, Operation.FACE, attributes={"skin": wish})
        pixels = pasted(astronaut, next(Embedded().propose(astronaut.pixels, subject, edit, [3])))
        points = face_in(pixels).landmarks
        assert points is not None
        tones.append(skin_tone(pixels, points))
    assert tones[0] + 5 < tones[1]


def wearing(pixels: Pixels, subject: Subject, thickness: int) -> tuple[Pixels, tuple[int, int]]:
    """The face behind round black glasses, dark ones where `thickness` is -1, and where the first is lowest."""
    assert subject.face is not None
    points = subject.face.landmarks
    assert points is not None
    worn = pixels.copy()
    first, second = (points[ring, :2].mean(0).round().astype(int) for ring in (RIGHT_EYE, LEFT_EYE))
    for x, y in (first, second):
        cv2.ellipse(worn, (int(x), int(y) + 3), (20, 15), 0, 0, 360, (12, 12, 12), thickness, cv2.LINE_AA)
    cv2.line(worn, (int(first[0]) + 20, int(first[1])), (int(second[0]) - 20, int(second[1])), (12, 12, 12), 3)
    return worn, (int(first[0]), int(first[1]) + 18)


def test_glasses_are_kept_unless_none_are_asked_for(astronaut: Photo, subject: Subject) -> None:
    worn, (x, y) = wearing(astronaut.pixels, subject, 3)
    frame = []
    for wishes in ({}, {"glasses": "none"}):
        edit = Edit(1, Operation.FACE, attributes=wishes)
        drawn = pasted(Photo(worn), next(Embedded().propose(worn, subject, edit, [3])))
        frame.append(drawn[y - 1 : y + 2, x - 3 : x + 4].mean())
    assert frame[0] < 60
    assert frame[1] > frame[0] + 60


def test_dark_glasses_stay_on(astronaut: Photo, subject: Subject) -> None:
    worn, _ = wearing(astronaut.pixels, subject, -1)
    edit = Edit(1, Operation.FACE, attributes={"glasses": "none"})
    with pytest.raises(EngineError, match="dark glasses"):
        next(Embedded().propose(worn, subject, edit, [3]))


def test_a_wish_changes_the_person(astronaut: Photo, subject: Subject) -> None:
    old = Edit(1, Operation.FACE, attributes={"age": "old"})
    wished = next(Embedded().propose(astronaut.pixels, subject, old, [3]))
    plain = next(Embedded().propose(astronaut.pixels, subject, Edit(1, Operation.FACE), [3]))
    assert wished.identity is not None
    assert plain.identity is not None
    assert np.linalg.norm(wished.identity - plain.identity) > 1


@pytest.mark.parametrize("text", ["x@0.5", "3", "3@2", "-1@0.5", "3@"])
def test_a_blend_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(EngineError, match="SEED@SHARE"):
        read_blend(text)


def test_a_blend_is_another_person_than_its_seed(
    astronaut: Photo, subject: Subject, candidates: list[Candidate]
) -> None:
    edit = Edit(1, Operation.FACE, attributes={"blend": "4@0.5"})
    mixed = next(Embedded().propose(astronaut.pixels, subject, edit, [3]))
    assert (mixed.pixels != candidates[0].pixels).any()
    assert (mixed.pixels != candidates[1].pixels).any()


def test_highlights_of_an_overexposed_face_do_not_turn_green(astronaut: Photo, subject: Subject) -> None:
    bright = np.clip(astronaut.pixels.astype(np.float32) * 1.2, 0, 255).astype(np.uint8)
    drawn = pasted(Photo(bright), next(Embedded().propose(bright, subject, Edit(1, Operation.FACE), [3])))
    x1, y1, x2, y2 = (round(v) for v in subject.box)
    old, new = (picture[y1:y2, x1:x2].astype(int) for picture in (bright, drawn))
    green = [(picture[..., 1] > picture[..., 0] + 3).mean() for picture in (old, new)]
    assert green[1] <= green[0] + 0.01


def test_points_that_the_mirror_image_does_not_confirm_are_not_drawn_on(astronaut: Photo, subject: Subject) -> None:
    assert subject.face is not None
    assert subject.face.landmarks is not None
    beside = subject.face.landmarks + np.array([12, 9, 0], np.float32)
    face = Face(face_box(beside), beside, subject.face.pose)
    with pytest.raises(EngineError, match="not found with certainty"):
        next(Embedded().propose(astronaut.pixels, replace(subject, face=face), Edit(1, Operation.FACE), [3]))


def test_a_mouth_wider_than_the_mesh_can_follow_is_not_drawn_on(astronaut: Photo, subject: Subject) -> None:
    """The photo's own teeth would stay on the new chin."""
    face = subject.face
    assert face is not None
    assert face.landmarks is not None
    points = np.array(face.landmarks)
    points[LIPS_INSIDE, 1] += 0.7 * eye_distance(points) * (points[LIPS_INSIDE, 1] > points[LIPS_INSIDE, 1].mean())
    screaming = replace(subject, face=replace(face, landmarks=points))
    with pytest.raises(EngineError, match="opened so far"):
        next(Embedded().propose(astronaut.pixels, screaming, Edit(1, Operation.FACE, seed=1), [1]))


def test_what_does_not_look_like_a_face_is_not_drawn_on(astronaut: Photo, subject: Subject) -> None:
    """On a negative the mesh is steady, and features are found beside the true ones as often as on them."""
    negative = 255 - astronaut.pixels
    with pytest.raises(EngineError, match="not found with certainty"):
        next(Embedded().propose(negative, subject, Edit(1, Operation.FACE), [3]))
