"""What a user waits for: start to first answer, detection, new faces, one face by candidates tried, peak memory.

    python tests/benchmarks/whole_process.py

Each figure comes from a process of its own, so that import, loading and memory count. The 1080p photo with three people
is put together from the example photos that installed packages carry.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np

from identigen.models import package_file
from identigen.photo import open_photo, save_photo

WORK = """
import json, resource, sys, time
from identigen import Operation, Pipeline, make_plan, open_photo
pipeline, photo = Pipeline(), open_photo(sys.argv[1])
best = {}
def timed(name, work, repeats=3):
    for _ in range(repeats):
        start = time.perf_counter(); result = work()
        best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
    return result
start = time.perf_counter()
people = pipeline.detect(photo)
best["detect, cold"] = time.perf_counter() - start
timed("detect, warm", lambda: pipeline.detect(photo))
plan = make_plan(people, Operation.FACE)
start = time.perf_counter()
result = pipeline.anonymize(photo, people, plan)
best["new faces for all, cold"] = time.perf_counter() - start
result = timed("new faces for all, warm", lambda: pipeline.anonymize(photo, people, plan))
renewed = [o.subject_id for o in result.outcomes if o.applied is Operation.FACE]
one = make_plan(people, Operation.FACE, renewed[:1])
timed("one new face, warm", lambda: pipeline.anonymize(photo, people, one))
by_tried = {}
for seed in range(40):
    plan = make_plan(people, Operation.FACE, [renewed[seed % len(renewed)]], seed=seed)
    start = time.perf_counter()
    tried = sum(o.candidates_tried for o in pipeline.anonymize(photo, people, plan).outcomes)
    by_tried[tried] = min(by_tried.get(tried, 1e9), time.perf_counter() - start)
best.update({f"one new face, {tried:2} tried": by_tried[tried] for tried in sorted(by_tried)})
best["people"] = len(people)
best["new faces"] = sum(o.applied is Operation.FACE for o in result.outcomes)
best["candidates tried"] = [o.candidates_tried for o in result.outcomes]
best["peak memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(best))
"""


def three_people(path: Path) -> None:
    """A 1920 x 1080 photo: two men at the left, a woman at the right."""
    from skimage import data

    canvas = np.full((1080, 1920, 3), 128, np.uint8)
    men = open_photo(package_file("ultralytics", "assets/zidane.jpg")).pixels
    canvas[180:900, :1280] = men
    canvas[220:860, 1280:] = cv2.resize(data.astronaut(), (640, 640), interpolation=cv2.INTER_CUBIC)
    save_photo(canvas, path)


def start_to_answer() -> float:
    """Seconds from starting the app to its first page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "IDENTIGEN_OFFLINE": "1", "IDENTIGEN_PORT": str(port)}
    start = time.perf_counter()
    app = subprocess.Popen([sys.executable, "-m", "identigen", "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < 120:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise TimeoutError("the app did not answer within two minutes")
    finally:
        app.terminate()
        app.wait(30)


def main() -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "three.png"
        three_people(photo)
        environment = {**os.environ, "IDENTIGEN_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", WORK, str(photo)], env=environment, capture_output=True, text=True, check=True
        )
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"{name:28} {value:.2f}" if isinstance(value, float) else f"{name:28} {value}")
    print(f"{'start to first answer':28} {start_to_answer():.2f}")


if __name__ == "__main__":
    main()
