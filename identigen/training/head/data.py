"""Heads to learn from: pictures, masks, keypoints and traits, measured once and small enough to be carried about."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from identigen.errors import InputError
from identigen.identity.head import SIDE, Traits, hair_traits, inner_face, keypoints
from identigen.landmarks import face_box
from identigen.synthesis import regions
from identigen.training.data import Faces, measure, read_picture
from identigen.types import Bools, Face, Floats, Mask, Pixels, Subject, Window

REGIONS = ("person", "face", "inner", "hair")
CORE = 0.6
"""Of the inner face, so much must lie in the outline of the person."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Heads:
    """`n` heads: `files`, `regions` `(n, 4, 256, 256)` (see `REGIONS`), `keypoints` `(n, 4, 2)` in sides, `traits`."""

    folder: Path
    files: tuple[str, ...]
    held_out: Bools
    regions: Bools
    keypoints: Floats
    traits: Floats

    def subset(self, rows: npt.NDArray[np.intp]) -> Heads:
        """Only the heads `rows`."""
        return Heads(
            self.folder,
            tuple(self.files[i] for i in rows),
            self.held_out[rows],
            self.regions[rows],
            self.keypoints[rows],
            self.traits[rows],
        )

    def read_traits(self) -> Traits:
        """The table of traits that travels with the weights."""
        return Traits(self.traits, self.traits.mean(0), self.traits.std(0) + 1e-6)

    def channels(self, side: int) -> Bytes:
        """Pictures and regions as `(n, 7, side, side)`, 0..255: RGB, then `REGIONS`."""
        out = np.empty((len(self.files), 3 + len(REGIONS), side, side), np.uint8)

        def fill(i: int) -> None:
            picture = _scaled(read_picture(self.folder / self.files[i]), side)
            inside = _scaled(np.where(np.moveaxis(self.regions[i], 0, -1), 255, 0).astype(np.uint8), side)
            out[i] = np.moveaxis(np.concatenate([picture, inside], axis=-1), -1, 0)

        with ThreadPoolExecutor() as pool:
            list(pool.map(fill, range(len(out))))
        return out


def prepare(folder: Path, work: Path) -> Heads:
    """Measure all heads of `folder`, or read what `work` holds of an earlier time.

    The same faces as for the appearance model: near-duplicates are removed and the same tenth is held out. Only the
    measuring needs the detectors; where `heads.npz` was carried along, torch and diffusers are enough.
    """
    stored = work / "heads.npz"
    if not stored.is_file():
        work.mkdir(parents=True, exist_ok=True)
        store(_measure(measure(folder, work / "measured.npz")), stored)
    with np.load(stored) as data:
        count = len(data["files"])
        regions_ = np.unpackbits(data["regions"], axis=-1).reshape(count, len(REGIONS), SIDE, SIDE).astype(bool)
        heads = Heads(
            folder,
            tuple(str(name) for name in data["files"]),
            data["held_out"],
            regions_,
            data["keypoints"],
            data["traits"],
        )
    missing = [name for name in heads.files if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} lacks {len(missing)} pictures that {stored} names, first {missing[0]}.")
    return heads


def _measure(faces: Faces) -> Heads:
    """Heads in which a person is seen; the rest is left out."""
    from identigen.recognition.attributes import load_axes, skin_tone

    axes, kept, drawn, told = load_axes(), [], [], []
    for i in range(len(faces.files)):
        if i % 200 == 0:
            print(f"outlined {i} of {len(faces.files)} heads", flush=True)
        pixels, points = faces.pixels(i), faces.landmarks[i]
        person = _person(pixels, points)
        if person is None or pixels.shape != (SIDE, SIDE, 3):
            continue
        region = head_regions(person, points)
        kept.append(i)
        drawn.append(region)
        hair = hair_traits(pixels, region[3], region[1], points)
        told.append([*hair, *(axes.weights @ faces.embeddings[i] + axes.bias), skin_tone(pixels, points)])
    rows = np.array(kept, np.intp)
    points_ = np.array([keypoints(faces.landmarks[i]) / SIDE for i in rows], np.float32)
    return Heads(
        faces.folder,
        tuple(faces.files[i] for i in rows),
        faces.held_out[rows],
        np.array(drawn, bool),
        points_,
        np.array(told, np.float32),
    )


def head_regions(person: Mask, points: Floats) -> Bools:
    """`REGIONS` `(4, h, w)` of a picture with one person: the same outlines as when a photo is worked on."""
    size = person.photo_size
    face = Face(face_box(points), points)
    subject = Subject(1, person.window.box, person, face)
    parts = (
        person,
        regions.face_oval(face, size),
        inner_face(points, size),
        regions.hair_above(subject, size),
    )
    return np.array([part.to_array() for part in parts])


def _person(pixels: Pixels, points: Floats) -> Mask | None:
    """The person of an aligned picture, None where the outline misses the face."""
    from identigen.detection.bundled import segment_person

    size = (pixels.shape[0], pixels.shape[1])
    found = segment_person(pixels, Window(0, 0, size[1], size[0]))
    if found is None:
        return None
    core = inner_face(points, size)
    covered = (core.pixels & found.mask.within(core.window)).sum() / max(1, core.area)
    return found.mask if covered > CORE else None


def store(heads: Heads, path: Path) -> None:
    """Write what `prepare` reads: 4 MB for 2,000 heads."""
    packed = np.packbits(heads.regions.reshape(len(heads.files), len(REGIONS), -1), axis=-1)
    partial = path.with_name(f"partial-{path.name}")
    np.savez_compressed(
        partial,
        files=np.array(heads.files),
        held_out=heads.held_out,
        regions=packed,
        keypoints=heads.keypoints,
        traits=heads.traits,
    )
    partial.replace(path)


def _scaled(picture: Bytes, side: int) -> Bytes:
    if picture.shape[0] == side:
        return picture
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
