"""Blind pairs: our background prediction beside shift-map's, for somebody who must not know which is which.

Which side is ours is drawn anew at each run and written only to a file beside the folder: whoever judges opens the
pictures, writes the votes down, and only then opens the key.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import cv2
import numpy as np

from identigen.background import BackgroundPredictor, default_predictor
from identigen.errors import InputError
from identigen.evaluation.background import Filler, Scene, fill_blindly, known_answers, our_filler, rivals
from identigen.evaluation.blind import write_key
from identigen.types import Bools, Pixels

RIVAL = "shift-map"
COUNT = 40
_MARGIN = 30
_ENLARGED = 2
_GAP = 12


def write_pairs(
    scenes: Path, folder: Path, *, limit: int | None = None, seed: int = 0, predictor: BackgroundPredictor | None = None
) -> Path:
    """Write `pair_01.png` and so on into `folder`, the place of the hole at 200 %; return the path of the key.

    The first `limit` scenes by name (40), with the holes of the known-answer protocol. The key, `FOLDER.key.json`,
    names the scene and the method on either side. Raises `InputError` where there are no scenes or no shift-map.
    """
    theirs = rivals().get(RIVAL)
    if theirs is None:
        raise InputError(f"{RIVAL} is not installed here; `pip install opencv-contrib-python` brings it.")
    methods: dict[str, Filler] = {"ours": our_filler(predictor or default_predictor(), seed), RIVAL: theirs}
    folder.mkdir(parents=True, exist_ok=True)
    key: dict[str, dict[str, str]] = {}
    for number, scene in enumerate(known_answers(scenes, limit=limit or COUNT, seed=seed), start=1):
        order = sorted(methods, reverse=secrets.randbelow(2) == 1)
        name = f"pair_{number:02d}.png"
        left, right = (_place(fill_blindly(methods[method], scene)[0], scene) for method in order)
        gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
        cv2.imwrite(str(folder / name), np.hstack([left, gap, right])[:, :, ::-1])
        key[name] = {"scene": scene.name, "left": order[0], "right": order[1]}
    return write_key(folder, key)


def _place(fill: Pixels, scene: Scene) -> Pixels:
    """What surrounds the hole, enlarged; both pictures of a pair show the same part."""
    rows, columns = (_span(scene.hole.any(axis)) for axis in (1, 0))
    part = np.ascontiguousarray(fill[rows, columns])
    return np.asarray(cv2.resize(part, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC), np.uint8)


def _span(touched: Bools) -> slice:
    inside = np.flatnonzero(touched)
    return slice(max(0, int(inside[0]) - _MARGIN), int(inside[-1]) + 1 + _MARGIN)
