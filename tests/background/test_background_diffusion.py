"""Removal by an editing model, with klein's real classes at tiny size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.background.diffusion import DiffusionBackground, diffusion_background
from identigen.errors import MaskError, Stopped
from identigen.models import REGISTRY
from identigen.settings import Settings
from identigen.synthesis import painter
from identigen.types import Mask, Pixels

SIZE = (160, 200)
HOLE = masks.ellipse((60, 40, 120, 110), SIZE)


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("edit"), "flux2-klein-4b", "lama") as settings:
        yield replace(settings, engine="diffusion")


@pytest.fixture
def klein(with_weights: Settings) -> DiffusionBackground:
    return DiffusionBackground(REGISTRY["flux2-klein-4b"], with_weights)


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_the_hole_is_filled_and_the_rest_of_its_window_is_the_photos_own(
    klein: DiffusionBackground, pixels: Pixels
) -> None:
    fill = klein.predict(pixels, HOLE, None, 5)
    before = pixels[fill.window.slices]
    assert fill.window == HOLE.window
    assert np.array_equal(fill.pixels[~HOLE.pixels], before[~HOLE.pixels])
    assert (fill.pixels[HOLE.pixels] != before[HOLE.pixels]).any(1).mean() > 0.9
    assert fill.notices == ()


def test_a_seed_repeats_exactly_and_another_does_not(klein: DiffusionBackground, pixels: Pixels) -> None:
    one, again, other = (klein.predict(pixels, HOLE, None, seed).pixels for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_neither_the_hole_nor_other_people_are_seen(klein: DiffusionBackground, pixels: Pixels) -> None:
    other = masks.rectangle((125, 30, 150, 130), SIZE)
    loud = pixels.copy()
    loud[HOLE.to_array() | other.to_array()] = (255, 0, 0)
    one, two = (klein.predict(photo, HOLE, other).pixels for photo in (pixels, loud))
    assert np.array_equal(one[HOLE.pixels], two[HOLE.pixels])


def test_an_empty_hole_an_alien_hole_and_a_hole_without_surroundings(
    klein: DiffusionBackground, pixels: Pixels
) -> None:
    assert klein.predict(pixels, Mask.empty(*SIZE)).pixels.size == 0
    with pytest.raises(MaskError, match="200x160"):
        klein.predict(pixels, masks.rectangle((0, 0, 10, 10), (50, 50)))
    with pytest.raises(MaskError, match="Nothing is left"):
        klein.predict(pixels, masks.rectangle((0, 0, 200, 160), SIZE))


def test_stop_works_in_the_middle_of_a_picture(klein: DiffusionBackground, pixels: Pixels) -> None:
    asked = iter([False, True])
    with pytest.raises(Stopped, match="middle"):
        klein.predict(pixels, HOLE, stop=lambda: next(asked))


def test_a_lower_tier_is_said(klein: DiffusionBackground, pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    real = painter.paint

    def paint(*args: object) -> painter.Painted:
        painted = real(*args)  # type: ignore[arg-type]
        return replace(painted, notices=("it ran out of memory",))

    monkeypatch.setattr(painter, "paint", paint)
    assert klein.predict(pixels, HOLE).notices == ("it ran out of memory",)


def test_it_is_chosen_only_when_it_is_here_wanted_and_quick(with_weights: Settings, tmp_path: object) -> None:
    assert diffusion_background(with_weights) is not None
    assert diffusion_background(replace(with_weights, engine="auto")) is None  # no GPU: minutes a picture
    assert diffusion_background(replace(with_weights, engine="embedded")) is None
    assert diffusion_background(Settings(cache_dir=str(tmp_path), engine="diffusion")) is None
    assert diffusion_background(replace(with_weights, device="cuda:99")) is None
