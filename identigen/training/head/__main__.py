"""Train the head model: `python -m identigen.training.head FACES_DIR OUT_DIR` (wants a GPU; runs on a CPU).

`FACES_DIR` holds the pictures and `index.csv`. `OUT_DIR` gets the weights as fp16 shards, figures and a model card,
`OUT_DIR/work` what was measured and the checkpoint, from where the same command goes on. With `--minutes` it ends
within that time, counted from its start, and writes everything before. A first try on a new machine: `--overfit 32`.

Measuring needs MediaPipe and dlib, training only torch, diffusers, safetensors, OpenCV and Pillow: after `--prepare`
the faces and what was measured (`heads.npz`, 4 MB) can be carried to a machine that has nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from identigen.errors import InputError
from identigen.training.command import exit_code_of

if TYPE_CHECKING:
    from identigen.training.head.flow import Size

RESERVE = 0.1
"""Share of the limit (a minute at most) that is kept for writing until it is known how long that takes."""


class Limit:
    """When to stop, so that everything is written in time: what was slow before may be slow again."""

    def __init__(self, minutes: float | None) -> None:
        self.began = time.monotonic()
        self.end = None if minutes is None else self.began + 60 * minutes
        self.reserve = 0.0 if minutes is None else min(60.0, RESERVE * 60 * minutes)
        self._slowest = 0.0

    def reached(self, step: float) -> bool:
        """Whether to stop now, when the last step took `step` seconds."""
        return self.end is not None and time.monotonic() + 2 * step + self.reserve >= self.end

    def left(self) -> float:
        """The share of the time that is still to come."""
        if self.end is None:
            return 1.0
        end = self.end - self.reserve
        return min(1.0, max(0.0, end - time.monotonic()) / max(end - self.began, 1e-9))

    def learn(self, seconds: float) -> None:
        """Take note of how long it took to write everything."""
        self._slowest = max(self._slowest, seconds)
        self.reserve = 1.5 * self._slowest


def main(arguments: list[str] | None = None) -> int:
    """Prepare, train or go on training, write everything; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m identigen.training.head", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("faces", type=Path, help="folder of training faces with index.csv")
    parser.add_argument("out", type=Path, help="folder for weights, figures and the checkpoint")
    parser.add_argument("--minutes", type=float, help="end within this time")
    parser.add_argument("--steps", type=int, help="end after this many steps, earlier calls counted")
    parser.add_argument("--overfit", type=int, default=0, metavar="N", help="learn N heads by heart, as a check")
    parser.add_argument("--side", type=int, default=256, help="pixels along the edge of a head")
    parser.add_argument("--widths", default="96,160,224,256", help="channels of the network at each halving")
    parser.add_argument("--layers", type=int, default=2, help="blocks at each halving")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu or cuda; left out: cuda where there is one")
    parser.add_argument("--compile", action="store_true", help="compile the network (some minutes at the start)")
    parser.add_argument("--start", type=Path, metavar="DIR", help="begin from exported weights, without a checkpoint")
    parser.add_argument("--look", type=float, default=4.0, metavar="MINUTES", help="pictures and checkpoint this often")
    parser.add_argument("--prepare", action="store_true", help="only measure the heads into OUT_DIR/work")
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: run(given, Limit(given.minutes)))


def run(given: argparse.Namespace, limit: Limit) -> None:
    """Carry out the command."""
    from identigen.training.head.data import prepare

    work = given.out / "work"
    heads = prepare(given.faces, work)
    print(f"{len(heads.files)} heads, {int(heads.held_out.sum())} of them held out", flush=True)
    if given.prepare:
        return
    import torch

    from identigen.identity.head import read_head
    from identigen.training.head.export import export, write_figures
    from identigen.training.head.flow import Course, Material, Training, train

    device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    course = Course(_size(given), given.batch, given.rate, given.seed, given.overfit)
    learn = np.flatnonzero(~heads.held_out)
    held = np.flatnonzero(heads.held_out)
    if course.overfit:
        learn = held = learn[: course.overfit]
    taught = heads.subset(learn)
    table = taught.read_traits()
    material = Material(taught, table, course.size.side, device)
    other = Material(heads.subset(held), table, course.size.side, device)
    shown = Material(heads.subset(held[:32]), table, course.size.side, device)

    training = Training(course, device, read_head(given.start).network if given.start else None, given.compile)
    checkpoint = work / "checkpoint.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
        print(f"going on from step {training.step}", flush=True)
    torch.backends.cudnn.benchmark = True

    def write(training: Training) -> None:
        began = time.monotonic()
        training.save(checkpoint)  # first: whatever happens later, the work is kept
        sizes = export(given.out, training, table)
        write_figures(given.out, training, heads, len(learn), sizes, shown)
        limit.learn(time.monotonic() - began)
        print(f"{sum(sizes.values()) / 1e6:.1f} MB of weights in {given.out}", flush=True)

    train(
        training,
        material,
        other,
        until=limit.reached,
        left=limit.left,
        look=write,
        look_every=60 * given.look,
        steps=given.steps,
    )


def _size(given: argparse.Namespace) -> Size:
    from identigen.training.head.flow import Size

    try:
        widths = tuple(int(width) for width in given.widths.split(","))
    except ValueError:
        raise InputError(f"--widths takes numbers such as 96,160,224,256, not {given.widths!r}.") from None
    if given.side % (4 * 2 ** (len(widths) - 1)):
        raise InputError(f"--side must be a multiple of {4 * 2 ** (len(widths) - 1)} for {len(widths)} widths.")
    return Size(given.side, widths, given.layers, 0.0 if given.overfit else 0.1)


if __name__ == "__main__":
    sys.exit(main())
