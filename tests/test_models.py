"""The registry, and the one place that keeps models loaded."""

from __future__ import annotations

import threading
import time

import pytest

from identigen.errors import ModelMissing
from identigen.models import REGISTRY, asset, borrow, package_file, record_of, release


def test_every_record_tells_licence_and_consequence() -> None:
    for name, record in REGISTRY.items():
        assert record.name == name
        assert record.licence
        assert record.consequence.endswith(".")
        assert record.bundled or record.runs_in


def test_the_models_of_the_diffusion_engine_are_commercially_clean() -> None:
    for name in ("flux2-klein-4b", "sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose", "lama", "sam2.1-tiny", "sface"):
        assert record_of(name).commercial
        assert record_of(name).on_hub
    assert not record_of("flux2-klein-9b").commercial
    assert "Not for commercial use" in record_of("flux2-klein-9b").consequence


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelMissing, match="sdxl-inpainting"):
        record_of("stable-diffusion-2")


def test_four_visitors_share_one_copy_and_take_turns() -> None:
    built: list[object] = []
    inside: list[int] = []
    most: list[int] = []

    def build() -> object:
        time.sleep(0.02)
        built.append(object())
        return built[-1]

    def visit() -> None:
        with borrow("test-shared", build):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(built) == 1
    assert max(most) == 1
    release("test-shared")
    with borrow("test-shared", build):
        pass
    assert len(built) == 2
    release("test-shared")


def test_a_model_that_cannot_be_built_may_be_tried_again() -> None:
    def fail() -> object:
        raise OSError("no")

    with pytest.raises(OSError, match="no"), borrow("test-broken", fail):
        pass
    with borrow("test-broken", lambda: "whole") as model:
        assert model == "whole"
    release("test-broken")


def test_files_of_installed_packages_are_found_without_importing_them() -> None:
    assert package_file("ultralytics", "assets/bus.jpg").is_file()
    with pytest.raises(ModelMissing, match=r"requirements\.txt"):
        package_file("ultralytics", "assets/no.jpg")
    with pytest.raises(ModelMissing, match="no_such_package"):
        package_file("no_such_package", "x")


def test_an_asset_that_is_gone_says_so() -> None:
    with pytest.raises(ModelMissing, match=r"assets/models/nothing\.bin"):
        asset("models/nothing.bin")
