"""The way through a U-Net (Ronneberger, Fischer, Brox 2015): down to the middle and up again past what was kept."""

from __future__ import annotations

from torch import Tensor, nn


def through(
    h: Tensor, see: nn.ModuleList, down: nn.ModuleList, middle: nn.Module, up: nn.ModuleList, refine: nn.ModuleList
) -> Tensor:
    """Features `(n, c, s, s)` seen at every scale, all lists from fine to coarse; what was `see`n is added going up."""
    kept = []
    for look, smaller in zip(see, down, strict=True):
        kept.append(look(h))
        h = smaller(kept[-1])
    h = middle(h)
    for larger, work, skip in zip(up[::-1], refine[::-1], kept[::-1], strict=True):
        h = work(larger(h) + skip)
    return h
