"""Outlines by clicking, with SAM 2.1's real classes at tiny size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import cache
from transformers import BatchFeature

from identigen import masks
from identigen.detection import sam
from identigen.errors import MaskError, ModelCorrupt, ModelMissing
from identigen.settings import Settings
from identigen.types import Box, Floats, Mask, Photo, Point


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("sam"), "sam2.1-tiny") as settings:
        yield settings


def test_the_outline_is_the_photos_size_and_the_same_every_time(with_weights: Settings, astronaut: Photo) -> None:
    one, two = (sam.segment(astronaut.pixels, [(220, 120)], [], with_weights) for _ in range(2))
    assert one.photo_size == (512, 512)
    assert np.array_equal(one.to_array(), two.to_array())


@pytest.fixture
def logits(with_weights: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Floats]:
    """What the model answers to a prompt, before it is cut at zero."""
    answers: list[Floats] = []
    real = sam._predict

    def predict(*args: Any) -> Floats:
        answers.append(real(*args))
        return answers[-1]

    def ask(photo: Photo, positive: list[Point], negative: list[Point], box: Box | None = None) -> Floats:
        sam.segment(photo.pixels, positive, negative, with_weights, box)
        return answers[-1]

    monkeypatch.setattr(sam, "_predict", predict)
    return ask


def test_points_and_box_reach_the_model(logits: Callable[..., Floats], astronaut: Photo) -> None:
    here, there, box = (200.0, 100.0), (300.0, 400.0), (100.0, 20.0, 400.0, 500.0)
    answers = [
        logits(astronaut, [here], []),
        logits(astronaut, [there], []),
        logits(astronaut, [here, there], []),
        logits(astronaut, [here], [there]),
        logits(astronaut, [here], [there], box),
    ]
    assert answers[0].shape == (512, 512)
    for one, other in combinations(answers, 2):
        assert np.abs(one - other).max() > 1e-3


def test_one_click_means_the_largest_thing_that_the_model_is_nearly_as_sure_of() -> None:
    class Model:
        device = "cpu"

        def __call__(self, multimask_output: bool, **inputs: object) -> SimpleNamespace:
            assert multimask_output
            button, shirt, person = (torch.full((8, 8), -1.0) for _ in range(3))
            button[:2, :2] = shirt[:4, :4] = person[:6, :6] = 1.0
            scores = torch.tensor([[[0.9, 0.85, 0.5]]])
            return SimpleNamespace(iou_scores=scores, pred_masks=torch.stack([button, shirt, person])[None, None])

    def processor(**inputs: object) -> BatchFeature:
        return BatchFeature({})

    prompt = {"input_points": [[[[1.0, 1.0]]]], "input_labels": [[[1]]]}
    answer = sam._predict(Model(), processor, np.zeros((8, 8, 3), np.uint8), prompt)
    assert (answer > 0).sum() == 16


def test_a_large_photo_is_seen_smaller_and_answered_in_its_own_size(with_weights: Settings) -> None:
    pixels = np.zeros((900, 2400, 3), np.uint8)
    assert sam.segment(pixels, [(1200, 450)], [(10, 10)], with_weights).photo_size == (900, 2400)


def test_only_the_parts_that_were_clicked_remain() -> None:
    left, right = masks.rectangle((10, 10, 30, 30), (100, 100)), masks.rectangle((60, 10, 90, 30), (100, 100))
    both = masks.union([left, right], (100, 100))
    only = sam._clicked_parts(both, [(20.0, 20.0)])
    assert np.array_equal(only.to_array(), left.to_array())
    assert sam._clicked_parts(both, [(20.0, 20.0), (70.0, 20.0)]).area == both.area
    assert sam._clicked_parts(both, [(50.0, 80.0)]).area == both.area
    assert sam._clicked_parts(Mask.empty(100, 100), [(5.0, 5.0)]).area == 0


def test_it_needs_a_click_and_its_weights(with_weights: Settings, astronaut: Photo, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="click there first"):
        sam.segment(astronaut.pixels, [], [(1.0, 1.0)], with_weights)
    assert sam.is_available(with_weights)
    nowhere = Settings(cache_dir=str(tmp_path))
    assert not sam.is_available(nowhere)
    with pytest.raises(ModelMissing, match=r"models pull sam2\.1-tiny"):
        sam.segment(astronaut.pixels, [(1.0, 1.0)], [], nowhere)
    with pytest.raises(ModelCorrupt, match="could not be loaded"):
        sam._build(tmp_path, "cpu")
