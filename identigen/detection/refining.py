"""An outline mended by clicks: points that belong to the person and points that do not.

A proposal is made from the points, by SAM where its weights are here and by colour otherwise. Of it only the pieces
under the points are taken over, so that a click changes what it points at and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from identigen import masks
from identigen.detection import sam
from identigen.errors import MaskError
from identigen.settings import Settings
from identigen.types import Bools, Mask, Pixels, Point, Window

REACH = 0.12
"""How far from a click colours may move the outline, in sizes of the person."""
DOT = 0.012
"""Radius of what a click itself says, in sizes of the person."""
RIM = 0.004
"""Half the width of rims that are no pieces of their own: two outlines of one thing always differ a little."""
NEAR = 0.5
"""Within this share of the reach a point that does not belong casts doubt on everything."""
SIGHT = 3.0
"""How far colours are learnt from, in reaches."""
VIEW_SIDE = 200
ROUNDS = 3


def propose_by_sam(
    pixels: Pixels, mask: Mask, positive: Sequence[Point], negative: Sequence[Point], settings: Settings
) -> Mask:
    """What SAM outlines under the points in the place of the mask; raises what `sam.segment` raises."""
    inside = positive or [_deepest(mask)]
    return sam.segment(pixels, inside, negative, settings, _around(mask, positive).box)


def propose_by_colour(pixels: Pixels, mask: Mask, positive: Sequence[Point], negative: Sequence[Point]) -> Mask:
    """The mask with its outline moved by the colours around the points (GrabCut, Rother et al. 2004)."""
    points = (*positive, *negative)
    reach, dot = (share * _size(_around(mask, points)) for share in (REACH, DOT))
    window = Window.around(_around(Mask.empty(*mask.photo_size), points).box, *mask.photo_size, margin=SIGHT * reach)
    scale = min(1.0, VIEW_SIDE / _size(window))
    size = (max(2, round(window.width * scale)), max(2, round(window.height * scale)))

    def small(part: Mask) -> Bools:
        return np.asarray(cv2.resize(part.within(window).astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0)

    def near(points: Sequence[Point], radius: float) -> Bools:
        return small(masks.union([_disc(point, radius, mask.photo_size) for point in points], mask.photo_size))

    own, open_to_change = small(mask), near(points, reach)
    seeds = np.where(own, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    seeds[open_to_change] = np.where(own, cv2.GC_PR_FGD, cv2.GC_PR_BGD)[open_to_change]
    # Otherwise the colours of what does not belong would be learnt as the person's: it is part of the mask.
    seeds[near(negative, NEAR * reach)] = cv2.GC_PR_BGD
    seeds[near(positive, max(dot, 1 / scale))] = cv2.GC_FGD
    seeds[near(negative, max(dot, 1 / scale))] = cv2.GC_BGD
    inside = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if inside.any() and not inside.all():
        cv2.setRNGSeed(0)
        view = np.ascontiguousarray(cv2.resize(pixels[window.slices], size, interpolation=cv2.INTER_AREA))
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(view, seeds, (0, 0, 1, 1), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
        inside = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    large = cv2.resize(inside.astype(np.float32), (window.width, window.height), interpolation=cv2.INTER_LINEAR)
    return Mask.from_window(large > 0.5, window, mask.photo_size)


def mend(mask: Mask, proposal: Mask, positive: Sequence[Point], negative: Sequence[Point]) -> Mask:
    """Add the pieces of a proposal that positive points lie on, take away the surplus that negative points lie on.

    What a point is on belongs to the result, or does not, even where the proposal says otherwise.
    """
    dot = max(1.5, DOT * _size(_around(mask, positive)))
    for point in positive:
        gained = _piece(masks.subtract(proposal, mask), point)
        mask = masks.union([mask, gained, _disc(point, dot, mask.photo_size)], mask.photo_size)
    for point in negative:
        lost = [_piece(masks.subtract(mask, proposal), point), _disc(point, dot, mask.photo_size)]
        mask = masks.subtract(mask, masks.union(lost, mask.photo_size))
    return mask


def sort_points(
    pixels: Pixels, points: Sequence[Point], labels: Sequence[bool]
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """The points that belong to the person and those that do not; raise `MaskError` for one beside the photo."""
    height, width = pixels.shape[:2]
    if not points or len(points) != len(labels):
        raise MaskError("An outline is mended by points, each with a label: on the person, or not.")
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise MaskError(f"The point {x:.0f}, {y:.0f} lies beside the photo of {width}x{height} pixels.")
    sorted_points = list(zip(points, labels, strict=True))
    return tuple(p for p, label in sorted_points if label), tuple(p for p, label in sorted_points if not label)


def _piece(region: Mask, point: Point) -> Mask:
    """The part of a region that hangs together with a point by more than a rim."""
    nothing = Mask.empty(*region.photo_size)
    if not region.contains(point):
        return nothing
    radius = max(1, round(RIM * _size(region.window)))
    padded = np.pad(region.pixels.astype(np.uint8), radius)
    solid = cv2.morphologyEx(padded, cv2.MORPH_OPEN, masks.disc(radius))[radius:-radius, radius:-radius]
    _, labels = cv2.connectedComponents(np.ascontiguousarray(solid))
    label = labels[int(point[1]) - region.window.top, int(point[0]) - region.window.left]
    return Mask.from_window(labels == label, region.window, region.photo_size) if label else nothing


def _disc(point: Point, radius: float, photo_size: tuple[int, int]) -> Mask:
    x, y = point
    return masks.ellipse((x - radius, y - radius, x + radius, y + radius), photo_size)


def _around(mask: Mask, points: Sequence[Point]) -> Window:
    """The window that holds a mask and some points."""
    window = mask.window
    for x, y in points:
        window = window.union(Window(int(x), int(y), int(x) + 1, int(y) + 1))
    return window


def _size(window: Window) -> int:
    return max(window.width, window.height, 1)


def _deepest(mask: Mask) -> Point:
    """The point farthest from the outline, for when only what does not belong was clicked."""
    if not mask.area:
        raise MaskError("There is no outline to take something away from; click on what belongs to the person.")
    depth = cv2.distanceTransform(np.pad(mask.pixels, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return (mask.window.left + float(x) + 0.5, mask.window.top + float(y) + 0.5)
