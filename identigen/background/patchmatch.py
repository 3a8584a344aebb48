"""Multi-scale exemplar completion.

A hole is filled by pieces of its surroundings so that every 7x7 patch of the fill looks like some patch of the photo:
Wexler, Shechtman and Irani 2007 (space-time completion, here in space) with the search of Barnes 2009 (PatchMatch) and
the texture features of Newson 2014, which keep fine texture from being confused with flat colour. From coarse to fine:

    smooth guess -> [search sources -> vote colours] x rounds -> carry the sources one level up -> ... -> match colours

Only a crop around the hole is worked on and all state is kept per target, so that cost grows with the hole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.errors import MaskError
from identigen.types import Bools, Floats, Mask, Pixels, Window

Ints = npt.NDArray[np.int32]

_RADIUS = 3
_BAND = 4096
"""Targets in a band; fixed, so that the result does not depend on the number of cores."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look; the defaults are what the figures in the documentation were measured with."""

    coarse_rounds: int = 10
    fine_rounds: int = 3
    passes: int = 2
    texture_weight: float = 1.0
    selectivity: float = 2.0
    final_selectivity: float = 20.0
    pull: int = 40
    guide_level: int = 3
    guide_kind: str = "ns"
    harmonise: float = 5.0
    limit: float = 255.0
    pull_fine: int = 40


@dataclass(frozen=True, eq=False, slots=True)
class Level:
    """One scale of the pyramid: features `(h, w, 5) uint8` (RGB and two texture channels), hole and forbidden pixels."""

    features: Pixels
    hole: Bools
    barred: Bools
    guide: Pixels

    def coarser(self) -> Level:
        """Half the size. Colours are averaged over known pixels only; a cell with any hole in it is hole."""
        known = (~self.hole).astype(np.float32)
        features, weight = _halve(self.features * known[:, :, None]), _halve(known)
        mean = features / np.maximum(weight, 1e-6)[:, :, None]
        return Level(np.rint(mean).astype(np.uint8), _halve(1 - known) > 0, _halve(self.barred.astype(np.float32)) > 0, self.guide)


@dataclass(frozen=True, eq=False, slots=True)
class Targets:
    """Every patch that touches the hole, in reading order, with the centre of the patch it looks like."""

    ys: Ints
    xs: Ints
    order: Ints
    """`(h, w)`: number of the target centred on a pixel, -1 where there is none."""
    trust: Floats
    """Patches near the rim know more than those deep inside."""
    usable: Pixels
    """`(h, w)`: 1 where the whole patch may be copied."""


class PatchMatch:
    """Background prediction by exemplars; see the module's docstring."""

    name = "patchmatch"
    models: tuple[str, ...] = ()

    def __init__(self, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0
    ) -> tuple[Window, Pixels]:
        """See `BackgroundPredictor.predict`."""
        require_fit(pixels, hole, forbidden)
        if not hole.area:
            return Window(0, 0, 0, 0), np.zeros((0, 0, 3), np.uint8)
        window = context_window(hole)
        inside = hole.within(window)
        barred = forbidden.within(window) if forbidden is not None else np.zeros_like(inside)
        filled = complete(pixels[window.slices], inside, barred & ~inside, seed, self.effort)
        w = hole.window
        own = Window(w.left - window.left, w.top - window.top, w.right - window.left, w.bottom - window.top)
        patch = np.where(hole.pixels[:, :, None], filled[own.slices], pixels[w.slices])
        return w, patch


def require_fit(pixels: Pixels, hole: Mask, forbidden: Mask | None) -> None:
    """Raise `MaskError` when a mask belongs to a photo of another size."""
    height, width = pixels.shape[:2]
    for mask in (hole, forbidden):
        if mask is not None and tuple(mask.photo_size) != (height, width):
            raise MaskError(
                f"the mask is for a photo of {mask.photo_size[1]}x{mask.photo_size[0]} pixels but this one has "
                f"{width}x{height}; draw it on this photo."
            )


def context_window(hole: Mask) -> Window:
    """The part of the photo to learn from: the hole and its own size again on each side, at least 64 pixels."""
    w = hole.window
    return Window.around(w.box, *hole.photo_size, margin=max(64, max(w.width, w.height)))


def complete(pixels: Pixels, hole: Bools, barred: Bools, seed: int, effort: Effort) -> Pixels:
    """Fill the `(h, w)` hole of `(h, w, 3)` pixels; sources touch neither hole nor barred pixels."""
    levels = pyramid(pixels, hole, barred, effort)
    level = smooth_guess(levels[-1])
    targets = find_targets(level)
    sources = random_sources(targets, seed)
    for depth in range(len(levels) - 1, -1, -1):
        if depth < len(levels) - 1:
            finer = find_targets(levels[depth])
            sources = carry(sources, targets, finer)
            targets, level = finer, levels[depth]
            level = vote(level, targets, sources, measure_costs(level, targets, sources, skip=True), effort.selectivity)
        coarsest = depth == len(levels) - 1
        rounds = effort.coarse_rounds if coarsest else effort.fine_rounds
        for turn in range(rounds):
            last = turn == rounds - 1 and depth == 0
            sources, costs = improve(level, targets, sources, replace(effort, pull=effort.pull if depth else effort.pull_fine), seed + 7919 * turn + depth, coarsest)
            level = vote(level, targets, sources, costs, effort.final_selectivity if last else effort.selectivity)
    return harmonise(level, effort)


def harmonise(level: Level, effort: Effort) -> Pixels:
    """Bring the overall colours of the fill to those of the guide."""
    fill = level.features[:, :, :3].astype(np.float32)
    if not effort.harmonise:
        return level.features[:, :, :3]
    inside = level.hole.astype(np.float32)
    sigma = effort.harmonise
    blur = lambda a: cv2.GaussianBlur(a, (0, 0), sigma)
    shift = blur((level.guide.astype(np.float32) - fill) * inside[:, :, None]) / np.maximum(blur(inside), 1e-3)[:, :, None]
    shift = np.clip(shift, -effort.limit, effort.limit)
    return np.clip(np.rint(fill + shift * inside[:, :, None]), 0, 255).astype(np.uint8)


def pyramid(pixels: Pixels, hole: Bools, barred: Bools, effort: Effort) -> list[Level]:
    """Levels from fine to coarse, until the hole is hardly thicker than a patch."""
    depth = float(cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 5).max())
    levels = [Level(with_texture(pixels, hole, effort.texture_weight), hole, barred, pixels)]
    while depth > 1.5 * _RADIUS and min(levels[-1].hole.shape) >= 32:
        coarser = levels[-1].coarser()
        if usable_centres(coarser).sum() < 64:
            break
        levels.append(coarser)
        depth /= 2
    return guided(levels, effort)


def guided(levels: list[Level], effort: Effort) -> list[Level]:
    """Give every level the overall colours: those of a coarse level, smoothly continued into the hole."""
    at = max(0, len(levels) - 1 - effort.guide_level)
    base = levels[at]
    mask = base.hole.astype(np.uint8)
    kind = cv2.INPAINT_NS if effort.guide_kind == "ns" else cv2.INPAINT_TELEA
    guide = cv2.inpaint(np.ascontiguousarray(base.features[:, :, :3]), mask, 3, kind)
    out = []
    for k, level in enumerate(levels):
        h, w = level.hole.shape
        if k < at:
            f = 2 ** (at - k)
            g = cv2.resize(guide, (guide.shape[1] * f, guide.shape[0] * f), interpolation=cv2.INTER_CUBIC)[:h, :w]
        else:
            g = cv2.resize(guide, (w, h), interpolation=cv2.INTER_AREA)
        out.append(replace(level, guide=np.ascontiguousarray(g)))
    return out


def with_texture(pixels: Pixels, hole: Bools, weight: float) -> Pixels:
    """RGB and the local mean of |dx| and |dy| (Newson 2014), all `uint8`."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # A gradient that reaches into the hole says nothing about the scene.
    known = (cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
    share = np.maximum(cv2.blur(known, (9, 9)), 1e-3)
    channels = [pixels]
    for dx, dy in ((1, 0), (0, 1)):
        slope = np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=1)) * known
        channels.append(np.clip(cv2.blur(slope, (9, 9)) / share * weight * 3, 0, 255).astype(np.uint8)[:, :, None])
    return np.ascontiguousarray(np.concatenate(channels, 2))


def smooth_guess(level: Level) -> Level:
    """Fill the coarsest hole smoothly: the only guess that is never badly wrong."""
    mask = level.hole.astype(np.uint8)
    colour = cv2.inpaint(np.ascontiguousarray(level.features[:, :, :3]), mask, 3, cv2.INPAINT_NS)
    rest = [cv2.inpaint(np.ascontiguousarray(level.features[:, :, c]), mask, 3, cv2.INPAINT_NS)[:, :, None] for c in (3, 4)]
    return replace(level, features=np.ascontiguousarray(np.concatenate([colour, *rest], 2)))


def usable_centres(level: Level) -> Pixels:
    """1 where a whole patch lies inside the picture and touches neither hole nor barred pixels."""
    free = (~(level.hole | level.barred)).astype(np.uint8)
    size = 2 * _RADIUS + 1
    return np.asarray(cv2.erode(free, np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0))


def find_targets(level: Level) -> Targets:
    """Centres of all patches that touch the hole and lie inside the picture."""
    size = 2 * _RADIUS + 1
    touched = cv2.dilate(level.hole.astype(np.uint8), np.ones((size, size), np.uint8))
    touched[:_RADIUS], touched[-_RADIUS:], touched[:, :_RADIUS], touched[:, -_RADIUS:] = 0, 0, 0, 0
    ys, xs = (a.astype(np.int32) for a in np.nonzero(touched))
    order = np.full(touched.shape, -1, np.int32)
    order[ys, xs] = np.arange(len(ys), dtype=np.int32)
    inward = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 5)[ys, xs]
    trust = np.maximum(1.3 ** -inward, 1e-3).astype(np.float32)
    return Targets(ys, xs, order, trust, usable_centres(level))


def random_sources(targets: Targets, seed: int) -> Ints:
    """A random usable centre for every target."""
    ys, xs = np.nonzero(targets.usable)
    if not len(ys):
        raise MaskError("nothing is left of the photo to predict the background from; mark a smaller region.")
    pick = np.random.default_rng(seed).integers(0, len(ys), len(targets.ys))
    return np.stack([ys[pick], xs[pick]], 1).astype(np.int32)


def carry(sources: Ints, coarse: Targets, fine: Targets) -> Ints:
    """Sources of the finer level: twice the coordinates, the same corner of the cell."""
    height, width = coarse.order.shape
    y = np.clip(fine.ys // 2, _RADIUS, height - 1 - _RADIUS)
    x = np.clip(fine.xs // 2, _RADIUS, width - 1 - _RADIUS)
    parent = sources[coarse.order[y, x]]
    return np.ascontiguousarray(2 * parent + np.stack([fine.ys & 1, fine.xs & 1], 1), np.int32)


def improve(level: Level, targets: Targets, sources: Ints, effort: Effort, seed: int, far: bool) -> tuple[Ints, Ints]:
    """Look for better sources by a few passes of PatchMatch; return them with their costs."""
    from identigen.background import compiled

    sources, costs = sources.copy(), measure_costs(level, targets, sources, effort.pull)
    picture = level.features.reshape(level.features.shape[0], -1)
    reach = max(targets.usable.shape) if far else 16
    for turn in range(effort.passes):
        before, stream = sources.copy(), (seed * 31 + turn * 17 + 1) * 2246822519 % 2**32
        _in_bands(
            len(targets.ys),
            lambda lo, hi, before=before, stream=stream, turn=turn: compiled.search(  # type: ignore[misc]
                picture, level.guide, np.int32(effort.pull), targets.usable, targets.order, targets.ys, targets.xs, sources, costs, before, lo, hi, turn % 2 == 1, reach, stream
            ),
        )
    return sources, costs


def measure_costs(level: Level, targets: Targets, sources: Ints, pull: int = 0, skip: bool = False) -> Ints:
    """Squared patch differences `(n,)`."""
    from identigen.background import compiled

    costs = np.zeros(len(targets.ys), np.int32)
    if skip:
        return costs
    picture = level.features.reshape(level.features.shape[0], -1)
    _in_bands(len(costs), lambda lo, hi: compiled.measure(picture, level.guide, np.int32(pull), targets.ys, targets.xs, sources, costs, lo, hi))
    return costs


def vote(level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float) -> Level:
    """The level with its hole painted by the patches that cover it."""
    from identigen.background import compiled

    ys, xs = (a.astype(np.int32) for a in np.nonzero(level.hole))
    out = np.zeros((len(ys), 5), np.float32)
    picture = level.features.reshape(level.features.shape[0], -1)
    _in_bands(
        len(ys),
        lambda lo, hi: compiled.vote(
            picture, targets.order, sources, costs, targets.trust, ys, xs, np.float32(selectivity), out, lo, hi
        ),
    )
    features = level.features.copy()
    features[ys, xs] = np.rint(out).astype(np.uint8)
    return replace(level, features=features)


def _in_bands(count: int, work: Callable[[int, int], Any]) -> None:
    """Run `work(lo, hi)` over bands of fixed size, in as many threads as this process may use."""
    bands = [(lo, min(lo + _BAND, count)) for lo in range(0, count, _BAND)]
    if len(bands) < 2:
        for lo, hi in bands:
            work(lo, hi)
        return
    for _ in _pool().map(lambda band: work(*band), bands):
        pass


_threads: list[ThreadPoolExecutor] = []


def _pool() -> ThreadPoolExecutor:
    if not _threads:
        _threads.append(ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="background"))
    return _threads[0]


def _halve(array: npt.NDArray[Any]) -> Floats:
    """Average 2x2 cells of `(h, w[, c])`; an odd last row or column is repeated."""
    height, width = array.shape[:2]
    even = cv2.copyMakeBorder(array.astype(np.float32), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA), np.float32)
