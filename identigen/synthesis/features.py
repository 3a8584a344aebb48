"""The photo's expression on a new build: brows, eyes and mouth of another form, raised, opened and placed as before.

A landmark tells at once who somebody is and what they feel. As much of it as would pass for another mood is led back.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec
from identigen.identity.mesh import Mesh
from identigen.landmarks import (
    EYES,
    LEFT_BROW,
    LEFT_EYE,
    LIPS_INSIDE,
    LIPS_OUTSIDE,
    RIGHT_BROW,
    RIGHT_EYE,
    eye_distance,
)
from identigen.types import Floats

Ints = npt.NDArray[np.int_]

MOST_WIDER = 0.04  # of the eye distance: a smile whose corners moved is not made good by baring the teeth
FULLNESS = (0.85, 1.15)  # of lips, to the photo's: fuller or thinner ones do not look like another mouth, but swollen
FOLDED = 0.3  # of the photo's: lips that are as thin as seen are folded in, and the photo's own take their place
SMILE = 0.95  # share of the difference between how the lips meet and how they met that goes
SLANT, RAISED = 0.035, 0.05  # of brows, most that either changes: rise to a distance outwards; of the eye distance
BROW_REACH = 9.0  # canonical pixels around a brow that go with it
# To the photo's, against the eye distance: beyond, a mouth purses or grins, or sits under the nose, or on the chin.
MOUTH_WIDTH, UPPER_LIP, CHIN = (0.92, 1.12), (0.65, 1.25), (0.8, 1.25)
UPPER_LIP_IN_NEED = (0.6, 1.5)  # where nobody was far enough
MOUTH_REACH, CHIN_REACH = 12.0, 24.0  # canonical pixels
NEAREST = 0.03  # of the eye distance: nobody's lip or chin begins higher
UNFOLDED = 0.02  # of the eye distance: so far lies each row of a chin below the one above, or the lip would cut it off
NARROWEST = 0.6  # lids never come nearer than this share of their gap

# Upper and lower partners of both eyes and of the inner lips, corners left out.
_LIDS = (
    (np.array([246, 161, 160, 159, 158, 157, 173]), np.array([7, 163, 144, 145, 153, 154, 155])),
    (np.array([466, 388, 387, 386, 385, 384, 398]), np.array([249, 390, 373, 374, 380, 381, 382])),
)
_LIPS = (np.array([191, 80, 81, 82, 13, 312, 311, 310, 415]), np.array([95, 88, 178, 87, 14, 317, 402, 318, 324]))
_CORNERS = np.array([78, 308])
# Three more rings of each lip, from these partners to its outline.
_FLESH = (
    np.array(
        [
            [183, 42, 41, 38, 12, 268, 271, 272, 407],
            [184, 74, 73, 72, 11, 302, 303, 304, 408],
            [185, 40, 39, 37, 0, 267, 269, 270, 409],
        ]
    ),
    np.array(
        [
            [96, 89, 179, 86, 15, 316, 403, 319, 325],
            [77, 90, 180, 85, 16, 315, 404, 320, 307],
            [146, 91, 181, 84, 17, 314, 405, 321, 375],
        ]
    ),
)
_MOUTH = np.unique(np.concatenate([*_FLESH, *_LIPS, LIPS_OUTSIDE, LIPS_INSIDE], axis=None))
_NOSE_BASE, _LIP_TOP, _LIP_BOTTOM, _CHIN = 2, 0, 17, 152
_JAW = np.array([148, 176, 152, 377, 400])
# From the lower lip's outline down to the jaw.
_BELOW_LIPS = np.array(
    [
        [146, 43, 202, 210, 169, 150],
        [91, 106, 204, 211, 170, 149],
        [181, 182, 194, 32, 140, 176],
        [84, 83, 201, 208, 171, 148],
        [17, 18, 200, 199, 175, 152],
        [314, 313, 421, 428, 396, 377],
        [405, 406, 418, 262, 369, 400],
        [321, 335, 424, 431, 395, 378],
        [375, 273, 422, 430, 394, 379],
    ]
)


def with_own_features(
    codec: Codec, old: Floats, new: Floats, eyes: float, mouth: float, smile: float = 0.0, leisure: float = 1.0
) -> Floats:
    """The points `(468, 3)` of a `new` face with the expression of the `old` one.

    `eyes` and `mouth` are by how much wider both are to be opened, `smile` by how much higher the corners of the mouth
    shall stand, as fractions of the eye distance. Without `leisure`, where nobody was far enough, a mouth may sit
    farther from its nose.
    """
    shape = _with_own_brows(codec, old, new)
    shape = _with_own_eyes(old, shape, eyes)
    lips = _smiling(_with_own_lips(old, _with_own_width(old, shape), mouth), smile)
    shape = _carried(codec, shape, _with_own_place(old, lips, leisure))
    return _unfolded(_with_own_chin(codec, old, shape))


def _with_own_brows(codec: Codec, old: Floats, new: Floats) -> Floats:
    """Brows of another form that are raised and slanted about as the old ones: more would be anger or worry."""
    out, flat, ruler = np.array(new), codec.mesh.canonical, eye_distance(new)
    middle = flat[:, 0].mean()
    outwards = np.abs(new[:, 0] - new[EYES, 0].mean()) / ruler
    for brow, eye in ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE)):
        (rise, slant), (new_rise, new_slant) = (_raised(shape, brow, eye) for shape in (old, new))
        lift = np.clip(new_rise - rise, -RAISED, RAISED) - (new_rise - rise)
        tilt = np.clip(new_slant - slant, -SLANT, SLANT) - (new_slant - slant)
        same_side = (flat[:, 0] - middle) * (flat[brow, 0].mean() - middle) > 0
        share = _near(codec, brow, BROW_REACH) * same_side
        out[:, 1] -= share * (lift + tilt * (outwards - outwards[brow].mean())) * ruler
    return out


def _raised(shape: Floats, brow: Ints, eye: Ints) -> tuple[float, float]:
    """How high a brow stands over its eye, and how much it rises outwards; both against the eye distance."""
    ruler = eye_distance(shape)
    outwards = np.abs(shape[brow, 0] - shape[EYES, 0].mean()) / ruler
    height = (shape[eye, 1].mean() - shape[brow, 1]) / ruler
    along = outwards - outwards.mean()
    return float(height.mean()), float(along @ height / (along @ along))


def _with_own_eyes(old: Floats, new: Floats, wanting: float) -> Floats:
    """Open the new eyes as wide as the old ones, and by what is `wanting` wider."""
    out = np.array(new)
    for upper, lower in _LIDS:
        gap, middle = _gap(old, upper, lower, wanting, NARROWEST), (new[lower] + new[upper]) / 2
        out[upper], out[lower] = middle - gap / 2, middle + gap / 2
    return out


def _with_own_width(old: Floats, new: Floats) -> Floats:
    """A mouth not much wider or smaller than the old one.

    The new one is added to the old one's expression: two small ones would make a pout, two broad ones a grimace.
    """
    out, width = np.array(new), _relative(old, new, *_CORNERS)
    out[_MOUTH, 0] += (_within(width, MOUTH_WIDTH) - 1) * (new[_MOUTH, 0] - new[_MOUTH, 0].mean())
    return out


def _with_own_lips(old: Floats, new: Floats, wanting: float) -> Floats:
    """Open the new mouth as wide as the old one, and by what is `wanting` wider, with lips about as full.

    How the lips meet is partly how somebody smiles or pouts: they are led back to the old line, drawn between the new
    corners.
    """
    out, (upper, lower) = np.array(new), _LIPS
    old_ends, new_ends = old[_CORNERS], new[_CORNERS]
    scale = np.linalg.norm(new_ends[1] - new_ends[0]) / max(float(np.linalg.norm(old_ends[1] - old_ends[0])), 1e-6)
    smile = new_ends.mean(0) + scale * ((old[upper] + old[lower]) / 2 - old_ends.mean(0))
    line = (new[upper] + new[lower]) / 2
    line = line + SMILE * (smile - line)
    gap = _gap(old, upper, lower, wanting, 0.0)
    for inner, rings, side in ((upper, _FLESH[0], -0.5), (lower, _FLESH[1], 0.5)):
        new_full, old_full = (side * float((shape[rings[-1], 1] - shape[inner, 1]).mean()) for shape in (new, old))
        ratio = new_full / max(old_full, 1e-6)
        out[inner] = line + side * gap
        if ratio > FOLDED:
            out[rings] = out[inner] + np.array([1, _within(ratio, FULLNESS), 1]) * (new[rings] - new[inner])
        else:
            out[rings] = out[inner] + FULLNESS[0] * scale * (old[rings] - old[inner])
    return out


def _smiling(shape: Floats, wanting: float) -> Floats:
    """A mouth whose corners stand by what is `wanting` higher, bent evenly from its middle."""
    out, x = np.array(shape), shape[_MOUTH, 0]
    ends = shape[_CORNERS, 0]
    outwards = (x - ends.mean()) / max(float(np.ptp(ends)) / 2, 1e-6)
    out[_MOUTH, 1] -= wanting * eye_distance(shape) * np.minimum(outwards**2, 1)
    return out


def _with_own_place(old: Floats, new: Floats, leisure: float) -> Floats:
    """A mouth not much nearer to its nose than the old one, or farther."""
    out = np.array(new)
    least, most = (float(np.interp(leisure, (0, 1), ends)) for ends in zip(UPPER_LIP_IN_NEED, UPPER_LIP, strict=True))
    out[_MOUTH, 1] += _lower(old, new, _NOSE_BASE, _LIP_TOP, (least, most))
    return out


def _carried(codec: Codec, before: Floats, after: Floats) -> Floats:
    """The skin around a mouth, below the nose, carried along by its lips, which would be drawn over it."""
    flat, lips = codec.mesh.canonical, LIPS_OUTSIDE
    below_nose = np.clip((flat[:, 1] - flat[_NOSE_BASE, 1]) / (flat[_LIP_TOP, 1] - flat[_NOSE_BASE, 1]), 0, 1)
    weight = np.exp(-((_distances(codec.mesh, tuple(lips.tolist())) / MOUTH_REACH) ** 2) / 2) + 1e-12
    along = weight / weight.sum(1, keepdims=True) @ (after - before)[lips]
    out = before + (below_nose * _near(codec, lips, MOUTH_REACH))[:, None] * along
    out[_MOUTH] = after[_MOUTH]
    return np.asarray(out, np.float32)


def _with_own_chin(codec: Codec, old: Floats, new: Floats) -> Floats:
    """A chin not much nearer to the mouth than the old one, or farther."""
    out, lower = np.array(new), _lower(old, new, _LIP_BOTTOM, _CHIN, CHIN)
    out[:, 1] += lower * _near(codec, _JAW, CHIN_REACH) * (1 - _near(codec, _MOUTH, MOUTH_REACH))
    return out


def _unfolded(shape: Floats) -> Floats:
    """A face whose chin begins below its lower lip, however full that is."""
    out, steps = np.array(shape), UNFOLDED * eye_distance(shape) * np.arange(_BELOW_LIPS.shape[1])
    out[_BELOW_LIPS, 1] = np.maximum.accumulate(shape[_BELOW_LIPS, 1] - steps, axis=1) + steps
    return out


def _near(codec: Codec, points: Ints, reach: float) -> Floats:
    """How far `(468,)` each point goes with `points`: all of it there, less and less around them."""
    distance = _distances(codec.mesh, tuple(points.tolist())).min(1)
    return np.asarray(np.exp(-((distance / reach) ** 2) / 2), np.float32)


@lru_cache(maxsize=16)
def _distances(mesh: Mesh, points: tuple[int, ...]) -> Floats:
    """From every point of the mesh to each of `points` on the map `(468, n)`: the same for all faces."""
    flat = mesh.canonical
    return np.asarray(np.linalg.norm(flat[:, None] - flat[list(points)][None], axis=2), np.float32)


def _within(ratio: float, bounds: tuple[float, float]) -> float:
    """By how much what has this `ratio` must be multiplied to keep its bounds."""
    return float(np.clip(ratio, *bounds)) / ratio


def _relative(old: Floats, new: Floats, a: int, b: int) -> float:
    """Distance of two points, as it is seen, to that in the old face, each against the eye distance."""
    before, after = (float(np.linalg.norm((shape[a] - shape[b])[:2])) / eye_distance(shape) for shape in (old, new))
    return max(after, 0.01) / max(before, 0.01)


def _lower(old: Floats, new: Floats, above: int, below: int, bounds: tuple[float, float]) -> float:
    """How much lower the point `below` must lie in the new face to keep its `bounds`, to its height in the old one.

    It may have come to lie on the wrong side: the upper lip of a broad smile above the base of a long nose.
    """
    before, after = ((shape[below, 1] - shape[above, 1]) / eye_distance(shape) for shape in (old, new))
    least, most = (bound * max(float(before), NEAREST) for bound in bounds)
    return (float(np.clip(after, least, most)) - float(after)) * eye_distance(new)


def _gap(old: Floats, upper: Ints, lower: Ints, more: float, least: float) -> Floats:
    """From each upper point of a portrait to its lower partner, once the widest is `more` eye distances wider.

    Not below `least` of what it is, and at most twice that: what is closed has no form to be opened.
    """
    gap = old[lower] - old[upper]
    widest = max(float(np.linalg.norm(gap, axis=1).max()), 1e-6)
    return np.asarray(gap * np.clip(1 + min(more, MOST_WIDER) * eye_distance(old) / widest, least, 2.0), np.float32)
