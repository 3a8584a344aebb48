"""People by YOLO segmentation (Jocher et al., ultralytics), seen from any side; optional, because its weights are.

Ultralytics phones home and installs packages by itself unless told not to: it is told before it is imported. It also
brings torch and half a gigabyte of memory, so nothing is imported before weights are at hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen import masks
from identigen.detection.pairing import Body
from identigen.errors import ModelCorrupt, ModelMissing, ModelOffline
from identigen.models import borrow
from identigen.settings import Settings
from identigen.types import Mask, Pixels, Window

DEFAULT_WEIGHTS = "yolo11n-seg.pt"
FETCH_SECONDS = 10.0
PROBE_SECONDS = 3.0
SOURCE = "https://github.com/ultralytics/assets"
MIN_SCORE = 0.25
INPUT_SIDE = 640
WORK_SIDE = 1280  # masks are drawn at this size at most: fifty of them at fifty megapixels would not fit in memory

# Runs in a process of its own: it can be ended after ten seconds whatever hangs, a name server included, and torch does
# not stay in the app's memory. The probe saves a machine without network the wait for the import.
_FETCH = """
import sys, urllib.request
name, source, seconds = sys.argv[1:]
urllib.request.urlopen(source, timeout=float(seconds)).close()
from ultralytics.utils.downloads import attempt_download_asset
attempt_download_asset(name)
"""


def locate(settings: Settings) -> Path:
    """Where the weights are on this machine; raise `ModelMissing` with what to do when they are not."""
    asked = settings.yolo_weights or DEFAULT_WEIGHTS
    for path in (Path(asked).expanduser(), _folder(settings) / asked):
        if path.is_file():
            return path
    if not _can_be_fetched(asked):
        raise ModelMissing(f"The YOLO weights {asked} do not exist; set IDENTIGEN_YOLO_WEIGHTS to a file that does.")
    if settings.offline:
        raise ModelMissing(
            f"YOLO is not in use: {asked} is not on this machine and the network is switched off. Somebody who shows "
            "no face may be missed: click on them, or set IDENTIGEN_YOLO_WEIGHTS to a file."
        )
    raise ModelMissing(f"YOLO is not in use: {asked} (6 MB) has not been fetched yet.")


def fetch(settings: Settings, announce: Callable[[str], None]) -> Path:
    """Fetch the weights by ultralytics' own downloader, within ten seconds; raise `ModelOffline` when that fails."""
    asked = settings.yolo_weights or DEFAULT_WEIGHTS
    if settings.offline or not _can_be_fetched(asked):
        return locate(settings)
    announce(f"Fetching {asked} (some 6 MB) from {SOURCE}, {FETCH_SECONDS:.0f} seconds at most.")
    folder = _folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(asked, folder, settings)
    except (OSError, subprocess.SubprocessError):
        raise ModelOffline(
            f"YOLO is not in use: {asked} could not be fetched from {SOURCE}. Somebody who shows no face may be "
            "missed: click on them, connect once, or set IDENTIGEN_YOLO_WEIGHTS to a file."
        ) from None
    return folder / asked


def _download(name: str, folder: Path, settings: Settings) -> None:
    """Let ultralytics fetch `name` into a folder of its own; move it only when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        subprocess.run(
            [sys.executable, "-c", _FETCH, name, SOURCE, str(PROBE_SECONDS)],
            cwd=place,
            env=os.environ | _environment(settings),
            check=True,
            timeout=FETCH_SECONDS,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        (Path(place) / name).replace(folder / name)


def _can_be_fetched(asked: str) -> bool:
    return Path(asked).name == asked and asked.endswith("-seg.pt")


def _folder(settings: Settings) -> Path:
    return settings.cache_path / "yolo"


def _environment(settings: Settings) -> dict[str, str]:
    """What keeps ultralytics quiet, and its settings file out of the user's home."""
    return {
        "YOLO_CONFIG_DIR": str(_folder(settings)),
        "YOLO_AUTOINSTALL": "false",
        "YOLO_OFFLINE": "true",
        "YOLO_VERBOSE": "false",
    }


def segment_people(pixels: Pixels, weights: Path, settings: Settings) -> list[Body]:
    """Segment all people in `(H, W, 3)` pixels; raise `ModelCorrupt` when the weights cannot be used."""
    height, width = pixels.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    view = pixels if scale == 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    with borrow(f"yolo:{weights}", lambda: _build(weights, settings)) as model, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = model.predict(
            np.ascontiguousarray(view[..., ::-1]), imgsz=INPUT_SIDE, conf=MIN_SCORE, retina_masks=True, verbose=False
        )[0]
    if answer.masks is None:
        return []
    rows = zip(answer.boxes.cls.tolist(), answer.boxes.conf.tolist(), answer.masks.data, strict=True)
    return [
        Body(_mask(region.cpu().numpy(), (height, width)), score, "yolo-seg")
        for kind, score, region in rows
        if answer.names[int(kind)] == "person"
    ]


def _mask(small: Any, photo_size: tuple[int, int]) -> Mask:
    """Bring the mask `(h, w)` of the smaller picture to the photo's size, only where it is."""
    found = Mask.from_array(small > 0.5)
    height, width = photo_size
    sx, sy = width / small.shape[1], height / small.shape[0]
    if not found.area or (sx, sy) == (1.0, 1.0):
        return found
    w = found.window
    right, bottom = min(width, round(w.right * sx)), min(height, round(w.bottom * sy))
    window = Window(round(w.left * sx), round(w.top * sy), right, bottom)
    large = cv2.resize(found.pixels.astype(np.float32), (window.width, window.height), interpolation=cv2.INTER_LINEAR)
    return Mask.from_window(masks.largest_part(large > 0.5), window, photo_size)


def _import_alone() -> Any:
    """Import ultralytics and undo what it does to others: it replaces `PIL.Image.open` and stops OpenCV's threads."""
    from PIL import Image

    pillow_open, threads = Image.open, cv2.getNumThreads()
    import ultralytics.utils

    Image.open = pillow_open
    cv2.setNumThreads(threads)
    return ultralytics


def _build(weights: Path, settings: Settings) -> Any:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(_environment(settings))
    if weights.suffix == ".tflite" and find_spec("ai_edge_litert") is None:
        raise ModelMissing(f"YOLO is not in use: {weights.name} needs the package ai-edge-litert; install it with pip.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ultralytics = _import_alone()
            ultralytics.settings.update({"sync": False})
            model = ultralytics.YOLO(str(weights), task="segment")
            blank = np.zeros((64, 64, 3), np.uint8)
            names = model.predict(blank, imgsz=INPUT_SIDE, verbose=False)[0].names
    except Exception as error:  # whatever a damaged file makes ultralytics or torch raise
        raise ModelCorrupt(
            f"YOLO is not in use: {weights} could not be loaded ({type(error).__name__}); delete or replace the file."
        ) from error
    if "person" not in names.values():
        raise ModelCorrupt(f"YOLO is not in use: {weights} knows no class named person; name other weights.")
    return model
