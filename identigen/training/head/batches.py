"""From stored heads to what one step learns: natural variations of the pictures, and masks as the product draws them.

Everything works on whole batches of tensors on one device and draws from torch's own generators, so that a step that
seeds them is the same in an interrupted and in an uninterrupted training. What is drawn at random is a few numbers for
each head, on the CPU; the pixels are worked on where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from identigen.identity.head import PATCH, Scene, blurred
from identigen.training.head.data import REGIONS

MASKS = ("hair around a new face", "face and hair", "face", "brush", "any")
MASK_ODDS = (0.45, 0.25, 0.08, 0.11, 0.11)
WITHHELD = 0.15
TRAIT_JITTER = 0.1
GROWTH_SIGMA = 0.06  # of the blur whose levels are the outlines of grown and shrunk masks, in sides
STROKES, STROKE_POINTS = 3, 5


@dataclass(frozen=True, eq=False)
class Batch:
    """`picture` `(n, 4, s, s)` in -1..1; regions `(n, 1, s, s)` of 0 and 1; `seen` is 0 where a turned picture ends."""

    picture: Tensor
    face: Tensor
    inner: Tensor
    hair: Tensor
    seen: Tensor
    keypoints: Tensor
    traits: Tensor

    @property
    def person(self) -> Tensor:
        return (self.picture[:, 3:] > 0).float()


def plain(channels: Tensor, keypoints: Tensor, traits: Tensor) -> Batch:
    """Stored heads `(n, 7, s, s) uint8` as they are."""
    values = channels.float() / 255
    return _batch(values, torch.ones_like(values[:, :1]), keypoints, traits)


def varied(channels: Tensor, keypoints: Tensor, traits: Tensor) -> Batch:
    """The heads turned, shifted, scaled, mirrored, in other light, through another camera."""
    n, device = len(channels), channels.device
    turn, shift, mirrored = _placement(n)
    back = moved(torch.linalg.inv(turn), device)
    turn, shift, mirrored = moved(turn, device), moved(shift, device), moved(mirrored, device)
    grid = functional.affine_grid(torch.cat([turn, shift[..., None]], 2), [n, 1, *channels.shape[2:]], False)
    values = functional.grid_sample(channels.float() / 255, grid, padding_mode="border", align_corners=False)
    seen = (grid.abs().amax(-1) <= 1).float()[:, None]
    swapped = torch.where(mirrored[:, None, None], keypoints[:, [1, 0, 2, 3]], keypoints)
    placed = (2 * swapped - 1 - shift[:, None]) @ back.mT
    picture = _camera(_lamp(values[:, :3]))
    return _batch(torch.cat([picture, values[:, 3:]], 1), seen, (placed + 1) / 2, traits)


def draw_masks(batch: Batch, kinds: Tensor | None = None) -> Tensor:
    """One mask `(n, 1, s, s)` for each head: of the given `kinds` `(n,)` (places in `MASKS`), else by `MASK_ODDS`."""
    n, side, device = len(batch.picture), batch.picture.shape[-1], batch.picture.device
    if kinds is None:
        kinds = torch.multinomial(torch.tensor(MASK_ODDS), n, replacement=True)
    growth, shrinkage = moved(_levels(n, 0.03, 0.5), device), moved(_levels(n, 0.5, 0.8), device)
    core = torch.maximum(batch.face, batch.hair)
    head = torch.maximum(_levelled(core, growth) * (1 - batch.person), core)
    around = head * (1 - _levelled(batch.inner, shrinkage))
    face = torch.maximum(_levelled(batch.face, growth), batch.face)
    brush = _strokes(n, side, device)
    every = torch.stack([around, head, face, brush, _ovals(n, side, device)])
    return every[moved(kinds, device), torch.arange(n, device=device)]


def scene_of(batch: Batch, mask: Tensor, withheld: float = WITHHELD) -> Scene:
    """The scene that the network is shown; traits are a little vague and sometimes withheld."""
    told = moved((torch.rand(len(mask), 2) >= withheld).float(), mask.device)
    vague = moved(torch.randn(batch.traits.shape), mask.device) * (TRAIT_JITTER if withheld else 0)
    skin = batch.face * (1 - batch.hair)
    return Scene(batch.picture, mask, skin, batch.keypoints, batch.traits + vague, told)


def moved(values: Tensor, device: torch.device) -> Tensor:
    """A few numbers from the CPU, moved to `device` without waiting for what it still works on."""
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def _batch(values: Tensor, seen: Tensor, keypoints: Tensor, traits: Tensor) -> Batch:
    person, face, inner, hair = (values[:, 3 + i : 4 + i] for i in range(len(REGIONS)))
    face, inner, hair = ((region > 0.5).float() for region in (face, inner, hair))
    return Batch(2 * torch.cat([values[:, :3], person], 1) - 1, face, inner, hair, seen, keypoints, traits)


def _placement(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices `(n, 2, 2)` and shifts `(n, 2)` from the new picture to the stored one, and who is mirrored `(n,)`."""
    angle = (torch.randn(n) * 0.14).clamp(-0.45, 0.45)
    scale = torch.exp(torch.randn(n) * 0.08).clamp(0.87, 1.25)
    mirrored = torch.rand(n) < 0.5
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    turn = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    turn = torch.where(mirrored[:, None, None], turn * torch.tensor([[-1.0], [1.0]]), turn)
    return turn, torch.randn(n, 2) * 0.04, mirrored


def _lamp(picture: Tensor) -> Tensor:
    """Other exposure, another lamp, light from a side, less colour."""
    n, side, device = len(picture), picture.shape[-1], picture.device
    gain = moved(torch.exp(torch.randn(n, 1, 1, 1) * 0.18 + torch.randn(n, 3, 1, 1) * 0.05), device)
    gamma = moved(torch.exp(torch.randn(n, 1, 1, 1) * 0.12), device)
    place = torch.linspace(-1, 1, side, device=device)
    slope = moved(torch.randn(n, 2, 1, 1) * 0.15, device)
    plane = torch.exp(slope[:, :1] * place[:, None] + slope[:, 1:] * place[None])
    lit = (picture.clamp_min(1e-4) ** gamma) * gain * plane
    grey = lit.mean(1, keepdim=True)
    less = torch.where(torch.rand(n, 1, 1, 1) < 0.07, torch.zeros(1), 0.6 + 0.6 * torch.rand(n, 1, 1, 1))
    return (grey + (lit - grey) * moved(less, device)).clamp(0, 1)


def _camera(picture: Tensor) -> Tensor:
    """Out of focus now and then, and with grain: what is drawn shall be as sharp and as noisy as what is around."""
    n, device = len(picture), picture.device
    soft = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = functional.avg_pool2d(functional.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = moved(torch.rand(n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.3), device)
    grain = moved(0.03 * torch.rand(n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.3), device)
    out = picture + share * (softer - picture)
    return (out + grain * torch.randn_like(out)).clamp(0, 1)


def _levels(n: int, lowest: float, highest: float) -> Tensor:
    return lowest + (highest - lowest) * torch.rand(n, 1, 1, 1)


def _levelled(region: Tensor, level: Tensor) -> Tensor:
    """The region grown (level under a half) or shrunk (over a half): where its blurred self exceeds `level`."""
    grid = region.shape[-1] // PATCH
    small = blurred(functional.adaptive_avg_pool2d(region, grid), GROWTH_SIGMA * grid)
    return (functional.interpolate(small, size=region.shape[-2:], mode="bilinear") > level).float()


def _strokes(n: int, side: int, device: torch.device) -> Tensor:
    """Brush strokes: broken lines with round ends."""
    grid = side // PATCH
    start = torch.rand(n, STROKES, 1, 2)
    path = torch.cat([start, start + torch.cumsum(0.16 * torch.randn(n, STROKES, STROKE_POINTS - 1, 2), 2)], 2)
    path, width = moved(path, device), moved(0.03 + 0.09 * torch.rand(n, STROKES, 1, 1, 1), device)
    places = (torch.arange(grid, device=device) + 0.5) / grid
    at = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
    a, b = path[:, :, :-1, None, None], path[:, :, 1:, None, None]
    along = (((at - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1).clamp_min(1e-6)).clamp(0, 1)
    apart = (at - a - along[..., None] * (b - a)).norm(dim=-1)
    depth = (width - apart).flatten(1, 2).amax(1, keepdim=True)
    return (functional.interpolate(depth, size=(side, side), mode="bilinear") > 0).float()


def _ovals(n: int, side: int, device: torch.device) -> Tensor:
    """Boxes with more or less rounded corners, anywhere."""
    places = (torch.arange(side, device=device) + 0.5) / side
    centre, radius = moved(0.2 + 0.6 * torch.rand(n, 2, 1), device), moved(0.1 + 0.3 * torch.rand(n, 2, 1), device)
    power = moved(2 + 8 * torch.rand(n, 1, 1, 1), device)
    across = ((places - centre[:, :1]) / radius[:, :1]).abs()[:, :, None, :]
    down = ((places - centre[:, 1:]) / radius[:, 1:]).abs()[:, :, :, None]
    return (across**power + down**power <= 1).float()
