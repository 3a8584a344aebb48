"""The two endpoints for programs: the same contracts as the command line's, without a visitor."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

from identigen.errors import IdentiGenError
from identigen.photo import encode, open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.report import detection_json
from identigen.settings import Settings
from identigen.types import Photo
from identigen.ui.inputs import parse_operation, parse_subjects
from identigen.verification import examined

KEPT_SECONDS = 60.0  # a file stays this long: an answer until it was fetched, an upload in case it came twice


def detect(pipeline: Pipeline, file: str) -> dict[str, Any]:
    """Find everybody: the contract of `identigen detect --json`."""
    with _told():
        photo = _read(file, pipeline.settings)
        return detection_json(photo, pipeline.detect(photo))


def anonymize(pipeline: Pipeline, file: str, operation: str, subjects: str, seed: float) -> tuple[str, dict[str, Any]]:
    """Anonymise: a PNG file and the contract of `identigen anonymize --report`."""
    with _told():
        photo = _read(file, pipeline.settings)
        found = pipeline.detect(photo)
        plan = make_plan(found, parse_operation(operation), parse_subjects(subjects), seed=int(seed))
        result = pipeline.anonymize(photo, found, plan)
        data = encode(result.photo.pixels, "png")
        return _temporary_file(data, "identigen.png"), examined(result, data).to_json()


@contextmanager
def _told() -> Iterator[None]:
    """Raise errors of the house as `gr.Error`, whose sentence reaches the caller."""
    try:
        yield
    except IdentiGenError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _read(file: str, settings: Settings) -> Photo:
    """Open an upload. Gradio stores it by content and name, so another program may still be waiting with the same."""
    path = Path(file)
    try:
        return open_photo(path, settings)
    finally:
        _delete_later(path)


def _temporary_file(data: bytes, name: str) -> str:
    """A file for the answer."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", tempfile.gettempdir())) / "identigen-answers"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=folder)) / name
    path.write_bytes(data)
    _delete_later(path)
    return str(path)


def _delete_later(path: Path) -> None:
    """Take a file off the disk after a while, unless somebody has uploaded the same once more."""

    def delete() -> None:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime_ns == seen:
                path.unlink()

    with suppress(FileNotFoundError):
        seen = path.stat().st_mtime_ns
        timer = threading.Timer(KEPT_SECONDS, delete)
        timer.daemon = True
        timer.start()
