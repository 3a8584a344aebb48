"""Four visitors at once: is any model loaded twice, does everybody get their turn, does the memory come back?

    python tests/benchmarks/visitors.py                       # the embedded engine
    python tests/benchmarks/visitors.py --engine diffusion    # the diffusion engine, real classes with tiny weights

The app is launched as always; the visitors are programs that call `/anonymize`, each sending the next photo once the
last is back. Printed are the resident memory of the app, the order in which answers came, how often each model was
built and how many objects of each class of models live in memory.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

os.environ.update(IDENTIGEN_OFFLINE="1", GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from identigen import models
from identigen.photo import save_photo
from identigen.settings import Settings

OPERATIONS = {"embedded": ("face", "remove", "layered"), "diffusion": ("face", "face+hair", "body", "remove")}
TINY = ("sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose", "lama", "sam2.1-tiny", "clip", "sface")
MODEL_CLASSES = {
    *("transformers.PreTrainedModel", "diffusers.ModelMixin", "onnxruntime.InferenceSession", "ultralytics.YOLO"),
    *("mediapipe.FaceMesh", "mediapipe.FaceDetection", "mediapipe.Pose"),
    *("identigen.Codec", "identigen.FaceNetwork", "identigen._Easel"),
}


class Counted(dict[str, Any]):
    """The loaded models, counting how often each was put there."""

    def __init__(self) -> None:
        super().__init__()
        self.built: Counter[str] = Counter()

    def __setitem__(self, key: str, value: Any) -> None:
        self.built[key] += 1
        super().__setitem__(key, value)


def main() -> None:
    """Launch, let the visitors in, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=tuple(OPERATIONS), default="embedded")
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--photos", type=int, default=4, help="how many each visitor sends, one after the other")
    parser.add_argument("--rounds", type=int, default=3, help="memory that grows from round to round is lost memory")
    parser.add_argument("--visitor", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.visitor:
        be_visitor(asked.visitor, asked.address, asked.engine, asked.photos)
        return
    start = time.perf_counter()
    models._loaded = counted = Counted()
    with settings_for(asked.engine) as settings, launched(settings) as address:
        print(f"started: {resident():.0f} MB")
        visit(address, asked.engine, 1, len(OPERATIONS[asked.engine]))  # everything is loaded once
        print(f"models loaded: {resident():.0f} MB")
        for number in range(1, asked.rounds + 1):
            with highest() as peak:
                order = visit(address, asked.engine, asked.visitors, asked.photos)
            print(f"round {number}: at most {peak[0]:.0f} MB, then {resident():.0f} MB; answers in the order {order}")
            print(f"         farthest ahead of the slowest visitor: {lead(order)} (fair: 1)")
        print("built:", ", ".join(f"{named(key)} {count}x" for key, count in sorted(counted.built.items())))
        print("in memory:", ", ".join(f"{name} {count}x" for name, count in sorted(instances().items())))
    print(f"{time.perf_counter() - start:.0f} s in all")


@contextmanager
def settings_for(engine: str) -> Iterator[Settings]:
    """Settings for an engine; the diffusion engine's weights are made on the spot."""
    with tempfile.TemporaryDirectory() as folder, socket_port() as port:
        if engine == "embedded":
            yield Settings(offline=True, engine="embedded", cache_dir=folder, port=port)
            return
        import tiny

        with tiny.cache(Path(folder), *TINY) as settings:
            yield replace(settings, engine="diffusion", port=port)


@contextmanager
def socket_port() -> Iterator[int]:
    """A port that is free just now."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    yield port


@contextmanager
def launched(settings: Settings) -> Iterator[str]:
    """The page, as `identigen serve` launches it."""
    from identigen.pipeline import Pipeline
    from identigen.ui.layout import build_page, launch_options

    page = build_page(Pipeline(settings))
    page.launch(**launch_options(page), prevent_thread_lock=True, quiet=True)
    try:
        yield page.local_url
    finally:
        page.close()


def visit(address: str, engine: str, visitors: int, photos: int) -> str:
    """Let visitors, each a program of its own, send their photos; the letters of those who got an answer, in order."""
    answers: list[str] = []
    command = [sys.executable, __file__, "--engine", engine, "--photos", str(photos), "--address", address]
    letters = [chr(ord("A") + number) for number in range(visitors)]
    programs = [
        subprocess.Popen([*command, "--visitor", letter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for letter in letters
    ]

    def listen(program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        answers.extend(line.strip() for line in program.stdout)  # one by one, as they come

    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()  # it has connected
    listeners = [threading.Thread(target=listen, args=(program,)) for program in programs]
    for program, listener in zip(programs, listeners, strict=True):
        listener.start()
        assert program.stdin is not None
        program.stdin.close()  # all set out together
    for program, listener in zip(programs, listeners, strict=True):
        if program.wait() != 0:
            raise RuntimeError("a visitor got no answer")
        listener.join()
    return "".join(answers)


def be_visitor(letter: str, address: str, engine: str, photos: int) -> None:
    """Send photos one after the other, and print one's letter for every answer."""
    from gradio_client import Client, handle_file

    with tempfile.TemporaryDirectory() as folder:
        client = Client(address, download_files=folder, verbose=False)
        print("connected", flush=True)
        sys.stdin.read()
        for number in range(photos):
            operation = OPERATIONS[engine][number % len(OPERATIONS[engine])]
            photo = own_photo(Path(folder), f"{letter}{number}")
            client.predict(handle_file(photo), operation, "1", number, api_name="/anonymize")
            print(letter, flush=True)
        client.close()


def own_photo(folder: Path, name: str) -> Path:
    """A portrait that nobody else sends: its top is cut a little lower for each name."""
    from skimage import data

    save_photo(np.ascontiguousarray(data.astronaut()[sum(name.encode()) % 31 :]), folder / f"{name}.png")
    return folder / f"{name}.png"


def lead(order: str) -> int:
    """By how many answers the quickest visitor was ever ahead of the slowest."""
    had: Counter[str] = Counter(dict.fromkeys(order, 0))
    most = 0
    for letter in order:
        had[letter] += 1
        most = max(most, max(had.values()) - min(had.values()))
    return most


def resident() -> float:
    """Megabytes of this process that are in memory now, once what nobody holds any more is given back."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # glibc keeps freed memory for later
    return _resident()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def highest() -> Iterator[list[float]]:
    """The most megabytes seen in memory while the block ran."""
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def instances() -> Counter[str]:
    """How many live objects there are of each class of model: a copy that nobody asked `borrow` for shows here."""
    found = []
    for thing in gc.get_objects():
        names = {f"{str(base.__module__).partition('.')[0]}.{base.__name__}" for base in type(thing).__mro__}
        if names & MODEL_CLASSES:
            found.append(thing)
    parts = {id(part) for whole in found if hasattr(whole, "modules") for part in list(whole.modules())[1:]}
    return Counter(type(thing).__name__ for thing in found if id(thing) not in parts)


def named(key: str) -> str:
    """The key of a loaded model without the path of its file."""
    kind, _, rest = key.partition(":")
    return kind if "/" in rest else key


if __name__ == "__main__":
    main()
