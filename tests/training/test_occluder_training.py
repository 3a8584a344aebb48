from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from identigen.identity.appearance import load_codec
from identigen.identity.occluders import SIDE, read_segmenter
from identigen.training.occluders.__main__ import main
from identigen.training.occluders.data import COVERED, FREE, UNKNOWN, Bases, cover
from identigen.training.occluders.glasses import glasses
from identigen.training.occluders.hair import transplant
from identigen.training.occluders.light import shadow
from identigen.training.occluders.scene import GLASSES, OCCLUDER, Scene
from identigen.training.occluders.synthesis import compose
from identigen.training.occluders.things import hat
from identigen.training.occluders.train import Course, train, unlikeness
from identigen.types import Floats

SKIN, HAIR, WALL = (190, 140, 115), (40, 50, 110), (90, 140, 90)


def head(fringe: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, Floats]:
    """A drawn head with hair down to `fringe` of the face's height, its outline, what is around the face, points."""
    flat = load_codec().mesh.canonical
    points = ((flat - flat.mean(0)) * 0.65 + [SIDE / 2, SIDE / 2 + 8]).astype(np.float32)
    picture = np.full((SIDE, SIDE, 3), WALL, np.uint8)
    person = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(person, (96, 96), (72, 85), 0, 0, 360, (1,), -1)
    picture[person > 0] = HAIR
    oval = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(np.round(points).astype(np.int32)), (1,))
    top, height = points[:, 1].min(), np.ptp(points[:, 1])
    bare = (oval > 0) & (np.mgrid[:SIDE, :SIDE][0] >= top + fringe * height)
    picture[bare] = SKIN
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), person > 0, (person > 0) & (oval == 0), points


@pytest.fixture
def bases() -> Bases:
    picture, person, above, points = head()
    truth, hair = cover(picture, person, above, points)
    return Bases(*(np.stack([each] * 3) for each in (picture, truth, hair, points)))


def scene_of(bases: Bases) -> Scene:
    truth = np.zeros((SIDE, SIDE, 2), np.uint8)
    return Scene(bases.pictures[0].astype(np.float32), truth, bases.points[0].copy(), bases)


def test_a_real_fringe_is_told_from_the_skin_and_the_wall_behind() -> None:
    picture, person, above, points = head(fringe=0.14)
    truth, hair = cover(picture, person, above, points)
    x, top, height = int(points[10, 0]), points[:, 1].min(), np.ptp(points[:, 1])
    assert truth[int(top + 0.07 * height), x] == COVERED
    assert truth[int(top + 0.6 * height), x] == FREE
    assert (truth == UNKNOWN).any()
    assert truth[2, 2] == COVERED  # the wall
    assert hair[20, 96]


def test_who_was_seen_to_be_free_is_free() -> None:
    picture, person, above, points = head()
    picture[:, :96] = picture[:, :96] // 3
    truth, _ = cover(picture, person, above, points, free=True)
    y, x = np.round(points[[50, 280, 9, 151], ::-1]).astype(int).T
    assert (truth[y, x] == FREE).all()


def test_what_is_laid_over_a_face_is_labelled_and_light_is_not(bases: Bases) -> None:
    for seed in range(6):
        for change, kind in ((transplant, OCCLUDER), (hat, OCCLUDER), (glasses, GLASSES)):
            scene = scene_of(bases)
            change(scene, np.random.default_rng(seed))
            labelled = scene.truth[..., kind] == COVERED
            assert labelled.sum() > 60
            assert not (scene.truth[..., 1 - kind] == COVERED).any()
            assert np.abs(scene.picture - bases.pictures[0])[labelled].mean() > 5
        scene = scene_of(bases)
        shadow(scene, np.random.default_rng(seed))
        assert not scene.truth.any()


def test_a_scene_is_the_same_for_the_same_seed(bases: Bases) -> None:
    one, other = (compose(bases, 0, np.random.default_rng(5)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)
    assert one[0].shape == (SIDE, SIDE, 3)
    assert not np.array_equal(one[0], compose(bases, 0, np.random.default_rng(6))[0])


def test_what_is_unknown_teaches_nothing() -> None:
    logits, inside = torch.randn(1, 2, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool)
    truth = torch.randint(0, 2, (1, 2, 8, 8), dtype=torch.uint8)
    truth[..., :4] = UNKNOWN
    changed = logits.clone()
    changed[..., :4] += 3
    assert torch.equal(unlikeness(logits, truth, inside), unlikeness(changed, truth, inside))


def test_training_starts_the_same_from_the_same_seed(bases: Bases) -> None:
    course = Course(steps=2, batch=2)
    one, other = train(bases, course), train(bases, course)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_command_trains_and_writes_what_the_product_reads(
    tmp_path: Path, bases: Bases, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    names = ("pictures", "truth", "hair", "points")
    np.savez(work / "bases.npz", held_out=np.array([False, False, True]), **{n: getattr(bases, n) for n in names})
    (tmp_path / "index.csv").write_text("file\n")
    nobody = {"files": np.array(["a.webp"]), "landmarks": np.zeros((1, 478, 3)), "embeddings": np.zeros((1, 128))}
    np.savez(work / "measured.npz", **nobody)
    monkeypatch.setattr("identigen.training.occluders.__main__.HELD", 2)
    monkeypatch.setattr("identigen.training.occluders.__main__.SHOWN", 5)
    assert main([str(tmp_path), str(tmp_path), "--steps", "2", "--batch", "2"]) == 0
    read_segmenter(tmp_path / "occluders.safetensors")
    assert (tmp_path / "occluders.safetensors").stat().st_size < 1_000_000
    assert set(json.loads((tmp_path / "occluders.json").read_text())["held_out_iou"]) == {"occluder", "glasses"}
    assert (tmp_path / "occluders.png").stat().st_size > 0


def test_a_folder_without_faces_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "out"), "--steps", "1"]) == 2
    assert "index.csv" in capsys.readouterr().err
