import csv
import io
import re

import numpy as np
import pytest

from identigen.pipeline import Availability
from identigen.types import Mask, Operation, Outcome, Photo
from identigen.ui import compare
from identigen.ui.compare import Comparison, Method, Trial
from identigen.ui.exports import lines_of, summary_of, to_csv, to_html

EVIL = '<script>alert("1")</script>'


def outcome(number: int, distance: float, **values) -> Outcome:
    defaults = {
        "asked": Operation.FACE, "applied": Operation.FACE, "reason": "", "seed": 1, "engine": "embedded",
        "box": (0, 0, 1, 1), "region": "segment", "changed": Mask.empty(4, 4), "patch": np.zeros((0, 0, 3), np.uint8),
        "distances": {"dlib": distance}, "thresholds": {"dlib": 0.6}, "verdict": "pass", "seconds": 1.5,
        "kept": {"apparent_age": {"before": 30.0, "after": 30.0 + 4 * number}},
    }  # fmt: skip
    return Outcome(subject_id=number, **(defaults | values))


FACE, LAYERED = Method(Operation.FACE), Method(Operation.LAYERED)


def photo() -> Photo:
    return Photo(np.zeros((4, 4, 3), np.uint8), "Jane Doe.jpg")


def comparison(photos: int = 1) -> Comparison:
    state = Comparison()
    for number in range(photos):
        opened = photo()
        state = compare.with_photo(state, opened, b"original")
        for method in (LAYERED, FACE):
            figures = compare.measure([outcome(1, 0.7 + 0.01 * number), outcome(2, 0.8)])
            state = compare.with_trial(state, opened, Trial(method, method.key.encode(), figures, (EVIL,)))
    return state


def test_figures_are_those_of_everybody_who_was_changed():
    figures = compare.measure([
        outcome(1, 0.71),
        outcome(2, 0.64, applied=Operation.LAYERED, engine="classical"),
        outcome(3, float("inf"), verdict="fail", kept={}),
        outcome(4, 0.1, asked=Operation.KEEP, applied=Operation.KEEP),
        outcome(5, float("inf"), verdict="not-applicable", kept={}),
    ])  # fmt: skip
    assert (figures.people, figures.passed, figures.failed, figures.gone, figures.instead) == (4, 2, 1, 1, 1)
    assert (figures.nearest, figures.threshold, figures.seconds) == (0.64, 0.6, 6.0)
    assert figures.changes == {"apparent_age": 6.0}
    assert figures.engines == ("classical", "embedded")


def test_nothing_changed_has_no_figures():
    figures = compare.measure([])
    assert figures.nearest is None
    assert figures.changes == {}


def test_trials_stand_in_one_order_and_keep_their_notes():
    state = compare.rate(comparison(), 0, FACE, 4)
    state = compare.annotate(state, 0, FACE, "good")
    state = compare.with_trial(state, state.photos[0].photo, Trial(FACE, b"again", compare.measure([])))
    assert [trial.method for trial in state.photos[0].trials] == [FACE, LAYERED]
    face = state.photos[0].trial(FACE)
    assert (face.preview, face.rating, face.note) == (b"again", 4, "good")
    assert compare.rate(state, 0, FACE, 4).photos[0].trial(FACE).rating == 0


def test_what_was_not_tried_cannot_be_rated():
    for place, method in ((0, Method(Operation.BLUR)), (1, FACE), (-1, FACE)):
        with pytest.raises(ValueError, match="not tried"):
            compare.rate(comparison(), place, method, 3)
    with pytest.raises(ValueError, match="between"):
        compare.rate(comparison(), 0, FACE, 6)


def test_every_engine_that_can_do_it_is_a_method():
    here = {
        Operation.FACE: Availability("diffusion", others=("embedded",)),
        Operation.BODY: Availability(None, "no"),
        Operation.BLUR: Availability("classical"),
    }
    keys = [method.key for method in compare.possible(here)]
    assert keys == ["face", "face@embedded", "blur"]
    assert [compare.method_of(key).key for key in keys] == keys


def test_ratings_are_summed_up_over_photos():
    state = comparison(photos=3)
    state = compare.rate(compare.rate(state, 0, FACE, 5), 2, FACE, 2)
    head, rows = summary_of(state, "en")
    face = dict(zip(head, rows[0], strict=True))
    assert face[""] == "New face"
    assert (face["People"], face["Verified"], face["Smallest distance"]) == ("6", "6", "0.70 (> 0.60)")
    assert face["Rating"] == "3.5"
    assert rows[1][-1] == "-"


def test_the_table_opens_in_a_spreadsheet_and_runs_nothing_there():
    state = compare.annotate(comparison(photos=2), 0, FACE, '=HYPERLINK(1)\nand more, "quoted"')
    state = compare.rate(state, 1, FACE, 4)
    rows = list(csv.DictReader(io.StringIO(to_csv(state))))
    assert [(row["photo"], row["method"]) for row in rows] == [
        ("1", "face"), ("1", "layered"), ("2", "face"), ("2", "layered"),
    ]  # fmt: skip
    assert rows[0]["smallest distance"] == "0.700"
    assert rows[0]["mean change of apparent_age"] == "6.000"
    assert rows[0]["note"] == '\'=HYPERLINK(1) and more, "quoted"'
    assert [row["rating"] for row in rows] == ["", "", "4", ""]
    assert "Jane" not in to_csv(state)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_for_the_meeting_holds_everything_itself(language):
    state = compare.annotate(compare.rate(comparison(photos=2), 0, FACE, 3), 0, FACE, EVIL)
    page = to_html(state, language)
    assert EVIL not in page
    assert page.count("data:image/jpeg;base64,") == 6
    assert all(address.startswith("data:") for address in re.findall(r"(?:src|href|url)[=(][\"']?([^\"' >]+)", page))
    assert "★★★☆☆" in page
    assert "<td>3.0</td>" in page
    assert "Jane" not in page


def test_the_smallest_distance_stands_beside_what_was_asked_of_that_person():
    """Whom the recogniser hardly tells from others has a limit of their own."""
    child, adult = outcome(1, 0.53, thresholds={"dlib": 0.5}), outcome(2, 0.71)
    together = compare.measure([child, adult])
    apart = compare.total([compare.measure([adult]), compare.measure([child])])
    assert (together.nearest, together.threshold) == (apart.nearest, apart.threshold) == (0.53, 0.5)
    assert dict(lines_of(together, "en"))["Smallest distance"] == "0.53 (> 0.50)"


def test_figures_are_written_once_and_in_words():
    lines = dict(lines_of(comparison().photos[0].trials[0].figures, "en"))
    assert lines["Smallest distance"] == "0.70 (> 0.60)"
    assert lines["Verified"] == "2 / 2"
    assert "No face left" not in lines
    covered = dict(lines_of(compare.measure([outcome(1, float("inf"), verdict="not-applicable")]), "en"))
    assert covered["No face left"] == "1 / 1"
    assert "Verified" not in covered
