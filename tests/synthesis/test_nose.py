from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen.identity.appearance import Codec, brightness
from identigen.identity.mesh import SIDE
from identigen.identity.noses import NoseBase, read_nose_base
from identigen.identity.portrait import Portrait
from identigen.synthesis.nose import FREEDOM, with_nose_in_place, with_own_nose_light
from identigen.types import Floats


def base(codec: Codec, detail: Floats) -> float:
    read = read_nose_base(codec, detail, np.ones((SIDE, SIDE), np.float32))
    assert read is not None
    return read.lower


@pytest.mark.parametrize("leisure", [0.0, 1.0])
def test_a_nose_is_hardly_shorter_than_the_photos(
    codec: Codec, portrait: Portrait, usual: Floats, leisure: float
) -> None:
    """That of a head that nods lies lower on the map: a usual one would be a short nose over a long, empty lip."""
    seen = np.ones_like(portrait.seen)
    nodding = replace(portrait, seen=seen, nose_base=NoseBase(6.0, 1.0))
    placed = with_nose_in_place(codec, usual, nodding, leisure)
    free = FREEDOM[round(leisure)]
    assert 6.0 - free - 1.0 < base(codec, placed) < 6.0 - free + 1.0
    below, bridge = (slice(136, 180), slice(0, 84))
    assert np.allclose(placed[below], usual[below], atol=1e-3)
    assert np.allclose(placed[bridge], usual[bridge], atol=1e-3)


@pytest.mark.parametrize("told", [None, NoseBase(6.0, 0.0), NoseBase(1.5, 1.0)])
def test_a_nose_stays_where_nothing_calls_for_another_place(
    codec: Codec, portrait: Portrait, usual: Floats, told: NoseBase | None
) -> None:
    """One that is not in view, one that is hardly taken for one, and one that ends about there."""
    photo = replace(portrait, seen=np.ones_like(portrait.seen), nose_base=told)
    assert np.allclose(with_nose_in_place(codec, usual, photo), usual, atol=1e-3)


@pytest.mark.parametrize("lamp", [-0.2, 0.2])
def test_a_nose_that_is_lent_is_lit_from_where_the_photos_is(codec: Codec, portrait: Portrait, lamp: float) -> None:
    """Dark on the side that was dark; how light it is in the middle, and the cheek beside it, is left to the others."""
    x = np.mgrid[0:SIDE, 0:SIDE][1] - (SIDE - 1) / 2
    sided = np.asarray(lamp * np.clip(x / 12, -1, 1)[..., None] * np.ones(3), np.float32)
    photo = replace(portrait, detail=sided, seen=np.ones_like(portrait.seen), hidden=np.zeros_like(portrait.hidden))
    lent = -sided / 2 + np.float32(0.1)
    mended = brightness(with_own_nose_light(codec, lent, photo))
    nose = codec.mesh.nose > 0.95
    right, left = (float(mended[nose & side].mean()) for side in (x < -8, x > 8))
    assert left - right == pytest.approx(2 * lamp, rel=0.35)
    assert (left + right) / 2 == pytest.approx(0.1, abs=0.01)
    assert np.allclose(mended[codec.mesh.nose < 0.01], brightness(lent)[codec.mesh.nose < 0.01], atol=5e-3)


def test_half_a_nose_tells_nothing_of_the_light(codec: Codec, portrait: Portrait) -> None:
    half = np.asarray(np.mgrid[0:SIDE, 0:SIDE][1] > SIDE // 2, np.float32)
    photo = replace(portrait, detail=0.3 * np.ones((SIDE, SIDE, 3), np.float32), seen=half)
    lent = np.zeros((SIDE, SIDE, 3), np.float32)
    assert np.allclose(with_own_nose_light(codec, lent, photo), lent, atol=1e-3)
