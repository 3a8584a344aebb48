import csv
import io
import re

import numpy as np
import pytest

from identigen.types import Mask, Operation, Outcome, Photo
from identigen.ui import compare
from identigen.ui.compare import Comparison, Trial

EVIL = '<script>alert("1")</script>'


def outcome(number: int, distance: float, **values) -> Outcome:
    defaults = {
        "asked": Operation.FACE, "applied": Operation.FACE, "reason": "", "seed": 1, "engine": "embedded",
        "box": (0, 0, 1, 1), "region": "segment", "changed": Mask.empty(4, 4), "patch": np.zeros((0, 0, 3), np.uint8),
        "distances": {"dlib": distance}, "thresholds": {"dlib": 0.6}, "verdict": "pass", "seconds": 1.5,
        "kept": {"apparent_age": {"before": 30.0, "after": 30.0 + 4 * number}},
    }  # fmt: skip
    return Outcome(subject_id=number, **(defaults | values))


def comparison() -> Comparison:
    start = Comparison(Photo(np.zeros((4, 4, 3), np.uint8), "Jane Doe.jpg"), b"original")
    for operation in (Operation.LAYERED, Operation.FACE):
        figures = compare.measure([outcome(1, 0.7), outcome(2, 0.8)])
        start = compare.with_trial(start, Trial(operation, operation.value.encode(), figures, (EVIL,)))
    return start


def test_figures_are_those_of_everybody_who_was_changed():
    figures = compare.measure([
        outcome(1, 0.71),
        outcome(2, 0.64, applied=Operation.LAYERED),
        outcome(3, float("inf"), verdict="fail", kept={}),
        outcome(4, 0.1, asked=Operation.KEEP, applied=Operation.KEEP),
    ])  # fmt: skip
    assert (figures.people, figures.passed, figures.failed, figures.instead) == (3, 2, 1, 1)
    assert (figures.nearest, figures.threshold, figures.seconds) == (0.64, 0.6, 4.5)
    assert figures.changes == {"apparent_age": 6.0}


def test_nothing_changed_has_no_figures():
    figures = compare.measure([])
    assert figures.nearest is None
    assert figures.changes == {}


def test_trials_stand_in_one_order_and_keep_their_notes():
    state = compare.rate(comparison(), Operation.FACE, 4)
    state = compare.annotate(state, Operation.FACE, "good")
    state = compare.with_trial(state, Trial(Operation.FACE, b"again", compare.measure([])))
    assert [trial.operation for trial in state.trials] == [Operation.FACE, Operation.LAYERED]
    face = state.trial(Operation.FACE)
    assert (face.preview, face.rating, face.note) == (b"again", 4, "good")
    assert compare.rate(state, Operation.FACE, 4).trial(Operation.FACE).rating == 0


def test_what_was_not_tried_cannot_be_rated():
    with pytest.raises(ValueError, match="not tried"):
        compare.rate(comparison(), Operation.BLUR, 3)
    with pytest.raises(ValueError, match="between"):
        compare.rate(comparison(), Operation.FACE, 6)


def test_the_table_opens_in_a_spreadsheet_and_runs_nothing_there():
    state = compare.annotate(comparison(), Operation.FACE, '=HYPERLINK(1)\nand more, "quoted"')
    rows = list(csv.DictReader(io.StringIO(compare.to_csv(state))))
    assert [row["method"] for row in rows] == ["face", "layered"]
    assert rows[0]["smallest distance"] == "0.700"
    assert rows[0]["mean change of apparent_age"] == "6.000"
    assert rows[0]["note"] == '\'=HYPERLINK(1) and more, "quoted"'
    assert "Jane" not in compare.to_csv(state)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_for_the_meeting_holds_everything_itself(language):
    state = compare.annotate(compare.rate(comparison(), Operation.FACE, 3), Operation.FACE, EVIL)
    page = compare.to_html(state, language)
    assert EVIL not in page
    assert page.count("data:image/jpeg;base64,") == 3
    assert all(address.startswith("data:") for address in re.findall(r"(?:src|href|url)[=(][\"']?([^\"' >]+)", page))
    assert "★★★☆☆" in page
    assert "Jane" not in page


def test_figures_are_written_once_and_in_words():
    lines = dict(compare.lines_of(comparison().trials[0], "en"))
    assert lines["Smallest distance"] == "0.70 (> 0.60)"
    assert lines["Verified"] == "2 / 2"
    assert dict(compare.lines_of(Trial(Operation.BLUR, b"", compare.measure([])), "en"))["Smallest distance"] == "-"
