"""Train the prior: conditional flow matching on the latents of the training faces and their mirror images."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from identigen.identity.conditions import VAGUENESS
from identigen.identity.prior import Velocity
from identigen.types import Floats

BATCH = 256
WITHHELD = 0.12
JITTER = 0.15  # 2,000 faces are few: a little noise keeps the flow from learning them by heart


@dataclass(frozen=True, eq=False)
class Trained:
    """The averaged network and its history: rows of step, training loss, held-out loss."""

    network: Velocity
    history: tuple[tuple[int, float, float], ...]


def train(
    latents: Floats,
    conditions: Floats,
    weights: Floats,
    held_latents: Floats,
    held_conditions: Floats,
    steps: int,
    seed: int,
) -> Trained:
    """Fit the velocity field on `(n, d)` latents under `(n, c)` conditions, rows drawn with `weights` `(n,)`."""
    torch.manual_seed(seed)
    x, c = torch.from_numpy(latents), torch.from_numpy(conditions)
    held_x, held_c = torch.from_numpy(held_latents), torch.from_numpy(held_conditions)
    vague = torch.from_numpy(VAGUENESS)
    odds = torch.from_numpy(weights / weights.sum())
    network = Velocity(x.shape[1], c.shape[1])
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), 4e-4, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-4, total_steps=steps, pct_start=0.05)
    history, started, running = [], time.time(), 0.0
    for step in range(1, steps + 1):
        rows = torch.multinomial(odds, BATCH, replacement=True)
        loss = _loss(network, _jittered(x[rows], JITTER), _jittered(c[rows], vague))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _follow(average, network, min(0.998, step / (step + 10)))
        running += (loss.item() - running) / min(step, 100)
        if step % max(1, steps // 20) == 0:
            held = held_out_loss(average, held_x, held_c)
            history.append((step, running, held))
            spent = time.time() - started
            print(f"step {step}/{steps} loss {running:.3f} held out {held:.3f} ({spent:.0f} s)", flush=True)
    return Trained(average, tuple(history))


@torch.inference_mode()
def held_out_loss(network: Velocity, latents: Tensor, conditions: Tensor) -> float:
    """The loss on faces never trained on, always with the same noise."""
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(1)
    loss = float(np.mean([_loss(network, latents, conditions, withheld=0.0).item() for _ in range(4)]))
    torch.random.set_rng_state(torch_state)
    return loss


def _loss(network: Velocity, x: Tensor, condition: Tensor, withheld: float = WITHHELD) -> Tensor:
    start = torch.randn_like(x)
    moment = torch.sigmoid(torch.randn(len(x)))
    known = (torch.rand(len(x), 1) >= withheld).float()
    at = (1 - moment[:, None]) * start + moment[:, None] * x
    return torch.mean((network(at, moment, condition, known) - (x - start)) ** 2)


def _jittered(values: Tensor, spread: Tensor | float) -> Tensor:
    return values + spread * torch.randn_like(values)


@torch.no_grad()
def _follow(average: Velocity, network: Velocity, pace: float) -> None:
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - pace)
