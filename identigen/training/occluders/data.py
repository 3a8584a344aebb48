"""Bases to lay occluders over: upright faces of which is known, wherever it is certain, what already lies over them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import coarse_light, load_codec, to_detail
from identigen.identity.mesh import POINTS, Mesh
from identigen.identity.occluders import SIDE, look, outlines, square
from identigen.landmarks import CHEEKS, NOSE
from identigen.masks import disc
from identigen.training.axes import glasses_score
from identigen.training.data import Faces, measure, read_labels
from identigen.training.head.data import prepare
from identigen.types import Bools, Floats

Bytes = npt.NDArray[np.uint8]
FREE, COVERED, UNKNOWN = 0, 1, 255
BARE_EYES = 0.2  # a score of glasses above it may be one who wears some
HAIRY = 14.0  # Lab distance of a hair's colour from the skin's below which nothing is certain
PLAIN = 9.0  # and below which a head is bald
DARKNESS = 0.7  # what a difference in lightness counts for, beside one in colour


SHADES = np.linspace(0.3, 1.1, 9)  # how much light skin may get in a shadow
NO_SHADE = 9.0  # Lab distance from skin in any shade beyond which something is none


@dataclass(frozen=True, eq=False)
class Bases:
    """`n` faces in the network's square.

    `pictures` `(n, SIDE, SIDE, 3)`; `truth` `(n, SIDE, SIDE)`: `FREE`, `COVERED` by hair, hat or background, `UNKNOWN`;
    `hair` `(n, SIDE, SIDE)`: whatever grows or sits on the head, to be laid over others; `points` `(n, 468, 2)`.
    """

    pictures: Bytes
    truth: Bytes
    hair: Bools
    points: Floats

    def __len__(self) -> int:
        return len(self.pictures)


def read_bases(folder: Path, work: Path) -> tuple[Bases, Bases]:
    """Bases to learn from and held-out ones, measured once into `work`; wearers of glasses are left out."""
    stored = work / "bases.npz"
    if not stored.is_file():
        work.mkdir(parents=True, exist_ok=True)
        _write(folder, work, stored)
    with np.load(stored) as data:
        held = data["held_out"]
        everything = [data[name] for name in ("pictures", "truth", "hair", "points")]
    learn, kept_back = (Bases(*(values[rows] for values in everything)) for rows in (~held, held))
    return learn, kept_back


def _write(folder: Path, work: Path, stored: Path) -> None:
    faces, heads = measure(folder, work / "measured.npz"), prepare(folder, work)
    outlined = {name: row for row, name in enumerate(heads.files)}
    scores = glasses_score(faces, read_labels(), _details(load_codec().mesh, faces))
    seen = _looked_at()
    rows = [
        i
        for i, name in enumerate(faces.files)
        if name in outlined and scores[i] < BARE_EYES and seen.get(name) != "glasses"
    ]
    pictures, truths, hairs, points = [], [], [], []
    for i in rows:
        to_square = square(faces.landmarks[i])
        placed = faces.landmarks[i][:POINTS, :2] @ to_square[:, :2].T + to_square[:, 2]
        picture = np.clip(np.rint(look(faces.pixels(i), to_square)), 0, 255).astype(np.uint8)
        person, _, _, above = heads.regions[outlined[faces.files[i]]]
        regions = look(np.dstack([person, above, above]).astype(np.float32), to_square) > 0.5
        free = seen.get(faces.files[i]) == "free"
        truth, hair = cover(picture, regions[..., 0], regions[..., 1], placed, free=free)
        frame = cv2.warpAffine(np.ones(person.shape, np.uint8), to_square, (SIDE, SIDE)) > 0
        truth[~frame] = UNKNOWN
        pictures.append(picture)
        truths.append(truth)
        hairs.append(hair)
        points.append(placed.astype(np.float32))
    np.savez(
        stored, pictures=pictures, truth=truths, hair=hairs, points=points, held_out=faces.held_out[np.array(rows)]
    )


def _details(mesh: Mesh, faces: Faces) -> Iterator[Floats]:
    for i in range(len(faces.files)):
        texture = mesh.unwarp(faces.pixels(i), faces.landmarks[i])
        yield to_detail(texture, coarse_light(texture, mesh.facing(faces.landmarks[i]) * mesh.inside))


def _looked_at() -> dict[str, str]:
    """Faces that were looked at: `free` of any cover however dark their shadows are, or with `glasses` after all."""
    with Path(__file__).with_name("looked_at.csv").open(newline="") as stream:
        return {row["file"]: row["seen"] for row in csv.DictReader(stream)}


def cover(picture: Bytes, person: Bools, above: Bools, points: Floats, *, free: bool = False) -> tuple[Bytes, Bools]:
    """What lies over a real face and where hair is, from the colours of its cheeks and of what surrounds it.

    `person` and `above` `(SIDE, SIDE)` are the person's outline and the part of it around the face. Graph cuts part
    hair from skin (Rother et al. 2004); near the cut, in shade below the brows and where both look alike nothing is
    certain, unless somebody has seen that the face is `free`.
    """
    oval, features = (outline > 0 for outline in np.moveaxis(outlines(points), -1, 0))
    rows = np.mgrid[0:SIDE, 0:SIDE][0]
    brows, nose, mouth = points[[105, 334], 1].mean(), points[1, 1], points[13, 1]
    lab = _lab(picture)
    cheeks = np.zeros((SIDE, SIDE), np.uint8)
    for ring in (*CHEEKS, NOSE):
        cv2.fillConvexPoly(cheeks, cv2.convexHull(np.round(points[ring]).astype(np.int32)), (1,))
    skin = np.median(lab[cheeks > 0], axis=0)
    from_skin = np.linalg.norm(lab - skin, axis=-1)
    around = cv2.dilate(oval.astype(np.uint8), disc(12)) > 0
    region = person & (above | oval | (around & (rows < nose)))
    head = above & (rows < nose)
    hairy = head & (from_skin > HAIRY)
    shades = [_lab(np.full((1, 1, 3), share) * np.median(picture[cheeks > 0], axis=0)) for share in SHADES]
    skinlike = (np.min([np.linalg.norm(lab - shade, axis=-1) for shade in shades], axis=0) < NO_SHADE) & person
    skinlike &= around
    truth = np.full((SIDE, SIDE), UNKNOWN, np.uint8)
    deep = cv2.erode(oval.astype(np.uint8), disc(7)) > 0
    middle = deep & (rows > brows - 4)
    nothing = np.zeros((SIDE, SIDE), bool)
    away = cv2.erode((~person).astype(np.uint8), disc(1)) > 0
    truth[away] = COVERED
    behind = cv2.dilate((~person).astype(np.uint8), disc(1)) > 0
    if hairy.sum() < 0.25 * max(int(head.sum()), 1):  # bald, or hair of the skin's colour: only the middle is certain
        truth[(middle | (skinlike & (rows > brows))) & ~behind] = FREE
        if free or (head.sum() and np.median(from_skin[head]) < PLAIN):
            truth[(deep | skinlike) & ~behind] = FREE
        return truth, nothing
    mask = np.full((SIDE, SIDE), cv2.GC_PR_BGD, np.uint8)
    mask[oval & (from_skin < HAIRY)] = cv2.GC_PR_FGD
    mask[~oval & person & ~above] = cv2.GC_PR_FGD  # neck and clothes are neither, but do not speak for hair
    mask[hairy] = cv2.GC_BGD
    mask[cheeks > 0] = cv2.GC_FGD
    mask[features & (rows < mouth)] = cv2.GC_PR_FGD
    window = picture.copy()
    window[~person] = np.median(picture[hairy], axis=0).astype(np.uint8)
    window = np.asarray(cv2.resize(window, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    mask = np.ascontiguousarray(mask[::2, ::2])  # a quarter of the time
    cv2.setRNGSeed(0)
    cv2.grabCut(window, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    parted = np.isin(mask, (cv2.GC_BGD, cv2.GC_PR_BGD)).astype(np.float32)
    hair = (cv2.resize(parted, (SIDE, SIDE)) > 0.5) & region
    hair = _connected(hair & ~(middle & features), hairy & ~oval)
    colour = np.median(lab[hairy], axis=0)
    alike = np.linalg.norm(lab - colour, axis=-1) < from_skin
    certain = (cv2.erode(hair.astype(np.uint8), disc(1)) > 0) & alike & (~skinlike | ~around)
    truth[certain & (~oval | (rows < brows))] = COVERED
    near = (cv2.dilate(hair.astype(np.uint8), disc(2)) > 0) | behind
    truth[skinlike & ~near] = FREE
    truth[deep & ~near] = FREE
    truth[middle & (cv2.erode(oval.astype(np.uint8), disc(16)) > 0)] = FREE
    if free:
        truth[(deep | (skinlike & oval)) & ~behind] = FREE
    return truth, hair & ~(oval & free)


def _lab(picture: npt.NDArray[Any]) -> Floats:
    """Lab `(h, w, 3)` of RGB in 0..255, lightness squeezed by `DARKNESS`."""
    scaled = np.clip(picture, 0, 255).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB) * np.array([DARKNESS, 1, 1], np.float32))


def _connected(flags: Bools, to: Bools) -> Bools:
    """The parts of `flags` that touch `to`."""
    _, labels = cv2.connectedComponents(flags.astype(np.uint8))
    return np.isin(labels, np.unique(labels[flags & to])) & flags
