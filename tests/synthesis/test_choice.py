"""Which engine is taken, by what is really here, and what is said when none is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import cache

from identigen.background import available_predictors
from identigen.models import devices
from identigen.settings import Settings
from identigen.synthesis import available_synthesisers, why_unavailable
from identigen.synthesis.diffusion import why_no_diffusion
from identigen.types import Operation


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("choice"), "sdxl-inpainting", "flux2-klein-4b", "lama") as settings:
        yield settings


def names(settings: Settings) -> list[str]:
    return [engine.name for engine in available_synthesisers(settings)]


def predictors(settings: Settings) -> list[str]:
    return [predictor.name for predictor in available_predictors(settings)]


def test_without_weights_the_embedded_engine_serves(tmp_path: Path) -> None:
    settings = Settings(cache_dir=str(tmp_path), device="cpu")
    assert names(settings) == ["embedded"]
    assert names(replace(settings, engine="diffusion")) == []
    assert predictors(settings) == ["patchmatch"]


def test_what_is_missing_is_said_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    text = why_unavailable(Operation.BODY, Settings(cache_dir=str(tmp_path), device="cpu"))
    assert text.startswith("A new body needs the diffusion engine, which cannot run here: flux2-klein-4b")
    assert "`identigen models pull flux2-klein-4b` fetches it (16.0 GB)" in text
    assert "sdxl-inpainting" in text
    named = Settings(cache_dir=str(tmp_path), device="cpu", diffusion_model="flux2-klein-9b")
    assert "forbids commercial use" in why_no_diffusion(named)


def test_with_weights_and_a_gpu_diffusion_comes_first(with_weights: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from identigen.background import diffusion as removal
    from identigen.synthesis import diffusion

    for module in (diffusion, removal):
        monkeypatch.setattr(module, "choose_device", lambda asked, **options: "cuda")
    engines = available_synthesisers(with_weights)
    assert [engine.name for engine in engines] == ["diffusion", "embedded"]
    assert engines[0].models[0] == "flux2-klein-4b"
    assert predictors(with_weights) == ["flux2-klein-4b", "lama", "patchmatch"]
    small = replace(with_weights, diffusion_model="sdxl-inpainting")
    assert available_synthesisers(small)[0].models[0] == "sdxl-inpainting"
    assert predictors(small) == ["lama", "patchmatch"]


def test_without_a_gpu_diffusion_must_be_asked_for(with_weights: Settings) -> None:
    assert names(with_weights) == ["embedded"]
    assert "IDENTIGEN_ENGINE=diffusion" in why_unavailable(Operation.FACE_HAIR, with_weights)
    assert predictors(with_weights) == ["lama", "patchmatch"]
    asked = replace(with_weights, engine="diffusion")
    assert names(asked) == ["diffusion"]
    assert why_no_diffusion(asked) == ""
    assert predictors(asked) == ["flux2-klein-4b", "lama", "patchmatch"]


def test_the_embedded_engine_alone_loads_nothing(with_weights: Settings) -> None:
    alone = replace(with_weights, engine="embedded")
    assert names(alone) == ["embedded"]
    assert predictors(alone) == ["patchmatch"]
    assert "IDENTIGEN_ENGINE" in why_unavailable(Operation.BODY, alone)


def test_a_device_that_is_not_there_is_said(with_weights: Settings) -> None:
    assert "IDENTIGEN_DEVICE is cuda" in why_no_diffusion(replace(with_weights, device="cuda:7"))


@pytest.mark.parametrize(
    ("free", "tier"), [(80.0, "full"), (21.0, "full"), (16.0, "offload"), (11.0, "tiled"), (8.0, "quantised")]
)
def test_the_tier_follows_the_free_memory(free: float, tier: str) -> None:
    assert devices.choose_tier("auto", 16.0, 8.1, free) == tier
    assert devices.choose_tier("offload", 16.0, 8.1, free) == "offload"


def test_without_a_card_of_its_own_everything_stays_and_tiers_end_somewhere() -> None:
    assert devices.choose_tier("auto", 16.0, 8.1, None) == "full"
    steps = [tier := "full"]
    while tier := devices.next_tier(tier):
        steps.append(tier)
    assert tuple(steps) == devices.TIERS
    assert devices.free_gigabytes("cpu") is None


def test_a_machine_without_weights_does_not_load_torch_to_find_out(tmp_path: Path) -> None:
    code = (
        "import sys; from identigen.settings import Settings; from identigen.synthesis import diffusion;"
        f"print(diffusion.diffusion_synthesiser(Settings(cache_dir={str(tmp_path)!r})), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None False"


def test_on_zero_gpu_only_what_is_lent_a_card_runs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert devices.choose_device("auto") == "cpu"
    assert devices.choose_device("auto", may_be_lent=True) == "cuda"
    assert devices.free_gigabytes("cuda") is None
    assert str(devices.choose_dtype("cuda")) == "torch.bfloat16"
