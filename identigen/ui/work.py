"""Long work for a visitor: anonymising, offering identities, comparing methods.

Each piece of work is a generator that yields whenever the page has something new to show. It keeps what is finished in
the visitor's sessions, and gives up a photo that the visitor has left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

from identigen.errors import IdentiGenError
from identigen.pipeline import Pipeline
from identigen.report import Result, Step
from identigen.types import MAX_SEED, Edit, Outcome, Photo, Plan
from identigen.ui import compare, media, session
from identigen.ui.compare import Method
from identigen.ui.house import Pace
from identigen.ui.session import Session
from identigen.ui.text import say
from identigen.ui.visitors import Running, Visitor

OFFERS = 4
SHOWN_AT_ONCE = 6_000_000  # pixels up to which each finished person appears while the others are still being done


def anonymize(visitor: Visitor, pipeline: Pipeline, pace: Pace, photos: Sequence[Photo]) -> Iterator[None]:
    """Anonymise whoever is chosen in these photos and not done yet; each person is shown as soon as finished."""
    stop = _begin(visitor)
    todo = {id(s.photo): len(session.remaining(s)[0].edits) for s in _sessions(visitor, photos)}
    before, total = 0, sum(todo.values())
    for photo in photos:
        current = visitor.session_of(photo)
        if current is None or stop.is_set():
            break
        later = sum(pace.estimate(s, _waiting(s)) for s in _sessions(visitor, photos[photos.index(photo) + 1 :]))
        visitor.running = Running(total, before, photo, waiting=_waiting(current), estimate=later)
        result = yield from _anonymize_one(visitor, pipeline, pace, current, stop, before, later)
        before += todo[id(photo)]
        if result is not None:
            pace.learn(result.outcomes)
            if visitor.session is not None and visitor.session.photo is photo:
                visitor.view = "result"


def offer(visitor: Visitor, pipeline: Pipeline, pace: Pace, number: int) -> Iterator[None]:
    """Draw several identities of one person, for the visitor to pick from."""
    current = visitor.require()
    first, seconds = current.choice(number).seed, pace.seconds[current.operation(number)]
    stop = _begin(visitor)
    visitor.update(lambda now: replace(now, offers=()))
    for index in range(OFFERS):
        if stop.is_set():
            break
        left = (OFFERS - index) * seconds
        visitor.running = Running(OFFERS, index, current.photo, number, (number,), left)
        yield
        seed = (first + index) % MAX_SEED
        plan = Plan((session.edit_of(current, number, seed),))
        result = pipeline.anonymize(current.photo, current.subjects, plan)
        outcome = next(o for o in result.outcomes if o.subject_id == number)
        if not visitor.update_of(current.photo, _offered(number, seed, outcome)):
            return


def compare_methods(visitor: Visitor, pipeline: Pipeline, pace: Pace, methods: Sequence[Method]) -> Iterator[None]:
    """Put the chosen people of every photo through each method; one that cannot be done does not end the others."""
    stop = _begin(visitor)
    sessions = [current for current in visitor.album if current.subjects]
    work = [(current, method) for current in sessions for method in methods]
    for current in sessions:
        visitor.comparison = compare.with_photo(visitor.comparison, current.photo, media.small(current.photo.pixels))
    for index, (current, method) in enumerate(work):
        if stop.is_set() or visitor.comparison.of(current.photo) is None:
            break
        left = sum(pace.seconds[m.operation] * len(s.targets) for s, m in work[index:])
        visitor.running = Running(len(work), index, current.photo, estimate=left)
        yield
        chosen = session.change(current, current.targets, operation=method.operation)
        edits = (replace(edit, engine=method.engine or None) for edit in session.plan(chosen).edits)
        try:
            result = pipeline.anonymize(current.photo, current.subjects, Plan(tuple(edits)))
        except IdentiGenError as error:
            visitor.notice = str(error)
            continue
        pace.learn(result.outcomes)
        preview, figures = media.small(result.photo.pixels), compare.measure(result.outcomes)
        trial = compare.Trial(method, preview, figures, tuple(result.report.warnings))
        with visitor.lock:
            visitor.comparison = compare.with_trial(visitor.comparison, current.photo, trial)
            visitor.result_version += 1


def _begin(visitor: Visitor) -> threading.Event:
    """A flag of its own for each piece of work: what ends one does not end the next."""
    visitor.stop = threading.Event()
    return visitor.stop


def _sessions(visitor: Visitor, photos: Sequence[Photo]) -> list[Session]:
    return [found for found in map(visitor.session_of, photos) if found is not None]


def _waiting(current: Session) -> tuple[int, ...]:
    return tuple(edit.subject_id for edit in session.remaining(current)[0].edits)


def _offered(number: int, seed: int, outcome: Outcome) -> Callable[[Session], Session]:
    return lambda now: session.offer(now, number, seed, outcome)


def _anonymize_one(
    visitor: Visitor,
    pipeline: Pipeline,
    pace: Pace,
    current: Session,
    stop: threading.Event,
    before: int,
    later: float,
) -> Generator[None, None, Result | None]:
    """Carry out one photo's plan; return the result, or what there is of it when the work was stopped.

    `before` people were finished in the photos before, `later` seconds will be needed for those after.
    """
    photo, edits = current.photo, session.plan(current).edits
    todo, finished = session.remaining(current)
    if visitor.session is current:
        visitor.view = "choose"
    started = time.monotonic()
    steps = pipeline.run(photo, current.subjects, todo, finished, stop.is_set)
    step: Step | None = None
    try:
        while not stop.is_set():
            try:
                step = next(steps)
            except StopIteration as end:
                if stop.is_set():
                    break
                complete: Result = end.value
                _keep(visitor, photo, complete, edits)
                return complete
            _show_step(visitor, pace, current, step, before, later, started)
            if 0 < step.done < step.total and photo.width * photo.height <= SHOWN_AT_ONCE:
                _keep(visitor, photo, step.so_far, edits)
            yield
    finally:
        steps.close()
    if visitor.session_of(photo) is not None:
        visitor.notice = say("en", "stopped")
    result = step.so_far if step is not None else None
    _keep(visitor, photo, result, edits)
    return result


def _show_step(
    visitor: Visitor, pace: Pace, current: Session, step: Step, before: int, later: float, started: float
) -> None:
    """Whoever was worked at until now is finished; the order is the pipeline's own.

    What is left takes as much longer, or less long, than was expected as what is finished took.
    """
    running = visitor.running
    if running is not None:
        waiting = tuple(number for number in running.waiting if number != running.current)
        expected = pace.estimate(current, set(_waiting(current)) - set(waiting))
        slowness = (time.monotonic() - started) / expected if expected else 1.0
        left = slowness * (later + pace.estimate(current, waiting))
        visitor.running = replace(
            running, done=before + step.done, current=step.subject_id, waiting=waiting, estimate=left
        )


def _keep(visitor: Visitor, photo: Photo, result: Result | None, edits: tuple[Edit, ...]) -> None:
    """Keep a result, if there is one, unless the visitor has left its photo behind."""
    with visitor.lock:
        if result is not None and visitor.update_of(photo, lambda now: session.finish(now, result, edits)):
            visitor.result_version += 1
