"""Learn the hand by which new faces are told: `python -m identigen.training.mannerisms FACES_DIR OUT_DIR`.

New faces are drawn over those that teach, by the whole pipeline, and looked at; what all of them have and the people
whom they replaced had not is fitted as a line in what each photo asked for. Once that is taken out of them the faces
are others, and so is what they have in common: it is done again (`--rounds`). Twelve minutes for each round on two
cores, after four for the landmarks. `OUT_DIR` gets the weights and `mannerisms.json`: how large the mean difference was
before each round and after the last, on faces that teach nothing; with `--rounds 0` it is only measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from identigen.errors import InputError
from identigen.evaluation.identity import largest_face
from identigen.identity.appearance import Codec, load_codec, to_detail
from identigen.identity.conditions import load_conditions
from identigen.identity.mannerisms import (
    FILE,
    KEY,
    TERMS,
    Mannerisms,
    no_mannerisms,
    read_mannerisms,
    terms,
    write_mannerisms,
)
from identigen.identity.mesh import POINTS
from identigen.identity.portrait import read_portrait
from identigen.landmarks import eye_distance, face_box
from identigen.models import borrow
from identigen.photo import open_photo
from identigen.pipeline import Pipeline, make_plan
from identigen.training.command import exit_code_of
from identigen.training.data import Faces, measure
from identigen.types import Floats, Operation
from identigen.verification import look_again

TAUGHT, CHECKED = 500, 200  # faces that are drawn over: those that teach, and those that tell what is left
RIDGE = 30.0  # faces that had no mannerism: with few of a kind, most of what they have in common is chance
EYE = 0.1  # of a soft zone: eyeballs are the photo's
SOFT = 1.5  # pixels of the map: a mannerism with an edge would be drawn as a second feature


@dataclass(frozen=True, eq=False, slots=True)
class Difference:
    """Of a new face to the one that was there: `told` `(t,)` terms, `skin` `(SIDE, SIDE, 3)` on the detail map, even,
    as far as `seen` `(SIDE, SIDE)`, `shape` `(468, 3)` against the eye distance; and who teaches nothing.
    """

    told: Floats
    skin: Floats
    seen: Floats
    shape: Floats
    held_out: bool


def main(arguments: list[str] | None = None) -> int:
    """Draw, fit, write; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m identigen.training.mannerisms",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("faces", type=Path, help="folder of training faces with index.csv")
    parser.add_argument("out", type=Path, help="folder for weights and figures")
    parser.add_argument("--taught", type=int, default=TAUGHT, help="faces that teach")
    parser.add_argument("--checked", type=int, default=CHECKED, help="held-out faces that tell what is left")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="that draw")
    parser.add_argument("--start", type=Path, metavar="FILE", help="begin from weights instead of none")
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: run(given))


def run(given: argparse.Namespace) -> None:
    """Carry out the command."""
    work = given.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    faces, codec, weights = measure(given.faces, work / "measured.npz"), load_codec(), given.out / Path(FILE).name
    if faces.held_out.sum() < 1:
        raise InputError(
            f"{given.faces} holds {len(faces.files)} face{'s' * (len(faces.files) != 1)}, and none to check what was "
            "learnt on; give a folder with ten or more."
        )
    rows = chosen(faces, given.taught, given.checked)
    known = read_mannerisms(given.start) if given.start else no_mannerisms()
    figures = []
    for again in range(given.rounds, -1, -1):
        write_mannerisms(known, weights)
        drawn = differences(
            faces, rows if again else [row for row in rows if faces.held_out[row]], weights, given.processes
        )
        taught, checked = ([d for d in drawn if d.held_out == held] for held in (False, True))
        figures.append({"taught": len(taught), "checked": len(checked), "left": left(codec, checked)})
        print(json.dumps(figures[-1]), flush=True)
        if again:
            known = known.and_also(fit(codec, taught))
    (given.out / "mannerisms.json").write_text(json.dumps({"rounds": figures}, indent=1) + "\n", encoding="utf-8")


def chosen(faces: Faces, taught: int, checked: int) -> list[int]:
    """Rows of so many faces that teach and of so many that are held out, by chance and always the same."""
    rng = np.random.default_rng(0)
    learn, held = np.flatnonzero(~faces.held_out), np.flatnonzero(faces.held_out)
    return [int(i) for rows, count in ((learn, taught), (held, checked)) for i in rng.permutation(rows)[:count]]


def differences(faces: Faces, rows: Sequence[int], weights: Path, processes: int) -> list[Difference]:
    """Draw a new face over each of `rows`, less the mannerisms that `weights` hold; covered ones are left out."""
    # Begun afresh: measuring has started threads here, and a copy of a process that has some may wait for ever.
    with ProcessPoolExecutor(processes, get_context("spawn"), _draw_less, (weights,)) as pool:
        found = list(pool.map(partial(_difference, faces), rows, chunksize=8))
    return [difference for difference in found if difference is not None]


def _draw_less(weights: Path) -> None:
    """Let this process draw without these mannerisms."""
    with borrow(KEY, lambda: read_mannerisms(weights)):
        pass


def _difference(faces: Faces, row: int) -> Difference | None:
    codec, conditions = load_codec(), load_conditions()
    photo, points = open_photo(faces.folder / faces.files[row]), faces.landmarks[row]
    with borrow("mannerisms-pipeline", Pipeline) as pipeline:
        person = largest_face(pipeline.detect(photo))
        if person is None:
            return None
        result = pipeline.anonymize(photo, [person], make_plan([person], Operation.FACE, seed=row))
    if result.outcomes[0].applied is not Operation.FACE:
        return None
    again = look_again(result.photo.pixels, face_box(points))
    if again is None or again.landmarks is None:
        return None
    portrait = read_portrait(codec, conditions, photo.pixels, points, faces.embeddings[row])
    texture = codec.mesh.unwarp(result.photo.pixels, again.landmarks)
    skin = to_detail(texture, portrait.coarse) - portrait.detail
    seen = portrait.seen * ~portrait.hidden * codec.mesh.facing(again.landmarks)
    aligned = codec.mesh.align(again.landmarks[:POINTS], codec.shape_mean)[0]
    shape = (aligned - portrait.aligned) / eye_distance(portrait.aligned)
    return Difference(
        terms(portrait.condition),
        _even(skin, seen),
        np.asarray((seen + seen[:, ::-1]) / 2, np.float16),
        np.asarray((shape + shape[codec.mesh.mirror] * [-1, 1, 1]) / 2, np.float32),
        bool(faces.held_out[row]),
    )


def _even(picture: Floats, seen: Floats) -> Floats:
    """The mean of a map `(SIDE, SIDE, c)` and its mirror image, as far as either is `seen` `(SIDE, SIDE)`."""
    weighed = picture * seen[..., None]
    both = np.maximum(seen + seen[:, ::-1], 1e-6)
    return np.asarray((weighed + weighed[:, ::-1]) / both[..., None], np.float16)


def fit(codec: Codec, taught: Sequence[Difference]) -> Mannerisms:
    """Ridge regression of every place of the map, and of every point, on what the photos asked for."""
    told = np.array([d.told for d in taught])
    skin = np.array([d.skin for d in taught], np.float32)
    seen = np.array([d.seen for d in taught], np.float32)
    weighed = np.einsum("nt,nhw->nthw", told, seen)
    square = np.einsum("nthw,nu->hwtu", weighed, told) + RIDGE * np.eye(TERMS)
    lines = np.linalg.solve(square, np.einsum("nthw,nhwc->hwtc", weighed, skin)).transpose(2, 0, 1, 3)
    soft = np.array([cv2.GaussianBlur(np.ascontiguousarray(line), (0, 0), SOFT) for line in lines])
    shape = np.array([d.shape for d in taught]).reshape(len(taught), -1)
    points = np.linalg.solve(told.T @ told + RIDGE * np.eye(TERMS), told.T @ shape)
    return Mannerisms(
        np.asarray(soft * codec.mesh.inside[..., None], np.float32),
        np.asarray(points.reshape(TERMS, POINTS, 3), np.float32),
    )


def left(codec: Codec, checked: Sequence[Difference]) -> dict[str, float]:
    """Root mean square of the mean difference, less what chance leaves of so many faces: over all that is drawn of the
    map, and over the points in eye distances.
    """
    drawn = codec.mesh.inside & (codec.mesh.eyes < EYE)
    skin = np.array([d.skin[drawn].mean(-1, dtype=np.float32) for d in checked])
    seen = np.array([d.seen[drawn] for d in checked], np.float32)
    shape = np.array([d.shape.ravel() for d in checked])
    return {
        "skin": round(_systematic(skin, seen), 4),
        "points": round(_systematic(shape, np.ones_like(shape)), 4),
    }


def _systematic(values: Floats, weight: Floats) -> float:
    """Root mean square of the means of `values` `(n, m)` over `n`, less their own variance."""
    mass = weight.sum(0) + 1e-6
    mean = (values * weight).sum(0) / mass
    variance = ((values - mean) ** 2 * weight**2).sum(0) / mass**2
    return float(np.sqrt(max(float((mean**2 - variance).mean()), 0.0)))


if __name__ == "__main__":
    sys.exit(main())
