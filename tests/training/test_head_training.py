from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from heads import OPTIONS, TINY, carried, made_up_heads, tiny_weights

from identigen.errors import InputError
from identigen.identity.head import Traits, read_head
from identigen.landmarks import find_landmarks
from identigen.training.head.__main__ import Limit, main
from identigen.training.head.batches import MASKS, draw_masks, plain, scene_of, varied
from identigen.training.head.data import REGIONS, Heads, prepare
from identigen.training.head.export import LARGEST, export
from identigen.training.head.flow import FALL, Course, Material, Training, rate_at
from identigen.types import Photo

SIDE = TINY.side


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Heads:
    return made_up_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def material(heads: Heads) -> Material:
    return Material(heads, heads.read_traits(), SIDE, "cpu")


def weights_of(training: Training) -> torch.Tensor:
    parts = (*training.network.parameters(), *training.average.parameters())
    return torch.cat([part.detach().flatten() for part in parts])


def test_the_command_makes_a_model_that_the_product_can_read(tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    carried(faces, out)
    assert main([str(faces), str(out), *OPTIONS, "--steps", "3"]) == 0
    assert (out / "work" / "checkpoint.pt").is_file()
    for name in ("loss.png", "samples.jpg", "README.md", "traits.safetensors"):
        assert (out / name).stat().st_size > 0
    figures = json.loads((out / "training.json").read_text())
    assert figures["steps"] == 3
    assert figures["heads"] == {"kept": 20, "held_out": 2, "taught": 18}
    assert "18 teach" in (out / "README.md").read_text()
    model = read_head(out)
    assert model.side == SIDE
    assert model.traits.rows.shape == (18, 9)

    assert main([str(faces), str(out), *OPTIONS, "--steps", "5"]) == 0  # goes on
    assert json.loads((out / "training.json").read_text())["steps"] == 5


def test_a_training_with_other_options_does_not_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    carried(faces, out)
    assert main([str(faces), str(out), *OPTIONS, "--steps", "1"]) == 0
    assert main([str(faces), str(out), *OPTIONS, "--steps", "2", "--rate", "1e-3"]) == 2
    assert "another training" in capsys.readouterr().err


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    carried(faces, out)
    assert main([str(faces), str(out), "--widths", "wide"]) == 2
    assert main([str(faces), str(out), "--side", "100"]) == 2
    (faces / "00003.png").unlink()
    assert main([str(faces), str(out)]) == 2
    said = capsys.readouterr().err
    assert "--widths takes numbers" in said
    assert "--side must be a multiple of 32" in said
    assert "first 00003.png" in said


def test_an_interrupted_training_gives_the_weights_of_an_uninterrupted_one(material: Material, tmp_path: Path) -> None:
    course = Course(TINY, batch=4)
    whole = Training(course, "cpu")
    for _ in range(6):
        whole.advance(material)
    first = Training(course, "cpu")
    for _ in range(3):
        first.advance(material)
    first.save(tmp_path / "checkpoint.pt")
    torch.rand(7)  # somebody else draws numbers in between
    second = Training(course, "cpu")
    second.resume(tmp_path / "checkpoint.pt")
    for _ in range(3):
        second.advance(material)
    assert torch.equal(weights_of(second), weights_of(whole))
    assert second.running == whole.running
    assert not list(tmp_path.glob("partial*"))


def test_few_heads_are_learnt_by_heart(heads: Heads) -> None:
    few = heads.subset(np.arange(2))
    material = Material(few, few.read_traits(), SIDE, "cpu")
    training = Training(Course(TINY, batch=8, rate=3e-3, overfit=2), "cpu")
    before = training.loss_on(material)
    for _ in range(40):
        training.advance(material)
    assert training.loss_on(material) < 0.6 * before


def test_a_later_training_begins_with_exported_weights(tmp_path: Path) -> None:
    start = read_head(tiny_weights(tmp_path)).network
    training = Training(Course(TINY, seed=9), "cpu", start)
    assert torch.equal(training.network.conv_in.weight, start.conv_in.weight)
    with pytest.raises(InputError, match="another size"):
        Training(Course(), "cpu", start)


def test_the_limit_keeps_time_for_writing() -> None:
    limit = Limit(10 / 60)
    assert not limit.reached(0.1)
    assert limit.reached(5.0)  # two more such steps would not fit
    assert 0.9 < limit.left() <= 1
    limit.learn(0.01)
    assert not limit.reached(4.0)  # what it keeps is what writing takes, once that is known
    limit.learn(8.0)
    assert limit.reached(0.1)
    assert limit.left() == 0
    assert not Limit(None).reached(1e9)
    assert Limit(None).left() == 1


def test_a_training_with_a_limit_ends_in_time_and_has_written(tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    carried(faces, out)
    began = time.monotonic()
    assert main([str(faces), str(out), *OPTIONS, "--minutes", "0.2", "--look", "0.05"]) == 0
    assert time.monotonic() - began < 60 * 0.2 + 60  # a busy machine; without its limit it would take far longer
    history = json.loads((out / "training.json").read_text())["history"]
    assert len(history) >= 2


def test_masks_are_those_of_the_product(material: Material) -> None:
    batch = material.pick(torch.arange(10), variation=False)
    torch.manual_seed(0)
    masks = draw_masks(batch, torch.arange(10) % len(MASKS))
    assert masks.shape == (10, 1, SIDE, SIDE)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    around, whole = masks[0, 0] > 0, masks[1, 0] > 0
    face, hair = batch.face[0, 0] > 0, batch.hair[0, 0] > 0
    assert bool(around[hair].all())
    assert not bool(around[SIDE * 5 // 8, SIDE // 2])  # the middle of the new face stays
    assert bool(whole[batch.face[1, 0] > 0].all())
    assert int((masks[2, 0] > 0).sum()) >= int(face.sum())
    assert all(0 < float(mask.mean()) < 1 for mask in masks)


def test_nothing_is_drawn_over_the_clothes_beside_the_head(material: Material) -> None:
    batch = material.pick(torch.arange(4), variation=False)
    batch.picture[:, 3] = 1  # everything else is the person, too
    masks = draw_masks(batch, torch.ones(4, dtype=torch.long))
    assert torch.equal(masks, torch.maximum(batch.face, batch.hair))


def test_variation_moves_picture_masks_and_keypoints_together(material: Material) -> None:
    channels = material.channels[:8].clone()
    channels[:, :3] = 0
    for x, y in ((12, 16), (20, 16)):  # the eyes, as white dots
        channels[:, :3, y - 1 : y + 1, x - 1 : x + 1] = 255
    points = torch.tensor([[[12 / 32, 0.5], [20 / 32, 0.5], [0.5, 0.6], [0.5, 0.7]]]).expand(8, -1, -1)
    torch.manual_seed(4)
    batch = varied(channels, points, material.traits[:8])
    grey = batch.picture[:, :3].mean(1)
    for picture, (right, left, *_), seen in zip(grey, batch.keypoints, batch.seen, strict=True):
        assert right[0] < left[0]  # also where it was mirrored
        for x, y in (right, left):
            around = picture[round(float(y) * 32) - 2 : round(float(y) * 32) + 2,
                             round(float(x) * 32) - 2 : round(float(x) * 32) + 2]  # fmt: skip
            assert float(around.max()) > float(picture.quantile(0.95)) - 1e-3
        assert float(seen.mean()) > 0.6


def test_variation_can_be_repeated_and_traits_are_sometimes_withheld(material: Material) -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(8)
        batch = material.pick(torch.arange(20), variation=True)
        drawn.append((batch, scene_of(batch, draw_masks(batch), 0.5)))
    (one, scene), (two, _) = drawn
    assert torch.equal(one.picture, two.picture)
    assert 0 < float(scene.told.mean()) < 1
    assert float(one.picture.min()) >= -1
    assert float(one.picture.max()) <= 1


def test_the_rate_rises_then_falls() -> None:
    rates = [rate_at(step) for step in (0, 100, 1000, 40_000, 160_000)]
    assert rates == [pytest.approx(value, abs=0.01) for value in (0.005, 0.505, 1.0, 0.5, 0.25)]
    ending = [rate_at(1000, left) for left in (1.0, FALL, FALL / 2, 0.0)]
    assert ending == [pytest.approx(value) for value in (1.0, 1.0, 0.5, 0.0)]


def test_heads_are_measured_in_pictures(astronaut: Photo, tmp_path: Path) -> None:
    from PIL import Image

    faces = tmp_path / "faces"
    faces.mkdir()
    square = Image.fromarray(astronaut.pixels[10:220, 120:330]).resize((256, 256))
    square.save(faces / "1.png")
    Image.fromarray(np.asarray(square) // 2).save(faces / "2.png")  # the same woman in the dark: a near-duplicate
    with (faces / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file"], ["1.png"], ["2.png"]])
    heads = prepare(faces, tmp_path / "work")
    assert heads.files == ("1.png",)
    person, face, inner, hair = heads.regions[0]
    points = find_landmarks(np.asarray(square), (60.0, 60.0, 200.0, 230.0))
    assert points is not None
    nose = (round(float(points[1, 1])), round(float(points[1, 0])))
    assert person[nose]
    assert face[nose]
    assert inner[nose]
    assert not hair[nose]
    assert not (inner & ~face).any()
    assert not (hair & face).any()
    assert hair[round(float(points[10, 1])) - 25, nose[1]]
    again = prepare(faces, tmp_path / "work")
    assert np.array_equal(again.regions, heads.regions)
    assert np.array_equal(again.traits, heads.traits)
    channels = heads.channels(64)
    assert channels.shape == (1, 3 + len(REGIONS), 64, 64)
    assert plain(torch.from_numpy(channels), torch.zeros(1, 4, 2), torch.zeros(1, 9)).picture.shape == (1, 4, 64, 64)


def test_the_real_size_fits_into_plain_git(tmp_path: Path) -> None:
    table = Traits(np.zeros((1, 9), np.float32), np.zeros(9, np.float32), np.ones(9, np.float32))
    sizes = export(tmp_path, Training(Course(), "cpu"), table)
    assert sum(sizes.values()) <= LARGEST
    assert max(sizes.values()) < 10_000_000
    index = json.loads((tmp_path / "diffusion_pytorch_model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {name for name in sizes if name != "traits.safetensors"}
