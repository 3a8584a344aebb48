"""Draw a new face into the photo's own light, pose and surroundings.

The photo around the face is bent smoothly so that the old outline falls on the new one (no second jaw shows), the new
skin is drawn over it, and what is the photo's own stays in front: hair, the eyes' whites and irises, teeth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from identigen.identity.appearance import FLOOR, Codec, brightness, from_detail, threefold, to_detail
from identigen.identity.mesh import POINTS, SIDE, remap
from identigen.identity.portrait import Portrait
from identigen.landmarks import (
    LEFT_BROW,
    LEFT_EYE,
    LEFT_LID,
    LIPS_INSIDE,
    LIPS_OUTSIDE,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_LID,
    eye_gaps,
    face_box,
    find_landmarks,
)
from identigen.synthesis.complexion import colourfulness
from identigen.synthesis.retouching import BEARD, impersonal_light
from identigen.types import Bools, Floats, Pixels, Window

GROWTH = 0.125  # of the face box on each side: everything that changes lies in here
MAX_SIDE = 640
MARK = (3.7, 7.0)  # medians of fine relief, of young and of lined faces: what is stronger is a mark of its own
BEARDED, HAIR = (0.6, 1.0), 4.0  # readings from which on it is one, and wholly; pixels of the map, broader than a hair
SMOOTH = 1e-6  # energy of relief that nobody sees
SHADIER = 1.5  # how much less light relief may come from than it goes into
ROUGHER = 1.5  # gain that it may have to be as rough as the side of the face that it comes to
ROUGHEST, ROUGH_REACH = (2.5, 8.0), 3.0  # medians of its energy, from which on it is left behind; pixels of the map
# Of the face, in pixels at most: the photo's own eyes reach over their lids, or lashes would be missing, and small eyes
# would be slits.
LASHES, MOST_LASHES = 0.025, 3.5
SHUT, OPEN = 0.075, 0.1  # gaps between lids, of the eye distance: wholly shut, and not at all
LID_RIM = 0.02  # of the face: over which a shut lid fades
EDGE = 1.0  # pixels over which a contour fades
FINEST, MOST_LOOKS = 2, 400_000  # looks along a pixel's edge, and in all
SKETCHED = 128  # pixels of a face: about as large as the mesh's network sees it
SURROUNDINGS = 0.6  # of the face on each side: what the mesh wants to see around it
SLIVER = 6.0  # canonical pixels around one from which its colour is taken
RIM = 9.0  # canonical pixels over which the new skin fades into the old

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOSE = np.array([1, 2, 4, 5, 6, 168, 195, 197, 48, 64, 98, 278, 294, 327])
_CHEEKS = np.array([50, 101, 117, 187, 205, 280, 330, 346, 411, 425, 9, 151, 108, 337, 18, 200, 199])
_IRISES = np.array([468, 473])
_ANCHORS = np.unique(
    np.concatenate(
        [OVAL, RIGHT_EYE, LEFT_EYE, LIPS_INSIDE[::2], LIPS_OUTSIDE[::2], RIGHT_BROW, LEFT_BROW, _NOSE, _CHEEKS]
    )
)


@dataclass(frozen=True, eq=False, slots=True)
class Canvas:
    """What all candidates of one face share, on canonical maps of `side` pixels a edge (about the photo's own scale).

    `coarse` is the photo's light (see `impersonal_light`), `fine` its skin's relief and grain (mirrored: the level
    stays, the pattern goes), `opacity` says where new skin may show, `sharpness` is the energy of detail that the
    photo's focus allows.
    """

    window: Window
    side: int
    coarse: Floats
    fine: Floats
    opacity: Floats
    sharpness: float


@dataclass(frozen=True, eq=False, slots=True)
class Drawing:
    """Pixels `(h, w, 3) float32` and coverage `(h, w) float32` over `window`.

    `skin` `(h, w) float32` is how much of each pixel is new skin; the rest is the photo's own, bent.
    """

    window: Window
    pixels: Floats
    coverage: Floats
    skin: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Sketchbook:
    """A portrait's face and its surroundings, no larger than the mesh looks at them: for drawings only it sees."""

    portrait: Portrait
    canvas: Canvas
    pixels: Pixels

    @classmethod
    def of(cls, portrait: Portrait, canvas: Canvas, pixels: Pixels) -> Sketchbook:
        """Shrink what a large face is drawn from."""
        around = surroundings(portrait.points, pixels)
        scale = min(1.0, SKETCHED / _face_size(portrait.points))
        corner = np.array([around.left, around.top, 0], np.float32)
        half = np.array([0.5, 0.5, 0], np.float32)
        small = pixels[around.slices]
        if scale < 1:
            small = np.asarray(cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)

        def moved(points: Floats) -> Floats:
            return np.asarray((points - corner + half) * scale - half, np.float32)

        points = moved(portrait.points)
        return cls(
            replace(portrait, points=points, scale=portrait.scale * scale, centre=moved(portrait.centre)),
            replace(
                canvas, window=working_window(points, (small.shape[0], small.shape[1])), side=int(canvas.side * scale)
            ),
            np.ascontiguousarray(small),
        )

    def seen(self, codec: Codec, skin: Floats, shape: Floats) -> Floats | None:
        """Points `(478, 3)` of a painted `skin` on the aligned `shape` `(468, 3)`; None where there is no face.

        Both these and the portrait's own are in the sketchbook's pixels.
        """
        skin = _resized(skin, self.canvas.side)
        drawing = draw(codec, self.portrait, self.canvas, self.pixels, skin, shape, finest=1)
        picture = self.pixels.astype(np.float32)
        part = picture[drawing.window.slices]
        part += (drawing.pixels - part) * threefold(drawing.coverage)
        return find_landmarks(np.clip(picture, 0, 255).astype(np.uint8), face_box(self.portrait.points))


def surroundings(points: Floats, pixels: Pixels, margin: float = SURROUNDINGS) -> Window:
    """The box of a face grown by `margin` of itself on each side, cut at the photo's border."""
    x1, y1, x2, y2 = box = face_box(points)
    return Window.around(box, pixels.shape[0], pixels.shape[1], margin=margin * max(x2 - x1, y2 - y1))


def working_window(points: Floats, photo_size: tuple[int, int]) -> Window:
    """The face's tight box grown by an eighth on each side, rounded inwards, cut at the photo's border."""
    x1, y1, x2, y2 = face_box(points)
    dx, dy = (x2 - x1) * GROWTH, (y2 - y1) * GROWTH
    left, top = max(0, int(np.ceil(x1 - dx))), max(0, int(np.ceil(y1 - dy)))
    right, bottom = min(photo_size[1], int(x2 + dx)), min(photo_size[0], int(y2 + dy))
    return Window(left, top, max(left, right), max(top, bottom))


def prepare(codec: Codec, portrait: Portrait, pixels: Pixels) -> Canvas:
    """Measure once what every candidate for this face needs."""
    side = int(np.clip(1.15 * _face_size(portrait.points), 40, MAX_SIDE))
    coarse = _resized(portrait.coarse, side)
    trust = _resized(codec.mesh.skin * portrait.seen * ~portrait.hidden, side)
    texture = codec.mesh.unwarp(pixels, portrait.points, side)
    detail, expected = to_detail(texture, coarse), _resized(portrait.expected, side)
    hairy = float(np.interp(portrait.raw_condition[BEARD], BEARDED, (0, 1))) * _resized(codec.mesh.beard_zone, side)
    return Canvas(
        window=working_window(portrait.points, (pixels.shape[0], pixels.shape[1])),
        side=side,
        coarse=_resized(impersonal_light(codec, portrait), side),
        fine=_mirrored(
            _fine_relief(portrait, detail, expected, trust, _resized(codec.mesh.bare, side) * (1 - hairy)),
            coarse,
            colourfulness(texture[trust > 0.5]),
        )
        + _stubble(portrait, detail, hairy),
        opacity=_opacity(codec, portrait),
        sharpness=_sharpness(portrait.detail, portrait.seen),
    )


def paint(portrait: Portrait, canvas: Canvas, detail: Floats) -> Floats:
    """The new `detail` map in the photo's light, with its focus and grain: skin `(side, side, 3)` of 0..255."""
    focused = _focus(detail, portrait.seen, canvas.sharpness)
    return from_detail(_resized(focused, canvas.side) + canvas.fine, canvas.coarse)


def draw(
    codec: Codec,
    portrait: Portrait,
    canvas: Canvas,
    pixels: Pixels,
    skin: Floats,
    shape: Floats,
    finest: int = FINEST,
) -> Drawing:
    """Lay painted `skin` on the aligned `shape` `(468, 3)`, over the portrait's face; `finest` 1 is for sketches."""
    old, window = portrait.points, canvas.window
    new = np.concatenate([portrait.to_photo(shape), old[POINTS:]])
    new[POINTS:, :2] += _eye_shift(old, new)
    bent = _bend(pixels, old, new, window)
    skin = _without_slivers(skin, _resized(codec.mesh.facing(new), canvas.side))
    shown, opacity = _laid_on(codec, new, window, skin, canvas.opacity, finest)
    opacity = opacity * (1 - np.maximum(_openings(new, window), _shut_lids(old, new, window)))
    shown = as_sharp(_exposed(shown), bent, opacity > 0.9)
    blended = bent + (np.clip(shown, 0, 255) - bent) * threefold(opacity)
    return Drawing(window, blended.astype(np.float32), _ramp(window, 0.04), np.asarray(opacity, np.float32))


def _without_slivers(skin: Floats, facing: Floats) -> Floats:
    """A canonical map whose parts that turn away take the colour of what faces the camera around them.

    They are squeezed into a pixel or two, along the far side of a nose: any detail there would be drawn as a line.
    """
    reach = SLIVER * len(skin) / SIDE
    mass = cv2.GaussianBlur(facing, (0, 0), reach)
    around = cv2.GaussianBlur(skin * threefold(facing), (0, 0), reach) / threefold(np.maximum(mass, 0.02))
    return np.asarray(skin + threefold((1 - facing) * np.clip(mass / 0.1, 0, 1)) * (around - skin), np.float32)


def _laid_on(
    codec: Codec, points: Floats, window: Window, skin: Floats, opacity: Floats, finest: int = FINEST
) -> tuple[Floats, Floats]:
    """Canonical maps of skin and opacity on the face `points`: pixels `(h, w, 3)` and coverage `(h, w)`.

    Each pixel of a smaller face is looked up at several places: where a nose hides the cheek behind it, one alone would
    draw steps and specks.
    """
    fine = int(np.clip(np.sqrt(MOST_LOOKS / max(window.width * window.height, 1)), 1, finest))
    scaled = Window(*(fine * edge for edge in (window.left, window.top, window.right, window.bottom)))
    place, on_face = codec.mesh.locate(np.asarray((points + 0.5) * fine - 0.5, np.float32), scaled)
    covered = np.clip(_look_up(opacity, place), 0, 1) * _inwards(on_face, EDGE * fine)
    size = (window.width, window.height)
    shown = np.asarray(cv2.resize(_look_up(skin, place), size, interpolation=cv2.INTER_AREA), np.float32)
    return shown, np.asarray(cv2.resize(covered, size, interpolation=cv2.INTER_AREA), np.float32)


def _inwards(on_face: Bools, edge: float) -> Floats:
    """Coverage `(h, w)` that fades within the `edge`: of a turned head it is a contour, and steps would show."""
    soft = cv2.GaussianBlur(on_face.astype(np.float32), (0, 0), edge)
    return np.asarray(np.clip(2 * soft - 1, 0, 1), np.float32)


def _exposed(skin: Floats) -> Floats:
    """Skin brought into 0..255 with its hue: cut channel by channel, a highlight would turn grey or green."""
    brightest = np.maximum(skin.max(-1, keepdims=True), 1.0)
    return np.asarray(np.maximum(skin * np.minimum(1, 255.0 / brightest), 0), np.float32)


def _fine_relief(portrait: Portrait, detail: Floats, expected: Floats, trust: Floats, bare: Floats) -> Floats:
    """The photo's fine detail that no identity explains, to be taken from the other side of the face.

    Pores, grain, freckles and small wrinkles keep their density and size; a pattern that could be recognised does not
    stay in its place. Broad differences and single strong marks are left behind, so are places much rougher than the
    rest (a strand of hair, the edge of a hard shadow), and so is everything off `bare` skin: there it is the edge of a
    nostril, a lid or a beard, whose mirror image would be a ghost. An old face keeps strong ones: its lines.
    """
    reach = 3.0 * len(detail) / SIDE
    mass = cv2.GaussianBlur(trust, (0, 0), reach)[..., None] + 1e-3
    seen, told = (m - cv2.GaussianBlur(m * trust[..., None], (0, 0), reach) / mass for m in (detail, expected))
    # What the `expected` face explains is taken away only where it does: a wrinkle it made up would leave its negative.
    alike, energy = (cv2.GaussianBlur(brightness(m * told) * trust, (0, 0), reach) for m in (seen, told))
    fine = seen - np.clip(alike / np.maximum(energy, SMOOTH), 0, 1)[..., None] * told
    known = trust > 0.5
    limit = portrait.by_age(MARK) * float(np.median(np.abs(fine[known]))) if known.any() else 0.0
    even = _evenness(fine, trust, known, portrait.by_age(ROUGHEST))
    out = np.clip(fine, -limit, limit) * (bare * trust * trust[:, ::-1] * even)[..., None]
    return np.asarray(out, np.float32)


def _mirrored(fine: Floats, coarse: Floats, colourful: float) -> Floats:
    """Relief `(side, side, 3)` as seen on the other side of the face, about as rough there as what it replaces.

    A side that is smoother than the other, in a softer light, stays so. In deep shade relief is mostly noise, and its
    colour a camera's or a file's: it does not come into the light, nor into a photo that is not `colourful`.
    """
    grey = threefold(brightness(fine))
    fine = grey + colourful * (fine - grey)
    rough = cv2.GaussianBlur(brightness(fine) ** 2, (0, 0), 6.0 * len(fine) / SIDE) + SMOOTH
    as_rough = np.minimum(np.sqrt(rough / rough[:, ::-1]), ROUGHER)
    light = brightness(coarse) + FLOOR
    lit = np.minimum(SHADIER * light[:, ::-1] / light, 1)
    return np.ascontiguousarray(threefold(np.asarray(as_rough * lit, np.float32)) * fine[:, ::-1], np.float32)


def _stubble(portrait: Portrait, detail: Floats, hairy: Floats) -> Floats:
    """The relief of the photo's own beard `(side, side, 3)` where it is `hairy`: no model of faces draws single hairs.

    Not mirrored: the hair stays, and a beard that is lit from one side would leave bright ghosts on the other.
    """
    side = len(detail)
    trust = _resized(portrait.seen * ~portrait.hidden, side) * hairy
    reach = HAIR * side / SIDE
    mass = cv2.GaussianBlur(trust, (0, 0), reach)[..., None] + 1e-3
    hair = detail - cv2.GaussianBlur(detail * trust[..., None], (0, 0), reach) / mass
    return np.asarray(trust[..., None] * hair, np.float32)


def _evenness(fine: Floats, trust: Floats, known: Bools, roughest: float) -> Floats:
    """How much of the relief `(side, side)` may be taken from each place: all of it where it is like that elsewhere."""
    energy = cv2.GaussianBlur(brightness(fine**2) * trust, (0, 0), ROUGH_REACH * len(fine) / SIDE)
    usual = float(np.median(energy[known])) if known.any() else 0.0
    return np.asarray(np.minimum(1, roughest * usual / np.maximum(energy, 1e-12)), np.float32)


def _sharpness(detail: Floats, seen: Floats) -> float:
    """Energy of the finest band of a map where it is seen."""
    grey = brightness(detail)
    band = cv2.GaussianBlur(grey, (0, 0), 0.7) - cv2.GaussianBlur(grey, (0, 0), 2.0)
    return float(np.sqrt((band**2 * seen).sum() / max(float(seen.sum()), 1.0)))


def _focus(detail: Floats, seen: Floats, sharpness: float) -> Floats:
    """Blur a map until it is no sharper than the photo it goes into."""
    for sigma in (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5):
        out = np.asarray(cv2.GaussianBlur(detail, (0, 0), sigma), np.float32) if sigma else detail
        if _sharpness(out, seen) <= 1.1 * sharpness:
            break
    return out


def as_sharp(shown: Floats, picture: Floats, inside: Bools) -> Floats:
    """Bring the finest band of new skin to what a `picture` of the same place has there: softness first, then energy.

    A camera and its compression leave little of the very finest grain; skin from a map would be noisier at equal edges.
    """
    if inside.sum() < 50:
        return shown
    edges, grain = _edges_and_grain(picture, inside)
    for sigma in (0.0, 0.3, 0.4, 0.5):
        soft = np.asarray(cv2.GaussianBlur(shown, (0, 0), sigma), np.float32) if sigma else shown
        soft_edges, soft_grain = _edges_and_grain(soft, inside)
        if soft_grain * edges <= 1.25 * grain * soft_edges:
            break
    gain = float(np.clip(edges / max(soft_edges, 1e-6), 0.25, 1.5))
    return np.asarray(soft + (gain - 1) * (soft - cv2.GaussianBlur(soft, (0, 0), 1.0)), np.float32)


def _edges_and_grain(picture: Floats, inside: Bools) -> tuple[float, float]:
    """Mean Laplacian, which edges lead, and median response to Immerkær's kernel (1996), which the grain leads."""
    grey = brightness(picture)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F)[inside])
    grain = np.abs(cv2.filter2D(grey, cv2.CV_32F, _IMMERKAER)[inside])
    return float(edges.mean()), float(np.median(grain))


def _face_size(points: Floats) -> float:
    x1, y1, x2, y2 = face_box(points)
    return float(np.sqrt((x2 - x1) * (y2 - y1)))


def _resized(canonical: Floats, side: int) -> Floats:
    method = cv2.INTER_AREA if side < SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(canonical, (side, side), interpolation=method), np.float32)


def _eye_shift(old: Floats, new: Floats) -> Floats:
    """How far each iris point goes: with the middle of its own lids."""
    right, left = ((new[ring, :2] - old[ring, :2]).mean(0) for ring in (RIGHT_EYE, LEFT_EYE))
    return np.asarray(np.repeat([right, left], 5, axis=0), np.float32)


def _bend(pixels: Pixels, old: Floats, new: Floats, window: Window) -> Floats:
    """The photo in `window`, bent by a thin-plate spline so that `old` points fall on `new` ones and the rim stays."""
    size = np.array([window.width, window.height], np.float64)
    origin = np.array([window.left, window.top], np.float64)
    anchors = np.concatenate([_ANCHORS, _IRISES])
    ends = new[anchors, :2].astype(np.float64) - origin
    offsets = (old[anchors, :2] - new[anchors, :2]).astype(np.float64)
    along = np.linspace(0, 1, 9)[:, None]
    rim = np.concatenate([np.hstack([along, along * 0]), np.hstack([along, along * 0 + 1]),
                          np.hstack([along * 0, along])[1:-1], np.hstack([along * 0 + 1, along])[1:-1]])  # fmt: skip
    centres = np.concatenate([ends, rim * size]) / size.max()
    values = np.concatenate([offsets, np.zeros((len(rim), 2))])
    knots = int(np.clip(size.max() / 5, 24, 48))  # the spline is smooth: it is worked out on a grid and enlarged
    grid_x, grid_y = (np.linspace(0, s - 1, knots) for s in size)
    places = np.stack(np.meshgrid(grid_x, grid_y), -1).reshape(-1, 2) / size.max()
    field = _thin_plate(centres, values, places).reshape(knots, knots, 2).astype(np.float32)
    field = np.asarray(cv2.resize(field, (window.width, window.height), interpolation=cv2.INTER_CUBIC), np.float32)
    field *= _ramp(window, 0.06)[..., None]
    y, x = np.mgrid[0 : window.height, 0 : window.width].astype(np.float32)
    pad = max(8, round(0.15 * max(window.width, window.height)))
    around = Window.around(window.box, pixels.shape[0], pixels.shape[1], margin=pad)
    picture = np.ascontiguousarray(pixels[around.slices])
    start = np.array([window.left - around.left, window.top - around.top], np.float32)
    return remap(picture, np.stack([x, y], -1) + field + start)


def _thin_plate(centres: Floats, values: Floats, places: Floats) -> Floats:
    """Interpolate `values` given at `centres` at `places` (Bookstein 1989), a little stiffened."""

    def kernel(a: Floats, b: Floats) -> Floats:
        r2 = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
        return np.asarray(r2 * np.log(r2 + r2.dtype.type(1e-12)))

    n = len(centres)
    affine = np.hstack([np.ones((n, 1)), centres])
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = kernel(centres, centres) + 1e-5 * np.eye(n)
    system[:n, n:], system[n:, :n] = affine, affine.T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    # Read in single precision, which takes half the time: a thousandth of a pixel is seen by nobody.
    places, centres, weights = (a.astype(np.float32) for a in (places, centres, weights))
    return np.asarray(kernel(places, centres) @ weights[:n] + places @ weights[n + 1 :] + weights[n])


def _look_up(canonical: Floats, place: Floats) -> Floats:
    """Read a canonical map at `place` `(h, w, 2)`, given in pixels of a map of the standard size."""
    scale = len(canonical) / SIDE
    return remap(canonical, (place + np.float32(0.5)) * np.float32(scale) - np.float32(0.5))


def _opacity(codec: Codec, portrait: Portrait) -> Floats:
    """Where on the map the new skin shows: inside the rim, not under hair."""
    shown = codec.mesh.depth(RIM)
    free = cv2.GaussianBlur((~portrait.hidden).astype(np.float32), (0, 0), 2.0)
    return np.asarray(shown * np.clip(2 * free - 1, 0, 1), np.float32)


def _openings(points: Floats, window: Window) -> Floats:
    """Coverage `(h, w)` of what the photo keeps inside eyes and mouth."""
    out = np.zeros((window.height, window.width), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE, LIPS_INSIDE):
        part = np.zeros((window.height, window.width), np.uint8)
        corners = points[ring, :2] - [window.left, window.top]
        if ring is not LIPS_INSIDE:
            outwards = corners - corners.mean(0)
            corners += (
                min(LASHES * _face_size(points), MOST_LASHES)
                * outwards
                / np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
            )
        cv2.fillPoly(part, [np.round(corners * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        out = np.maximum(out, part.astype(np.float32) / 255)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), max(0.5, 0.006 * _face_size(points))), np.float32)


def _shut_lids(old: Floats, new: Floats, window: Window) -> Floats:
    """Coverage `(h, w)` of upper lids that are shut in the photo, and stay its own.

    Hardly anybody was taught asleep: drawn on a shut lid, the fold and the lashes of an open eye are a second eye.
    """
    out = np.zeros((window.height, window.width), np.float32)
    shares = np.interp(eye_gaps(old), (SHUT, OPEN), (1, 0))
    for share, ring, (fold, bone) in zip(shares, (RIGHT_EYE, LEFT_EYE), (RIGHT_LID, LEFT_LID), strict=True):
        if share > 0:
            part = np.zeros((window.height, window.width), np.uint8)
            above = (new[fold, :2] + new[bone, :2]) / 2
            corners = np.concatenate([new[ring, :2], above]) - [window.left, window.top]
            cv2.fillConvexPoly(part, cv2.convexHull(np.round(corners * 16).astype(np.int32)), (255,), cv2.LINE_AA, 4)
            out = np.maximum(out, share * part.astype(np.float32) / 255)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), max(0.5, LID_RIM * _face_size(new))), np.float32)


def _ramp(window: Window, share: float) -> Floats:
    """0 on the window's rim, 1 from `share` of its size inwards."""
    rows = np.minimum(np.arange(window.height), np.arange(window.height)[::-1]) / max(1.0, share * window.height)
    columns = np.minimum(np.arange(window.width), np.arange(window.width)[::-1]) / max(1.0, share * window.width)
    ramp = np.clip(np.minimum(rows[:, None], columns[None]), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)
