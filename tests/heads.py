"""Made-up heads and a head model of some kilobytes with random weights: everything but the look is real."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from identigen.identity.head import SIDE, TRAITS, Traits
from identigen.training.head.data import Heads, store
from identigen.training.head.export import export
from identigen.training.head.flow import Course, Size, Training

TINY = Size(side=32, widths=(8, 16), layers=1, dropout=0.1)
OPTIONS = ("--side", "32", "--widths", "8,16", "--layers", "1", "--batch", "4", "--device", "cpu")


def made_up_heads(folder: Path, count: int = 20) -> Heads:
    """Ovals of skin under caps of hair on coloured walls, as pictures in `folder`; every tenth is held out."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files, regions, traits = [], [], []
    for i in range(count):
        wall, skin, hair = (rng.integers(30, 220, 3).tolist() for _ in range(3))
        picture = np.full((SIDE, SIDE, 3), wall, np.uint8)
        person, face, inner = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(3))
        cv2.ellipse(person, (128, 120), (90, 100), 0, 0, 360, (1,), -1)
        cv2.ellipse(face, (128, 150), (65, 80), 0, 0, 360, (1,), -1)
        cv2.ellipse(inner, (128, 165), (45, 50), 0, 0, 360, (1,), -1)
        person |= face
        picture[person > 0], picture[face > 0] = hair, skin
        files.append(f"{i:05d}.png")
        Image.fromarray(picture).save(folder / files[-1])
        regions.append(np.array([person, face, inner, person & ~face]) > 0)
        traits.append(rng.standard_normal(len(TRAITS)))
    points = np.tile(np.array([[0.38, 0.5], [0.62, 0.5], [0.5, 0.6], [0.5, 0.72]], np.float32), (count, 1, 1))
    held_out = np.zeros(count, bool)
    held_out[9::10] = True
    return Heads(folder, tuple(files), held_out, np.array(regions), points, np.array(traits, np.float32))


def carried(folder: Path, out: Path, count: int = 20) -> Heads:
    """The same with `heads.npz` beside them, as they are carried to a machine without detectors."""
    heads = made_up_heads(folder, count)
    (out / "work").mkdir(parents=True)
    store(heads, out / "work" / "heads.npz")
    return heads


def tiny_weights(folder: Path) -> Path:
    """An exported model that was never trained."""
    rows = np.random.default_rng(1).standard_normal((60, len(TRAITS))).astype(np.float32)
    traits = Traits(rows, rows.mean(0), rows.std(0))
    export(folder, Training(Course(TINY), "cpu"), traits)
    return folder
