"""Mend what drawing leaves behind: ghosts, cut lips, halves of glasses, skin of another tint.

The harmoniser (see `identigen.identity.harmoniser`) looks at the new face in its photo and answers with a correction,
which is added at the photo's own scale: what is finer than its square stays as it was drawn, and where it smoothes, the
face is brought back to its sharpness.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from identigen.identity.appearance import brightness, threefold
from identigen.identity.harmoniser import ROOM, SIDE, correction, look, square
from identigen.landmarks import CHEEKS, face_box
from identigen.synthesis.complexion import colourfulness
from identigen.synthesis.sharpness import as_sharp
from identigen.types import Candidate, Floats, Pixels, Window

FEW = 50  # pixels of cheeks that tell nothing about a skin


def harmonised(pixels: Pixels, points: Floats, drawn: Candidate) -> Candidate:
    """A `drawn` face, mended; `points` `(478, 3)` are the face that was there in the photo `pixels`."""
    if drawn.skin is None:
        return drawn
    box = face_box(points)
    half = ROOM / 2 * max(box[2] - box[0], box[3] - box[1])
    around = Window.around(box, pixels.shape[0], pixels.shape[1], margin=half).union(drawn.window)
    part = drawn.window.relative_to(around).slices
    picture, skin = pixels[around.slices].astype(np.float32), np.zeros((around.height, around.width), np.float32)
    picture[part] += (drawn.pixels - picture[part]) * drawn.coverage[..., None]
    skin[part] = drawn.skin * drawn.coverage
    points = points - np.array([around.left, around.top, 0], np.float32)
    to_square = square(points)
    shown = look(skin, to_square)
    change = correction(look(picture, to_square), shown)
    change = change - _lightening(change, shown, _cheeks(points, to_square))[..., None]
    grey = brightness(change)[..., None]
    change = grey + colourfulness(picture[skin > 0.5]) * (change - grey)  # no colour comes into a grey photo
    scale = float(to_square[0, 0])
    if scale > 1.5:  # read back by single samples a small face's correction would alias
        change = np.asarray(cv2.GaussianBlur(change, (0, 0), 0.42 * scale), np.float32)
    size = (around.width, around.height)
    back = cv2.warpAffine(change, to_square, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    mended = drawn.pixels + back[part]
    sharp = as_sharp(mended, drawn.pixels, drawn.skin > 0.9)
    mended += threefold(drawn.skin) * (sharp - mended)
    return replace(drawn, pixels=np.clip(mended, 0, 255).astype(np.float32))


def _cheeks(points: Floats, to_square: Floats) -> Floats:
    """1 on the cheeks of a face, as it is seen in the square; 0 elsewhere."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    flat = points[:, :2] @ to_square[:, :2].T + to_square[:, 2]
    for hull in CHEEKS:
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(flat[hull]).astype(np.int32)), (1,))
    return canvas.astype(np.float32)


def _lightening(change: Floats, shown: Floats, cheeks: Floats) -> Floats:
    """By how many levels `(SIDE, SIDE)` a correction `(SIDE, SIDE, 3)` makes new skin lighter where tone is read.

    That tone is the photo's already; left alone, the network draws it towards the skin that it has seen most. `shown`
    is the share of new skin.
    """
    lighter = float((brightness(change) * cheeks).sum() / max(float((shown * cheeks).sum()), FEW))
    return lighter * np.clip(shown, 0, 1)
