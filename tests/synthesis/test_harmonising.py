from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from identigen.composite import paste
from identigen.identity.harmoniser import (
    SIDE,
    Harmoniser,
    correction,
    look,
    read_harmoniser,
    square,
    write_harmoniser,
)
from identigen.landmarks import face_box, find_landmarks, head_pose
from identigen.masks import rectangle
from identigen.synthesis.embedded import Embedded
from identigen.synthesis.harmonising import harmonised
from identigen.types import Candidate, Edit, Face, Floats, Operation, Photo, Pixels, Subject, Window

FACE = (175.0, 65.0, 280.0, 195.0)  # of the astronaut, roughly


def subject_in(pixels: Pixels, box: tuple[float, float, float, float]) -> Subject:
    points = find_landmarks(pixels, box)
    assert points is not None
    face = Face(face_box(points), points, head_pose(points))
    return Subject(1, face.box, rectangle(face.box, pixels.shape[:2]), face)


def points_of(subject: Subject) -> Floats:
    assert subject.face is not None
    assert subject.face.landmarks is not None
    return subject.face.landmarks


@pytest.fixture(scope="module")
def subject(astronaut: Photo) -> Subject:
    return subject_in(astronaut.pixels, FACE)


@pytest.fixture(scope="module")
def drawn(astronaut: Photo, subject: Subject) -> Candidate:
    return next(Embedded().propose(astronaut.pixels, subject, Edit(1, Operation.FACE), [3]))


def test_a_fault_on_new_skin_is_mended(astronaut: Photo, subject: Subject, drawn: Candidate) -> None:
    """A pale patch under the hair with hard edges, as it is left where a fringe begins."""
    assert drawn.skin is not None
    rows, columns = np.indices(drawn.skin.shape)
    top = int(np.flatnonzero((drawn.skin > 0.9).any(1))[0])
    middle = np.abs(columns - drawn.skin.shape[1] / 2) < 0.2 * drawn.skin.shape[1]
    patch = (drawn.skin > 0.9) & (rows < top + 12) & middle
    assert patch.sum() > 100
    faulty = replace(drawn, pixels=np.where(patch[..., None], np.clip(1.2 * drawn.pixels, 0, 255), drawn.pixels))
    good, mended = (harmonised(astronaut.pixels, points_of(subject), c).pixels for c in (drawn, faulty))
    before, after = (np.abs(a - b)[patch].mean() for a, b in ((faulty.pixels, drawn.pixels), (mended, good)))
    assert after < 0.8 * before


def test_nothing_changes_outside_of_what_was_drawn(astronaut: Photo, subject: Subject, drawn: Candidate) -> None:
    mended = harmonised(astronaut.pixels, points_of(subject), drawn)
    assert mended.window == drawn.window
    assert np.array_equal(mended.coverage, drawn.coverage)
    assert not np.array_equal(mended.pixels, drawn.pixels)
    _, patch, _ = paste(astronaut.pixels, mended)
    rim = drawn.coverage == 0
    assert np.array_equal(patch[rim], astronaut.pixels[drawn.window.slices][rim])


def test_a_photo_without_new_skin_is_left_nearly_as_it_is(astronaut: Photo, subject: Subject) -> None:
    to_square = square(points_of(subject))
    seen = look(astronaut.pixels.astype(np.float32), to_square)
    assert np.abs(correction(seen, np.zeros((SIDE, SIDE), np.float32))).mean() < 3


@pytest.mark.parametrize("side", [30, 500])
def test_small_and_large_faces_and_faces_at_the_border(astronaut: Photo, side: int) -> None:
    scale = side / (FACE[3] - FACE[1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    cut = astronaut.pixels[: int(FACE[3]) + 20, int(FACE[0]) - 10 : int(FACE[2]) + 40]
    pixels = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=method), np.uint8)
    box = tuple(scale * v for v in (10, FACE[1], 10 + FACE[2] - FACE[0], FACE[3]))
    subject = subject_in(pixels, (box[0], box[1], box[2], box[3]))
    engine = Embedded()
    drawn = next(engine.propose(pixels, subject, Edit(1, Operation.FACE), [3]))
    mended = engine.finish(pixels, subject, drawn)
    assert mended.pixels.shape == drawn.pixels.shape
    assert mended.pixels.min() >= 0
    assert mended.pixels.max() <= 255
    assert 0.2 < np.abs(mended.pixels - drawn.pixels).mean() < 15


def test_the_same_drawing_gives_the_same_bytes(astronaut: Photo, subject: Subject, drawn: Candidate) -> None:
    one, two = (harmonised(astronaut.pixels, points_of(subject), drawn).pixels for _ in range(2))
    assert np.array_equal(one, two)


def test_mending_keeps_the_tone_of_the_skin(
    astronaut: Photo, subject: Subject, drawn: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction that lightens all new skin, and mends a chin: the chin is mended, the skin's tone stays."""

    def lightened(picture: Floats, skin: Floats) -> Floats:
        change = np.repeat(12.0 * np.clip(skin, 0, 1)[..., None], 3, axis=-1)
        change[SIDE * 2 // 3 :] += 9.0 * np.clip(skin[SIDE * 2 // 3 :], 0, 1)[..., None]
        return np.asarray(change, np.float32)

    monkeypatch.setattr("identigen.synthesis.harmonising.correction", lightened)
    mended = harmonised(astronaut.pixels, points_of(subject), drawn)
    changed = mended.pixels - drawn.pixels
    points = points_of(subject)[:, :2] - [drawn.window.left, drawn.window.top]

    def around(point: int) -> float:
        x, y = points[point].round().astype(int)
        return float(changed[y - 2 : y + 3, x - 2 : x + 3].mean())

    assert abs((around(50) + around(280)) / 2) < 1.5  # both cheeks
    assert around(199) > 6  # the chin


def test_a_grey_photo_gets_no_colour(astronaut: Photo, subject: Subject, drawn: Candidate) -> None:
    grey = np.repeat(astronaut.pixels.mean(-1, keepdims=True), 3, axis=-1).round().astype(np.uint8)
    pale = replace(drawn, pixels=np.repeat(drawn.pixels.mean(-1, keepdims=True), 3, axis=-1))
    mended = harmonised(grey, points_of(subject), pale)
    assert np.abs(mended.pixels - pale.pixels).max() > 3
    assert np.ptp(mended.pixels, axis=-1).max() < 0.5


def test_what_tells_no_skin_is_left_alone(astronaut: Photo, subject: Subject) -> None:
    plain = Candidate(0, Window(0, 0, 4, 4), np.zeros((4, 4, 3), np.float32), np.ones((4, 4), np.float32))
    assert harmonised(astronaut.pixels, points_of(subject), plain) is plain


def test_eight_bits_a_kernel_say_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Harmoniser().eval()
    for kernel in network.parameters():
        torch.nn.init.normal_(kernel, std=0.03)
    write_harmoniser(network, tmp_path / "weights.safetensors")
    again = read_harmoniser(tmp_path / "weights.safetensors")
    picture, skin = torch.rand(1, 3, SIDE, SIDE) * 2 - 1, torch.rand(1, 1, SIDE, SIDE)
    with torch.inference_mode():
        answers = network(picture, skin), again(picture, skin)
    assert (answers[0] - answers[1]).abs().max() < 0.02 * answers[0].abs().max()


def test_what_is_mended_stays_sharp(
    astronaut: Photo, subject: Subject, drawn: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction that takes away what is fine on new skin."""

    def smoothing(picture: Floats, skin: Floats) -> Floats:
        return np.asarray((cv2.GaussianBlur(picture, (0, 0), 2.0) - picture) * skin[..., None] / 2, np.float32)

    monkeypatch.setattr("identigen.synthesis.harmonising.correction", smoothing)
    assert drawn.skin is not None
    inside = drawn.skin > 0.9
    mended = harmonised(astronaut.pixels, points_of(subject), drawn).pixels
    before, after = (np.abs(cv2.Laplacian(p.mean(-1), cv2.CV_32F))[inside].mean() for p in (drawn.pixels, mended))
    assert 0.9 * before < after < 1.1 * before
