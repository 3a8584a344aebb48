"""LaMa on onnxruntime, by a graph with its inputs and outputs whose answer can be foretold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import COMMIT, SIDE, build_sface, cache

from identigen import masks
from identigen.background.lama import Lama
from identigen.errors import MaskError, ModelCorrupt, ModelMissing
from identigen.models import REGISTRY
from identigen.settings import Settings
from identigen.types import Mask

SIZE = (200, 300)


@pytest.fixture(scope="module")
def lama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lama]:
    with cache(tmp_path_factory.mktemp("lama"), "lama") as settings:
        yield Lama(settings)


def grey(value: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((*SIZE, 3), value, np.uint8)


def test_the_hole_is_filled_and_the_rest_of_its_window_is_the_photos_own(lama: Lama) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    hole = masks.ellipse((100, 60, 180, 140), SIZE)
    fill = lama.predict(pixels, hole)
    before = pixels[fill.window.slices]
    assert fill.window == hole.window
    assert np.array_equal(fill.pixels[~hole.pixels], before[~hole.pixels])
    assert (fill.pixels[hole.pixels] != before[hole.pixels]).any(1).mean() > 0.95


def test_the_network_gets_the_picture_the_hole_and_their_scale(lama: Lama) -> None:
    """The graph answers 1 minus the mean of what it sees."""
    pixels = grey(200)
    hole = masks.rectangle((120, 80, 160, 120), SIZE)
    patch = lama.predict(pixels, hole).pixels
    share_seen = 1 - (40 * 40) / (80 * 80)  # a context of two: at least a quarter of the square is hole
    assert patch[20, 20, 0] > 255 - 200 * share_seen
    assert patch[20, 20, 0] < 255 - 200 * 0.3


def test_neither_the_hole_nor_other_people_are_seen(lama: Lama) -> None:
    hole = masks.rectangle((120, 80, 160, 120), SIZE)
    other = masks.rectangle((165, 60, 190, 140), SIZE)
    calm = grey(120)
    loud = calm.copy()
    loud[hole.to_array() | other.to_array()] = (255, 0, 0)
    one, two = lama.predict(calm, hole, other), lama.predict(loud, hole, other)
    assert np.array_equal(one.pixels, two.pixels)
    assert not np.array_equal(lama.predict(loud, hole).pixels, one.pixels)


@pytest.mark.parametrize("box", [(0, 0, 30, 30), (270, 170, 300, 200), (0, 60, 290, 140)])
def test_holes_at_the_border_and_holes_that_are_large(lama: Lama, box: tuple[float, ...]) -> None:
    hole = masks.rectangle(box, SIZE)  # type: ignore[arg-type]
    fill = lama.predict(grey(90), hole)
    assert fill.pixels.shape == (fill.window.height, fill.window.width, 3)
    assert (fill.pixels[hole.pixels] != 90).all()


def test_an_empty_hole_an_alien_hole_and_a_hole_without_surroundings(lama: Lama) -> None:
    fill = lama.predict(grey(90), Mask.empty(*SIZE))
    assert (fill.window.width, fill.pixels.size) == (0, 0)
    with pytest.raises(MaskError, match="300x200"):
        lama.predict(grey(90), masks.rectangle((0, 0, 10, 10), (50, 50)))
    with pytest.raises(MaskError, match="Nothing is left"):
        lama.predict(grey(90), masks.rectangle((0, 0, 300, 200), SIZE))


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="models pull lama"):
        Lama(Settings(cache_dir=str(tmp_path))).predict(grey(90), masks.rectangle((9, 9, 20, 20), SIZE))


def _store(tmp_path: Path) -> Path:
    store = tmp_path / "hub" / f"models--{REGISTRY['lama'].source.replace('/', '--')}"
    (store / "refs").mkdir(parents=True)
    (store / "refs" / "main").write_text(COMMIT)
    return store / "snapshots" / COMMIT


def test_a_file_that_is_not_lama_is_corrupt(tmp_path: Path) -> None:
    folder = _store(tmp_path)
    settings = Settings(cache_dir=str(tmp_path), device="cpu")
    folder.mkdir(parents=True)
    (folder / "lama_fp32.onnx").write_bytes(b"not a graph at all")
    with pytest.raises(ModelCorrupt, match="could not be loaded"):
        Lama(settings).predict(grey(90), masks.rectangle((9, 9, 20, 20), SIZE))
    folder.joinpath("lama_fp32.onnx").unlink()
    folder.rmdir()
    build_sface(folder)
    (folder / "face_recognition_sface_2021dec.onnx").rename(folder / "lama_fp32.onnx")
    with pytest.raises(ModelCorrupt, match="cannot be run"):
        Lama(settings).predict(grey(90), masks.rectangle((9, 9, 20, 20), SIZE))


@pytest.mark.parametrize(("factor", "works"), [(1.0, True), (255.0, True), (0.0, False), (float("nan"), False)])
def test_the_answers_scale_is_told_from_what_is_known(factor: float, works: bool) -> None:
    from identigen.background.lama import run

    class Session:
        def run(self, names: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
            return [(inputs["image"] + 0.5 * inputs["mask"]) * np.float32(factor)]

    square = np.random.default_rng(1).integers(50, 200, (SIDE, SIDE, 3), dtype=np.uint8)
    hole = np.zeros((SIDE, SIDE), bool)
    hole[20:40, 20:40] = True
    if works:
        answer = run(Session(), square, hole)
        assert np.allclose(answer[~hole], square[~hole], atol=0.01)
        assert np.allclose(answer[hole], 127.5, atol=0.01)
    else:
        with pytest.raises(ModelCorrupt, match="another model"):
            run(Session(), square, hole)
