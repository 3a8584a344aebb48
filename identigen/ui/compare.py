"""One photo through several methods, side by side: figures, ratings, and files to take to a meeting. Pure.

A trial keeps a preview and its figures, not the whole photo: six methods of a large photo would fill the memory.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from types import MappingProxyType

import numpy as np

from identigen.types import Operation, Outcome, Photo
from identigen.ui.icons import logo
from identigen.ui.text import Language, say

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
FIRST_CHOICE = frozenset({Operation.FACE, Operation.LAYERED, Operation.PIXELATE, Operation.REMOVE})
STARS = 5
NOTE_LENGTH = 2000
_COLUMNS = (
    "method",
    "people",
    "verified",
    "still recognisable",
    "other method applied",
    "smallest distance",
    "threshold",
    "seconds",
)
_MEASURED = ("apparent_age", "skin_tone_ita", "yaw")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one method, over everybody whom it changed.

    `nearest` is the smallest distance of a new face to its source (None where no face is left), `changes` the mean
    absolute change of each attribute that should stay.
    """

    people: int
    passed: int
    failed: int
    instead: int
    nearest: float | None
    threshold: float | None
    seconds: float
    changes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """One method: its picture as a JPEG, its figures, and what the visitor thinks of it."""

    operation: Operation
    preview: bytes
    figures: Figures
    warnings: tuple[str, ...] = ()
    rating: int = 0
    note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """All trials of one photo, and the photo itself as a JPEG."""

    photo: Photo
    original: bytes
    trials: tuple[Trial, ...] = ()

    def trial(self, operation: Operation) -> Trial | None:
        return next((trial for trial in self.trials if trial.operation is operation), None)


def measure(outcomes: Sequence[Outcome]) -> Figures:
    """Sum up the outcomes of one method."""
    changed = [outcome for outcome in outcomes if outcome.applied is not Operation.KEEP]
    distances = [v for outcome in changed for v in outcome.distances.values() if v != float("inf")]
    thresholds = [v for outcome in changed for v in outcome.thresholds.values()]
    return Figures(
        people=len(changed),
        passed=sum(outcome.verdict == "pass" for outcome in changed),
        failed=sum(outcome.verdict == "fail" for outcome in changed),
        instead=sum(outcome.applied is not outcome.asked for outcome in changed),
        nearest=min(distances, default=None),
        threshold=max(thresholds, default=None),
        seconds=sum(outcome.seconds for outcome in changed),
        changes=MappingProxyType({name: _mean_change(changed, name) for name in _MEASURED if _has(changed, name)}),
    )


def with_trial(comparison: Comparison, trial: Trial) -> Comparison:
    """Add a trial; an earlier one of the same method gives it its rating and note."""
    before = comparison.trial(trial.operation)
    if before is not None:
        trial = replace(trial, rating=before.rating, note=before.note)
    kept = [other for other in comparison.trials if other.operation is not trial.operation]
    return replace(comparison, trials=tuple(sorted([*kept, trial], key=lambda t: METHODS.index(t.operation))))


def rate(comparison: Comparison, operation: Operation, rating: int) -> Comparison:
    """Give a method one to five stars; the same number again takes them back."""
    if not 1 <= rating <= STARS:
        raise ValueError(f"a rating lies between 1 and {STARS}")
    return _changed(comparison, operation, lambda t: replace(t, rating=0 if t.rating == rating else rating))


def annotate(comparison: Comparison, operation: Operation, note: str) -> Comparison:
    """Write down what the visitor thinks of a method."""
    return _changed(comparison, operation, lambda trial: replace(trial, note=note[:NOTE_LENGTH]))


def lines_of(trial: Trial, language: Language) -> list[tuple[str, str]]:
    """The figures of a trial as pairs of name and value, in the visitor's language."""
    t, f = partial(say, language), trial.figures
    nearest = "-" if f.nearest is None else f"{f.nearest:.2f}"
    if f.nearest is not None and f.threshold is not None:
        nearest += f" (> {f.threshold:.2f})"
    lines = [
        (t("compare.verified"), f"{f.passed} / {f.people}"),
        (t("compare.distance"), nearest),
        (t("compare.seconds"), f"{f.seconds:.1f} s"),
    ]
    lines += [(t(f"compare.{name}"), f"{value:.1f}") for name, value in f.changes.items()]
    if f.instead:
        lines.append((t("compare.instead"), str(f.instead)))
    if f.failed:
        lines.append((t("compare.failed"), str(f.failed)))
    return lines


def to_csv(comparison: Comparison) -> str:
    """One row for each method; the photo's name is left out, because names of files name people."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*_COLUMNS, *(f"mean change of {name}" for name in _MEASURED), "rating", "note", "warnings"))
    for trial in comparison.trials:
        f = trial.figures
        row = [trial.operation.value, f.people, f.passed, f.failed, f.instead, _number(f.nearest), _number(f.threshold)]
        row += [f"{f.seconds:.2f}", *(_number(f.changes.get(name)) for name in _MEASURED), trial.rating or ""]
        writer.writerow([*row, _plain(trial.note), _plain(" ".join(trial.warnings))])
    return out.getvalue()


def to_html(comparison: Comparison, language: Language) -> str:
    """A page that holds its pictures itself and loads nothing."""
    t = partial(say, language)
    cards = [_card(t("compare.original"), comparison.original, "", "")]
    for trial in comparison.trials:
        rows = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in lines_of(trial, language))
        stars = f"<p class=stars>{'★' * trial.rating}{'☆' * (STARS - trial.rating)}</p>" if trial.rating else ""
        words = f"{stars}<p>{escape(trial.note)}</p>" if trial.note or stars else ""
        words += "".join(f"<p class=w>{escape(warning)}</p>" for warning in trial.warnings)
        cards.append(_card(t(f"op.{trial.operation.value}"), trial.preview, f"<table>{rows}</table>", words))
    title = escape(t("compare.title"))
    mark = logo(30).replace("var(--brand)", "#0c5c4f").replace("var(--brand-ink)", "#f6f2e7")
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>IdentiGen - {title}</title><style>{_STYLE}</style>"
        f"<h1>{mark.replace('var(--spark)', '#ffb838')} IdentiGen · {title}</h1><main>{''.join(cards)}</main>"
        f"<footer>{escape(t('compare.footer'))}</footer></html>"
    )


_STYLE = (
    "body{margin:28px;font:15px/1.5 system-ui,sans-serif;background:#f4f1ea;color:#16211e}"
    "h1{font-size:24px;display:flex;gap:12px;align-items:center}main{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:20px}"
    "article{background:#fffdf8;border-radius:16px;overflow:hidden;break-inside:avoid}img{width:100%;display:block}"
    "div{padding:8px 18px 16px}h2{font-size:18px;margin:8px 0}table{width:100%;border-collapse:collapse}"
    "th{text-align:left;font-weight:400;color:#55615c}td{text-align:right;font-weight:600}.stars{color:#7a4b00;font-size:20px}"
    ".w{color:#7a4b00;font-size:13px}footer{margin-top:24px;color:#55615c}"
)


def _card(name: str, picture: bytes, figures: str, words: str) -> str:
    data = base64.b64encode(picture).decode()
    return (
        f'<article><img alt="{escape(name)}" src="data:image/jpeg;base64,{data}"><div><h2>{escape(name)}</h2>'
        f"{figures}{words}</div></article>"
    )


def _changed(comparison: Comparison, operation: Operation, step: Callable[[Trial], Trial]) -> Comparison:
    if comparison.trial(operation) is None:
        raise ValueError("this method was not tried")
    trials = tuple(step(t) if t.operation is operation else t for t in comparison.trials)
    return replace(comparison, trials=trials)


def _has(outcomes: Sequence[Outcome], name: str) -> bool:
    return any(name in outcome.kept for outcome in outcomes)


def _mean_change(outcomes: Sequence[Outcome], name: str) -> float:
    pairs = [outcome.kept[name] for outcome in outcomes if name in outcome.kept]
    return float(np.mean([abs(float(pair["after"]) - float(pair["before"])) for pair in pairs]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    flat = " ".join(text.split())
    return f"'{flat}" if flat[:1] in ("=", "+", "-", "@") else flat
