"""Words for the model: what should stay, what was asked for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from identigen.errors import PlanError
from identigen.recognition.attributes import Attributes
from identigen.synthesis.prompt import WORDS, describe, view_of, words_for
from identigen.types import Operation, Pose

SEEN = Attributes(Pose(3.0, 0.0, 0.0), (0.0, 0.0), 0.02, 0.1, 45.0, 45.0, 0.8, 0.0)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (SEEN, "a middle-aged woman with fair skin"),
        (replace(SEEN, age=72.0, femininity=-1.0), "an elderly man with fair skin"),
        (replace(SEEN, age=8.0), "a girl with fair skin"),
        (replace(SEEN, age=8.0, femininity=0.0), "a child with fair skin"),
        (replace(SEEN, age=16.0, femininity=-1.0), "a teenage boy with fair skin"),
        (replace(SEEN, age=30.0, tone=-50.0), "a young adult woman with dark brown skin"),
        (replace(SEEN, femininity=-1.0, beard=1.6), "full beard"),
        (replace(SEEN, femininity=-1.0, beard=0.8), "stubble"),
        (replace(SEEN, mouth=0.3), "laughing expression"),
    ],
)
def test_what_was_read_off_the_face_is_said(seen: Attributes, text: str) -> None:
    assert text in describe(Operation.FACE, words_for(seen, {}))


def test_a_woman_gets_no_beard() -> None:
    assert "stubble" not in describe(Operation.FACE, words_for(replace(SEEN, beard=0.9), {}))


def test_what_was_asked_for_overrules_what_was_seen() -> None:
    text = describe(Operation.FACE_HAIR, words_for(SEEN, {"age": "old", "gender": "masculine", "hair": "grey"}))
    assert text.startswith("portrait photo of an elderly man")
    assert "grey hair" in text


def test_free_text_never_reaches_the_model() -> None:
    with pytest.raises(PlanError, match="age must be one of child, young, middle, old"):
        words_for(SEEN, {"age": "looking exactly like somebody famous"})
    assert describe(Operation.FACE, words_for(SEEN, {"shadow": "keep"})) == describe(
        Operation.FACE, words_for(SEEN, {})
    )


def test_every_listed_word_changes_the_prompt() -> None:
    for key, wishes in WORDS.items():
        texts = {describe(Operation.BODY, words_for(None, {key: wish})) for wish in wishes}
        assert len(texts) == len(wishes)


def test_operations_differ_in_frame_and_only_a_body_is_dressed() -> None:
    texts = [describe(operation, {}) for operation in (Operation.FACE, Operation.FACE_HAIR, Operation.BODY)]
    assert len(set(texts)) == 3
    assert ["clothes" in text for text in texts] == [False, False, True]


@pytest.mark.parametrize(
    ("yaw", "text"),
    [(5.0, "facing the camera"), (30.0, "turned to the right"), (-30.0, "turned to the left"), (70.0, "profile")],
)
def test_the_head_keeps_its_direction(yaw: float, text: str) -> None:
    assert text in view_of(replace(SEEN, pose=Pose(yaw, 0.0, 0.0)))
    assert view_of(None) == ""


def test_skin_is_asked_for_a_shade_away_from_what_was_read() -> None:
    assert words_for(None, {"skin": "lighter"})["skin"] == "fair"
    assert words_for(None, {"skin": "darker"})["skin"] == "tanned"
