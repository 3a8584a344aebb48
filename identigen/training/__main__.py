"""Train the shipped weights: `python -m identigen.training FACES_DIR OUT_DIR` (CPU, under an hour, resumable).

`FACES_DIR` holds the pictures and `index.csv` (for example `../shared/data/faces`); weights, figures and plots go to
`OUT_DIR`, stages that are finished to `OUT_DIR/work`, from where an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from identigen.identity.appearance import Codec
from identigen.landmarks import head_pose
from identigen.training.axes import fit_axes, fit_kin, glasses_score
from identigen.training.codec import (
    DETAIL_COMPONENTS,
    MAX_YAW,
    SHAPE_COMPONENTS,
    Maps,
    fit_detail,
    fit_shape,
    layout,
    mean_shape,
    typical_modelling,
    unwrap,
)
from identigen.training.command import exit_code_of
from identigen.training.data import Faces, measure, read_labels
from identigen.training.export import export
from identigen.training.figures import write_figures
from identigen.training.fine_detail import fit_fine_detail, read_unfit
from identigen.training.flow import train
from identigen.training.foretelling import draw_faces, fit_foretelling
from identigen.training.latents import Latents, balance, encode_faces, fit_conditions, read_raw, scatter
from identigen.types import Bools

GLASSES_LIMIT = 0.3
SEEN_LIMIT = 0.6
DRAWN_EACH = 6


def main(arguments: list[str] | None = None) -> int:
    """Run all stages; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m identigen.training", description=__doc__)
    parser.add_argument("faces", type=Path, help="folder of training faces with index.csv")
    parser.add_argument("out", type=Path, help="folder for weights and figures")
    parser.add_argument("--steps", type=int, default=3200, help="training steps of the prior")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: run(given.faces, given.out, given.steps, given.seed))


def run(folder: Path, out: Path, steps: int, seed: int) -> None:
    """Measure, fit the codec and the conditions, train the prior, learn what drawing does, write everything."""
    started = time.time()
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    faces, labels = measure(folder, work / "measured.npz"), read_labels()
    mean, mirror = mean_shape(faces.landmarks)
    mesh = layout(mean, mirror)
    maps = _stored_maps(work, lambda: unwrap(mesh, faces))
    usable = choose(faces, maps, glasses_score(faces, labels, maps.detail), mesh.inside)
    learn = np.flatnonzero(usable & ~faces.held_out)
    print(f"{faces.listed} listed, {len(faces.files)} kept, {usable.sum()} usable, {len(learn)} to learn", flush=True)
    detail_mean, basis, scale, parity = fit_detail(mesh, maps, DETAIL_COMPONENTS, 2, learn)
    shape_basis, shape_scale, shape_parity = fit_shape(mesh, mean, faces.landmarks[learn], SHAPE_COMPONENTS)
    codec = Codec(
        mesh, detail_mean.reshape(-1, 3), basis, scale, parity, mean, shape_basis, shape_scale, shape_parity,
        typical_modelling(maps, learn),
    )  # fmt: skip
    axes, quality = fit_axes(faces, labels)
    rows = np.flatnonzero(usable)
    codes, held = encode_faces(codec, faces, maps, rows), faces.held_out[rows]
    conditions = fit_conditions(codec, faces, maps, axes, fit_kin(faces, axes), codes[~held], learn)
    raw = read_raw(conditions, codec, faces, maps, rows)
    everything = Latents(rows, codes, np.array([conditions.whiten(r) for r in raw]))
    learnt, signs = _subset(everything, ~held), np.concatenate([parity, shape_parity])
    fine = fit_fine_detail(codec, maps, learnt, faces.files, read_unfit())
    taught = learnt.mirrored(signs)
    kept_back = _subset(everything, held).mirrored(signs)
    odds = np.tile(balance(*(raw[~held][:, conditions.index[name]] for name in ("lightness", "age"))), 2)
    trained = train(taught.codes, taught.conditions, odds, kept_back.codes, kept_back.conditions, steps, seed)
    upright = np.flatnonzero([abs(head_pose(points).yaw) < MAX_YAW for points in faces.landmarks])
    drawn = draw_faces(faces, upright, codec, conditions, fine, trained.network, DRAWN_EACH, work / "drawn.npz")
    foretelling, foretold = fit_foretelling(drawn, scatter(conditions, learnt))
    sizes = export(out, codec, conditions, fine, axes, trained.network, foretelling, faces.embeddings[~faces.held_out])
    figures = {
        "faces": {"listed": faces.listed, "kept": len(faces.files), "usable": int(usable.sum()), "taught": len(learn)},
        "axes": asdict(quality),
        "foretelling": foretold,
        "held_out": [name for name, out_of_it in zip(faces.files, faces.held_out, strict=True) if out_of_it],
        "history": trained.history,
        "bytes": sizes,
        "seconds": round(time.time() - started),
    }
    write_figures(out, figures, codec, fine, trained, maps, taught, kept_back)


def choose(faces: Faces, maps: Maps, glasses: np.ndarray[tuple[int], np.dtype[np.float32]], inside: Bools) -> Bools:
    """Faces that teach something clean: no glasses, not turned far, mostly in view."""
    yaw = np.array([abs(head_pose(points).yaw) for points in faces.landmarks])
    seen = maps.seen.mean((1, 2), dtype=np.float32) / inside.mean()
    return np.asarray((yaw < MAX_YAW) & (glasses < GLASSES_LIMIT) & (seen > SEEN_LIMIT))


def _stored_maps(work: Path, build: object) -> Maps:
    names = ("coarse", "detail", "seen")
    if not all((work / f"{name}.npy").is_file() for name in names):
        assert callable(build)
        maps = build()
        for name in names:
            np.save(work / f"{name}.npy", getattr(maps, name))
    return Maps(*(np.load(work / f"{name}.npy", mmap_mode="r") for name in names))


def _subset(latents: Latents, chosen: Bools) -> Latents:
    return Latents(latents.rows[chosen], latents.codes[chosen], latents.conditions[chosen])


if __name__ == "__main__":
    sys.exit(main())
