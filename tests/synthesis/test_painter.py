"""Drawing with the real pipeline classes at tiny size; what is asserted is the raw output, before any compositing."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tiny import SIDE, cache

from identigen import masks
from identigen.crop import square_around
from identigen.errors import EngineError, ModelCorrupt, ModelMissing, OutOfMemory, Stopped
from identigen.models import borrow, devices, release
from identigen.models.devices import TIERS, lent_gpu
from identigen.models.loading import read
from identigen.settings import Settings
from identigen.synthesis import painter
from identigen.synthesis.painter import Order, Painted, choose_painter, hidden_in, match_colours, paint, wipe

NAMES = {
    "sdxl": ("sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose"),
    "klein": ("flux2-klein-4b",),
}


@pytest.fixture(scope="module", params=["sdxl", "klein"])
def with_weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp(request.param), *NAMES[request.param]) as with_weights:
        yield with_weights


@pytest.fixture
def order(with_weights: Settings) -> Order:
    record = choose_painter(with_weights)
    assert record is not None
    rng = np.random.default_rng(0)
    square = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:48, 16:48] = True
    return Order(record.name, square, mask, "portrait photo of a woman", seed=1)


@pytest.fixture
def drawn(order: Order, with_weights: Settings) -> Painted:
    return paint(order, with_weights)


def difference(a: Painted, b: Painted) -> float:
    return float(np.abs(a.pixels - b.pixels).mean())


def test_the_hole_is_drawn_in_the_size_that_was_asked_for(order: Order, drawn: Painted) -> None:
    assert drawn.pixels.shape == (SIDE, SIDE, 3)
    assert drawn.pixels.dtype == np.float32
    assert 0 <= drawn.pixels.min() < drawn.pixels.max() <= 255
    assert np.abs(drawn.pixels[order.mask] - wipe(order.square, order.mask)[order.mask]).mean() > 5
    assert drawn.tier == "full"


def test_the_same_seed_repeats_and_another_does_not(order: Order, drawn: Painted, with_weights: Settings) -> None:
    assert difference(drawn, paint(order, with_weights)) == 0
    assert difference(drawn, paint(replace(order, seed=2), with_weights)) > 1


def test_another_prompt_draws_something_else(order: Order, drawn: Painted, with_weights: Settings) -> None:
    assert difference(drawn, paint(replace(order, prompt="portrait photo of an old man"), with_weights)) > 1e-3


def test_the_surroundings_are_seen(order: Order, drawn: Painted, with_weights: Settings) -> None:
    brighter = order.square.copy()
    brighter[~order.mask] = 255
    assert difference(drawn, paint(replace(order, square=brighter), with_weights)) > 1


def test_nothing_inside_the_mask_reaches_the_model(order: Order, drawn: Painted, with_weights: Settings) -> None:
    somebody_else = order.square.copy()
    somebody_else[order.mask] = np.random.default_rng(9).integers(0, 256, somebody_else[order.mask].shape)
    assert difference(drawn, paint(replace(order, square=somebody_else), with_weights)) == 0


def test_another_skeleton_draws_another_pose_where_the_model_takes_one(order: Order, with_weights: Settings) -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    line = black.copy()
    line[10:54, 30:34] = 255
    one, other = (paint(replace(order, skeleton=pose), with_weights) for pose in (black, line))
    if order.model == "sdxl-inpainting":
        assert difference(one, other) > 0.1
    else:  # klein takes no skeleton, and does not pretend to
        assert difference(one, other) == 0


def test_more_steps_change_the_picture(order: Order, drawn: Painted, with_weights: Settings) -> None:
    assert difference(drawn, paint(replace(order, steps=4), with_weights)) > 0.1


@pytest.mark.parametrize("tier", TIERS[1:])
def test_every_tier_draws_the_same_picture_but_for_rounding(
    order: Order, drawn: Painted, with_weights: Settings, tier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if order.model.startswith("flux2"):
        monkeypatch.setattr(devices, "_LARGE_TEXT_ENCODER", 0)  # the published one is large
    release(f"painter:{order.model}")
    frugal = paint(order, replace(with_weights, memory=tier))
    release(f"painter:{order.model}")
    assert frugal.tier == tier
    limit = 12.0 if tier == "quantised" else 0.01
    assert difference(drawn, frugal) < limit
    assert (difference(drawn, frugal) > 0) == (tier == "quantised")


def test_stop_works_in_the_middle_of_a_picture(order: Order, with_weights: Settings) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(Stopped, match="middle"):
        paint(replace(order, steps=6), with_weights, stop)
    assert asked == 3
    with pytest.raises(Stopped, match="before"):
        paint(order, with_weights, lambda: True)
    assert difference(paint(order, with_weights), paint(order, with_weights)) == 0


def test_out_of_memory_goes_one_tier_down_and_says_so(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    release(f"painter:{order.model}")
    real, failures = painter._Easel.run, iter((True, False))

    def run(easel: Any, wanted: Order, stop: Any) -> Any:
        if next(failures):
            raise torch.OutOfMemoryError("pretended")
        return real(easel, wanted, stop)

    monkeypatch.setattr(painter._Easel, "run", run)
    painted = paint(order, with_weights)
    release(f"painter:{order.model}")
    assert painted.tier == "offload"
    [notice] = painted.notices
    assert "ran out of memory (full)" in notice


@pytest.mark.parametrize("place", ["arrange", "compile"])
def test_memory_that_runs_out_before_the_first_picture_is_said_with_it(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    release(f"painter:{order.model}")
    real, asked = painter.arrange, []

    def arrange(pipe: Any, tier: Any, device: str) -> None:
        asked.append(tier)
        if tier == "full":
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8.0 GB)")
        real(pipe, tier, device)

    monkeypatch.setattr(painter, "arrange", arrange)
    settings = replace(with_weights, compile=place == "compile")  # what does not fit is not compiled either
    painter.load(order.model, settings)
    painted = paint(order, settings)
    assert asked == ["full", "offload"]
    assert painted.tier == "offload"
    assert "ran out of memory (full)" in painted.notices[0]
    assert paint(order, settings).notices == ()
    release(f"painter:{order.model}")


def test_a_machine_too_small_to_load_the_weights_says_so(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers

    def no_room(*args: Any, **options: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 16000000000 bytes.")

    release(f"painter:{order.model}")
    for kind in (diffusers.StableDiffusionXLInpaintPipeline, diffusers.Flux2KleinInpaintPipeline):
        monkeypatch.setattr(kind, "from_pretrained", no_room)
    with pytest.raises(OutOfMemory, match="does not fit into the memory of this machine"):
        paint(order, with_weights)


def test_a_compiled_model_draws_a_first_picture_before_anybody_waits_for_it(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import ModelMixin

    compiled: list[str] = []
    drawn: list[str] = []
    real = painter._Easel.run
    monkeypatch.setattr(
        ModelMixin, "compile_repeated_blocks", lambda self, **options: compiled.append(type(self).__name__)
    )
    monkeypatch.setattr(painter._Easel, "run", lambda *args: drawn.append(args[1].model) or real(*args))
    release(f"painter:{order.model}")
    painter.load(order.model, replace(with_weights, compile=True))
    assert compiled == [{"sdxl": "UNet2DConditionModel", "flux": "Flux2Transformer2DModel"}[order.model[:4]]]
    assert drawn == [order.model]
    release(f"painter:{order.model}")
    painter.load(order.model, with_weights)
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("error", "yes"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("Failed to allocate memory for requested buffer of size 1048576"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("memory"), False),
    ],
)
def test_out_of_memory_is_known_by_its_words(error: Exception, yes: bool) -> None:
    assert devices.is_out_of_memory(error) is yes


def test_when_no_tier_fits_it_is_an_error_and_not_a_black_hole(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def run(*args: Any) -> Any:
        raise torch.OutOfMemoryError("pretended")

    release(f"painter:{order.model}")
    monkeypatch.setattr(painter._Easel, "run", run)
    with pytest.raises(OutOfMemory, match="IDENTIGEN_DIFFUSION_MODEL"):
        paint(order, replace(with_weights, memory="tiled"))
    release(f"painter:{order.model}")


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "overflowed"), (-1.0, "empty"), (0.5, "empty")])
def test_a_broken_decoder_never_gives_a_picture(
    order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch, value: float, word: str
) -> None:
    import torch

    paint(order, with_weights)
    with borrow(f"painter:{order.model}", lambda: pytest.fail("it was loaded already")) as easel:
        decoder = easel.pipe.vae.decoder
    monkeypatch.setattr(decoder, "forward", lambda z, *args: torch.full((1, 3, SIDE, SIDE), value))
    with pytest.raises(EngineError, match=word):
        paint(order, with_weights)


def test_four_visitors_share_one_copy(order: Order, with_weights: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    release(f"painter:{order.model}")
    built: list[Any] = []
    real = painter._Easel.set_up.__func__  # type: ignore[attr-defined]

    def set_up(cls: Any, name: str, with_weights: Settings) -> Any:
        built.append(name)
        return real(cls, name, with_weights)

    monkeypatch.setattr(painter._Easel, "set_up", classmethod(set_up))
    results: dict[int, Painted] = {}
    visitors = [
        threading.Thread(target=lambda n=n: results.update({n: paint(replace(order, seed=n % 2), with_weights)}))
        for n in range(4)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert built == [order.model]
    assert difference(results[0], results[2]) == 0
    assert difference(results[0], results[1]) > 1


def test_on_a_lent_gpu_only_plain_data_crosses(
    order: Order, drawn: Painted, with_weights: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def lend(duration: Any) -> Any:
        def decorate(function: Any) -> Any:
            def call(*args: Any) -> Any:
                sent = pickle.loads(pickle.dumps(args))
                seen.append(duration(*sent))
                return pickle.loads(pickle.dumps(function(*sent)))

            return call

        return decorate

    spaces = ModuleType("spaces")
    spaces.GPU = lend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(painter, "_paint", lent_gpu(painter._seconds)(painter._paint))
    monkeypatch.setattr(painter, "choose_device", lambda asked, **options: "cpu")
    assert difference(drawn, paint(order, with_weights, stop=lambda: False)) == 0
    assert 10 <= seen[0] <= 60


def test_elsewhere_lending_changes_nothing() -> None:
    def function() -> None: ...

    assert lent_gpu(lambda: 1)(function) is function


def test_weights_that_cannot_be_loaded_are_corrupt(tmp_path: Any) -> None:
    with cache(tmp_path, "sdxl-openpose") as with_weights:
        folder = painter.locate("sdxl-openpose", with_weights)
        import diffusers

        with pytest.raises(ModelCorrupt, match="models check"):
            read(diffusers.UNet2DConditionModel, "sdxl-openpose", folder / "nowhere")
        assert choose_painter(with_weights) is None
        with pytest.raises(ModelMissing, match="models pull sdxl-inpainting"):
            painter.load("sdxl-inpainting", with_weights)


def test_without_the_few_step_lora_all_steps_are_taken(tmp_path: Any) -> None:
    with cache(tmp_path, "sdxl-inpainting") as with_weights:
        with borrow("painter:sdxl-inpainting", lambda: painter._Easel.set_up("sdxl-inpainting", with_weights)) as easel:
            assert not easel.fast
            assert easel.pipe is easel.plain
            square, mask = np.zeros((SIDE, SIDE, 3), np.uint8), np.ones((SIDE, SIDE), bool)
            arguments = painter._arguments_sdxl(easel, Order("sdxl-inpainting", square, mask, "", 0), False)
        assert int(arguments["num_inference_steps"] * arguments["strength"]) == painter.SLOW_STEPS
        assert arguments["guidance_scale"] > 1


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(EngineError, match="mark a larger region"):
        Order("sdxl-inpainting", np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool), "", 0)


def test_wiping_continues_the_surroundings_and_forgets_the_inside() -> None:
    square = np.zeros((64, 64, 3), np.uint8)
    square[:, 32:] = 200
    mask = np.zeros((64, 64), bool)
    mask[20:44, 20:44] = True
    secret = square.copy()
    secret[mask] = (255, 0, 255)
    clean = wipe(secret, mask)
    assert np.array_equal(clean, wipe(square, mask))
    assert np.array_equal(clean[~mask], square[~mask])
    row = clean[32, :, 0].astype(int)
    assert row[21] < 60
    assert row[42] > 140
    assert wipe(secret, np.ones_like(mask)).std() == 0


def test_a_colour_shift_is_taken_back_and_a_new_object_is_not() -> None:
    rng = np.random.default_rng(0)
    square = rng.integers(60, 180, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    painted = square + np.array([6.0, -4.0, 2.0], np.float32)
    painted[mask] = 100.0
    back = match_colours(painted, square, mask)
    assert np.allclose(back[~mask], square[~mask], atol=0.01)
    assert np.allclose(back[mask], [94.0, 104.0, 98.0], atol=0.01)
    foreign = square.astype(np.float32)
    foreign[:, 48:50] = 0  # a hand across the ring
    assert np.allclose(match_colours(foreign, square, mask), foreign, atol=1.0)


@pytest.mark.parametrize("box", [(40, 30, 60, 70), (0, 0, 20, 25), (70, 60, 100, 90), (30, 5, 50, 90)])
@pytest.mark.parametrize("side", [16, 64, 150, 301])
def test_no_pixel_of_a_region_can_be_told_from_the_wiped_crop(box: tuple[float, ...], side: int) -> None:
    """Also at the photo's border, which the crop repeats outwards, and however the crop is scaled."""
    size = (90, 100)
    region = masks.ellipse(box, size)  # type: ignore[arg-type]
    crop = square_around(region.window.box, 2.0, side)
    rng = np.random.default_rng(side)
    photo = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    other = photo.copy()
    other[region.to_array()] = rng.integers(0, 256, (region.area, 3))
    hidden = hidden_in(crop, region)
    one, two = (wipe(crop.extract(pixels), hidden) for pixels in (photo, other))
    assert np.array_equal(one, two)
    assert hidden.mean() < 0.9
