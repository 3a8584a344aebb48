from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import Codec, load_codec
from identigen.identity.conditions import NAMES
from identigen.identity.fine_detail import STAYS
from identigen.identity.lending import Lending, load_lending
from identigen.types import Floats

CONDITION = np.random.default_rng(8).standard_normal(len(NAMES)).astype(np.float32)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="module")
def lending() -> Lending:
    return load_lending()


@pytest.fixture(scope="module")
def people(codec: Codec) -> Floats:
    size = len(codec.detail_scale) + len(codec.shape_scale)
    return (0.7 * np.random.default_rng(5).standard_normal((9, size))).astype(np.float32)


def test_who_is_told_is_who_is_drawn(codec: Codec, lending: Lending, people: Floats) -> None:
    k = len(codec.detail_scale)
    told, _ = lending.lent(people, CONDITION)
    for before, after in zip(people, told, strict=True):
        drawn = codec.project(lending.fine.added(codec.decode(before[:k]), CONDITION[STAYS]))
        changed = np.abs(before[:k] - after[:k]).mean()
        assert changed > 0.1
        assert np.abs(drawn - after[:k]).mean() < 0.2 * changed  # what is told leaves hues alone
    assert np.array_equal(told[:, k:], people[:, k:])


def test_the_mirror_image_is_told_as_the_mirror_image(codec: Codec, lending: Lending, people: Floats) -> None:
    there, unlike = lending.lent(people * codec.parity, CONDITION)
    here, unlike_here = lending.lent(people, CONDITION)
    assert np.allclose(there * codec.parity, here, atol=0.02)
    assert np.allclose(unlike, unlike_here, atol=0.02)


def test_who_has_lent_features_is_lent_nearly_the_same_again(codec: Codec, lending: Lending, people: Floats) -> None:
    once, unlike = lending.lent(people, CONDITION)
    twice, still = lending.lent(once, CONDITION)
    assert (still < unlike).all()
    k = len(codec.detail_scale)
    first, second = (np.linalg.norm((b - a)[:, :k], axis=1) for a, b in ((people, once), (once, twice)))
    assert np.median(second) < 0.5 * np.median(first)
