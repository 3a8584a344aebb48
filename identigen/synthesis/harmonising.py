"""Mend what drawing leaves behind: ghosts, cut lips, halves of glasses, skin of another tint.

The harmoniser (see `identigen.identity.harmoniser`) looks at the new face in its photo and answers with a correction,
which is added at the photo's own scale: what is finer than its square stays as it was drawn.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from identigen.identity.appearance import brightness
from identigen.identity.harmoniser import ROOM, correction, look, square
from identigen.landmarks import face_box
from identigen.synthesis.complexion import colourfulness
from identigen.types import Candidate, Floats, Pixels, Window


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
    to_square = square(points - np.array([around.left, around.top, 0], np.float32))
    change = correction(look(picture, to_square), look(skin, to_square))
    grey = brightness(change)[..., None]
    change = grey + colourfulness(picture[skin > 0.5]) * (change - grey)  # no colour comes into a grey photo
    scale = float(to_square[0, 0])
    if scale > 1.5:  # read back by single samples a small face's correction would alias
        change = np.asarray(cv2.GaussianBlur(change, (0, 0), 0.42 * scale), np.float32)
    size = (around.width, around.height)
    back = cv2.warpAffine(change, to_square, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    return replace(drawn, pixels=np.clip(drawn.pixels + back[part], 0, 255).astype(np.float32))
