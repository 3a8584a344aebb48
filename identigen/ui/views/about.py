"""The region that says what this is: what happens with photos, what a verdict means, which models, which licences."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from html import escape

from identigen.models import ModelRecord
from identigen.types import Operation
from identigen.ui.house import House
from identigen.ui.icons import icon, logo
from identigen.ui.views.markup import Words, words
from identigen.ui.visitors import Visitor
from identigen.version import VERSION

PROMISES = ("memory", "network", "metadata", "outside", "covered")
LIMITS = ("verdict", "clothes", "groups", "fill")


def about(visitor: Visitor, house: House) -> str:
    """The whole region; empty while the visitor is elsewhere."""
    t = words(visitor)
    if visitor.page != "about":
        return ""
    models = "".join(_model(record, here, t) for record, here in house.models)
    return f"""<section class="about" aria-label="{t("page.about")}">
  <div class="about-head">{logo(56)}<div><h2>IdentiGen {VERSION}</h2><p>{t("about.lead")}</p></div></div>
  <div class="about-cards">{_list("photos", "shield", PROMISES, t)}{_list("limits", "careful", LIMITS, t)}{_operations(house, t)}</div>
  <h3>{t("about.models")}</h3><p class="lead">{t("about.models.lead")}</p>
  <ul class="models">{models}</ul>
</section>"""


def _list(name: str, symbol: str, lines: tuple[str, ...], t: Words) -> str:
    items = "".join(f"<li>{t(f'about.{name}.{line}')}</li>" for line in lines)
    return f"<article><h3>{icon(symbol)}{t(f'about.{name}')}</h3><ul>{items}</ul></article>"


def _operations(house: House, t: Words) -> str:
    """What is done by which engine here, and what is missing for the rest."""
    rows = "".join(
        f"<dt>{t(f'op.{operation.value}')}</dt>"
        f'<dd class="{"here" if available.engine else "not-here"}">{escape(available.engine or t("about.not-here"))}</dd>'
        for operation, available in house.operations.items()
        if operation is not Operation.KEEP
    )
    return f"<article><h3>{icon('more')}{t('about.engines')}</h3><dl>{rows}</dl></article>"


def _model(record: ModelRecord, here: bool, t: Words) -> str:
    state = "here" if here else "not-here"
    return (
        f'<li class="{state}"><b>{escape(record.name)}</b><span>{t.told(record.job)}</span>'
        f"<em>{t.told(record.licence)}</em><i>{t(f'about.{state}')}</i><p>{t.told(record.consequence)}</p></li>"
    )
