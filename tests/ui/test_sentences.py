"""Every sentence that another room can put on the page has its German."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from identigen.models import REGISTRY
from identigen.obfuscation import WARNINGS
from identigen.ui.sentences import translate
from identigen.ui.text import say

PACKAGE = Path(__file__).resolve().parents[2] / "identigen"
# What a visitor meets: how people came out, files that cannot be opened, masks that do not fit.
ROOMS = (
    "pipeline",
    "detection/gate.py",
    "detection/refining.py",
    "synthesis/embedded.py",
    "ui/session.py",
    "ui/visitors.py",
)
THE_SAME = {"Person 7: 7"}


def sentences(path: Path) -> Iterator[str]:
    """Every sentence in a module, with a sample in place of what is filled in; docstrings are none."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside | docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.replace("{}", "7")
        else:
            continue
        text = text.strip().removeprefix("7 ")  # another sentence stands before this one
        if " " in text and text.endswith((".", ": 7")) and (text[0].isupper() or text[0] == "7"):
            yield text


@pytest.mark.parametrize("room", ROOMS)
def test_what_other_rooms_say_is_known_in_german(room):
    files = sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / room]
    unknown = {text for file in files for text in sentences(file) if translate("de", text) == text}
    assert unknown - THE_SAME == set(), "add the German to identigen/ui/sentences.py"


def test_jobs_and_licences_of_models_are_known_in_german():
    texts = {text for record in REGISTRY.values() for text in (record.job, record.consequence)}
    assert {text for text in texts if translate("de", text) == text} == set()


def test_warnings_before_a_choice_are_known_in_german():
    assert all(translate("de", warning) != warning for warning in WARNINGS.values())


def test_what_is_missing_here_is_told_in_german(pipeline):
    reasons = [available.reason for available in pipeline.operations().values() if available.reason]
    assert reasons
    for text in (*reasons, *pipeline.prepare()):
        assert not {"the", "is", "needs"} & set(translate("de", text).split()), translate("de", text)


def test_what_is_filled_in_comes_through():
    english = "The face is only 12 pixels wide, too small for a new one, so it is covered."
    assert "nur 12 Pixel" in translate("de", english)
    assert translate("en", english) == english


def test_several_sentences_and_sentences_within_sentences():
    both = "Person 3: No face is visible, so the head is covered. Still recognisable under blur; covered more strongly."
    assert translate("de", both).startswith("Person 3: Kein Gesicht")
    assert translate("de", both).endswith("stärker verdeckt.")


def test_the_pages_own_errors_are_translated_when_they_are_shown():
    assert translate("de", say("en", "error.too-large", limit="60")) == say("de", "error.too-large", limit="60")
    assert translate("de", say("en", "stopped")) == say("de", "stopped")


def test_what_nobody_knows_stays_as_it_is():
    assert translate("de", "A brand new sentence. And one more.") == "A brand new sentence. And one more."
