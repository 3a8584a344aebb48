"""What happens when something on the page is pressed, dropped or left: a `Desk` serves all visitors of one pipeline.

Each handler changes one visitor and gives back the page's regions anew; whatever goes wrong becomes a sentence there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import gradio as gr

from identigen.errors import IdentiGenError, PlanError
from identigen.models import REGISTRY, ModelRecord
from identigen.models.weights import state_of
from identigen.pipeline import Availability, Pipeline
from identigen.types import Operation, Photo
from identigen.ui import actions, compare, media, session, views, work
from identigen.ui.actions import Data
from identigen.ui.house import House, Pace
from identigen.ui.inputs import phone_address, read_and_delete
from identigen.ui.intake import take_in
from identigen.ui.session import Session
from identigen.ui.text import LANGUAGES, preferred, say
from identigen.ui.visitors import Visitor, Visitors

Regions = tuple[str, str, str, str, str, str]

FIRST_SIGHT = "astronaut"
"""The example that everybody finds at first, with its result: one large face."""
log = logging.getLogger(__name__)


class Desk:
    """Serves the visitors of one pipeline."""

    def __init__(self, pipeline: Pipeline, first_sight: str = FIRST_SIGHT) -> None:
        self.pipeline, self.pace, self.first_sight = pipeline, Pace(), first_sight
        settings = pipeline.settings
        self.visitors = Visitors(settings.visitors, 60.0 * settings.session_minutes)
        self._phone_address = phone_address(settings)
        self._notices: tuple[str, ...] = ()
        self._example: Session | None = None
        self._ready = threading.Event()

    @cached_property
    def operations(self) -> Mapping[Operation, Availability]:
        """What can be done here; asked for with the first photo, because the engines are heavy to load."""
        return self.pipeline.operations()

    def warm_up(self) -> None:
        """Load the models and work out the example that every new visitor finds on the page."""
        try:
            self._notices = self.pipeline.prepare()
            photo = media.example_photo(self.first_sight)
            found = session.begin(photo, self.pipeline.detect(photo))
            plan = session.plan(found)
            self._example = session.finish(found, self.pipeline.anonymize(photo, found.subjects, plan), plan.edits)
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
        visitor.kiosk = self.pipeline.settings.kiosk or "kiosk" in request.query_params
        if not self._ready.is_set():
            visitor.preparing = True
            yield self.regions(visitor)
            self._ready.wait()
            visitor.preparing = False
        with visitor.lock:
            if visitor.session is None and self._example is not None:
                visitor.open(self._example)
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
            house = self._house(asked_for=current is not None, about=visitor.page == "about")
            return (
                views.header(visitor, house),
                views.stage(visitor),
                views.people(visitor, house),
                views.dock(visitor, house),
                views.comparing(visitor, house) + views.about(visitor, house),
                views.footer(visitor),
            )

    @cached_property
    def models(self) -> tuple[tuple[ModelRecord, bool], ...]:
        """Every model, and whether it is on this machine; nothing is asked of the network."""
        settings = replace(self.pipeline.settings, offline=True)
        states = (state_of(record, settings) for record in REGISTRY.values())
        return tuple((state.record, state.status in ("bundled", "present")) for state in states)

    def _house(self, asked_for: bool, about: bool) -> House:
        operations, models = self.operations if asked_for else {}, self.models if about else ()
        limit = int(self.pipeline.settings.max_megabytes * 1e6)
        return House(operations, self.pace.seconds, self._notices, self._phone_address, limit, models)

    # ---------------------------------------------------------------- photos come in

    def upload(self, paths: list[str] | None, request: gr.Request) -> Iterator[Regions]:
        """Take in uploaded files, and delete them at once."""
        files = [partial(read_and_delete, path, self.pipeline.settings) for path in paths or ()]
        yield from self._taken_in(request, files)

    def add(self, paths: list[str] | None, request: gr.Request) -> Iterator[Regions]:
        """Take in uploaded files beside the photos that are open."""
        files = [partial(read_and_delete, path, self.pipeline.settings) for path in paths or ()]
        yield from self._taken_in(request, files, beside=True)

    def example(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Take in one of the examples."""
        name = str(event._data.get("value", ""))
        yield from self._taken_in(request, [partial(media.example_photo, name)] if name in views.EXAMPLES else [])

    def _taken_in(
        self, request: gr.Request, files: Sequence[Callable[[], Photo]], beside: bool = False
    ) -> Iterator[Regions]:
        visitor = self.visitor(request)
        for _ in take_in(visitor, self.pipeline, files, beside):
            yield self.regions(visitor)

    # ---------------------------------------------------------------- a click

    def act(self, event: gr.EventData, request: gr.Request) -> Regions:
        """Carry out one small action; the data come from the browser, so nothing in them is trusted."""
        visitor, data = self.visitor(request), _data_of(event)
        action = actions.ACTIONS.get(str(data.get("do")))
        try:
            if action is None:
                raise PlanError(say("en", "error.unknown"))
            visitor.notice = ""
            action(self.pipeline, visitor, data)
        except IdentiGenError as error:
            visitor.notice = str(error)
        except (KeyError, ValueError, TypeError):
            log.info("A page sent something that makes no sense: %s", str(data.get("do"))[:40])
            visitor.notice = say("en", "error.unknown")
        return self.regions(visitor)

    def look(self, request: gr.Request) -> Any:
        """Look for whom the visitor has just pointed at, if it was nobody known; the first outline is shown by then."""
        visitor = self.visitor(request)
        if not visitor.sought:
            return gr.skip()
        try:
            actions.look(self.pipeline, visitor)
        except IdentiGenError as error:
            visitor.notice = str(error)
        except Exception:
            log.exception("The search at a click failed")
            visitor.notice = say("en", "error.internal")
        return self.regions(visitor)

    # ---------------------------------------------------------------- long work

    def run(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Anonymise whoever was chosen: in the photo in view, or in the whole album where `all` is asked for.

        The data may ask for another identity of one person first: `again` for the next one, `id` and `seed` for one
        that was offered. Nobody else is drawn anew.
        """
        visitor, data = self.visitor(request), _data_of(event)

        def begin() -> Iterator[None]:
            if "again" in data:
                actions.dice(self.pipeline, visitor, {"id": data["again"]})
            elif "seed" in data:
                actions.seed(self.pipeline, visitor, {"id": data["id"], "value": data["seed"]})
            current = visitor.require()
            wanted = visitor.album if "all" in data else (current,)
            photos = [s.photo for s in wanted if s.subjects and not s.finished]
            return work.anonymize(visitor, self.pipeline, self.pace, photos)

        yield from self._guarded(visitor, begin)

    def offer(self, event: gr.EventData, request: gr.Request) -> Iterator[Regions]:
        """Draw several identities of one person, for the visitor to pick from."""
        visitor, data = self.visitor(request), _data_of(event)
        yield from self._guarded(visitor, lambda: work.offer(visitor, self.pipeline, self.pace, int(data["id"])))

    def compare(self, request: gr.Request) -> Iterator[Regions]:
        """Put the chosen people of every photo through each of the chosen methods."""
        visitor = self.visitor(request)
        methods = [m for m in compare.possible(self.operations) if m in visitor.methods]
        yield from self._guarded(visitor, lambda: work.compare_methods(visitor, self.pipeline, self.pace, methods))

    def _guarded(self, visitor: Visitor, begin: Callable[[], Iterator[None]]) -> Iterator[Regions]:
        """Do one long piece of work at a time for a visitor."""
        if visitor.running is not None:
            visitor.notice = say("en", "error.busy")
            yield self.regions(visitor)
            return
        visitor.notice = ""
        try:
            for _ in begin():
                yield self.regions(visitor)
        except IdentiGenError as error:
            visitor.notice = str(error)
        except Exception:
            log.exception("The work failed")
            visitor.notice = say("en", "error.internal")
        finally:
            visitor.running = None
        yield self.regions(visitor)


def _data_of(event: gr.EventData) -> Data:
    return event._data if isinstance(event._data, dict) else {}
