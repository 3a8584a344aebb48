"""Train the harmoniser: drawn faces become what their true pictures are, and look like pictures where none is known.

Faces drawn back are compared with their true picture, at several scales. Faces of people whom nobody has seen are
judged by a critic that learns to tell each from the photo that it was drawn over (relativistic, Jolicoeur-Martineau
2019).
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

from identigen.errors import InputError
from identigen.identity.harmoniser import Harmoniser, bounded
from identigen.training.harmony.batches import Batch, Strips, hardened, unfocused, varied

PIXELS = 10.0
KNOWN = 3  # of so many faces one is drawn back; the others are somebody else's
KEENER, DECAY, MODEST = 2.0, 1e-2, 1e-3  # how much faster the critic learns, and how its weights and verdicts are held
MEMORY = 0.999
HELD = 32  # held-out pairs that tell how it goes
ALONE = 0.3  # share of the training in which only the critic learns: asked before it knows anything, it misleads
STEADY = 0.5  # share of the training at the full rate, which then falls to nothing


@dataclass(frozen=True, slots=True)
class Course:
    """How a training goes: steps, `batch` faces in each, learning rate, weight of the critic.

    Raises `InputError` for a batch that would hold no face drawn back.
    """

    steps: int = 12000
    batch: int = 32
    rate: float = 2e-4
    adversary: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < KNOWN:
            raise InputError(f"A step of {self.batch} faces holds none that is drawn back; take {KNOWN} or more.")


class Critic(nn.Module):
    """How much pictures `(n, 3, s, s)` in -1..1 look like photos, judged patch by patch: `(n,)`."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        last = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, 2, 2), nn.SiLU()]
        for a, b in pairwise(widths):
            layers += _sharp_eyed(nn.Conv2d(a, b, 3, 2, 1), 0.05)
        layers += _sharp_eyed(nn.Conv2d(last, last, 3, 1, 1), 0.1)
        layers += _sharp_eyed(nn.Conv2d(last, last, 3, 1, 2, dilation=2), 0.1)
        self.body = nn.Sequential(*layers, nn.Conv2d(last, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        verdict: Tensor = self.body(unfocused(picture)).mean((1, 2, 3))
        return verdict


@dataclass
class Training:
    """Networks, optimisers and how far they are."""

    course: Course
    device: str
    start: Harmoniser | None = None
    step: int = 0
    history: list[list[float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.course.seed)
        self.network = (self.start or Harmoniser()).to(self.device).to(memory_format=torch.channels_last)
        self.critic = Critic().to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), self.course.rate, betas=(0.5, 0.99))
        self.critic_optimiser = torch.optim.AdamW(
            self.critic.parameters(), KEENER * self.course.rate, betas=(0.5, 0.99), weight_decay=DECAY
        )

    def advance(self, strips: Strips, progress: float) -> dict[str, Tensor]:
        """Take one step; `progress` in 0..1 is how far the training is."""
        torch.manual_seed((self.course.seed << 32) + self.step)
        rows = torch.randint(len(strips), (self.course.batch,))
        batch = varied(strips.pick(rows))
        rate = self.course.rate * min(1.0, (self.step + 1) / 200, (1 - progress) / (1 - STEADY) + 1e-3)
        for optimiser, share in ((self.optimiser, 1.0), (self.critic_optimiser, KEENER)):
            for group in optimiser.param_groups:
                group["lr"] = share * rate
        if self.course.adversary and progress < ALONE:
            with torch.no_grad():
                mended = self._mended(batch.other, batch.other_skin)
            terms = {"judged": self._teach_critic(batch.truth, mended)}
        else:
            terms = self._teach_network(batch)
        self.step += 1
        return {name: term.detach() for name, term in terms.items()}

    def _teach_network(self, batch: Batch) -> dict[str, Tensor]:
        """One step on faces drawn back and, where there is a critic, on those of somebody else."""
        known = self.course.batch // KNOWN
        mended = self._mended(
            torch.cat([batch.back[:known], batch.other[known:]]),
            torch.cat([batch.back_skin[:known], batch.other_skin[known:]]),
        )
        terms = {"pixels": pyramid_loss(mended[:known], batch.truth[:known])}
        loss = PIXELS * terms["pixels"]
        if self.course.adversary:
            terms["judged"] = self._teach_critic(batch.truth[known:], mended[known:].detach())
            terms["told"] = self._told(batch.truth[known:], mended[known:])
            loss = loss + self.course.adversary * terms["told"]
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            share = 1 - min(MEMORY, self.step / (self.step + 10))
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, share)
        return terms

    def _mended(self, drawn: Tensor, skin: Tensor) -> Tensor:
        with self._half_precision():
            return mend(self.network, drawn, skin)

    def _teach_critic(self, truth: Tensor, mended: Tensor) -> Tensor:
        """Teach the critic; how badly it told apart what it saw."""
        with self._half_precision():
            true, drawn = self.critic(torch.cat([truth, mended])).float().chunk(2)
        wrong = functional.softplus(drawn - true).mean()
        self.critic_optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(wrong + MODEST * (true**2 + drawn**2).mean())
        nn.utils.clip_grad_norm_(self.critic.parameters(), 1.0)
        self.critic_optimiser.step()
        return wrong

    def _told(self, truth: Tensor, mended: Tensor) -> Tensor:
        """How well the critic tells mended faces from the photos that they were drawn over."""
        self.critic.requires_grad_(False)
        with self._half_precision():
            true, drawn = self.critic(torch.cat([truth, mended])).float().chunk(2)
        self.critic.requires_grad_(True)
        return functional.softplus(true - drawn).mean()

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


_PARTS = ("network", "critic", "average", "optimiser", "critic_optimiser")


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
            training.history.append([training.step, means.get("pixels"), after])
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
    mended = mend(training.average, batch.back, batch.back_skin)
    return float(pyramid_loss(batch.back, batch.truth)), float(pyramid_loss(mended, batch.truth))


def mend(network: Harmoniser, drawn: Tensor, skin: Tensor) -> Tensor:
    """What a network makes of drawings `(n, 3, s, s)` with their shares of new skin `(n, 1, s, s)`."""
    return drawn + bounded(network(drawn, skin).float())


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
            mend(training.average, batch.back, batch.back_skin),
            mend(training.average, batch.other, batch.other_skin),
        )


def _sharp_eyed(layer: nn.Conv2d, dropped: float) -> list[nn.Module]:
    return [layer, nn.GroupNorm(8, layer.out_channels), nn.SiLU(), nn.Dropout2d(dropped)]
