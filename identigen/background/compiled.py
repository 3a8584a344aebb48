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

from identigen.background.scales import CHANNELS, RADIUS, SIZE, STRIDE

_WEIGHTY = np.float32(0.01)
"""A view that counts less than this share of the weightiest is not what the others are asked to agree with."""
_OVER = np.float32(1.8)
"""Over-relaxation: how much further than to its neighbours' wish a pixel goes."""
_COVERING = SIZE * SIZE
"""As many patches cover a pixel."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call; keep the machine code on disk if there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)(function)
    except RuntimeError:  # numba's "no locator available": a read-only installation without a home
        return numba.njit(cache=False, nogil=True, fastmath=True, boundscheck=False)(function)


@_compiled
def fading(x):  # type: ignore[no-untyped-def]
    """Nearly exp(-x) of a float32, 0 from 16 on: without a call, so that loops over it become vector instructions."""
    near = max(np.float32(0), np.float32(1) - x / np.float32(16))
    near *= near
    near *= near
    near *= near
    return near * near


# --- search ---------------------------------------------------------------------------------------------------------


@_compiled
def distance(picture, width, here, there, start, limit):  # type: ignore[no-untyped-def]
    """`start` plus the squared difference of the patches centred on two places; stops above `limit`."""
    total = np.int32(start)
    corner = RADIUS * (width + 1)
    # Indices without a sign and sums of 32 bits: a check for negative ones or a wider sum would cost the vectors.
    a, b = np.uintp((here - corner) * STRIDE), np.uintp((there - corner) * STRIDE)
    for _ in range(SIZE):
        if total >= limit:
            break
        row = np.int32(0)
        for k in range(SIZE * STRIDE):
            d = np.int32(np.int32(picture[a + np.uintp(k)]) - np.int32(picture[b + np.uintp(k)]))
            row = np.int32(row + np.int32(d * d))
        total = np.int32(total + row)
        a += np.uintp(width * STRIDE)
        b += np.uintp(width * STRIDE)
    return total


@_compiled
def misguided(guide, width, pull, lean, here, there):  # type: ignore[no-untyped-def]
    """What it costs that `there` has another overall colour than is expected `here`, and another height."""
    cost = np.int32(0)
    if pull:
        total = np.int32(0)
        for c in range(CHANNELS):
            d = np.int32(guide[here, c]) - np.int32(guide[there, c])
            total += d * d
        cost = np.int32(total * pull)
    if lean:
        cost = np.int32(cost + np.int32(lean * np.float32((there // width - here // width) ** 2)))
    return cost


@_compiled
def measure(picture, guide, pulls, lean, width, places, sources, costs, lo, hi):  # type: ignore[no-untyped-def]
    """Costs of the present sources of the targets `lo..hi-1`."""
    for i in range(lo, hi):
        start = misguided(guide, width, pulls[i], lean, places[i], sources[i])
        costs[i] = distance(picture, width, places[i], sources[i], start, np.int32(2**31 - 1))


@_compiled
def search(  # type: ignore[no-untyped-def]
    picture, guide, pulls, lean, apart, usable, order, places, sources, costs, before, lo, hi, backwards, reach, seed
):
    """One PatchMatch pass (Barnes 2009) over the targets `lo..hi-1`: propagate, then search at random.

    picture `(H * W * STRIDE,) uint8`; guide `(H * W, CHANNELS) uint8`: overall features, in the hole the expected ones;
    pulls `(n,) int32`: weight of the guide for each target;
    lean: cost of a squared pixel up or down;
    usable `(H, W) uint8`: whole patch may be copied; order `(H, W) int32`: number of the target at a pixel or -1;
    places `(n,) int32` of the targets; sources `(n,) int32`: the places they are copied from, and costs `(n,) int32`,
    are improved in place;
    before: the sources at the start, read for neighbours of other bands; reach: first radius of the random search.
    """
    height, width = usable.shape
    free, numbers = usable.ravel(), order.ravel()  # of the border, where steps would lead around it, none is usable
    wishes = np.zeros(4, np.int64)  # from where the neighbours, each continuing its own piece, would copy a target
    # In reading order the pixels above and to the left have just been looked at, backwards those below and right.
    ways = (width, 1, -width, -1) if backwards else (-width, -1, width, 1)
    for k in range(hi - lo):
        i = hi - 1 - k if backwards else lo + k
        here, place, pull = np.int64(places[i]), np.int64(sources[i]), pulls[i]
        neighbours = np.int32(0)
        for n in range(4):
            # Patches lie inside the picture: no step by one leaves it.
            j = numbers[np.uintp(here + ways[n])]
            wishes[n] = -1
            if j >= 0:
                neighbours += 1
                wishes[n] = (sources[j] if lo <= j < hi else before[j]) - ways[n]
        best = np.int32(costs[i] + apart * strangers(wishes, neighbours, place))
        for n in range(4):
            there = wishes[n]
            if there >= 0 and there != place and free[np.uintp(there)]:
                start = np.int32(apart * strangers(wishes, neighbours, there))
                start += misguided(guide, width, pull, lean, here, there)
                cost = distance(picture, width, here, there, start, best)
                if cost < best:
                    best, place = cost, there
        # A stranger to all neighbours pays for each: where that alone is more than this costs, none is worth a look.
        radius = reach if apart * neighbours < best else 0
        y, x = place // width, place % width
        state = np.uint32(seed) ^ (np.uint32(i) * np.uint32(2654435761))
        while radius >= 1:
            # xorshift (Marsaglia 2003): each target has its own stream, whatever band it falls into.
            state ^= state << np.uint32(13)
            state ^= state >> np.uint32(17)
            state ^= state << np.uint32(5)
            span = np.uint32(2 * radius + 1)
            v = y + np.int64((state & np.uint32(0xFFFF)) % span) - radius
            u = x + np.int64((state >> np.uint32(16)) % span) - radius
            radius >>= 1
            there = v * width + u
            if v < 0 or u < 0 or v >= height or u >= width or there == place or not free[np.uintp(there)]:
                continue
            start = np.int32(apart * strangers(wishes, neighbours, there))
            start += misguided(guide, width, pull, lean, here, there)
            cost = distance(picture, width, here, there, start, best)
            if cost < best:
                best, place, y, x = cost, there, v, u
        costs[i], sources[i] = best - apart * strangers(wishes, neighbours, place), place


@_compiled
def strangers(wishes, neighbours, there):  # type: ignore[no-untyped-def]
    """How many of the neighbours of a target are copied from elsewhere than it would be, if that were from `there`."""
    same = 0
    for n in range(4):
        same += wishes[n] == there
    return np.int32(neighbours - same)


# --- guide ----------------------------------------------------------------------------------------------------------


@_compiled
def look_along(numbers, directions, nearness, views, weights, lo, hi):  # type: ignore[no-untyped-def]
    """What the hidden pixels see first along the directions `lo..hi-1`, and against them.

    A direction cuts the picture into parallel lines, every pixel on one of them: walked once forth and once back, they
    tell each pixel what was passed last. numbers `(H, W) int32`: of the hidden pixels, below 0 elsewhere, -1 where the
    picture is known; directions `(k, 2) float32` (dy, dx) over half a turn; nearness: power of the distance with which
    a view loses weight. views `(n, 2 * k) int32` get the places seen, `weights` how much they count; both stay as they
    are where nothing is seen.
    """
    height, width = numbers.shape
    flat = numbers.ravel()
    for k in range(lo, hi):
        dy, dx = directions[k, 0], directions[k, 1]
        steep = abs(dy) > abs(dx)
        slope = dx / dy if steep else dy / dx
        along, across, ahead, aside = (height, width, width, 1) if steep else (width, height, 1, width)
        weight = (np.arange(1, along + 1) * np.sqrt(1 + slope * slope)) ** -nearness
        drift = int(np.ceil(slope * along))
        for start in range(min(0, -drift), across + max(0, -drift)):
            for backwards in range(2):
                last, steps = -1, 0
                for walked in range(along):
                    a = along - 1 - walked if backwards else walked
                    b = int(np.floor(start + slope * a + np.float32(0.5)))
                    if b < 0 or b >= across:
                        continue
                    place = a * ahead + b * aside
                    i = flat[np.uintp(place)]
                    if i == -1:
                        last, steps = place, 0
                        continue
                    if i >= 0 and last >= 0:
                        views[i, 2 * k + backwards], weights[i, 2 * k + backwards] = last, weight[steps]
                    steps += 1


@_compiled
def likeness(colours, k, m, unlike):  # type: ignore[no-untyped-def]
    """1 for two of the `colours (CHANNELS, n)` that are equal, hardly anything if `unlike` grey levels are between."""
    apart = np.float32(0)
    for c in range(CHANNELS):
        d = colours[c, k] - colours[c, m]
        apart += d * d
    return fading(apart / (np.float32(3) * unlike * unlike))


@_compiled
def agree(picture, views, weights, unlike, line, out, sure, lo, hi):  # type: ignore[no-untyped-def]
    """Features of the hidden pixels `lo..hi-1`: of what is seen around each of them, what most of the views agree on.

    A mode, not a mean: between a dark wood and a bright sky lies an edge and no grey. Views that look alike on two
    opposite sides, as a line or a band that enters the hole here and leaves it there, count up to `1 + line` times
    more. picture `(H * W, CHANNELS) uint8`; views, weights: see `look_along`; unlike: difference in grey levels at
    which views hardly belong together; out `(n, CHANNELS) uint8`; sure `(n,) float32`: which share of the views agrees,
    0 where nothing is seen.
    """
    count = views.shape[1]
    colours, trust = np.zeros((CHANNELS, count), np.float32), np.zeros(count, np.float32)
    for i in range(lo, hi):
        for m in range(count):
            trust[m] = weights[i, m]
            for c in range(CHANNELS):
                colours[c, m] = picture[views[i, m], c]
        for m in range(0, count, 2):
            if trust[m] > 0 and trust[m + 1] > 0:
                more = np.float32(1) + line * likeness(colours, m, m + 1, unlike)
                trust[m] *= more
                trust[m + 1] *= more
        least, best, chosen = _WEIGHTY * trust.max(), np.float32(0), 0
        for k in range(count):
            if trust[k] < least:
                continue
            agreeing = np.float32(0)
            for m in range(count):
                agreeing += trust[m] * likeness(colours, k, m, unlike)
            if agreeing > best:
                best, chosen = agreeing, k
        sure[i] = best / max(trust.sum(), np.float32(1e-30))
        for m in range(count):
            trust[m] *= likeness(colours, chosen, m, unlike)
        for c in range(CHANNELS):
            mean = np.float32(0)
            for m in range(count):
                mean += trust[m] * colours[c, m]
            out[i, c] = np.uint8(mean / max(best, np.float32(1e-30)) + np.float32(0.5))


# --- vote -----------------------------------------------------------------------------------------------------------


@_compiled
def weigh(order, sources, burdens, selectivity, here, top, left, origins, weights):  # type: ignore[no-untyped-def]
    """Ask the patches over the pixel `here`: those centred at most `RADIUS` below and right, `top` above, `left` left.

    A patch weighs exp(-selectivity * (burden / least burden here - 1)) (Wexler 2007): small values average, large ones
    copy the best. Returns how many there are; `origins` and `weights` get the places they copy this pixel from and how
    much they count, all together 1.
    """
    height, width = order.shape
    numbers = order.ravel()
    y, x = here // width, here % width
    count, least = 0, np.float32(1e12)
    for v in range(max(0, y - top), min(height, y + RADIUS + 1)):
        for place in range(v * width + max(0, x - left), v * width + min(width, x + RADIUS + 1)):
            j = numbers[np.uintp(place)]
            if j >= 0:
                burden = burdens[np.uintp(j)]
                origins[np.uintp(count)] = sources[np.uintp(j)] + here - place
                weights[np.uintp(count)] = burden
                least = min(least, burden)
                count += 1
    scale = selectivity / (least + np.float32(49.0))
    total = np.float32(0)
    for k in range(count):
        weights[k] = fading((weights[k] - least) * scale)
        total += weights[k]
    for k in range(count):
        weights[k] /= total
    return count


@_compiled
def vote(picture, order, sources, burdens, places, selectivity, out, lo, hi):  # type: ignore[no-untyped-def]
    """Features of the pixels at `places[lo:hi]` by the vote of all patches that cover them.

    picture `(H * W, STRIDE) uint8`; burdens `(n,) float32`: cost of each target for every bit of trust in it;
    out `(m, CHANNELS) uint8`.
    """
    origins, weights = np.zeros(_COVERING, np.int32), np.zeros(_COVERING, np.float32)
    for i in range(lo, hi):
        count = weigh(order, sources, burdens, selectivity, places[i], RADIUS, RADIUS, origins, weights)
        # Five sums and no array of them: that would live in memory and not in registers.
        red = green = blue = across = down = np.float32(0.5)
        for k in range(count):
            weight, pixel = weights[k], picture[np.uintp(origins[k])]
            red += weight * pixel[0]
            green += weight * pixel[1]
            blue += weight * pixel[2]
            across += weight * pixel[3]
            down += weight * pixel[4]
        for c, feature in enumerate((red, green, blue, across, down)):
            out[i, c] = np.uint8(feature)


@_compiled
def vote_slopes(picture, order, sources, burdens, places, selectivity, out, lo, hi):  # type: ignore[no-untyped-def]
    """Differences of colour to the right and below that the patches over both pixels expect (Darabi 2012).

    out `(m, 2, 3) float32`: to the right, below; left as it is where no patch covers both. The rest as in `vote`.
    """
    origins, weights = np.zeros(_COVERING, np.int32), np.zeros(_COVERING, np.float32)
    for i in range(lo, hi):
        for axis in range(2):
            top, left = RADIUS - axis, RADIUS - 1 + axis
            count = weigh(order, sources, burdens, selectivity, places[i], top, left, origins, weights)
            step = order.shape[1] if axis else 1
            red = green = blue = np.float32(0)
            for k in range(count):
                weight, pixel, next_ = weights[k], picture[np.uintp(origins[k])], picture[np.uintp(origins[k] + step)]
                red += weight * (np.float32(next_[0]) - np.float32(pixel[0]))
                green += weight * (np.float32(next_[1]) - np.float32(pixel[1]))
                blue += weight * (np.float32(next_[2]) - np.float32(pixel[2]))
            if count:
                out[i, axis, 0], out[i, axis, 1], out[i, axis, 2] = red, green, blue


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
