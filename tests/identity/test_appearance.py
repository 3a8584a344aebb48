import numpy as np
import pytest

from identigen.identity.appearance import brightness, coarse_light, from_detail, load_codec, to_detail
from identigen.identity.mesh import SIDE

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def codec():
    return load_codec()


def some_code(codec, seed=0, spread=0.7):
    return (spread * np.random.default_rng(seed).standard_normal(len(codec.detail_scale))).astype(np.float32)


def test_decoding_and_coding_again_gives_the_same_person(codec):
    code = some_code(codec)
    again = codec.project(codec.decode(code))
    assert np.abs(again - code).max() < 0.1


def test_a_mirrored_map_has_the_same_code_but_for_its_odd_part(codec):
    code = some_code(codec)
    mirrored = codec.project(codec.decode(code)[:, ::-1])
    assert np.allclose(mirrored, code * codec.detail_parity, atol=0.1)


def test_what_is_hidden_is_filled_from_what_is_seen(codec):
    code = some_code(codec)
    detail = codec.decode(code)
    seen = np.ones((SIDE, SIDE), np.float32)
    seen[:60] = 0
    broken = np.where(seen[..., None] > 0, detail, 2.0).astype(np.float32)
    rest = np.abs(codec.decode(codec.encode(broken, seen, rounds=6)) - detail)[codec.mesh.inside & (seen > 0)]
    blind = np.abs(codec.decode(codec.project(broken)) - detail)[codec.mesh.inside & (seen > 0)]
    assert rest.mean() < 0.6 * blind.mean()


def test_many_codes_at_once_equal_one_by_one(codec):
    codes = np.stack([some_code(codec, seed) for seed in (1, 2)])
    both = codec.decode(codes)
    assert np.allclose(both[1], codec.decode(codes[1]), atol=1e-4)
    assert np.allclose(codec.project(both)[0], codec.project(both[0]), atol=1e-3)


def test_components_are_what_a_code_adds_to_the_brightness(codec):
    code = np.random.default_rng(6).standard_normal(len(codec.detail_scale)).astype(np.float32)
    mean = brightness(codec.decode(np.zeros_like(code)))
    added = np.tensordot(code, codec.components(), 1)
    assert np.allclose(brightness(codec.decode(code)), mean + added, atol=1e-4)


def test_light_times_detail_is_the_texture_again(codec):
    texture = RNG.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)
    coarse = coarse_light(texture, np.ones((SIDE, SIDE), np.float32))
    assert np.allclose(from_detail(to_detail(texture, coarse), coarse), texture, atol=0.01)


def test_broad_light_ignores_what_is_not_trusted():
    texture = np.full((SIDE, SIDE, 3), 180, np.float32)
    weight = np.ones((SIDE, SIDE), np.float32)
    texture[70:110, 40:150] = 5  # sunglasses
    weight[70:110, 40:150] = 0
    assert np.abs(coarse_light(texture, weight) - 180).max() < 6


def test_shape_codes_round_trip(codec):
    code = (0.8 * RNG.standard_normal(len(codec.shape_scale))).astype(np.float32)
    assert np.allclose(codec.encode_shape(codec.shape_mean + codec.decode_shape(code)), code, atol=0.02)


def test_no_seam_runs_down_the_cheeks() -> None:
    """A straight edge in what every face is made of would be a scratch on every cheek."""
    cheeks = load_codec().components()[:, 95:130]
    edges = np.abs(np.diff(cheeks, n=2, axis=2)).mean((0, 1))
    for columns in (slice(30, 55), slice(SIDE - 55, SIDE - 30)):
        assert edges[columns].max() < 2 * np.median(edges[columns])
