"""Brows on the canonical map: how much hair there is, and where it lies.

The mesh follows a brow only part of the way, so it is looked for. Found by dynamic programming, it is told from the
fold of the lid below it and from a strand of hair above, even where it is faint.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import brightness
from identigen.identity.mesh import SIDE, Mesh
from identigen.types import Floats

Ints = npt.NDArray[np.intp]
Lines = tuple[Floats | None, Floats | None]

HALVES = (slice(0, SIDE // 2), slice(SIDE // 2, SIDE))
HIGHER_THAN_BROWS, A_HAIR = 27, 2.0  # pixels of the map
ALONG, ACROSS = 5.0, 1.5  # pixels of the map within which the skin around a brow is even
BROW_SEEN, FAINTEST = 0.7, 0.05  # share of a brow that tells of it; darkness of one that is hardly there
BALD = 0.02  # mean darkness along a brow that tells nothing
IN_VIEW = 0.6  # of a brow, or nobody knows how it slants
HAIRIEST = 60.0  # percentile of darkness along a brow: what is darker tells no more where it lies
# What the line along a brow loses where it leads so many pixels of the map up or down, from a column to the next.
BEND = np.array([0.02, 0.005, 0.0, 0.005, 0.02], np.float32)


def brow_hair(grey: Floats) -> Floats:
    """How much darker than what is above *and* below it each place of a map's brightness `(h, w)` is.

    Hair, and no socket: a black top hat (Serra 1982) as high as no brow is.
    """
    higher = np.ones((HIGHER_THAN_BROWS, 1), np.uint8)
    return np.asarray(cv2.morphologyEx(np.ascontiguousarray(grey), cv2.MORPH_BLACKHAT, higher), np.float32)


def hair_on_even_skin(grey: Floats) -> Floats:
    """`brow_hair` against skin that is even along a brow: told column by column, a brow that is darkened by it, or made
    paler, is a row of strokes.
    """
    skin = np.asarray(grey + brow_hair(grey), np.float32)
    return np.maximum(cv2.GaussianBlur(skin, (0, 0), ALONG, sigmaY=ACROSS) - grey, 0)


def without_hairs(grey: Floats) -> Floats:
    """A map of one channel without what is as fine as a single hair: lashes, folds, grain."""
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), A_HAIR), np.float32)


def depth_and_amount(hair: Floats) -> tuple[float, float]:
    """How dark hair `(h, w)` is where it is darkest, and its sum."""
    amount = float(hair.sum())
    return float((hair**2).sum()) / max(amount, 1e-6), amount


def brow_kind(hair: Floats) -> Floats:
    """What a brow of this `hair` `(h, w)` is like `(2,)`, in steps of a like difference.

    Hundreds of pixels that it covers, and twice the logarithm of how dark it is.
    """
    depth, amount = depth_and_amount(hair)
    depth = max(depth, FAINTEST)
    return np.array([amount / depth / 100, 2 * np.log(depth)], np.float32)


def read_brows(mesh: Mesh, detail: Floats, seen: Floats) -> Floats | None:
    """What the brows of a detail map `(SIDE, SIDE, 3)` are like `(2,)`, as far as they are `seen`; see `brow_kind`.

    None where none is in view.
    """
    hair, in_view = brow_hair(without_hairs(brightness(detail))), mesh.brows * seen
    told = [
        brow_kind((hair * in_view)[:, half])
        for half in HALVES
        if in_view[:, half].sum() > BROW_SEEN * mesh.brows[:, half].sum()
    ]
    return np.asarray(np.mean(told, 0), np.float32) if told else None


def read_brow_lines(mesh: Mesh, detail: Floats, seen: Floats) -> Lines:
    """The lines that both brows of a detail map `(SIDE, SIDE, 3)` follow, the right one first, where they are `seen`.

    Slope and start `(2,)`, of rows from the first of `mesh.brow_rows` on over columns of the map; None for a brow that
    is not in view, or has next to no hair.
    """
    rows = mesh.brow_rows
    zone = mesh.brows[rows]
    in_view = zone * seen[rows]
    hair = brow_hair(without_hairs(brightness(detail)))[rows] * in_view

    def line(half: slice) -> Floats | None:
        if in_view[:, half].sum() < IN_VIEW * zone[:, half].sum():
            return None
        columns = half.start + np.flatnonzero((zone[:, half] > 0.5).any(0))
        return _line(hair[:, columns], columns)

    right, left = (line(half) for half in HALVES)
    return right, left


def _line(hair: Floats, columns: Ints) -> Floats | None:
    """Slope and start `(2,)` of the line that a brow's `hair` `(h, n)` follows in these `columns` `(n,)` of the map.

    None where there is next to no hair.
    """
    lows = _ridge(hair)
    dark = hair[lows, np.arange(len(columns))]
    if dark.mean() < BALD:
        return None
    told = np.sqrt(np.minimum(dark, np.percentile(dark, HAIRIEST)) + 1e-6)
    return np.asarray(np.polyfit(columns, lows, 1, w=told), np.float32)


def _ridge(hair: Floats) -> Ints:
    """The row `(n,)` in which hair `(h, n)` is darkest, column by column, along one smooth way through all of them.

    Found by dynamic programming: alone, a column would tell the fold of the lid, or a strand that falls into it.
    """
    h, n = hair.shape
    rows, reach = np.arange(h), len(BEND) // 2
    total, came = hair[:, 0], np.zeros((n, h), np.intp)
    for column in range(1, n):
        beyond = np.pad(total, reach, constant_values=-np.inf)
        ways = np.stack([beyond[i : i + h] - BEND[i] for i in range(len(BEND))])
        came[column] = rows + ways.argmax(0) - reach
        total = hair[:, column] + ways.max(0)
    way = [int(total.argmax())]
    for column in range(n - 1, 0, -1):
        way.append(int(came[column, way[-1]]))
    return np.array(way[::-1], np.intp)
