"""A folder of photos through one pipeline: models are loaded once, a bad file becomes a row and stops nobody else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from identigen.errors import IdentiGenError, InputError
from identigen.photo import open_photo
from identigen.pipeline import Pipeline
from identigen.types import Photo, Plan, Subject
from identigen.verification import export

REPORT_NAME = "report.jsonl"
PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".bmp", ".gif", ".mpo"}
)

Planner = Callable[[tuple[Subject, ...]], Plan]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file: `status` is done, failed (somebody had to be covered instead) or unreadable."""

    photo: str
    status: str
    output: str | None
    text: str
    report: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "photo": self.photo,
            "status": self.status,
            "output": self.output,
            "text": self.text,
            "report": self.report,
        }


def photos_in(folder: Path) -> list[Path]:
    """Every file below `folder` that is named like a picture, sorted; links out of the folder are not followed."""
    found = []
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in names if Path(name).suffix.lower() in PICTURE_ENDINGS and name[0] != "."]
    return sorted(found)


def targets(photos: list[Path], source: Path, out: Path, ending: str) -> list[Path]:
    """Where each result goes: the same name under `out`; `a.jpg` and `a.png` of one folder do not meet in one file."""
    plain = [out / photo.relative_to(source).with_suffix(ending) for photo in photos]
    return [
        path if plain.count(path) == 1 else path.with_name(photo.name + ending)
        for path, photo in zip(plain, photos, strict=True)
    ]


def run_batch(pipeline: Pipeline, source: Path, out: Path, plan: Planner, ending: str = ".png") -> Iterator[Row]:
    """Work through `source` and yield a row for each photo; rows also go to `OUT/report.jsonl` as they come.

    `plan` turns the people of a photo into a plan. Raises `InputError` when `source` is no folder, holds no picture, or
    `out` lies inside of it (the next run would then anonymise the results).
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give the folder that holds the photos.")
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out} lies inside {source}; choose a folder outside of it for the results.")
    photos = photos_in(source)
    if not photos:
        raise InputError(f"{source} holds no pictures; known endings are {', '.join(sorted(PICTURE_ENDINGS))}.")
    out.mkdir(parents=True, exist_ok=True)
    with (out / REPORT_NAME).open("w", encoding="utf-8") as report:
        for photo, target in zip(photos, targets(photos, source, out, ending), strict=True):
            row = _one(pipeline, photo, str(photo.relative_to(source)), target, str(target.relative_to(out)), plan)
            report.write(json.dumps(row.to_json()) + "\n")
            report.flush()
            yield row


def _one(pipeline: Pipeline, path: Path, name: str, target: Path, output: str, plan: Planner) -> Row:
    try:
        photo: Photo = open_photo(path, pipeline.settings)
        subjects = pipeline.detect(photo)
        result = pipeline.anonymize(photo, subjects, plan(subjects))
        report = export(result, target)
    except IdentiGenError as error:
        return Row(name, "unreadable" if isinstance(error, InputError) else "failed", None, str(error))
    people = sum(outcome.applied.value != "keep" for outcome in result.outcomes)
    status = "failed" if report.failed else "done"
    return Row(name, status, output, f"{people} of {len(subjects)} people changed", report.to_json())
