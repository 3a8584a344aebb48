"""What has to go when a person goes: hair and thin parts, the rim, the cast shadow, the reflection.

All measuring happens at a working scale at which the person is at most 320 pixels tall, so that the cost does not
depend on the photo. Shadow and reflection are proposals: they are kept apart so that somebody can switch them off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from identigen.masks import disc, ellipse, grow, intersect, rectangle, subtract, union
from identigen.types import Bools, Face, Floats, Mask, Pixels, Subject, Window

_TALL = 320
_RIM = 0.012
"""Width of the rim in heights of the person: soft edges, ringing of JPEG and the mask's own error."""
_SMALLEST = 24
"""Height in pixels under which nothing can be told about shadows."""
_DARKER, _DARKER_SHARE = 0.15, 0.72
"""How much darker (natural logarithm) a shadow is than the ground, and along which share of its outline."""
_EVEN = 0.10
"""Typical deviation of the ground's brightness (natural logarithm) up to which a dark place on it stands out."""


@dataclass(frozen=True, eq=False, slots=True)
class RemovalMask:
    """What to refill for a person and, apart from it, the shadow or reflection (often empty); they do not overlap."""

    person: Mask
    shadow: Mask

    def hole(self, with_shadow: bool = True) -> Mask:
        """What is to be refilled."""
        return union([self.person, self.shadow], self.person.photo_size) if with_shadow else self.person


def removal_mask(pixels: Pixels, subject: Subject, others: Sequence[Subject]) -> RemovalMask:
    """Grow a subject's mask to everything that must go with it; the others are never touched.

    Of their masks only what is really the subject's own hair goes: in a crowd it is often taken for the people behind.
    pixels `(H, W, 3) uint8`. A subject without any mask gives two empty masks.
    """
    size = (pixels.shape[0], pixels.shape[1])
    kept = union([other.mask for other in others], size)
    if not subject.mask.area:
        return RemovalMask(Mask.empty(*size), Mask.empty(*size))
    height = subject.mask.window.height
    lent = union([_lent_hair(pixels, subject, other) for other in others], size)
    hair = _own_hair(pixels, subject, others, kept)
    mask, kept = subtract(union([subject.mask, hair], size), lent), union([subtract(kept, hair), lent], size)
    whole = union([mask, _fine_parts(pixels, mask, kept)], size)
    person = subtract(grow(whole, max(2.0, _RIM * height)), kept)
    view = _View.of(pixels, subject.mask, kept, side=0.9, above=0.0, below=1.0)
    traces = view.restore(_shadow(view) | _contact_shadow(view) | _reflection(view))
    shadow = subtract(subtract(grow(traces, max(1.0, _RIM * height / 2)), kept), person) if traces.area else traces
    return RemovalMask(person, shadow)


@dataclass(frozen=True, eq=False, slots=True)
class _View:
    """A part of the photo around a person at the working scale."""

    window: Window
    photo_size: tuple[int, int]
    pixels: Pixels
    person: Bools
    kept: Bools

    @classmethod
    def of(cls, pixels: Pixels, mask: Mask, kept: Mask, side: float, above: float, below: float) -> _View:
        """Margins in heights of the person."""
        w, tall = mask.window, mask.window.height
        box = (w.left - side * tall, w.top - above * tall, w.right + side * tall, w.bottom + below * tall)
        window = Window.around(box, *mask.photo_size)
        scale = min(1.0, _TALL / tall)
        size = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
        small = np.asarray(cv2.resize(pixels[window.slices], size, interpolation=cv2.INTER_AREA), np.uint8)
        return cls(
            window, mask.photo_size, small, _resized(mask.within(window), size), _resized(kept.within(window), size)
        )

    def restore(self, inside: Bools) -> Mask:
        """A region of the view as a mask of the photo."""
        return Mask.from_window(_resized(inside, (self.window.width, self.window.height)), self.window, self.photo_size)

    @property
    def height(self) -> int:
        """Height of the person in the view."""
        rows = np.flatnonzero(self.person.any(1))
        return int(rows[-1] - rows[0] + 1) if len(rows) else 0

    @property
    def feet(self) -> int:
        """Lowest row of the person."""
        rows = np.flatnonzero(self.person.any(1))
        return int(rows[-1]) if len(rows) else 0


def _resized(inside: Bools, size: tuple[int, int]) -> Bools:
    return np.asarray(cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5)


def _fine_parts(pixels: Pixels, mask: Mask, kept: Mask) -> Mask:
    """Hair and thin parts just outside the mask that have the person's colours (GrabCut, Rother 2004)."""
    view = _View.of(pixels, mask, kept, side=0.12, above=0.12, below=0.12)
    band = max(3, round(0.04 * view.height))
    near = cv2.dilate(view.person.astype(np.uint8), disc(band)) > 0
    labels = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    labels[view.person] = cv2.GC_FGD
    labels[view.kept] = cv2.GC_BGD
    enough = 16
    if view.person.sum() < enough or (labels == cv2.GC_BGD).sum() < enough or not (labels == cv2.GC_PR_BGD).any():
        return Mask.empty(*mask.photo_size)
    found = view.person | _foreground(view.pixels, labels)
    return view.restore(_without_gaps(_touching(found, view.person), view.kept))


def _own_hair(pixels: Pixels, subject: Subject, others: Sequence[Subject], kept: Mask) -> Mask:
    """What the masks of others hold of a subject's head and has the colours of that head (GrabCut)."""
    size = kept.photo_size
    if subject.face is None:
        return Mask.empty(*size)
    heads = union([_head(other.face, size) for other in others if other.face is not None], size)
    own = subtract(_head(subject.face, size), heads)
    claimed = intersect(own, kept)
    if not claimed.area:
        return claimed
    view = _View.of(pixels, own, kept, side=0.5, above=0.5, below=0.3)
    small = (view.pixels.shape[1], view.pixels.shape[0])
    asked = _resized(claimed.within(view.window), small)
    face = _resized(ellipse(subject.face.box, size).within(view.window), small)
    labels = np.where(view.kept, cv2.GC_BGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[view.person & ~view.kept] = cv2.GC_PR_FGD
    labels[asked] = cv2.GC_PR_FGD
    labels[face & ~view.kept] = cv2.GC_FGD
    return intersect(view.restore(asked & _foreground(view.pixels, labels)), claimed)


def _lent_hair(pixels: Pixels, subject: Subject, other: Subject) -> Mask:
    """What a subject's mask holds of the hair of somebody else; lower down it is rather their own arm or shoulder."""
    size = subject.mask.photo_size
    if other.face is None:
        return Mask.empty(*size)
    _, y1, _, y2 = other.face.box
    return intersect(
        _own_hair(pixels, other, [subject], subject.mask), rectangle((0.0, 0.0, size[1], (y1 + y2) / 2), size)
    )


def _head(face: Face, photo_size: tuple[int, int]) -> Mask:
    """The ellipse around a face and its hair."""
    x1, y1, x2, y2 = face.box
    side, above, below = 0.3 * (x2 - x1), 0.55 * (y2 - y1), 0.05 * (y2 - y1)
    return ellipse((x1 - side, y1 - above, x2 + side, y2 + below), photo_size)


def _foreground(pixels: Pixels, labels: Pixels) -> Bools:
    """What GrabCut takes for foreground; `labels` `(h, w)` are its own four."""
    cv2.setRNGSeed(0)  # it starts from k-means with OpenCV's own generator
    labels, models = labels.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(pixels[:, :, ::-1].copy(), labels, (0, 0, 0, 0), *models, 2, cv2.GC_INIT_WITH_MASK)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def _without_gaps(person: Bools, kept: Bools) -> Bools:
    """Fill small gaps that the person and the border of the photo surround, as detectors leave them in dark clothes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~(person | kept)).astype(np.uint8), connectivity=4)
    filled = person.copy()
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] > 0.05 * person.sum():
            continue
        gap = labels == label
        ring = (cv2.dilate(gap.astype(np.uint8), disc(1)) > 0) & ~gap
        if ring.any() and person[ring].mean() > 0.8:
            filled |= gap
    return filled


def _touching(region: Bools, anchor: Bools) -> Bools:
    """The connected parts of `region` that meet `anchor`."""
    _, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    wanted = np.unique(labels[anchor & region])
    return np.isin(labels, wanted[wanted > 0])


def _shadow(view: _View) -> Bools:
    """The person's own outline laid on the ground, flattened and slanted about the feet, where its inside is darker.

    Only brightness just inside and just outside of the outline is compared, so that steps and patterns, which lie on
    both sides of it, do not matter.
    """
    none = np.zeros_like(view.person)
    if view.height < _SMALLEST:
        return none
    light = np.log(cv2.GaussianBlur(view.pixels, (0, 0), 1.2).astype(np.float32) + 8.0)
    blocked = cv2.dilate((view.person | view.kept).astype(np.uint8), disc(2)) > 0
    outline = _outline(view.person)
    slants = np.linspace(-2.0, 2.0, 33)
    flats = [sign * float(flat) for flat in np.geomspace(0.06, 0.6, 10) for sign in (1, -1)]
    fits = [
        (*_darker_inside(outline, flat, float(slant), view, light, blocked), flat, slant)
        for flat in flats
        for slant in slants
    ]
    darker, share, flat, slant = max(fits)
    if darker < _DARKER or share < _DARKER_SHARE:
        return none
    laid = np.array([[1, -slant, slant * view.feet], [0, flat, view.feet - flat * view.feet]], np.float32)
    cast = cv2.warpAffine(view.person.astype(np.uint8), laid, (none.shape[1], none.shape[0]))
    soft_edge = disc(max(2, view.height // 60))
    return np.asarray((cv2.dilate(cast, soft_edge) > 0) & ~view.person & ~view.kept)


def _outline(inside: Bools) -> Floats:
    """Evenly spaced points `(n, 2)` (x, y) along the longest contour."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=len)[:, 0]
    chosen = np.linspace(0, len(longest) - 1, max(40, len(longest) // 4)).astype(int)
    return np.asarray(longest[chosen], np.float32)


def _darker_inside(
    outline: Floats, flat: float, slant: float, view: _View, light: Floats, blocked: Bools
) -> tuple[float, float]:
    """How much darker it is inside a laid outline than outside (natural logarithm), and along which share of it.

    Another tint inside speaks against a shadow. (0, 0) where too little of the outline can be seen.
    """
    up = view.feet - outline[:, 1]
    points = np.stack([outline[:, 0] + slant * up, view.feet - flat * up], 1)
    along = np.roll(points, -1, 0) - np.roll(points, 1, 0)
    length = np.hypot(*along.T) + 1e-6
    turn = np.sign(np.cross(points, np.roll(points, -1, 0)).sum())
    outward = turn * np.stack([along[:, 1], -along[:, 0]], 1) / length[:, None] * max(2.0, 0.012 * view.height)
    size = np.array([blocked.shape[1], blocked.shape[0]])
    outside, inside = (np.rint(points + side * outward).astype(int) for side in (1, -1))
    far = up > 0.08 * view.height
    seen = far & ((outside >= 0) & (outside < size) & (inside >= 0) & (inside < size)).all(1)
    seen[seen] = ~(blocked[outside[seen, 1], outside[seen, 0]] | blocked[inside[seen, 1], inside[seen, 0]])
    if seen.sum() < 0.4 * far.sum():
        return 0.0, 0.0
    weight = length[seen] / length[seen].sum()
    step = light[outside[seen, 1], outside[seen, 0]] - light[inside[seen, 1], inside[seen, 0]]
    darker = step.mean(1)
    tint = np.abs(step - darker[:, None]).max(1)
    # Clipped: one black corner must not outvote the rest.
    agreement = np.clip(darker, -0.4, 0.4) - 0.5 * np.minimum(tint, 0.4)
    return float(weight @ agreement), float(weight @ (darker > 0.06))


def _contact_shadow(view: _View) -> Bools:
    """Ground near the feet that is darker than the ground around it but of the same colour, and hangs on the feet."""
    none = np.zeros_like(view.person)
    feet, tall = view.feet, view.height
    if tall < _SMALLEST or feet >= view.person.shape[0] - 2:  # cut by the border of the photo: no ground is seen
        return none
    ground = none.copy()
    ground[max(0, feet - round(0.25 * tall)) :] = True
    ground &= ~cv2.dilate(view.kept.astype(np.uint8), disc(3)).astype(bool)
    free = ground & ~cv2.dilate(view.person.astype(np.uint8), disc(2)).astype(bool)
    if free.sum() < 200:
        return none
    darkness, tint = _against_ground(view.pixels, free)
    if np.median(np.abs(darkness[free])) > _EVEN:  # steps, stones, leaves: a dark place among them means nothing
        return none
    dark = free & (darkness > 0.18) & (darkness < 1.3) & (tint < 0.10 + 0.12 * darkness)
    # A shadow is a blob: wheels, rails and bars near the feet are dark, too, but thin.
    dark = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, disc(max(1, tall // 64))).astype(bool)
    soles = view.person.copy()
    soles[: max(0, feet - round(0.12 * tall))] = False
    anchor = cv2.dilate(soles.astype(np.uint8), disc(5)).astype(bool)
    cast = _touching(dark, anchor & dark)
    return cast if _plausible_shadow(cast, view) else none


def _against_ground(pixels: Pixels, free: Bools) -> tuple[Floats, Floats]:
    """How much darker than the ground, and of how different a tint, each pixel is (natural logarithms)."""
    light = np.log(cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.float32) + 4.0)
    y, x = np.nonzero(free)
    step = max(1, len(y) // 4000)
    y, x = y[::step], x[::step]
    shape = np.stack([np.ones(len(y)), y, x], 1) / [1.0, *free.shape]
    values = light[y, x]
    fit = np.zeros((3, 3))
    weight = np.ones(len(y))
    # A plane through the brighter part of the ground: what lies below it, the shadow, must not pull it down.
    for _ in range(8):
        fit = np.linalg.lstsq(shape * weight[:, None], values * weight[:, None], rcond=None)[0]
        short = (shape @ fit - values).mean(1)
        weight = np.where(short > 0, np.exp(-((short / 0.15) ** 2)), 1.0 / (1.0 + np.maximum(-short, 0) / 0.3)) + 1e-3
    rows, columns = np.mgrid[0 : free.shape[0], 0 : free.shape[1]].astype(np.float32)
    plane = fit[0] + rows[:, :, None] / free.shape[0] * fit[1] + columns[:, :, None] / free.shape[1] * fit[2]
    below = plane - light
    darkness = below.mean(2)
    return np.asarray(darkness, np.float32), np.asarray(np.abs(below - darkness[:, :, None]).max(2), np.float32)


def _plausible_shadow(cast: Bools, view: _View) -> bool:
    """A shadow is neither a speck nor a whole dark landscape, and it ends inside the view."""
    area = int(cast.sum())
    if not 0.01 * view.person.sum() < area < 0.7 * view.person.sum():
        return False
    edge = int(cast[:, 0].sum() + cast[:, -1].sum() + cast[-1].sum())
    return bool(edge < 0.5 * np.sqrt(area))


def _reflection(view: _View) -> Bools:
    """The person upside down below the feet (water, polished floor), where the pixels there really look alike."""
    none = np.zeros_like(view.person)
    feet, depth = view.feet, min(view.feet, view.person.shape[0] - view.feet - 2)
    if depth < max(12, 0.12 * view.height):
        return none
    above = slice(feet - depth, feet)
    below = slice(feet + 1, feet + 1 + depth)
    mirrored = none.copy()
    mirrored[below] = view.person[above][::-1]
    mirrored &= ~(view.person | view.kept)
    grey = cv2.GaussianBlur(cv2.cvtColor(view.pixels, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(np.float32)
    here, there = grey[below][mirrored[below]], grey[above][::-1][mirrored[below]]
    if len(here) < 100 or min(here.std(), there.std()) < 6:
        return none
    return mirrored if float(np.corrcoef(here, there)[0, 1]) > 0.6 else none
