"""Multi-scale exemplar completion.

A hole is filled by pieces of its surroundings so that every 7x7 patch of the fill looks like some patch of the photo:
Wexler, Shechtman and Irani 2007 (space-time completion, here in space) with the search of Barnes 2009 (PatchMatch) and
the texture features of Newson 2014, which keep fine texture from being confused with flat colour. What surrounds the
hole is continued into it first: each hidden pixel takes what most of the views around it agree on, a mode and not a
mean, so that a wood ends at the sky with an edge and not with a haze. On the coarse scales this guide pulls the search
towards sources of the expected colour and roughness, and in the end it settles what is left of colour steps. Neighbours
are copied together where that costs little: large pieces keep the structure that single patches would crumble.

    guide -> [search sources -> vote colours] x rounds -> carry the sources one level up -> ...
          -> without seams -> harmonise

Only a crop around the hole is worked on and all state is kept per target, so that cost grows with the hole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identigen.errors import MaskError, Stopped
from identigen.masks import grow
from identigen.types import Bools, Fill, Floats, Mask, Pixels, Stop, Window

Ints = npt.NDArray[np.int32]

_RADIUS = 3
_SIZE = 2 * _RADIUS + 1
_CHANNELS, _STRIDE = 5, 8
_BAND = 4096
"""Targets in a band; fixed, so that the result does not depend on the number of cores."""
_TEXTURE = 3.0
"""Gradients are small numbers: this much larger they count like a colour."""
_ENOUGH = 64
"""A level with fewer patches to copy from is not worth searching."""
_GUIDE_DEPTH = 48.0
"""The guide is drawn on the first level on which no pixel of the hole is farther than this from the rim."""
_DIRECTIONS = 16
"""In which lines are continued, over half a turn."""
_UNLIKE = 12.0
"""Difference, in grey levels, at which two views hardly belong together."""
_LINE = 30.0
"""How many times more a view counts that looks like the opposite one: a line or a band goes through there."""
_NEARNESS = 7.5
"""Power of the distance with which a view loses weight."""
_SOFT = 1.5
"""Width (sigma, pixels) over which the guide averages what is seen."""
_MISFIT = 2.0
"""Root mean square difference, in grey levels, from which on a source is in doubt."""
_BELIEF = 0.6
"""Depth, as a share of the thickness of the hole, at which the guide is half believed."""

_STEP = 5.0
"""Step between neighbours, in grey levels, from which on it is rather an edge than a seam."""
_SPREAD = 10.0
"""Over how many pixels the correction of a seam fades, in holes no deeper than `_GUIDE_DEPTH`."""
_SWEEPS, _ROWS = 20, 64
"""Of the relaxation that spreads seams, and rows in one of its bands."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look; the defaults are what the bars of `identigen evaluate background` are held with."""

    coarse_rounds: int = 10
    fine_rounds: int = 3
    passes: int = 2
    pull: int = 80
    """Weight of the guide on all levels but the finest, where it would print its smooth shapes into the texture. It
    falls with the share of the rim that is hidden by others: in a crowd the guide is a guess."""
    lean: float = 30.0
    """In a crowd, what comes from a whole picture higher or lower counts as this many grey levels off: scenes lie in
    layers. Where background is seen on the rim, that tells more."""
    coherence: float = 10.0
    """A patch whose four neighbours are all copied from elsewhere counts as this many grey levels off."""
    selectivity: float = 2.0
    """Low: patches that cover a pixel are averaged. High: the best is copied."""
    final_selectivity: float = 20.0
    colour_step: float = 40.0
    """Largest correction of the overall colour at the rim, in grey levels; deep inside the hole it is less."""


@dataclass(frozen=True, eq=False, slots=True)
class Level:
    """One scale: features `(h, w, 8) uint8` (RGB, two of texture, nothing), hole and barred, guide `(h, w, 5)`."""

    features: Pixels
    hole: Bools
    barred: Bools
    guide: Pixels

    @property
    def unknown(self) -> Bools:
        """Where the picture tells nothing about the background."""
        return self.hole | self.barred

    @property
    def painted(self) -> Bools:
        """What is voted for: the hole, and of the barred pixels those that share a patch with it.

        Somebody who stands in front must not be continued into the hole: within its patches he is background, too.
        """
        if not self.barred.any():
            return self.hole
        reach = np.ones((2 * _SIZE - 1, 2 * _SIZE - 1), np.uint8)
        return np.asarray(self.hole | (self.barred & (cv2.dilate(self.hole.astype(np.uint8), reach) > 0)))

    def coarser(self) -> Level:
        """Half the size. Colours are averaged over known pixels only; a cell with any hole in it is hole."""
        known = (~(self.hole | self.barred)).astype(np.float32)
        weight = np.maximum(_halve(known), 1e-6)
        # Channel by channel: as floats all five together would be the largest thing in memory.
        means = [_halve(self.features[:, :, c] * known) / weight for c in range(_CHANNELS)]
        features = np.zeros((*means[0].shape, _STRIDE), np.uint8)
        for c, mean in enumerate(means):
            features[:, :, c] = np.rint(mean)
        hole = _halve(self.hole.astype(np.float32)) > 0
        # Barred colours are never averaged in, so that half a free cell is free: a crowd would leave no coarse scale.
        barred = _halve(self.barred.astype(np.float32)) > 0.5
        return Level(features, hole, barred & ~hole, features)


@dataclass(frozen=True, eq=False, slots=True)
class Targets:
    """Every patch that touches the hole, in reading order."""

    ys: Ints
    xs: Ints
    places: Ints
    """Numbers of the pixels they are centred on, counted in reading order."""
    order: Ints
    """`(h, w)`: number of the target centred on a pixel, -1 where there is none."""
    trust: Floats
    """Patches near the rim know more than those deep inside."""
    guided: Floats
    """How far the guide is to be believed, 1 at the rim; deep inside it is a mere guess."""
    usable: Pixels
    """`(h, w)`: 1 where the whole patch may be copied."""


class PatchMatch:
    """Background prediction by exemplars; see the module's docstring."""

    name = "patchmatch"
    models: tuple[str, ...] = ()
    attempts = 3

    def __init__(self, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0, stop: Stop | None = None
    ) -> Fill:
        """See `BackgroundPredictor.predict`."""
        require_fit(pixels, hole, forbidden)
        if not hole.area:
            return EMPTY
        # The outlines of people are never exact: what is left of them outside their masks must not be copied either.
        barred = grow(forbidden, _margin(forbidden)) if forbidden else Mask.empty(*hole.photo_size)
        window = context_window(hole, barred)
        inside = hole.within(window)
        filled = complete(pixels[window.slices], inside, barred.within(window) & ~inside, seed, self.effort, stop)
        w = hole.window
        own = Window(w.left - window.left, w.top - window.top, w.right - window.left, w.bottom - window.top)
        return Fill(w, np.where(hole.pixels[:, :, None], filled[own.slices], pixels[w.slices]))


EMPTY = Fill(Window(0, 0, 0, 0), np.zeros((0, 0, 3), np.uint8))
"""The fill of an empty hole."""


def _margin(forbidden: Mask) -> float:
    return 2.0 + 0.004 * max(forbidden.photo_size)


def require_fit(pixels: Pixels, hole: Mask, forbidden: Mask | None) -> None:
    """Raise `MaskError` when a mask belongs to a photo of another size."""
    height, width = pixels.shape[:2]
    for mask in (hole, forbidden):
        if mask is not None and tuple(mask.photo_size) != (height, width):
            raise MaskError(
                f"the mask is for a photo of {mask.photo_size[1]}x{mask.photo_size[0]} pixels but this one has "
                f"{width}x{height}; draw it on this photo."
            )


def context_window(hole: Mask, barred: Mask) -> Window:
    """What to learn from: the hole and its own size again on each side; the whole photo where little of it is free."""
    w, (height, width) = hole.window, hole.photo_size
    window = Window.around(w.box, height, width, margin=max(64, w.width, w.height))
    free = ~(hole.within(window) | barred.within(window))
    return window if free.mean() > 0.2 else Window(0, 0, width, height)


def complete(pixels: Pixels, hole: Bools, barred: Bools, seed: int, effort: Effort, stop: Stop | None = None) -> Pixels:
    """Fill the `(h, w)` hole of `(h, w, 3)` pixels; sources touch neither hole nor barred pixels.

    Where not a single whole patch is free the guide is all that can be known. Raises `MaskError` when
    nothing is free at all.
    """
    if (hole | barred).all():
        raise MaskError("nothing is left of the photo to predict the background from; mark a smaller region.")
    levels = pyramid(pixels, hole, barred)
    if not usable_centres(levels[0]).any():
        return np.ascontiguousarray(levels[0].guide[:, :, :3])
    seen = openness(levels[0])
    level, targets = start(levels[-1]), find_targets(levels[-1])
    sources = random_sources(targets, seed)
    for depth in reversed(range(len(levels))):
        coarsest, finest = depth == len(levels) - 1, depth == 0
        if not coarsest:
            level, coarse, targets = levels[depth], targets, find_targets(levels[depth])
            sources = carry(sources, coarse, targets)
            level = vote(level, targets, sources, np.zeros(len(sources), np.int32), effort.selectivity)
        rounds = effort.coarse_rounds if coarsest else effort.fine_rounds
        for turn in range(rounds):
            if stop is not None and stop():
                raise Stopped("Stopped in the middle of a background.")
            pull, lean = (0, 0.0) if finest else (round(effort.pull * seen), effort.lean * (1.0 - seen))
            search = Search(effort.passes, pull, lean, effort.coherence, far=coarsest, seed=seed + 7919 * turn + depth)
            sources, costs = improve(level, targets, sources, search)
            last = finest and turn == rounds - 1
            level = vote(level, targets, sources, costs, effort.final_selectivity if last else effort.selectivity)
    level = without_seams(level, targets, sources, costs, effort.final_selectivity)
    return harmonise(level, doubt(targets, costs), effort.colour_step * seen)


# --- scales ---------------------------------------------------------------------------------------------------------


def pyramid(pixels: Pixels, hole: Bools, barred: Bools) -> list[Level]:
    """Levels from fine to coarse, until the hole is hardly thicker than a patch; every one with the guide."""
    depth = _thickness(hole, hole | barred)
    features = with_texture(pixels, hole | barred)
    levels, guided_at = [Level(features, hole, barred, features)], 0
    while depth > 1.5 * _RADIUS and min(levels[-1].hole.shape) >= 32:
        coarser = levels[-1].coarser()
        if usable_centres(coarser).sum() < _ENOUGH:
            break
        guided_at += depth > _GUIDE_DEPTH
        levels.append(coarser)
        depth /= 2
    return with_guide(levels, guided_at)


def _thickness(hole: Bools, unknown: Bools) -> float:
    """Largest distance of a pixel of the hole from what is known."""
    return float(_inward(unknown)[hole].max(initial=0.0))


def _inward(unknown: Bools) -> Floats:
    """Distance of every pixel from what is known; the border of the picture knows nothing."""
    if unknown.all():
        return np.full(unknown.shape, max(unknown.shape), np.float32)
    return np.asarray(cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def with_texture(pixels: Pixels, unknown: Bools) -> Pixels:
    """RGB and the local mean of |dx| and |dy| (Newson 2014), all `uint8`."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # A gradient that reaches into the hole says nothing about the scene.
    known = (cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
    share = np.maximum(cv2.blur(known, (9, 9)), 1e-3)
    features = np.zeros((*unknown.shape, _STRIDE), np.uint8)
    features[:, :, :3] = pixels
    for channel, (dx, dy) in enumerate(((1, 0), (0, 1)), start=3):
        slope = np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=1)) * known
        features[:, :, channel] = np.clip(_TEXTURE * cv2.blur(slope, (9, 9)) / share, 0, 255)
    return features


def with_guide(levels: list[Level], at: int) -> list[Level]:
    """Give every level the overall colours to expect: those of level `at` with lines continued into the hole."""
    base = levels[at]
    # The guide takes no colour of a barred person either.
    unknown = base.unknown | _slivers(base)
    drawn = continued(base.features, unknown)
    guides = [drawn]
    for level in levels[at + 1 :]:
        guides.append(_resized(guides[-1], level.hole.shape, cv2.INTER_AREA))
    for level, times in zip(reversed(levels[:at]), (2, 4, 8, 16), strict=False):
        guides.insert(0, _resized(drawn, (drawn.shape[0] * times, drawn.shape[1] * times), cv2.INTER_CUBIC))
    return [replace(level, guide=guide) for level, guide in zip(levels, guides, strict=True)]


def _resized(features, shape, method):
    return np.stack([cv2.resize(c, (shape[1], shape[0]), interpolation=method) for c in cv2.split(features)], 2)


def _slivers(level: Level) -> Bools:
    """Islands beside people that hold no whole patch, if others do: a rest of their hair must not colour a region."""
    _, labels = cv2.connectedComponents((~level.unknown).astype(np.uint8), connectivity=4)
    large = np.unique(labels[usable_centres(level) > 0])
    beside = np.unique(labels[cv2.dilate(level.barred.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0])
    return np.asarray(~level.unknown & np.isin(labels, beside) & ~np.isin(labels, large) & bool(len(large)))


def continued(features: Pixels, unknown: Bools) -> Pixels:
    """`(h, w, 5)` features without detail, and with what surrounds the unknown `(h, w)` continued into it."""
    from identigen.background import compiled

    drawn = _softened(features, ~unknown)
    if not unknown.any():
        return drawn
    part = _grown_box(unknown)
    places = np.flatnonzero(unknown[part])
    numbers = np.full(unknown[part].shape, -1, np.int32)
    numbers.ravel()[places] = np.arange(len(places))
    turn = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    directions = np.stack([np.sin(turn), np.cos(turn)], 1).astype(np.float32)
    views, weights = (np.zeros((len(places), 2 * _DIRECTIONS), kind) for kind in (np.int32, np.float32))
    scene = (numbers, directions, np.float32(_NEARNESS), views, weights)
    _in_bands(_DIRECTIONS, lambda lo, hi: compiled.look_along(*scene, lo, hi), 1)
    seen, sure = np.zeros((len(places), _CHANNELS), np.float32), np.zeros(len(places), np.float32)
    around = np.ascontiguousarray(drawn[part]).reshape(-1, _CHANNELS)
    scene = (around, views, weights, np.float32(_UNLIKE), np.float32(_LINE), seen, sure)
    _in_bands(len(places), lambda lo, hi: compiled.agree(*scene, lo, hi))
    drawn[part][unknown[part]] = np.rint(seen)
    blind = unknown.copy()
    blind[part][unknown[part]] = sure == 0
    return _smoothly(drawn, blind)


def _grown_box(inside: Bools) -> tuple[slice, slice]:
    """The smallest part of an `(h, w)` picture that holds what is true and a margin of one pixel."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return np.s_[max(0, rows[0] - 1) : rows[-1] + 2, max(0, columns[0] - 1) : columns[-1] + 2]


def _softened(features: Pixels, known: Bools) -> Pixels:
    """Local means over the known pixels."""
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), _SOFT)
    weight = known / np.maximum(share, 1e-3)
    soft = [cv2.GaussianBlur(features[:, :, c] * known.astype(np.float32), (0, 0), _SOFT) for c in range(_CHANNELS)]
    return np.stack([np.rint(channel * weight).astype(np.uint8) for channel in soft], 2)


def _smoothly(features: Pixels, unknown: Bools) -> Pixels:
    """`(h, w, 5)` features with the unknown ones interpolated smoothly (Bertalmio 2001, Navier-Stokes)."""
    if not unknown.any():
        return features
    hidden, channels = unknown.astype(np.uint8), cv2.split(features)
    return np.stack([cv2.inpaint(channel, hidden, 3, cv2.INPAINT_NS) for channel in channels], 2)


def start(level: Level) -> Level:
    """The coarsest level with its hole filled by what is expected there."""
    features = level.features.copy()
    features[level.painted, :_CHANNELS] = level.guide[level.painted]
    return replace(level, features=features)


def _halve(array: npt.NDArray[Any]) -> Floats:
    """Average 2x2 cells of `(h, w)`; an odd last row or column is repeated."""
    height, width = array.shape
    even = cv2.copyMakeBorder(array.astype(np.float32), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = (even.shape[1] // 2, even.shape[0] // 2)
    return np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.float32)


# --- targets and sources --------------------------------------------------------------------------------------------


def usable_centres(level: Level) -> Pixels:
    """1 where a whole patch lies inside the picture and touches neither hole nor barred pixels."""
    free = (~(level.hole | level.barred)).astype(np.uint8)
    inside = np.asarray(cv2.erode(free, np.ones((_SIZE, _SIZE), np.uint8)), np.uint8)
    return _without_margin(inside)


def _without_margin(centres: Pixels) -> Pixels:
    """Clear the centres whose patch would leave the picture."""
    cleared = np.zeros_like(centres)
    inner = np.s_[
        _RADIUS : max(_RADIUS, centres.shape[0] - _RADIUS), _RADIUS : max(_RADIUS, centres.shape[1] - _RADIUS)
    ]
    cleared[inner] = centres[inner]
    return cleared


def find_targets(level: Level) -> Targets:
    """Centres of all patches that touch the hole and lie inside the picture."""
    touched = np.asarray(cv2.dilate(level.hole.astype(np.uint8), np.ones((_SIZE, _SIZE), np.uint8)), np.uint8)
    touched = _without_margin(touched)
    ys, xs = (a.astype(np.int32) for a in np.nonzero(touched))
    order = np.full(touched.shape, -1, np.int32)
    order[ys, xs] = np.arange(len(ys), dtype=np.int32)
    places = (ys * touched.shape[1] + xs).astype(np.int32)
    trust = np.maximum(1.3 ** -_inward(level.unknown)[ys, xs], 1e-3).astype(np.float32)
    return Targets(ys, xs, places, order, trust, _belief(level)[ys, xs], usable_centres(level))


def _belief(level: Level) -> Floats:
    """How far the guide is to be believed at each pixel, 1 beside what is known.

    It falls with the distance on the scale of the hole's own thickness: a crowd around it makes nothing more certain.
    """
    reach = max(1.0, _BELIEF * _thickness(level.hole, level.hole))
    return np.asarray(1.0 / (1.0 + (_inward(level.unknown) / reach) ** 2), np.float32)


def random_sources(targets: Targets, seed: int) -> Ints:
    """A random usable place `(n,)` for every target."""
    places = np.flatnonzero(targets.usable)
    return places[np.random.default_rng(seed).integers(0, len(places), len(targets.places))].astype(np.int32)


def carry(sources: Ints, coarse: Targets, fine: Targets) -> Ints:
    """Sources of the finer level: twice the coordinates, the same corner of the cell, or the nearest usable place."""
    height, width = coarse.order.shape
    y = np.clip(fine.ys // 2, _RADIUS, height - 1 - _RADIUS)
    x = np.clip(fine.xs // 2, _RADIUS, width - 1 - _RADIUS)
    ys, xs = np.divmod(sources[coarse.order[y, x]], width)
    carried = (2 * ys + (fine.ys & 1)) * fine.order.shape[1] + 2 * xs + (fine.xs & 1)
    lost = fine.usable.ravel()[carried] == 0
    if lost.any():
        carried[lost] = _nearest_usable(fine.usable)[carried[lost]]
    return np.asarray(carried, np.int32)


def _nearest_usable(usable: Pixels) -> Ints:
    """The usable place next to every place `(h * w,)`."""
    _, labels = cv2.distanceTransformWithLabels(1 - usable, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.flatnonzero(usable)
    nearest = np.zeros(int(labels.max()) + 1, np.int32)
    nearest[labels.ravel()[places]] = places
    return np.asarray(nearest[labels.ravel()], np.int32)


# --- search and vote ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Search:
    """One call of `improve`: passes over the targets, weights, random search over everything or nearby."""

    passes: int
    pull: int
    lean: float
    coherence: float
    far: bool
    seed: int


def improve(level: Level, targets: Targets, sources: Ints, search: Search) -> tuple[Ints, Ints]:
    """Look for better sources by a few passes of PatchMatch; return them with their costs `(n,)`."""
    from identigen.background import compiled

    places, count, width = targets.places, len(targets.places), level.hole.shape[1]
    sources, costs = sources.copy(), np.zeros(count, np.int32)
    pulls = np.rint(search.pull * targets.guided).astype(np.int32)
    lean = np.float32(search.lean**2 * _SIZE * _SIZE * _CHANNELS / level.hole.shape[0] ** 2)
    given = (level.features.ravel(), level.guide.reshape(-1, _CHANNELS), pulls, lean)
    _in_bands(count, lambda lo, hi: compiled.measure(*given, width, places, sources, costs, lo, hi))
    reach = max(targets.usable.shape) if search.far else 16
    apart = np.int32(search.coherence**2 * _SIZE * _SIZE * _CHANNELS / 4)
    scene = (*given, apart, targets.usable, targets.order)
    for turn in range(search.passes):
        stream = (search.seed * 31 + turn * 17 + 1) * 2246822519 % 2**32
        state, how = (places, sources, costs, sources.copy()), (turn % 2 == 1, reach, stream)
        _in_bands(count, lambda lo, hi, state=state, how=how: compiled.search(*scene, *state, lo, hi, *how))  # type: ignore[misc]
    return sources, costs


def vote(level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float) -> Level:
    """The level with its hole painted by the patches that cover it."""
    from identigen.background import compiled

    places = np.flatnonzero(level.painted)
    votes = np.zeros((len(places), _CHANNELS), np.uint8)
    picture, burdens = level.features.reshape(-1, _STRIDE), (costs / targets.trust).astype(np.float32)
    scene = (picture, targets.order, sources, burdens, places, np.float32(selectivity), votes)
    _in_bands(len(places), lambda lo, hi: compiled.vote(*scene, lo, hi))
    features = level.features.copy()
    features.reshape(-1, _STRIDE)[places, :_CHANNELS] = votes
    return replace(level, features=features)


def without_seams(level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float) -> Level:
    """The level with small steps between its pieces, and to what surrounds it, spread until they are not seen.

    A screened Poisson equation for a correction of the colours (Perez 2003, Darabi 2012): it makes up for the
    differences between neighbours by which the fill departs from its sources. Large steps are edges, or lie in texture
    that hides them: spreading those would be a haze.
    """
    from identigen.background import compiled

    rows, columns = np.flatnonzero(level.hole.any(1)), np.flatnonzero(level.hole.any(0))
    part = np.s_[rows[0] : rows[-1] + 3, columns[0] : columns[-1] + 3]  # of the level with a margin of one pixel
    free = np.pad(level.hole, 1)[part]
    seen = np.pad(~level.barred, 1)[part]
    fill = np.pad(level.features[:, :, :3], ((1, 1), (1, 1), (0, 0)), mode="edge")[part].astype(np.float32)
    ys, xs, slopes = expected_slopes(level, targets, sources, costs, selectivity)
    jumps = np.full((2, *fill.shape), np.nan, np.float32)
    jumps[:, ys + 1 - rows[0], xs + 1 - columns[0]] = slopes.transpose(1, 0, 2)
    jumps[0, :, :-1] -= np.diff(fill, axis=1)
    jumps[1, :-1] -= np.diff(fill, axis=0)
    weights = 1.0 / (1.0 + np.mean(jumps**2, 3) / _STEP**2)
    both = np.stack([seen & np.roll(seen, -1, 1), seen & np.roll(seen, -1, 0)])
    weights[~both | np.isnan(weights)] = 0.0
    scale = max(1.0, _thickness(level.hole, level.unknown) / _GUIDE_DEPTH)
    correction = np.zeros_like(fill)
    scene = (correction, np.nan_to_num(jumps), weights, free, np.float32((_SPREAD * scale) ** -2))
    for half in range(2 * _SWEEPS):
        _in_bands(len(free), lambda lo, hi, half=half: compiled.relax(*scene, half % 2, lo, hi), _ROWS)  # type: ignore[misc]
    features = level.features.copy()
    features[level.hole, :3] = np.clip(np.rint((fill + correction)[free]), 0, 255)
    return replace(level, features=features)


def expected_slopes(
    level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float
) -> tuple[Ints, Ints, Floats]:
    """Pixels (ys, xs) in the hole or beside it, and the steps `(n, 2, 3)` of colour to the right and below of them."""
    from identigen.background import compiled

    beside = cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3), np.uint8))
    places = np.flatnonzero(beside)
    slopes = np.full((len(places), 2, 3), np.nan, np.float32)
    picture, burdens = level.features.reshape(-1, _STRIDE), (costs / targets.trust).astype(np.float32)
    scene = (picture, targets.order, sources, burdens, places, np.float32(selectivity), slopes)
    _in_bands(len(places), lambda lo, hi: compiled.vote_slopes(*scene, lo, hi))
    ys, xs = np.divmod(places, level.hole.shape[1])
    return ys, xs, slopes


def doubt(targets: Targets, costs: Ints) -> Floats:
    """`(h, w)` in 0..1: 0 where a patch fits exactly, as in a regular pattern, near 1 where it is the least bad."""
    height, width = targets.order.shape
    misfit = np.zeros((height, width), np.float32)
    misfit[targets.ys, targets.xs] = 1.0 - np.exp(-np.sqrt(costs / (_SIZE * _SIZE * _CHANNELS)) / _MISFIT)
    inner = misfit[_RADIUS : height - _RADIUS, _RADIUS : width - _RADIUS]
    # Patches are centred away from the border of the picture; what is nearest speaks for the margin.
    return np.asarray(np.pad(inner, _RADIUS, mode="edge"), np.float32)


def harmonise(level: Level, doubtful: Floats, largest: float) -> Pixels:
    """The finished colours: where in doubt, the overall colour is moved to the guide's by at most `largest` levels."""
    rows, columns = np.flatnonzero(level.hole.any(1)), np.flatnonzero(level.hole.any(0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = level.hole[part].astype(np.float32)
    fill = level.features[:, :, :3][part].astype(np.float32)
    sigma = 5.0 * max(1.0, _thickness(level.hole, level.unknown) / _GUIDE_DEPTH)
    missing = cv2.GaussianBlur((level.guide[part][:, :, :3] - fill) * inside[:, :, None], (0, 0), sigma)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
    most = (largest * inside * doubtful[part] * _belief(level)[part])[:, :, None]
    # Saturating softly: a hard limit would draw its own contour lines into a sky.
    step = most * np.tanh(missing / weight[:, :, None] / np.maximum(most, 1e-3))
    finished = level.features[:, :, :3].copy()
    finished[part] = np.clip(np.rint(fill + step), 0, 255).astype(np.uint8)
    return finished


def openness(level: Level) -> float:
    """Share of the hole's rim on which background is seen; in a crowd the guide is a guess and height tells more."""
    rim = (cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~level.hole
    return float(1.0 - level.barred[rim].mean()) if rim.any() else 0.0


def _in_bands(count: int, work: Callable[[int, int], Any], size: int = _BAND) -> None:
    """Run `work(lo, hi)` over bands of fixed size, in as many threads as this process may use."""
    bands = [(lo, min(lo + size, count)) for lo in range(0, count, size)]
    if len(bands) == 1:
        work(*bands[0])
    else:
        list(_threads().map(lambda band: work(*band), bands))


@cache
def _threads() -> ThreadPoolExecutor:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ThreadPoolExecutor(cores, thread_name_prefix="background")
