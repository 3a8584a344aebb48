from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from heads import tiny_weights

from identigen.errors import ModelCorrupt, ModelError
from identigen.identity.head import (
    CONDITIONS,
    TRAITS,
    HeadModel,
    Scene,
    Traits,
    frame,
    hair_traits,
    inner_face,
    keypoints,
    noise_of,
    read_head,
    sample,
)
from identigen.landmarks import EYES, LIPS_OUTSIDE, find_landmarks
from identigen.masks import rectangle
from identigen.types import Floats, Photo

SIDE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HeadModel:
    return read_head(tiny_weights(tmp_path_factory.mktemp("head")))


@pytest.fixture(scope="module")
def points(astronaut: Photo) -> Floats:
    found = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert found is not None
    return found


def scene(**changes: torch.Tensor) -> Scene:
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 5:25, 6:30] = 1
    parts = {
        "picture": 2 * torch.rand(1, 4, SIDE, SIDE, generator=generator) - 1,
        "mask": mask,
        "skin": torch.zeros(1, 1, SIDE, SIDE),
        "keypoints": torch.tensor([[[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.5, 0.6]]]),
        "traits": torch.zeros(1, len(TRAITS)),
        "told": torch.ones(1, 2),
    }
    return Scene(**(parts | changes))


def test_only_what_is_masked_is_drawn(model: HeadModel) -> None:
    given = scene()
    drawn = sample(model.network, given, noise_of(1, SIDE), steps=2)
    outside = (given.mask == 0).expand_as(drawn)
    assert drawn.shape == (1, 4, SIDE, SIDE)
    assert torch.equal(drawn[outside], given.picture[outside])
    assert not torch.equal(drawn[~outside], given.picture[~outside])
    assert float(drawn.abs().max()) <= 1


def test_what_is_hidden_does_not_show_through(model: HeadModel) -> None:
    given = scene()
    other = torch.where(given.mask > 0, -given.picture, given.picture)
    one, two = (sample(model.network, scene(picture=p), noise_of(1, SIDE), steps=2) for p in (given.picture, other))
    assert torch.equal(one, two)


def test_a_seed_repeats_and_another_differs(model: HeadModel) -> None:
    one, again, other = (sample(model.network, scene(), noise_of(seed, SIDE), steps=2) for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_wishes_reach_the_network_and_can_be_withheld(model: HeadModel) -> None:
    wish = torch.ones(1, len(TRAITS))
    with_, without = scene(traits=wish).conditions(), scene(traits=wish, told=torch.zeros(1, 2)).conditions()
    assert with_.shape == (1, CONDITIONS, SIDE // 4, SIDE // 4)
    assert torch.equal(with_[:, -11:], torch.ones(1, 11, 8, 8))
    assert torch.equal(without[:, -11:], torch.zeros(1, 11, 8, 8))
    drawn = [sample(model.network, scene(traits=t), noise_of(1, SIDE), steps=2) for t in (wish, -wish)]
    assert not torch.equal(*drawn)


def test_light_is_read_from_skin_and_surroundings_alone() -> None:
    picture = torch.ones(1, 4, SIDE, SIDE)
    plain = scene()
    picture[(plain.mask > 0).expand_as(picture)] = -1  # dark hair, and no skin
    hair = scene(picture=picture).conditions()[:, -14:-11]
    assert float(hair[..., 0, 0].min()) > 0.9
    skin = scene(picture=picture, skin=plain.mask).conditions()[:, -14:-11]
    assert float(skin[..., 4, 4].max()) < 0


def test_stopping_is_asked_between_steps(model: HeadModel) -> None:
    class StopNow(Exception):
        pass

    asked = []

    def between() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise StopNow

    with pytest.raises(StopNow):
        sample(model.network, scene(), noise_of(1, SIDE), steps=4, between=between)


def test_the_square_holds_the_head_as_in_the_training_pictures(points: Floats) -> None:
    window = frame(points).window
    x, y = points[:468, 0], points[:468, 1]
    assert window.left < x.min()
    assert window.right > x.max()
    assert window.top < y.min() - 0.3 * np.ptp(y)  # hair
    assert 0.45 < np.ptp(x) / window.width < 0.65
    wide = frame(points, rectangle((x.min() - 80, 0, x.max() + 80, 250), (512, 512))).window
    assert window.width < wide.width <= round(1.25 * window.width)


def test_the_inner_face_holds_the_features_but_no_hairline(points: Floats) -> None:
    inner = inner_face(points, (512, 512))
    for feature in (*points[EYES], *points[LIPS_OUTSIDE], points[1]):
        assert inner.contains((feature[0], feature[1]))
    for rim in (10, 152, 234, 454):
        assert not inner.contains((points[rim, 0], points[rim, 1]))
    assert keypoints(points).shape == (4, 2)


def test_hair_is_measured_and_bald_is_bald(astronaut: Photo, points: Floats) -> None:
    crop = frame(points)
    square, moved = crop.extract(astronaut.pixels), crop.to_crop(points)
    face, hair = np.zeros((256, 256), bool), np.zeros((256, 256), bool)
    face[110:200, 80:170] = True
    hair[20:80, 60:200] = True
    lightness, _, yellow, area, _ = hair_traits(square, hair, face, moved)
    assert 5 < lightness < 60
    assert yellow > 5  # brown
    assert area > 0.3
    skin = np.full_like(square, np.median(square[face], axis=0).astype(np.uint8))
    assert hair_traits(skin, hair, face, moved)[3:].tolist() == [0, 0]


def test_the_nearest_heads_come_first() -> None:
    rows = np.arange(27, dtype=np.float32).reshape(3, 9)
    table = Traits(rows, np.zeros(9, np.float32), np.ones(9, np.float32))
    weights = np.zeros(9, np.float32)
    weights[2] = 1
    wanted = np.zeros(9, np.float32)
    wanted[2] = 19
    assert table.nearest(wanted, weights, 2).tolist() == [rows[2].tolist(), rows[1].tolist()]


def test_weights_of_another_layout_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    folder = tiny_weights(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"in_channels": 7}))
    with pytest.raises(ModelError, match="another layout"):
        read_head(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ModelCorrupt):
        read_head(folder)
