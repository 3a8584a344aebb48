"""Write the weights as the product reads them: safetensors, small enough for plain git."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from identigen.identity.appearance import Codec
from identigen.identity.conditions import Conditions
from identigen.identity.fine_detail import FineDetail
from identigen.identity.foretelling import Foretelling
from identigen.identity.prior import Velocity
from identigen.recognition.attributes import Axes
from identigen.training.fine_detail import save_fine_detail
from identigen.types import Floats


def export(
    folder: Path,
    codec: Codec,
    conditions: Conditions,
    fine: FineDetail,
    axes: Axes,
    network: Velocity,
    foretelling: Foretelling,
    strangers: Floats,
) -> dict[str, int]:
    """Write eight files into `folder`; return the size of each in bytes."""
    from safetensors.numpy import save_file
    from safetensors.torch import save_file as save_tensors

    folder.mkdir(parents=True, exist_ok=True)
    # One step for each component: its largest value becomes 127. The error is far below the grain of any photo.
    step = np.abs(codec.detail_basis).max(1) / 127
    quantised = np.round(codec.detail_basis / step[:, None]).astype(np.int8)
    save_file({"basis": quantised, "step": step.astype(np.float32)}, folder / "texture.safetensors")
    small = {name: getattr(codec, name).astype(np.float16) for name in ("shape_basis", "modelling")}
    exact = ("detail_mean", "detail_scale", "detail_parity", "shape_mean", "shape_scale", "shape_parity")
    small |= {name: getattr(codec, name).astype(np.float32) for name in exact}
    mesh = codec.mesh
    small |= {"canonical": mesh.canonical, "triangles": mesh.triangles.astype(np.int16)}
    small |= {"mirror": mesh.mirror.astype(np.int16)}
    save_file({name: np.ascontiguousarray(array) for name, array in small.items()}, folder / "appearance.safetensors")
    read = {field.name: np.ascontiguousarray(getattr(conditions, field.name)) for field in fields(Conditions)}
    save_file(read, folder / "conditions.safetensors")
    save_file({"weights": np.ascontiguousarray(axes.weights), "bias": axes.bias}, folder / "attributes.safetensors")
    halves = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in network.state_dict().items()}
    save_tensors(halves, folder / "prior.safetensors")
    save_fine_detail(fine, folder / "fine_detail.safetensors")
    save_foretelling(foretelling, folder / "foretelling.safetensors")
    save_strangers(strangers, folder / "strangers.safetensors")
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}


def save_foretelling(foretelling: Foretelling, path: Path) -> None:
    """Write half floats; what they lose is far below the doubt."""
    from safetensors.numpy import save_file

    arrays = {field.name: np.atleast_1d(getattr(foretelling, field.name)) for field in fields(Foretelling)}
    save_file({name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()}, path)


def save_strangers(descriptors: Floats, path: Path) -> None:
    """Write descriptors `(n, 128)` in bytes; what they lose is a hundredth of a distance that matters."""
    from safetensors.numpy import save_file

    step = np.abs(descriptors).max(keepdims=True)[0] / 127
    quantised = np.round(descriptors / step).astype(np.int8)
    save_file({"descriptors": quantised, "step": np.asarray(step, np.float32)}, path)
