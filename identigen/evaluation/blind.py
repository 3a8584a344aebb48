"""Blind portraits: each untouched or with its new face, for somebody who must not know which is which.

A fault that is seen in untouched portraits as often tells nothing of ours: whoever looks for faults finds some in any
picture. Half of them are untouched. Which ones is drawn anew at each run and written only to a file beside the folder.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from identigen.types import Pixels


def write_portraits(tiles: Mapping[str, Pixels], folder: Path) -> Path:
    """Write `portrait_001.png` and so on into `folder`, in no order; return the path of the key.

    `tiles` are a portrait above what was made of it `(2 h, w, 3)`, by name; of each one half is shown.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    chance = secrets.SystemRandom()
    untouched = set(chance.sample(sorted(tiles), len(tiles) // 2))
    key = {}
    for number, name in enumerate(chance.sample(sorted(tiles), len(tiles)), start=1):
        tile, shown = tiles[name], "untouched" if name in untouched else "new face"
        half = len(tile) // 2
        file = f"portrait_{number:03d}.png"
        Image.fromarray(tile[:half] if name in untouched else tile[half:]).save(folder / file)
        key[file] = {"portrait": name, "shown": shown}
    return write_key(folder, key)


def write_key(folder: Path, key: Mapping[str, object]) -> Path:
    """Write what a `folder` of blind pictures shows to a file beside it, and return its path."""
    answer = folder.with_name(f"{folder.name}.key.json")
    answer.write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")
    return answer
