"""What an operator can decide, and what is said about values that make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from identigen.errors import InputError
from identigen.settings import Settings


def test_every_field_is_an_environment_variable() -> None:
    settings = Settings.from_environment(
        {
            "IDENTIGEN_OFFLINE": "yes",
            "IDENTIGEN_ENGINE": "diffusion",
            "IDENTIGEN_DEVICE": "cuda:1",
            "IDENTIGEN_MEMORY": "tiled",
            "IDENTIGEN_ALLOW_NONCOMMERCIAL": "flux2-klein-9b",
            "IDENTIGEN_COMPILE": "1",
            "IDENTIGEN_PORT": "8000",
            "IDENTIGEN_MAX_MEGAPIXELS": "12.5",
            "UNRELATED": "x",
        }
    )
    assert settings.offline
    assert settings.compile
    assert (settings.engine, settings.device, settings.memory) == ("diffusion", "cuda:1", "tiled")
    assert settings.allow_noncommercial == "flux2-klein-9b"
    assert (settings.port, settings.max_megapixels) == (8000, 12.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE", "magic"),
        ("MEMORY", "a lot"),
        ("DEVICE", "tpu"),
        ("DEVICE", "cuda:"),
        ("PORT", "0"),
        ("PORT", "http"),
        ("OFFLINE", "perhaps"),
        ("MAX_PEOPLE", "-1"),
    ],
)
def test_a_value_that_makes_no_sense_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"IDENTIGEN_{name}"):
        Settings.from_environment({f"IDENTIGEN_{name}": value})


def test_the_cache_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(cache_dir=str(tmp_path)).cache_path == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Settings().cache_path == tmp_path / "cache" / "identigen"
