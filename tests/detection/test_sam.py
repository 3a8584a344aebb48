"""Outlines by clicking, with SAM 2.1's real classes at tiny size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.detection import sam
from identigen.errors import MaskError, ModelCorrupt, ModelMissing
from identigen.settings import Settings
from identigen.types import Mask, Photo


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("sam"), "sam2.1-tiny") as settings:
        yield settings


def test_the_outline_is_the_photos_size_and_the_same_every_time(with_weights: Settings, astronaut: Photo) -> None:
    one, two = (sam.segment(astronaut.pixels, [(220, 120)], [], with_weights) for _ in range(2))
    assert one.photo_size == (512, 512)
    assert np.array_equal(one.to_array(), two.to_array())


def logits(
    settings: Settings, photo: Photo, positive: list[tuple[float, float]], negative: list[tuple[float, float]]
) -> np.ndarray:  # type: ignore[type-arg]
    folder = sam.locate(sam.NAME, settings)
    with sam.borrow(f"sam:{folder}", lambda: sam._build(folder, "cpu")) as (model, processor):
        return sam._predict(model, processor, photo.pixels, [*positive, *negative], len(positive))  # type: ignore[no-any-return]


def test_points_positive_and_negative_reach_the_model(with_weights: Settings, astronaut: Photo) -> None:
    here, there = (200.0, 100.0), (300.0, 400.0)
    on = logits(with_weights, astronaut, [here, there], [])
    off = logits(with_weights, astronaut, [here], [there])
    assert on.shape == (512, 512)
    assert np.abs(on - off).max() > 1e-3
    assert (
        np.abs(logits(with_weights, astronaut, [here], []) - logits(with_weights, astronaut, [there], [])).max() > 1e-3
    )


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
