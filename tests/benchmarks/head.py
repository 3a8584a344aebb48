"""How long a new head takes: real shapes with random weights, through the product, on a portrait of 512 px.

    python tests/benchmarks/head.py                  # 2 threads; on a GPU where there is one
    python tests/benchmarks/head.py --steps 6,8,12   # the network alone, at other numbers of steps

Random weights take the same time as trained ones, but for the background: what is drawn is opaque in places only, so
that more of it has to be predicted than with a trained model. On a busy machine look at the seconds of the processor,
which are those of all threads together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from identigen.background.patchmatch import PatchMatch
from identigen.identity import head
from identigen.identity.head import TRAITS, Traits, load_head, noise_of, sample
from identigen.models import HEAD, asset
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.synthesis.head import HeadPainter
from identigen.training.head.export import export
from identigen.training.head.flow import Course, Training
from identigen.types import Edit, Operation, Photo

REPEATS = 3


def main() -> None:
    """Print seconds of the wall and of the processor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default=str(head.STEPS))
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder))
        head.asset = lambda name: weights / "config.json" if name == HEAD else asset(name)
        model = load_head()
        millions = sum(p.numel() for p in model.network.parameters()) / 1e6
        print(f"{millions:.1f} million parameters, {asked.threads} threads, {model.network.device}")
        print(f"{'':34}{'wall s':>8}{'processor s':>13}")
        scene, noise = a_scene(model), noise_of(0, model.side).to(model.network.device)
        for steps in (int(text) for text in asked.steps.split(",")):
            # .cpu() waits until a GPU is done
            show(
                f"network, {steps} steps ({2 * steps - 1} passes)",
                lambda steps=steps: sample(model.network, scene, noise, steps).cpu(),
            )
        photo, subject = a_woman()
        painter, edit = HeadPainter(PatchMatch()), Edit(subject.id, Operation.FACE_HAIR)
        show("one new head, all of it", lambda: next(painter.propose(photo.pixels, subject, edit, [1])))


def random_weights(folder: Path) -> Path:
    """The default size, never trained, as it would be shipped."""
    rows = np.random.default_rng(0).standard_normal((2000, len(TRAITS))).astype(np.float32)
    export(folder, Training(Course(), "cpu"), Traits(rows, rows.mean(0), rows.std(0)))
    return folder


def a_scene(model: head.HeadModel) -> head.Scene:
    """A square of noise of which the middle is to be drawn."""
    side, device = model.side, model.network.device
    mask = torch.zeros(1, 1, side, side, device=device)
    mask[..., side // 8 : -side // 8, side // 8 : -side // 8] = 1
    picture, points = torch.rand(1, 4, side, side, device=device), torch.full((1, 4, 2), 0.5, device=device)
    told = torch.ones(1, 2, device=device)
    return head.Scene(picture, mask, mask, points, torch.zeros(1, len(TRAITS), device=device), told)


def a_woman() -> tuple[Photo, object]:
    """A portrait of 512 px and its subject."""
    from skimage import data

    photo = Photo(np.ascontiguousarray(data.astronaut()))
    return photo, Pipeline(Settings(offline=True, engine="embedded")).detect(photo)[0]


def show(name: str, work: Callable[[], object]) -> None:
    """Run once to warm up, then print the best of some runs."""
    work()
    walls, processors = [], []
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    print(f"{name:34}{min(walls):8.2f}{min(processors):13.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
