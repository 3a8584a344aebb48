"""The one large button, how far the work is, and afterwards the downloads."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from identigen.types import Operation
from identigen.ui.house import House
from identigen.ui.icons import icon
from identigen.ui.session import Session, remaining
from identigen.ui.views.markup import Words, in_seconds, media, progress, words
from identigen.ui.visitors import Visitor


def dock(visitor: Visitor, house: House) -> str:
    """What can be done now: start, wait or stop, take the result along."""
    t, session = words(visitor), visitor.session
    todo = [s for s in visitor.album if s.subjects and not s.finished]
    if visitor.running is not None:
        inside = progress(visitor, t)
    elif session is None or (not todo and session.result is None):
        inside = _run_button(t("run.nobody"), t("people.empty") if session is None else "", enabled=False)
    elif session.finished:
        inside = _finished(visitor, session, todo, t)
    elif len(todo) > 1:
        inside = _ready_album(session, todo, house, t)
    else:
        inside = _ready(session, house, t)
    return f'<section class="dock" aria-live="polite">{inside}</section>'


def _ready(session: Session, house: House, t: Words) -> str:
    todo = remaining(session)[0].edits
    if session.result is not None and len(todo) + len(session.done) == len(session.targets):
        label = t("run.on", len(todo))
    elif session.result is not None:
        label = t("run.again")
    elif session.chosen:
        label = t("run", len(session.chosen))
    else:
        label = t("run.all")
    return _run_button(label, summary([session], house, t), enabled=bool(session.subjects))


def _ready_album(session: Session, todo: Sequence[Session], house: House, t: Words) -> str:
    """All photos at once, or only the one in view."""
    only = f'<button class="chip" type="button" data-run>{t("run.only")}</button>' if session.subjects else ""
    button = _run_button(t("run.album", len(todo)), summary(todo, house, t), scope="all")
    return f"{button}{only}"


def summary(todo: Sequence[Session], house: House, t: Words) -> str:
    """How many people will be changed, how, and how long it will take."""
    counted = Counter(edit.operation for session in todo for edit in remaining(session)[0].edits)
    if not counted:
        return ""
    what = ", ".join(f"{count} × {t(f'op.{operation.value}')}" for operation, count in counted.items())
    seconds = sum(house.seconds.get(operation, 1.0) * count for operation, count in counted.items())
    return f"{what} · {t('run.about', seconds=in_seconds(seconds))}"


def _run_button(label: str, line: str, enabled: bool = True, scope: str = "") -> str:
    return (
        f'<button class="run" type="button" data-run="{scope}"{"" if enabled else " disabled"}>{icon("shield")}{label}</button>'
        f'<p class="summary">{line}</p>'
    )


def _finished(visitor: Visitor, session: Session, todo: Sequence[Session], t: Words) -> str:
    assert session.result is not None
    changed = [outcome for outcome in session.result.outcomes if outcome.applied is not Operation.KEEP]
    links = "".join(
        f'<a class="{style}" href="{media(visitor, f"identigen.{ending}")}" download="identigen.{ending}">{icon_}{label}</a>'
        for ending, label, style, icon_ in (
            ("png", t("download"), "run", icon("download")),
            ("jpg", "JPEG", "chip", ""),
            ("webp", "WebP", "chip", ""),
            ("json", t("download.report"), "chip", ""),
            ("zip", t("download.masks"), "chip", ""),
        )
    )
    seconds = t("result.seconds", seconds=in_seconds(sum(outcome.seconds for outcome in changed)))
    warnings = "".join(f"<li>{t.told(warning)}</li>" for warning in session.result.report.warnings)
    notes = f'<details class="notes"><summary>{t("notes")}</summary><ul>{warnings}</ul></details>' if warnings else ""
    return f"""<p class="summary done">{icon("check")}<b>{t("result.ready", len(changed))}</b> {seconds}</p>
    <div class="downloads" role="group" aria-label="{t("download")}">{links}</div>{_others(visitor, todo, t)}{notes}"""


def _others(visitor: Visitor, todo: Sequence[Session], t: Words) -> str:
    """The other photos of the album: do them too, or take all of them along."""
    if len(visitor.album) < 2:
        return ""
    if todo:
        return f'<button class="soft" type="button" data-run="all">{icon("shield")}{t("run.rest", len(todo))}</button>'
    return f'<a class="soft" href="{media(visitor, "album.zip")}" download="identigen-photos.zip">{icon("download")}{t("download.album")}</a>'
