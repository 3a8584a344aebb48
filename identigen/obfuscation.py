"""Classical covers: what is below stays in place but cannot be read.

Plain filters hide less than they seem to (McPherson, Shokri, Shmatikov 2016, "Defeating Image Obfuscation with Deep
Learning"), so the default of the four is layered: each step destroys what the one before left over. What a cover costs
those who look at the picture is small (Yang et al. 2022, "A Study of Face Obfuscation in ImageNet"), and what people do
stays readable (Ren, Lee, Ryoo 2018, "Learning to Anonymize Faces for Privacy Preserving Action Detection").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from identigen import masks
from identigen.errors import OperationUnavailable
from identigen.landmarks import OVAL, mouth_openness
from identigen.types import Box, Extent, Face, Floats, Mask, Operation, Pixels, Pose, RegionKind, Subject, Window

WARNINGS: Mapping[Operation, str] = MappingProxyType(
    {
        Operation.PIXELATE: "Plain pixelation leaks identity: recognisers still ranked the right person first for 22 "
        "to 36 % of pixelated faces, against 1 to 3 % with layered; prefer layered."
    }
)
"""What has to be known before an operation is chosen."""

# In sizes of the face; found by looking, and by the recogniser's distance before / after.
TILE = 2 / 7
SIGMA = 0.28
RIM = 0.08
FOREHEAD = 0.16  # in heights of the face
# From where on a face is more than the oval of its landmarks, and where it is so in full: heads turned and thrown back,
# in degrees, and the gap between the lips, of the eye distance. The mesh follows none of these all the way.
TURNED, THROWN_BACK, SCREAMING = (25.0, 40.0), (12.0, 30.0), (0.4, 0.6)
CONTRAST = 0.6  # of a tile against its neighbours, layered only
TILE_NOISE, GRAIN = 10.0, 4.0  # grey levels
_TOP, _BOTTOM = 10, 152  # landmarks: the highest point of the oval, and the chin
_BAND = 512  # rows that are finished at once: the whole of a large photo would need gigabytes
WORKING_FACE = 96  # no cover holds detail finer than a tile: larger faces are worked on at this size


def cover_region(subject: Subject, region: RegionKind, extent: Extent, photo_size: tuple[int, int]) -> Mask:
    """Choose the pixels to be covered: the face, the head or the whole person, as a box or along the outline.

    A person without a visible face loses the head, and where nobody knows where that is, more. Never empty for a
    subject whose box meets the photo of `photo_size` `(H, W)`.
    """
    guesses = _boxes(subject, extent, photo_size) if region == "box" else _segments(subject, extent, photo_size)
    return next((mask for mask in guesses if mask.area), masks.rectangle(subject.box, photo_size))


def obfuscate(
    pixels: Pixels, region: Mask, operation: Operation, seed: int = 0, face_px: float | None = None
) -> tuple[Window, Pixels]:
    """Cover `region` and return its window with the new pixels `(h, w, 3)`; outside the region they are the old ones.

    `face_px` is the size of the face in pixels and sets the strength; without it the region is taken for a face. No
    pixel inside tells more than a coarse average, up to the very edge: the soft rim is made of what lies outside.
    Raises `OperationUnavailable` for an operation that is no cover.
    """
    if operation not in _COVERS:
        raise OperationUnavailable(f"{operation.value} is no cover; ask for layered, blur, pixelate or solid.")
    window = region.window
    new = pixels[window.slices].copy()
    if not region.area:
        return window, new
    # A body is some eight faces long: a face that claims to be far smaller would cost memory and gain nothing.
    face = max(4.0, face_px or min(window.width, window.height), max(window.width, window.height) / 16)
    rng = np.random.default_rng([seed, window.left, window.top])
    around = Window.around(window.box, pixels.shape[0], pixels.shape[1], face)
    drawn = _COVERS[operation](_view(pixels, region, around, face), rng)
    method = cv2.INTER_NEAREST if operation is Operation.PIXELATE else cv2.INTER_LINEAR
    large = cv2.resize(_to_bytes(drawn), (around.width, around.height), interpolation=method)
    cover = np.asarray(large, np.uint8)[window.relative_to(around).slices]
    for top in range(0, window.height, _BAND):
        rows = slice(top, top + _BAND)
        band = _grained(cover[rows], rng) if operation is Operation.LAYERED else cover[rows]
        np.copyto(new[rows], band, where=region.pixels[rows, :, None])
    return window, new


# --------------------------------------------------------------------------------------------------------- filters


@dataclass(frozen=True, eq=False, slots=True)
class _View:
    """The region and its surroundings, small enough to work on.

    `picture` `(h, w, 3)`; `outside` `(h, w)` is the share of each pixel that is not covered, and `beyond` `(h, w, 3)`
    the picture with everything covered left black. `face` is in pixels of this view.
    """

    picture: Floats
    outside: Floats
    beyond: Floats
    face: float


def _view(pixels: Pixels, region: Mask, around: Window, face: float) -> _View:
    step = max(1, int(face / WORKING_FACE))
    size = (-(-around.width // step), -(-around.height // step))

    def small(array: Pixels) -> Floats:
        return cv2.resize(array, size, interpolation=cv2.INTER_AREA).astype(np.float32)

    source, inside = pixels[around.slices], region.within(around)
    outside = np.where(inside, 0, 255).astype(np.uint8)
    return _View(
        small(source), small(outside) / 255, small(np.where(inside[..., None], np.uint8(0), source)), face / step
    )


def _layered(view: _View, rng: np.random.Generator) -> Floats:
    """Downscale, pixelate, blur, noise (the grain follows at full size): soft tiles like frosted glass."""
    side = _tile_side(view)
    tiles, corner = _downscale(view.picture, side, rng)
    calm = _gaussian(tiles, 1.5)
    noise = rng.normal(0, TILE_NOISE, (*tiles.shape[:2], 1))
    tiles = np.asarray(calm + (tiles - calm) * CONTRAST + noise, np.float32)
    return _soft_rim(_gaussian(_enlarge(tiles, corner, side, view), 0.35 * side), view)


def _blur(view: _View, rng: np.random.Generator) -> Floats:
    return _soft_rim(_gaussian(view.picture, SIGMA * view.face), view)


def _pixelate(view: _View, rng: np.random.Generator) -> Floats:
    side = _tile_side(view)
    return _enlarge(*_downscale(view.picture, side, rng), side, view)


def _solid(view: _View, rng: np.random.Generator) -> Floats:
    """One colour: the mean of what is covered."""
    weight = 1 - view.outside
    colour = ((view.picture - view.beyond).sum((0, 1))) / weight.sum()
    return np.broadcast_to(colour, view.picture.shape).astype(np.float32)


_COVERS: Mapping[Operation, Callable[[_View, np.random.Generator], Floats]] = MappingProxyType(
    {
        Operation.LAYERED: _layered,
        Operation.BLUR: _blur,
        Operation.PIXELATE: _pixelate,
        Operation.SOLID: _solid,
    }
)


def _grained(cover: Pixels, rng: np.random.Generator) -> Pixels:
    grain = rng.normal(0, GRAIN, (*cover.shape[:2], 1)).astype(np.float32)
    return _to_bytes(cover.astype(np.float32) + grain)


def _to_bytes(values: Floats) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _tile_side(view: _View) -> int:
    return max(2, round(view.face * TILE))


def _downscale(picture: Floats, side: int, rng: np.random.Generator) -> tuple[Floats, tuple[int, int]]:
    """One pixel for each tile, and where the picture's corner lies in the first tile.

    The seed places the tiles: two shots of one scene must not be averaged into a finer one.
    """
    top, left = (int(v) for v in rng.integers(0, side, 2))
    bottom, right = -(picture.shape[0] + top) % side, -(picture.shape[1] + left) % side
    padded = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    height, width = padded.shape[:2]
    tiles = cv2.resize(padded, (width // side, height // side), interpolation=cv2.INTER_AREA)
    return np.asarray(tiles, np.float32), (top, left)


def _enlarge(tiles: Floats, corner: tuple[int, int], side: int, view: _View) -> Floats:
    top, left = corner
    height, width = view.outside.shape
    large = tiles.repeat(side, axis=0).repeat(side, axis=1)
    return large[top : top + height, left : left + width]


def _gaussian(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def _soft_rim(cover: Floats, view: _View) -> Floats:
    """Let the surroundings flow over the edge of the cover: no seam shows, and nothing covered shines through."""
    width = max(1.0, RIM * view.face)
    share = _gaussian(view.outside, width / 2)[..., None]
    flow = _gaussian(view.beyond, width / 2) / np.maximum(share, 1e-3)
    covered = (view.outside < 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(covered, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[..., None]
    near = np.clip(1 - depth / width, 0, 1) * (share > 1e-3)
    near = near * near * (3 - 2 * near)
    return np.asarray(cover + (flow - cover) * near, np.float32)


# --------------------------------------------------------------------------------------------------------- regions


def _boxes(subject: Subject, extent: Extent, size: tuple[int, int]) -> Iterator[Mask]:
    """Rectangles that will do, the best first."""
    if extent == "person":
        box = subject.box if subject.face is None else _both(subject.box, _face_area(subject.face))
        yield masks.rectangle(box, size)
    elif subject.face is not None and extent == "face":
        yield masks.rectangle(_face_area(subject.face), size)
    elif subject.face is not None:
        yield masks.rectangle(_both(_head_area(subject, subject.face), _face_area(subject.face)), size)
    else:
        yield masks.rectangle(subject.head_box or _top_of(subject.box), size)


def _segments(subject: Subject, extent: Extent, size: tuple[int, int]) -> Iterator[Mask]:
    """Outlines that will do, the best first; a visible face is in each of them, whatever the person's mask says."""
    face = subject.face
    oval = Mask.empty(*size) if face is None else _face_segment(face, size)
    if face is not None and extent == "face":
        yield oval
        yield masks.rectangle(_face_area(face), size)
    person = masks.grow(subject.mask, 2 + 0.02 * min(_sides(subject.box)))
    if extent != "person":
        head = subject.head_box or _top_of(subject.box) if face is None else _head_area(subject, face)
        person = masks.intersect(person, masks.rectangle(head, size))
    if person.area:
        yield masks.union([person, oval], size)
    yield from _boxes(subject, extent, size)


def _face_segment(face: Face, size: tuple[int, int]) -> Mask:
    """The hull of the face's oval drawn up over the forehead; an ellipse where there are no landmarks."""
    if face.landmarks is None:  # often a profile: its cheek and ear reach far beyond the box
        return masks.ellipse(_grown(face.box, left=0.25, top=0.3, right=0.25, bottom=0.15), size)
    oval = masks.ellipse(_face_area(face), size)
    hull = masks.polygon(_over_the_forehead(face.landmarks[OVAL, :2], face.landmarks), size)
    hull = masks.grow(hull, 1 + 0.05 * face.size_px)
    beside, below = _standing_out(face.landmarks, face.pose)
    if beside or below:
        hull = masks.union([hull, masks.ellipse(_grown(face.box, beside, 0.1, beside, 0.15 + below), size)], size)
    # Landmarks that left the detected face are not to be trusted alone.
    inner = masks.ellipse(face.box, size)
    return hull if masks.subtract(inner, hull).area < 0.1 * inner.area else masks.union([hull, oval], size)


def _standing_out(points: Floats, pose: Pose | None) -> tuple[float, float]:
    """By how much of the box nose and mouth may stand out of the hull beside it, and a chin below."""
    turned, thrown_back = (0.0, 0.0) if pose is None else (abs(pose.yaw), -pose.pitch)
    beside = np.interp(turned, TURNED, (0, 0.22))
    below = max(np.interp(thrown_back, THROWN_BACK, (0, 0.25)), np.interp(mouth_openness(points), SCREAMING, (0, 0.25)))
    return float(beside), float(below)


def _over_the_forehead(oval: Floats, points: Floats) -> Floats:
    """The oval ends below the hair line: move its upper half up, the more the higher a point lies."""
    up = points[_TOP, :2] - points[_BOTTOM, :2]
    height = max(float(np.linalg.norm(up)), 1.0)
    along = (oval - oval.mean(0)) @ (up / height) / (0.5 * height)
    lifted = oval + np.clip(along, 0, 1)[:, None] ** 2 * up * FOREHEAD
    return np.asarray(cv2.convexHull(lifted.astype(np.float32))[:, 0], np.float32)


def _face_area(face: Face) -> Box:
    """The detector's box is tight: add the forehead, ears and chin."""
    return _grown(face.box, left=0.12, top=0.25, right=0.12, bottom=0.08)


def _head_area(subject: Subject, face: Face) -> Box:
    """The head with its hair, guessed from the face where nobody measured it."""
    return subject.head_box or _grown(face.box, left=0.35, top=0.6, right=0.35, bottom=0.15)


def _top_of(box: Box) -> Box:
    """Where the head must be when nobody saw one: the top of somebody upright, all of somebody who is not."""
    width, height = _sides(box)
    return (*box[:3], box[1] + 0.5 * width) if height > 0.8 * width else box


def _grown(box: Box, left: float, top: float, right: float, bottom: float) -> Box:
    """Move each side outwards by a share of the box, a pixel at least."""
    width, height = _sides(box)
    x1, y1, x2, y2 = box
    return (
        x1 - max(1.0, left * width),
        y1 - max(1.0, top * height),
        x2 + max(1.0, right * width),
        y2 + max(1.0, bottom * height),
    )


def _both(a: Box, b: Box) -> Box:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def _sides(box: Box) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]
