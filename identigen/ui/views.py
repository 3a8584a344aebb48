"""The page's regions as HTML: pure functions from a visitor to text, so that one look at the state is one look at the page.

What a click shall do stands in `data-do` (and `data-id`, `data-value`); `assets/ui/page.js` sends it to `events.py`.
Everything that does not come from this file or from `text.py` is escaped.
"""

# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Protocol

from identigen.pipeline import Availability
from identigen.types import Operation, Outcome, Subject
from identigen.ui.icons import icon, logo, qr_code
from identigen.ui.overlay import Outline, outline, portrait_box
from identigen.ui.session import ATTRIBUTES, Choice, Session, region_of, remaining
from identigen.ui.text import Language, say
from identigen.ui.visitors import Traced, Visitor

EXAMPLES = ("astronaut", "bus", "zidane")
_GROUPS: tuple[tuple[str, tuple[Operation, ...]], ...] = (
    ("group.identity", (Operation.FACE, Operation.FACE_HAIR, Operation.BODY)),
    ("group.gone", (Operation.REMOVE,)),
    ("group.cover", (Operation.LAYERED, Operation.BLUR, Operation.PIXELATE, Operation.SOLID)),
)


class Say(Protocol):
    """`say` with the visitor's language already given."""

    def __call__(self, key: str, count: int | None = None, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every visitor: what can be done here, how long it takes, what to know about this machine."""

    operations: Mapping[Operation, Availability]
    seconds: Mapping[Operation, float]
    notices: tuple[str, ...] = ()
    kiosk: bool = False
    phone_address: str = ""
    """Where a phone in the same network finds this page; empty when it is not offered to the network."""


def header(visitor: Visitor, house: House) -> str:
    """The line at the top: who we are, where it runs, language and light."""
    t = words(visitor)
    other: Language = "de" if visitor.language == "en" else "en"
    notices = "".join(f"<p>{escape(notice)}</p>" for notice in house.notices)
    return f"""<header class="top" data-language="{visitor.language}" data-page="{visitor.page}"{" data-kiosk" if house.kiosk else ""}>
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


def _pages(visitor: Visitor, t: Say) -> str:
    return "".join(
        f'<button type="button" data-do="page" data-value="{name}" aria-current="{yes(visitor.page == name)}">'
        f"{t(f'page.{name}')}</button>"
        for name in ("work", "compare")
    )


def _phone(house: House, t: Say) -> str:
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


# ---------------------------------------------------------------- the photo


def stage(visitor: Visitor) -> str:
    """The photo with its numbered outlines, or the result with its slider, and where photos come from."""
    t = words(visitor)
    session = visitor.session
    if session is None:
        body = f'<div class="drop">{icon("photo")}<h2>{t("empty.title")}</h2><p>{t("empty.text")}</p></div>'
    elif visitor.view == "result" and session.result is not None:
        body = _comparison(visitor, session, t)
    else:
        body = _photo(visitor, session, t)
    return f"""<section class="stage" id="stage" aria-label="{t("stage")}" data-photo="{visitor.photo_version}">
  {_stage_bar(visitor, t)}
  <div class="canvas">{body}{_veil(visitor, t)}</div>
  {notice(visitor, t)}
  {_sources(t)}
</section>"""


def _stage_bar(visitor: Visitor, t: Say) -> str:
    session = visitor.session
    if session is None:
        return '<div class="bar"></div>'
    result = session.result is not None and visitor.running is None
    views = "".join(
        f'<button type="button" data-do="view" data-value="{name}" aria-pressed="{yes(visitor.view == name)}"'
        f"{'' if name == 'choose' or result else ' disabled'}>{t(f'view.{name}')}</button>"
        for name in ("choose", "result")
    )
    return f"""<div class="bar">
    <div class="segments" role="group" aria-label="{t("view")}">{views}</div>
    <p class="hint">{t("hint.result" if visitor.view == "result" else "hint.choose")}</p>
    {_tool("undo", t("undo"), enabled=bool(session.past))}
    {_tool("redo", t("redo"), enabled=bool(session.future))}
  </div>"""


def _tool(name: str, label: str, enabled: bool) -> str:
    return (
        f'<button class="quiet round" type="button" data-do="{name}" aria-label="{label}" title="{label}"'
        f"{'' if enabled else ' disabled'}>{icon(name)}</button>"
    )


def _photo(visitor: Visitor, session: Session, t: Say) -> str:
    photo, people = session.photo, session.subjects
    outlines = {number: line for number, (_, line) in visitor.outlines.items()}
    shapes = "".join(_shape(session, subject, outlines[subject.id]) for subject in people)
    pins = "".join(_pin(session, subject, outlines[subject.id]) for subject in people)
    alt = t("photo.alt", len(people)) if people else t("photo.alt.none")
    shown = "result.jpg" if visitor.running is not None and session.result is not None else "photo.jpg"
    crowd = " crowd" if len(people) > 12 else ""
    return f"""<figure class="photo{crowd}" data-pick style="--w:{photo.width};--h:{photo.height}">
    <img src="{media(visitor, shown)}" alt="{alt}" draggable="false">
    <svg viewBox="0 0 {photo.width} {photo.height}" aria-hidden="true" preserveAspectRatio="none">{shapes}</svg>
    {pins}
  </figure>"""


def _shape(session: Session, subject: Subject, line: Outline) -> str:
    return f'<path class="{_state(session, subject.id)}" data-id="{subject.id}" fill-rule="evenodd" d="{line.path}"/>'


def _pin(session: Session, subject: Subject, line: Outline) -> str:
    left, top = 100 * line.label[0] / session.photo.width, 100 * line.label[1] / session.photo.height
    return (
        f'<span class="pin {_state(session, subject.id)}" aria-hidden="true" '
        f'style="left:{left:.2f}%;top:max(29px,{top:.2f}%)">{subject.id}</span>'
    )


def _comparison(visitor: Visitor, session: Session, t: Say) -> str:
    photo = session.photo
    return f"""<before-after class="photo" style="--w:{photo.width};--h:{photo.height}"
    focus="{_focus(session)}" before="{media(visitor, "photo.jpg")}" after="{media(visitor, "result.jpg")}"
    text-before="{t("before")}" text-after="{t("after")}" text-slider="{t("slider")}" text-zoom="{t("zoom")}"></before-after>"""


def _focus(session: Session) -> str:
    """Where 200 % looks first, in shares of width and height: at the first person who was changed."""
    for subject in session.subjects:
        if any(edit.subject_id == subject.id for edit in session.done):
            x1, y1, x2, y2 = portrait_box(subject)
            return f"{(x1 + x2) / 2 / session.photo.width:.3f} {(y1 + y2) / 2 / session.photo.height:.3f}"
    return "0.5 0.5"


def _veil(visitor: Visitor, t: Say) -> str:
    if visitor.view != "looking":
        return ""
    text = t("preparing" if visitor.session is None else "looking")
    return f'<div class="veil" role="status"><i class="spinner"></i>{text} …</div>'


def notice(visitor: Visitor, t: Say) -> str:
    """What the visitor has to be told, with a button to put it away."""
    if not visitor.notice:
        return ""
    return f"""<div class="notice" role="alert"><p>{escape(visitor.notice)}</p>
    <button class="quiet round" type="button" data-do="dismiss" aria-label="{t("close")}">{icon("close")}</button></div>"""


def _sources(t: Say) -> str:
    examples = "".join(
        f"""<button class="example" type="button" data-do="example" data-value="{name}">
      <img src="media/example/{name}.jpg" alt=""><span>{t(f"example.{name}")}</span></button>"""
        for name in EXAMPLES
    )
    return f"""<div class="sources">
    <button class="solid" type="button" data-local="upload">{icon("photo")}{t("upload")}</button>
    <button class="soft" type="button" data-local="camera" data-title="{t("camera.title")}"
      data-shoot="{t("camera.shoot")}" data-close="{t("close")}" data-none="{t("camera.none")}">{icon("camera")}{t("camera")}</button>
    <span class="paste">{t("paste")}</span>
    <div class="examples" role="group" aria-label="{t("examples")}"><span aria-hidden="true">{t("examples")}</span>{examples}</div>
  </div>"""


# ---------------------------------------------------------------- the people


def people(visitor: Visitor, house: House) -> str:
    """The panel with one card for each person."""
    t = words(visitor)
    session = visitor.session
    if session is None or visitor.view == "looking":
        text = t("looking") if session else t("people.empty")
        return f'<section class="people" aria-label="{t("people")}"><h2>{t("people")}</h2><p class="none">{text}</p></section>'
    if not session.subjects:
        return (
            f'<section class="people" aria-label="{t("people")}"><h2>{t("people.none")}</h2>'
            f'<p class="none">{t("people.nobody")}</p></section>'
        )
    outcomes = {outcome.subject_id: outcome for outcome in session.result.outcomes} if session.result else {}
    held = {edit.subject_id for edit in session.done}
    cards = "".join(
        _card(visitor, session, house, subject, outcomes.get(subject.id) if subject.id in held else None, t)
        for subject in session.subjects
    )
    chips = "".join(
        f'<button class="chip" type="button" data-do="{name}">{t(name)}</button>' for name in ("all", "none", "invert")
    )
    together = "together.chosen" if session.chosen else "together"
    return f"""<section class="people" aria-label="{t("people")}">
  <div class="people-head"><h2>{t("people", len(session.subjects))}</h2>
    <div class="chips" role="group" aria-label="{t("view.choose")}">{chips}</div></div>
  <label class="together"><span>{t(together)}</span>
    <select data-do="together" data-value=""><option value="">{t("together.pick")}</option>{_options(house, t)}</select></label>
  <ul class="cards" tabindex="-1">{cards}</ul>
</section>"""


def _card(visitor: Visitor, session: Session, house: House, subject: Subject, outcome: Outcome | None, t: Say) -> str:
    number, choice = subject.id, session.choice(subject.id)
    operation = session.operation(number)
    label = t("person.chosen" if choice.chosen else "person.free", number=number)
    is_open = visitor.opened == number
    return f"""<li class="card {_state(session, number)}{" open" if is_open else ""}" data-id="{number}">
    <button class="crop" type="button" data-do="toggle" data-id="{number}" aria-pressed="{yes(choice.chosen)}"
      aria-label="{label}"><img src="{media(visitor, f"{_crop_name(visitor, outcome)}-{number}.jpg")}" alt=""><span>{number}</span></button>
    <div class="what">
      <select data-do="operation" data-id="{number}" data-value="{operation.value}"
        aria-label="{t("operation.of", number=number)}">{_options(house, t, operation)}</select>
      {_word_about(visitor, subject, choice, outcome, t)}
    </div>
    <div class="tools">{_dice(number, operation, outcome is not None, t)}
      <button class="quiet round" type="button" data-do="open" data-id="{number}" aria-expanded="{yes(is_open)}"
        aria-label="{t("details", number=number)}" title="{t("details", number=number)}">{icon("more")}</button></div>
    {_details(visitor, session, subject, outcome, t) if is_open else ""}
  </li>"""


def _crop_name(visitor: Visitor, outcome: Outcome | None) -> str:
    """The card shows what the photo beside it shows."""
    return "after" if outcome is not None and visitor.view == "result" else "face"


def _dice(number: int, operation: Operation, drawn: bool, t: Say) -> str:
    """Another identity: where one was drawn already the new one is drawn at once, the others stay as they are."""
    if not operation.is_synthesis:
        return ""
    label = t("dice", number=number)
    action = f'data-again="{number}"' if drawn else f'data-do="dice" data-id="{number}"'
    return f'<button class="quiet round" type="button" {action} aria-label="{label}" title="{label}">{icon("dice")}</button>'


def _word_about(visitor: Visitor, subject: Subject, choice: Choice, outcome: Outcome | None, t: Say) -> str:
    """One line below the operation: what is going on, else how it came out, else why it was proposed."""
    running = visitor.running
    if running is not None and subject.id in running.waiting:
        if running.current == subject.id:
            return f'<p class="word working"><i class="spinner"></i>{t("state.working")}</p>'
        return f'<p class="word">{t("state.waiting")}</p>'
    if outcome is not None:
        return badge(outcome, t)
    own = f"{t('mask.own')} · " if choice.mask is not None else ""
    if choice.operation is None and subject.reason and subject.default_operation is not Operation.FACE:
        return f'<p class="word" title="{escape(subject.reason)}">{own}{escape(subject.reason)}</p>'
    return f'<p class="word">{own}{t("seed")} {choice.seed}</p>' if subject.face else f'<p class="word">{own}</p>'


def badge(outcome: Outcome, t: Say) -> str:
    """How one person came out, in three words and a colour, with the whole story as its title."""
    if outcome.applied is not outcome.asked:
        text = t("verdict.instead", applied=t(f"op.{outcome.applied.value}"))
        return f'<p class="badge careful" title="{escape(outcome.reason)}">{icon("careful")}{text}</p>'
    if outcome.verdict == "fail":
        return f'<p class="badge bad" title="{_measured(outcome, t)}">{icon("careful")}{t("verdict.fail")}</p>'
    if outcome.applied is Operation.REMOVE:
        return f'<p class="badge good">{icon("check")}{t("verdict.gone")}</p>'
    text = f"{t(f'verdict.{outcome.verdict}')}{_distance(outcome)}"
    return f'<p class="badge good" title="{_measured(outcome, t)}">{icon("check")}{text}</p>'


def _distance(outcome: Outcome) -> str:
    for name, value in outcome.distances.items():
        if value != float("inf"):
            return f" · {value:.2f} &gt; {outcome.thresholds[name]:.2f}"
    return ""


def _measured(outcome: Outcome, t: Say) -> str:
    for name, value in outcome.distances.items():
        if value != float("inf"):
            threshold = f"{outcome.thresholds[name]:.2f}"
            return escape(t(f"verdict.{outcome.verdict}.why", distance=f"{value:.2f}", threshold=threshold))
    return escape(outcome.reason)


def _details(visitor: Visitor, session: Session, subject: Subject, outcome: Outcome | None, t: Say) -> str:
    """What unfolds below a card: strength or area of the operation, the mask, and what was kept."""
    number, choice, operation = subject.id, session.choice(subject.id), session.operation(subject.id)
    rows = []
    if operation.is_synthesis:
        rows += [_offers(visitor, session, number, t), _seed_row(number, choice, t), _strength_row(number, choice, t)]
        rows += [_wish_row(number, choice, name, t) for name in ATTRIBUTES]
    if operation.is_cover:
        rows.append(_segments_row("region", number, choice.region, ("segment", "box"), t))
        rows.append(_segments_row("extent", number, choice.extent, ("face", "head", "person"), t))
    rows.append(_mask_row(visitor, number, choice, t))
    if outcome is not None:
        rows.append(_story(outcome, t))
    return f'<div class="details">{"".join(rows)}</div>'


def _offers(visitor: Visitor, session: Session, number: int, t: Say) -> str:
    """Several identities to pick from."""
    chosen = session.choice(number).seed
    pictures = "".join(
        f'<button class="offer" type="button" data-take="{offer.seed}" data-id="{number}" '
        f'aria-pressed="{yes(offer.seed == chosen)}" aria-label="{t("offer", seed=offer.seed)}">'
        f'<img src="{media(visitor, f"offer-{offer.seed}.jpg")}" alt=""></button>'
        for offer in session.offers
        if offer.subject_id == number
    )
    button = f'<button class="chip" type="button" data-offer="{number}">{icon("dice")}{t("offers")}</button>'
    return f'<div class="offers" role="group" aria-label="{t("offers")}">{pictures}{button}</div>'


def _seed_row(number: int, choice: Choice, t: Say) -> str:
    return f"""<label class="setting"><span>{t("seed")}</span>
      <input type="number" min="0" max="2147483647" value="{choice.seed}" data-do="seed" data-id="{number}"></label>"""


def _strength_row(number: int, choice: Choice, t: Say) -> str:
    return f"""<label class="setting"><span>{t("strength")}</span><span class="range"><small>{t("strength.low")}</small>
      <input type="range" min="0" max="100" step="5" value="{round(100 * choice.strength)}" data-do="strength"
        data-id="{number}"><small>{t("strength.high")}</small></span></label>"""


def _wish_row(number: int, choice: Choice, name: str, t: Say) -> str:
    wish = choice.attributes.get(name, "")
    options = "".join(
        f'<option value="{value}"{" selected" if value == wish else ""}>{t(f"wish.{name}.{value}" if value else "wish.same")}</option>'
        for value in ("", *ATTRIBUTES[name])
    )
    return (
        f'<label class="setting"><span>{t(f"wish.{name}")}</span><select data-do="wish" data-id="{number}" '
        f'data-name="{name}" data-value="{wish}">{options}</select></label>'
    )


def _segments_row(name: str, number: int, value: str, options: Iterable[str], t: Say) -> str:
    buttons = "".join(
        f'<button type="button" data-do="{name}" data-id="{number}" data-value="{option}" '
        f'aria-pressed="{yes(option == value)}">{t(f"{name}.{option}")}</button>'
        for option in options
    )
    return (
        f'<div class="setting"><span>{t(name)}</span><div class="segments small" role="group" aria-label="{t(name)}">'
        f"{buttons}</div></div>"
    )


def _mask_row(visitor: Visitor, number: int, choice: Choice, t: Say) -> str:
    texts = {name: t(f"mask.{name}") for name in ("brush", "eraser", "size", "zoom", "cancel", "done")}
    attributes = " ".join(f'data-{name}="{escape(text)}"' for name, text in texts.items())
    reset = "" if choice.mask is not None else " disabled"
    return f"""<div class="setting mask"><span>{t("mask")}{f" <em>{t('mask.own')}</em>" if choice.mask is not None else ""}</span>
      <div class="chips"><button class="chip" type="button" data-local="paint" data-id="{number}"
        data-photo="{media(visitor, "photo.jpg")}" data-mask="{media(visitor, f"mask-{number}.png")}"
        data-title="{t("mask.title", number=number)}" {attributes}>{icon("brush")}{t("mask.edit")}</button>
      <button class="chip" type="button" data-do="grow" data-id="{number}">{t("mask.grow")}</button>
      <button class="chip" type="button" data-do="shrink" data-id="{number}">{t("mask.shrink")}</button>
      <button class="chip" type="button" data-do="mask-reset" data-id="{number}"{reset}>{t("mask.reset")}</button>
      <a class="chip" href="{media(visitor, f"mask-{number}.png")}" download="mask-{number}.png">{t("mask.export")}</a>
      <button class="chip" type="button" data-local="mask-file" data-id="{number}">{t("mask.import")}</button></div></div>"""


def _story(outcome: Outcome, t: Say) -> str:
    """Why it came out so, and what was kept."""
    why = escape(outcome.reason) or _measured(outcome, t)
    rows = "".join(
        f"<li><b>{_kept_name(name, t)}</b><span>{_value(pair.get('before'))} → {_value(pair.get('after'))}</span></li>"
        for name, pair in outcome.kept.items()
    )
    kept = f'<h3>{t("kept")}</h3><ul class="kept">{rows}</ul>' if rows else ""
    return f'<div class="story">{f"<p>{why}</p>" if why else ""}{kept}</div>'


def _kept_name(name: str, t: Say) -> str:
    try:
        return t(f"kept.{name}")
    except KeyError:  # an attribute that another room has added
        return escape(name.replace("_", " "))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"
    return escape(str(value))


def _options(house: House, t: Say, chosen: Operation | None = None) -> str:
    groups = []
    for key, operations in _GROUPS:
        options = "".join(_option(operation, house.operations.get(operation), chosen, t) for operation in operations)
        groups.append(f'<optgroup label="{t(key)}">{options}</optgroup>')
    return "".join(groups)


def _option(operation: Operation, available: Availability | None, chosen: Operation | None, t: Say) -> str:
    name, selected = t(f"op.{operation.value}"), " selected" if operation is chosen else ""
    if available is None or available.engine is None:
        reason = escape(available.reason) if available else ""
        text = t("op.missing", name=name)
        return f'<option value="{operation.value}" title="{reason}" disabled{selected}>{text}</option>'
    return f'<option value="{operation.value}"{selected}>{name}</option>'


# ---------------------------------------------------------------- the work


def dock(visitor: Visitor, house: House) -> str:
    """The one large button, how far the work is, and afterwards the downloads."""
    t = words(visitor)
    session = visitor.session
    if visitor.running is not None:
        inside = progress(visitor, t)
    elif session is None or not session.subjects:
        inside = _run_button(t("run.nobody"), t("people.empty") if session is None else "", enabled=False)
    elif session.result is not None and not session.stale:
        inside = _finished(visitor, session, t)
    else:
        inside = _ready(session, house, t)
    return f'<section class="dock" aria-live="polite">{inside}</section>'


def _ready(session: Session, house: House, t: Say) -> str:
    if session.result is not None:
        label = t("run.again")
    elif session.chosen:
        label = t("run", len(session.chosen))
    else:
        label = t("run.all")
    return _run_button(label, summary(session, house, t))


def summary(session: Session, house: House, t: Say) -> str:
    """How many people will be changed, how, and how long it will take."""
    counted = Counter(edit.operation for edit in remaining(session)[0].edits)
    if not counted:
        return ""
    what = ", ".join(f"{count} × {t(f'op.{operation.value}')}" for operation, count in counted.items())
    seconds = sum(house.seconds.get(operation, 1.0) * count for operation, count in counted.items())
    return f"{what} · {t('run.about', seconds=_seconds(seconds))}"


def _run_button(label: str, line: str, enabled: bool = True) -> str:
    return (
        f'<button class="run" type="button" data-run{"" if enabled else " disabled"}>{icon("shield")}{label}</button>'
        f'<p class="summary">{line}</p>'
    )


def progress(visitor: Visitor, t: Say) -> str:
    """How far the running work is, and the button that stops it."""
    running = visitor.running
    assert running is not None
    share = 100 * running.done / max(1, running.total)
    left = t("running.left", seconds=_seconds(running.estimate)) if running.estimate else ""
    words = " · ".join(part for part in (t("running", done=running.done, total=running.total), left) if part)
    return f"""<div class="progress"><progress max="{running.total}" value="{running.done}" aria-label="{words}"></progress>
    <i style="width:{share:.0f}%"></i></div>
    <div class="going"><p class="summary">{words}</p>
    <button class="stop" type="button" data-do="stop">{icon("stop")}{t("stop")}</button></div>"""


def _finished(visitor: Visitor, session: Session, t: Say) -> str:
    assert session.result is not None
    changed = [outcome for outcome in session.result.outcomes if outcome.applied is not Operation.KEEP]
    links = "".join(
        f'<a class="{style}" href="{media(visitor, f"identigen.{ending}")}" download="identigen.{ending}">{icon_}{label}</a>'
        for ending, label, style, icon_ in (
            ("png", "PNG", "run", icon("download")),
            ("jpg", "JPEG", "chip", ""),
            ("webp", "WebP", "chip", ""),
            ("json", t("download.report"), "chip", ""),
            ("zip", t("download.masks"), "chip", ""),
        )
    )
    seconds = t("result.seconds", seconds=_seconds(sum(outcome.seconds for outcome in changed)))
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in session.result.report.warnings)
    notes = f'<details class="notes"><summary>{t("notes")}</summary><ul>{warnings}</ul></details>' if warnings else ""
    return f"""<p class="summary done">{icon("check")}<b>{t("result.ready", len(changed))}</b> {seconds}</p>
    <div class="downloads" role="group" aria-label="{t("download")}">{links}</div>{notes}"""


# ---------------------------------------------------------------- small words


def media(visitor: Visitor, name: str) -> str:
    """Address of one of the visitor's own pictures; the version makes the browser fetch a changed one anew."""
    version = f"{visitor.photo_version}.{visitor.result_version}"
    return f"media/{visitor.token}/{name}?{visitor.photo_version if name == 'photo.jpg' else version}"


def outlines_of(session: Session, known: Mapping[int, Traced]) -> dict[int, Traced]:
    """The outline of everybody, by number; only regions that changed since `known` are traced again."""
    traced = {}
    for subject in session.subjects:
        region = region_of(session, subject.id)
        last = known.get(subject.id)
        traced[subject.id] = last if last is not None and last[0] is region else (region, outline(subject, region))
    return traced


def words(visitor: Visitor) -> Say:
    """`say` in the visitor's language."""
    return partial(say, visitor.language)


def _state(session: Session, number: int) -> str:
    """Chosen; meant because nobody was chosen; or left alone because others were."""
    if session.choice(number).chosen:
        return "chosen"
    return "kept" if session.chosen else "meant"


def yes(value: bool) -> str:
    """A truth value as an ARIA attribute writes it."""
    return "true" if value else "false"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 1 else f"{seconds:.0f}"
