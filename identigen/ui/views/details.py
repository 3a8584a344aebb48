"""What unfolds below a person's card: identity, strength, area, mask, and what was kept."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from identigen.types import Outcome, Subject
from identigen.ui.icons import icon
from identigen.ui.session import ATTRIBUTES, Choice, Session
from identigen.ui.views.markup import Words, media, yes
from identigen.ui.visitors import Visitor


def details(visitor: Visitor, session: Session, subject: Subject, outcome: Outcome | None, t: Words) -> str:
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


def _offers(visitor: Visitor, session: Session, number: int, t: Words) -> str:
    """Several identities to pick from."""
    chosen = session.choice(number).seed
    pictures = "".join(
        f'<button class="offer" type="button" data-take="{offer.seed}" data-id="{number}" '
        f'aria-pressed="{yes(offer.seed == chosen)}" aria-label="{t("offer", seed=offer.seed)}">'
        f'<img src="{media(visitor, f"offer_{offer.seed}.jpg")}" alt=""></button>'
        for offer in session.offers
        if offer.subject_id == number
    )
    button = f'<button class="chip" type="button" data-offer="{number}">{icon("dice")}{t("offers")}</button>'
    return f'<div class="offers" role="group" aria-label="{t("offers")}">{pictures}{button}</div>'


def _seed_row(number: int, choice: Choice, t: Words) -> str:
    return f"""<label class="setting"><span>{t("seed")}</span>
      <input type="number" min="0" max="2147483647" value="{choice.seed}" data-do="seed" data-id="{number}"></label>"""


def _strength_row(number: int, choice: Choice, t: Words) -> str:
    return f"""<label class="setting"><span>{t("strength")}</span><span class="range"><small>{t("strength.low")}</small>
      <input type="range" min="0" max="100" step="5" value="{round(100 * choice.strength)}" data-do="strength"
        data-id="{number}"><small>{t("strength.high")}</small></span></label>"""


def _wish_row(number: int, choice: Choice, name: str, t: Words) -> str:
    wish = choice.attributes.get(name, "")
    options = "".join(
        f'<option value="{value}"{" selected" if value == wish else ""}>{t(f"wish.{name}.{value}" if value else "wish.same")}</option>'
        for value in ("", *ATTRIBUTES[name])
    )
    return (
        f'<label class="setting"><span>{t(f"wish.{name}")}</span><select data-do="wish" data-id="{number}" '
        f'data-name="{name}" data-value="{wish}">{options}</select></label>'
    )


def _segments_row(name: str, number: int, value: str, options: Iterable[str], t: Words) -> str:
    buttons = "".join(
        f'<button type="button" data-do="{name}" data-id="{number}" data-value="{option}" '
        f'aria-pressed="{yes(option == value)}">{t(f"{name}.{option}")}</button>'
        for option in options
    )
    return (
        f'<div class="setting"><span>{t(name)}</span><div class="segments small" role="group" aria-label="{t(name)}">'
        f"{buttons}</div></div>"
    )


def _mask_row(visitor: Visitor, number: int, choice: Choice, t: Words) -> str:
    texts = {name: t(f"mask.{name}") for name in ("brush", "eraser", "more", "less", "size", "zoom", "cancel", "done")}
    texts |= {name: t(name) for name in ("undo", "redo")}
    attributes = " ".join(f'data-{name}="{escape(text)}"' for name, text in texts.items())
    reset = "" if choice.mask is not None else " disabled"
    return f"""<div class="setting mask"><span>{t("mask")}{f" <em>{t('mask.own')}</em>" if choice.mask is not None else ""}</span>
      <div class="chips"><button class="chip" type="button" data-local="paint" data-id="{number}"
        data-photo="{media(visitor, "photo.jpg")}" data-mask="{media(visitor, f"mask_{number}.png")}"
        data-title="{t("mask.title", number=number)}" {attributes}>{icon("brush")}{t("mask.edit")}</button>
      <button class="chip" type="button" data-do="grow" data-id="{number}">{t("mask.grow")}</button>
      <button class="chip" type="button" data-do="shrink" data-id="{number}">{t("mask.shrink")}</button>
      <button class="chip" type="button" data-do="mask-reset" data-id="{number}"{reset}>{t("mask.reset")}</button>
      <a class="chip" href="{media(visitor, f"mask_{number}.png")}" download="mask-{number}.png">{t("mask.export")}</a>
      <button class="chip" type="button" data-local="mask-file" data-id="{number}">{t("mask.import")}</button></div></div>"""


def _story(outcome: Outcome, t: Words) -> str:
    """Why it came out so, and what was kept."""
    why = t.told(outcome.reason) or measured(outcome, t)
    rows = "".join(
        f"<li><b>{_kept_name(name, t)}</b><span>{_value(pair.get('before'))} → {_value(pair.get('after'))}</span></li>"
        for name, pair in outcome.kept.items()
    )
    kept = f'<h3>{t("kept")}</h3><ul class="measures">{rows}</ul>' if rows else ""
    return f'<div class="story">{f"<p>{why}</p>" if why else ""}{kept}</div>'


def _kept_name(name: str, t: Words) -> str:
    try:
        return t(f"kept.{name}")
    except KeyError:  # an attribute that another room has added
        return escape(name.replace("_", " "))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"
    return escape(str(value))


def measured(outcome: Outcome, t: Words) -> str:
    """What the recogniser found, in a sentence; the reason where it had nothing to measure."""
    for name, value in outcome.distances.items():
        if value != float("inf"):
            threshold = f"{outcome.thresholds[name]:.2f}"
            return escape(t(f"verdict.{outcome.verdict}.why", distance=f"{value:.2f}", threshold=threshold))
    return t.told(outcome.reason)
