"""The prior over identities: conditional flow matching in the codec's latent space, with classifier-free guidance.

Flow matching (Lipman et al. 2023): a network learns the velocity that carries Gaussian noise to faces along straight
lines. A seed is a noise vector, so a seed names a person, seen under whatever conditions the photo sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from identigen.models import asset, borrow
from identigen.types import Floats

FREQUENCIES = 32
STEPS = 5
GUIDANCE = 1.0
STEERING = 4.0

Indices = npt.NDArray[np.intp]


class Velocity(nn.Module):
    """Residual network: latent `(n, d)`, time `(n,)` in 0..1 and condition `(n, c)` to velocity `(n, d)`.

    `known` `(n, 1)` is 0 where the condition is withheld (classifier-free guidance, Ho and Salimans 2022).
    """

    def __init__(self, latent: int, conditions: int, width: int = 288, depth: int = 3, dropout: float = 0.15) -> None:
        super().__init__()
        self.time = nn.Linear(2 * FREQUENCIES, width)
        self.condition = nn.Linear(conditions + 1, width)
        self.steer = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.enter = nn.Linear(latent, width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(depth))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, latent))

    def forward(self, x: Tensor, time: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        waves = time[:, None] * torch.exp(torch.linspace(0, math.log(200.0), FREQUENCIES))
        told = torch.cat([condition * known, known], 1)
        steer = self.steer(self.time(torch.cat([torch.sin(waves), torch.cos(waves)], 1)) + self.condition(told))
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, steer)
        out: Tensor = self.leave(h)
        return out


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 2 * width)
        wide = 2 * width
        self.body = nn.Sequential(nn.Linear(width, wide), nn.SiLU(), nn.Dropout(dropout), nn.Linear(wide, width))

    def forward(self, h: Tensor, steer: Tensor) -> Tensor:
        gain, shift = self.modulate(steer).chunk(2, 1)
        out: Tensor = h + self.body(self.norm(h) * (1 + gain) + shift)
        return out


def noise(seeds: Sequence[int | Sequence[int]], size: int) -> Floats:
    """One noise vector `(size,)` for each seed, the same on every machine."""
    return np.asarray([np.random.default_rng(seed).standard_normal(size) for seed in seeds], np.float32)


@torch.inference_mode()
def sample(
    network: Velocity,
    start: Floats,
    condition: Floats,
    guidance: float | None = None,
    steps: int | None = None,
    steer: Callable[[Floats], Floats] | None = None,
    choose: Callable[[Floats, int], Indices] | None = None,
) -> Floats:
    """Carry noise `(n, d)` to faces under one condition `(c,)` or one each `(n, c)`, by Heun's method.

    `steer` looks, at the start of each step, at where each face is heading `(n, d)` and answers with how far it should
    be moved; the flow is bent on the way, so that what arrives is still a face. `choose` looks there at the first two
    occasions, 0 and 1, and answers with the rows of those who may go on: to drop the others saves their way.
    """
    guidance, steps = GUIDANCE if guidance is None else guidance, STEPS if steps is None else steps
    x = torch.from_numpy(np.array(start))
    told = torch.from_numpy(np.array(condition, np.float32)).expand(len(x), -1)

    def velocity(at: Tensor, moment: float) -> Tensor:
        if guidance == 1.0:
            alone: Tensor = network(at, torch.full((len(at),), moment), told, torch.ones(len(at), 1))
            return alone
        time, known = (
            torch.full((2 * len(at),), moment),
            torch.cat([torch.ones(len(at), 1), torch.zeros(len(at), 1)]),
        )
        with_, without = network(torch.cat([at, at]), time, torch.cat([told, told]), known).chunk(2)
        return torch.as_tensor(without + guidance * (with_ - without))

    def chosen(heading: Tensor, look: int) -> Tensor:
        if choose is None:
            return torch.arange(len(heading))
        return torch.from_numpy(choose(heading.numpy(), look))

    for k in range(steps):
        now, step = k / steps, 1.0 / steps
        first = velocity(x, now)
        if k == 0:
            rows = chosen(x + first, 0)
            x, first, told = x[rows], first[rows], told[rows]
        bend = torch.zeros_like(x)
        if steer is not None:
            bend = STEERING * torch.from_numpy(steer((x + (1 - now) * first).numpy()))
        ahead = x + step * (first + bend)
        second = velocity(ahead, min(now + step, 1.0))
        if k == 0:
            rows = chosen(ahead + (1 - step) * second, 1)
            x, first, bend, second, told = x[rows], first[rows], bend[rows], second[rows], told[rows]
        x = x + step * ((first + second) / 2 + bend)
    return np.asarray(x.numpy(), np.float32)


def load_prior() -> Velocity:
    """The shipped network, read once."""
    with borrow("identigen-appearance-prior", _read_prior) as network:
        return network


def _read_prior() -> Velocity:
    from safetensors.torch import load_file

    stored = {name: tensor.float() for name, tensor in load_file(asset("models/prior.safetensors")).items()}
    width, latent = stored["enter.weight"].shape
    depth = 1 + max(int(name.split(".")[1]) for name in stored if name.startswith("blocks."))
    network = Velocity(latent, stored["condition.weight"].shape[1] - 1, width, depth)
    network.load_state_dict(stored)
    return network.eval()
