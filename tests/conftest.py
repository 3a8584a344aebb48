"""One pipeline for the whole run, offline, and the pictures that installed packages carry."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything of the product is imported: no test may reach another machine.
os.environ.update(IDENTIGEN_OFFLINE="1", GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", YOLO_AUTOINSTALL="false")

import numpy as np
import pytest

from identigen.models import package_file
from identigen.photo import open_photo
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.types import Photo, Subject


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(offline=True, cache_dir=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def pipeline(settings: Settings) -> Pipeline:
    return Pipeline(settings)


@pytest.fixture(scope="session")
def astronaut() -> Photo:
    """One woman, a portrait with a large face, in the public domain."""
    from skimage import data

    return Photo(np.ascontiguousarray(data.astronaut()), "astronaut.png")


@pytest.fixture(scope="session")
def zidane_file() -> Path:
    """Two men, half a body each."""
    return package_file("ultralytics", "assets/zidane.jpg")


@pytest.fixture(scope="session")
def bus_file() -> Path:
    """A street with a bus and four people, one of them cut by the border."""
    return package_file("ultralytics", "assets/bus.jpg")


@pytest.fixture(scope="session")
def zidane(zidane_file: Path) -> Photo:
    return open_photo(zidane_file)


@pytest.fixture(scope="session")
def astronaut_subjects(pipeline: Pipeline, astronaut: Photo) -> tuple[Subject, ...]:
    return pipeline.detect(astronaut)


@pytest.fixture(scope="session")
def zidane_subjects(pipeline: Pipeline, zidane: Photo) -> tuple[Subject, ...]:
    return pipeline.detect(zidane)
