"""What happens when something on the page is pressed: values become types here, and errors become sentences.

A `Desk` serves all visitors of one pipeline. Each handler changes one visitor and gives back the page's regions anew.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from identigen import masks
from identigen.errors import IdentiGenError, PlanError
from identigen.photo import encode
from identigen.pipeline import Availability, Pipeline, make_plan
from identigen.report import detection_json
from identigen.types import MAX_SEED, Edit, Operation, Outcome, Photo, Plan, Result, Step
from identigen.ui import compare, compare_view, media, session, views
from identigen.ui.inputs import (
    one_of,
    parse_operation,
    parse_subjects,
    phone_address,
    picture_in,
    read_and_delete,
    repaint,
    share,
)
from identigen.ui.session import Session
from identigen.ui.text import LANGUAGES, preferred, say
from identigen.ui.views import House
from identigen.ui.visitors import Running, Visitor, Visitors
from identigen.verification import examined

Regions = tuple[str, str, str, str, str, str]
Data = Mapping[str, Any]

FIRST_SIGHT = "zidane"
GUESSED_SECONDS = {Operation.FACE: 0.8, Operation.FACE_HAIR: 1.0, Operation.BODY: 2.0, Operation.REMOVE: 3.0}
COVER_SECONDS = 0.3
OFFERS = 4
SHOWN_AT_ONCE = 6_000_000  # pixels up to which each finished person appears while the others are still being done
log = logging.getLogger(__name__)


class Desk:
    """Serves the visitors of one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        settings = pipeline.settings
        self.visitors = Visitors(settings.visitors, 60.0 * settings.session_minutes)
        seconds = {operation: GUESSED_SECONDS.get(operation, COVER_SECONDS) for operation in Operation}
        self._house = House({}, seconds, (), settings.kiosk, phone_address(settings))
        self._example: Session | None = None
        self._ready = threading.Event()

    @cached_property
    def operations(self) -> Mapping[Operation, Availability]:
        """What can be done here; asked for with the first photo, because the engines are heavy to load."""
        return self.pipeline.operations()

    @property
    def house(self) -> House:
        """What is the same for every visitor."""
        return replace(self._house, operations=self.operations)

    def warm_up(self) -> None:
        """Load the models and work out the example that every new visitor finds on the page."""
        try:
            self._house = replace(self._house, notices=self.pipeline.prepare())
            photo = media.example_photo(FIRST_SIGHT)
            found = session.begin(photo, self.pipeline.detect(photo))
            edits = session.plan(found).edits
            self._example = session.finish(
                found, self.pipeline.anonymize(photo, found.subjects, session.plan(found)), edits
            )
        except IdentiGenError as error:
            log.warning("The first example could not be prepared: %s", error)
        except Exception:
            log.exception("The first example could not be prepared")
        finally:
            self._ready.set()

    # ---------------------------------------------------------------- arriving and leaving

    def arrive(self, request: gr.Request) -> Iterator[Regions]:
        """Greet a new page with an example that is finished already."""
        visitor = self.visitor(request)
        wish = request.query_params.get("lang", "")
        visitor.language = wish if wish in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        if not self._ready.is_set():
            visitor.view = "looking"
            yield self.regions(visitor)
            self._ready.wait()
        with visitor.lock:
            visitor.view = "choose"
            if visitor.session is None and self._example is not None:
                visitor.session, visitor.view = self._example, "result"
                visitor.photo_version += 1
        yield self.regions(visitor)

    def leave(self, request: gr.Request) -> None:
        """Forget a visitor whose page was closed or reloaded."""
        self.visitors.forget(request.session_hash or "")

    def visitor(self, request: gr.Request) -> Visitor:
        """The visitor of the page that asks."""
        return self.visitors.of(request.session_hash or "")

    def regions(self, visitor: Visitor) -> Regions:
        """The whole page as HTML."""
        with visitor.lock:
            current = visitor.session
            if current is not None and visitor.view != "result":
                visitor.outlines = views.outlines_of(current, visitor.outlines)
            house = self._house if current is None else self.house
            return (
                views.header(visitor, house),
                views.stage(visitor),
                views.people(visitor, house),
                views.dock(visitor, house),
                compare_view.comparing(visitor, house),
                views.footer(visitor),
            )

    # ---------------------------------------------------------------- a photo comes in

    def upload(self, path: str | None, request: gr.Request) -> Iterator[Regions]:
        """Take in an uploaded file, and delete it at once."""
        if path is None:
            yield self.regions(self.visitor(request))
            return
        yield from self._take_in(self.visitor(request), lambda: read_and_delete(path, self.pipeline.settings))

    def example(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Take in one of the examples."""
        name = str(event._data.get("value", ""))
        yield from self._take_in(self.visitor(request), lambda: media.example_photo(name))

    def _take_in(self, visitor: Visitor, read: Callable[[], Photo]) -> Iterator[Regions]:
        """Show the photo first, then who is in it; what was here before stays when it cannot be read."""
        visitor.notice = ""
        try:
            photo = read()
        except (IdentiGenError, KeyError) as error:
            visitor.notice = str(error) if isinstance(error, IdentiGenError) else self._words(visitor, "error.unknown")
            yield self.regions(visitor)
            return
        with visitor.lock:
            self._stop(visitor)
            visitor.session, visitor.view, visitor.opened = session.begin(photo, ()), "looking", None
            visitor.photo_version += 1
        yield self.regions(visitor)
        try:
            subjects = self.pipeline.detect(photo)
        except Exception:
            subjects = ()
            log.exception("Detection failed")
            visitor.notice = self._words(visitor, "error.internal")
        with visitor.lock:
            if visitor.session is not None and visitor.session.photo is photo:
                visitor.session, visitor.view = session.begin(photo, subjects), "choose"
                visitor.result_version += 1
        yield self.regions(visitor)

    # ---------------------------------------------------------------- a click

    def act(self, event: gr.EventData, request: gr.Request) -> Regions:
        """Carry out one small action; the data come from the browser, so nothing in them is trusted."""
        visitor = self.visitor(request)
        data: Data = event._data if isinstance(event._data, dict) else {}
        action = _ACTIONS.get(str(data.get("do")))
        try:
            if action is None:
                raise PlanError(self._words(visitor, "error.unknown"))
            visitor.notice = ""
            action(self, visitor, data)
        except IdentiGenError as error:
            visitor.notice = str(error)
        except (KeyError, ValueError, TypeError):
            log.info("A page sent something that makes no sense: %s", str(data.get("do"))[:40])
            visitor.notice = self._words(visitor, "error.unknown")
        return self.regions(visitor)

    def _change(self, visitor: Visitor, step: Callable[[Session], Session]) -> None:
        visitor.update(step)
        visitor.view = "choose" if visitor.view == "looking" else visitor.view

    def _pick(self, visitor: Visitor, data: Data) -> None:
        """Toggle who is under the pointer; where nobody was found, look again at that place."""
        current = visitor.require()
        point = (float(data["x"]), float(data["y"]))
        if not (0 <= point[0] < current.photo.width and 0 <= point[1] < current.photo.height):
            raise ValueError("outside the photo")
        number = session.person_at(current, point)
        if number is None:
            found = self.pipeline.subject_at(current.photo, point, current.subjects)
            if found is None:
                raise PlanError(self._words(visitor, "error.nobody-there"))
            if all(found.id != subject.id for subject in current.subjects):
                self._change(visitor, lambda now: session.add(now, found) if now is current else now)
                visitor.result_version += 1
                return
            number = found.id
        self._toggle(visitor, {"id": number})

    def _box(self, visitor: Visitor, data: Data) -> None:
        """Take what is in a box drawn by hand as one more person."""
        current = visitor.require()
        x1, y1, x2, y2 = (float(value) for value in data["box"])
        if not (0 <= x1 < x2 <= current.photo.width and 0 <= y1 < y2 <= current.photo.height):
            raise ValueError("not a box in the photo")
        found = self.pipeline.subject_in(current.photo, (x1, y1, x2, y2), current.subjects)
        if any(found.id == subject.id for subject in current.subjects):
            self._change(visitor, lambda now: session.change(now, (found.id,), chosen=True))
        else:
            self._change(visitor, lambda now: session.add(now, found) if now is current else now)
        visitor.result_version += 1

    def _toggle(self, visitor: Visitor, data: Data) -> None:
        self._change(visitor, lambda now: session.toggle(now, int(data["id"])))

    def _together(self, visitor: Visitor, data: Data) -> None:
        if data["value"]:
            operation = Operation(data["value"])
            self._change(visitor, lambda now: session.change(now, now.targets, operation=operation))

    def _set(self, visitor: Visitor, data: Data, **values: object) -> None:
        self._change(visitor, lambda now: session.change(now, (int(data["id"]),), **values))

    def _dice(self, visitor: Visitor, data: Data) -> None:
        number = int(data["id"])
        self._change(visitor, lambda now: session.set_seed(now, number, now.choice(number).seed % MAX_SEED + 1))

    def _grow(self, visitor: Visitor, data: Data, direction: int) -> None:
        """One step is a fiftieth of the person, so that it looks alike in a portrait and in a crowd."""
        number = int(data["id"])
        window = session.region_of(visitor.require(), number).window
        pixels = direction * max(2.0, 0.02 * max(window.width, window.height))
        self._change(visitor, lambda now: session.grow_mask(now, number, pixels))
        self._show_masks(visitor)

    def _painted(self, visitor: Visitor, data: Data) -> None:
        number = int(data["id"])
        before = session.region_of(visitor.require(), number)
        self._set(visitor, data, mask=repaint(before, picture_in(data["png"])))
        self._show_masks(visitor)

    def _mask_file(self, visitor: Visitor, data: Data) -> None:
        photo = visitor.require().photo
        self._set(visitor, data, mask=masks.from_png(picture_in(data["png"]), (photo.height, photo.width)))
        self._show_masks(visitor)

    def _mask_reset(self, visitor: Visitor, data: Data) -> None:
        self._set(visitor, data, mask=None)
        self._show_masks(visitor)

    def _show_masks(self, visitor: Visitor) -> None:
        visitor.view = "choose"
        visitor.result_version += 1

    def _open(self, visitor: Visitor, data: Data) -> None:
        number = visitor.require().subject(int(data["id"])).id
        visitor.opened = None if visitor.opened == number else number

    def _view(self, visitor: Visitor, data: Data) -> None:
        has_result = visitor.require().result is not None
        visitor.view = "result" if data["value"] == "result" and has_result else "choose"

    def _page(self, visitor: Visitor, data: Data) -> None:
        visitor.page = one_of(data["value"], "work", "compare")

    def _method(self, visitor: Visitor, data: Data) -> None:
        visitor.methods = visitor.methods ^ {Operation(data["value"])}

    def _rate(self, visitor: Visitor, data: Data) -> None:
        if visitor.comparison is not None:
            visitor.comparison = compare.rate(visitor.comparison, Operation(data["operation"]), int(data["value"]))

    def _note(self, visitor: Visitor, data: Data) -> None:
        if visitor.comparison is not None:
            visitor.comparison = compare.annotate(visitor.comparison, Operation(data["operation"]), str(data["value"]))

    def _language(self, visitor: Visitor, data: Data) -> None:
        if data["value"] in LANGUAGES:
            visitor.language = data["value"]

    def _stop(self, visitor: Visitor) -> None:
        """Ask the running work to end after the person it is at; the next work gets a flag of its own."""
        visitor.stop.set()

    # ---------------------------------------------------------------- the work

    def run(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Anonymise whoever was chosen, showing each person as soon as they are finished.

        The event's data may ask for another identity of one person first: `again` for the next one, `id` and `seed` for
        one that was offered. Nobody else is drawn anew.
        """
        visitor = self.visitor(request)
        data: Data = event._data if isinstance(event._data, dict) else {}
        yield from self._guarded(visitor, lambda: self._run(visitor, data))

    def _renew(self, visitor: Visitor, data: Data) -> None:
        if "again" in data:
            self._dice(visitor, {"id": data["again"]})
        elif "seed" in data:
            visitor.update(lambda now: session.set_seed(now, int(data["id"]), int(data["seed"])))

    def _run(self, visitor: Visitor, data: Data) -> Iterator[Regions]:
        self._renew(visitor, data)
        current = visitor.require()
        edits = session.plan(current).edits
        todo, finished = session.remaining(current)
        stop = visitor.stop = threading.Event()
        steps = self.pipeline.run(current.photo, current.subjects, todo, finished, stop.is_set)
        waiting = tuple(edit.subject_id for edit in todo.edits)
        visitor.view = "choose"
        visitor.running = Running(len(waiting), waiting=waiting, estimate=self._estimate(current, waiting))
        try:
            result = yield from self._follow(visitor, current, steps, edits, stop)
            if result is not None and self._keep(visitor, current.photo, result, edits):
                visitor.view = "result"
                self._learn(result.outcomes)
        finally:
            steps.close()

    def offer(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Draw several identities of one person, for the visitor to pick from."""
        visitor = self.visitor(request)
        yield from self._guarded(visitor, lambda: self._offer(visitor, int(event._data["id"])))

    def compare(self, request: gr.Request) -> Iterator[Regions]:
        """Put the chosen people through each of the chosen methods."""
        visitor = self.visitor(request)
        yield from self._guarded(visitor, lambda: self._compare(visitor))

    def _guarded(self, visitor: Visitor, work: Callable[[], Iterator[Regions]]) -> Iterator[Regions]:
        """Do one long piece of work at a time for a visitor; whatever goes wrong becomes a sentence on the page."""
        if visitor.running is not None:
            visitor.notice = self._words(visitor, "error.busy")
            yield self.regions(visitor)
            return
        visitor.notice = ""
        try:
            yield from work()
        except IdentiGenError as error:
            visitor.notice = str(error)
        except Exception:
            log.exception("The work failed")
            visitor.notice = self._words(visitor, "error.internal")
        finally:
            visitor.running = None
        yield self.regions(visitor)

    def _compare(self, visitor: Visitor) -> Iterator[Regions]:
        current = visitor.require()
        operations = [o for o in compare.METHODS if o in visitor.methods and self.house.operations[o].engine]
        stop = visitor.stop = threading.Event()
        if visitor.comparison is None or visitor.comparison.photo is not current.photo:
            visitor.comparison = compare.Comparison(current.photo, media.small(current.photo.pixels))
        for index, operation in enumerate(operations):
            if stop.is_set():
                break
            left = sum(self.house.seconds[o] for o in operations[index:]) * len(current.targets)
            visitor.running = Running(len(operations), index, estimate=left)
            yield self.regions(visitor)
            plan = session.plan(session.change(current, current.targets, operation=operation))
            try:
                result = self.pipeline.anonymize(current.photo, current.subjects, plan)
            except IdentiGenError as error:  # one method that cannot be done does not end the others
                visitor.notice = str(error)
                continue
            self._learn(result.outcomes)
            trial = compare.Trial(
                operation,
                media.small(result.photo.pixels),
                compare.measure(result.outcomes),
                tuple(result.report.warnings),
            )
            with visitor.lock:
                if visitor.session is None or visitor.session.photo is not current.photo or visitor.comparison is None:
                    return
                visitor.comparison = compare.with_trial(visitor.comparison, trial)
                visitor.result_version += 1

    def _offer(self, visitor: Visitor, number: int) -> Iterator[Regions]:
        current = visitor.require()
        first = current.choice(number).seed
        stop = visitor.stop = threading.Event()
        seconds = self.house.seconds[current.operation(number)]
        visitor.update(lambda now: replace(now, offers=()))
        for index in range(OFFERS):
            if stop.is_set():
                break
            visitor.running = Running(OFFERS, index, number, waiting=(number,), estimate=(OFFERS - index) * seconds)
            yield self.regions(visitor)
            seed = (first + index) % MAX_SEED
            plan = Plan((session.edit_of(current, number, seed),))
            result = self.pipeline.anonymize(current.photo, current.subjects, plan)
            outcome = next(o for o in result.outcomes if o.subject_id == number)
            with visitor.lock:
                if visitor.session is None or visitor.session.photo is not current.photo:
                    return
                visitor.session = session.offer(visitor.session, number, seed, outcome)

    def _follow(
        self,
        visitor: Visitor,
        current: Session,
        steps: Generator[Step, None, Result],
        edits: tuple[Edit, ...],
        stop: threading.Event,
    ) -> Generator[Regions, None, Result | None]:
        """Show step after step; return the result, or what there is of it when the work was stopped."""
        step: Step | None = None
        while not stop.is_set():
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                if not stop.is_set():
                    return result
                break
            self._show_step(visitor, current, step)
            if 0 < step.done < step.total and current.photo.width * current.photo.height <= SHOWN_AT_ONCE:
                so_far = step.so_far
                if so_far is not None:
                    self._keep(visitor, current.photo, so_far, edits)
            yield self.regions(visitor)
        if visitor.session is not None and visitor.session.photo is current.photo:
            visitor.notice = self._words(visitor, "stopped")
        return step.so_far if step is not None else None

    def _show_step(self, visitor: Visitor, current: Session, step: Step) -> None:
        """Whoever was worked at until now is finished; the order is the pipeline's own."""
        before = visitor.running
        if before is not None:
            waiting = tuple(number for number in before.waiting if number != before.current)
            left = self._estimate(current, waiting)
            visitor.running = replace(before, done=step.done, current=step.subject_id, waiting=waiting, estimate=left)

    def _keep(self, visitor: Visitor, photo: Photo, result: Result, edits: tuple[Edit, ...]) -> bool:
        """Keep a result and return True, unless the visitor has opened another photo since."""
        with visitor.lock:
            if visitor.session is None or visitor.session.photo is not photo:
                return False
            visitor.session = session.finish(visitor.session, result, edits)
            visitor.result_version += 1
            return True

    def _estimate(self, current: Session, numbers: tuple[int, ...]) -> float:
        return sum(self.house.seconds[current.operation(number)] for number in numbers)

    def _learn(self, outcomes: tuple[Outcome, ...]) -> None:
        """Remember how long each operation took here, so that the next estimate is an honest one."""
        seconds = dict(self._house.seconds)
        for outcome in outcomes:
            if outcome.seconds > 0:
                seconds[outcome.asked] += 0.5 * (outcome.seconds - seconds[outcome.asked])
        self._house = replace(self._house, seconds=seconds)

    def _words(self, visitor: Visitor, key: str) -> str:
        return say(visitor.language, key)

    # ---------------------------------------------------------------- for programs

    def detect_for_programs(self, photo: str) -> dict[str, Any]:
        """Find everybody: the contract of `identigen detect --json`."""
        with _told_to_programs():
            opened = read_and_delete(photo, self.pipeline.settings)
            return detection_json(opened, self.pipeline.detect(opened))

    def anonymize_for_programs(
        self, photo: str, operation: str, subjects: str, seed: float
    ) -> tuple[str, dict[str, Any]]:
        """Anonymise: a PNG file and the contract of `identigen anonymize --report`."""
        with _told_to_programs():
            opened = read_and_delete(photo, self.pipeline.settings)
            found = self.pipeline.detect(opened)
            plan = make_plan(found, parse_operation(operation), parse_subjects(subjects), seed=int(seed))
            result = self.pipeline.anonymize(opened, found, plan)
            data = encode(result.photo.pixels, "png")
            return _temporary_file(data, "identigen.png"), examined(result, data).to_json()


Action = Callable[[Desk, Visitor, Data], None]


def _stop(desk: Desk, visitor: Visitor, data: Data) -> None:
    desk._stop(visitor)


_ACTIONS: dict[str, Action] = {
    "pick": Desk._pick,
    "box": Desk._box,
    "toggle": Desk._toggle,
    "all": lambda desk, visitor, data: desk._change(
        visitor, lambda now: session.choose(now, {subject.id for subject in now.subjects})
    ),
    "none": lambda desk, visitor, data: desk._change(visitor, lambda now: session.choose(now, ())),
    "invert": lambda desk, visitor, data: desk._change(visitor, session.invert),
    "undo": lambda desk, visitor, data: desk._change(visitor, session.undo),
    "redo": lambda desk, visitor, data: desk._change(visitor, session.redo),
    "together": Desk._together,
    "operation": lambda desk, visitor, data: desk._set(visitor, data, operation=Operation(data["value"])),
    "seed": lambda desk, visitor, data: desk._change(
        visitor, lambda now: session.set_seed(now, int(data["id"]), int(data["value"]))
    ),
    "dice": Desk._dice,
    "wish": lambda desk, visitor, data: desk._change(
        visitor, lambda now: session.set_attribute(now, int(data["id"]), str(data["name"]), str(data["value"]))
    ),
    "strength": lambda desk, visitor, data: desk._set(visitor, data, strength=share(data["value"])),
    "region": lambda desk, visitor, data: desk._set(visitor, data, region=one_of(data["value"], "segment", "box")),
    "extent": lambda desk, visitor, data: desk._set(
        visitor, data, extent=one_of(data["value"], "face", "head", "person")
    ),
    "grow": lambda desk, visitor, data: desk._grow(visitor, data, 1),
    "shrink": lambda desk, visitor, data: desk._grow(visitor, data, -1),
    "mask": Desk._painted,
    "mask-file": Desk._mask_file,
    "mask-reset": Desk._mask_reset,
    "open": Desk._open,
    "view": Desk._view,
    "page": Desk._page,
    "method": Desk._method,
    "rate": Desk._rate,
    "note": Desk._note,
    "language": Desk._language,
    "dismiss": lambda desk, visitor, data: None,
    "stop": _stop,
}


@contextmanager
def _told_to_programs() -> Iterator[None]:
    """Raise errors of the house as `gr.Error`, whose sentence reaches the caller."""
    try:
        yield
    except IdentiGenError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _temporary_file(data: bytes, name: str) -> str:
    """A file for the answer in the app's own temporary folder, which is emptied after a while."""
    path = Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR"))) / name
    path.write_bytes(data)
    return str(path)
