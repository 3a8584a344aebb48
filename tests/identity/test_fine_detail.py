from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from identigen.identity.appearance import SIDE, Codec, brightness, load_codec
from identigen.identity.fine_detail import FEATURES, STEP, FineDetail, Lent, fine_relief, load_fine_detail, look
from identigen.training.codec import Maps
from identigen.training.fine_detail import fit_fine_detail, save_fine_detail
from identigen.types import Floats


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="module")
def shipped(codec: Codec) -> FineDetail:
    return load_fine_detail(codec.mesh)


@pytest.fixture(scope="module")
def smooth(codec: Codec) -> Floats:
    """Somebody as the model draws them, `(SIDE, SIDE, 3)`."""
    rng = np.random.default_rng(4)
    return codec.decode((0.7 * rng.standard_normal(len(codec.detail_scale))).astype(np.float32))


def grain(strength: float) -> Floats:
    return (strength * np.random.default_rng(1).standard_normal((SIDE, SIDE))).astype(np.float32)


def added(shipped: FineDetail, smooth: Floats, strength: float) -> Floats:
    return brightness(shipped.added(smooth, grain(strength)) - smooth)


def test_features_get_fine_relief_and_cheeks_do_not(shipped: FineDetail, smooth: Floats, codec: Codec) -> None:
    relief = added(shipped, smooth, 0.1)
    window, weight = shipped.zones["nose"]
    assert np.abs(relief[window.slices][weight > 0.9]).mean() > 0.005
    assert np.abs(relief[codec.mesh.cheeks > 0.5]).max() == pytest.approx(0, abs=0.02)
    assert np.abs(fine_relief(relief, np.ones_like(relief))).mean() > 0.5 * np.abs(relief).mean()


def test_a_soft_photo_keeps_soft_features(shipped: FineDetail, smooth: Floats) -> None:
    soft, crisp = (np.abs(added(shipped, smooth, strength)).mean() for strength in (0.005, 0.02))
    assert crisp == pytest.approx(4 * soft, rel=0.1)
    assert not added(shipped, smooth, 0.0).any()


def test_a_face_in_the_mirror_gets_its_detail_in_the_mirror(shipped: FineDetail, smooth: Floats) -> None:
    own = grain(0.05)
    there = shipped.added(np.ascontiguousarray(smooth[:, ::-1]), np.ascontiguousarray(own[:, ::-1]))
    assert np.allclose(there[:, ::-1], shipped.added(smooth, own), atol=1e-4)


def test_the_example_that_looks_most_alike_is_lent(codec: Codec, shipped: FineDetail, smooth: Floats) -> None:
    """Of two noses one is the face's own look: its relief is what appears."""
    window, weight = shipped.zones["nose"]
    mine = np.ascontiguousarray(look(smooth)[window.slices][::STEP, ::STEP]).ravel()
    marks = np.stack([np.full(weight.shape, 0.05, np.float32), np.full(weight.shape, -0.05, np.float32)])
    marks[:, ::2] *= -1
    lent = dict(shipped.lent) | {"nose": Lent(marks, np.stack([-mine, mine]))}
    relief = brightness(FineDetail(codec.mesh, lent).added(smooth, grain(0.05)) - smooth)[window.slices]
    sure = weight > 0.99
    assert np.corrcoef(relief[sure], marks[1][sure])[0, 1] > 0.95


def test_crisp_examples_are_collected_and_come_back_from_their_file(codec: Codec, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    codes = (0.7 * rng.standard_normal((24, len(codec.detail_scale)))).astype(np.float32)
    strengths = np.linspace(0.01, 0.05, 24)[:, None, None, None]
    inside = codec.mesh.inside[..., None]
    details = (codec.decode(codes) + strengths * rng.standard_normal((24, SIDE, SIDE, 3))) * inside
    seen = np.repeat(codec.mesh.inside[None], 24, axis=0).astype(np.float32)
    seen[3] = 0  # out of view: lends nothing
    maps = Maps(np.zeros((24, SIDE, SIDE, 3), np.float16), details.astype(np.float16), seen.astype(np.float16))
    found = fit_fine_detail(codec, maps, np.arange(24), examples=5)
    path = tmp_path / "fine_detail.safetensors"
    save_fine_detail(found, path)
    from safetensors.numpy import load_file

    stored = load_file(path)
    for name in FEATURES:
        relief = found.lent[name].relief
        assert len(relief) == 5
        assert relief.std() > 0.6 * strengths.mean() / np.sqrt(3)  # of three channels' noise, the crisper half
        again = stored[f"{name}_relief"] * stored[f"{name}_relief_step"][:, None, None]
        assert np.allclose(again, relief, atol=0.01 * np.abs(relief).max())
