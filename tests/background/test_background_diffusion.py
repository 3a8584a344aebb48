"""Removal by an editing model: it may invent somebody, so its answers are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tiny import cache

from identigen import masks
from identigen.background.diffusion import ATTEMPTS, DiffusionBackground, diffusion_background, without_diffusion
from identigen.background.lama import Lama
from identigen.background.patchmatch import PatchMatch
from identigen.models import REGISTRY
from identigen.settings import Settings
from identigen.types import Mask, Pixels, Window

SIZE = (160, 200)
HOLE = masks.ellipse((60, 40, 120, 110), SIZE)


class Green:
    """A method that invents nobody: everything becomes green."""

    name = "green"
    models: tuple[str, ...] = ()

    def predict(
        self, pixels: Pixels, hole: Mask, forbidden: Mask | None = None, seed: int = 0
    ) -> tuple[Window, Pixels]:
        w = hole.window
        return w, np.where(hole.pixels[:, :, None], np.uint8((0, 255, 0)), pixels[w.slices])


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("edit"), "flux2-klein-4b", "lama") as settings:
        yield replace(settings, engine="diffusion")


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def predictor(settings: Settings, *appears: bool) -> DiffusionBackground:
    answers = iter(appears)
    return DiffusionBackground(REGISTRY["flux2-klein-4b"], settings, Green(), lambda picture, hole: next(answers))


def test_an_empty_place_is_taken(with_weights: Settings, pixels: Pixels) -> None:
    klein = predictor(with_weights, False)
    window, patch = klein.predict(pixels, HOLE, None, 5)
    assert window == HOLE.window
    assert np.array_equal(patch[~HOLE.pixels], pixels[window.slices][~HOLE.pixels])
    assert (patch[HOLE.pixels] != pixels[window.slices][HOLE.pixels]).any(1).mean() > 0.9
    assert klein.notices == ()
    again = predictor(with_weights, False).predict(pixels, HOLE, None, 5)
    assert np.array_equal(again[1], patch)


def test_where_somebody_appeared_another_seed_is_tried(with_weights: Settings, pixels: Pixels) -> None:
    klein = predictor(with_weights, True, False)
    second = klein.predict(pixels, HOLE, None, 5)[1]
    assert not np.array_equal(second, predictor(with_weights, False).predict(pixels, HOLE, None, 5)[1])
    assert klein.notices == ()


def test_where_somebody_appears_every_time_nobody_is_shown(with_weights: Settings, pixels: Pixels) -> None:
    klein = predictor(with_weights, *[True] * ATTEMPTS)
    patch = klein.predict(pixels, HOLE)[1]
    assert (patch[HOLE.pixels] == (0, 255, 0)).all()
    [notice] = klein.notices
    assert "put somebody into the empty place" in notice
    assert "green" in notice


def test_a_model_that_fails_falls_back_and_says_so(
    with_weights: Settings, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identigen.errors import OutOfMemory
    from identigen.synthesis import painter

    def paint(*args: object) -> None:
        raise OutOfMemory("It does not fit.")

    monkeypatch.setattr(painter, "paint", paint)
    klein = predictor(with_weights)
    assert (klein.predict(pixels, HOLE)[1][HOLE.pixels] == (0, 255, 0)).all()
    assert klein.notices == ("It does not fit. The background was predicted by green instead.",)


def test_neither_the_hole_nor_other_people_are_seen(with_weights: Settings, pixels: Pixels) -> None:
    other = masks.rectangle((125, 30, 150, 130), SIZE)
    loud = pixels.copy()
    loud[HOLE.to_array() | other.to_array()] = (255, 0, 0)
    one, two = (predictor(with_weights, False).predict(photo, HOLE, other) for photo in (pixels, loud))
    hole = HOLE.pixels
    assert np.array_equal(one[1][hole], two[1][hole])


def test_the_real_look_finds_a_person_who_is_there(with_weights: Settings, astronaut: object) -> None:
    chosen = diffusion_background(with_weights)
    assert chosen is not None
    photo = astronaut.pixels  # type: ignore[attr-defined]
    face = masks.rectangle((170, 60, 280, 220), (512, 512))
    assert chosen._somebody(photo, face)
    assert not chosen._somebody(np.full_like(photo, 120), face)


def test_it_is_chosen_only_when_it_is_here_wanted_and_quick(with_weights: Settings, tmp_path: object) -> None:
    assert diffusion_background(with_weights) is not None
    assert diffusion_background(replace(with_weights, engine="auto")) is None  # no GPU: minutes a picture
    assert diffusion_background(replace(with_weights, engine="embedded")) is None
    assert diffusion_background(Settings(cache_dir=str(tmp_path), engine="diffusion")) is None
    assert diffusion_background(replace(with_weights, device="cuda:99")) is None


def test_without_it_lama_serves_where_it_is_here(with_weights: Settings, tmp_path: object) -> None:
    assert isinstance(without_diffusion(with_weights), Lama)
    assert isinstance(without_diffusion(replace(with_weights, engine="embedded")), PatchMatch)
    assert isinstance(without_diffusion(Settings(cache_dir=str(tmp_path))), PatchMatch)
