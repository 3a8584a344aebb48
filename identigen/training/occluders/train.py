"""Train the segmenter on faces with things laid over them, and measure it on others."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from identigen.identity.appearance import load_codec
from identigen.identity.occluders import Segmenter, as_input, find_occluders
from identigen.training.data import Faces, Label
from identigen.training.occluders.data import COVERED, UNKNOWN, Bases, Bytes
from identigen.training.occluders.synthesis import compose
from identigen.types import Floats

BESIDE = 0.2  # weight of what lies outside the face's oval: only context
OVERLAP = 0.5  # weight of the overlap loss, which thin frames need
MEMORY = 0.998
WARM = 200  # steps until the full rate


@dataclass(frozen=True, slots=True)
class Course:
    """How a training goes: `steps` of `batch` scenes, learning rate, seed."""

    steps: int = 8000
    batch: int = 8
    rate: float = 2e-3
    seed: int = 0


Batch = tuple[Bytes, Bytes, Floats]


def write_segmenter(network: Segmenter, path: Path) -> None:
    """Write weights as half floats."""
    save_file({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}, path)


def scenes(bases: Bases, count: int, seed: tuple[int, ...]) -> Batch:
    """Pictures `(count, SIDE, SIDE, 3)`, truths `(count, SIDE, SIDE, 2)` and points `(count, 468, 2)`."""
    rng = np.random.default_rng(seed)
    made = [compose(bases, int(rng.integers(len(bases))), rng) for _ in range(count)]
    pictures, truths, points = zip(*made, strict=True)
    return np.stack(pictures), np.stack(truths), np.stack(points)


def train(bases: Bases, course: Course, snapshot: Path | None = None, start: Segmenter | None = None) -> Segmenter:
    """The running average of a network that is taught `course.steps` batches; print how it goes.

    What there is of it is written to `snapshot` every now and then, to be looked at; `start` is taught on.
    """
    torch.manual_seed(course.seed)
    network = (start or Segmenter()).train().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), course.rate, weight_decay=1e-3)
    began, total = time.monotonic(), 0.0
    for step in range(course.steps):
        pictures, truths, points = scenes(bases, course.batch, (course.seed, 0, step))
        rate = course.rate * min(1.0, (step + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * step / course.steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        given = as_input(pictures, points)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(given)
        loss = unlikeness(logits.float(), torch.from_numpy(truths).permute(0, 3, 1, 2), given[:, 3:4] > 0)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        share = 1 - min(MEMORY, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(new, share)
        total += float(loss.detach())
        if (step + 1) % 250 == 0:
            print(f"{step + 1} loss {total / 250:.4f} {(time.monotonic() - began) / 60:.1f} min", flush=True)
            total = 0.0
            if snapshot:
                write_segmenter(average, snapshot)
    return average


def unlikeness(logits: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Cross entropy and overlap of both classes `(n, 2, s, s)` where the truth is known, mostly `inside` the oval."""
    known = (truth != UNKNOWN).float() * torch.where(inside, 1.0, BESIDE)
    wanted = (truth == COVERED).float()
    entropy = (
        functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known
    ).sum() / known.sum()
    shares = torch.sigmoid(logits)
    known = known * inside
    both = (shares * wanted * known).sum((0, 2, 3))
    either = ((shares + wanted) * known).sum((0, 2, 3))
    return entropy + OVERLAP * (1 - (2 * both + 1) / (either + 1)).mean()


@torch.inference_mode()
def overlap(network: Segmenter, bases: Bases, count: int) -> tuple[float, float]:
    """Intersection over union of occluders and of glasses within the ovals of `count` new scenes."""
    both, either = torch.zeros(2), torch.zeros(2)
    for number in range(count):
        pictures, truths, points = scenes(bases, 1, (0, 1, number))
        given = as_input(pictures, points)
        truth = torch.from_numpy(truths).permute(0, 3, 1, 2)
        known = (truth != UNKNOWN) & (given[:, 3:4] > 0)
        found, wanted = (network(given) > 0) & known, (truth == COVERED) & known
        both += (found & wanted).sum((0, 2, 3))
        either += (found | wanted).sum((0, 2, 3))
    occluder, glasses = (both / either.clamp(min=1)).tolist()
    return occluder, glasses


def glasses_told(network: Segmenter, faces: Faces, labels: dict[str, Label]) -> dict[str, dict[str, int]]:
    """How many labelled faces with each kind of glasses are told to wear which."""
    mesh = load_codec().mesh
    told: dict[str, dict[str, int]] = {}
    for row, name in enumerate(faces.files):
        if name in labels:
            kind = find_occluders(mesh, faces.pixels(row), faces.landmarks[row], network).glasses
            counts = told.setdefault(labels[name].glasses, {})
            counts[kind] = counts.get(kind, 0) + 1
    return told
