"""What a user would notice: fringes, hands and frames stay, shadows and highlights are skin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from identigen.identity.appearance import load_codec
from identigen.identity.occluders import SIDE, Segmenter, find_occluders, look, outlines, square
from identigen.landmarks import LEFT_EYE, RIGHT_EYE, find_landmarks
from identigen.training.data import read_picture
from identigen.types import Floats, Photo, Pixels

FACES = Path(__file__).resolve().parents[3] / "shared" / "data" / "faces"
BOX = (75.0, 45.0, 180.0, 175.0)
FREE = 0.03  # of a free face that may be taken for covered

Draw = Callable[[Pixels, Floats], Pixels]


@pytest.fixture(scope="module")
def portrait(astronaut: Photo) -> tuple[Pixels, Floats]:
    picture = np.ascontiguousarray(astronaut.pixels[20:276, 100:356])
    points = find_landmarks(picture, BOX)
    assert points is not None
    return picture, points


def covered(picture: Pixels, points: Floats) -> float:
    mesh = load_codec().mesh
    found = find_occluders(mesh, picture, points)
    return float((found.over | found.worn)[mesh.inside & (mesh.facing(points) > 0.5)].mean())


def fringe(picture: Pixels, points: Floats) -> Pixels:
    """Dark strands from above the face down to the brows."""
    out, rng = picture.copy(), np.random.default_rng(0)
    left, right, top, brows = points[103, 0], points[332, 0], points[10, 1], points[105, 1]
    for x in np.linspace(left, right, 160):
        end = int(x + rng.normal(0, 3)), int(brows + rng.normal(-3, 3))
        shade = float(rng.uniform(15, 50))
        cv2.line(out, (int(x), int(top - 15)), end, (shade, 0.8 * shade, 0.7 * shade), 2, cv2.LINE_AA)
    return out


def frames(picture: Pixels, points: Floats) -> Pixels:
    """Black frames with clear lenses."""
    out = picture.copy()
    middles = [points[ring, :2].mean(0).round().astype(int) for ring in (RIGHT_EYE, LEFT_EYE)]
    for x, y in middles:
        cv2.ellipse(out, (int(x), int(y) + 3), (20, 15), 0, 0, 360, (15, 15, 18), 3, cv2.LINE_AA)
    (x1, y), (x2, _) = middles
    cv2.line(out, (int(x1) + 20, int(y)), (int(x2) - 20, int(y)), (15, 15, 18), 3, cv2.LINE_AA)
    return out


def sunglasses(picture: Pixels, points: Floats) -> Pixels:
    out = frames(picture, points)
    for ring in (RIGHT_EYE, LEFT_EYE):
        x, y = points[ring, :2].mean(0).round().astype(int)
        cv2.ellipse(out, (int(x), int(y) + 3), (20, 15), 0, 0, 360, (12, 12, 12), -1, cv2.LINE_AA)
    return out


def tinted(picture: Pixels, points: Floats) -> Pixels:
    """Black frames with lenses that let a quarter of the light through: the eyes are seen."""
    lenses = np.zeros(picture.shape[:2], np.uint8)
    for ring in (RIGHT_EYE, LEFT_EYE):
        x, y = points[ring, :2].mean(0).round().astype(int)
        cv2.ellipse(lenses, (int(x), int(y) + 3), (20, 15), 0, 0, 360, (1,), -1)
    return frames(np.where(lenses[..., None] > 0, picture // 4, picture).astype(np.uint8), points)


def hard_shadow(picture: Pixels, points: Floats) -> Pixels:
    """The left half of the picture in the shade."""
    share = np.where(np.arange(picture.shape[1]) < points[4, 0], 0.45, 1.0)[None, :, None]
    return (picture * share).astype(np.uint8)


def highlight(picture: Pixels, points: Floats) -> Pixels:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    near = np.exp(-((x - points[151, 0]) ** 2 + (y - points[151, 1]) ** 2) / (2 * 9**2))
    return np.clip(picture + 160 * near[..., None], 0, 255).astype(np.uint8)


def as_it_is(picture: Pixels, points: Floats) -> Pixels:
    return picture


def in_grey(picture: Pixels, points: Floats) -> Pixels:
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)


@pytest.mark.parametrize("change", [as_it_is, in_grey, hard_shadow, highlight])
def test_light_covers_nothing(portrait: tuple[Pixels, Floats], change: Draw) -> None:
    picture, points = portrait
    assert covered(change(picture, points), points) < covered(picture, points) + FREE < 0.2  # she has a fringe


def test_a_fringe_lies_over_the_forehead(portrait: tuple[Pixels, Floats]) -> None:
    picture, points = portrait
    mesh = load_codec().mesh
    found = find_occluders(mesh, fringe(picture, points), points)
    above = mesh.inside & (np.mgrid[: mesh.inside.shape[0], : mesh.inside.shape[1]][0] < mesh.canonical[105, 1] - 8)
    below = mesh.inside & (np.mgrid[: mesh.inside.shape[0], : mesh.inside.shape[1]][0] > mesh.canonical[4, 1])
    assert found.over[above].mean() > 0.75
    assert found.over[below].mean() < 0.1


@pytest.mark.parametrize("draw", [sunglasses, tinted])
def test_dark_glasses_stay_whole(portrait: tuple[Pixels, Floats], draw: Draw) -> None:
    """Half of a lens over a new eye is neither."""
    picture, points = portrait
    mesh = load_codec().mesh
    found = find_occluders(mesh, draw(picture, points), points)
    assert found.glasses == "dark"
    lenses = mesh.unwarp((draw(picture, points) < 0.5 * picture).all(-1).astype(np.float32), points) > 0.5
    around = [np.linalg.norm(np.stack(np.meshgrid(*2 * [np.arange(len(lenses))]), -1) - eye, axis=-1) < 16
              for eye in (mesh.canonical[ring].mean(0) for ring in (RIGHT_EYE, LEFT_EYE))]  # fmt: skip
    assert (found.worn | found.over)[lenses & (around[0] | around[1])].mean() > 0.9


def test_glasses_are_told_from_none(portrait: tuple[Pixels, Floats]) -> None:
    picture, points = portrait
    mesh = load_codec().mesh
    told = [find_occluders(mesh, draw(picture, points), points) for draw in (as_it_is, frames, sunglasses)]
    assert [each.glasses for each in told] == ["none", "clear", "dark"]
    assert not told[0].worn.any()
    eyes = np.round(mesh.canonical[np.concatenate([RIGHT_EYE, LEFT_EYE])]).astype(int)
    assert told[1].worn[eyes[:, 1], eyes[:, 0]].mean() < 0.2  # lenses are seen through
    assert told[2].worn[eyes[:, 1], eyes[:, 0]].mean() > 0.9


def test_a_tilted_head_is_looked_at_upright(portrait: tuple[Pixels, Floats]) -> None:
    picture, points = portrait
    turn = cv2.getRotationMatrix2D((128, 128), 40, 1.0)
    tilted = cv2.warpAffine(fringe(picture, points), turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ turn[:, :2].T + turn[:, 2]
    straight = covered(fringe(picture, points), points)
    assert covered(np.asarray(tilted, np.uint8), moved) == pytest.approx(straight, abs=0.05)


def test_the_square_shows_the_whole_face(portrait: tuple[Pixels, Floats]) -> None:
    picture, points = portrait
    for scale in (0.5, 1.0, 3.0):
        sized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        to_square = square(points * scale)
        placed = points[:468, :2] * scale @ to_square[:, :2].T + to_square[:, 2]
        assert placed.min() > 0
        assert placed.max() < SIDE
        assert np.abs(look(sized, to_square) - look(picture, square(points))).mean() < 8
    assert 0.2 < outlines(np.asarray(placed, np.float32))[..., 0].mean() < 0.6


def test_the_network_is_small() -> None:
    network = Segmenter()
    assert sum(weights.numel() for weights in network.parameters()) < 450_000
    with torch.inference_mode():
        assert network(torch.zeros(1, 5, SIDE, SIDE)).shape == (1, 2, SIDE, SIDE)


@pytest.mark.skipif(not FACES.is_dir(), reason="shared/data/faces is not there")
def test_held_out_faces_in_hard_light_are_free(tmp_path: Path) -> None:
    """Their skin was taken for hair by a rule that went by tone."""
    for name in ("04173", "05595", "05935"):
        picture = read_picture(FACES / f"{name}.webp")
        points = find_landmarks(picture, (60.0, 70.0, 196.0, 236.0))
        assert points is not None
        assert covered(picture, points) < 0.1, name
