from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec, load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.imagination import usual_identity
from identigen.identity.portrait import Portrait, read_portrait
from identigen.landmarks import find_landmarks
from identigen.types import Floats, Photo


@pytest.fixture(scope="session")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="session")
def portrait(codec: Codec, astronaut: Photo) -> Portrait:
    """The astronaut, as somebody of whom the recogniser knows nothing."""
    points = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert points is not None
    return read_portrait(codec, load_conditions(), astronaut.pixels, points, np.zeros(128, np.float32))


@pytest.fixture(scope="session")
def usual(codec: Codec, portrait: Portrait) -> Floats:
    """The detail map of the usual face under the portrait's conditions."""
    conditions = load_conditions()
    return codec.decode(usual_identity(conditions, portrait.condition)[: len(codec.detail_scale)])
