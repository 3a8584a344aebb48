from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from identigen import masks
from identigen.detection.pairing import (
    Body,
    Person,
    Sighting,
    box_iou,
    distinct_bodies,
    group_sightings,
    head_of,
    left_to_right,
    pair,
    separate,
    without_doubles,
)
from identigen.types import Box, Face, Floats, Mask, Window

SIZE = (100, 160)


def region(box: Box) -> Mask:
    return masks.rectangle(box, SIZE)


def body(box: Box, score: float = 0.9, head: Box | None = None) -> Body:
    return Body(region(box), score, "test", head)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
        ((9, 9, 3, 3), (0, 0, 10, 10), 0.0),
    ],
)
def test_box_iou(a: Box, b: Box, expected: float) -> None:
    assert box_iou(a, b) == pytest.approx(expected)
    assert box_iou(b, a) == pytest.approx(expected)


def test_sightings_of_one_face_become_one_group_led_by_the_surest() -> None:
    far = Sighting((100, 0, 120, 20), 0.5, "a")
    weak, strong = Sighting((1, 1, 21, 21), 0.4, "a"), Sighting((0, 0, 20, 20), 0.9, "b")
    nested = Sighting((5, 5, 15, 15), 0.3, "c")
    assert group_sightings([weak, far, nested, strong]) == [(strong, weak, nested), (far,)]


def test_touching_faces_stay_two() -> None:
    left, right = Sighting((0, 0, 20, 20), 0.9, "a"), Sighting((16, 0, 36, 20), 0.8, "a")
    assert len(group_sightings([left, right])) == 2


def test_a_body_seen_twice_or_in_part_counts_once() -> None:
    whole, again, part, other = (
        body((0, 0, 40, 90), 0.9),
        body((2, 0, 42, 90), 0.8),
        body((5, 5, 30, 40), 0.7),
        body((90, 0, 130, 90), 0.3),
    )
    assert distinct_bodies([part, other, again, whole]) == [whole, other]


def test_an_outline_around_two_known_people_is_dropped() -> None:
    left, right, both = body((0, 0, 30, 90), 0.9), body((40, 0, 70, 90), 0.8), body((0, 0, 70, 90), 0.7)
    assert distinct_bodies([both, left, right]) == [left, right]


def test_the_face_of_a_child_in_front_goes_to_the_child() -> None:
    adult, child = body((0, 0, 60, 100)), body((10, 50, 50, 100))
    adults_face, childs_face = Face((20, 5, 40, 25)), Face((22, 52, 38, 68))
    assert pair([childs_face, adults_face], [adult, child]) == [(childs_face, child), (adults_face, adult)]


def test_who_has_no_partner_stays_alone() -> None:
    face, back = Face((0, 0, 20, 20)), body((100, 0, 140, 100))
    assert pair([face], [back]) == [(face, None), (None, back)]


def test_a_neighbours_silhouette_that_reaches_over_the_face_is_not_its_body() -> None:
    face = Face((10, 10, 30, 30))
    neighbour = body((0, 0, 100, 100), head=(70, 5, 95, 35))
    assert pair([face], [neighbour]) == [(face, None), (None, neighbour)]


def test_a_second_outline_of_somebody_with_a_face_is_dropped() -> None:
    whole = Person(region((0, 0, 50, 100)), Face((15, 5, 35, 25)), 0.9)
    legs = Person(region((5, 60, 45, 100)), None, 0.8)
    back = Person(region((60, 0, 100, 100)), None, 0.7)
    assert without_doubles([whole, legs, back]) == [whole, back]


boxes = st.tuples(st.integers(0, 140), st.integers(0, 80), st.integers(4, 60), st.integers(4, 60)).map(
    lambda v: (float(v[0]), float(v[1]), float(min(160, v[0] + v[2])), float(min(100, v[1] + v[3])))
)
people = st.lists(
    st.builds(
        lambda box, has_face: Person(
            region(box), Face((box[0], box[1], box[0] + 0.4 * (box[2] - box[0]), box[1] + 4)) if has_face else None, 0.9
        ),
        boxes,
        st.booleans(),
    ),
    max_size=6,
)


@given(people)
@hypothesis_settings(max_examples=80, deadline=None)
def test_separated_masks_share_no_pixel_and_add_none(crowd: list[Person]) -> None:
    apart = separate(crowd)
    owners = np.zeros(SIZE, int)
    before = np.zeros(SIZE, bool)
    for old, new in zip(crowd, apart, strict=True):
        owners += new.mask.to_array()
        before |= old.mask.to_array()
        if old.face:
            before |= masks.ellipse(old.face.box, SIZE).to_array()
    assert owners.max(initial=0) <= 1
    assert not (owners.astype(bool) & ~before).any()


def test_a_face_stays_with_its_owner_when_a_nearer_body_covers_it() -> None:
    near = Person(region((0, 0, 80, 100)), Face((10, 10, 50, 50)), 0.9)
    far = Person(region((60, 0, 120, 100)), Face((62, 10, 78, 26)), 0.9)
    near_after, far_after = separate([near, far])
    assert far_after.mask.contains((70, 18))
    assert not near_after.mask.contains((70, 18))
    assert near_after.mask.contains((65, 80))


class Flat:
    """A silhouette that is equally sure of every pixel left of a line, and of none to its right."""

    def __init__(self, sure: float, edge: int) -> None:
        self.sure, self.edge = sure, edge

    def over(self, window: Window) -> Floats:
        columns = np.arange(window.left, window.right)
        return np.broadcast_to(np.where(columns < self.edge, self.sure, 0.0), (window.height, window.width)).astype(
            np.float32
        )


def test_common_pixels_go_to_the_surer_silhouette() -> None:
    near = Person(region((0, 0, 100, 100)), Face((10, 10, 40, 40)), 0.9, silhouette=Flat(0.6, 160))
    far = Person(region((40, 0, 140, 100)), Face((110, 10, 130, 30)), 0.9, silhouette=Flat(0.95, 70))
    near_after, far_after = separate([near, far])
    assert far_after.mask.contains((50, 60))
    assert not near_after.mask.contains((50, 60))
    assert near_after.mask.contains((90, 60))
    assert masks.intersect(near_after.mask, far_after.mask).area == 0
    assert masks.union([near_after.mask, far_after.mask], SIZE).area == 140 * 100


def test_the_surest_silhouette_takes_nobodys_face() -> None:
    near = Person(region((0, 0, 100, 100)), Face((40, 10, 90, 60)), 0.9, silhouette=Flat(0.4, 160))
    far = Person(region((30, 0, 140, 100)), Face((110, 10, 130, 30)), 0.9, silhouette=Flat(1.0, 160))
    near_after, far_after = separate([near, far])
    assert near_after.mask.contains((65, 35))
    assert far_after.mask.contains((50, 90))


def test_reading_order_follows_faces_not_elbows() -> None:
    first = Person(region((20, 0, 100, 100)), Face((22, 5, 38, 25)), 0.9)
    second = Person(region((0, 30, 60, 100)), Face((45, 35, 58, 50)), 0.9)
    assert left_to_right([second, first]) == [first, second]


def test_the_head_of_a_standing_back_is_at_the_top_and_not_the_whole_back() -> None:
    standing = masks.union([region((40, 10, 52, 24)), region((30, 24, 62, 100))], SIZE)
    x1, y1, x2, y2 = head_of(standing)
    assert y1 == 10
    assert x1 <= 40
    assert x2 >= 52
    assert 24 <= y2 <= 10 + 90 * 0.4
