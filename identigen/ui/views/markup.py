"""What all regions share: the visitor's language, addresses of pictures, and a few pieces of markup."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from identigen.ui.icons import icon
from identigen.ui.sentences import translate
from identigen.ui.text import Language, say
from identigen.ui.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Words:
    """What the page says to one visitor, in their language."""

    language: Language

    def __call__(self, key: str, count: int | None = None, **values: object) -> str:
        """One of the page's own texts."""
        return say(self.language, key, count, **values)

    def told(self, sentence: str) -> str:
        """A sentence of another room, translated and escaped."""
        return escape(translate(self.language, sentence))


def words(visitor: Visitor) -> Words:
    """The words of this visitor."""
    return Words(visitor.language)


def media(visitor: Visitor, name: str, place: int | None = None) -> str:
    """Address of one of the visitor's own pictures; the version makes the browser fetch a changed one anew."""
    version = f"{visitor.photo_version}.{visitor.result_version}"
    fixed = name.startswith(("photo.", "thumb."))
    where = visitor.place if place is None else place
    return f"media/{visitor.token}/{where}/{name}?{visitor.photo_version if fixed else version}"


def notice(visitor: Visitor, t: Words) -> str:
    """What the visitor has to be told, with a button to put it away."""
    if not visitor.notice:
        return ""
    return f"""<div class="notice" role="alert"><p>{t.told(visitor.notice)}</p>
    <button class="quiet round" type="button" data-do="dismiss" aria-label="{t("close")}">{icon("close")}</button></div>"""


def progress(visitor: Visitor, t: Words) -> str:
    """How far the running work is, and the button that stops it."""
    running = visitor.running
    assert running is not None
    share = 100 * running.done / max(1, running.total)
    left = t("running.left", seconds=in_seconds(running.estimate)) if running.estimate else ""
    line = " · ".join(part for part in (t("running", done=running.done, total=running.total), left) if part)
    return f"""<div class="progress"><progress max="{max(1, running.total)}" value="{running.done}" aria-label="{line}"></progress>
    <i style="width:{share:.0f}%"></i></div>
    <div class="going"><p class="summary">{line}</p>
    <button class="stop" type="button" data-do="stop">{icon("stop")}{t("stop")}</button></div>"""


def yes(value: bool) -> str:
    """A truth value as an ARIA attribute writes it."""
    return "true" if value else "false"


def in_seconds(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.1f}" if seconds < 1 else f"{seconds:.0f}"
