"""Which pixels may be redrawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen import masks
from identigen.errors import EngineError
from identigen.landmarks import OVAL
from identigen.synthesis import regions
from identigen.types import Edit, Face, Fill, Mask, Operation, Subject, Window

SIZE = (400, 300)
FACE = Face((120.0, 60.0, 180.0, 140.0))


@pytest.fixture
def subject() -> Subject:
    """A head (hair around the face) on a body."""
    head = masks.ellipse((105, 30, 195, 150), SIZE)
    torso = masks.rectangle((80, 145, 220, 390), SIZE)
    mask = masks.union([head, torso], SIZE)
    return Subject(1, mask.window.box, mask, FACE)


def region(subject: Subject, operation: Operation, **options: object) -> Mask:
    return regions.region_of(subject, Edit(1, operation, **options), SIZE)  # type: ignore[arg-type]


def test_a_face_is_covered_to_its_rim_and_little_more(subject: Subject) -> None:
    oval = region(subject, Operation.FACE)
    assert masks.subtract(masks.ellipse(FACE.box, SIZE), oval).area == 0
    assert oval.area < 1.6 * masks.rectangle(FACE.box, SIZE).area
    assert not oval.contains((150, 200))


def test_the_oval_follows_the_landmarks(subject: Subject) -> None:
    points = np.zeros((478, 3), np.float32)
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    points[:, :2] = (160, 100)
    points[OVAL, 0] = 160 + 25 * np.cos(angle)
    points[OVAL, 1] = 100 + 40 * np.sin(angle)
    oval = regions.face_oval(replace(FACE, landmarks=points), SIZE)
    x1, y1, x2, y2 = oval.window.box
    assert 125 <= x1 <= 135
    assert 185 <= x2 <= 195
    assert y1 < 60
    assert y2 > 140


def test_in_profile_the_nose_belongs_to_the_face() -> None:
    points = np.full((478, 3), 150, np.float32)
    points[:468, 0] += np.linspace(-30, 10, 468)
    points[:468, 1] += 40 * np.sin(np.arange(468))
    points[1, :2] = (185, 150)  # far outside of the jaw's line
    assert regions.face_oval(replace(FACE, landmarks=points), SIZE).contains((183, 150))


def test_hair_is_the_person_around_the_face_down_to_the_chin(subject: Subject) -> None:
    hair = regions.hair_above(subject, SIZE)
    assert hair.contains((150, 38))
    assert not hair.contains((150, 100))
    assert not hair.contains((150, 160))
    assert masks.subtract(hair, subject.mask).area == 0


def test_face_and_hair_take_both_and_leave_the_body(subject: Subject) -> None:
    both = region(subject, Operation.FACE_HAIR)
    assert both.contains((150, 100))
    assert both.contains((150, 38))
    assert not both.contains((150, 300))


def test_an_outline_of_the_hair_is_better_than_a_guess(subject: Subject) -> None:
    drawn = masks.rectangle((60, 20, 240, 60), SIZE)
    wide = regions.region_of(subject, Edit(1, Operation.FACE_HAIR), SIZE, drawn)
    assert wide.contains((65, 40))
    assert not region(subject, Operation.FACE_HAIR).contains((65, 40))


def test_a_body_holds_the_whole_person_even_a_head_that_the_mask_missed(subject: Subject) -> None:
    headless = replace(subject, mask=masks.rectangle((80, 145, 220, 390), SIZE))
    for one in (subject, headless):
        whole = region(one, Operation.BODY)
        assert masks.subtract(masks.union([one.mask, masks.ellipse(FACE.box, SIZE)], SIZE), whole).area == 0
    from_behind = replace(headless, face=None, head_box=(110.0, 40.0, 190.0, 150.0))
    assert region(from_behind, Operation.BODY).contains((150, 60))


@pytest.mark.parametrize("operation", [Operation.FACE, Operation.FACE_HAIR, Operation.BODY])
def test_the_users_mask_always_wins(subject: Subject, operation: Operation) -> None:
    drawn = masks.rectangle((10, 10, 50, 50), SIZE)
    assert np.array_equal(region(subject, operation, mask=drawn).to_array(), drawn.to_array())


def test_nothing_to_go_by_is_an_error(subject: Subject) -> None:
    with pytest.raises(EngineError, match="draw a mask"):
        region(replace(subject, face=None), Operation.FACE)
    with pytest.raises(EngineError, match="empty"):
        region(subject, Operation.FACE, mask=Mask.empty(*SIZE))


def test_the_click_for_hair_is_above_the_forehead(subject: Subject) -> None:
    on, off = regions.hair_click(FACE)
    assert FACE.box[0] < on[0] < FACE.box[2]
    assert on[1] < FACE.box[1]
    assert all(FACE.box[1] < y <= FACE.box[3] for _, y in off)


def test_background_shows_where_the_new_person_is_smaller() -> None:
    old = masks.rectangle((20, 20, 80, 80), (100, 100))
    new = masks.rectangle((30, 30, 80, 80), (100, 100))
    window = Window(10, 10, 90, 90)
    painted = np.full((80, 80, 3), 50, np.float32)
    rim = regions.uncovered_rim(new, old)
    fill = np.full((rim.window.height, rim.window.width, 3), 200, np.uint8)
    out = regions.lay_on_background(painted, new, old, window, Fill(rim.window, fill))
    assert np.allclose(out[50, 50], 50)
    assert np.allclose(out[14, 50], 200)
    assert np.allclose(out[2, 2], 50)
    assert (painted == 50).all()
    nothing = Fill(Window(0, 0, 0, 0), np.zeros((0, 0, 3), np.uint8))
    whole = regions.lay_on_background(painted, old, old, window, nothing)
    assert np.array_equal(whole, painted)
