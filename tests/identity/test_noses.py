from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec, load_codec
from identigen.identity.mesh import SIDE
from identigen.identity.noses import read_nose_base
from identigen.types import Floats

SEEN = np.ones((SIDE, SIDE), np.float32)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="module")
def usual(codec: Codec) -> Floats:
    return codec.decode(np.zeros(len(codec.detail_scale), np.float32))


@pytest.mark.parametrize("lower", [-4, 0, 3, 6])
def test_a_nose_is_found_where_it_ends(codec: Codec, usual: Floats, lower: int) -> None:
    found = read_nose_base(codec, np.roll(usual, lower, axis=0), SEEN)
    assert found is not None
    assert found.lower == pytest.approx(lower, abs=0.6)
    assert found.trust == 1.0


def test_light_from_one_side_does_not_move_a_nose(codec: Codec, usual: Floats) -> None:
    sided = usual + 0.4 * np.linspace(-1, 1, SIDE, dtype=np.float32)[:, None]
    found = read_nose_base(codec, np.asarray(sided, np.float32), SEEN)
    assert found is not None
    assert found.lower == pytest.approx(0, abs=0.4)


def test_what_does_not_look_like_a_nose_is_not_trusted(codec: Codec) -> None:
    """A bare patch of skin, or stripes of a scarf."""
    for picture in (np.zeros(SIDE), 0.3 * np.sin(np.arange(SIDE) * 1.3)):
        detail = np.asarray(picture[:, None, None] * np.ones((SIDE, 3)), np.float32)
        found = read_nose_base(codec, detail, SEEN)
        assert found is not None
        assert np.isfinite(found).all()
        assert found.trust < 0.5


def test_a_nose_out_of_view_is_not_told(codec: Codec, usual: Floats) -> None:
    seen = SEEN.copy()
    seen[:, SIDE // 2 - 5 :] = 0
    assert read_nose_base(codec, usual, seen) is None
