"""Remove everybody from photos, each for themselves, and look again: is somebody still seen, is the fill as sharp?

The detector looks at the whole result as if it were a new photo. Somebody counts as still there where more than half of
a found person, or the centre of a found face, lies in the filled region. Whether the report of the removal says so is
counted as well: a failure that is told can be mended, one that is not is a broken promise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen import masks
from identigen.errors import InputError
from identigen.evaluation.background import SCENE_SUFFIXES, laplacian_energies, save_sheet
from identigen.photo import open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.types import Mask, Operation, Outcome, Photo, Pixels, Subject, Window

FLAT = 1.0
"""Laplacian energy in grey levels below which surroundings, a studio's white wall, have nothing that could be sharp."""
LEAST_RING = 0.2
"""Share of the ring that must be background: the chinks of a crowd are the outlines of people, not surroundings."""
LEAST_SHARPNESS, MOST_SHARPNESS = 0.6, 1.4


@dataclass(frozen=True, slots=True)
class Removal:
    """One person taken out of one photo."""

    photo: str
    subject_id: int
    applied: str
    """`remove`, or the cover that was put there instead."""
    seen: str
    """What the detector takes for a person in the filled place; empty when there is nobody."""
    said: str
    """What the report says went wrong."""
    sharpness: float
    """Laplacian energy of the fill over that of the ring around it, people left out; 1 is like the surroundings."""
    share: float
    """Of the photo that was filled."""
    seconds: float


def evaluate_removal(
    photos: Sequence[Path], *, pipeline: Pipeline | None = None, limit: int | None = None, sheet: Path | None = None
) -> dict[str, Any]:
    """Remove each person of each photo (files or folders) on their own; print a row for each and a summary.

    `limit` takes only the largest people of each photo; `sheet` is a picture file for crops before and after. Returns
    `{"removals": [...], "summary": {...}}`. Raises `InputError` when there are no photos.
    """
    pipeline = pipeline or Pipeline()
    removals: list[Removal] = []
    rows: list[Pixels] = []
    for path in _files(photos):
        photo = open_photo(path)
        subjects = pipeline.detect(photo)
        largest = sorted(subjects, key=lambda subject: subject.mask.area, reverse=True)[:limit]
        for subject in sorted(largest, key=lambda subject: subject.id):
            removal, outcome, after = _remove(pipeline, photo, subjects, subject)
            print(format_row(removal), flush=True)
            removals.append(removal)
            if sheet is not None:
                rows.append(_before_and_after(photo.pixels, after, outcome.changed))
    summary = summarise(removals)
    print("\n".join(f"{name}: {value}" for name, value in summary.items()))
    if sheet is not None and rows:
        save_sheet(sheet, rows, ["before", "filled", "after"])
    return {"removals": [asdict(removal) for removal in removals], "summary": summary}


def _files(photos: Sequence[Path]) -> Iterator[Path]:
    found = [
        path
        for given in photos
        for path in (
            sorted(p for p in given.glob("*") if p.suffix.lower() in SCENE_SUFFIXES) if given.is_dir() else [given]
        )
    ]
    if not found:
        raise InputError(f"{', '.join(map(str, photos))} holds no pictures; give photos of people, or folders of them.")
    yield from found


def _remove(
    pipeline: Pipeline, photo: Photo, subjects: Sequence[Subject], subject: Subject
) -> tuple[Removal, Outcome, Pixels]:
    start = time.perf_counter()
    result = pipeline.anonymize(photo, subjects, make_plan(subjects, Operation.REMOVE, {subject.id}))
    seconds = time.perf_counter() - start
    outcome = next(outcome for outcome in result.outcomes if outcome.subject_id == subject.id)
    after = result.photo.pixels
    others = masks.union([other.mask for other in subjects if other.id != subject.id], outcome.changed.photo_size)
    removal = Removal(
        photo.source_name,
        subject.id,
        outcome.applied.value,
        who_is_seen(pipeline, after, outcome.changed),
        outcome.reason,
        ring_sharpness(after, outcome.changed, others),
        outcome.changed.area / (photo.width * photo.height),
        seconds,
    )
    return removal, outcome, after


def who_is_seen(pipeline: Pipeline, pixels: Pixels, filled: Mask) -> str:
    """What the detector, looking at the whole picture, takes for a person in the filled region."""
    for face in pipeline.detector.find_faces(pixels):
        x1, y1, x2, y2 = face.box
        if filled.contains(((x1 + x2) / 2, (y1 + y2) / 2)):
            return "a face"
    whole = Window(0, 0, pixels.shape[1], pixels.shape[0])
    people = pipeline.detector.find_people(pixels, whole)
    return "a person" if any(masks.intersect(mask, filled).area > 0.5 * mask.area for mask in people) else ""


def ring_sharpness(pixels: Pixels, filled: Mask, others: Mask) -> float:
    """Laplacian energy of a filled region over that of the background around it; the outlines of others do not count.

    NaN where there is nothing to compare with: hardly anything but other people, or a surface without any texture.
    """
    if not filled.area:
        return float("nan")
    width = max(12, round(0.08 * min(filled.window.width, filled.window.height)))
    window = Window.around(filled.window.box, *filled.photo_size, margin=width + 2)
    near_others = masks.grow(others, 4).within(window)
    inside = filled.within(window) & ~near_others
    ring = masks.subtract(masks.grow(filled, width), filled).within(window)
    if not inside.any() or (ring & ~near_others).sum() < LEAST_RING * ring.sum():
        return float("nan")
    inner, outer = laplacian_energies(pixels[window.slices], inside, near_others, width)
    return inner / outer if outer >= FLAT else float("nan")


def summarise(removals: Sequence[Removal]) -> dict[str, Any]:
    """The figures of the bars."""
    removed = [removal for removal in removals if removal.applied == Operation.REMOVE.value]
    measured = [removal.sharpness for removal in removed if np.isfinite(removal.sharpness)]
    return {
        "people": len(removals),
        "removed": len(removed),
        "covered instead": len(removals) - len(removed),
        "nobody seen": sum(not removal.seen for removal in removed),
        "seen and said": sum(bool(removal.seen and removal.said) for removal in removed),
        "seen and not said": sum(bool(removal.seen and not removal.said) for removal in removed),
        "median sharpness": round(float(np.median(measured)), 3) if measured else None,
        f"sharpness {LEAST_SHARPNESS}-{MOST_SHARPNESS}": sum(
            LEAST_SHARPNESS <= value <= MOST_SHARPNESS for value in measured
        ),
        "too flat, or nobody but people around, to compare": len(removed) - len(measured),
        "median seconds": round(float(np.median([removal.seconds for removal in removals])), 2) if removals else None,
    }


def format_row(removal: Removal) -> str:
    """One line for a person."""
    return (
        f"{removal.photo[:28]:<28} {removal.subject_id:>3} {removal.applied:<8} {removal.share:>6.1%} "
        f"sharp {removal.sharpness:>5.2f} {removal.seconds:>6.1f} s  {removal.seen or '-':<9} {removal.said}"
    ).rstrip()


def _before_and_after(before: Pixels, after: Pixels, changed: Mask) -> Pixels:
    """The place before, with the filled region marked, and after, 320 pixels high."""
    w = changed.window
    window = Window.around(w.box, *changed.photo_size, margin=0.3 * max(w.width, w.height))
    marked = before[window.slices].copy()
    marked[changed.within(window)] = (255, 0, 255)
    size = (max(1, round(320 * window.width / max(1, window.height))), 320)
    parts = (before[window.slices], marked, after[window.slices])
    return np.hstack([cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts])
