"""Train the segmenter of occluders: `python -m identigen.training.occluders FACES_DIR OUT_DIR` (CPU, 25 minutes).

Faces are measured first into the folder `work` of `OUT_DIR`. `OUT_DIR` itself gets the weights, their figures and a
sheet of held-out scenes: what was laid over them, what was found (green: occluders, red: glasses).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from identigen.training.command import exit_code_of

SHOWN = 40
HELD = 256  # scenes of held-out faces that are measured


def main(arguments: list[str] | None = None) -> int:
    """Measure, train, write everything; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m identigen.training.occluders",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("faces", type=Path, help="folder of training faces with index.csv")
    parser.add_argument("out", type=Path, help="folder for weights and figures")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate")
    parser.add_argument("--start", type=Path, metavar="FILE", help="begin from these weights")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: run(given))


def run(given: argparse.Namespace) -> None:
    """Carry out the command."""
    from identigen.identity.occluders import read_segmenter
    from identigen.training.data import measure, read_labels
    from identigen.training.occluders.data import read_bases
    from identigen.training.occluders.train import Course, glasses_told, overlap, train, write_segmenter

    work = given.out / "work"
    bases, held = read_bases(given.faces, work)
    print(f"{len(bases)} faces to learn from, {len(held)} held out", flush=True)
    course = Course(given.steps, given.batch, given.rate, given.seed)
    start = read_segmenter(given.start) if given.start else None
    trained = train(bases, course, work / "occluders.safetensors", start)
    write_segmenter(trained, given.out / "occluders.safetensors")
    network = read_segmenter(given.out / "occluders.safetensors")
    occluder, glasses = overlap(network, held, HELD)
    figures = {
        "course": asdict(course),
        "faces": len(bases),
        "held_out_iou": {"occluder": round(occluder, 3), "glasses": round(glasses, 3)},
        "labelled_glasses_told_as": glasses_told(network, measure(given.faces, work / "measured.npz"), read_labels()),
    }
    (given.out / "occluders.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures), flush=True)
    draw(given.out / "occluders.png", network, held)


def draw(path: Path, network: object, held: object) -> None:
    """Write the sheet."""
    import cv2
    import numpy as np

    from identigen.identity.occluders import Segmenter, shares_of
    from identigen.training.occluders.data import Bases
    from identigen.training.occluders.train import scenes

    assert isinstance(network, Segmenter)
    assert isinstance(held, Bases)
    tiles = []
    for number in range(SHOWN):
        pictures, _, points = scenes(held, 1, (0, 1, number))
        found = shares_of(pictures[0].astype(np.float32), points[0], network)
        tint = found[..., :1] * np.array([0, 160, 0]) + found[..., 1:] * np.array([160, 0, 0])
        shown = pictures[0] * (1 - 0.5 * found.max(-1, keepdims=True)) + 0.8 * tint
        tiles.append(np.hstack([pictures[0], np.clip(shown, 0, 255).astype(np.uint8)]))
    rows = [np.hstack(tiles[i : i + 5]) for i in range(0, SHOWN, 5)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    sys.exit(main())
