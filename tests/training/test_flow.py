from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from identigen.identity.conditions import NAMES
from identigen.identity.prior import noise, sample
from identigen.training.flow import train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices: threads that wait for each other on a busy machine cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_flow_learns_where_the_latents_lie_and_repeats_itself() -> None:
    """Latents follow one condition; after a short training samples do so too, and a seed gives the same network."""
    rng = np.random.default_rng(0)
    conditions = np.zeros((600, len(NAMES)), np.float32)
    conditions[:, 0] = rng.choice([-1.0, 1.0], 600)
    latents = (1.5 * conditions[:, :1] + 0.2 * rng.standard_normal((600, 4))).astype(np.float32)
    weights = np.ones(600, np.float32)
    trained = train(latents, conditions, weights, latents[:100], conditions[:100], 80, 0)
    again = train(latents, conditions, weights, latents[:100], conditions[:100], 80, 0)
    first, last = trained.history[0], trained.history[-1]
    assert last[2] < 0.8 * first[2]
    told = np.zeros((2, len(NAMES)), np.float32)
    told[:, 0] = (-1, 1)
    low, high = sample(trained.network, noise([1, 1], 4), told).mean(1)
    assert low < -0.7
    assert high > 0.7
    assert trained.history == again.history
