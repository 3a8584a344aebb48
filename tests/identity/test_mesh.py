import numpy as np
import pytest

from identigen.identity.appearance import load_codec
from identigen.identity.mesh import SIDE
from identigen.types import Window


@pytest.fixture(scope="module")
def codec():
    return load_codec()


def test_the_layout_is_a_mirror_of_itself(codec):
    mesh = codec.mesh
    assert (mesh.inside == mesh.inside[:, ::-1]).all()
    flipped = (SIDE - 1) - mesh.canonical[mesh.mirror][:, 0]
    assert np.allclose(flipped, mesh.canonical[:, 0], atol=0.01)
    assert np.allclose(mesh.canonical[mesh.mirror][:, 1], mesh.canonical[:, 1], atol=0.01)


def test_unwarping_and_looking_up_again_finds_every_pixel(codec):
    mesh = codec.mesh
    points = np.concatenate([mesh.canonical * 0.8 + 30, np.zeros((468, 1), np.float32)], 1).astype(np.float32)
    place, on_face = mesh.locate(points, Window(0, 0, 220, 220))
    y, x = np.nonzero(on_face)
    assert on_face.mean() > 0.3
    off = np.abs(place[y, x] - (np.stack([x, y], 1) - 30) / 0.8)
    assert off.mean() < 0.1
    assert np.percentile(off, 99) < 1.5


def test_a_triangle_turned_away_is_not_drawn(codec):
    mesh = codec.mesh
    points = np.concatenate([mesh.canonical * [-1, 1] + [200, 0], np.zeros((468, 1))], 1).astype(np.float32)
    assert not mesh.locate(points, Window(0, 0, 220, 220))[1].any()
    assert mesh.facing(points).max() == 0


def test_alignment_undoes_a_turn_and_a_scale(codec):
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = (codec.shape_mean @ turn * 55 + [300, 200, 10]).astype(np.float32)
    aligned, back, scale, centre = codec.mesh.align(moved, codec.shape_mean)
    assert np.allclose(aligned, codec.shape_mean, atol=1e-3)
    assert np.allclose(aligned @ back * scale + centre, moved, atol=0.05)
    assert scale == pytest.approx(55, rel=1e-3)
