"""The two endpoints for programs: the same contracts as the command line's, without a visitor."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from identigen.errors import IdentiGenError
from identigen.photo import encode
from identigen.pipeline import Pipeline, make_plan
from identigen.report import detection_json
from identigen.ui.inputs import parse_operation, parse_subjects, read_and_delete
from identigen.verification import examined

KEPT_SECONDS = 60.0


def detect(pipeline: Pipeline, file: str) -> dict[str, Any]:
    """Find everybody: the contract of `identigen detect --json`."""
    with _told():
        photo = read_and_delete(file, pipeline.settings)
        return detection_json(photo, pipeline.detect(photo))


def anonymize(pipeline: Pipeline, file: str, operation: str, subjects: str, seed: float) -> tuple[str, dict[str, Any]]:
    """Anonymise: a PNG file and the contract of `identigen anonymize --report`."""
    with _told():
        photo = read_and_delete(file, pipeline.settings)
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


def _temporary_file(data: bytes, name: str) -> str:
    """A file for the answer; Gradio gives away a copy of it, so that the files of earlier answers can go."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", tempfile.gettempdir())) / "identigen-answers"
    now = time.time()
    for old in folder.glob("*"):
        if old.stat().st_mtime < now - KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=folder)) / name
    path.write_bytes(data)
    return str(path)
