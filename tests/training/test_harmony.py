from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from identigen.identity.harmoniser import SIDE, read_harmoniser
from identigen.training.data import Faces
from identigen.training.harmony.__main__ import main
from identigen.training.harmony.batches import Strips, varied
from identigen.training.harmony.pairs import TILES, draw_pairs
from identigen.training.harmony.train import Course, Training, pyramid_loss


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strips of smooth pictures; what was drawn lacks a dark line that the truth has not."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for kind, count in (("pair", 4), ("held", 2)):
        for number in range(count):
            truth = cv2.resize(rng.uniform(60, 200, (6, 6, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            drawn, skin = truth.copy(), np.zeros_like(truth)
            skin[40:180, 50:170] = 255
            drawn[100:104, 60:160] -= 50
            strip = np.hstack([truth, drawn, skin, drawn, skin])
            cv2.imwrite(str(folder / f"{kind}-0-{number:05d}.webp"), np.clip(strip, 0, 255).astype(np.uint8))
    return folder


def test_the_command_trains_goes_on_and_writes_what_the_product_reads(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pairs").symlink_to(pairs)
    options = ["nowhere", str(tmp_path), "--batch", "3", "--device", "cpu"]
    assert main([*options, "--steps", "1"]) == 0
    assert main([*options, "--steps", "2"]) == 0
    assert json.loads((tmp_path / "harmony.json").read_text())["steps"] == 2
    assert (tmp_path / "harmony.png").stat().st_size > 0
    read_harmoniser(tmp_path / "harmoniser.safetensors")
    assert (tmp_path / "harmoniser.safetensors").stat().st_size < 10_000_000


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path, pairs: Path) -> None:
    strips = Strips(pairs, "pair", "cpu")
    course = Course(steps=10, batch=3)
    whole, first = Training(course, "cpu"), Training(course, "cpu")
    for step in range(2):
        whole.advance(strips, step / 10)
    first.advance(strips, 0.0)
    first.save(tmp_path / "checkpoint.pt")
    second = Training(course, "cpu")
    second.resume(tmp_path / "checkpoint.pt")
    second.advance(strips, 0.1)
    for one, other in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_pair_is_varied_alike(pairs: Path) -> None:
    torch.manual_seed(1)
    batch = Strips(pairs, "pair", "cpu").pick(torch.arange(4))
    after = varied(batch)
    assert float(pyramid_loss(after.truth, batch.truth)) > 0.02
    # The drawing still differs where the line is, and nowhere else.
    differs = (after.truth - after.back).abs().amax(1)
    assert float(differs.amax()) > 0.1
    assert float((differs > 0.05).float().mean()) < 0.1
    # Here somebody else's face is the same drawing, brought to no hardness.
    assert float((after.other - after.back).abs().mean()) < 0.05


def test_the_critic_is_heeded_once_it_has_learnt_alone(pairs: Path) -> None:
    strips = Strips(pairs, "pair", "cpu")

    def taught(adversary: float, progress: float) -> torch.Tensor:
        training = Training(Course(steps=10, batch=3, adversary=adversary), "cpu")
        assert ("judged" in training.advance(strips, progress)) == (adversary > 0)
        return torch.cat([p.detach().flatten() for p in training.network.parameters()])

    untaught = torch.cat([p.detach().flatten() for p in Training(Course(batch=3), "cpu").network.parameters()])
    assert torch.equal(taught(1.0, 0.1), untaught)
    assert not torch.equal(taught(0.0, 0.1), untaught)
    assert not torch.equal(taught(0.0, 0.5), taught(1.0, 0.5))


def test_a_critic_learns_what_drawings_lack(pairs: Path) -> None:
    """A line that no photo has is told after few steps."""
    training = Training(Course(steps=1000, batch=3, rate=2e-3), "cpu")
    batch = Strips(pairs, "pair", "cpu").pick(torch.arange(4))
    for _ in range(30):
        training._teach_critic(batch.truth, batch.other)
    with torch.no_grad():
        assert torch.all(training.critic(batch.truth) > training.critic(batch.other))


def test_a_step_without_a_face_drawn_back_is_refused(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pairs").symlink_to(pairs)
    assert main(["nowhere", str(tmp_path), "--batch", "2", "--device", "cpu"]) == 2
    assert "take 3 or more" in capsys.readouterr().err


def test_strips_that_are_none_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tmp_path / "work" / "pairs"
    pairs.mkdir(parents=True)
    assert main(["nowhere", str(tmp_path), "--device", "cpu"]) == 2
    cv2.imwrite(str(pairs / "pair-0-00000.webp"), np.zeros((8, 8, 3), np.uint8))
    assert main(["nowhere", str(tmp_path), "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "draw the pairs first" in said
    assert "not a strip of five squares" in said


def test_a_face_is_replaced_and_drawn_back(tmp_path: Path, one_face: Faces) -> None:
    """What comes back is the same picture but for the faults of drawing; the first drawing is somebody else."""
    draw_pairs(one_face, tmp_path / "pairs", 1, processes=2)  # begun while this one has threads
    [path] = (tmp_path / "pairs").iterdir()
    strip = cv2.imread(str(path)).astype(np.float32)
    assert strip.shape == (SIDE, TILES * SIDE, 3)
    truth, back, skin, other, _ = np.split(strip, TILES, axis=1)
    inside = skin[..., 0] > 200
    assert 0.1 < inside.mean() < 0.6
    away_back, away_other = (np.abs(part - truth)[inside].mean() for part in (back, other))
    assert away_back < away_other
    assert np.median(np.abs(back - truth)[skin[..., 0] < 2]) < 3
