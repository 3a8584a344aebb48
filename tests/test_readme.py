"""What the README tells a newcomer is what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    return [line for line in README.splitlines() if line.startswith("$(command -v sudo)")]


def test_two_commands_do_all_the_setting_up() -> None:
    start, check = commands()
    assert start.endswith("identigen serve")
    assert check.endswith("pytest")
    assert all("packages.txt" in command and "venv" in command for command in (start, check))


def test_the_test_run_of_the_project_is_the_one_of_the_readme() -> None:
    assert commands()[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_pictures_and_files_that_the_readme_shows_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", README) + re.findall(r'src="(?!https?:)([^"]+)"', README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zidane_file: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    (tmp_path / "party.jpg").write_bytes(zidane_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code.group(1), "README.md", "exec"), {})
    assert (tmp_path / "party-anonymous.png").exists()


def test_front_matter_for_spaces() -> None:
    front = README.split("---")[1]
    assert all(f"{key}:" in front for key in ("title", "emoji", "sdk", "sdk_version", "app_file", "license"))
