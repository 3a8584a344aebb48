"""The photo with its numbered outlines, or its result, and where photos come from."""
# ruff: noqa: E501  - markup is easier to read in its own lines

from __future__ import annotations

from collections.abc import Mapping

from identigen.types import Subject
from identigen.ui.icons import icon
from identigen.ui.overlay import Outline, outline, portrait_box
from identigen.ui.session import Session, region_of, state_of
from identigen.ui.views.markup import Words, media, notice, words, yes
from identigen.ui.visitors import Sought, Traced, Visitor

EXAMPLES = ("astronaut", "bus", "zidane")


def outlines_of(session: Session, known: Mapping[int, Traced]) -> dict[int, Traced]:
    """The outline of everybody, by number; only regions that changed since `known` are traced again."""
    traced = {}
    for subject in session.subjects:
        region = region_of(session, subject.id)
        last = known.get(subject.id)
        traced[subject.id] = last if last is not None and last[0] is region else (region, outline(subject, region))
    return traced


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
    return f"""<section class="stage" id="stage" aria-label="{t("stage")}" data-photo="{visitor.photo_version}.{visitor.place}">
  {_stage_bar(visitor, t)}
  <div class="canvas">{body}{_veil(visitor, t)}</div>
  {notice(visitor, t)}
  {_sources(visitor, t)}
</section>"""


def _stage_bar(visitor: Visitor, t: Words) -> str:
    session = visitor.session
    if session is None:
        return '<div class="bar"></div>'
    result = session.result is not None and not _is_worked_on(visitor, session)
    views = "".join(
        f'<button type="button" data-do="view" data-value="{name}" aria-pressed="{yes(visitor.view == name)}"'
        f"{'' if name == 'choose' or result else ' disabled'}>{t(f'view.{name}')}</button>"
        for name in ("choose", "result")
    )
    return f"""<div class="bar">
    <div class="segments" role="group" aria-label="{t("view")}">{views}</div>
    <p class="hint">{t("hint.result" if visitor.view == "result" else "hint.choose")}</p>
    {_box_tool(t) if visitor.view == "choose" else ""}
    {_tool("undo", t("undo"), enabled=bool(session.past))}
    {_tool("redo", t("redo"), enabled=bool(session.future))}
  </div>"""


def _box_tool(t: Words) -> str:
    """The finger's way to draw a box; a mouse draws one without it."""
    return (
        f'<button class="quiet round" type="button" data-local="box" aria-pressed="false" aria-label="{t("box")}" '
        f'title="{t("box")}">{icon("frame")}</button>'
    )


def _tool(name: str, label: str, enabled: bool) -> str:
    return (
        f'<button class="quiet round" type="button" data-do="{name}" aria-label="{label}" title="{label}"'
        f"{'' if enabled else ' disabled'}>{icon(name)}</button>"
    )


def _photo(visitor: Visitor, session: Session, t: Words) -> str:
    photo, people = session.photo, session.subjects
    outlines = {number: line for number, (_, line) in visitor.outlines.items()}
    shapes = "".join(_shape(session, subject, outlines[subject.id]) for subject in people)
    shapes += "".join(f'<path class="sought" fill-rule="evenodd" d="{s.path}"/>' for s in _sought(visitor, session))
    pins = "".join(_pin(session, subject, outlines[subject.id]) for subject in people)
    alt = t("photo.alt", len(people)) if people else t("photo.alt.none")
    shown = "result.jpg" if _is_worked_on(visitor, session) and session.result is not None else "photo.jpg"
    crowd = " crowd" if len(people) > 12 else ""
    pick = " data-pick" if session.searched else ""
    return f"""<figure class="photo{crowd}"{pick} style="--w:{photo.width};--h:{photo.height}">
    <img src="{media(visitor, shown)}" alt="{alt}" draggable="false">
    <svg viewBox="0 0 {photo.width} {photo.height}" aria-hidden="true" preserveAspectRatio="none">{shapes}</svg>
    {pins}{_marks(visitor, session, t)}
  </figure>"""


def _shape(session: Session, subject: Subject, line: Outline) -> str:
    return f'<path class="{state_of(session, subject.id)}" data-id="{subject.id}" fill-rule="evenodd" d="{line.path}"/>'


def _pin(session: Session, subject: Subject, line: Outline) -> str:
    left, top = 100 * line.label[0] / session.photo.width, 100 * line.label[1] / session.photo.height
    return (
        f'<span class="pin {state_of(session, subject.id)}" aria-hidden="true" '
        f'style="left:{left:.2f}%;top:max(29px,{top:.2f}%)">{subject.id}</span>'
    )


def _sought(visitor: Visitor, session: Session) -> list[Sought]:
    return [sought for sought in visitor.sought if sought.photo is session.photo]


def _marks(visitor: Visitor, session: Session, t: Words) -> str:
    """Where somebody is being looked for."""
    places = [((p[0] + p[-2]) / 2, (p[1] + p[-1]) / 2) for p in (s.place for s in _sought(visitor, session))]
    return "".join(
        f'<i class="seeking" role="status" aria-label="{t("looking")}" '
        f'style="left:{100 * x / session.photo.width:.2f}%;top:{100 * y / session.photo.height:.2f}%"></i>'
        for x, y in places
    )


def _is_worked_on(visitor: Visitor, session: Session) -> bool:
    return visitor.running is not None and visitor.running.photo is session.photo


def _comparison(visitor: Visitor, session: Session, t: Words) -> str:
    photo = session.photo
    return f"""<before-after class="photo" style="--w:{photo.width};--h:{photo.height}" size="{photo.width} {photo.height}"
    {_places(session)} before="{media(visitor, "photo.jpg")}" after="{media(visitor, "result.jpg")}"
    before-pixels="{media(visitor, "source-tile")}" after-pixels="{media(visitor, "result-tile")}"
    text-before="{t("before")}" text-after="{t("after")}" text-slider="{t("slider")}" text-zoom="{t("zoom")}"></before-after>"""


def _places(session: Session) -> str:
    """Where 200 % looks first: at somebody new rather than at a cover. Where the line rests: left of all of them."""
    width, height = session.photo.width, session.photo.height
    changed = {edit.subject_id for edit in session.done}
    covered = {o.subject_id for o in session.result.outcomes if o.applied.is_cover} if session.result else set()
    people = sorted((s for s in session.subjects if s.id in changed), key=lambda s: s.id in covered)
    boxes = [portrait_box(subject) for subject in people]
    x1, y1, x2, y2 = boxes[0] if boxes else (0.0, 0.0, float(width), float(height))
    left = min((box[0] for box in boxes), default=width / 2) / width
    rest = round(min(max(100 * left - 4, 8), 50))
    return f'focus="{(x1 + x2) / 2 / width:.3f} {(y1 + y2) / 2 / height:.3f}" rest="{rest}"'


def _veil(visitor: Visitor, t: Words) -> str:
    if visitor.preparing:
        text = t("preparing")
    elif visitor.session is not None and not visitor.session.searched:
        text = t("looking")
    else:
        return ""
    return f'<div class="veil" role="status"><i class="spinner"></i>{text} …</div>'


def _sources(visitor: Visitor, t: Words) -> str:
    return f"""<div class="sources">
    <button class="solid" type="button" data-local="upload">{icon("photo")}{t("upload")}</button>
    <button class="soft" type="button" data-local="camera" data-title="{t("camera.title")}"
      data-shoot="{t("camera.shoot")}" data-close="{t("close")}" data-none="{t("camera.none")}">{icon("camera")}{t("camera")}</button>
    {_beside(visitor, t)}{_album(visitor, t) if len(visitor.album) > 1 else _examples(visitor, t)}
  </div>"""


def _beside(visitor: Visitor, t: Words) -> str:
    """More photos, beside the visitor's own ones."""
    if visitor.session is None or (len(visitor.album) == 1 and visitor.session.photo.source_name in EXAMPLES):
        return ""
    label = t("upload.beside")
    return (
        f'<button class="soft only" type="button" data-local="beside" aria-label="{label}" title="{label}">'
        f"{icon('plus')}</button>"
    )


def _examples(visitor: Visitor, t: Words) -> str:
    """Those that are not open come first: a phone shows one of them without scrolling."""
    here = visitor.session.photo.source_name if visitor.session else ""
    examples = "".join(
        f"""<button class="example" type="button" data-do="example" data-value="{name}">
      <img src="media/example/{name}.jpg" alt=""><span>{t(f"example.{name}")}</span></button>"""
        for name in sorted(EXAMPLES, key=lambda name: name == here)
    )
    return f"""<span class="paste">{t("paste")}</span>
    <div class="examples" role="group" aria-label="{t("examples")}"><span aria-hidden="true">{t("examples")}</span>{examples}</div>"""


def _album(visitor: Visitor, t: Words) -> str:
    """The photos that were opened together; they take the place of the examples."""
    photos = "".join(_album_photo(visitor, place, session, t) for place, session in enumerate(visitor.album))
    return f'<div class="examples album" role="group" aria-label="{t("album")}">{photos}</div>'


def _album_photo(visitor: Visitor, place: int, session: Session, t: Words) -> str:
    if _is_worked_on(visitor, session) or not session.searched:
        mark, state = '<i class="spinner"></i>', "working"
    elif session.finished:
        mark, state = icon("check"), "done"
    else:
        mark, state = "", "open"
    label = t(f"album.{state}", number=place + 1, total=len(visitor.album))
    return (
        f'<button class="example {state}" type="button" data-do="show" data-value="{place}" '
        f'aria-current="{yes(place == visitor.place)}" aria-label="{label}">'
        f'<img src="{media(visitor, "thumb.jpg", place)}" alt=""><span>{place + 1}{mark}</span></button>'
    )
