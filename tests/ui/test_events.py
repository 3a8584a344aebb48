import base64
from collections.abc import Iterator
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from identigen import masks
from identigen.models import REGISTRY
from identigen.photo import encode
from identigen.pipeline import Availability, complete
from identigen.report import Report, Result, Step
from identigen.settings import Settings
from identigen.types import Face, Mask, Operation, Outcome, Photo, Subject
from identigen.ui import session
from identigen.ui.events import Desk
from identigen.version import VERSION

SIZE = (80, 120)
EVENT = SimpleNamespace(_data={})


def someone(number: int) -> Subject:
    box = (30.0 * number - 25, 10.0, 30.0 * number - 5, 70.0)
    return Subject(
        number, box, masks.rectangle(box, SIZE), Face((box[0], 12.0, box[2], 32.0)), default_operation=Operation.FACE
    )


class SmallPipeline:
    """Finds two people in any photo and paints those of the plan grey, one step each."""

    settings = Settings(offline=True, visitors=4)

    def operations(self) -> dict[Operation, Availability]:
        return {operation: Availability("embedded") for operation in Operation}

    def detect(self, photo: Photo) -> tuple[Subject, ...]:
        return (someone(1), someone(2))

    def subject_at(self, photo, point, subjects) -> Subject | None:
        return someone(3) if point[0] > 60 else None

    def sketch_at(self, photo, point, subjects) -> Mask | None:
        return (
            masks.rectangle((point[0] - 4, point[1] - 4, point[0] + 4, point[1] + 4), SIZE) if point[0] > 60 else None
        )

    def anonymize(self, photo, subjects, plan) -> Result:
        return complete(self.run(photo, subjects, plan))

    def refine(self, photo, subject, points, labels) -> Mask:
        mask = subject.mask.to_array()
        for (x, y), label in zip(points, labels, strict=True):
            mask[int(y) : int(y) + 4, int(x) : int(x) + 4] = label
        return Mask.from_array(mask)

    def subject_in(self, photo, box, subjects) -> Subject:
        return someone(1) if box[2] < 30 else Subject(len(subjects) + 1, box, masks.rectangle(box, SIZE))

    def run(self, photo, subjects, plan, finished=(), stop=None) -> Iterator[Step]:
        pixels, outcomes = photo.pixels.copy(), list(finished)
        everybody = {subject.id: subject for subject in subjects}

        def so_far() -> Result:
            report = Report("embedded", 1.0, tuple(outcomes), True, ())
            return Result(Photo(pixels.copy()), tuple(subjects), tuple(outcomes), report)

        for number, edit in enumerate(plan.edits):
            yield Step(number, len(plan.edits), "drawing", edit.subject_id, so_far if outcomes else None)
            window = everybody[edit.subject_id].mask.window
            pixels[window.slices] = 128
            outcomes.append(Outcome(
                edit.subject_id, edit.operation, edit.operation, "", edit.seed, "embedded", (0, 0, 1, 1), "segment",
                Mask.from_window(np.ones((window.height, window.width), bool), window, SIZE),
                pixels[window.slices].copy(), verdict="pass", seconds=0.5,
            ))  # fmt: skip
        return so_far()


@pytest.fixture
def desk() -> Desk:
    return Desk(SmallPipeline())


@pytest.fixture
def request_() -> SimpleNamespace:
    return SimpleNamespace(session_hash="page", query_params={}, headers={"accept-language": "en"})


@pytest.fixture
def visitor(desk, request_):
    visitor = desk.visitor(request_)
    photo = Photo(np.full((*SIZE, 3), 200, np.uint8))
    visitor.open(session.begin(photo, (someone(1), someone(2))))
    return visitor


def act(desk, request_, **data):
    return desk.act(SimpleNamespace(_data=data), request_)


def picture(array: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", array)[1].tobytes()).decode()


def test_a_click_chooses_and_a_second_one_does_not(desk, request_, visitor):
    act(desk, request_, do="pick", x=10, y=30)
    assert visitor.session.chosen == (1,)
    act(desk, request_, do="pick", x=10, y=30)
    assert visitor.session.chosen == ()


def test_a_click_on_nobody_adds_somebody_or_says_so(desk, request_, visitor):
    first = act(desk, request_, do="pick", x=100, y=5)
    assert 'class="sought" fill-rule="evenodd" d="M' in first[1]
    assert len(visitor.session.subjects) == 2
    page = desk.look(request_)
    assert "sought" not in page[1]
    assert [subject.id for subject in visitor.session.subjects] == [1, 2, 3]
    assert visitor.session.chosen == (3,)
    assert "Nobody could" not in act(desk, request_, do="pick", x=1, y=1)[1]
    assert "Nobody could be recognised" in desk.look(request_)[1]
    assert len(visitor.session.subjects) == 3


def test_what_is_chosen_while_somebody_is_looked_for_stays(desk, request_, visitor, monkeypatch):
    def subject_at(photo, point, subjects):
        act(desk, request_, do="toggle", id=1)
        return someone(3)

    monkeypatch.setattr(desk.pipeline, "subject_at", subject_at, raising=False)
    act(desk, request_, do="pick", x=100, y=5)
    desk.look(request_)
    assert visitor.session.chosen == (1, 3)


def test_a_search_in_a_photo_that_is_gone_is_dropped(desk, request_, visitor):
    act(desk, request_, do="pick", x=100, y=5)
    visitor.open(session.begin(Photo(np.zeros((*SIZE, 3), np.uint8)), ()))
    desk.look(request_)
    assert visitor.session.subjects == ()


def test_two_impatient_clicks_on_one_person_choose_that_person_once(desk, request_, visitor):
    act(desk, request_, do="pick", x=100, y=5)
    act(desk, request_, do="pick", x=101, y=5)
    desk.pipeline.subject_at = lambda photo, point, subjects: subjects[2] if len(subjects) > 2 else someone(3)
    desk.look(request_), desk.look(request_)
    assert visitor.session.chosen == (3,)
    assert len(visitor.session.subjects) == 3


def test_a_box_adds_who_is_in_it(desk, request_, visitor):
    first = act(desk, request_, do="pick", box=[80, 5, 110, 60])
    assert "M80.0 5.0H110.0V60.0H80.0Z" in first[1]
    desk.look(request_)
    assert visitor.session.subject(3).box == (80, 5, 110, 60)
    assert visitor.session.chosen == (3,)
    act(desk, request_, do="pick", box=[1, 1, 25, 60])
    desk.look(request_)
    assert visitor.session.chosen == (1, 3)
    assert len(visitor.session.subjects) == 3


def test_another_identity_of_one_person_leaves_the_others(desk, request_, visitor):
    list(desk.run(EVENT, request_))
    before = visitor.session.done
    list(desk.run(SimpleNamespace(_data={"again": "2"}), request_))
    after = visitor.session.done
    assert after[0] == before[0]
    assert after[1].seed != before[1].seed
    assert not visitor.session.stale


def test_four_identities_are_offered_and_one_is_taken(desk, request_, visitor):
    list(desk.run(EVENT, request_))
    pages = list(desk.offer(SimpleNamespace(_data={"id": "1"}), request_))
    assert len({offer.seed for offer in visitor.session.offers}) == 4
    assert "3 of 4 done" in pages[3][3]
    assert visitor.running is None
    steps = list(desk.run(SimpleNamespace(_data={"id": "1", "seed": str(visitor.session.offers[2].seed)}), request_))
    assert visitor.session.choice(1).seed == visitor.session.offers[2].seed
    assert len(steps) == 1  # nothing was left to draw
    assert not visitor.session.stale


def test_methods_are_compared_rated_and_noted(desk, request_, visitor):
    act(desk, request_, do="page", value="compare")
    act(desk, request_, do="toggle", id=1)
    for name in ("remove", "pixelate"):
        act(desk, request_, do="method", value=name)
    pages = list(desk.compare(request_))
    trials = visitor.comparison.photos[0].trials
    assert [trial.method.key for trial in trials] == ["face", "layered"]
    assert [trial.figures.people for trial in trials] == [1, 1]
    assert "1 of 2 done" in pages[1][4]
    page = act(desk, request_, do="rate", place="0", method="face", value="4")[4]
    assert page.count("lit-star") == 4
    act(desk, request_, do="note", place="0", method="face", value="<b>fine</b>")
    assert "&lt;b&gt;fine" in act(desk, request_, do="page", value="compare")[4]
    before = visitor.comparison
    assert 'role="alert"' in act(desk, request_, do="rate", place="0", method="blur", value="4")[4]
    assert visitor.comparison is before


@pytest.mark.parametrize(
    "data",
    [
        {}, {"do": "eval"}, {"do": "toggle"}, {"do": "toggle", "id": "x"}, {"do": "toggle", "id": 77},
        {"do": "pick", "x": "a", "y": 1}, {"do": "pick", "x": 1e9, "y": 1}, {"do": "pick", "x": "nan", "y": 1},
        {"do": "operation", "id": 1, "value": "melt"}, {"do": "seed", "id": 1, "value": -5},
        {"do": "seed", "id": 1, "value": 2**40}, {"do": "strength", "id": 1, "value": 700},
        {"do": "strength", "id": 1, "value": "nan"}, {"do": "region", "id": 1, "value": ["box"]},
        {"do": "extent", "id": 1, "value": "soul"}, {"do": "mask", "id": 1, "png": "file:///etc/passwd"},
        {"do": "mask", "id": 1, "png": "data:image/png;base64,????"}, {"do": "mask-file", "id": 1, "png": None},
        {"do": "refine", "id": 1, "points": 7, "labels": []}, {"do": "refine", "id": 1, "points": [["a", 1]]},
        {"do": "pick", "box": [1, 2]}, {"do": "pick", "box": [9, 9, 5, 5]}, {"do": "pick", "box": [0, 0, 1e9, 5]},
        {"do": "open", "id": None}, {"do": "view"}, {"do": ["toggle"], "id": {}},
    ],
)  # fmt: skip
def test_nonsense_from_a_browser_changes_nothing_and_is_answered(desk, request_, visitor, data):
    before = visitor.session
    page = act(desk, request_, **data)
    assert visitor.session is before
    assert 'role="alert"' in page[1]


def test_without_a_photo_a_click_is_answered(desk, request_):
    assert "no photo here" in act(desk, request_, do="all")[1]


def test_buttons_for_all_none_invert_undo_redo(desk, request_, visitor):
    for name, chosen in (("all", (1, 2)), ("none", ()), ("undo", (1, 2)), ("redo", ()), ("invert", (1, 2))):
        act(desk, request_, do=name)
        assert visitor.session.chosen == chosen, name


def test_one_operation_for_the_chosen_only(desk, request_, visitor):
    act(desk, request_, do="toggle", id=2)
    act(desk, request_, do="together", value="blur")
    assert visitor.session.operation(1) is Operation.FACE
    assert visitor.session.operation(2) is Operation.BLUR


def test_the_dice_give_the_next_identity(desk, request_, visitor):
    act(desk, request_, do="dice", id=1)
    assert visitor.session.choice(1).seed == session.DEFAULT_SEED + 1


def test_a_painted_mask_changes_only_what_was_touched(desk, request_, visitor):
    strokes = np.zeros((40, 60, 4), np.uint8)
    strokes[30:40, 40:60] = (0, 0, 255, 255)  # red: added (blue, green, red, alpha)
    strokes[5:10, 3:8] = (255, 0, 0, 255)  # blue: erased
    act(desk, request_, do="mask", id=1, png=picture(strokes))
    mask = visitor.session.choice(1).mask.to_array()
    expected = someone(1).mask.to_array()
    expected[60:80, 80:120] = True
    expected[10:20, 6:16] = False
    assert (mask != expected).mean() < 0.01
    act(desk, request_, do="mask-reset", id=1)
    assert visitor.session.choice(1).mask is None


def test_points_mend_a_mask_after_what_was_painted(desk, request_, visitor):
    strokes = np.zeros((40, 60, 4), np.uint8)
    strokes[30:40, 40:60] = (0, 0, 255, 255)
    points = {"points": [[0.5, 0.5], [0.1, 0.5]], "labels": [True, False]}
    act(desk, request_, do="refine", id=1, png=picture(strokes), **points)
    mask = visitor.session.choice(1).mask.to_array()
    assert mask[40, 60]
    assert not mask[40, 12]
    assert mask[70, 100]
    act(desk, request_, do="refine", id=1, **points)
    assert (visitor.session.choice(1).mask.to_array() == mask).all()


def test_a_mask_file_must_fit_the_photo(desk, request_, visitor):
    good = np.zeros(SIZE, np.uint8)
    good[5:9, 5:9] = 255
    act(desk, request_, do="mask-file", id=2, png=picture(good))
    assert visitor.session.choice(2).mask.area == 16
    assert "export it again" in act(desk, request_, do="mask-file", id=2, png=picture(good[:-1]))[1]
    assert visitor.session.choice(2).mask.area == 16


def test_masks_survive_another_operation_and_a_run(desk, request_, visitor):
    act(desk, request_, do="grow", id=1)
    mask = visitor.session.choice(1).mask
    act(desk, request_, do="operation", id=1, value="layered")
    list(desk.run(EVENT, request_))
    assert visitor.session.choice(1).mask is mask


def test_a_run_shows_progress_and_ends_with_a_result(desk, request_, visitor):
    pages = list(desk.run(EVENT, request_))
    assert any("0 of 2 done" in page[3] for page in pages)
    assert any("1 of 2 done" in page[3] for page in pages)
    assert "2 people anonymised" in pages[-1][3]
    assert visitor.view == "result"
    assert visitor.running is None
    assert [edit.subject_id for edit in visitor.session.done] == [1, 2]


def test_the_estimate_follows_how_fast_the_work_is_now(desk, request_, visitor, monkeypatch):
    clock = iter([0.0, 30.0, 60.0])
    monkeypatch.setattr("identigen.ui.work.time", SimpleNamespace(monotonic=lambda: next(clock)))
    expected = desk.pace.estimate(visitor.session, (1, 2))
    run = desk.run(EVENT, request_)
    next(run)
    assert visitor.running.estimate == pytest.approx(expected)
    next(run)
    assert visitor.running.estimate == pytest.approx(30.0)  # the first person took that long
    run.close()


def test_stop_keeps_who_is_finished_and_goes_on_from_there(desk, request_, visitor):
    run = desk.run(EVENT, request_)
    next(run), next(run)
    act(desk, request_, do="stop")
    last = list(run)[-1]
    assert "Stopped" in last[1]
    assert [edit.subject_id for edit in visitor.session.done] == [1]
    assert [edit.subject_id for edit in session.remaining(visitor.session)[0].edits] == [2]
    list(desk.run(EVENT, request_))
    assert [edit.subject_id for edit in visitor.session.done] == [1, 2]


def test_leaving_stops_the_work(desk, request_, visitor):
    run = desk.run(EVENT, request_)
    next(run)
    desk.leave(request_)
    assert len(list(run)) <= 2
    assert visitor.session is None


def test_closing_the_run_ends_it(desk, request_, visitor):
    run = desk.run(EVENT, request_)
    next(run)
    run.close()
    assert visitor.running is None


def test_one_run_at_a_time(desk, request_, visitor):
    run = desk.run(EVENT, request_)
    next(run)
    assert "still running" in next(desk.run(EVENT, request_))[1]
    run.close()


def test_a_result_of_the_photo_before_is_dropped(desk, request_, visitor):
    run = desk.run(EVENT, request_)
    next(run)
    visitor.open(session.begin(Photo(np.zeros((*SIZE, 3), np.uint8)), ()))
    list(run)
    assert visitor.session.result is None
    assert visitor.view == "choose"


def test_an_unreadable_upload_leaves_everything_as_it_was(desk, request_, visitor, tmp_path):
    before, file = visitor.session, tmp_path / "a.jpg"
    file.write_text("this is no picture")
    page = list(desk.upload([str(file)], request_))[-1]
    assert "not a photo" in page[1]
    assert visitor.session is before
    assert not file.exists()


def test_an_upload_is_shown_searched_and_deleted(desk, request_, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encode(np.full((*SIZE, 3), 10, np.uint8), "png"))
    first, last = desk.upload([str(file)], request_)
    assert "Looking for people" in first[1]
    assert "2 people" in last[2]
    assert not file.exists()


def test_more_photos_are_put_beside_those_that_are_open(desk, request_, visitor, tmp_path):
    act(desk, request_, do="toggle", id=1)
    before, file = visitor.session, tmp_path / "b.png"
    file.write_bytes(encode(np.full((*SIZE, 3), 10, np.uint8), "png"))
    last = list(desk.add([str(file)], request_))[-1]
    assert visitor.album[0] is before
    assert visitor.place == 1
    assert "Photo 2 of 2" in last[1]
    assert not file.exists()
    file.write_text("no picture")
    list(desk.add([str(file)], request_))
    assert len(visitor.album) == 2


def test_the_page_about_names_every_model_in_both_languages(desk, request_, visitor):
    desk.pipeline.settings = Settings(offline=True)
    for language, words in (("en", "What happens with photos"), ("de", "Was mit Fotos geschieht")):
        act(desk, request_, do="language", value=language)
        page = act(desk, request_, do="page", value="about")[4]
        assert words in page
        assert all(f"<b>{name}</b>" in page for name in REGISTRY)
        assert VERSION in page
    assert 'class="about"' not in act(desk, request_, do="page", value="work")[4]


def test_estimates_learn_from_what_was_measured(desk, request_, visitor):
    before = desk.pace.seconds[Operation.FACE]
    list(desk.run(EVENT, request_))
    assert desk.pace.seconds[Operation.FACE] < before


def test_the_language_is_the_browsers_unless_the_address_says_so(desk, request_):
    request_.headers = {"accept-language": "de-CH"}
    desk._ready.set()
    assert "Auf" not in list(desk.arrive(request_))[-1][0].split("data-value")[0]
    assert desk.visitor(request_).language == "de"
    request_.query_params = {"lang": "en"}
    list(desk.arrive(request_))
    assert desk.visitor(request_).language == "en"
