"""Photos through several methods, side by side: pictures, figures and what the visitor thinks of them. Pure.

A trial keeps a preview, not the whole photo: six methods of a large photo would fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from identigen.pipeline import Availability
from identigen.types import Operation, Outcome, Photo

METHODS = (
    Operation.FACE,
    Operation.FACE_HAIR,
    Operation.BODY,
    Operation.REMOVE,
    Operation.LAYERED,
    Operation.BLUR,
    Operation.PIXELATE,
    Operation.SOLID,
)
STARS = 5
NOTE_LENGTH = 2000
MEASURED = ("apparent_age", "skin_tone_ita", "yaw")


@dataclass(frozen=True, slots=True)
class Method:
    """An operation, and the engine that must do it where more than one can."""

    operation: Operation
    engine: str = ""

    @property
    def key(self) -> str:
        """By what the page names it."""
        return f"{self.operation.value}@{self.engine}" if self.engine else self.operation.value

    @property
    def order(self) -> tuple[int, str]:
        return METHODS.index(self.operation), self.engine


FIRST_CHOICE = frozenset(map(Method, (Operation.FACE, Operation.LAYERED, Operation.PIXELATE, Operation.REMOVE)))


def method_of(key: str) -> Method:
    """The method that is named by `key`; raise `ValueError` for a name of nothing."""
    operation, _, engine = key.partition("@")
    return Method(Operation(operation), engine)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one method, over everybody whom it changed.

    `engines` are those that took part; `nearest` is the smallest distance of a new face to its source and `threshold`
    what it had to reach, which is less for some people (both None where no face is left); `changes` is the mean
    absolute change of each attribute that should stay.
    """

    people: int
    passed: int
    gone: int
    """No face is left that could be measured."""
    failed: int
    instead: int
    nearest: float | None
    threshold: float | None
    seconds: float
    engines: tuple[str, ...] = ()
    changes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """One photo through one method: its picture as a JPEG, what was measured, and what the visitor thinks of it."""

    method: Method
    preview: bytes
    figures: Figures
    warnings: tuple[str, ...] = ()
    rating: int = 0
    note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Compared:
    """One photo, as a JPEG, and its trials."""

    photo: Photo
    original: bytes
    trials: tuple[Trial, ...] = ()

    def trial(self, method: Method) -> Trial | None:
        return next((trial for trial in self.trials if trial.method == method), None)


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """All photos that were compared, in the order in which they were opened."""

    photos: tuple[Compared, ...] = ()

    @property
    def methods(self) -> tuple[Method, ...]:
        """Every method that was tried on some photo."""
        found = {trial.method for compared in self.photos for trial in compared.trials}
        return tuple(sorted(found, key=lambda method: method.order))

    def of(self, photo: Photo) -> Compared | None:
        return next((compared for compared in self.photos if compared.photo is photo), None)

    def of_method(self, method: Method) -> tuple[Trial, ...]:
        """The trials of one method, over all photos."""
        return tuple(trial for compared in self.photos for trial in compared.trials if trial.method == method)


def possible(operations: Mapping[Operation, Availability]) -> list[Method]:
    """Every method that can be tried here: each operation by its best engine, then by the others that know it."""
    found = []
    for operation in METHODS:
        available = operations.get(operation)
        if available is not None and available.engine is not None:
            found += [Method(operation), *(Method(operation, engine) for engine in available.others)]
    return found


def measure(outcomes: Sequence[Outcome]) -> Figures:
    """Sum up outcomes of one method."""
    changed = [outcome for outcome in outcomes if outcome.applied is not Operation.KEEP]
    nearest, threshold = _nearest(
        (distance, outcome.thresholds[name]) for outcome in changed for name, distance in outcome.distances.items()
    )
    return Figures(
        people=len(changed),
        passed=sum(outcome.verdict == "pass" for outcome in changed),
        gone=sum(outcome.verdict == "not-applicable" for outcome in changed),
        failed=sum(outcome.verdict == "fail" for outcome in changed),
        instead=sum(outcome.applied is not outcome.asked for outcome in changed),
        nearest=nearest,
        threshold=threshold,
        seconds=sum(outcome.seconds for outcome in changed),
        engines=tuple(sorted({outcome.engine for outcome in changed})),
        changes=MappingProxyType({name: _mean_change(changed, name) for name in MEASURED if _has(changed, name)}),
    )


def total(figures: Sequence[Figures]) -> Figures:
    """Sum up the figures of several photos; changes of attributes are left out, their means would need the people."""
    nearest, threshold = _nearest((f.nearest, f.threshold) for f in figures)
    return Figures(
        people=sum(f.people for f in figures),
        passed=sum(f.passed for f in figures),
        gone=sum(f.gone for f in figures),
        failed=sum(f.failed for f in figures),
        instead=sum(f.instead for f in figures),
        nearest=nearest,
        threshold=threshold,
        seconds=sum(f.seconds for f in figures),
        engines=tuple(sorted({engine for f in figures for engine in f.engines})),
    )


def with_photo(comparison: Comparison, photo: Photo, original: bytes) -> Comparison:
    """Add a photo; one that is there already keeps its trials."""
    if comparison.of(photo) is not None:
        return comparison
    return replace(comparison, photos=(*comparison.photos, Compared(photo, original)))


def with_trial(comparison: Comparison, photo: Photo, trial: Trial) -> Comparison:
    """Add a trial of a photo; an earlier one of the same method gives it its rating and note."""

    def added(compared: Compared) -> Compared:
        before = compared.trial(trial.method)
        new = trial if before is None else replace(trial, rating=before.rating, note=before.note)
        kept = [other for other in compared.trials if other.method != trial.method]
        return replace(compared, trials=tuple(sorted([*kept, new], key=lambda t: t.method.order)))

    return replace(comparison, photos=tuple(added(c) if c.photo is photo else c for c in comparison.photos))


def rate(comparison: Comparison, place: int, method: Method, rating: int) -> Comparison:
    """Give a trial of the photo at `place` one to five stars; the same number again takes them back."""
    if not 1 <= rating <= STARS:
        raise ValueError(f"a rating lies between 1 and {STARS}")
    return _changed(comparison, place, method, lambda t: replace(t, rating=0 if t.rating == rating else rating))


def annotate(comparison: Comparison, place: int, method: Method, note: str) -> Comparison:
    """Write down what the visitor thinks of a trial."""
    return _changed(comparison, place, method, lambda trial: replace(trial, note=note[:NOTE_LENGTH]))


def mean_rating(trials: Sequence[Trial]) -> float | None:
    """The mean of the ratings that were given; None where none was."""
    given = [trial.rating for trial in trials if trial.rating]
    return sum(given) / len(given) if given else None


def _changed(comparison: Comparison, place: int, method: Method, step: Callable[[Trial], Trial]) -> Comparison:
    if not 0 <= place < len(comparison.photos) or comparison.photos[place].trial(method) is None:
        raise ValueError("this method was not tried")
    photos = list(comparison.photos)
    trials = tuple(step(t) if t.method == method else t for t in photos[place].trials)
    photos[place] = replace(photos[place], trials=trials)
    return replace(comparison, photos=tuple(photos))


def _nearest(measured: Iterable[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """The smallest distance that was `measured`, with the threshold that goes with it; None twice where none was."""
    known = [(distance, least) for distance, least in measured if distance is not None and distance < float("inf")]
    return min(known, key=lambda pair: pair[0], default=(None, None))


def _has(outcomes: Sequence[Outcome], name: str) -> bool:
    return any(name in outcome.kept for outcome in outcomes)


def _mean_change(outcomes: Sequence[Outcome], name: str) -> float:
    pairs = [outcome.kept[name] for outcome in outcomes if name in outcome.kept]
    return float(np.mean([abs(float(pair["after"]) - float(pair["before"])) for pair in pairs]))
