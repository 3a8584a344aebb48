import numpy as np
import pytest

from identigen.types import Photo
from identigen.ui import session
from identigen.ui.visitors import Forgotten, Visitors


def some_session():
    return session.begin(Photo(np.zeros((4, 4, 3), np.uint8)), ())


def test_two_pages_have_two_visitors_and_two_tokens():
    visitors = Visitors(8, 60)
    first, second = visitors.of("a"), visitors.of("b")
    assert first is visitors.of("a")
    assert first is not second
    assert visitors.with_token(first.token) is first
    assert visitors.with_token("guessed") is None


def test_whoever_leaves_is_forgotten():
    visitors = Visitors(8, 60)
    visitor = visitors.of("a")
    visitor.open(some_session())
    visitors.forget("a")
    assert visitor.session is None
    assert visitor.stop.is_set()
    assert visitors.with_token(visitor.token) is None
    with pytest.raises(Forgotten):
        visitor.require()


def test_a_pause_forgets():
    now = [0.0]
    visitors = Visitors(8, 60, clock=lambda: now[0])
    visitor = visitors.of("a")
    visitor.open(some_session())
    now[0] = 59
    assert visitors.of("a") is visitor
    now[0] = 120
    assert visitors.with_token(visitor.token) is None
    assert visitor.session is None


def test_there_is_room_for_so_many_only():
    visitors = Visitors(2, 60)
    first = visitors.of("a")
    visitors.of("b")
    visitors.of("a")
    visitors.of("c")
    assert len(visitors) == 2
    assert visitors.of("a") is first


def test_each_photo_of_an_album_has_a_session_of_its_own():
    visitor, first, second = Visitors(8, 60).of("a"), some_session(), some_session()
    visitor.open(first, second)
    visitor.show(1)
    visitor.update(session.undo)
    assert visitor.session_of(first.photo) is first
    assert visitor.update_of(second.photo, lambda now: session.begin(now.photo, ()))
    assert visitor.session is not second
    visitor.open(first)
    assert visitor.session is first
    assert not visitor.update_of(second.photo, session.undo)
