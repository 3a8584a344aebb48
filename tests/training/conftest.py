from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from identigen.landmarks import find_landmarks
from identigen.recognition import default_recogniser
from identigen.training.data import Faces
from identigen.types import Face, Photo


@pytest.fixture
def one_face(tmp_path: Path, astronaut: Photo) -> Faces:
    """A folder with the portrait of one person, measured."""
    picture = np.ascontiguousarray(astronaut.pixels[20:276, 100:356])
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    points = find_landmarks(picture, (75.0, 45.0, 180.0, 175.0))
    assert points is not None
    vector = default_recogniser().describe(picture, [Face((75, 45, 180, 175), points)])
    return Faces(tmp_path, ("a.png",), points[None], vector, np.array([False]), 1)
