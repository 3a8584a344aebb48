"""What new faces are worth: is it still the same person, is everything else kept, does the picture hold?

One face of each picture, the largest. Failures count against us: a face that was not found or not replaced is taken for
re-identified. The recogniser is the one inside the loop, so that its figures flatter; they are given without candidate
selection as well, where nothing was chosen by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.composite import paste
from identigen.crop import square_around
from identigen.errors import EngineError, InputError
from identigen.photo import open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.settings import Settings
from identigen.types import Bools, Edit, Floats, Operation, Outcome, Photo, Pixels, Subject
from identigen.verification import look_again

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
MISSED = 0.0  # distance of a face that was not replaced: nothing changed
TILE, ROWS = 256, 8

# Keys of the report's `kept` whose change is told.
_KEPT = ("yaw", "pitch", "gaze_x", "gaze_y", "mouth_openness", "eye_openness", "skin_tone_ita", "apparent_age")


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One face before and after; `first` is the distance of the first candidate, without any selection."""

    name: str
    person: str
    source: Floats
    after: Floats | None
    first: Floats | None
    found_again: bool
    outcome: Outcome | None
    sharpness: float
    tile: Pixels | None


def evaluate_identity(
    faces: Path, *, limit: int | None = None, sheet: Path | None = None, pipeline: Pipeline | None = None
) -> dict[str, Any]:
    """Give the largest face of each picture in `faces` a new identity; print a table and return it.

    `limit` draws that many pictures with seed 0; the gallery for re-identification stays the whole folder (its other
    pictures are read as portraits: one face that fills the frame). `sheet` is a folder for contact
    sheets, original above result. Raises `InputError` when the folder holds no pictures.
    """
    files = sorted(path for path in faces.glob("*") if path.suffix.lower() in SUFFIXES) if faces.is_dir() else []
    if not files:
        raise InputError(f"{faces} holds no pictures; give a folder of portraits.")
    chosen = set(range(len(files)))
    if limit is not None and limit < len(files):
        chosen = set(np.random.default_rng(0).permutation(len(files))[:limit].tolist())
    pipeline = pipeline or Pipeline(Settings.from_environment())
    gallery: list[tuple[str, Floats]] = []
    cases: list[Case] = []
    unseen = 0
    for number, path in enumerate(files):
        photo = open_photo(path)
        if number not in chosen:
            face = look_again(photo.pixels, (0.0, 0.0, float(photo.width), float(photo.height)))
            if face is not None:
                gallery.append((person_of(path), pipeline.recogniser.describe(photo.pixels, [face])[0]))
            continue
        subject = largest_face(pipeline.detect(photo))
        if subject is None or subject.face is None:
            unseen += 1
            continue
        source = pipeline.recogniser.describe(photo.pixels, [subject.face])[0]
        gallery.append((person_of(path), source))
        cases.append(measure_case(pipeline, photo, subject, source, path, keep_tile=sheet is not None))
    table = summary(cases, unseen, gallery)
    print(format_table(table))
    if sheet is not None:
        save_sheets(sheet, [case.tile for case in cases if case.tile is not None])
    return table


def person_of(path: Path) -> str:
    """Who is in `Name_0001.jpg`: everything before the number, or the whole stem."""
    return re.sub(r"[_-]\d+$", "", path.stem)


def largest_face(subjects: Sequence[Subject]) -> Subject | None:
    """The subject with the largest face, None when nobody shows one."""
    seen = [subject for subject in subjects if subject.face is not None]
    return max(seen, key=lambda subject: subject.face.size_px if subject.face else 0.0, default=None)


def measure_case(
    pipeline: Pipeline, photo: Photo, subject: Subject, source: Floats, path: Path, *, keep_tile: bool
) -> Case:
    """Replace one face by the whole pipeline, once more without selection, and measure both."""
    face = subject.face
    assert face is not None
    result = pipeline.anonymize(photo, [subject], make_plan([subject], Operation.FACE))
    outcome = result.outcomes[0]
    again = look_again(result.photo.pixels, face.box)
    replaced = outcome.applied is Operation.FACE
    return Case(
        name=path.name,
        person=person_of(path),
        source=source,
        after=pipeline.recogniser.describe(result.photo.pixels, [again])[0] if replaced and again else None,
        first=_first_candidate(pipeline, photo, subject),
        found_again=again is not None,
        outcome=outcome if replaced else None,
        sharpness=sharpness_ratio(photo.pixels, result.photo.pixels, outcome) if replaced else float("nan"),
        tile=_tile(photo.pixels, result.photo.pixels, subject) if keep_tile else None,
    )


def summary(cases: Sequence[Case], unseen: int, gallery: Sequence[tuple[str, Floats]]) -> dict[str, Any]:
    """All figures by name; `unseen` faces count as re-identified."""
    total = len(cases) + unseen
    people, vectors = np.array([name for name, _ in gallery]), np.array([vector for _, vector in gallery])
    done = [case for case in cases if case.outcome is not None]
    table: dict[str, Any] = {
        "pictures": total,
        "no face found": unseen,
        "new face": len(done) / max(total, 1),
        "rank-1, closed loop": (unseen + sum(is_hit(c.after, c.person, people, vectors) for c in cases))
        / max(total, 1),
        "rank-1, first candidate": (unseen + sum(is_hit(c.first, c.person, people, vectors) for c in cases))
        / max(total, 1),
        "distance, closed loop": _mean([distance(c.after, c.source) for c in cases]),
        "distance, first candidate": _mean([distance(c.first, c.source) for c in cases]),
        "found again": _mean([float(c.found_again) for c in cases]),
        "candidates": _mean([float(c.outcome.candidates_tried) for c in done if c.outcome]),
        "seconds": _mean([c.outcome.seconds for c in done if c.outcome]),
        "sharpness, median": float(np.nanmedian([c.sharpness for c in done])) if done else float("nan"),
    }
    for key in _KEPT:
        changes = [abs(_change(c.outcome, key)) for c in done if c.outcome and key in c.outcome.kept]
        table[f"{key}, median change"] = float(np.median(changes)) if changes else float("nan")
    return table


def is_hit(vector: Floats | None, person: str, people: np.ndarray[Any, Any], vectors: Floats) -> bool:
    """Whether the nearest original in the gallery is of the same person; a missing result counts as one."""
    if vector is None:
        return True
    return bool(people[np.linalg.norm(vectors - vector, axis=1).argmin()] == person)


def distance(vector: Floats | None, source: Floats) -> float:
    """Euclidean distance, 0 where there is no new face."""
    return MISSED if vector is None else float(np.linalg.norm(vector - source))


def sharpness_ratio(before: Pixels, after: Pixels, outcome: Outcome) -> float:
    """Laplacian energy of the new face over that of the old one, inside what changed."""
    w = outcome.changed.window
    inside = cv2.erode(outcome.changed.pixels.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    old, new = (_fine_energy(pixels[w.slices], inside) for pixels in (before, after))
    return new / max(old, 1e-6)


def format_table(table: dict[str, Any]) -> str:
    """One line for each figure."""
    width = max(len(name) for name in table)
    return "\n".join(
        f"{name:<{width}}  {value:.3f}" if isinstance(value, float) else f"{name:<{width}}  {value}"
        for name, value in table.items()
    )


def save_sheets(folder: Path, tiles: Sequence[Pixels]) -> None:
    """Write the pairs, original above result, as pictures of `ROWS` x 2 rows."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(tiles), ROWS * 4)):
        part = [*tiles[start : start + ROWS * 4]]
        part += [np.zeros_like(part[0])] * (-len(part) % ROWS)
        sheet = np.vstack([np.hstack(part[i : i + ROWS]) for i in range(0, len(part), ROWS)])
        Image.fromarray(sheet).save(folder / f"identity-{number:02d}.png")


def _first_candidate(pipeline: Pipeline, photo: Photo, subject: Subject) -> Floats | None:
    engine = next(e for e in pipeline.synthesisers if Operation.FACE in e.operations)
    face = subject.face
    assert face is not None
    try:
        candidate = next(engine.propose(photo.pixels, subject, Edit(subject.id, Operation.FACE), [0]))
    except EngineError:
        return None
    window, patch, _ = paste(photo.pixels, candidate)
    pixels = photo.pixels.copy()
    pixels[window.slices] = patch
    again = look_again(pixels, face.box)
    return None if again is None else pipeline.recogniser.describe(pixels, [again])[0]


def _change(outcome: Outcome, key: str) -> float:
    return float(outcome.kept[key]["after"]) - float(outcome.kept[key]["before"])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _fine_energy(pixels: Pixels, inside: Bools) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.Laplacian(grey, cv2.CV_32F)[inside]
    return float((fine**2).mean()) if fine.size else 0.0


def _tile(before: Pixels, after: Pixels, subject: Subject) -> Pixels:
    assert subject.face is not None
    crop = square_around(subject.face.box, 1.6, TILE)
    return np.vstack([crop.extract(before), crop.extract(after)])
