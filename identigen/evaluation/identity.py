"""What new faces are worth: is it still the same person, is everything else kept, does the picture hold?

The largest face of each picture, or everybody's. Failures count against us: a face that was not found or not replaced
is taken for re-identified. The recogniser is the one inside the loop, so that its figures flatter; they are given
without candidate selection as well, where nothing was chosen by it, and by the referee, where its weights are here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.composite import paste
from identigen.crop import square_around
from identigen.detection.bundled import sight_faces
from identigen.detection.pairing import same_face
from identigen.errors import EngineError, InputError
from identigen.evaluation.blind import write_portraits
from identigen.models import asset
from identigen.photo import open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.recognition import Recogniser
from identigen.recognition.attributes import read_attributes
from identigen.recognition.groups import AGES, TONES, group_of
from identigen.recognition.sface import referee
from identigen.report import Result
from identigen.settings import Settings
from identigen.types import Bools, Edit, Face, Floats, Operation, Outcome, Photo, Pixels, Subject, Window
from identigen.verification import look_again

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
MISSED = 0.0  # distance of a face that was not replaced: nothing changed
SHEET, ENLARGED, LARGEST = 2048, 2.0, 512  # edge of a contact sheet; by how much faces are enlarged; largest tile
SMALLEST = 24.0  # pixels of a face: below, nobody is promised a new one
DETECTORS = ("centerface", "blazeface-short-range")

# What the report's `kept` tells: how its change is summed up, and over which keys.
_SPACE = {"head pose": ("yaw", "pitch"), "gaze": ("gaze_x", "gaze_y")}
_MEANS = {"mouth": "mouth_openness", "eyes": "eye_openness"}
_MEDIANS = {"skin tone, ITA": "skin_tone_ita", "apparent age": "apparent_age", "femininity": "femininity"}


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One face before and after.

    `source`, `after`, `first` (the first candidate, without any selection) and `again` (another seed) are descriptors
    `(128,)`; `refereed` are those of the original and the result by a recogniser that had no say. `seen` tells for each
    of `DETECTORS` that saw the original whether it sees the result. `reason` says why there is no new face.
    """

    name: str
    person: str
    tone: float
    age: float
    source: Floats
    after: Floats | None
    first: Floats | None
    again: Floats | None
    seen: Mapping[str, bool]
    outcome: Outcome | None
    sharpness: float
    noise: float
    tile: Pixels | None
    reason: str = ""
    refereed: tuple[Floats, Floats | None] | None = None


def evaluate_identity(
    faces: Path,
    *,
    limit: int | None = None,
    held_out: bool = False,
    everybody: bool = False,
    sheet: Path | None = None,
    blind: Path | None = None,
    groups: Path | None = None,
    pipeline: Pipeline | None = None,
) -> dict[str, Any]:
    """Give people in the pictures of `faces` new identities; print a table and return it.

    `limit` draws that many pictures with seed 0; the gallery for re-identification stays the whole folder (its other
    pictures are read as portraits: one face that fills the frame). `held_out` takes only the pictures that the shipped
    model was not taught. `everybody` means all faces of at least 24 px, not only the largest of each picture. `sheet`
    is a folder for contact sheets, original above result, at 200 %; `blind` one for portraits as large, untouched or
    with a new face, to be judged by eye (see `write_portraits`); `groups` a file for the figures by skin tone and
    apparent age, of the kind that the pipeline reads from `assets/models/groups.json`. Raises `InputError` when
    the folder holds no such pictures.
    """
    files = sorted(path for path in faces.glob("*") if path.suffix.lower() in SUFFIXES) if faces.is_dir() else []
    if held_out:
        untaught = set(json.loads(asset("models/training.json").read_text(encoding="utf-8"))["held_out"])
        files = [path for path in files if path.name in untaught]
    if not files:
        raise InputError(f"{faces} holds no pictures to evaluate; give a folder of portraits.")
    chosen = set(range(len(files)))
    if limit is not None and limit < len(files):
        chosen = set(np.random.default_rng(0).permutation(len(files))[:limit].tolist())
    pipeline = pipeline or Pipeline(Settings.from_environment())
    judge = referee(pipeline.settings)
    gallery: list[tuple[str, Floats]] = []
    refereed: list[tuple[str, Floats]] = []
    cases: list[Case] = []
    unseen = 0
    for number, path in enumerate(files):
        photo = open_photo(path)
        if number not in chosen:
            face = look_again(photo.pixels, (0.0, 0.0, float(photo.width), float(photo.height)))
            if face is not None:
                gallery.append((person_of(path), pipeline.recogniser.describe(photo.pixels, [face])[0]))
                if judge is not None:
                    refereed.append((person_of(path), judge.describe(photo.pixels, [face])[0]))
            continue
        subjects = pipeline.detect(photo)
        people = readable(subjects) if everybody else [s for s in [largest_face(subjects)] if s is not None]
        unseen += not people
        found = measure_cases(pipeline, photo, people, path, keep_tile=sheet is not None or blind is not None)
        gallery += [(case.person, case.source) for case in found]
        refereed += [(case.person, case.refereed[0]) for case in found if case.refereed is not None]
        cases += found
    table = summary(cases, unseen, gallery, refereed)
    print(format_table(table))
    if judge is None:
        print("\nNo recogniser from outside the loop is here; `identigen models pull sface` gets one.")
    figures = {
        "skin tone": by_group(cases, TONES, lambda case: case.tone),
        "apparent age": by_group(cases, AGES, lambda case: case.age),
    }
    for title, rows in figures.items():
        print(f"\n{format_groups(title, rows)}")
    without = [case for case in cases if case.outcome is None]
    print("".join(f"\nno new face: {case.name}: {case.reason}" for case in without))
    known = [case for case in cases if case.outcome and is_hit(case.after, case.person, *_as_arrays(gallery))]
    print("".join(f"\nknown again: {case.name}" for case in known))
    if groups is not None:
        rounded = json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 3))
        groups.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    if sheet is not None:
        save_sheets(sheet, [_labelled(case.tile, case.name) for case in cases if case.tile is not None])
    if blind is not None:
        new = {case.name: case.tile for case in cases if case.tile is not None and case.outcome is not None}
        print(f"\n\nJudge the pictures in {blind} first; which were changed tells {write_portraits(new, blind)}.")
    return table


def person_of(path: Path) -> str:
    """Who is in `Name_0001.jpg`: everything before the number, or the whole stem."""
    return re.sub(r"[_-]\d+$", "", path.stem)


def largest_face(subjects: Sequence[Subject]) -> Subject | None:
    """The subject with the largest face, None when nobody shows one."""
    seen = [subject for subject in subjects if subject.face is not None]
    return max(seen, key=lambda subject: subject.face.size_px if subject.face else 0.0, default=None)


def readable(subjects: Sequence[Subject]) -> list[Subject]:
    """Everybody whose face the gate would replace and that is large enough to judge."""
    return [s for s in subjects if s.default_operation is Operation.FACE and s.face and s.face.size_px >= SMALLEST]


def measure_cases(
    pipeline: Pipeline, photo: Photo, people: Sequence[Subject], path: Path, *, keep_tile: bool
) -> list[Case]:
    """Replace faces by the whole pipeline, once more with another seed and without selection, and measure all."""
    if not people:
        return []
    results = [pipeline.anonymize(photo, people, make_plan(people, Operation.FACE, seed=seed)) for seed in (0, 1)]
    cases = []
    for subject in people:
        face = subject.face
        assert face is not None
        after, again = (_replaced(pipeline.recogniser, result, subject) for result in results)
        outcome = next(o for o in results[0].outcomes if o.subject_id == subject.id)
        done = outcome.applied is Operation.FACE
        pixels = results[0].photo.pixels
        source = pipeline.recogniser.describe(photo.pixels, [face])[0]
        before = read_attributes(photo.pixels, face, source) if face.landmarks is not None else None
        cases.append(
            Case(
                name=f"{path.name} {subject.id}",
                person=person_of(path) if len(people) == 1 else f"{path.stem} {subject.id}",
                tone=before.tone if before else float("nan"),
                age=before.age if before else float("nan"),
                source=source,
                after=after,
                first=_first_candidate(pipeline, photo, subject),
                again=again,
                seen=seen_again(photo.pixels, pixels, face) if done else {},
                outcome=outcome if done else None,
                sharpness=energy_ratio(_fine_energy, photo.pixels, pixels, outcome) if done else float("nan"),
                noise=energy_ratio(_noise, photo.pixels, pixels, outcome) if done else float("nan"),
                tile=_tile(photo.pixels, pixels, subject) if keep_tile else None,
                reason="" if done else outcome.reason,
                refereed=_refereed(pipeline, photo, results[0], subject, face),
            )
        )
    return cases


def summary(
    cases: Sequence[Case],
    unseen: int,
    gallery: Sequence[tuple[str, Floats]],
    refereed: Sequence[tuple[str, Floats]] = (),
) -> dict[str, Any]:
    """All figures by name; `unseen` pictures count as re-identified. `refereed` is the gallery for the referee."""
    total = len(cases) + unseen
    people, vectors = _as_arrays(gallery)
    done = [case for case in cases if case.outcome is not None]
    hits = (unseen + sum(is_hit(c.after, c.person, people, vectors) for c in cases)) / max(total, 1)
    hits_first = (unseen + sum(is_hit(c.first, c.person, people, vectors) for c in cases)) / max(total, 1)
    apart = [distance(c.again, c.after) for c in done if c.after is not None and c.again is not None]
    table: dict[str, Any] = {
        "faces": total,
        "no face found": unseen,
        "new face": len(done) / max(total, 1),
        "rank-1, closed loop": hits,
        "rank-1, first candidate": hits_first,
        "distance, closed loop": _mean(distance(c.after, c.source) for c in cases),
        "distance, first candidate": _mean(distance(c.first, c.source) for c in cases),
        "distance of two seeds, median": _median(apart),
        "distance of two people in a photo, least": min(_within_photos(done), default=float("nan")),
    }
    if refereed:
        known = _as_arrays(refereed)
        judged = [is_hit(case.refereed[1], case.person, *known) for case in cases if case.refereed is not None]
        table["rank-1 by the referee, closed loop"] = (unseen + sum(judged)) / max(total, 1)
    for detector in DETECTORS:
        table[f"found again by {detector}"] = _mean(float(c.seen[detector]) for c in done if detector in c.seen)
    for name, keys in _SPACE.items():
        changes = [float(np.linalg.norm([_change(c.outcome, key) for key in keys])) for c in done if c.outcome]
        table[f"{name}, median"] = _median(changes)
        table[f"{name}, 95 %"] = float(np.percentile(changes, 95)) if changes else float("nan")
    for name, key in _MEANS.items():
        table[f"{name}, mean error"] = _mean(abs(_change(c.outcome, key)) for c in done if c.outcome)
    for name, key in _MEDIANS.items():
        table[f"{name}, median change"] = _median(abs(_change(c.outcome, key)) for c in done if c.outcome)
    return table | {
        "sharpness, median": _median(c.sharpness for c in done),
        "noise, median": _median(c.noise for c in done),
        "candidates": _mean(float(c.outcome.candidates_tried) for c in done if c.outcome),
        "seconds": _mean(c.outcome.seconds for c in done if c.outcome),
    }


def by_group(
    cases: Sequence[Case], cut: Sequence[tuple[str, float]], read: Callable[[Case], float]
) -> dict[str, dict[str, float]]:
    """The figures that shall not depend on who somebody is, for each group that is there."""
    groups: dict[str, list[Case]] = {name: [] for name, _ in cut}
    for case in cases:
        name = group_of(read(case), cut)
        if name is not None:
            groups[name].append(case)
    figures = {}
    for name, group in groups.items():
        done = [case for case in group if case.outcome is not None]
        if group:
            figures[name] = {
                "faces": float(len(group)),
                "new face": len(done) / len(group),
                "distance": _mean(distance(c.after, c.source) for c in done),
                "candidates": _mean(float(c.outcome.candidates_tried) for c in done if c.outcome),
                "tone": _median(abs(_change(c.outcome, "skin_tone_ita")) for c in done if c.outcome),
                "age": _median(abs(_change(c.outcome, "apparent_age")) for c in done if c.outcome),
            }
    return figures


def _as_arrays(gallery: Sequence[tuple[str, Floats]]) -> tuple[np.ndarray[Any, Any], Floats]:
    """Names `(n,)` and descriptors `(n, 128)`."""
    return np.array([name for name, _ in gallery]), np.array([vector for _, vector in gallery])


def _within_photos(cases: Sequence[Case]) -> Iterator[float]:
    """Distances between the new faces of every two people of one picture."""
    for one, two in combinations(cases, 2):
        if one.name.rpartition(" ")[0] == two.name.rpartition(" ")[0] and one.after is not None:
            yield distance(two.after, one.after)


def is_hit(vector: Floats | None, person: str, people: np.ndarray[Any, Any], vectors: Floats) -> bool:
    """Whether the nearest original in the gallery is of the same person; a missing result counts as one."""
    if vector is None:
        return True
    return bool(people[np.linalg.norm(vectors - vector, axis=1).argmin()] == person)


def distance(vector: Floats | None, source: Floats) -> float:
    """Euclidean distance, 0 where there is no new face."""
    return MISSED if vector is None else float(np.linalg.norm(vector - source))


def seen_again(before: Pixels, after: Pixels, face: Face) -> dict[str, bool]:
    """For each detector that sees the face in `before`: whether it sees one at that place in `after`."""
    window = Window.around(face.box, before.shape[0], before.shape[1], margin=0.8 * face.size_px)
    x1, y1, x2, y2 = face.box
    place = (x1 - window.left, y1 - window.top, x2 - window.left, y2 - window.top)
    old, new = (
        {sighting.detector for sighting in sight_faces(pixels) if same_face(sighting.box, place)}
        for pixels in (np.ascontiguousarray(picture[window.slices]) for picture in (before, after))
    )
    return {name: name in new for name in DETECTORS if name in old}


def energy_ratio(energy: Callable[[Pixels, Bools], float], before: Pixels, after: Pixels, outcome: Outcome) -> float:
    """An energy of the new face over that of the old one; the ring around both is the same, so it cancels out."""
    w = outcome.changed.window
    inside = cv2.erode(outcome.changed.pixels.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    old, new = (energy(np.ascontiguousarray(pixels[w.slices]), inside) for pixels in (before, after))
    return new / max(old, 1e-6)


def format_table(table: Mapping[str, Any]) -> str:
    """One line for each figure."""
    width = max(len(name) for name in table)
    return "\n".join(
        f"{name:<{width}}  {value:.3f}" if isinstance(value, float) else f"{name:<{width}}  {value}"
        for name, value in table.items()
    )


def format_groups(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """A table with a line for each group."""
    keys = list(next(iter(groups.values()), {}))
    lines = [f"{title:<14}" + "".join(f"{key:>12}" for key in keys)]
    return "\n".join(
        [*lines, *(f"{name:<14}" + "".join(f"{row[key]:12.3f}" for key in keys) for name, row in groups.items())]
    )


def save_sheets(folder: Path, tiles: Sequence[Pixels]) -> None:
    """Write tiles `(h, w, 3)` to sheets of `SHEET` pixels an edge, from the smallest to the largest, row by row."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    sheets: list[Pixels] = []
    x = y = tallest = SHEET
    for tile in sorted(tiles, key=lambda tile: tile.shape[1]):
        height, width = tile.shape[:2]
        if x + width > SHEET:
            x, y, tallest = 0, y + tallest, 0
        if y + height > SHEET:
            sheets.append(np.zeros((SHEET, SHEET, 3), np.uint8))
            x = y = tallest = 0
        sheets[-1][y : y + height, x : x + width] = tile
        x, tallest = x + width, max(tallest, height)
    for number, sheet in enumerate(sheets):
        Image.fromarray(sheet).save(folder / f"identity-{number:02d}.png")


def _replaced(recogniser: Recogniser, result: Result, subject: Subject) -> Floats | None:
    """The descriptor of a subject's new face, None where there is none."""
    assert subject.face is not None
    pixels = result.photo.pixels
    outcome = next(o for o in result.outcomes if o.subject_id == subject.id)
    face = look_again(pixels, subject.face.box) if outcome.applied is Operation.FACE else None
    return None if face is None else recogniser.describe(pixels, [face])[0]


def _refereed(
    pipeline: Pipeline, photo: Photo, result: Result, subject: Subject, face: Face
) -> tuple[Floats, Floats | None] | None:
    judge = referee(pipeline.settings)
    if judge is None:
        return None
    return judge.describe(photo.pixels, [face])[0], _replaced(judge, result, subject)


def _first_candidate(pipeline: Pipeline, photo: Photo, subject: Subject) -> Floats | None:
    engine = next(e for e in pipeline.synthesisers if Operation.FACE in e.operations)
    face = subject.face
    assert face is not None
    try:
        candidate = next(iter(engine.propose(photo.pixels, subject, Edit(subject.id, Operation.FACE), [0])))
        candidate = engine.finish(photo.pixels, subject, candidate)
    except EngineError:
        return None
    window, patch, _ = paste(photo.pixels, candidate)
    pixels = photo.pixels.copy()
    pixels[window.slices] = patch
    again = look_again(pixels, face.box)
    return None if again is None else pipeline.recogniser.describe(pixels, [again])[0]


def _change(outcome: Outcome | None, key: str) -> float:
    kept = outcome.kept.get(key) if outcome else None
    return float(kept["after"]) - float(kept["before"]) if kept else float("nan")


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")


def _fine_energy(pixels: Pixels, inside: Bools) -> float:
    """Mean absolute Laplacian: edges and texture."""
    fine = cv2.Laplacian(_grey(pixels), cv2.CV_32F)[inside]
    return float(np.abs(fine).mean()) if fine.size else 0.0


def _noise(pixels: Pixels, inside: Bools) -> float:
    """Grain (Immerkær 1996), by the median so that edges have no say."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    fine = cv2.filter2D(_grey(pixels), cv2.CV_32F, kernel)[inside]
    return float(np.median(np.abs(fine))) if fine.size else 0.0


def _grey(pixels: Pixels) -> Floats:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)


def _tile(before: Pixels, after: Pixels, subject: Subject) -> Pixels:
    """The face before and, below, after, `ENLARGED` times its size in the photo."""
    assert subject.face is not None
    around = square_around(subject.face.box, 1.6, 1)
    crop = square_around(subject.face.box, 1.6, min(LARGEST, round(ENLARGED * around.window.width)))
    return np.ascontiguousarray(np.vstack([crop.extract(before), crop.extract(after)]))


def _labelled(tile: Pixels, name: str) -> Pixels:
    """A tile with its name in a corner."""
    out = tile.copy()
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, name[-20:], (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, width, cv2.LINE_AA)
    return out
