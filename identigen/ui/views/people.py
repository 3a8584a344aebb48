"""The panel with one card for each person."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from identigen.pipeline import Availability
from identigen.types import Operation, Outcome, Subject
from identigen.ui.house import House
from identigen.ui.icons import icon
from identigen.ui.session import DEFAULT_SEED, Choice, Session, state_of
from identigen.ui.views.details import details, measured
from identigen.ui.views.markup import Words, media, words, yes
from identigen.ui.visitors import Visitor

_GROUPS: tuple[tuple[str, tuple[Operation, ...]], ...] = (
    ("group.identity", (Operation.FACE, Operation.FACE_HAIR, Operation.BODY)),
    ("group.gone", (Operation.REMOVE,)),
    ("group.cover", (Operation.LAYERED, Operation.BLUR, Operation.PIXELATE, Operation.SOLID)),
)


def people(visitor: Visitor, house: House) -> str:
    """The panel with one card for each person."""
    t = words(visitor)
    session = visitor.session
    if session is None or not session.searched:
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
  {_missing(house, t)}
</section>"""


def _card(visitor: Visitor, session: Session, house: House, subject: Subject, outcome: Outcome | None, t: Words) -> str:
    number, choice = subject.id, session.choice(subject.id)
    operation = session.operation(number)
    label = t("person.chosen" if choice.chosen else "person.free", number=number)
    is_open = visitor.opened == number
    return f"""<li class="card {state_of(session, number)}{" open" if is_open else ""}" data-id="{number}">
    <button class="crop" type="button" data-do="toggle" data-id="{number}" aria-pressed="{yes(choice.chosen)}"
      aria-label="{label}"><img src="{media(visitor, f"{_crop_name(visitor, outcome)}_{number}.jpg")}" alt=""><span>{number}</span></button>
    <div class="what">
      <select data-do="operation" data-id="{number}" data-value="{operation.value}"
        aria-label="{t("operation.of", number=number)}">{_options(house, t, operation)}</select>
      {_word_about(visitor, subject, choice, outcome, t)}
    </div>
    <div class="tools">{_dice(number, operation, outcome is not None, t)}
      <button class="quiet round" type="button" data-do="open" data-id="{number}" aria-expanded="{yes(is_open)}"
        aria-label="{t("details", number=number)}" title="{t("details", number=number)}">{icon("more")}</button></div>
    {details(visitor, session, subject, outcome, t) if is_open else ""}
  </li>"""


def _crop_name(visitor: Visitor, outcome: Outcome | None) -> str:
    """The card shows what the photo beside it shows."""
    return "after" if outcome is not None and visitor.view == "result" else "face"


def _dice(number: int, operation: Operation, drawn: bool, t: Words) -> str:
    """Another identity: where one was drawn already the new one is drawn at once, the others stay as they are."""
    if not operation.is_synthesis:
        return ""
    label = t("dice", number=number)
    action = f'data-again="{number}"' if drawn else f'data-do="dice" data-id="{number}"'
    return f'<button class="quiet round" type="button" {action} aria-label="{label}" title="{label}">{icon("dice")}</button>'


def _word_about(visitor: Visitor, subject: Subject, choice: Choice, outcome: Outcome | None, t: Words) -> str:
    """One line below the operation: what is going on, else how it came out, else why it was proposed."""
    running = visitor.running
    if running is not None and running.photo is visitor.require().photo and subject.id in running.waiting:
        if running.current == subject.id:
            return f'<p class="word working"><i class="spinner"></i>{t("state.working")}</p>'
        return f'<p class="word">{t("state.waiting")}</p>'
    if outcome is not None:
        return badge(outcome, t)
    parts = [t("mask.own")] if choice.mask is not None else []
    if choice.operation is None and subject.reason and subject.default_operation is not Operation.FACE:
        parts.append(t.told(subject.reason))
    elif choice.seed != DEFAULT_SEED and (choice.operation or subject.default_operation).is_synthesis:
        parts.append(f"{t('seed')} {choice.seed}")
    line = " · ".join(parts)
    return f'<p class="word" title="{line}">{line}</p>' if line else ""


def badge(outcome: Outcome, t: Words) -> str:
    """How one person came out, in three words and a colour, with the whole story as its title."""
    if outcome.applied is not outcome.asked:
        text = t("verdict.instead", applied=t(f"op.{outcome.applied.value}"))
        return f'<p class="badge careful" title="{t.told(outcome.reason)}">{icon("careful")}{text}</p>'
    if outcome.verdict == "fail":
        return f'<p class="badge bad" title="{measured(outcome, t)}">{icon("careful")}{t("verdict.fail")}</p>'
    if outcome.applied is Operation.REMOVE:
        return f'<p class="badge good">{icon("check")}{t("verdict.gone")}</p>'
    text = f"{t(f'verdict.{outcome.verdict}')}{_distance(outcome)}"
    return f'<p class="badge good" title="{t.told(outcome.reason) or measured(outcome, t)}">{icon("check")}{text}</p>'


def _distance(outcome: Outcome) -> str:
    for name, value in outcome.distances.items():
        if value != float("inf"):
            return f" · {value:.2f} &gt; {outcome.thresholds[name]:.2f}"
    return ""


def _options(house: House, t: Words, chosen: Operation | None = None) -> str:
    groups = []
    for key, operations in _GROUPS:
        options = "".join(_option(operation, house.operations.get(operation), chosen, t) for operation in operations)
        groups.append(f'<optgroup label="{t(key)}">{options}</optgroup>')
    return "".join(groups)


def _option(operation: Operation, available: Availability | None, chosen: Operation | None, t: Words) -> str:
    name, selected = t(f"op.{operation.value}"), " selected" if operation is chosen else ""
    if available is None or available.engine is None:
        reason = t.told(available.reason) if available else ""
        text = t("op.missing", name=name)
        return f'<option value="{operation.value}" title="{reason}" disabled{selected}>{text}</option>'
    return f'<option value="{operation.value}"{selected}>{name}</option>'


def _missing(house: House, t: Words) -> str:
    """What cannot be done here, why, and what would help: a title on a greyed-out line is not seen on a phone."""
    reasons: dict[str, list[str]] = {}
    for operation, available in house.operations.items():
        if available.engine is None:
            reasons.setdefault(available.reason, []).append(t(f"op.{operation.value}"))
    if not reasons:
        return ""
    lines = "".join(f"<p><b>{', '.join(names)}</b><br>{t.told(reason)}</p>" for reason, names in reasons.items())
    return f'<details class="notes missing"><summary>{t("missing")}</summary>{lines}</details>'
