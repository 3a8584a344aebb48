"""Benchmarks that need a GPU for their figures must run everywhere, to be trusted when there is one."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    runpy.run_path(str(BENCHMARKS / name), run_name="__main__")


def test_every_tier_of_both_models_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "diffusion.py", "--tiny", "--tiers", "full,offload,tiled,quantised", "--steps", "1")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:4] for row in rows] == [
        [model, job, tier, "1"]
        for model in ("sdxl", "klein")
        for tier in ("full", "offload", "tiled", "quantised")
        for job in ("face", "body")
    ]
    assert all(float(row[5]) > 0 for row in rows)


def test_the_shapes_are_the_published_ones(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "diffusion.py", "--shapes")
    counted = {tuple(line.split()[:2]): float(line.split()[2]) for line in capsys.readouterr().out.splitlines()}
    assert counted["sdxl", "unet"] == pytest.approx(2.567, abs=0.002)
    assert counted["sdxl", "controlnet"] == pytest.approx(1.251, abs=0.002)
    assert counted["klein", "transformer"] == pytest.approx(3.88, abs=0.01)
    assert counted["klein", "text_encoder"] == pytest.approx(4.02, abs=0.01)


def test_without_a_gpu_it_says_what_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="--tiny"):
        run(monkeypatch, "diffusion.py")
