"""A comparison in words, and the files to take to a meeting: one HTML page, one table. Pure."""

from __future__ import annotations

import base64
import csv
import io
from functools import partial
from html import escape

from identigen.ui.compare import MEASURED, STARS, Compared, Comparison, Figures, Method, Trial, mean_rating, total
from identigen.ui.icons import logo
from identigen.ui.sentences import translate
from identigen.ui.text import Language, say

_COLUMNS = (
    "photo",
    "method",
    "engine",
    "people",
    "verified",
    "no face left",
    "still recognisable",
    "other method applied",
    "smallest distance",
    "threshold",
    "seconds",
)


def name_of(method: Method, language: Language) -> str:
    """A method as people call it."""
    name = say(language, f"op.{method.operation.value}")
    return f"{name} · {method.engine}" if method.engine else name


def lines_of(figures: Figures, language: Language) -> list[tuple[str, str]]:
    """Figures as pairs of name and value, in the visitor's language."""
    t, f = partial(say, language), figures
    lines = []
    if f.people > f.gone:
        lines.append((t("compare.verified"), f"{f.passed} / {f.people - f.gone}"))
        lines.append((t("compare.distance"), _distance(f)))
    if f.gone:
        lines.append((t("compare.gone"), f"{f.gone} / {f.people}"))
    lines.append((t("compare.seconds"), f"{f.seconds:.1f} s"))
    lines += [(t(f"compare.{name}"), f"{value:.1f}") for name, value in f.changes.items()]
    if f.instead:
        lines.append((t("compare.instead"), str(f.instead)))
    if f.failed:
        lines.append((t("compare.failed"), str(f.failed)))
    return lines


def summary_of(comparison: Comparison, language: Language) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table that sums up each method over all photos."""
    t = partial(say, language)
    columns = ("people", "verified", "gone", "failed", "distance", "seconds", "stars")
    head = ["", *(t(f"compare.{key}") for key in columns)]
    rows = []
    for method in comparison.methods:
        trials = comparison.of_method(method)
        f = total([trial.figures for trial in trials])
        stars = mean_rating(trials)
        counts = [str(number) if number else "-" for number in (f.people, f.passed, f.gone, f.failed)]
        rated = "-" if stars is None else f"{stars:.1f}"
        rows.append([name_of(method, language), *counts, _distance(f), f"{f.seconds:.1f} s", rated])
    return head, rows


def _distance(figures: Figures) -> str:
    if figures.nearest is None:
        return "-"
    threshold = "" if figures.threshold is None else f" (> {figures.threshold:.2f})"
    return f"{figures.nearest:.2f}{threshold}"


# ---------------------------------------------------------------- files to take along


def to_csv(comparison: Comparison) -> str:
    """One row for each photo and method; names of photos are left out, because names of files name people."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*_COLUMNS, *(f"mean change of {name}" for name in MEASURED), "rating", "note", "warnings"))
    for number, compared in enumerate(comparison.photos, start=1):
        for trial in compared.trials:
            writer.writerow([number, *_row(trial)])
    return out.getvalue()


def _row(trial: Trial) -> list[object]:
    f = trial.figures
    counts = [f.people, f.passed, f.gone, f.failed, f.instead]
    measured = [_number(f.nearest), _number(f.threshold), f"{f.seconds:.2f}"]
    measured += [_number(f.changes.get(name)) for name in MEASURED]
    opinion = [trial.rating or "", _plain(trial.note), _plain(" ".join(trial.warnings))]
    return [trial.method.operation.value, " ".join(f.engines), *counts, *measured, *opinion]


def to_html(comparison: Comparison, language: Language) -> str:
    """A page that holds its pictures itself and loads nothing."""
    t = partial(say, language)
    title = escape(t("compare.title"))
    mark = logo(30).replace("var(--brand)", "#0c5c4f").replace("var(--brand-ink)", "#f6f2e7")
    photos = "".join(_photo(compared, n, comparison, language) for n, compared in enumerate(comparison.photos, start=1))
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>IdentiGen - {title}</title><style>{_STYLE}</style>"
        f"<h1>{mark.replace('var(--spark)', '#ffb838')} IdentiGen · {title}</h1>"
        f"{table_of(comparison, language)}{photos}<footer>{escape(t('compare.footer'))}</footer></html>"
    )


def table_of(comparison: Comparison, language: Language) -> str:
    """The summary as an HTML table."""
    head, rows = summary_of(comparison, language)
    cells = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope=row>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    label = escape(say(language, "compare.title"))
    table = f'<table class="sums"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{table}</div>'


def _photo(compared: Compared, number: int, comparison: Comparison, language: Language) -> str:
    t = partial(say, language)
    head = f"<h2>{escape(t('compare.photo', number=number))}</h2>" if len(comparison.photos) > 1 else ""
    cards = [_card(t("compare.original"), compared.original, "", "")]
    for trial in compared.trials:
        rows = "".join(
            f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in lines_of(trial.figures, language)
        )
        stars = f"<p class=stars>{'★' * trial.rating}{'☆' * (STARS - trial.rating)}</p>" if trial.rating else ""
        words = f"{stars}<p>{escape(trial.note)}</p>" if trial.note or stars else ""
        words += "".join(f"<p class=w>{escape(translate(language, warning))}</p>" for warning in trial.warnings)
        cards.append(_card(name_of(trial.method, language), trial.preview, f"<table>{rows}</table>", words))
    return f"{head}<main>{''.join(cards)}</main>"


_STYLE = (
    "body{margin:28px;font:15px/1.5 system-ui,sans-serif;background:#f4f1ea;color:#16211e}"
    "h1{font-size:24px;display:flex;gap:12px;align-items:center}main{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:20px}"
    "article{background:#fffdf8;border-radius:16px;overflow:hidden;break-inside:avoid}img{width:100%;display:block}"
    "article div{padding:8px 18px 16px}h2{margin:28px 0 12px}h3{font-size:18px;margin:8px 0}"
    "table{width:100%;border-collapse:collapse}.scroll{overflow:auto;margin-bottom:24px}"
    ".sums{background:#fffdf8;border-radius:16px}.sums th,.sums td{padding:9px 16px;white-space:nowrap}"
    ".sums tbody th{font-weight:600;color:#16211e}.sums thead th+th{text-align:right}"
    ".sums tbody tr{border-top:1px solid #dcd6c8}"
    "th{text-align:left;font-weight:400;color:#55615c}td{text-align:right;font-weight:600}.stars{color:#7a4b00;font-size:20px}"
    ".w{color:#7a4b00;font-size:13px}footer{margin-top:24px;color:#55615c}"
)


def _card(name: str, picture: bytes, figures: str, words: str) -> str:
    data = base64.b64encode(picture).decode()
    return (
        f'<article><img alt="{escape(name)}" src="data:image/jpeg;base64,{data}"><div><h2>{escape(name)}</h2>'
        f"{figures}{words}</div></article>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    flat = " ".join(text.split())
    return f"'{flat}" if flat[:1] in ("=", "+", "-", "@") else flat
