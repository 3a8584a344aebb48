"""The region for those who judge methods, as HTML; the other regions are in `views.py`."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from html import escape

from identigen.types import Operation
from identigen.ui.compare import METHODS, STARS, Trial, lines_of
from identigen.ui.icons import icon
from identigen.ui.views import House, Say, media, notice, progress, words, yes
from identigen.ui.visitors import Visitor


def comparing(visitor: Visitor, house: House) -> str:
    """The page for those who judge methods: choose some, see them side by side, rate, take the file along."""
    t = words(visitor)
    if visitor.page != "compare":
        return ""
    session = visitor.session
    if session is None or not session.subjects:
        return f'<section class="compare"><h2>{t("compare.title")}</h2><p>{t("compare.none")}</p></section>'
    chips = "".join(_method(operation, visitor, house, t) for operation in METHODS)
    count = len(_possible(visitor, house))
    if visitor.running is not None:
        button = f'<div class="compare-run">{progress(visitor, t)}</div>'
    else:
        label = t("compare.run", number=count)
        button = f'<button class="solid" type="button" data-compare{"" if count else " disabled"}>{label}</button>'
    return f"""<section class="compare" aria-label="{t("compare.title")}">
  <div class="compare-head"><div><h2>{t("compare.title")}</h2><p>{t("compare.lead")}</p></div>{_exports(visitor, t)}</div>
  <div class="compare-bar"><div class="chips" role="group" aria-label="{t("compare.methods")}">{chips}</div>{button}</div>
  {notice(visitor, t)}
  <div class="trials">{_trials(visitor, t)}</div>
</section>"""


def _method(operation: Operation, visitor: Visitor, house: House, t: Say) -> str:
    available, name = house.operations.get(operation), t(f"op.{operation.value}")
    if available is None or available.engine is None:
        reason = escape(available.reason) if available else ""
        return f'<button class="chip" type="button" data-do="method" disabled title="{reason}">{name}</button>'
    pressed = yes(operation in visitor.methods)
    return (
        f'<button class="chip" type="button" data-do="method" data-value="{operation.value}" aria-pressed="{pressed}">'
        f"{name}</button>"
    )


def _possible(visitor: Visitor, house: House) -> list[Operation]:
    """The chosen methods that some engine can do here."""
    return [o for o in METHODS if o in visitor.methods and o in house.operations and house.operations[o].engine]


def _exports(visitor: Visitor, t: Say) -> str:
    if visitor.comparison is None or not visitor.comparison.trials:
        return ""
    return "".join(
        f'<a class="soft" href="{media(visitor, f"comparison.{ending}")}" download="identigen-comparison.{ending}">'
        f"{icon('download')}{t(f'compare.{ending}')}</a>"
        for ending in ("html", "csv")
    )


def _trials(visitor: Visitor, t: Say) -> str:
    comparison, session = visitor.comparison, visitor.session
    if comparison is None or session is None or comparison.photo is not session.photo:
        return ""
    original = f"""<article class="trial"><img src="{media(visitor, "photo.jpg")}" alt="{t("compare.original")}">
    <div><h3>{t("compare.original")}</h3></div></article>"""
    return original + "".join(_trial(visitor, trial, t) for trial in comparison.trials)


def _trial(visitor: Visitor, trial: Trial, t: Say) -> str:
    name, value = t(f"op.{trial.operation.value}"), trial.operation.value
    figures = "".join(f"<dt>{a}</dt><dd>{escape(b)}</dd>" for a, b in lines_of(trial, visitor.language))
    stars = "".join(
        f'<button class="star{" lit-star" if number <= trial.rating else ""}" type="button" data-do="rate" '
        f'data-operation="{value}" data-value="{number}" aria-pressed="{yes(number == trial.rating)}" '
        f'aria-label="{name}: {t("compare.rating", number=number)}">{icon("star")}</button>'
        for number in range(1, STARS + 1)
    )
    warnings = "".join(f'<p class="word">{escape(warning)}</p>' for warning in trial.warnings)
    return f"""<article class="trial"><img src="{media(visitor, f"trial-{METHODS.index(trial.operation)}.jpg")}" alt="{name}">
    <div><h3>{name}</h3><dl>{figures}</dl>{warnings}<div class="stars">{stars}</div>
    <textarea rows="2" data-do="note" data-operation="{value}" aria-label="{t("compare.note", name=name)}"
      placeholder="{t("compare.note.hint")}" maxlength="2000">{escape(trial.note)}</textarea></div></article>"""
