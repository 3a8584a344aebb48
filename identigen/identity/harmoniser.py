"""The harmoniser: a small network that makes a composed face look as if a camera had seen it.

A face drawn from a linear model over somebody else's photo has faults that no photo has: the shadow of a nose that is
gone, a lip cut along the mesh, half a pair of glasses, skin of another tint. The network has learnt on faces whose
true picture is known what such a drawing should have been (image harmonisation, Tsai et al. 2017), and from a critic
what tells the others from photos (Jolicoeur-Martineau 2019). It never sees the pixels that were replaced, so it cannot
bring them back.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from identigen.identity.unet import through
from identigen.landmarks import face_box
from identigen.models import asset, borrow
from identigen.types import Floats

SIDE = 224
ROOM = 1.3  # side of the square that is looked at, in longer sides of the face's box
SHUFFLE = 2
STEP = ":step"  # of a kernel stored as integers
WIDTHS = (32, 64, 128, 192)
MOST = 30.0  # levels of 255 that a pixel moves: what calls for more is no fault of drawing, and nothing it has learnt


def square(points: Floats) -> Floats:
    """Affine map `(2, 3)` from photo pixels to the network's square around the face `points` `(n, 2+)`."""
    x1, y1, x2, y2 = face_box(points)
    scale = SIDE / (ROOM * max(x2 - x1, y2 - y1))
    middle = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    shift = (SIDE - 1) / 2 - scale * middle
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)


def look(picture: Floats, to_square: Floats) -> Floats:
    """A picture `(h, w)` or `(h, w, c)` seen in the square; what is reduced much is blurred first."""
    scale = float(to_square[0, 0])
    if scale < 0.67:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.42 / scale), np.float32)
    return np.asarray(
        cv2.warpAffine(picture, to_square, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


class Harmoniser(nn.Module):
    """U-Net: a composed face `(n, 3, s, s)` in -1..1 with its share of new skin `(n, 1, s, s)` to a correction.

    Groups are not normalised: tone and contrast of the picture are what it is about.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.enter = nn.Conv2d(4 * SHUFFLE**2, widths[0], 3, padding=1)
        self.see = nn.ModuleList(nn.Sequential(_Block(a), _Block(a)) for a in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths))
        self.middle = nn.Sequential(*(_Block(widths[-1]) for _ in range(3)))
        self.up = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairwise(widths))
        self.refine = nn.ModuleList(nn.Sequential(_Block(a), _Block(a)) for a in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 3 * SHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, picture: Tensor, skin: Tensor) -> Tensor:
        h = self.enter(nn.functional.pixel_unshuffle(torch.cat([picture, 2 * skin - 1], 1), SHUFFLE))
        h = through(h, self.see, self.down, self.middle, self.up, self.refine)
        out: Tensor = nn.functional.pixel_shuffle(self.leave(h), SHUFFLE)
        return out


@torch.inference_mode()
def correction(picture: Floats, skin: Floats) -> Floats:
    """What `(SIDE, SIDE, 3) float32` shall be added to a composed `picture` `(SIDE, SIDE, 3)` in 0..255.

    It keeps its hue where it is bounded by `MOST`. `skin` `(SIDE, SIDE)` in 0..1 is its share of new skin.
    """
    seen = torch.from_numpy(np.moveaxis(picture, -1, 0)[None] / 127.5 - 1)
    told = torch.from_numpy(np.clip(skin, 0, 1)[None, None])
    change = load_harmoniser()(*(x.float().contiguous(memory_format=torch.channels_last) for x in (seen, told)))
    return np.asarray(127.5 * np.moveaxis(bounded(change)[0].numpy(), 0, -1), np.float32)


def bounded(change: Tensor) -> Tensor:
    """A correction `(n, 3, s, s)` of pictures in -1..1, softly held below `MOST` with its hue."""
    largest = (change.abs().amax(1, keepdim=True) * (127.5 / MOST)).clamp_min(1e-6)
    return change * torch.tanh(largest) / largest


def load_harmoniser() -> Harmoniser:
    """The shipped network, read once."""
    with borrow("identigen-harmoniser", lambda: read_harmoniser(asset("models/harmoniser.safetensors"))) as network:
        return network


def read_harmoniser(path: Path) -> Harmoniser:
    """A network from its weights."""
    from safetensors.torch import load_file

    stored = load_file(path)
    steps = {name.removesuffix(STEP): tensor for name, tensor in stored.items() if name.endswith(STEP)}
    network = Harmoniser()
    network.load_state_dict(
        {
            name: tensor.float() * steps[name].view(-1, 1, 1, 1) if name in steps else tensor.float()
            for name, tensor in stored.items()
            if not name.endswith(STEP)
        }
    )
    return network.eval().to(memory_format=torch.channels_last)


def write_harmoniser(network: Harmoniser, path: Path) -> None:
    """Kernels as 8 bits with one step for each output channel, the few other values as half floats."""
    from safetensors.torch import save_file

    stored = {}
    for name, value in network.state_dict().items():
        tensor = value.detach().cpu().float()
        if tensor.dim() == 4:
            step = tensor.abs().amax((1, 2, 3)).clamp_min(1e-12) / 127
            stored[name + STEP] = step
            stored[name] = (tensor / step.view(-1, 1, 1, 1)).round().to(torch.int8).contiguous()
        else:
            stored[name] = tensor.half().contiguous()
    save_file(stored, path)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), last)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.body(h)
        return out
