from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from identigen import masks
from identigen.detection import Detector, yolo
from identigen.errors import ModelMissing, ModelOffline
from identigen.models import package_file
from identigen.settings import Settings
from identigen.types import Photo

WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "models" / "yolov8n-seg_int8.tflite"
needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="needs YOLO segmentation weights, which are not part of the repository"
)


@pytest.fixture(autouse=True)
def _environment_as_before() -> object:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def offline(tmp_path: Path, weights: str = "") -> Settings:
    return Settings(offline=True, yolo_weights=weights, cache_dir=str(tmp_path))


def test_ultralytics_does_not_change_how_others_open_pictures() -> None:
    from PIL import Image, UnidentifiedImageError

    yolo._import_alone()
    assert Image.open.__module__ == "PIL.Image"
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"no picture"))


def test_weights_are_found_by_path_and_by_name_in_the_cache(tmp_path: Path) -> None:
    own = tmp_path / "my-seg.pt"
    own.write_bytes(b"x")
    assert yolo.locate(offline(tmp_path, str(own))) == own
    cached = tmp_path / "yolo" / yolo.DEFAULT_WEIGHTS
    cached.parent.mkdir()
    cached.write_bytes(b"x")
    assert yolo.locate(offline(tmp_path)) == cached


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"gone/seg\.pt do not exist"):
        yolo.locate(offline(tmp_path, "gone/seg.pt"))


def test_offline_never_announces_nor_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo.subprocess, "run", lambda *_, **__: pytest.fail("a download was started"))
    said: list[str] = []
    with pytest.raises(ModelMissing, match="network is switched off"):
        yolo.fetch(offline(tmp_path), said.append)
    assert said == []


def test_a_fetch_is_announced_and_its_failure_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "SOURCE", "http://127.0.0.1:9/nobody-listens")
    detector = Detector(Settings(cache_dir=str(tmp_path)))
    said: list[str] = []
    (notice,) = detector.prepare(said.append)
    assert "10 seconds" in said[0]
    assert "could not be fetched" in notice
    assert detector.notices == (notice,)
    assert "yolo-seg" not in detector.used_models


def test_a_fetch_in_time_leaves_the_weights_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "_FETCH", "import sys; open(sys.argv[1], 'wb').write(b'weights')")
    path = yolo.fetch(Settings(cache_dir=str(tmp_path)), lambda _: None)
    assert path == tmp_path / "yolo" / yolo.DEFAULT_WEIGHTS
    assert path.read_bytes() == b"weights"


def test_a_fetch_that_takes_too_long_is_ended_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yolo, "FETCH_SECONDS", 0.6)
    monkeypatch.setattr(yolo, "_FETCH", "import sys, time; open(sys.argv[1], 'wb').write(b'w'); time.sleep(60)")
    with pytest.raises(ModelOffline, match="could not be fetched"):
        yolo.fetch(Settings(cache_dir=str(tmp_path)), lambda _: None)
    assert list((tmp_path / "yolo").iterdir()) == []


def test_damaged_weights_are_told_and_done_without(tmp_path: Path) -> None:
    broken = tmp_path / "broken-seg.pt"
    broken.write_bytes(b"this is no model")
    detector = Detector(offline(tmp_path, str(broken)))
    grey = Photo(np.full((64, 64, 3), 128, np.uint8))
    assert detector.detect(grey) == ()
    (notice,) = detector.notices
    assert "broken-seg.pt could not be loaded" in notice
    assert "yolo-seg" not in detector.used_models


@needs_weights
def test_people_seen_from_any_side_are_found_with_yolo(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="a .tflite model needs ai-edge-litert: pip install -e '.[dev]'")
    detector = Detector(offline(tmp_path, str(WEIGHTS)))
    assert detector.prepare() == ()
    assert "yolo-seg" in detector.used_models
    pixels = cv2.imread(str(package_file("ultralytics", "assets/bus.jpg")))[..., ::-1]
    subjects = detector.detect(Photo(np.ascontiguousarray(pixels)))
    assert len(subjects) >= 4
    assert any(s.face is None and s.head_box is not None for s in subjects)
    assert sum(s.face is not None for s in subjects) >= 2
    assert masks.union((s.mask for s in subjects), pixels.shape[:2]).area == sum(s.mask.area for s in subjects)
    assert not (Path.home() / ".config" / "Ultralytics" / "identigen").exists()
    assert (tmp_path / "yolo").is_dir()
