"""Write what a training gave: fp16 shards small enough for plain git, traits, figures, pictures, a model card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from identigen.identity.head import DRAWN, STEPS, TRAITS, Traits, noise_of, sample
from identigen.training.figures import plot_history
from identigen.training.head.batches import MASKS, draw_masks, scene_of
from identigen.training.head.data import Heads
from identigen.training.head.flow import Material, Training
from identigen.types import Pixels

SHARD = "9MB"
LARGEST = 60_000_000
SHOWN = 8


def export(folder: Path, training: Training, traits: Traits) -> dict[str, int]:
    """Write the average as fp16 safetensors shards with the traits; return each file's size in bytes."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    network = training.course.size.build()
    network.load_state_dict(training.average.state_dict())
    network.half().save_pretrained(folder, max_shard_size=SHARD)
    table = {"rows": traits.rows, "mean": traits.mean, "scale": traits.scale}
    save_file({n: np.ascontiguousarray(a, np.float32) for n, a in table.items()}, folder / "traits.safetensors")
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}


def write_figures(
    folder: Path, training: Training, heads: Heads, taught: int, sizes: dict[str, int], shown: Material
) -> None:
    """Write `training.json`, `loss.png`, `samples.jpg` and, for a real training, the model card."""
    figures = {
        "heads": {"kept": len(heads.files), "held_out": int(heads.held_out.sum()), "taught": taught},
        "course": asdict(training.course),
        "parameters": sum(p.numel() for p in training.average.parameters()),
        "steps": training.step,
        "seconds": round(training.seconds),
        "device": training.device,
        "bytes": sizes,
        "history": training.history,
    }
    (folder / "training.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if not training.course.overfit:
        (folder / "README.md").write_text(model_card(figures), encoding="utf-8")
    _write(folder / "samples.jpg", sheet(training, shown))
    rows = tuple((int(step), loss, held) for step, loss, held in training.history)
    _write(folder / "loss.png", plot_history(rows))


def sheet(training: Training, shown: Material, steps: int = STEPS) -> Pixels:
    """Pictures in columns: what the network sees, what it draws there, whom it draws, what was there.

    Every second head is drawn whole, the others around a face that stays. The same noise every time.
    """
    columns = []
    state = torch.get_rng_state()
    torch.manual_seed(2)
    for first in range(0, len(shown), SHOWN):
        rows = torch.arange(first, min(first + SHOWN, len(shown)))
        batch = shown.pick(rows, variation=False)
        scene = scene_of(batch, draw_masks(batch, rows % 2), 0.0)
        noise = torch.cat([noise_of(int(row), batch.picture.shape[-1]) for row in rows]).to(batch.picture.device)
        drawn = sample(training.average, scene, noise, steps)
        for part in (scene.known[:, :3], drawn[:, :3], drawn[:, 3:].expand(-1, 3, -1, -1), batch.picture[:, :3]):
            columns.append(_row(part))
    torch.set_rng_state(state)
    return np.vstack(columns)


def model_card(figures: dict[str, Any]) -> str:
    """The card that travels with the weights."""
    heads, size = figures["heads"], figures["course"]["size"]
    weights = sum(figures["bytes"].values()) / 1e6
    _, loss, held = figures["history"][-1]
    return f"""# Model card: identigen-head

Draws a new head (hair, ears, outline, where asked the face) into a masked square of {size["side"]} px, for IdentiGen's
embedded engine. Conditional flow matching in pixel space (Lipman et al. 2023; Liu et al. 2023) with a UNet of
{figures["parameters"] / 1e6:.1f} million parameters on a grid of {size["side"] // 4} (pixel unshuffle by 4).
No pretrained weights were used. Licence: AGPL-3.0-or-later.

| file | what |
|---|---|
| `config.json`, `diffusion_pytorch_model*.safetensors` | running average of the network, fp16, {weights:.1f} MB |
| `traits.safetensors` | {", ".join(TRAITS)} of the taught heads: what can be asked for |
| `training.json`, `loss.png`, `samples.jpg` | figures of this training; the pictures show held-out heads |

## Told and drawn
Told: the picture outside the mask; the mask ({"; ".join(MASKS)}); eyes, tip of the nose and mouth
as soft dots (pose, not shape); the broad light of the face; hair colour, amount and length; apparent age, gender
presentation and beard (the last two groups may be withheld).
Drawn, {DRAWN} channels: colour, and how much of each pixel is the person.

## Training data
AI-generated faces, no real person: SelfishGene/SFHQ-T2I-dataset (MIT; mixes pictures of FLUX.1, SDXL and DALL-E 3),
SelfishGene/SFHQ-dataset (MIT), faker-js/assets-person-portrait (CC0-1.0). Near-duplicates (dlib distance under 0.25)
are removed; of the {heads["kept"]} heads that are left {heads["held_out"]} are held out and {heads["taught"]} teach,
mirrored and varied in place, scale, light, focus and grain. Outlines come from MediaPipe and 478 landmarks.

## Figures
{figures["steps"]} steps of {figures["course"]["batch"]} heads in {figures["seconds"]} s on {figures["device"]};
last loss {loss:.4f}, on held-out heads {held:.4f}.

Made again by `python -m identigen.training.head FACES_DIR OUT_DIR`.

## Limits
* A head is drawn at {size["side"]} px; in a larger photo its hair is softer than the photo.
* Hair below the collar stays, and hats are taken for hair.
* Native faces of the training data are about 139 px wide (median); 749 of the pictures listed were enlarged.
* Kinds of hair that are rare among the taught heads come out worse.
"""


def _row(pictures: Tensor) -> Pixels:
    values = ((pictures.float().cpu().numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    blank = np.full((SHOWN - len(values), *values.shape[1:]), 255, np.uint8)
    return np.hstack([np.moveaxis(picture, 0, -1) for picture in (*values, *blank)])


def _write(path: Path, pixels: Pixels) -> None:
    from PIL import Image

    partial = path.with_name(f"partial-{path.name}")
    Image.fromarray(pixels).save(partial, quality=92)
    partial.replace(path)
