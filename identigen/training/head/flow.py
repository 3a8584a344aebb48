"""Train the head model: conditional flow matching on the masked part (Lipman et al. 2023; Liu et al. 2023).

A step's every random choice follows from the seed and the step's number, so that a training that was interrupted goes
on exactly as if it had not been.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor

from identigen.errors import InputError
from identigen.identity.head import IN_CHANNELS, OUT_CHANNELS, PATCH, Scene, Traits, moment_of, velocity
from identigen.training.head.batches import WITHHELD, Batch, draw_masks, moved, plain, scene_of, varied
from identigen.training.head.data import Heads

WARM_UP = 200
STEADY = 10_000
"""Steps after which the learning rate falls with the root of the steps (Karras et al. 2024): no end need be known."""
FALL = 0.4
"""Where it is known when a training ends, the rate falls to nothing in this last share of it."""
FOLLOW = 7.94
"""How closely the average follows: it spans a tenth of all steps so far, few or many (Karras et al. 2024)."""
CLIP = 1.0
SPREAD = 1.3
"""Of the moments that are learnt, on the logit's scale: wide, so that the finest hair gets its share, too."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the network is and what it draws; widths are channels at each halving of the grid."""

    side: int = 256
    widths: tuple[int, ...] = (96, 160, 224, 256)
    layers: int = 2
    dropout: float = 0.1

    def build(self) -> UNet2DModel:
        """A fresh network: convolutions on the two fine grids, attention on the coarse ones."""
        coarse = max(1, len(self.widths) - 2)
        fine = len(self.widths) - coarse
        return UNet2DModel(
            sample_size=self.side // PATCH,
            in_channels=IN_CHANNELS,
            out_channels=OUT_CHANNELS,
            block_out_channels=self.widths,
            layers_per_block=self.layers,
            down_block_types=("DownBlock2D",) * fine + ("AttnDownBlock2D",) * coarse,
            up_block_types=("AttnUpBlock2D",) * coarse + ("UpBlock2D",) * fine,
            attention_head_dim=min(32, *self.widths),
            norm_num_groups=math.gcd(32, *self.widths),
            dropout=self.dropout,
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How a training goes: everything that must be the same when it is resumed."""

    size: Size = field(default_factory=Size)
    batch: int = 64
    rate: float = 3e-4
    seed: int = 0
    overfit: int = 0
    """Learn only that many heads, without any variation: they must come out again, or the code is wrong."""


class Material:
    """Stored heads on one device."""

    def __init__(self, heads: Heads, table: Traits, side: int, device: str) -> None:
        self.channels = torch.from_numpy(heads.channels(side)).to(device)
        self.keypoints = torch.from_numpy(heads.keypoints).to(device)
        self.traits = torch.from_numpy(table.whiten(heads.traits)).to(device)

    def __len__(self) -> int:
        return len(self.channels)

    def pick(self, rows: Tensor, variation: bool) -> Batch:
        """The heads `rows`, as stored or varied."""
        rows = moved(rows, self.channels.device)
        make = varied if variation else plain
        return make(self.channels[rows], self.keypoints[rows], self.traits[rows])


class Training:
    """A network, its running average, its optimiser and how far they are."""

    def __init__(self, course: Course, device: str, start: UNet2DModel | None = None, compiled: bool = False) -> None:
        torch.manual_seed(course.seed)
        self.course, self.device = course, device
        self.network = course.size.build()
        if start is not None:
            _take_over(self.network, start)
        self.network.to(device=device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), course.rate, betas=(0.9, 0.99), weight_decay=1e-2, fused=device != "cpu"
        )
        self.step, self.seconds = 0, 0.0
        self._running = torch.zeros((), device=device)
        self.history: list[list[float]] = []
        self._run: Callable[..., Any] = torch.compile(self.network) if compiled else self.network

    def advance(self, material: Material, left: float = 1.0) -> None:
        """Take one step, when a share `left` of the training is to come; nothing waits for a GPU here."""
        course = self.course
        torch.manual_seed((course.seed << 32) + self.step)
        rows = torch.randint(len(material), (course.batch,))
        batch = material.pick(rows, variation=not course.overfit)
        mask = draw_masks(batch)
        for group in self.optimiser.param_groups:
            group["lr"] = course.rate * rate_at(self.step, left)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device != "cpu"):
            loss = flow_loss(self._run, batch, scene_of(batch, mask, 0.0 if course.overfit else WITHHELD))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.network, (1 - 1 / self.step) ** FOLLOW)
        self._running.lerp_(loss.detach(), 1 / min(self.step, 200))

    @property
    def running(self) -> float:
        """The mean loss of the last steps."""
        return float(self._running)

    @torch.no_grad()
    def loss_on(self, material: Material, repeats: int = 4, batch: int = 16) -> float:
        """The average's loss on `material`, always with the same masks and the same noise."""
        losses = []
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            torch.manual_seed(1)
            for _ in range(repeats):
                rows = torch.randint(len(material), (batch,))
                picked = material.pick(rows, variation=False)
                scene = scene_of(picked, draw_masks(picked), 0.0)
                losses.append(float(flow_loss(self.average, picked, scene)))
        return sum(losses) / len(losses)

    def save(self, path: Path) -> None:
        """Write everything that a resumed training needs; an older checkpoint stays until the new one is whole."""
        state = {
            "course": repr(self.course),
            "step": self.step,
            "running": self.running,
            "seconds": self.seconds,
            "history": self.history,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on where `save` was called; raise `InputError` when that was another training."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["course"] != repr(self.course):
            raise InputError(
                f"{path} belongs to another training ({state['course']}); give the same options, or another folder."
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        self._running.fill_(state["running"])
        self.history = state["history"]


def flow_loss(network: Any, batch: Batch, scene: Scene) -> Tensor:
    """Mean squared error of the velocity inside the mask, as far as the picture reaches."""
    data, mask = batch.picture, scene.mask
    start = torch.randn_like(data)
    moment = moved(moment_of(torch.sigmoid(SPREAD * torch.randn(len(data)))), data.device)
    at = torch.lerp(start, data, moment[:, None, None, None])
    drawn = velocity(network, at, moment, scene.conditions(), mask)
    weight = mask * batch.seen
    wrong = (drawn.float() - (data - start)) ** 2 * weight
    return wrong.sum() / (weight.sum() * data.shape[1]).clamp_min(1)


def rate_at(step: int, left: float = 1.0) -> float:
    """Share of the learning rate at a step: a linear start, then steady, then the inverse root, at the end nothing."""
    return float(min((step + 1) / WARM_UP, 1.0, left / FALL) / math.sqrt(max(1.0, step / STEADY)))


def _take_over(network: UNet2DModel, start: UNet2DModel) -> None:
    try:
        network.load_state_dict(start.state_dict())
    except RuntimeError:
        raise InputError(
            "The weights to begin with are of another size; give the options they were made with."
        ) from None


@torch.no_grad()
def follow(average: UNet2DModel, network: UNet2DModel, memory: float) -> None:
    """Move the average a little towards the network."""
    slow, fast = list(average.parameters()), list(network.parameters())
    torch._foreach_lerp_(slow, fast, 1 - memory)


def train(
    training: Training,
    taught: Material,
    held: Material,
    *,
    until: Callable[[float], bool],
    left: Callable[[], float],
    look: Callable[[Training], None],
    look_every: float,
    steps: int | None = None,
) -> None:
    """Take steps until there are `steps`, or `until`, told the seconds of the last one, says so.

    `left` tells how much of the time is to come, 1 where there is no limit. Every `look_every` seconds, and at the end,
    the loss on `held` goes into the history and `look` is called.
    """
    looked, step = time.monotonic(), 0.0
    while not until(step) and (steps is None or training.step < steps):
        began = time.monotonic()
        training.advance(taught, min(left(), 1 - training.step / steps if steps else 1.0))
        step = time.monotonic() - began
        training.seconds += step
        if training.step == 100:
            print(f"100 steps after {training.seconds:.0f} s", flush=True)
        if time.monotonic() - looked >= look_every:
            _note(training, held)
            look(training)
            looked = time.monotonic()
    _note(training, held)
    look(training)


def _note(training: Training, held: Material) -> None:
    training.history.append([training.step, training.running, training.loss_on(held)])
    step, running, other = training.history[-1]
    print(f"step {step:.0f} loss {running:.4f} held {other:.4f} ({training.seconds:.0f} s)", flush=True)
