"""The second recogniser, by a graph with SFace's input and output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import cache

from identigen.errors import ModelCorrupt, ModelMissing
from identigen.recognition.sface import FILE, SFace, five_points, referee
from identigen.settings import Settings
from identigen.types import Photo, Subject


@pytest.fixture(scope="module")
def sface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SFace]:
    with cache(tmp_path_factory.mktemp("sface"), "sface") as settings:
        found = referee(settings)
        assert found is not None
        yield found


def test_vectors_have_length_one_and_the_threshold_is_opencvs(
    sface: SFace, zidane: Photo, zidane_subjects: tuple[Subject, ...]
) -> None:
    faces = [subject.face for subject in zidane_subjects if subject.face]
    vectors = sface.describe(zidane.pixels, faces)
    assert vectors.shape == (len(faces), 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert abs((2 - sface.threshold**2) / 2 - 0.363) < 1e-9
    assert np.linalg.norm(vectors[0] - vectors[1]) > 0.1


def test_the_face_is_aligned_so_that_its_place_in_the_photo_does_not_matter(
    sface: SFace, astronaut: Photo, astronaut_subjects: tuple[Subject, ...]
) -> None:
    face = astronaut_subjects[0].face
    assert face is not None
    assert face.landmarks is not None
    dx, dy = 37, 21
    moved = np.roll(astronaut.pixels, (dy, dx), (0, 1))
    x1, y1, x2, y2 = face.box
    shifted = replace(
        face, box=(x1 + dx, y1 + dy, x2 + dx, y2 + dy), landmarks=face.landmarks + np.float32([dx, dy, 0])
    )
    one, two = sface.describe(astronaut.pixels, [face])[0], sface.describe(moved, [shifted])[0]
    assert float(one @ two) > 0.99
    flipped = np.ascontiguousarray(astronaut.pixels[:, :, ::-1])
    assert float(one @ sface.describe(flipped, [face])[0]) < 0.999  # the order of the colours matters


def test_five_points_stand_as_the_network_was_trained(
    astronaut_subjects: tuple[Subject, ...], astronaut: Photo
) -> None:
    face = astronaut_subjects[0].face
    assert face is not None
    for seen in (face, replace(face, landmarks=None)):
        right_eye, left_eye, nose, right_mouth, left_mouth = five_points(astronaut.pixels, seen)
        assert right_eye[0] < nose[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert right_eye[1] < nose[1] < right_mouth[1]
    blank = np.full_like(astronaut.pixels, 127)
    guessed = five_points(blank, replace(face, landmarks=None))
    assert np.abs(guessed - five_points(astronaut.pixels, face)).max() < 0.3 * face.size_px


def test_nobody_gives_nothing(sface: SFace, astronaut: Photo) -> None:
    assert sface.describe(astronaut.pixels, []).shape == (0, 128)


def test_it_is_there_only_when_its_file_is(
    tmp_path: Path, sface: SFace, astronaut: Photo, astronaut_subjects: tuple[Subject, ...]
) -> None:
    nowhere = Settings(cache_dir=str(tmp_path))
    assert referee(nowhere) is None
    face = astronaut_subjects[0].face
    assert face is not None
    with pytest.raises(ModelMissing, match="models pull sface"):
        SFace(nowhere).describe(astronaut.pixels, [face])


def test_a_damaged_file_is_corrupt(tmp_path: Path, sface: SFace) -> None:
    from identigen.recognition.sface import _build

    damaged = tmp_path / FILE
    damaged.write_bytes(b"damaged")
    with pytest.raises(ModelCorrupt, match="models pull sface"):
        _build(damaged)
