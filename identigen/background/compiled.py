"""The inner loops of exemplar search, compiled by numba to machine code.

Everything here is `nogil` and single-threaded: the caller runs bands in ordinary threads, which needs no threading
layer (numba's own are neither safe for several visitors at once nor deterministic) and gives the same bytes on any
number of cores. Compiled code is cached beside this file or in the user's cache folder, where one of them is writable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

RADIUS = 3
CHANNELS = 5
_SEEN = 3
"""Pixels of an end that are averaged: one alone may be a speck."""
_OVER = np.float32(1.8)
"""Over-relaxation: how much further than to its neighbours' wish a pixel goes."""
_ROW = (2 * RADIUS + 1) * CHANNELS


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call; keep the machine code on disk if there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)(function)
    except RuntimeError:  # numba's "no locator available": a read-only installation without a home
        return numba.njit(cache=False, nogil=True, fastmath=True, boundscheck=False)(function)


@_compiled
def distance(picture, y, x, v, u, start, limit):  # type: ignore[no-untyped-def]
    """`start` plus the squared difference of the patches centred on (y, x) and (v, u); stops above `limit`."""
    total = start
    if total >= limit:
        return total
    for dy in range(-RADIUS, RADIUS + 1):
        row = np.int32(0)
        a = picture[y + dy]
        b = picture[v + dy]
        start_a = (x - RADIUS) * CHANNELS
        start_b = (u - RADIUS) * CHANNELS
        for k in range(_ROW):
            d = np.int32(a[start_a + k]) - np.int32(b[start_b + k])
            row += d * d
        total += row
        if total >= limit:
            return total
    return total


@_compiled
def misguided(guide, pull, lean, y, x, v, u):  # type: ignore[no-untyped-def]
    """What it costs that (v, u) has another overall colour than is expected at (y, x), and another height."""
    total = np.int32(0)
    for c in range(CHANNELS):
        d = np.int32(guide[y, x, c]) - np.int32(guide[v, u, c])
        total += d * d
    return total * pull + np.int32(lean * np.float32((v - y) ** 2))


@_compiled
def strangers(order, sources, before, lo, hi, y, x, v, u):  # type: ignore[no-untyped-def]
    """How many of the four neighbours of the target at (y, x) are copied from elsewhere than (v, u) would be."""
    height, width = order.shape
    count = np.int32(0)
    for k in range(4):
        ny, nx = y + (k == 0) - (k == 1), x + (k == 2) - (k == 3)
        if ny < 0 or nx < 0 or ny >= height or nx >= width:
            continue
        j = order[ny, nx]
        if j < 0:
            continue
        if lo <= j < hi:
            count += sources[j, 0] - ny != v - y or sources[j, 1] - nx != u - x
        else:
            count += before[j, 0] - ny != v - y or before[j, 1] - nx != u - x
    return count


@_compiled
def measure(picture, guide, pulls, lean, ys, xs, sources, costs, lo, hi):  # type: ignore[no-untyped-def]
    """Costs of the present sources of the targets `lo..hi-1`."""
    for i in range(lo, hi):
        y, x, v, u = ys[i], xs[i], sources[i, 0], sources[i, 1]
        costs[i] = distance(picture, y, x, v, u, misguided(guide, pulls[i], lean, y, x, v, u), np.int32(2**31 - 1))


@_compiled
def search(  # type: ignore[no-untyped-def]
    picture, guide, pulls, lean, apart, usable, order, ys, xs, sources, costs, before, lo, hi, backwards, reach, seed
):
    """One PatchMatch pass (Barnes 2009) over the targets `lo..hi-1`: propagate, then search at random.

    picture `(H, W * CHANNELS) uint8`; guide `(H, W, CHANNELS) uint8`: overall features, in the hole the expected ones;
    pulls `(n,) int32`: weight of the guide for each target;
    lean: cost of a squared pixel up or down;
    usable `(H, W) uint8`: whole patch may be copied; order `(H, W) int32`: number of the target at a pixel or -1;
    ys, xs `(n,) int32`; sources `(n, 2) int32` and costs `(n,) int32` are improved in place;
    before: the sources at the start, read for neighbours of other bands; reach: first radius of the random search.
    """
    height, width = usable.shape
    step = -1 if backwards else 1
    for k in range(hi - lo):
        i = hi - 1 - k if backwards else lo + k
        y, x = ys[i], xs[i]
        by, bx = sources[i, 0], sources[i, 1]
        lonely = apart * strangers(order, sources, before, lo, hi, y, x, by, bx)
        best = costs[i] + lonely
        for axis in range(2):
            ny, nx = y - step * (1 - axis), x - step * axis
            if ny < 0 or nx < 0 or ny >= height or nx >= width:
                continue
            j = order[ny, nx]
            if j < 0:
                continue
            if lo <= j < hi:
                v, u = sources[j, 0] + y - ny, sources[j, 1] + x - nx
            else:
                v, u = before[j, 0] + y - ny, before[j, 1] + x - nx
            if (v == by and u == bx) or v < 0 or u < 0 or v >= height or u >= width or not usable[v, u]:
                continue
            alone = apart * strangers(order, sources, before, lo, hi, y, x, v, u)
            cost = distance(picture, y, x, v, u, alone + misguided(guide, pulls[i], lean, y, x, v, u), best)
            if cost < best:
                best, by, bx, lonely = cost, v, u, alone
        state = np.uint32(seed) ^ (np.uint32(i) * np.uint32(2654435761))
        radius = reach
        while radius >= 1:
            # xorshift (Marsaglia 2003): each target has its own stream, whatever band it falls into.
            state ^= state << np.uint32(13)
            state ^= state >> np.uint32(17)
            state ^= state << np.uint32(5)
            span = 2 * radius + 1
            v = by + np.int32((state & np.uint32(0xFFFF)) % np.uint32(span)) - radius
            u = bx + np.int32((state >> np.uint32(16)) % np.uint32(span)) - radius
            radius >>= 1
            if v < 0 or u < 0 or v >= height or u >= width or not usable[v, u]:
                continue
            alone = apart * strangers(order, sources, before, lo, hi, y, x, v, u)
            cost = distance(picture, y, x, v, u, alone + misguided(guide, pulls[i], lean, y, x, v, u), best)
            if cost < best:
                best, by, bx, lonely = cost, v, u, alone
        costs[i], sources[i, 0], sources[i, 1] = best - lonely, by, bx


@_compiled
def first_seen(picture, unknown, y, x, dy, dx, colour):  # type: ignore[no-untyped-def]
    """Put the mean of the first known pixels from (y, x) along (dy, dx) into `colour`; return how far, 0 for none."""
    height, width = unknown.shape
    far, seen = 0, 0
    for step in range(1, height + width):
        v, u = np.int32(np.floor(y + step * dy + 0.5)), np.int32(np.floor(x + step * dx + 0.5))
        if v < 0 or u < 0 or v >= height or u >= width or (seen and unknown[v, u]):
            break
        if unknown[v, u]:
            continue
        if not seen:
            far = step
            colour[:] = 0
        for c in range(CHANNELS):
            colour[c] += picture[v, u, c]
        seen += 1
        if seen == _SEEN:
            break
    if seen:
        colour /= np.float32(seen)
    return far


@_compiled
def likeness(one, two, unlike):  # type: ignore[no-untyped-def]
    """1 for equal features, hardly anything for those that differ by more than `unlike` grey levels."""
    apart = np.float32(0)
    for c in range(CHANNELS):
        apart += (one[c] - two[c]) ** 2
    return np.exp(-apart / (3 * unlike * unlike))


@_compiled
def look_around(picture, unknown, ys, xs, directions, unlike, line, nearness, out, sure, lo, hi):  # type: ignore[no-untyped-def]
    """Features of the hidden pixels `lo..hi-1`: of what is seen around each of them, what most of the views agree on.

    A mode, not a mean: between a dark wood and a bright sky lies an edge and no grey. Near views count more than far
    ones (distance to the power of `-nearness`), and those that look alike on two opposite sides, as a line or a band
    that enters the hole here and leaves it there, up to `1 + line` times more. picture `(H, W, CHANNELS) uint8`;
    unknown `(H, W) bool`; directions `(k, 2) float32` (dy, dx) over half a turn; unlike: difference in grey levels at
    which views hardly belong together; out `(n, CHANNELS) float32`; sure `(n,) float32`: which share of the views
    agrees, 0 where nothing is seen.
    """
    count = 2 * len(directions)
    views, weights = np.zeros((count, CHANNELS), np.float32), np.zeros(count, np.float32)
    mean = np.zeros(CHANNELS, np.float32)
    for i in range(lo, hi):
        total = np.float32(0)
        for k in range(0, count, 2):
            dy, dx = directions[k // 2, 0], directions[k // 2, 1]
            far_one = first_seen(picture, unknown, ys[i], xs[i], dy, dx, views[k])
            far_two = first_seen(picture, unknown, ys[i], xs[i], -dy, -dx, views[k + 1])
            trust = np.float32(1)
            if far_one and far_two:
                trust += line * likeness(views[k], views[k + 1], unlike)
            weights[k] = trust * np.float32(far_one) ** -nearness if far_one else np.float32(0)
            weights[k + 1] = trust * np.float32(far_two) ** -nearness if far_two else np.float32(0)
            total += weights[k] + weights[k + 1]
        best = np.float32(0)
        for k in range(count):
            if weights[k] == 0:
                continue
            agreeing = np.float32(0)
            mean[:] = 0
            for m in range(count):
                if weights[m] > 0:
                    weight = weights[m] * likeness(views[k], views[m], unlike)
                    agreeing += weight
                    for c in range(CHANNELS):
                        mean[c] += weight * views[m, c]
            if agreeing > best:
                best = agreeing
                for c in range(CHANNELS):
                    out[i, c] = mean[c] / agreeing
        sure[i] = best / total if total > 0 else np.float32(0)


@_compiled
def vote(picture, order, sources, costs, trust, ys, xs, selectivity, out, lo, hi):  # type: ignore[no-untyped-def]
    """Colour of the pixels (ys, xs) `lo..hi-1` by the vote of all patches that cover them (Wexler 2007).

    A patch weighs exp(-selectivity * (cost / least cost here - 1)) times its trust: small values average, large ones
    copy the best. out `(n, CHANNELS) float32`.
    """
    height, width = order.shape
    for i in range(lo, hi):
        y, x = ys[i], xs[i]
        least = np.float32(1e12)
        for dy in range(max(-RADIUS, -y), min(RADIUS, height - 1 - y) + 1):
            for dx in range(max(-RADIUS, -x), min(RADIUS, width - 1 - x) + 1):
                j = order[y + dy, x + dx]
                if j >= 0:
                    least = min(least, np.float32(costs[j]) / trust[j])
        scale = selectivity / (least + np.float32(49.0))
        total = np.float32(0)
        for c in range(CHANNELS):
            out[i, c] = 0
        for dy in range(max(-RADIUS, -y), min(RADIUS, height - 1 - y) + 1):
            for dx in range(max(-RADIUS, -x), min(RADIUS, width - 1 - x) + 1):
                j = order[y + dy, x + dx]
                if j < 0:
                    continue
                weight = np.exp((least - np.float32(costs[j]) / trust[j]) * scale)
                if weight < 1e-4:
                    continue
                total += weight
                row = picture[sources[j, 0] - dy]
                start = (sources[j, 1] - dx) * CHANNELS
                for c in range(CHANNELS):
                    out[i, c] += weight * np.float32(row[start + c])
        for c in range(CHANNELS):
            out[i, c] /= total


@_compiled
def vote_slopes(picture, order, sources, costs, trust, ys, xs, selectivity, out, lo, hi):  # type: ignore[no-untyped-def]
    """Differences of colour to the right and below that the patches over both pixels expect (Darabi 2012).

    Weights as in `vote`. out `(n, 2, 3) float32`: to the right, below; NaN where no patch covers both.
    """
    height, width = order.shape
    for i in range(lo, hi):
        y, x = ys[i], xs[i]
        for axis in range(2):
            # The centres of the patches that cover this pixel and the next one.
            top = max(-RADIUS + axis, -y)
            left = max(-RADIUS + 1 - axis, -x)
            least = np.float32(1e12)
            for dy in range(top, min(RADIUS, height - 1 - y) + 1):
                for dx in range(left, min(RADIUS, width - 1 - x) + 1):
                    j = order[y + dy, x + dx]
                    if j >= 0:
                        least = min(least, np.float32(costs[j]) / trust[j])
            scale = selectivity / (least + np.float32(49.0))
            total = np.float32(0)
            for c in range(3):
                out[i, axis, c] = 0
            for dy in range(top, min(RADIUS, height - 1 - y) + 1):
                for dx in range(left, min(RADIUS, width - 1 - x) + 1):
                    j = order[y + dy, x + dx]
                    if j < 0:
                        continue
                    weight = np.exp((least - np.float32(costs[j]) / trust[j]) * scale)
                    if weight < 1e-4:
                        continue
                    total += weight
                    v, u = sources[j, 0] - dy, sources[j, 1] - dx
                    here, there = picture[v], picture[v + axis]
                    start, next_ = u * CHANNELS, (u + 1 - axis) * CHANNELS
                    for c in range(3):
                        out[i, axis, c] += weight * (np.float32(there[next_ + c]) - np.float32(here[start + c]))
            for c in range(3):
                out[i, axis, c] = out[i, axis, c] / total if total > 0 else np.float32(np.nan)


@_compiled
def relax(correction, jumps, weights, free, hold, colour, lo, hi):  # type: ignore[no-untyped-def]
    """Half a sweep of red-black over-relaxation over the rows `lo..hi-1` of a screened Poisson equation.

    correction `(h, w, 3) float32` is improved where `free` `(h, w) bool`; its differences to the right and below are to
    be `jumps` `(2, h, w, 3)`, each as much as `weights` `(2, h, w)` say; `hold` pulls it to zero. The outermost pixels
    are not free. Pixels of one `colour` (0, 1) of the chessboard read those of the other: bands may run at once.
    """
    for y in range(lo, hi):
        for x in range((y + colour) % 2, free.shape[1], 2):
            if not free[y, x]:
                continue
            right, left, below, above = weights[0, y, x], weights[0, y, x - 1], weights[1, y, x], weights[1, y - 1, x]
            total = right + left + below + above + hold
            for c in range(3):
                wanted = right * (correction[y, x + 1, c] - jumps[0, y, x, c])
                wanted += left * (correction[y, x - 1, c] + jumps[0, y, x - 1, c])
                wanted += below * (correction[y + 1, x, c] - jumps[1, y, x, c])
                wanted += above * (correction[y - 1, x, c] + jumps[1, y - 1, x, c])
                correction[y, x, c] += _OVER * (wanted / total - correction[y, x, c])
