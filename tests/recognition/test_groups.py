from __future__ import annotations

import pytest

from identigen.recognition.attributes import Attributes
from identigen.recognition.groups import AGES, TONES, group_of, patience_for
from identigen.types import Pose


def somebody(tone: float, age: float) -> Attributes:
    return Attributes(Pose(0.0, 0.0, 0.0), (0.0, 0.0), 0.0, 0.1, tone, age, 0.0, 0.0)


@pytest.mark.parametrize(
    ("tone", "name"), [(60.0, "light"), (28.0, "intermediate"), (-60.0, "dark"), (float("nan"), None)]
)
def test_a_tone_has_a_group(tone: float, name: str | None) -> None:
    assert group_of(tone, TONES) == name


def test_an_age_has_a_group() -> None:
    assert group_of(5.0, AGES) == "child"
    assert group_of(80.0, AGES) == "over 60"


def test_whose_new_faces_pass_less_often_gets_more_of_them() -> None:
    assert patience_for(somebody(60.0, 35.0)) == 1.0
    assert patience_for(somebody(60.0, 6.0)) > 1.0
    assert patience_for(somebody(-50.0, 35.0)) > 1.0
