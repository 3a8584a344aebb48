from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from identigen.identity.appearance import load_codec
from identigen.identity.conditions import NAMES
from identigen.identity.mannerisms import (
    TERMS,
    Mannerisms,
    load_mannerisms,
    no_mannerisms,
    read_mannerisms,
    write_mannerisms,
)
from identigen.identity.mesh import POINTS, SIDE

USUAL = np.zeros(len(NAMES), np.float32)


@pytest.fixture(scope="module")
def some() -> Mannerisms:
    rng = np.random.default_rng(1)
    skin = 0.1 * rng.standard_normal((TERMS, SIDE, SIDE, 3)).astype(np.float32)
    return Mannerisms((skin + skin[:, :, ::-1]) / 2, rng.standard_normal((TERMS, POINTS, 3)).astype(np.float32))


def test_they_come_back_from_their_file(tmp_path: Path, some: Mannerisms) -> None:
    write_mannerisms(some, tmp_path / "hand.safetensors")
    again = read_mannerisms(tmp_path / "hand.safetensors")
    assert np.abs(again.skin - some.skin).max() < 0.01 * np.abs(some.skin).max()
    assert np.abs(again.shape - some.shape).max() < 0.01 * np.abs(some.shape).max()


def test_they_follow_what_a_photo_asks_for(some: Mannerisms) -> None:
    old = USUAL.copy()
    old[NAMES.index("age")] = 2
    assert np.allclose(some.on_skin(USUAL), some.skin[-1])
    assert np.allclose(some.on_skin(old), some.skin[-1] + 2 * some.skin[0] + 4 * some.skin[-2], atol=1e-5)
    assert np.allclose(some.on_shape(old), some.shape[-1] + 2 * some.shape[0] + 4 * some.shape[-2], atol=1e-5)


def test_what_is_found_later_is_added(some: Mannerisms) -> None:
    both = some.and_also(some)
    assert np.allclose(both.on_skin(USUAL), 2 * some.on_skin(USUAL))
    assert not no_mannerisms().and_also(no_mannerisms()).on_shape(USUAL).any()


def test_the_shipped_ones_are_those_of_a_face() -> None:
    """Visible, the same on both sides, on the face alone, and less than what tells people apart."""
    skin = load_mannerisms().on_skin(USUAL)
    assert 0.02 < np.abs(skin).max() < 0.4
    assert np.array_equal(skin, skin[:, ::-1])
    assert not skin[~load_codec().mesh.inside].any()
    assert np.abs(load_mannerisms().on_shape(USUAL)).max() < 0.05
