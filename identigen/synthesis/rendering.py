"""Draw a new face into the photo's own light, pose and surroundings.

The photo around the face is bent smoothly so that the old outline falls on the new one (no second jaw shows), the new
skin is drawn over it, and what is the photo's own stays in front: hair, the eyes' whites and irises, teeth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from identigen.identity.appearance import Codec, from_detail, threefold, to_detail
from identigen.identity.mesh import POINTS, SIDE, remap, resized
from identigen.identity.portrait import Portrait
from identigen.landmarks import (
    LEFT_EYE,
    LEFT_LID,
    LIPS_INSIDE,
    RIGHT_EYE,
    RIGHT_LID,
    eye_gaps,
    face_box,
    find_landmarks,
)
from identigen.synthesis.bending import bend, eye_shift, ramp
from identigen.synthesis.relief import own_relief
from identigen.synthesis.retouching import impersonal_light
from identigen.synthesis.sharpness import as_sharp
from identigen.types import Bools, Floats, Pixels, Window

GROWTH = 0.125  # of the face box on each side: everything that changes lies in here
MAX_SIDE = 640
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


@dataclass(frozen=True, eq=False, slots=True)
class Canvas:
    """What all candidates of one face share, on canonical maps of `side` pixels a edge (about the photo's own scale).

    `coarse` is the photo's light (see `impersonal_light`), `fine` its skin's relief and grain (mirrored: the level
    stays, the pattern goes), `opacity` says where new skin may show.
    """

    window: Window
    side: int
    coarse: Floats
    fine: Floats
    opacity: Floats


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
        skin = resized(skin, self.canvas.side)
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
    coarse = resized(portrait.coarse, side)
    texture = codec.mesh.unwarp(pixels, portrait.points, side)
    return Canvas(
        window=working_window(portrait.points, (pixels.shape[0], pixels.shape[1])),
        side=side,
        coarse=resized(impersonal_light(codec, portrait), side),
        fine=own_relief(codec, portrait, texture, to_detail(texture, coarse), coarse),
        opacity=_opacity(codec, portrait),
    )


def paint(canvas: Canvas, detail: Floats) -> Floats:
    """The new `detail` map in the photo's light, with its grain: skin `(side, side, 3)` of 0..255."""
    return from_detail(resized(detail, canvas.side) + canvas.fine, canvas.coarse)


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
    new[POINTS:, :2] += eye_shift(old, new)
    bent = bend(pixels, old, new, window)
    skin = _without_slivers(skin, resized(codec.mesh.facing(new), canvas.side))
    shown, opacity = _laid_on(codec, new, window, skin, canvas.opacity, finest)
    opacity = opacity * (1 - np.maximum(_openings(new, window), _shut_lids(old, new, window)))
    shown = as_sharp(_exposed(shown), bent, opacity > 0.9)
    blended = bent + (np.clip(shown, 0, 255) - bent) * threefold(opacity)
    return Drawing(window, blended.astype(np.float32), ramp(window, 0.04), np.asarray(opacity, np.float32))


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


def _face_size(points: Floats) -> float:
    x1, y1, x2, y2 = face_box(points)
    return float(np.sqrt((x2 - x1) * (y2 - y1)))


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
