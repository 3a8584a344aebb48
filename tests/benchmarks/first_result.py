"""How long a newcomer waits: the first result on another example than the one shown, and the answer to a click.

    python tests/benchmarks/first_result.py [--photo FILE]

1. `identigen serve` is started as a newcomer would start it, and a browser opens the page as soon as it answers. From
   the first press until the result of another example is on the screen, presses and seconds are counted: once while
   the models may still be warming up, twice afterwards.
2. A 12 megapixel photo (an example enlarged, or `--photo`) is put on the desk of a real pipeline, and the server's time
   for each click is measured: choosing, growing a mask, pointing at a place where nobody was found (a first outline,
   then the search's answer).

Needs Chromium and the extra `dev`. The figures hold for this machine alone, and only while nothing else runs on it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import numpy as np

from identigen.models import package_file
from identigen.photo import open_photo
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.types import Photo
from identigen.ui import session
from identigen.ui.events import Desk

SWITCHES = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
MEGAPIXELS = 12
CLICKS = 15
START_SECONDS = 120


def serve() -> tuple[subprocess.Popen[bytes], str, float]:
    """Start the page; return its process, its address and the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "IDENTIGEN_PORT": str(port), "IDENTIGEN_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "identigen", "serve"], env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    while time.perf_counter() - started < START_SECONDS:
        try:
            urlopen(address).read()
        except URLError:
            time.sleep(0.05)
        else:
            return process, address, time.perf_counter() - started
    process.kill()
    sys.exit(f"The page did not answer within {START_SECONDS} seconds.")


def newcomer(browser: object, address: str, example: str) -> dict[str, float]:
    """Open the page, press another example, press the large button; everything else is waiting."""
    page = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    page.set_default_timeout(1000 * START_SECONDS)
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(".example")
    shown = time.perf_counter()
    page.tap(f"[data-do=example][data-value={example}]")
    page.wait_for_selector("figure.photo path")
    found = time.perf_counter()
    page.tap("[data-run]")
    page.wait_for_selector("before-after")
    done = time.perf_counter()
    page.context.close()
    return {"presses": 2, "page": shown - started, "people": found - shown, "result": done - found, "all": done - shown}


def first_result() -> None:
    """Print one line for a cold start and one for a warm page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or sys.exit("This needs Chromium: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        process, address, start = serve()
        try:
            print(f"start     the page answers after {start:.1f} s")
            for name, example in (("cold", "zidane"), ("warm", "zidane"), ("warm", "bus")):
                took = newcomer(browser, address, example)
                waited = f"people {took['people']:.1f} s, result {took['result']:.1f} s; page {took['page']:.1f} s"
                print(f"{name:9s} {example}: {took['presses']} presses, {took['all']:.1f} s to the result ({waited})")
        finally:
            browser.close()
            process.send_signal(signal.SIGINT)
            process.wait()


def large_photo(path: Path) -> Photo:
    """The photo at 12 megapixels."""
    photo = open_photo(path)
    scale = (MEGAPIXELS * 1e6 / (photo.width * photo.height)) ** 0.5
    size = (round(photo.width * scale), round(photo.height * scale))
    return Photo(np.ascontiguousarray(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_CUBIC)))


def clicks(path: Path) -> None:
    """Print the server's time for each kind of click on a 12 megapixel photo."""
    desk = Desk(Pipeline(Settings(offline=True)))
    desk.warm_up()
    request = SimpleNamespace(session_hash="benchmark", query_params={}, headers={})
    visitor = desk.visitor(request)
    photo = large_photo(path)
    visitor.open(session.begin(photo, desk.pipeline.detect(photo)))
    print(f"photo     {photo.width} x {photo.height}, {len(visitor.require().subjects)} people")

    at_first = visitor.require()

    def measure(name: str, data: Callable[[int], dict[str, object]]) -> None:
        answers, searches = [], []
        for number in range(CLICKS):
            started = time.perf_counter()
            desk.act(SimpleNamespace(_data=data(number)), request)
            answers.append(1000 * (time.perf_counter() - started))
            if visitor.sought:
                desk.look(request)
                searches.append(1000 * (time.perf_counter() - started))
                visitor.update(lambda _: at_first)
        print(f"{name:9s} median {statistics.median(answers):.0f} ms, worst {max(answers):.0f} ms")
        if searches:
            worst = max(searches)
            print(f"          who it is is known after {statistics.median(searches):.0f} ms, at worst {worst:.0f} ms")

    x1, y1, x2, y2 = visitor.require().subjects[0].box
    measure("click", lambda _: {"do": "pick", "x": (x1 + x2) / 2, "y": (y1 + y2) / 2})
    measure("card", lambda _: {"do": "toggle", "id": 1})
    measure("mask", lambda number: {"do": "grow" if number % 2 else "shrink", "id": 1})
    measure("undo", lambda number: {"do": "redo" if number % 2 else "undo"})
    # Places all over the photo: some show nobody, some show people whom the detectors have missed.
    strangers = [
        point
        for point in zip(*np.random.default_rng(1).uniform((0, 0), photo.pixels.shape[1::-1], (99, 2)).T, strict=True)
        if session.person_at(at_first, point) is None
    ]
    measure("nobody", lambda number: {"do": "pick", "x": strangers[number][0], "y": strangers[number][1]})


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=package_file("ultralytics", "assets/bus.jpg"))
    parser.add_argument("--clicks-only", action="store_true", help="leave the browser out")
    options = parser.parse_args()
    if not options.clicks_only:
        first_result()
    clicks(options.photo)


if __name__ == "__main__":
    main()
