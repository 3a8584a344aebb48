"""Multi-scale exemplar completion.

A hole is filled by pieces of its surroundings so that every 7x7 patch of the fill looks like some patch of the photo:
Wexler, Shechtman and Irani 2007 (space-time completion, here in space) with the search of Barnes 2009 (PatchMatch) and
the texture features of Newson 2014, which keep fine texture from being confused with flat colour. What surrounds the
hole is continued into it first: each hidden pixel takes what most of the views around it agree on, a mode and not a
mean, so that a wood ends at the sky with an edge and not with a haze. On the coarse scales this guide pulls the search
towards sources of the expected colour and roughness, and in the end it settles what is left of colour steps. Neighbours
are copied together where that costs little: large pieces keep the structure that single patches would crumble.

    guide -> [search sources -> vote colours] x rounds -> carry the sources one level up -> ...
          -> spread seams -> harmonise

Only a crop around the hole is worked on and all state is kept per target, so that cost grows with the hole. `scales`
holds the levels of a picture, `targets` what is filled and from where, `guide` what to expect there, `finishing` what
comes last, and `compiled` the inner loops of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from identigen.background.bands import in_bands
from identigen.background.finishing import doubt, harmonise, spread_seams
from identigen.background.guide import with_guide
from identigen.background.scales import (
    CHANNELS,
    GUIDE_DEPTH,
    RADIUS,
    SIZE,
    STRIDE,
    Level,
    thickness,
    usable_centres,
    with_texture,
)
from identigen.background.targets import Ints, Targets, burdens, carry, find_targets, random_sources
from identigen.errors import MaskError, Stopped
from identigen.masks import grow
from identigen.types import Bools, Fill, Mask, Pixels, Stop, Window

_ENOUGH = 64
"""A level with fewer patches to copy from is not worth searching."""
_AFFORDABLE = 24_000
"""Targets of all starts together: where a crowd leaves no small level, several starts would cost more than the rest."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look; the defaults are what the bars of `identigen evaluate background` are held with."""

    starts: int = 8
    """Solutions tried on the coarsest level, where they cost little, each from other random sources; the cheapest is
    gone on with. Fewer where the level is large."""
    coarse_rounds: int = 10
    fine_rounds: int = 3
    passes: int = 2
    pull: int = 80
    """Weight of the guide on all levels but the finest, where it would print its smooth shapes into the texture. It
    falls with the share of the rim that is hidden by others: in a crowd the guide is a guess."""
    lean: float = 30.0
    """In a crowd, what comes from a whole picture higher or lower counts as this many grey levels off: scenes lie in
    layers. Where background is seen on the rim, that tells more."""
    coherence: float = 7.0
    """A patch whose four neighbours are all copied from elsewhere counts as this many grey levels off."""
    selectivity: float = 2.0
    """Low: patches that cover a pixel are averaged. High: the best is copied."""
    final_selectivity: float = 60.0
    colour_step: float = 40.0
    """Largest correction of the overall colour at the rim, in grey levels; deep inside the hole it is less."""


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
    top = len(levels) - 1
    level, targets = levels[top], find_targets(levels[top])
    sources, costs = best_start(level, targets, planned(effort, top, top, seen, seed), effort, stop)
    for depth in reversed(range(top)):
        level, coarse, targets = levels[depth], targets, find_targets(levels[depth])
        sources = carry(sources, coarse, targets)
        vote(level, targets, sources, np.zeros(len(sources), np.int32), effort.selectivity)
        search = planned(effort, depth, top, seen, seed)
        sources, costs = settle(level, targets, sources, search, effort.fine_rounds, stop)
    spread_seams(level, targets, sources, costs, effort.final_selectivity)
    return harmonise(level, doubt(targets, costs), effort.colour_step * seen)


# --- scales ---------------------------------------------------------------------------------------------------------


def pyramid(pixels: Pixels, hole: Bools, barred: Bools) -> list[Level]:
    """Levels from fine to coarse, until the hole is hardly thicker than a patch; every one with the guide."""
    depth = thickness(hole, hole | barred)
    features = with_texture(pixels, hole | barred)
    levels, guided_at = [Level(features, hole, barred, features)], 0
    while depth > 1.5 * RADIUS and min(levels[-1].hole.shape) >= 32:
        coarser = levels[-1].coarser()
        if usable_centres(coarser).sum() < _ENOUGH:
            break
        guided_at += depth > GUIDE_DEPTH
        levels.append(coarser)
        depth /= 2
    return with_guide(levels, guided_at)


def openness(level: Level) -> float:
    """Share of the hole's rim on which background is seen; in a crowd the guide is a guess and height tells more."""
    rim = (cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~level.hole
    return float(1.0 - level.barred[rim].mean()) if rim.any() else 0.0


# --- search and vote ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Search:
    """How one level is searched: passes over the targets, weights, random search over everything or nearby."""

    passes: int
    pull: int
    lean: float
    coherence: float
    far: bool
    seed: int
    selectivity: float
    last: float
    """Selectivity of the last vote."""


def planned(effort: Effort, depth: int, top: int, seen: float, seed: int) -> Search:
    """The search of level `depth`, where 0 is the finest and `top` the coarsest; `seen`: see `openness`."""
    pull, lean = (round(effort.pull * seen), effort.lean * (1.0 - seen)) if depth else (0, 0.0)
    last = effort.selectivity if depth else effort.final_selectivity
    weights = (effort.passes, pull, lean, effort.coherence)
    return Search(*weights, far=depth == top, seed=seed + depth, selectivity=effort.selectivity, last=last)


def improve(level: Level, targets: Targets, sources: Ints, search: Search) -> tuple[Ints, Ints]:
    """Look for better sources by a few passes of PatchMatch; return them with their costs `(n,)`."""
    from identigen.background import compiled

    places, count, width = targets.places, len(targets.places), level.hole.shape[1]
    sources, costs = sources.copy(), np.zeros(count, np.int32)
    pulls = np.rint(search.pull * targets.guided).astype(np.int32)
    lean = np.float32(search.lean**2 * SIZE * SIZE * CHANNELS / level.hole.shape[0] ** 2)
    given = (level.features.ravel(), level.guide.reshape(-1, CHANNELS), pulls, lean)
    in_bands(count, lambda lo, hi: compiled.measure(*given, width, places, sources, costs, lo, hi))
    reach = max(targets.usable.shape) if search.far else 16
    apart = np.int32(search.coherence**2 * SIZE * SIZE * CHANNELS / 4)
    scene = (*given, apart, targets.usable, targets.order)
    for turn in range(search.passes):
        stream = (search.seed * 31 + turn * 17 + 1) * 2246822519 % 2**32
        state, how = (places, sources, costs, sources.copy()), (turn % 2 == 1, reach, stream)
        in_bands(count, lambda lo, hi, state=state, how=how: compiled.search(*scene, *state, lo, hi, *how))  # type: ignore[misc]
    return sources, costs


def settle(
    level: Level, targets: Targets, sources: Ints, search: Search, rounds: int, stop: Stop | None
) -> tuple[Ints, Ints]:
    """Search and vote in turns; return the sources and their costs."""
    costs = np.zeros(len(sources), np.int32)
    for turn in range(rounds):
        if stop is not None and stop():
            raise Stopped("Stopped in the middle of a background.")
        sources, costs = improve(level, targets, sources, replace(search, seed=search.seed + 7919 * turn))
        vote(level, targets, sources, costs, search.last if turn == rounds - 1 else search.selectivity)
    return sources, costs


def best_start(level: Level, targets: Targets, search: Search, effort: Effort, stop: Stop | None) -> tuple[Ints, Ints]:
    """Paint the coarsest level from several random beginnings and keep the one that costs least in all.

    Search and vote only ever go downhill: where they begin decides which of many arrangements they end in.
    """
    starts = int(np.clip(_AFFORDABLE // max(1, len(targets.places)), 1, effort.starts))
    least, kept, painting = np.inf, (np.zeros(0, np.int32), np.zeros(0, np.int32)), level.guide[level.painted]
    for turn in range(starts):
        other = replace(search, seed=search.seed + 1_000_003 * turn)
        level.features[level.painted, :CHANNELS] = level.guide[level.painted]
        sources = random_sources(targets, other.seed)
        found = settle(level, targets, sources, other, effort.coarse_rounds, stop)
        total = int(found[1].sum(dtype=np.int64))
        if total < least:
            least, kept, painting = total, found, level.features[level.painted, :CHANNELS]
    level.features[level.painted, :CHANNELS] = painting
    return kept


def vote(level: Level, targets: Targets, sources: Ints, costs: Ints, selectivity: float) -> None:
    """Paint the hole of the level by the patches that cover it."""
    from identigen.background import compiled

    places, picture = targets.painted, level.features.reshape(-1, STRIDE)
    votes = np.zeros((len(places), CHANNELS), np.uint8)
    scene = (picture, targets.order, sources, burdens(targets, costs), places, np.float32(selectivity), votes)
    in_bands(len(places), lambda lo, hi: compiled.vote(*scene, lo, hi))
    picture[places, :CHANNELS] = votes
