"""Train the harmoniser: drawn faces become what their true pictures are, and look like pictures where none is known.

Pixels at several scales and a discriminator's features where the truth is known (pix2pixHD, Wang et al. 2018), the
discriminator alone (hinge loss with spectral norm, Miyato et al. 2018) on faces of people whom nobody has seen.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from identigen.identity.harmoniser import Harmoniser
from identigen.training.harmony.batches import Batch, Strips, hardened, varied

PIXELS, FEATURES = 10.0, 6.0
JUDGED = 2.0  # how much faster the discriminator learns (Heusel et al. 2017)
MEMORY = 0.999
HELD = 32  # held-out pairs that tell how it goes
ALONE = 0.05  # share of the training before the discriminator is listened to
STEADY = 0.5  # share of the training at the full rate, which then falls to nothing


@dataclass(frozen=True, slots=True)
class Course:
    """How a training goes: steps, `batch` pairs (and as many unpaired faces) in each, learning rate, adversary."""

    steps: int = 12000
    batch: int = 32
    rate: float = 2e-4
    adversary: float = 1.0
    seed: int = 0


class Discriminator(nn.Module):
    """Tells pictures from drawings patch by patch at two scales, told where the skin would be new.

    Answers each scale's features and, last, its verdict.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self._scale(width) for _ in range(2))

    @staticmethod
    def _scale(width: int) -> nn.ModuleList:
        sizes = [4, width, 2 * width, 4 * width, 8 * width]
        layers = [
            nn.Sequential(_normed(nn.Conv2d(a, b, 4, 1 if b == 8 * width else 2, 1)), nn.LeakyReLU(0.2))
            for a, b in pairwise(sizes)
        ]
        return nn.ModuleList([*layers, _normed(nn.Conv2d(8 * width, 1, 4, 1, 1))])

    def forward(self, picture: Tensor, skin: Tensor) -> list[list[Tensor]]:
        h = torch.cat([picture, 2 * skin - 1], 1)
        out = []
        for scale in self.scales:
            seen, at = [], h
            for layer in scale.children():
                at = layer(at)
                seen.append(at)
            out.append(seen)
            h = functional.avg_pool2d(h, 2)
        return out


@dataclass
class Training:
    """Networks, optimisers and how far they are."""

    course: Course
    device: str
    start: Harmoniser | None = None
    step: int = 0
    history: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.course.seed)
        self.network = (self.start or Harmoniser()).to(self.device).to(memory_format=torch.channels_last)
        self.judge = Discriminator().to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), self.course.rate, betas=(0.5, 0.99))
        self.judges = torch.optim.Adam(self.judge.parameters(), JUDGED * self.course.rate, betas=(0.5, 0.99))

    def advance(self, strips: Strips, progress: float) -> dict[str, Tensor]:
        """Take one step; `progress` in 0..1 is how far the training is."""
        torch.manual_seed((self.course.seed << 32) + self.step)
        rows = torch.randint(len(strips), (self.course.batch,))
        batch = varied(strips.pick(rows))
        rate = self.course.rate * min(1.0, (self.step + 1) / 200, (1 - progress) / (1 - STEADY) + 1e-3)
        for optimiser, share in ((self.optimiser, 1.0), (self.judges, JUDGED)):
            for group in optimiser.param_groups:
                group["lr"] = share * rate
        heeded = self.course.adversary * min(1.0, max(0.0, progress / ALONE - 1))
        with self._half_precision():
            mended = batch.back + self.network(batch.back, batch.back_skin).float()
        terms = {"pixels": pyramid_loss(mended, batch.truth)}
        loss = PIXELS * terms["pixels"]
        if self.course.adversary:
            terms["judged"] = self._judge(batch, mended.detach())
            fooled, terms["alike"] = self._opinion(batch, mended)
            loss = loss + heeded * (fooled + FEATURES * terms["alike"])
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            share = 1 - min(MEMORY, self.step / (self.step + 10))
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, share)
        return {name: term.detach() for name, term in terms.items()}

    def _judge(self, batch: Batch, mended: Tensor) -> Tensor:
        """Teach the discriminator; how badly it told apart what it saw."""
        with self._half_precision():
            verdicts = self.judge(batch.truth, batch.back_skin), self.judge(mended, batch.back_skin)
            wrong = [
                functional.relu(1 - true[-1].float()).mean() + functional.relu(1 + drawn[-1].float()).mean()
                for true, drawn in zip(*verdicts, strict=True)
            ]
        loss = torch.stack(wrong).sum()
        self.judges.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.judges.step()
        return loss

    def _opinion(self, batch: Batch, mended: Tensor) -> tuple[Tensor, Tensor]:
        """How little the discriminator takes mended faces for pictures, and how unlike the truth they are to it."""
        self.judge.requires_grad_(False)
        with self._half_precision():
            seen = self.judge(mended, batch.back_skin)
            with torch.no_grad():
                wanted = self.judge(batch.truth, batch.back_skin)
        self.judge.requires_grad_(True)
        fooled = torch.stack([-scale[-1].float().mean() for scale in seen]).sum()
        unlike = [
            functional.l1_loss(a.float(), b.float())
            for scale, true in zip(seen, wanted, strict=True)
            for a, b in zip(scale[:-1], true[:-1], strict=True)
        ]
        return fooled, torch.stack(unlike).sum()

    def _half_precision(self) -> torch.autocast:
        # Processors without units for it emulate it, thirteen times slower than whole precision.
        return torch.autocast(self.device, torch.bfloat16, enabled=self.device != "cpu")

    def save(self, path: Path) -> None:
        """Write everything that a resumed training needs; an older checkpoint stays until the new one is whole."""
        state = {name: getattr(self, name).state_dict() for name in _PARTS}
        partial = path.with_name(f"partial-{path.name}")
        torch.save({**state, "step": self.step, "history": self.history}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.history = state["step"], state["history"]


_PARTS = ("network", "judge", "average", "optimiser", "judges")


def train(training: Training, strips: Strips, held: Strips, minutes: float | None, checkpoint: Path) -> None:
    """Take the steps that are left, or as many as `minutes` allow; print and note how it goes."""
    began, first = time.monotonic(), training.step
    total: dict[str, Tensor] = {}

    def progress() -> float:
        spent = 0.0 if minutes is None else (time.monotonic() - began) / (60 * minutes)
        return max(spent, training.step / training.course.steps)

    while progress() < 1:
        terms = training.advance(strips, progress())
        total = {name: total.get(name, 0.0) + value for name, value in terms.items()}
        if training.step % 250 == 0 or progress() >= 1:
            count = training.step % 250 or 250
            means = {name: float(value) / count for name, value in total.items()}
            before, after = held_loss(training, held)
            training.history.append([training.step, means["pixels"], after])
            total = {}
            rate = (training.step - first) / (time.monotonic() - began)
            told = " ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"{training.step} {progress():.0%} {told} held {before:.4f} -> {after:.4f} {rate:.1f}/s", flush=True)
        if training.step % 2000 == 0:
            training.save(checkpoint)
    training.save(checkpoint)


@torch.no_grad()
def held_loss(training: Training, held: Strips) -> tuple[float, float]:
    """How far held-out faces are from the truth as drawn, and as mended."""
    batch = held.pick(torch.arange(min(HELD, len(held))))
    back = hardened(batch, torch.ones(len(batch.back), 1, 1, 1, device=batch.back.device))
    batch = replace(batch, back=back)
    mended = batch.back + training.average(batch.back, batch.back_skin)
    return float(pyramid_loss(batch.back, batch.truth)), float(pyramid_loss(mended, batch.truth))


def pyramid_loss(a: Tensor, b: Tensor, levels: int = 4) -> Tensor:
    """Mean absolute difference of pictures at `levels` scales, each half the one before."""
    loss = torch.zeros((), device=a.device)
    for _ in range(levels):
        loss = loss + functional.l1_loss(a, b) / levels
        a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    return loss


def mended_all(training: Training, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the running average makes of both drawings of a batch."""
    with torch.no_grad():
        return (
            batch.back + training.average(batch.back, batch.back_skin),
            batch.other + training.average(batch.other, batch.other_skin),
        )


def _normed(layer: nn.Conv2d) -> nn.Module:
    return nn.utils.parametrizations.spectral_norm(layer)
