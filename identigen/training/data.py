"""The training faces: read, measured once, near-duplicates removed, every tenth held out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from identigen.errors import InputError
from identigen.landmarks import face_box, find_landmarks
from identigen.recognition import default_recogniser
from identigen.types import Bools, Box, Face, Floats, Pixels

ALIGNED_BOX: Box = (60.0, 70.0, 196.0, 236.0)  # where an FFHQ-aligned picture of 256 px has its face
DUPLICATE_DISTANCE = 0.25
LABELS = Path(__file__).with_name("labels.csv")


@dataclass(frozen=True, eq=False)
class Faces:
    """`n` measured faces: `files`, `landmarks` `(n, 478, 3)`, `embeddings` `(n, 128)` and who is `held_out` `(n,)`."""

    folder: Path
    files: tuple[str, ...]
    landmarks: Floats
    embeddings: Floats
    held_out: Bools
    listed: int

    def pixels(self, index: int) -> Pixels:
        return read_picture(self.folder / self.files[index])


@dataclass(frozen=True, slots=True)
class Label:
    """What was seen in a face: apparent age in years, gender presentation, glasses, beard (0 none, 1 some, 2 full)."""

    age: float
    feminine: bool
    glasses: str
    beard: int


def read_picture(path: Path) -> Pixels:
    """RGB pixels of a picture file."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def measure(folder: Path, cache: Path) -> Faces:
    """Find landmarks and descriptors of every face that `index.csv` lists (cached in `cache`), then clean the list."""
    listed = _listed(folder)
    if not cache.is_file():
        files, points, vectors = [], [], []
        for name, landmarks, vector in _measure_each(folder, listed):
            files.append(name)
            points.append(landmarks)
            vectors.append(vector)
        np.savez(cache, files=np.array(files), landmarks=np.array(points), embeddings=np.array(vectors))
    with np.load(cache) as stored:
        files = [str(name) for name in stored["files"]]
        points, vectors = stored["landmarks"], stored["embeddings"]
    keep = without_duplicates(vectors)
    held_out = np.zeros(len(keep), bool)
    held_out[9::10] = True
    return Faces(folder, tuple(files[i] for i in keep), points[keep], vectors[keep], held_out, len(listed))


def without_duplicates(vectors: Floats, distance: float = DUPLICATE_DISTANCE) -> npt.NDArray[np.intp]:
    """Indices of faces none of which is nearer than `distance` to an earlier one that stays."""
    kept: list[int] = []
    for i, vector in enumerate(vectors):
        if not kept or np.linalg.norm(vectors[kept] - vector, axis=1).min() >= distance:
            kept.append(i)
    return np.array(kept, np.intp)


def read_labels(path: Path = LABELS) -> dict[str, Label]:
    """The hand-made labels by file name."""
    with path.open(newline="") as stream:
        return {
            row["file"]: Label(float(row["age"]), row["gender"] == "f", row["glasses"], int(row["beard"]))
            for row in csv.DictReader(stream)
        }


def _listed(folder: Path) -> list[str]:
    index = folder / "index.csv"
    if not index.is_file():
        raise InputError(f"{folder} holds no index.csv; give the folder of training faces.")
    with index.open(newline="") as stream:
        names = [row["file"] for row in csv.DictReader(stream)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{len(missing)} faces of {index} are missing, first {missing[0]}; get the folder again.")
    return names


def _measure_each(folder: Path, names: list[str]) -> Iterator[tuple[str, Floats, Floats]]:
    recogniser = default_recogniser()
    for count, name in enumerate(names):
        pixels = read_picture(folder / name)
        points = find_landmarks(pixels, ALIGNED_BOX)
        if count % 200 == 0:
            print(f"measured {count} of {len(names)} faces", flush=True)
        if points is not None:
            yield name, points, recogniser.describe(pixels, [Face(face_box(points), points)])[0]
