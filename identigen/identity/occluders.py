"""What lies in front of a face: hair, hats, scarves, hands, and glasses, told by a small network.

It has learnt on faces over which such things were laid (Voo, Jiang, Loy 2022, "Delving into high-quality synthetic face
occlusion segmentation datasets"), and on shadows, highlights and make-up that are none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from identigen.identity.appearance import brightness
from identigen.identity.mesh import POINTS, Mesh
from identigen.identity.mesh import SIDE as MAP_SIDE
from identigen.identity.unet import through
from identigen.landmarks import EYES, LEFT_BROW, LEFT_EYE, LIPS_OUTSIDE, OVAL, RIGHT_BROW, RIGHT_EYE
from identigen.masks import disc
from identigen.models import asset, borrow
from identigen.types import Bools, Floats, Pixels

Glasses = Literal["none", "clear", "dark"]
SIDE = 160  # of the square that the network looks at
ROOM = 7 / 6  # side of the square, in longer sides of the upright face
SHUFFLE = 2
WIDTHS = (16, 32, 56, 72)
CHANNELS = 5  # red, green, blue, the face's oval, its features
CERTAIN = 0.5
FAINT = 0.3  # how likely the rest of a frame must be where some of it is certain
SMALLEST = 24  # canonical pixels: fewer are a mole
LEAST_FRAME = 0.02  # of the eyes' surroundings that frames cover
LEAST_LENS = 0.35  # of each eye that dark ones cover
LENS, WHOLE_LENS = (3, 14), 18  # canonical pixels around an eye where a lens surely is, and as far as it may reach
LEAST_LIGHT = 0.4  # that a clear lens lets through, to the cheeks'


@dataclass(frozen=True, eq=False, slots=True)
class Occluders:
    """On the canonical map `(192, 192)`: what lies `over` the face, the frames and dark lenses `worn`, their kind."""

    over: Bools
    worn: Bools
    glasses: Glasses


def find_occluders(mesh: Mesh, pixels: Pixels, points: Floats, network: Segmenter | None = None) -> Occluders:
    """Tell what lies in front of the face `points` `(468+, 2+)` of a picture; `network` if not by the shipped one."""
    to_square = square(points)
    placed = np.asarray(points[:POINTS, :2] @ to_square[:, :2].T + to_square[:, 2], np.float32)
    shares = mesh.unwarp(shares_of(look(pixels, to_square), placed, network), placed)
    over, certain = (_large_parts((shares[..., k] > CERTAIN) & mesh.inside) for k in range(2))
    glasses = _kind(mesh, certain)
    worn = _large_parts((shares[..., 1] > FAINT) & mesh.inside) & (glasses != "none")
    if glasses == "clear" and _is_tinted(mesh, mesh.unwarp(pixels, points), ~(over | worn)):
        glasses = "dark"  # the eyes are seen, so that the network takes half of each lens for a face
        worn |= (_hull(mesh, RIGHT_EYE, WHOLE_LENS) | _hull(mesh, LEFT_EYE, WHOLE_LENS)) & mesh.inside
    if glasses == "clear":  # they are looked through
        worn &= ~(_hull(mesh, RIGHT_EYE, 1) | _hull(mesh, LEFT_EYE, 1))
    return Occluders(_with_edge(over) & mesh.inside, _with_edge(worn) & mesh.inside, glasses)


def square(points: Floats) -> Floats:
    """Affine map `(2, 3)` from picture pixels to the network's square, in which the eyes of `points` lie level."""
    across = points[LEFT_EYE, :2].mean(0) - points[RIGHT_EYE, :2].mean(0)
    length = max(float(np.hypot(*across)), 1e-6)
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / length
    upright = points[:POINTS, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    scale = SIDE / (ROOM * max(float((high - low).max()), 1e-6))
    shift = (SIDE - 1) / 2 - scale * (low + high) / 2
    return np.hstack([scale * turn, shift[:, None]]).astype(np.float32)


def look(picture: npt.NDArray[Any], to_square: Floats) -> Floats:
    """A picture `(h, w, 3)` seen in the square, `(SIDE, SIDE, 3)`; what is reduced much is blurred first."""
    scale = float(np.hypot(*to_square[0, :2]))
    corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]) - to_square[:, 2]
    corners = corners @ np.linalg.inv(to_square[:, :2]).T
    room = np.array(picture.shape[1::-1])
    first = np.clip(np.floor(corners.min(0)) - 2, 0, room - 1).astype(int)
    last = np.clip(np.ceil(corners.max(0)) + 2, first + 1, room).astype(int)
    part = np.ascontiguousarray(picture[first[1] : last[1], first[0] : last[0]], np.float32)
    if scale < 0.67:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.42 / scale), np.float32)
    moved = to_square.copy()
    moved[:, 2] += to_square[:, :2] @ first
    seen = cv2.warpAffine(part, moved, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)


def outlines(points: Floats) -> Floats:
    """What the mesh says `(SIDE, SIDE, 2)`: 1 within the oval of the face `points` in the square; brows, eyes, lips."""
    drawn = np.zeros((2, SIDE, SIDE), np.uint8)
    flat = np.round(points[:, :2]).astype(np.int32)
    cv2.fillPoly(drawn[0], [flat[OVAL]], (1,))
    for ring in (RIGHT_BROW, LEFT_BROW, RIGHT_EYE, LEFT_EYE, LIPS_OUTSIDE):
        cv2.fillConvexPoly(drawn[1], cv2.convexHull(flat[ring]), (1,))
    return np.asarray(np.moveaxis(drawn, 0, -1), np.float32)


class Segmenter(nn.Module):
    """U-Net: the square `(n, 5, s, s)` (picture and outlines in -1..1) to logits `(n, 2, s, s)`: occluder, glasses."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS * SHUFFLE**2, widths[0], 3, padding=1)
        self.see = nn.ModuleList(_Block(a) for a in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.middle = nn.Sequential(_Block(widths[-1]), _Block(widths[-1]))
        self.up = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairwise(widths))
        self.refine = nn.ModuleList(_Block(a) for a in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 2 * SHUFFLE**2, 3, padding=1)

    def forward(self, seen: Tensor) -> Tensor:
        h = self.enter(nn.functional.pixel_unshuffle(seen, SHUFFLE))
        h = through(h, self.see, self.down, self.middle, self.up, self.refine)
        out: Tensor = nn.functional.pixel_shuffle(self.leave(nn.functional.silu(h)), SHUFFLE)
        return out


class _Block(nn.Module):
    """Two convolutions around which the input is carried; normalised so that few steps of training are enough."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.body(h)
        return out


@torch.inference_mode()
def shares_of(seen: Floats, points: Floats, network: Segmenter | None = None) -> Floats:
    """How likely occluder and glasses `(SIDE, SIDE, 2)` are in a square `(SIDE, SIDE, 3)` of 0..255."""
    given = as_input(seen[None], points[None])
    shares = torch.sigmoid((network or load_segmenter())(given))[0]
    return np.ascontiguousarray(np.moveaxis(shares.numpy(), 0, -1), np.float32)


def as_input(seen: npt.NDArray[Any], points: Floats) -> Tensor:
    """Squares `(n, SIDE, SIDE, 3)` of 0..255 with their `points` `(n, 468, 2)` as the network wants them."""
    drawn = np.stack([outlines(each) for each in points])
    channels = np.concatenate([seen.astype(np.float32) / 127.5 - 1, 2 * drawn - 1], -1)
    return torch.from_numpy(channels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def load_segmenter() -> Segmenter:
    """The shipped network, read once."""
    with borrow("identigen-occluders", lambda: read_segmenter(asset("models/occluders.safetensors"))) as network:
        return network


def read_segmenter(path: Path) -> Segmenter:
    """A network from its weights."""
    from safetensors.torch import load_file

    network = Segmenter()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return network.eval().to(memory_format=torch.channels_last)


def _kind(mesh: Mesh, worn: Bools) -> Glasses:
    """Dark where both eyes are covered, clear where there are frames."""
    if min(float(worn[_hull(mesh, eye, 2)].mean()) for eye in (RIGHT_EYE, LEFT_EYE)) > LEAST_LENS:
        return "dark"
    around = _hull(mesh, EYES, 20)
    return "clear" if float(worn[around].mean()) > LEAST_FRAME else "none"


def _is_tinted(mesh: Mesh, texture: Floats, bare: Bools) -> bool:
    """Whether skin seen through either lens, below the eye, is much darker than the `bare` cheeks."""
    grey, cheeks = brightness(texture), bare & (mesh.cheeks > 0.5)
    if not cheeks.any():
        return False
    rows = np.arange(MAP_SIDE)[:, None]
    for eye in (RIGHT_EYE, LEFT_EYE):
        below = rows > mesh.canonical[eye, 1].mean()
        lens = bare & below & _hull(mesh, eye, LENS[1]) & ~_hull(mesh, eye, LENS[0])
        if lens.sum() >= SMALLEST and np.median(grey[lens]) < LEAST_LIGHT * np.median(grey[cheeks]):
            return True
    return False


def _hull(mesh: Mesh, points: npt.NDArray[np.intp], growth: int) -> Bools:
    canvas = np.zeros((MAP_SIDE, MAP_SIDE), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(mesh.canonical[points]).astype(np.int32)), (1,))
    return np.asarray(cv2.dilate(canvas, disc(growth)) > 0)


def _with_edge(flags: Bools) -> Bools:
    """The pixel around it, too: edges of hair and frames are soft."""
    return np.asarray(cv2.dilate(flags.astype(np.uint8), disc(1)) > 0)


def _large_parts(flags: Bools) -> Bools:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flags.astype(np.uint8))
    large = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] >= SMALLEST]
    return np.isin(labels, large)
