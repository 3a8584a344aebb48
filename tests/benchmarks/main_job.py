"""The main job on whole folders of photos, judged from the files that come out.

    python tests/benchmarks/main_job.py OUT_DIR PHOTO_DIR... [--operations face,layered,remove] [--faces faces.json ...]

Every photo goes through `identigen anonymize`, as a script would call it. Judged are the files alone: exit code,
report, pixels outside the union of the reported masks, leftovers of metadata. With `--faces` (reference boxes
`{"name": [[x1, y1, x2, y2], ...]}`) the gate is judged too: which reference faces of 32 px and more, turned by 45
degrees at most, got a new face, how far it is from the old one by dlib with dlib's own alignment, and whether it
stayed inside its grown box.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from identigen import cli, masks
from identigen.evaluation.removal import ring_sharpness
from identigen.landmarks import find_landmarks, head_pose
from identigen.models import package_file
from identigen.photo import metadata_of, open_photo, save_photo
from identigen.recognition import default_recogniser
from identigen.types import Box, Face, Mask, Photo

FIELDS = {"schema", "engine", "seconds", "subjects", "checks", "models", "warnings"}


def run(*arguments: str) -> int:
    """Call the command line in this process and return its exit code."""
    sys.argv = ["identigen", *arguments]
    try:
        cli.run()
    except SystemExit as end:
        return int(end.code or 0)


def examples(folder: Path) -> Iterator[Path]:
    """The example photos that installed packages carry."""
    from skimage import data

    path = folder / "astronaut.png"
    save_photo(np.ascontiguousarray(data.astronaut()), path)
    yield path
    yield package_file("ultralytics", "assets/bus.jpg")
    yield package_file("ultralytics", "assets/zidane.jpg")


def judge(photo: Path, out: Path, report: Path) -> dict[str, object]:
    """Compare the two files; believe the report only where the masks are concerned."""
    before, after = open_photo(photo), open_photo(out)
    data = json.loads(report.read_text())
    changed = masks.union([masks.from_rle(s["changed"]) for s in data["subjects"]], (before.height, before.width))
    differs = (before.pixels != after.pixels).any(axis=2)
    sharpness = ring_sharpness(after.pixels, changed, Mask.empty(after.height, after.width))
    return {
        "sharpness": round(sharpness, 2),  # of all that changed over the ring around it: what a removal is judged by
        "valid": data.keys() == FIELDS and data["checks"]["metadata_removed"] is True,
        "outside": int((differs & ~changed.to_array()).sum()),
        "metadata": metadata_of(out.read_bytes()),
        "people": len(data["subjects"]),
        "applied": count(s["applied"] for s in data["subjects"]),
        "verdicts": count(s["verdict"] for s in data["subjects"]),
        "warnings": data["warnings"],
    }


def count(words: Iterator[str]) -> dict[str, int]:
    """How often each word occurs."""
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def gate(before: Photo, after: Photo, boxes: list[Box], report: dict[str, object]) -> Iterator[dict[str, object]]:
    """One row for each reference face that the bar speaks of."""
    recogniser = default_recogniser()
    for box in boxes:
        reference = Face(box)
        points = find_landmarks(before.pixels, box)
        yaw = abs(head_pose(points).yaw) if points is not None else None
        if reference.size_px < 32 or yaw is None or yaw > 45:
            continue
        subject = owner(box, report)
        row: dict[str, object] = {"box": [round(v) for v in box], "yaw": round(yaw), "applied": "missed"}
        if subject is not None:
            old = recogniser.describe(before.pixels, [reference])[0]
            new = recogniser.describe(after.pixels, [reference])[0]
            row |= {
                "applied": subject["applied"],
                "reason": subject["reason"],
                "distance": round(float(np.linalg.norm(old - new)), 3),
                "reported": subject["distance"].get("dlib"),
                "inside": inside_grown(subject, box),
            }
        yield row


def owner(box: Box, report: dict[str, object]) -> dict | None:
    """The subject whose changed region lies over the reference face, else the one whose box holds it."""
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    for subject in report["subjects"]:
        if masks.from_rle(subject["changed"]).contains(centre):
            return subject
    return None


def inside_grown(subject: dict, box: Box) -> bool:
    """Whether the change stays inside the reference box, or the larger mesh's own, grown by a quarter."""
    changed = masks.from_rle(subject["changed"])
    dx, dy = 0.25 * (box[2] - box[0]), 0.25 * (box[3] - box[1])
    w = changed.window
    return bool(
        w.left >= box[0] - dx - 1
        and w.top >= box[1] - dy - 1
        and w.right <= box[2] + dx + 1
        and w.bottom <= box[3] + dy + 1
    )


def main() -> None:
    """Run everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--operations", default="face,layered,remove")
    parser.add_argument("--faces", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    photos = [*examples(options.out), *(p for f in options.folders for p in sorted(f.glob("*.jpg")))]
    references = {name: boxes for path in options.faces for name, boxes in json.loads(path.read_text()).items()}
    bad, rows = 0, []
    for operation in options.operations.split(","):
        for photo in photos:
            out = options.out / f"{photo.stem}-{operation}.png"
            report = out.with_suffix(".json")
            start = time.perf_counter()
            code = run("anonymize", str(photo), "-o", str(out), "--operation", operation, "--report", str(report))
            seconds = time.perf_counter() - start
            facts = judge(photo, out, report) if out.exists() else {"valid": False, "outside": -1, "metadata": ()}
            good = code in (0, 3) and facts["valid"] and facts["outside"] == 0 and not facts["metadata"]
            bad += not good
            print("TABLE", "ok " if good else "BAD", operation, photo.name, code, f"{seconds:.1f}s", facts, flush=True)
            if operation == "face" and photo.name in references:
                data = json.loads(report.read_text())
                boxes = [tuple(box) for box in references[photo.name]]
                rows += [{"photo": photo.name, **row} for row in gate(open_photo(photo), open_photo(out), boxes, data)]
    for row in rows:
        if row["applied"] != "face" or row["distance"] < 0.6 or not row["inside"]:
            print("GATE", row)
    if rows:
        faces = [row for row in rows if row["applied"] == "face"]
        safe = sum(row["distance"] >= 0.6 for row in faces)
        inside = sum(row["inside"] for row in faces)
        print(
            f"GATE {len(faces)} of {len(rows)} reference faces got a new face ({len(faces) / len(rows):.1%}); "
            f"{safe} at 0.60 or more by dlib's own alignment; {inside} inside the grown box; "
            f"mean distance {np.mean([row['distance'] for row in faces]):.3f}"
        )
    print(f"TABLE {bad} bad runs")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
