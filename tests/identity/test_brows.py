from __future__ import annotations

import numpy as np
import pytest

from identigen.identity.appearance import load_codec
from identigen.identity.brows import HALVES, read_brow_lines, read_brows
from identigen.identity.mesh import SIDE, Mesh
from identigen.types import Floats

EVERYWHERE = np.ones((SIDE, SIDE), np.float32)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return load_codec().mesh


def drawn(mesh: Mesh, slope: float, darkness: float = 0.3) -> Floats:
    """A detail map `(SIDE, SIDE, 3)` with thin brows that fall by `slope` to the right, and a fold of each lid."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    picture = np.zeros((SIDE, SIDE), np.float32)
    low = float(np.average(y, weights=mesh.brows))
    for half in HALVES:
        middle = x[0, half].mean()
        line = np.exp(-(((y - low - slope * (x - middle)) / 2) ** 2) / 2)
        fold = np.exp(-(((y - low - 12) / 1.5) ** 2) / 2)
        picture[:, half] -= darkness * (line + 0.5 * fold)[:, half]
    return np.asarray(np.repeat((picture * mesh.brows)[..., None], 3, -1), np.float32)


@pytest.mark.parametrize("slope", [-0.15, 0.0, 0.15])
@pytest.mark.parametrize("darkness", [0.08, 0.4])
def test_a_brow_is_found_however_faint_it_is_and_above_the_fold_of_its_lid(
    mesh: Mesh, slope: float, darkness: float
) -> None:
    for line in read_brow_lines(mesh, drawn(mesh, slope, darkness), EVERYWHERE):
        assert line is not None
        assert line[0] == pytest.approx(slope, abs=0.05)


def test_nobody_knows_where_a_brow_lies_that_is_hidden_or_bare(mesh: Mesh) -> None:
    right, left = read_brow_lines(mesh, drawn(mesh, 0.1), EVERYWHERE * (np.arange(SIDE) > SIDE // 2))
    assert right is None
    assert left is not None
    assert read_brow_lines(mesh, np.zeros((SIDE, SIDE, 3), np.float32), EVERYWHERE) == (None, None)


def test_brows_are_read_as_broad_and_as_dark_as_they_are(mesh: Mesh) -> None:
    seen = mesh.inside.astype(np.float32)

    def read(darkness: float, sharpness: float, there: Floats = seen) -> Floats | None:
        return read_brows(mesh, np.repeat(-darkness * mesh.brows[..., None] ** sharpness, 3, -1), there)

    thin, broad, dark = read(0.2, 20), read(0.2, 1), read(0.4, 1)
    assert thin is not None
    assert broad is not None
    assert dark is not None
    assert thin[0] < 0.7 * broad[0]
    assert dark[1] - broad[1] == pytest.approx(2 * np.log(2), rel=0.1)
    one = read(0.2, 1, seen * (np.arange(SIDE) < SIDE // 2))
    assert one == pytest.approx(broad, rel=0.1)
    assert read(0.2, 1, seen * (mesh.brows < 0.01)) is None
