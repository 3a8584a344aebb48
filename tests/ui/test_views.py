import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from identigen import masks
from identigen.pipeline import Availability
from identigen.report import Report, Result
from identigen.types import Face, Mask, Operation, Outcome, Photo, Subject
from identigen.ui import session, views
from identigen.ui.house import House
from identigen.ui.icons import qr_code
from identigen.ui.text import LANGUAGES
from identigen.ui.views.dock import summary
from identigen.ui.views.markup import Words
from identigen.ui.visitors import Running, Visitor

SIZE = (60, 90)
EVIL = '<img src=x onerror="alert(1)">'


class Parts(HTMLParser):
    """All tags with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag, **wanted):
        return [a for t, a in self.tags if t == tag and all(a.get(k.replace("_", "-")) == v for k, v in wanted.items())]


def house() -> House:
    operations = {operation: Availability("embedded") for operation in Operation}
    operations[Operation.BODY] = Availability(None, f"needs the diffusion engine {EVIL}")
    return House(operations, dict.fromkeys(Operation, 1.0))


def someone(number: int, reason: str = "") -> Subject:
    box = (30.0 * number - 28, 10.0, 30.0 * number - 8, 50.0)
    default = Operation.LAYERED if reason else Operation.FACE
    face = Face((box[0], 10.0, box[2], 30.0))
    return Subject(number, box, masks.rectangle(box, SIZE), face, default_operation=default, reason=reason)


@pytest.fixture
def visitor() -> Visitor:
    photo = Photo(np.zeros((*SIZE, 3), np.uint8), EVIL)
    state = session.begin(photo, (someone(1), someone(2, f"too small {EVIL}"), someone(3)))
    return visitor_of(state)


def with_result(visitor: Visitor, **changes: object) -> Visitor:
    state = visitor.require()
    outcomes = tuple(
        replace(
            Outcome(
                s.id, state.operation(s.id), state.operation(s.id), "", 1, "embedded", s.box, "segment",
                Mask.empty(*SIZE), np.zeros((0, 0, 3), np.uint8), distances={"dlib": 0.784}, thresholds={"dlib": 0.6},
                verdict="pass",
            ),
            **changes,
        )
        for s in state.subjects
    )  # fmt: skip
    report = Report("embedded", 2.0, outcomes, True, (), warnings=(f"careful {EVIL}",))
    result = Result(state.photo, state.subjects, outcomes, report)
    visitor.update(lambda now: session.finish(now, result, session.plan(now).edits))
    return visitor


def visitor_of(*sessions: session.Session) -> Visitor:
    visitor = Visitor()
    visitor.open(*sessions)
    return visitor


def whole_page(visitor: Visitor) -> str:
    visitor.outlines = views.outlines_of(visitor.require(), visitor.outlines) if visitor.session else {}
    where = house()
    return "".join((
        views.header(visitor, where), views.stage(visitor), views.people(visitor, where), views.dock(visitor, where),
        views.footer(visitor),
    ))  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", ["empty", "looking", "choose", "running", "result", "open"])
def test_nothing_foreign_becomes_markup(visitor, language, state):
    visitor.language, visitor.notice = language, f"bad {EVIL}"
    if state == "empty":
        visitor.open()
    if state in ("result", "open"):
        with_result(visitor, reason=EVIL, applied=Operation.SOLID)
        visitor.view, visitor.opened = "result", 2
    if state == "looking":
        visitor.open(session.begin(visitor.require().photo))
    if state == "running":
        visitor.running = Running(3, 1, visitor.require().photo, 2, (2, 3), estimate=2.0)
    page = whole_page(visitor)
    assert EVIL not in page
    assert Parts(page).all("img", src="x") == []


def test_every_button_says_what_it_does(visitor):
    with_result(visitor).opened = 1
    for view in ("choose", "result"):
        visitor.view = view
        parts = Parts(whole_page(visitor))
        for button in parts.all("button"):
            assert {"data-do", "data-local", "data-run", "data-again", "data-offer", "data-take"} & button.keys(), (
                button
            )
        assert all("alt" in image for image in parts.all("img"))


def test_chosen_people_are_told_from_the_others(visitor):
    visitor.update(lambda now: session.toggle(now, 2))
    parts = Parts(whole_page(visitor))
    assert [b["aria-pressed"] for b in parts.all("button", data_do="toggle")] == ["false", "true", "false"]
    assert [p["class"] for p in parts.all("path") if "data-id" in p] == ["kept", "chosen", "kept"]


def test_what_cannot_be_done_is_shown_disabled_with_its_reason(visitor):
    body = Parts(views.people(visitor, house())).all("option", value="body")
    assert body
    assert all("disabled" in option and "diffusion engine" in option["title"] for option in body)
    face = Parts(views.people(visitor, house())).all("option", value="face")
    assert not any("disabled" in option for option in face)


def test_the_button_says_how_many_will_be_changed(visitor):
    assert "Anonymise everybody" in views.dock(visitor, house())
    visitor.update(lambda now: session.choose(now, {1, 2}))
    text = views.dock(visitor, house())
    assert "Anonymise 2 people" in text
    assert "1 × New face, 1 × Layered cover · about 2\u00a0s" in text


def test_a_badge_says_how_it_came_out(visitor):
    assert "Verified · 0.78 &gt; 0.60" in views.people(with_result(visitor), house())
    assert "Solid instead" in views.people(with_result(visitor, applied=Operation.SOLID, reason="small"), house())
    assert "Still recognisable" in views.people(with_result(visitor, verdict="fail"), house())
    unseen = with_result(visitor, distances={"dlib": float("inf")}, verdict="not-applicable")
    assert "No face left" in views.people(unseen, house())


def test_downloads_come_with_the_result_and_go_when_it_is_stale(visitor):
    with_result(visitor)
    links = Parts(views.dock(visitor, house())).all("a")
    assert [link["download"].split(".")[1] for link in links] == ["png", "jpg", "webp", "json", "zip"]
    assert all(visitor.token in link["href"] for link in links)
    visitor.update(lambda now: session.set_seed(now, 1, 7))
    assert "Apply the changes" in views.dock(visitor, house())


def test_200_percent_looks_at_somebody_new_rather_than_at_a_cover(visitor):
    visitor.view = "result"
    visitor.update(lambda now: session.choose(now, {1, 3}))
    for new, place in ((1, 12), (3, 72)):
        with_result(visitor)
        state = visitor.require()
        outcomes = [
            replace(o, applied=Operation.FACE if o.subject_id == new else Operation.SOLID)
            for o in state.result.outcomes
        ]
        result = replace(state.result, outcomes=tuple(outcomes))
        visitor.update(lambda now, result=result: session.finish(now, result, session.plan(now).edits))
        focus = Parts(views.stage(visitor)).all("before-after")[0]["focus"]
        assert float(focus.split()[0]) == pytest.approx(place / SIZE[1], abs=0.01)


def test_progress_counts_and_estimates(visitor):
    visitor.running = Running(3, 1, visitor.require().photo, 2, (2, 3), estimate=2.0)
    assert "1 of 3 done · about 2\u00a0s left" in views.dock(visitor, house())
    cards = views.people(visitor, house())
    assert cards.count("being drawn") == 1
    assert cards.count("waits") == 1


def test_outlines_are_traced_only_where_something_changed(visitor):
    first = views.outlines_of(visitor.require(), {})
    visitor.update(lambda now: session.grow_mask(now, 1, 2))
    second = views.outlines_of(visitor.require(), first)
    assert second[2] is first[2]
    assert second[1] is not first[1]


def test_why_something_cannot_be_done_is_seen_without_a_mouse(visitor):
    page = views.people(visitor, house())
    told = page[page.index("notes missing") :]
    assert "New body" in told
    assert "needs the diffusion engine" in told


def test_an_album_is_done_at_once_or_photo_by_photo(visitor):
    first = visitor.require()
    second = session.begin(Photo(np.ones((*SIZE, 3), np.uint8)), (someone(1),))
    visitor.open(first, second)
    dock = Parts(views.dock(visitor, house()))
    assert [button["data-run"] for button in dock.all("button", type="button")] == ["all", None]
    assert "Anonymise all 2 photos" in dock.words
    assert "3 × New face, 1 × Layered cover" in dock.words
    places = Parts(whole_page(visitor)).all("button", data_do="show")
    assert [button["aria-current"] for button in places] == ["true", "false"]
    with_result(visitor)
    dock = Parts(views.dock(visitor, house()))
    assert "Do the other photo too" in dock.words
    assert "done" in Parts(whole_page(visitor)).all("button", data_do="show")[0]["aria-label"]
    visitor.show(1)
    with_result(visitor)
    assert Parts(views.dock(visitor, house())).all("a", download="identigen-photos.zip")


def test_sentences_of_other_rooms_speak_the_visitors_language(visitor):
    visitor.language = "de"
    reason = "No face is visible, so the head is covered."
    small = replace(someone(1), default_operation=Operation.LAYERED, reason=reason)
    visitor.open(session.begin(visitor.require().photo, (small,)))
    assert "Kein Gesicht ist zu sehen" in views.people(visitor, house())


def test_the_summary_leaves_out_who_is_finished(visitor):
    again = session.set_seed(with_result(visitor).require(), 3, 9)
    text = summary([again], house(), Words("en"))
    assert text == "1 × New face · about 1\u00a0s"


def test_a_kiosk_shows_the_way_for_phones(visitor):
    assert "data-kiosk" not in views.header(visitor, house())
    visitor.kiosk = True
    page = views.header(visitor, replace(house(), phone_address="http://192.168.7.5:7860/"))
    assert "data-kiosk" in page
    assert "http://192.168.7.5:7860/" in page


def test_the_qr_code_says_the_address():
    path = re.findall(r"M(\d+) (\d+)h1", qr_code("http://192.168.7.5:7860/"))
    points = np.array(path, int)
    picture = np.full((points.max() + 9, points.max() + 9), 255, np.uint8)
    picture[points[:, 1] + 4, points[:, 0] + 4] = 0
    large = cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    assert cv2.QRCodeDetector().detectAndDecode(large)[0] == "http://192.168.7.5:7860/"


@pytest.mark.parametrize(("open_now", "first"), [("astronaut", "bus"), ("my own", "astronaut")])
def test_examples_that_are_not_open_come_first(open_now, first):
    visitor = Visitor()
    visitor.open(session.begin(Photo(np.zeros((*SIZE, 3), np.uint8), open_now), ()))
    examples = Parts(views.stage(visitor)).all("button", data_do="example")
    assert examples[0]["data-value"] == first
    assert len(examples) == 3
