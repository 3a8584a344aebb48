"""The line at the top and the line at the bottom."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from html import escape

from identigen.ui.house import House
from identigen.ui.icons import icon, logo, qr_code
from identigen.ui.text import Language
from identigen.ui.views.markup import Words, words, yes
from identigen.ui.visitors import Visitor


def header(visitor: Visitor, house: House) -> str:
    """The line at the top: who we are, where it runs, language and light."""
    t = words(visitor)
    other: Language = "de" if visitor.language == "en" else "en"
    notices = "".join(f"<p>{t.told(notice)}</p>" for notice in house.notices)
    return f"""<header class="top" data-language="{visitor.language}" data-page="{visitor.page}" data-limit="{house.max_bytes}"{" data-kiosk" if visitor.kiosk else ""}>
  <a class="skip" href="#stage">{t("skip")}</a>
  <h1 class="brand">{logo()}<span>Identi<b>Gen</b></span></h1>
  <p class="claim">{t("claim")}</p>
  <nav class="pages" aria-label="{t("pages")}">{_pages(visitor, t)}</nav>
  {_phone(house, t)}
  <details class="drawer engine"><summary><i></i>{t("engine")}</summary><div><p>{t("engine.why")}</p>{notices}</div></details>
  <button class="quiet word" type="button" data-do="language" data-value="{other}" lang="{other}"
    aria-label="{t("switch-language")}"><span class="long">{t("switch-language")}</span><span class="short"
    >{other.upper()}</span></button>
  <button class="quiet round" type="button" data-local="theme" aria-label="{t("theme")}" title="{t("theme")}"
    ><span class="by-day">{icon("moon")}</span><span class="by-night">{icon("sun")}</span></button>
</header>"""


def _pages(visitor: Visitor, t: Words) -> str:
    return "".join(
        f'<button type="button" data-do="page" data-value="{name}" aria-current="{yes(visitor.page == name)}">'
        f"{t(f'page.{name}')}</button>"
        for name in ("work", "compare", "about")
    )


def _phone(house: House, t: Words) -> str:
    """The way to join with a phone: a QR code that opens on a press."""
    if not house.phone_address:
        return ""
    return (
        f'<details class="drawer phone"><summary>{icon("phone")}{t("phone")}</summary><div>{qr_code(house.phone_address)}'
        f"<p>{escape(house.phone_address)}</p></div></details>"
    )


def footer(visitor: Visitor) -> str:
    """The promise about photos, always in sight, and the way for programs."""
    t = words(visitor)
    return (
        f'<footer class="foot"><p>{icon("shield")}{t("welcome")}</p>'
        f'<a href="?view=api" target="_blank" rel="noopener">{t("api")}</a></footer>'
    )
