"""The region for those who judge methods: choose some, see them side by side, rate, take the files along."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from html import escape

from identigen.ui.compare import METHODS, STARS, Compared, Method, Trial, possible
from identigen.ui.exports import lines_of, name_of, table_of
from identigen.ui.house import House
from identigen.ui.icons import icon
from identigen.ui.views.markup import Words, media, notice, progress, words, yes
from identigen.ui.visitors import Visitor


def comparing(visitor: Visitor, house: House) -> str:
    """The whole region; empty while the visitor is anonymising."""
    t = words(visitor)
    if visitor.page != "compare":
        return ""
    photos = sum(bool(session.subjects) for session in visitor.album)
    open_photos = (
        f'<button class="soft" type="button" data-local="upload">{icon("photo")}{t("upload.several")}</button>'
    )
    if not photos:
        text = t("looking") if any(not session.searched for session in visitor.album) else t("compare.none")
        return f"""<section class="compare"><div class="compare-head"><div><h2>{t("compare.title")}</h2><p>{text}</p></div>{open_photos}</div>
  {notice(visitor, t)}</section>"""
    return f"""<section class="compare" aria-label="{t("compare.title")}">
  <div class="compare-head"><div><h2>{t("compare.title")}</h2><p>{t("compare.lead")}</p></div>{open_photos}{_exports(visitor, t)}</div>
  <div class="compare-bar"><div class="chips" role="group" aria-label="{t("compare.methods")}">{_methods(visitor, house, t)}</div>
  {_button(visitor, house, photos, t)}</div>
  {notice(visitor, t)}{_sums(visitor)}{"".join(_photo(visitor, place, c, t) for place, c in enumerate(visitor.comparison.photos))}{_wait(visitor, t)}
</section>"""


def _wait(visitor: Visitor, t: Words) -> str:
    """Before the first comparison: which photos it will be about."""
    if visitor.comparison.photos:
        return ""
    photos = "".join(
        f'<img src="{media(visitor, "thumb.jpg", place)}" alt="{t("compare.photo", number=place + 1)}">'
        for place, session in enumerate(visitor.album)
        if session.subjects
    )
    return f'<div class="compare-wait">{photos}<p>{t("compare.wait")}</p></div>'


def _methods(visitor: Visitor, house: House, t: Words) -> str:
    here = possible(house.operations)
    return "".join(_method(method, visitor) for method in here) + "".join(
        f'<button class="chip" type="button" disabled title="{t.told(available.reason)}">{t(f"op.{operation.value}")}</button>'
        for operation, available in house.operations.items()
        if operation in METHODS and available.engine is None
    )


def _method(method: Method, visitor: Visitor) -> str:
    name = escape(name_of(method, visitor.language))
    return (
        f'<button class="chip" type="button" data-do="method" data-value="{method.key}" '
        f'aria-pressed="{yes(method in visitor.methods)}">{name}</button>'
    )


def _button(visitor: Visitor, house: House, photos: int, t: Words) -> str:
    if visitor.running is not None:
        return f'<div class="compare-run">{progress(visitor, t)}</div>'
    count = sum(method in visitor.methods for method in possible(house.operations))
    label = t("compare.run", number=count) if photos == 1 else t("compare.run.several", number=count, photos=photos)
    return f'<button class="solid" type="button" data-compare{"" if count else " disabled"}>{label}</button>'


def _exports(visitor: Visitor, t: Words) -> str:
    if not visitor.comparison.methods:
        return ""
    return "".join(
        f'<a class="soft" href="{media(visitor, f"comparison.{ending}")}" download="identigen-comparison.{ending}">'
        f"{icon('download')}{t(f'compare.{ending}')}</a>"
        for ending in ("html", "csv")
    )


def _sums(visitor: Visitor) -> str:
    """One line for each method over all photos; with a single photo its cards say the same."""
    several = len(visitor.comparison.photos) > 1 and visitor.comparison.methods
    return table_of(visitor.comparison, visitor.language) if several else ""


def _photo(visitor: Visitor, place: int, compared: Compared, t: Words) -> str:
    head = f"<h3>{t('compare.photo', number=place + 1)}</h3>" if len(visitor.comparison.photos) > 1 else ""
    session = visitor.session_of(compared.photo)
    people = len(session.subjects) if session else "-"
    trials = "".join(_trial(visitor, place, trial, t) for trial in compared.trials)
    return f"""{head}<div class="trials"><article class="trial"><img src="{media(visitor, f"original-{place}.jpg")}" alt="{t("compare.original")}">
    <div><h4>{t("compare.original")}</h4><dl><dt>{t("compare.people")}</dt><dd>{people}</dd><dt>{t("compare.size")}</dt><dd>{compared.photo.width} × {compared.photo.height}</dd></dl></div></article>{trials}</div>"""


def _trial(visitor: Visitor, place: int, trial: Trial, t: Words) -> str:
    name, method = (
        escape(name_of(trial.method, visitor.language)),
        f'data-place="{place}" data-method="{trial.method.key}"',
    )
    figures = "".join(f"<dt>{a}</dt><dd>{escape(b)}</dd>" for a, b in lines_of(trial.figures, visitor.language))
    stars = "".join(
        f'<button class="star{" lit-star" if number <= trial.rating else ""}" type="button" data-do="rate" '
        f'{method} data-value="{number}" aria-pressed="{yes(number == trial.rating)}" '
        f'aria-label="{name}: {t("compare.rating", number=number)}">{icon("star")}</button>'
        for number in range(1, STARS + 1)
    )
    warnings = "".join(f'<p class="word">{t.told(warning)}</p>' for warning in trial.warnings)
    picture = media(visitor, f"trial-{place}-{trial.method.key}.jpg")
    return f"""<article class="trial"><img src="{picture}" alt="{name}">
    <div><h4>{name}</h4><dl>{figures}</dl>{warnings}<div class="opinion"><div class="stars" role="group" aria-label="{t("compare.stars")}">{stars}</div>
    <textarea rows="2" data-do="note" {method} aria-label="{t("compare.note", name=name)}"
      placeholder="{t("compare.note.hint")}" maxlength="2000">{escape(trial.note)}</textarea></div></div></article>"""
