"""The command line as scripts see it: exit codes, one sentence on stderr, files that appear or do not."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from identigen import cli
from identigen.photo import open_photo
from identigen.types import Photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, so that models are loaded once for all tests."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["identigen", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.run()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def astronaut_file(astronaut: Photo, tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut.pixels).save(path)
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises `width x height` pixels and holds next to none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_anonymize_writes_the_picture_and_the_report(run: Run, astronaut_file: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "new" / "out.png", tmp_path / "report.json"
    code, printed, _ = run("anonymize", astronaut_file, "-o", out, "--operation", "face", "--report", report)
    assert code == 0
    assert printed.startswith("1  face  pass")
    data = json.loads(report.read_text())
    assert data["checks"] == {"outside_mask_identical": True, "metadata_removed": True}
    assert data["subjects"][0]["distance"]["dlib"] >= 0.6
    before, after = open_photo(astronaut_file).pixels, open_photo(out).pixels
    assert before.shape == after.shape
    assert (before != after).any()


def test_a_wish_changes_who_appears(run: Run, astronaut_file: Path, tmp_path: Path) -> None:
    ages = []
    for wish in ("age=child", "age=old"):
        report = tmp_path / f"{wish}.json"
        arguments = ("--operation", "face", "--report", report, "--wish", wish)
        assert run("anonymize", astronaut_file, "-o", tmp_path / f"{wish}.png", *arguments)[0] == 0
        ages.append(json.loads(report.read_text())["subjects"][0]["kept"]["apparent_age"]["after"])
    assert ages[0] + 10 < ages[1]


def test_detect_lists_people(run: Run, astronaut_file: Path, tmp_path: Path) -> None:
    code, printed, _ = run("detect", astronaut_file, "--json", tmp_path / "people.json")
    assert code == 0
    assert printed.startswith("1  ")
    assert len(json.loads((tmp_path / "people.json").read_text())["subjects"]) == 1


def test_own_boxes_replace_detection(run: Run, astronaut_file: Path, tmp_path: Path) -> None:
    boxes, out, report = tmp_path / "boxes.json", tmp_path / "out.png", tmp_path / "report.json"
    boxes.write_text("[[400, 20, 500, 120]]")
    code, _, _ = run(
        "anonymize", astronaut_file, "-o", out, "--operation", "solid", "--extent", "person", "--region", "box",
        "--boxes", boxes, "--report", report,
    )  # fmt: skip
    assert code == 0
    differs = (open_photo(astronaut_file).pixels != open_photo(out).pixels).any(axis=2)
    rows, columns = np.nonzero(differs)
    assert rows.min() >= 19
    assert columns.min() >= 399
    assert len(json.loads(report.read_text())["subjects"]) == 1


BAD = {
    "empty.jpg": b"",
    "text.jpg": b"this is no picture",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    "bomb.png": png_header(20_000, 20_000),
}


@pytest.mark.parametrize("name", [*BAD, "cut.jpg", "folder.jpg", "missing.jpg"])
@pytest.mark.parametrize("command", ["anonymize", "detect"])
def test_bad_input_is_one_sentence_and_no_file(
    run: Run, astronaut: Photo, tmp_path: Path, name: str, command: str
) -> None:
    bad, out = tmp_path / "in" / name, tmp_path / "out.png"
    bad.parent.mkdir()
    if name in BAD:
        bad.write_bytes(BAD[name])
    elif name == "folder.jpg":
        bad.mkdir()
    elif name == "cut.jpg":
        Image.fromarray(astronaut.pixels).save(bad)
        bad.write_bytes(bad.read_bytes()[:9000])
    code, printed, complaint = run(command, bad, *(["-o", out] if command == "anonymize" else []))
    assert code == 2
    assert printed == ""
    assert name in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert "Traceback" not in complaint
    assert not out.exists()


def odd(name: str, astronaut: Photo, path: Path) -> None:
    small = Image.fromarray(astronaut.pixels[::2, ::2])
    if name == "moving.gif":
        small.save(path, save_all=True, append_images=[small.rotate(90), small.rotate(180)])
    elif name == "one.png":
        Image.new("RGB", (1, 1)).save(path)
    else:
        Image.new("RGB", (320, 200)).save(path)


@pytest.mark.parametrize("name", ["moving.gif", "one.png", "black.png"])
def test_odd_but_good_input_is_done_with_a_note(run: Run, astronaut: Photo, tmp_path: Path, name: str) -> None:
    photo, out = tmp_path / name, tmp_path / "out" / "out.png"
    odd(name, astronaut, photo)
    code, _, notes = run("anonymize", photo, "-o", out, "--operation", "layered")
    assert code == 0
    assert notes.startswith("Note: ")
    assert open_photo(out).pixels.shape == open_photo(photo).pixels.shape


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-o", "out.xyz"], "xyz"),
        (["-o", "out.png", "--subjects", "9"], "no person 9"),
        (["-o", "out.png", "--subjects", "first"], "--subjects"),
        (["-o", "out.png", "--wish", "old"], "NAME=VALUE"),
        (["-o", "out.png", "--operation", "body"], "diffusion"),
        (["-o", "out.png", "--boxes", "missing.json"], "missing.json"),
        (["-o", "out.png", "--operation", "vanish"], "vanish"),
        (["-o", "out.png", "--strength", "7"], "--strength"),
    ],
)
def test_wrong_options_are_refused(
    run: Run, astronaut_file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(astronaut_file.parent)
    code, _, err = run("anonymize", astronaut_file, *arguments)
    assert code == 2
    assert complaint in err
    assert [path.name for path in astronaut_file.parent.iterdir()] == ["astronaut.png"]


def test_models_are_listed_with_licence_and_consequence(run: Run) -> None:
    code, printed, _ = run("models", "list")
    assert code == 0
    assert "AGPL-3.0" in printed
    assert "commercially" in printed


def test_models_are_checked_and_never_fetched_unasked(run: Run) -> None:
    code, printed, _ = run("models", "check")
    assert code == 0
    states = {line.split()[1]: line.split()[0] for line in printed.splitlines()}
    assert states["centerface"] == "bundled"
    assert states["sdxl-inpainting"] in ("offline", "present")


@pytest.mark.parametrize("name", ["sdxl-inpainting", "nonsense"])
def test_a_model_that_cannot_be_fetched_is_said_in_one_sentence(run: Run, name: str) -> None:
    code, _, complaint = run("models", "pull", name)
    assert code == 2
    assert name in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_an_internal_error_is_one_line(run: Run, astronaut_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identigen.photo.open_photo", lambda *_: 1 / 0)
    code, _, err = run("detect", astronaut_file)
    assert code == 1
    assert "ZeroDivisionError" in err
    assert len(err.strip().splitlines()) == 1


def test_stderr_holds_our_own_sentences_and_no_library_log(astronaut_file: Path) -> None:
    command = [sys.executable, "-m", "identigen", "detect", str(astronaut_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1  ")
    assert done.stderr == ""


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "identigen", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("identigen ")
