"""The head model: a flow that draws a new head into a masked square of a photo.

Conditional flow matching in pixel space (Lipman et al. 2023; Liu et al. 2023, "Flow Straight and Fast"): a UNet learns
the velocity that carries noise to heads along straight lines, inside the mask only. What it draws has four channels:
colour, and how much of each pixel is the person, so that new hair can be laid over a predicted background.

A square of 4 x 4 pixels is one place of the UNet's grid (pixel unshuffle; Shi et al. 2016), which makes a square of
256 px a grid of 64: small enough for two CPU cores.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from identigen import masks
from identigen.crop import Crop
from identigen.errors import ModelError
from identigen.landmarks import BROWS, LEFT_EYE, OVAL, RIGHT_EYE
from identigen.models import HEAD, asset, borrow
from identigen.models.devices import choose_device
from identigen.models.loading import read
from identigen.types import Bools, Floats, Mask, Pixels, Window

if TYPE_CHECKING:
    from diffusers import UNet2DModel

SIDE = 256
PATCH = 4
DRAWN = 4
"""Channels of a drawn head: red, green, blue, person; all in -1..1."""
STEPS = 10
GUIDANCE, GUIDED = 1.0, 0.4
"""How much further than asked traits are followed (Ho and Salimans 2022), and up to which moment: details are free."""
CALM = 16
"""Noise has no part broader than so many pixels: a young model makes blotches of it, and the traits tell the colour."""
SHIFT = 2.0
"""More of the time is spent where there is much noise: neighbouring pixels tell the same (Hoogeboom et al. 2023)."""
NEAREST = 0.05
"""The velocity divides by the time that is left; below this it would only magnify errors."""
LIGHT_SIGMA = 0.1
"""Of the blur that leaves only the light, in sides of the square: of a face three blobs are left."""
KEYPOINTS = 4
KEYPOINT_SIGMA = 0.02
FRAME = (4.0, 3.6)
"""Edge of the square in distances between the eyes, and from the eyes to the mouth (Karras et al. 2019, FFHQ)."""
INNER = 0.85
"""The inner face is this share of the face below the brows: the rim, with ears and hairline, goes with the hair."""
HAIR = ("hair_lightness", "hair_green_red", "hair_blue_yellow", "hair_area", "hair_length")
PERSON = ("root_age", "femininity", "beard", "skin_tone")
TRAITS = (*HAIR, *PERSON)
CONDITIONS = DRAWN * PATCH**2 + PATCH**2 + KEYPOINTS + 3 + len(TRAITS) + 2
IN_CHANNELS = DRAWN * PATCH**2 + CONDITIONS
OUT_CHANNELS = DRAWN * PATCH**2


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """What `n` heads are drawn into, as tensors on one device.

    `picture` `(n, 4, s, s)` in -1..1 and `mask` `(n, 1, s, s)` (1 = to be drawn; the picture counts outside only, but
    for the light of the face), `skin` `(n, 1, s, s)` (1 = light may be read here although it is masked), `keypoints`
    `(n, 4, 2)` in sides of the square, `traits` `(n, 9)` whitened, `told` `(n, 2)` (1 = hair, person are asked for).
    """

    picture: Tensor
    mask: Tensor
    skin: Tensor
    keypoints: Tensor
    traits: Tensor
    told: Tensor

    @property
    def known(self) -> Tensor:
        """The picture without what is to be drawn, and grey there."""
        return self.picture * (1 - self.mask)

    def conditions(self) -> Tensor:
        """Everything that is told to the network but noise and time, `(n, CONDITIONS, s / 4, s / 4)`."""
        grid = self.picture.shape[-1] // PATCH
        hair, person = self.told[:, :1].expand(-1, len(HAIR)), self.told[:, 1:].expand(-1, len(PERSON))
        told = torch.cat([torch.cat([hair, person], 1) * self.traits, self.told], 1)
        return torch.cat(
            [
                functional.pixel_unshuffle(self.known, PATCH),
                functional.pixel_unshuffle(self.mask, PATCH),
                _pose_maps(self.keypoints, grid),
                self._light(grid),
                told[:, :, None, None].expand(-1, -1, grid, grid),
            ],
            1,
        )

    def _light(self, grid: int) -> Tensor:
        """Broad light and skin tone `(n, 3, grid, grid)`; what is masked and no skin has no say."""
        readable = torch.maximum(self.skin, 1 - self.mask)
        trust = functional.adaptive_avg_pool2d(readable, grid)
        colour = functional.adaptive_avg_pool2d(self.picture[:, :3] * readable, grid)
        mass = blurred(trust, LIGHT_SIGMA * grid)
        return blurred(colour, LIGHT_SIGMA * grid) / (mass + 1e-3)


@dataclass(frozen=True, eq=False, slots=True)
class Traits:
    """Hair and apparent traits `(n, 9)` of the heads that the model was taught, and how they are whitened."""

    rows: Floats
    mean: Floats
    scale: Floats

    def whiten(self, raw: Floats) -> Floats:
        return np.asarray((raw - self.mean) / self.scale, np.float32)

    def nearest(self, raw: Floats, weights: Floats, count: int) -> Floats:
        """The `count` rows nearest to `raw` `(9,)`, nearest first; `weights` `(9,)` say how much each trait counts."""
        apart = ((self.whiten(self.rows) - self.whiten(raw)) ** 2) @ weights
        return np.asarray(self.rows[np.argsort(apart, kind="stable")[:count]], np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class HeadModel:
    """The network and the traits that it knows."""

    network: UNet2DModel
    traits: Traits

    @property
    def side(self) -> int:
        """Pixels along the edge of the square that it draws."""
        return PATCH * int(self.network.config.sample_size)


def moment_of(share: Tensor) -> Tensor:
    """The time in 0..1 (0 noise, 1 head) at a `share` of the way."""
    return share / (share + SHIFT * (1 - share))


def velocity(network: Any, x: Tensor, moment: Tensor, conditions: Tensor, mask: Tensor) -> Tensor:
    """How `x` `(n, 4, s, s)` moves at `moment` `(n,)`; zero outside the mask.

    The network itself says where `x` is heading: heads are simple beside noise, so that fewer channels are enough for
    them (Li and He 2025, "Back to Basics: Let Denoising Generative Models Denoise").
    """
    told = torch.cat([functional.pixel_unshuffle(x * mask, PATCH), conditions], 1)
    heading = functional.pixel_shuffle(network(told, 1000 * moment, return_dict=False)[0].float(), PATCH)
    return mask * (heading - x) / (1 - moment).clamp_min(NEAREST)[:, None, None, None]


@torch.inference_mode()
def sample(
    network: Any, scene: Scene, noise: Tensor, steps: int = STEPS, between: Callable[[], None] | None = None
) -> Tensor:
    """Carry noise `(n, 4, s, s)` to heads in -1..1 by Euler's method; outside the mask the scene's own pixels.

    `between` is called before each step and may raise.
    """
    mask = scene.mask
    told, free = scene.conditions(), replace(scene, told=torch.zeros_like(scene.told)).conditions()
    times = moment_of(torch.linspace(0, 1, steps + 1)).tolist()
    x = noise * mask
    for now, then in pairwise(times):
        if between is not None:
            between()
        moment = torch.full((len(x),), now, device=x.device)
        slope = velocity(network, x, moment, told, mask)
        if now <= GUIDED:
            slope = slope + GUIDANCE * (slope - velocity(network, x, moment, free, mask))
        x = x + (then - now) * slope
    return torch.where(mask > 0, x.clamp(-1, 1), scene.picture)


def noise_of(seed: int, side: int) -> Tensor:
    """Noise `(1, 4, side, side)`, the same for a seed on every machine."""
    values = np.random.default_rng([seed, 11]).standard_normal((1, DRAWN, side, side), np.float32)
    noise = torch.from_numpy(values)
    broad = functional.avg_pool2d(noise, CALM)
    return noise - functional.interpolate(broad, size=(side, side), mode="bilinear")


def frame(points: Floats, region: Mask | None = None) -> Crop:
    """The square around a head with landmarks `(478, 3)`: as in FFHQ, a little wider where `region` needs it."""
    right, left, _, mouth = keypoints(points)
    eyes = (right + left) / 2
    across, down = float(np.linalg.norm(left - right)), float(np.linalg.norm(mouth - eyes))
    edge = max(FRAME[0] * across, FRAME[1] * down)
    centre = eyes + 0.1 * (mouth - eyes)
    if region is not None and region.area:
        x1, y1, x2, y2 = region.window.box
        reach = max(centre[0] - x1, x2 - centre[0], centre[1] - y1, y2 - centre[1])
        edge = float(np.clip(2.05 * reach, edge, 1.25 * edge))
    side = max(2, round(edge))
    left_, top = round(float(centre[0]) - side / 2), round(float(centre[1]) - side / 2)
    return Crop(Window(left_, top, left_ + side, top + side), SIDE)


def keypoints(points: Floats) -> Floats:
    """Right eye, left eye, tip of the nose, middle of the mouth `(4, 2)`: they tell how a head is held, not whose."""
    rows = [points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0), points[1], points[[61, 291]].mean(0)]
    return np.asarray(rows, np.float32)[:, :2]


def inner_face(points: Floats, photo_size: tuple[int, int]) -> Mask:
    """What no hair covers: brows, eyes, nose, mouth and most of cheeks and chin."""
    brows = points[BROWS, :2]
    rim = points[OVAL, :2]
    down = points[152, :2] - points[10, :2]
    below = rim[(rim - brows.mean(0)) @ down > 0]
    hull = cv2.convexHull(np.concatenate([below, brows]).astype(np.float32))[:, 0]
    centre = points[[1, 4, 5], :2].mean(0)
    return masks.polygon(centre + INNER * (hull - centre), photo_size)


def hair_traits(pixels: Pixels, hair: Bools, face: Bools, points: Floats) -> Floats:
    """`HAIR` of a square picture: median Lab colour, and how much there is above the mouth and below, in faces.

    `hair` is the head without the face (ears, hat and neck included), `face` the oval. What looks like the skin is no
    hair: bald heads get an area near zero and the colour of their skin. Below the mouth only what hangs beside the jaw
    counts: a neck in the shade looks like hair.
    """
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) * np.array([0.7, 1, 1], np.float32)
    skin = np.median(lab[face], axis=0)
    from_skin = np.linalg.norm(lab - skin, axis=-1)
    rows, columns = np.mgrid[: len(pixels), : pixels.shape[1]]
    hairy = hair & (rows < points[1, 1]) & (from_skin > 14)
    if hairy.sum() < 0.02 * face.sum():
        return np.array([*(skin / [0.7, 1, 1]), 0.0, 0.0], np.float32)
    colour = np.median(lab[hairy], axis=0)
    alike = np.linalg.norm(lab - colour, axis=-1) < np.minimum(from_skin, 14)
    jaw = points[[172, 397], 0]
    beside = hair & (rows > points[13, 1]) & ((columns < jaw.min()) | (columns > jaw.max()))
    amounts = np.array([hairy.sum(), (alike & beside).sum()]) / face.sum()
    return np.array([*(colour / [0.7, 1, 1]), *amounts], np.float32)


def load_head() -> HeadModel:
    """The shipped model, read once, on a GPU where there is one; raise `ModelMissing` where it is not shipped."""
    with borrow("identigen-head", _load_shipped) as model:
        return model


def read_head(folder: Path) -> HeadModel:
    """Read a model from `folder`; raise `ModelError` when it is not one that this code can run."""
    from diffusers import UNet2DModel
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if (config.get("in_channels"), config.get("out_channels")) != (IN_CHANNELS, OUT_CHANNELS):
        raise ModelError(f"{folder} holds a head model of another layout; train it again with this version.")
    network = read(UNet2DModel, "identigen-head", folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)
    stored = load_file(folder / "traits.safetensors")
    return HeadModel(
        network.eval().to(memory_format=torch.channels_last), Traits(*(stored[n] for n in ("rows", "mean", "scale")))
    )


def _load_shipped() -> HeadModel:
    model = read_head(asset(HEAD).parent)
    model.network.to(choose_device("auto"))
    return model


def _pose_maps(points: Tensor, grid: int) -> Tensor:
    """Keypoints `(n, k, 2)` as soft dots `(n, k, grid, grid)`."""
    places = (torch.arange(grid, device=points.device) + 0.5) / grid
    x = (places - points[..., 0, None]) / KEYPOINT_SIGMA
    y = (places - points[..., 1, None]) / KEYPOINT_SIGMA
    return torch.exp(-(y[..., :, None] ** 2 + x[..., None, :] ** 2) / 2)


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of `(n, c, h, w)`; what lies outside counts as nothing."""
    reach = int(np.ceil(3 * sigma))
    line = torch.exp(-((torch.arange(-reach, reach + 1, device=maps.device) / sigma) ** 2) / 2)
    line = (line / line.sum()).to(maps.dtype)
    n, c, h, w = maps.shape
    flat = maps.reshape(n * c, 1, h, w)
    flat = functional.conv2d(flat, line[None, None, :, None], padding=(reach, 0))
    flat = functional.conv2d(flat, line[None, None, None, :], padding=(0, reach))
    return flat.reshape(n, c, h, w)
