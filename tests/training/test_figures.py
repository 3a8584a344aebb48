from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from identigen.identity.appearance import load_codec
from identigen.identity.conditions import NAMES
from identigen.training.codec import Maps
from identigen.training.figures import measure_copying
from identigen.training.latents import Latents

pytest.importorskip("dlib")


def test_who_is_drawn_as_a_taught_face_counts_as_a_copy(tmp_path: Path) -> None:
    codec, rng = load_codec(), np.random.default_rng(3)
    k, n = len(codec.detail_scale), 6
    codes = (0.6 * rng.standard_normal((n, k + len(codec.shape_scale)))).astype(np.float32)
    codes[1:3] = codes[0] + 0.2 * codes[1:3]  # the taught ones are alike
    details = codec.decode(codes[:, :k])
    seen = np.repeat(codec.mesh.inside[None], n, axis=0)
    maps = Maps(np.zeros((n, 1, 1, 3), np.float16), details.astype(np.float16), seen.astype(np.float16))
    taught = Latents(np.arange(3), codes[:3], np.zeros((3, len(NAMES)), np.float32))
    both = Latents(*(np.concatenate([part, part]) for part in (taught.rows, taught.codes, taught.conditions)))
    for people, share in (([0, 4], 0.5), ([3, 4, 5], 0.0)):
        figures = measure_copying(tmp_path, codec, maps, both, codes[people], [details[i] for i in people])
        assert figures["share_nearer_than_limit"] == share
        assert figures["samples"] == len(people)
    with Image.open(tmp_path / "nearest.png") as plot:
        assert plot.size == (480, 320)
