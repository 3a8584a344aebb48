"""Strips of faces as batches of tensors on one device, varied as photos vary."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from identigen.errors import InputError
from identigen.identity.harmoniser import SIDE

TURN, ZOOM, SHIFT = 20.0, 0.2, 0.06  # degrees; logarithm; sides
GAIN, GAMMA, GREY = 0.06, 0.12, 0.12
SOFT, SOFTEST = 0.3, 4.0  # share of batches in less focus, and by which factor
GRAIN = 0.05
SOFTER, OWN_GRAIN = (-0.5, 0.7), 0.04  # shares of a blur over three pixels; of what the critic sees
BAND = 8  # pixels: what is finer is a face's modelling
HARDNESS, MOST = 0.25, (0.6, 2.2)  # spread of its logarithm, and how far a drawing is brought to the truth's


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures `(n, 3, s, s)` in -1..1 and shares of new skin `(n, 1, s, s)` in 0..1; see `pairs`."""

    truth: Tensor
    back: Tensor
    back_skin: Tensor
    other: Tensor
    other_skin: Tensor


class Strips:
    """All strips of a folder whose names begin with `kind`, on one device."""

    def __init__(self, folder: Path, kind: str, device: str) -> None:
        self.files = sorted(folder.glob(f"{kind}-*.webp"))
        if not self.files:
            raise InputError(f"{folder} holds no {kind} strips; draw the pairs first.")
        with ThreadPoolExecutor() as pool:
            self.channels = torch.from_numpy(np.stack(list(pool.map(_read, self.files)))).to(device)

    def __len__(self) -> int:
        return len(self.files)

    def pick(self, rows: Tensor) -> Batch:
        """The strips `rows`."""
        values = self.channels[rows.to(self.channels.device)].float() / 127.5 - 1
        truth, back, skin, other, other_skin = torch.split(values, [3, 3, 1, 3, 1], 1)
        return Batch(truth, back, (skin + 1) / 2, other, (other_skin + 1) / 2)


def varied(batch: Batch) -> Batch:
    """The same turn, shift, scale, mirroring, colours, focus and grain for all pictures in each row.

    A face that was drawn twice is modelled too softly. That would teach to harden everything, so the drawing is brought
    to about the truth's hardness first, place by place, give or take what the network may then put right.
    """
    n, device = len(batch.truth), batch.truth.device
    back = hardened(batch, torch.exp(HARDNESS * torch.randn(n, 1, 1, 1)).to(device))
    channels = torch.cat([batch.truth, back, batch.back_skin, batch.other, batch.other_skin], 1)
    channels = functional.grid_sample(
        channels, functional.affine_grid(_placement(n).to(device), [n, 1, SIDE, SIDE], align_corners=False),
        mode="bicubic", padding_mode="border", align_corners=False,
    )  # fmt: skip
    truth, back, back_skin, other, other_skin = torch.split(channels, [3, 3, 1, 3, 1], 1)
    light, gamma, grey = _colours(n)
    light, gamma, grey = light.to(device), gamma.to(device), grey.to(device)
    grain = torch.randn(n, 1, SIDE, SIDE).to(device) * (GRAIN * torch.rand(n, 1, 1, 1) ** 3).to(device)
    factor = float(torch.rand(()) * math.log(SOFTEST)) if float(torch.rand(())) < SOFT else 0.0

    def seen(picture: Tensor) -> Tensor:
        share = (picture.clamp(-1, 1) + 1) / 2
        share = share**gamma * light
        share = torch.where(grey > 0, share.mean(1, keepdim=True).expand_as(share), share)
        picture = 2 * share.clamp(0, 1) - 1
        if factor:
            small = max(8, round(SIDE / math.exp(factor)))
            picture = functional.interpolate(picture, size=small, mode="area")
            picture = functional.interpolate(picture, size=SIDE, mode="bicubic", align_corners=False)
        return picture + grain

    return Batch(seen(truth), seen(back), back_skin.clamp(0, 1), seen(other), other_skin.clamp(0, 1))


def unfocused(picture: Tensor) -> Tensor:
    """Each picture `(n, 3, s, s)` a little softer or harder, with its own grain: neither shall tell what is drawn."""
    n, device = len(picture), picture.device
    softer = (torch.rand(n, 1, 1, 1) * (SOFTER[1] - SOFTER[0]) + SOFTER[0]).to(device)
    grain = torch.randn(n, 1, SIDE, SIDE).to(device) * (OWN_GRAIN * torch.rand(n, 1, 1, 1)).to(device)
    soft = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return picture + softer * (soft - picture) + grain


def hardened(batch: Batch, times: Tensor) -> Tensor:
    """The drawings `(n, 3, s, s)` as hard as the truth, `times` `(n, 1, 1, 1)`; all but new skin stays as it is."""
    skin = batch.back_skin

    def fine(picture: Tensor) -> tuple[Tensor, Tensor]:
        band = picture - broadly(picture)
        return band, broadly((band.mean(1, keepdim=True) ** 2) * skin)

    band, energy = fine(batch.back)
    gain = ((fine(batch.truth)[1] + 1e-5) / (energy + 1e-5)).sqrt().clamp(*MOST)
    return batch.back + skin * (gain * times - 1) * band


def broadly(picture: Tensor) -> Tensor:
    """A wide blur, worked out on a small copy."""
    small = functional.avg_pool2d(picture, BAND)
    small = functional.avg_pool2d(functional.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return functional.interpolate(small, scale_factor=BAND, mode="bilinear", align_corners=False)


def _placement(n: int) -> Tensor:
    """Affine maps `(n, 2, 3)`; half of them mirror."""
    angle = torch.deg2rad((2 * torch.rand(n) - 1) * TURN)
    zoom = torch.exp((2 * torch.rand(n) - 1) * ZOOM)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shift = (2 * torch.rand(n, 2) - 1) * 2 * SHIFT
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    return torch.stack(
        [torch.stack([mirror * cos, -sin, shift[:, 0]], 1), torch.stack([mirror * sin, cos, shift[:, 1]], 1)], 1
    )


def _colours(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gain `(n, 3, 1, 1)`, gamma and whether a row is grey `(n, 1, 1, 1)`."""
    light = torch.exp(GAIN * torch.randn(n, 3, 1, 1)) * torch.exp(2 * GAIN * torch.randn(n, 1, 1, 1))
    return light, torch.exp(GAMMA * torch.randn(n, 1, 1, 1)), (torch.rand(n, 1, 1, 1) < GREY).float()


def _read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    strip = cv2.imread(str(path))
    if strip is None or strip.shape != (SIDE, 5 * SIDE, 3):
        raise InputError(f"{path} is not a strip of five squares; delete it and draw the pairs again.")
    truth, back, skin, other, other_skin = np.split(strip[..., ::-1], 5, axis=1)
    return np.ascontiguousarray(
        np.moveaxis(np.concatenate([truth, back, skin[..., :1], other, other_skin[..., :1]], -1), -1, 0)
    )
