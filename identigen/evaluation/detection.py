"""How many faces and people are found, how many of those are none, and how many suit a new face.

Data is a folder with `faces.json` (`{"name.jpg": [[x1, y1, x2, y2], ...]}`), optionally COCO `annotations.json` with
polygons of persons, and the pictures beside them or in `images/`. The protocol is one-to-one and greedy, the surest
detection first, as in COCO and WIDER FACE. Every miss and every false one becomes a row: references are wrong at times.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import cv2
import numpy as np

from identigen import masks
from identigen.background.removal import removal_mask
from identigen.detection import Detector
from identigen.detection.pairing import box_iou
from identigen.errors import InputError
from identigen.photo import open_photo
from identigen.settings import Settings
from identigen.types import Box, Mask, Operation, Photo, Pixels, Subject, Window

FACE_IOU = 0.4
MASK_IOU = 0.5
MIN_PERSON_PX = 64
GATE_FACE_PX = 32.0
GATE_YAW = 45.0
_CELL = 220

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Row:
    """One disagreement between detector and reference."""

    photo: str
    kind: Literal["missed face", "false face", "missed person", "false person", "no new face"]
    box: Box
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one kind of thing in one photo or many."""

    reference: int = 0
    found: int = 0
    false: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.reference + other.reference, self.found + other.found, self.false + other.false)

    @property
    def recall(self) -> float:
        """Share of the reference that was found; 1 where there was nothing to find."""
        return self.found / self.reference if self.reference else 1.0

    @property
    def precision(self) -> float:
        """Share of the judged detections that are right; 1 where there was none."""
        judged = self.found + self.false
        return self.found / judged if judged else 1.0


@dataclass(frozen=True, slots=True)
class Outline:
    """How one person's outline fits: what a removal would leave of the person, and what it would take of the rest.

    `iou` compares the mask itself. `covered` is the share of the reference inside the mask as a removal grows it,
    `outside` the share of the mask, not grown, that shows somebody or something else.
    """

    iou: float
    covered: float
    outside: float


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """What people say is in one photo; `ignored` are persons too small, or crowds, that count neither way."""

    path: Path
    faces: tuple[Box, ...]
    people: tuple[Mask, ...] | None = None
    ignored: tuple[Mask, ...] = ()


def evaluate_detection(
    data: Path,
    *,
    settings: Settings,
    limit: int | None = None,
    sheet: Path | None = None,
    rows_file: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure recall, precision and the gate on a folder; print a table with every disagreement and return the figures.

    `limit` takes the first photos only; `sheet` saves a picture of all disagreements; `rows_file` saves them as JSON.
    Raises `InputError` when the folder holds no references.
    """
    detector = Detector(settings)
    detector.prepare(say)
    faces, people, gate = Tally(), Tally(), Tally()
    rows: list[Row] = []
    cells: list[Pixels] = []
    seconds: list[float] = []
    outlines: list[Outline] = []
    for reference in read_references(data)[:limit]:
        photo = open_photo(reference.path)
        started = time.perf_counter()
        subjects = detector.detect(photo)
        seconds.append(time.perf_counter() - started)
        name = reference.path.name
        face_tally, face_rows = score_faces(name, subjects, reference.faces)
        gate_tally, gate_rows = score_gate(name, subjects, reference.faces)
        person_tally, person_rows = score_people(name, subjects, reference)
        faces, people, gate = faces + face_tally, people + person_tally, gate + gate_tally
        outlines += score_outlines(photo, subjects, reference)
        here = [*face_rows, *gate_rows, *person_rows]
        rows += here
        if sheet is not None:
            cells += [_cell(photo, row) for row in here]
    if sheet is not None and cells:
        _save_sheet(sheet, cells)
    if rows_file is not None:
        rows_file.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    figures = {
        "photos": len(seconds),
        "models": list(detector.used_models),
        "faces": _figures(faces),
        "people": _figures(people),
        "outlines": _outline_figures(outlines),
        "gate": {"reference": gate.reference, "new_face": gate.found, "share": gate.recall},
        "seconds": {"median": float(np.median(seconds)), "longest": max(seconds)} if seconds else {},
        "rows": [asdict(row) for row in rows],
    }
    say(format_table(figures))
    return figures


def read_references(data: Path) -> list[Reference]:
    """Read a folder's references in the order of the file names."""
    try:
        faces: dict[str, list[Box]] = json.loads((data / "faces.json").read_text())
    except (OSError, ValueError):
        raise InputError(f"{data} holds no readable faces.json; name a folder like the one of the protocol.") from None
    annotations = data / "annotations.json"
    coco = json.loads(annotations.read_text()) if annotations.is_file() else None
    folder = data / "images" if (data / "images").is_dir() else data
    return [
        Reference(folder / name, tuple((b[0], b[1], b[2], b[3]) for b in faces[name]), *_people_of(name, coco))
        for name in sorted(faces)
    ]


def _people_of(name: str, coco: Mapping[str, Any] | None) -> tuple[tuple[Mask, ...] | None, tuple[Mask, ...]]:
    """The persons of one picture that count, and those that do not; None when nothing is known about persons."""
    picture = next((p for p in coco["images"] if p["file_name"] == name), None) if coco else None
    if picture is None or coco is None:
        return None, ()
    size = (int(picture["height"]), int(picture["width"]))
    counted: list[Mask] = []
    ignored: list[Mask] = []
    for entry in coco["annotations"]:
        if entry["image_id"] == picture["id"]:
            _, _, width, height = entry["bbox"]
            large = width > MIN_PERSON_PX and height > MIN_PERSON_PX
            (counted if large and not entry["iscrowd"] else ignored).append(_coco_mask(entry["segmentation"], size))
    return tuple(counted), tuple(ignored)


def _coco_mask(segmentation: Any, size: tuple[int, int]) -> Mask:
    if isinstance(segmentation, dict):
        return masks.from_rle(segmentation)
    return masks.union((masks.polygon(np.asarray(p, np.float32).reshape(-1, 2), size) for p in segmentation), size)


def match(
    found: Sequence[T], reference: Sequence[R], likeness: Callable[[T, R], float], least: float
) -> dict[int, int]:
    """Pair detections, the surest first, with the references that they resemble most; each is used once."""
    pairs: dict[int, int] = {}
    for i, one in enumerate(found):
        free = [(likeness(one, other), j) for j, other in enumerate(reference) if j not in pairs.values()]
        best, j = max(free, default=(0.0, -1))
        if best >= least:
            pairs[i] = j
    return pairs


def score_faces(name: str, subjects: Sequence[Subject], reference: Sequence[Box]) -> tuple[Tally, list[Row]]:
    """Compare the faces of one photo with the reference boxes."""
    found = sorted((s.face for s in subjects if s.face), key=lambda face: -face.score)
    pairs = match(found, reference, lambda face, box: box_iou(face.box, box), FACE_IOU)
    missed = [Row(name, "missed face", box) for j, box in enumerate(reference) if j not in pairs.values()]
    false = [
        Row(
            name,
            "false face",
            face.box,
            f"score {face.score:.2f}, {'with' if face.landmarks is not None else 'no'} landmarks",
        )
        for i, face in enumerate(found)
        if i not in pairs
    ]
    return Tally(len(reference), len(pairs), len(false)), missed + false


def score_gate(name: str, subjects: Sequence[Subject], reference: Sequence[Box]) -> tuple[Tally, list[Row]]:
    """Count the large, not too turned reference faces that are proposed a new face.

    The references have no yaw: ours is taken. A face whose landmarks, hence yaw, were not found counts against us.
    """
    rows, count = [], 0
    shown = [s for s in subjects if s.face]
    pairs = match(shown, reference, lambda s, box: box_iou(s.face.box, box) if s.face else 0.0, FACE_IOU)
    of_box = {j: shown[i] for i, j in pairs.items()}
    for j, box in enumerate(reference):
        subject = of_box.get(j)
        pose = subject.face.pose if subject and subject.face else None
        if np.sqrt((box[2] - box[0]) * (box[3] - box[1])) < GATE_FACE_PX or (pose and abs(pose.yaw) > GATE_YAW):
            continue
        count += 1
        if subject is None or subject.default_operation is not Operation.FACE:
            rows.append(Row(name, "no new face", box, subject.reason if subject else "not found"))
    return Tally(count, count - len(rows)), rows


def score_people(name: str, subjects: Sequence[Subject], reference: Reference) -> tuple[Tally, list[Row]]:
    """Compare the masks of one photo with the reference polygons; persons who do not count are no mistake either."""
    if reference.people is None:
        return Tally(), []
    ordered = sorted(subjects, key=lambda s: -s.score)
    pairs = match(ordered, reference.people, lambda s, mask: masks.iou(s.mask, mask), MASK_IOU)
    missed = [
        Row(name, "missed person", mask.window.box, f"best IoU {_best(mask, ordered):.2f}")
        for j, mask in enumerate(reference.people)
        if j not in pairs.values()
    ]
    false = [
        Row(name, "false person", s.box, f"score {s.score:.2f}, {'with' if s.face else 'no'} face")
        for i, s in enumerate(ordered)
        if i not in pairs and _is_large(s.mask.window) and not _is_ignored(s.mask, reference.ignored)
    ]
    return Tally(len(reference.people), len(pairs), len(false)), missed + false


def score_outlines(photo: Photo, subjects: Sequence[Subject], reference: Reference) -> list[Outline]:
    """How complete the outlines of those persons are that were found at all."""
    ordered = sorted(subjects, key=lambda s: -s.score)
    people = reference.people or ()
    outlines = []
    for i, j in match(ordered, people, lambda s, mask: masks.iou(s.mask, mask), MASK_IOU).items():
        subject, truth = ordered[i], people[j]
        gone = removal_mask(photo.pixels, subject, [other for other in ordered if other is not subject]).person
        covered = masks.intersect(gone, truth).area / truth.area
        outside = masks.subtract(subject.mask, truth).area / subject.mask.area
        outlines.append(Outline(masks.iou(subject.mask, truth), covered, outside))
    return outlines


def _outline_figures(outlines: Sequence[Outline]) -> dict[str, float]:
    if not outlines:
        return {}
    covered = [one.covered for one in outlines]
    return {
        "iou": float(np.mean([one.iou for one in outlines])),
        "covered": float(np.mean(covered)),
        "covered_worst_tenth": float(np.quantile(covered, 0.1)),
        "outside": float(np.mean([one.outside for one in outlines])),
    }


def _best(mask: Mask, subjects: Iterable[Subject]) -> float:
    return max((masks.iou(mask, s.mask) for s in subjects), default=0.0)


def _is_large(window: Window) -> bool:
    return window.width > MIN_PERSON_PX and window.height > MIN_PERSON_PX


def _is_ignored(mask: Mask, ignored: Sequence[Mask]) -> bool:
    """Whether a detection shows a person who does not count: the same small one, or a part of a crowd."""
    return any(
        masks.iou(mask, other) >= MASK_IOU or masks.intersect(mask, other).area > 0.5 * mask.area for other in ignored
    )


def _figures(tally: Tally) -> dict[str, float]:
    return asdict(tally) | {"recall": tally.recall, "precision": tally.precision}


def format_table(figures: Mapping[str, Any]) -> str:
    """The figures and every disagreement as text."""
    lines = [f"{figures['photos']} photos, models: {', '.join(figures['models'])}"]
    lines.append(f"{'':8}{'reference':>10}{'found':>8}{'false':>8}{'recall':>9}{'precision':>11}")
    for kind in ("faces", "people"):
        f = figures[kind]
        lines.append(f"{kind:8}{f['reference']:10}{f['found']:8}{f['false']:8}{f['recall']:9.3f}{f['precision']:11.3f}")
    if figures["outlines"]:
        lines.append(
            "outlines of the people found: IoU {iou:.3f}; a removal covers {covered:.3f} of a person "
            "(worst tenth {covered_worst_tenth:.3f}), {outside:.3f} of the mask lies outside".format(
                **figures["outlines"]
            )
        )
    gate = figures["gate"]
    lines.append(f"gate: {gate['new_face']} of {gate['reference']} get a new face ({100 * gate['share']:.1f} %)")
    if figures["seconds"]:
        lines.append("seconds a photo: median {median:.2f}, longest {longest:.2f}".format(**figures["seconds"]))
    for row in figures["rows"]:
        box = " ".join(f"{v:.0f}" for v in row["box"])
        lines.append(f"  {row['kind']:14} {row['photo']}  [{box}]  {row['note']}")
    return "\n".join(lines)


def _cell(photo: Photo, row: Row) -> Pixels:
    """The place of one disagreement, enlarged, with its box and a caption."""
    x1, y1, x2, y2 = row.box
    reach = 0.6 * max(x2 - x1, y2 - y1) + 8
    window = Window.around(row.box, photo.height, photo.width, reach)
    scale = _CELL / max(window.width, window.height, 1)
    part = cv2.resize(np.ascontiguousarray(photo.pixels[window.slices]), None, fx=scale, fy=scale)
    corners = [round(v) for v in ((x1 - window.left) * scale, (y1 - window.top) * scale)]
    ends = [round(v) for v in ((x2 - window.left) * scale, (y2 - window.top) * scale)]
    cell = np.full((_CELL + 34, _CELL + 6, 3), 255, np.uint8)
    cell[: part.shape[0], : part.shape[1]] = cv2.rectangle(part, corners, ends, (255, 0, 0), 2)
    for line, text in enumerate((f"{row.kind} {row.photo[-12:]}", row.note)):
        cv2.putText(
            cell, text[:34], (2, _CELL + 13 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA
        )
    return cell


def _save_sheet(path: Path, cells: Sequence[Pixels], columns: int = 6) -> None:
    blank = np.full_like(cells[0], 255)
    padded = [*cells, *[blank] * (-len(cells) % columns)]
    strips = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(strips)).save(path)
