"""One settings object, read once from `IDENTIGEN_*`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from identigen.errors import InputError

EngineChoice = Literal["auto", "embedded", "diffusion"]
MemoryChoice = Literal["auto", "full", "offload", "tiled", "quantised"]
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can decide. Each field is the environment variable `IDENTIGEN_<FIELD>` in capitals."""

    offline: bool = False
    """Never open a connection to another machine."""
    engine: EngineChoice = "auto"
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    memory: MemoryChoice = "auto"
    """How diffusion models share the device: `auto` chooses by its free memory, the others name a tier."""
    diffusion_model: str = "auto"
    """Name in `models.REGISTRY` of the model that draws people; `auto`: the best one that was downloaded."""
    allow_noncommercial: str = ""
    """Names, separated by commas, of models whose licence forbids commercial use and that you accept all the same."""
    compile: bool = False
    """Compile diffusion models at their first use: minutes once, then faster; for servers, never on ZeroGPU."""
    yolo_weights: str = ""
    """Name or path of ultralytics segmentation weights; empty: fetch `yolo11n-seg.pt` once, if the network allows."""
    host: str = "127.0.0.1"
    port: int = 7860
    max_megapixels: float = 50.0
    max_megabytes: float = 60.0
    max_people: int = 100
    cache_dir: str = ""
    """Where downloaded weights and this visitor's temporary files go; empty: the platform's cache folder."""
    kiosk: bool = False
    session_minutes: int = 30
    visitors: int = 40
    """Sessions kept in memory at once; older ones are forgotten first."""

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineChoice):
            raise InputError(f"IDENTIGEN_ENGINE must be auto, embedded or diffusion, not {self.engine!r}.")
        if self.memory not in get_args(MemoryChoice):
            raise InputError(f"IDENTIGEN_MEMORY must be auto, full, offload, tiled or quantised, not {self.memory!r}.")
        if not _DEVICE.fullmatch(self.device):
            raise InputError(f"IDENTIGEN_DEVICE must be auto, cpu, cuda, cuda:<number> or mps, not {self.device!r}.")
        if not 1 <= self.port <= 65535:
            raise InputError(f"IDENTIGEN_PORT must lie between 1 and 65535, not {self.port}.")
        for name in ("max_megapixels", "max_megabytes", "max_people", "session_minutes", "visitors"):
            if not getattr(self, name) > 0:  # not a number is not positive either
                raise InputError(f"IDENTIGEN_{name.upper()} must be positive, not {getattr(self, name)}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `IDENTIGEN_*`; raise `InputError` when a value cannot be understood."""
        environment = os.environ if environment is None else environment
        values: dict[str, object] = {}
        for item in fields(cls):
            name = f"IDENTIGEN_{item.name.upper()}"
            text = environment.get(name, "").strip()
            if text:  # set to nothing is how compose files and shells say "not set"
                values[item.name] = _parse(name, text, type(item.default))
        return cls(**values)  # type: ignore[arg-type]

    @property
    def cache_path(self) -> Path:
        """Folder for downloads and temporary files; not created here."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser()
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "identigen"


def _parse(name: str, text: str, kind: type) -> object:
    if kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise InputError(f"{name} must be 1 or 0, not {text!r}.")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise InputError(f"{name} must be a number, not {text!r}.") from None
    return text
