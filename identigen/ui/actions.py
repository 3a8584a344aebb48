"""Small things that are done at once when something on the page is pressed: values become types here.

Each action takes the pipeline, the visitor and what the browser sent; `ACTIONS` names them. They raise `IdentiGenError`
for what people can do wrong, and `KeyError`, `ValueError` or `TypeError` for what only a broken page sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from identigen import masks
from identigen.errors import PlanError
from identigen.pipeline import Pipeline
from identigen.types import MAX_SEED, Box, Operation, Photo, Subject
from identigen.ui import compare, overlay, session
from identigen.ui.inputs import one_of, picture_in, repaint, share
from identigen.ui.session import Session
from identigen.ui.text import LANGUAGES, say
from identigen.ui.visitors import Sought, Visitor

Data = Mapping[str, Any]
Action = Callable[[Pipeline, Visitor, Data], None]


# ---------------------------------------------------------------- who


def pick(pipeline: Pipeline, visitor: Visitor, data: Data) -> None:
    """Toggle who is under the pointer; what else is pointed at, or framed by hand, is outlined and looked at later.

    The answer has to come at once, and a search takes a second: `look` carries it out.
    """
    current = visitor.require()
    if "box" in data:
        box = _box_in(current.photo, data["box"])
        _seek(visitor, Sought(current.photo, box, overlay.rectangle(box)))
        return
    point = (float(data["x"]), float(data["y"]))
    if not (0 <= point[0] < current.photo.width and 0 <= point[1] < current.photo.height):
        raise ValueError("outside the photo")
    number = session.person_at(current, point)
    if number is not None:
        toggle(pipeline, visitor, {"id": number})
        return
    mask = pipeline.sketch_at(current.photo, point, current.subjects)
    _seek(visitor, Sought(current.photo, point, overlay.trace(mask) if mask else ""))


def look(pipeline: Pipeline, visitor: Visitor) -> None:
    """Look for somebody at the place that was pointed at first, and choose them: pointing means 'this one too'."""
    with visitor.searching:
        sought = next(iter(visitor.sought), None)
        current = visitor.session_of(sought.photo) if sought else None
        if sought is None or current is None:
            return
        try:
            found = _find(pipeline, current, sought)
        finally:
            with visitor.lock:
                visitor.sought = tuple(other for other in visitor.sought if other is not sought)
        known = any(found.id == subject.id for subject in current.subjects)
        choose = partial(session.change, numbers=(found.id,), chosen=True)
        visitor.update_of(current.photo, choose if known else partial(session.add, subject=found))
        visitor.result_version += 1


def _find(pipeline: Pipeline, current: Session, sought: Sought) -> Subject:
    if len(sought.place) == 4:
        return pipeline.subject_in(current.photo, sought.place, current.subjects)
    found = pipeline.subject_at(current.photo, sought.place, current.subjects)
    if found is None:
        raise PlanError(say("en", "error.nobody-there"))
    return found


def _seek(visitor: Visitor, sought: Sought) -> None:
    with visitor.lock:
        visitor.sought = (*visitor.sought, sought)


def _box_in(photo: Photo, values: Any) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    if not (0 <= x1 < x2 <= photo.width and 0 <= y1 < y2 <= photo.height):
        raise ValueError("not a box in the photo")
    return (x1, y1, x2, y2)


def toggle(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Choose a person, or no longer."""
    _change(visitor, lambda now: session.toggle(now, int(data["id"])))


def _everybody(now: Session) -> Session:
    return session.choose(now, {subject.id for subject in now.subjects})


def _nobody(now: Session) -> Session:
    return session.choose(now, ())


# ---------------------------------------------------------------- what happens to them


def together(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Give everybody who will be changed the same operation."""
    if data["value"]:
        operation = Operation(data["value"])
        _change(visitor, lambda now: session.change(now, now.targets, operation=operation))


def dice(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Ask for the next identity of one person."""
    number = int(data["id"])
    _change(visitor, lambda now: session.set_seed(now, number, now.choice(number).seed % MAX_SEED + 1))


def seed(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Ask for one identity by its number."""
    _change(visitor, lambda now: session.set_seed(now, int(data["id"]), int(data["value"])))


def wish(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Ask for an attribute of a new face."""
    number, name, value = int(data["id"]), str(data["name"]), str(data["value"])
    _change(visitor, lambda now: session.set_attribute(now, number, name, value))


def _setter(name: str, parse: Callable[[object], object]) -> Action:
    def action(_: Pipeline, visitor: Visitor, data: Data) -> None:
        _set(visitor, data, **{name: parse(data["value"])})

    return action


# ---------------------------------------------------------------- masks


def _grower(direction: int) -> Action:
    def action(_: Pipeline, visitor: Visitor, data: Data) -> None:
        """One step is a fiftieth of the person, so that it looks alike in a portrait and in a crowd."""
        number = int(data["id"])
        window = session.region_of(visitor.require(), number).window
        pixels = direction * max(2.0, 0.02 * max(window.width, window.height))
        _change(visitor, lambda now: session.grow_mask(now, number, pixels))
        _show_masks(visitor)

    return action


def painted(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Add and take away what was painted."""
    before = session.region_of(visitor.require(), int(data["id"]))
    _set(visitor, data, mask=repaint(before, picture_in(data["png"])))
    _show_masks(visitor)


def refined(pipeline: Pipeline, visitor: Visitor, data: Data) -> None:
    """Mend a person's region, with what was painted so far, by points that belong to it and points that do not.

    Points come as shares of width and height, because the browser paints on a preview.
    """
    current, number = visitor.require(), int(data["id"])
    region = session.region_of(current, number)
    if data.get("png"):
        region = repaint(region, picture_in(data["png"]))
    width, height = current.photo.width, current.photo.height
    points = [(float(x) * width, float(y) * height) for x, y in data["points"]]
    labels = [value is True for value in data["labels"]]
    mask = pipeline.refine(current.photo, replace(current.subject(number), mask=region), points, labels)
    _set(visitor, data, mask=mask)
    _show_masks(visitor)


def mask_file(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Take the mask from a file of the visitor's own."""
    photo = visitor.require().photo
    _set(visitor, data, mask=masks.from_png(picture_in(data["png"]), (photo.height, photo.width)))
    _show_masks(visitor)


def mask_reset(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Go back to the region that was detected."""
    _set(visitor, data, mask=None)
    _show_masks(visitor)


# ---------------------------------------------------------------- what is shown


def show(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Bring another photo of the album into view."""
    place = int(data["value"])
    if not 0 <= place < len(visitor.album):
        raise ValueError("no such photo")
    visitor.show(place)


def unfold(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Unfold a person's details, or fold them again."""
    number = visitor.require().subject(int(data["id"])).id
    visitor.opened = None if visitor.opened == number else number


def view(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Show the result, or the people to choose from."""
    has_result = visitor.require().result is not None
    visitor.view = "result" if data["value"] == "result" and has_result else "choose"


def page(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Go to anonymising, to comparing, or to what there is to know."""
    visitor.page = one_of(data["value"], "work", "compare", "about")


def language(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Speak another language."""
    if data["value"] in LANGUAGES:
        visitor.language = data["value"]


def too_large(pipeline: Pipeline, visitor: Visitor, data: Data) -> None:
    """Say why the browser did not even send a file."""
    raise PlanError(say("en", "error.too-large", limit=f"{pipeline.settings.max_megabytes:.0f}"))


def stop(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Ask the running work to end; who is finished is kept."""
    visitor.stop.set()


# ---------------------------------------------------------------- comparing


def method(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Compare with a method, or no longer."""
    visitor.methods = visitor.methods ^ {compare.method_of(data["value"])}


def rate(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Give a trial its stars."""
    tried = int(data["place"]), compare.method_of(data["method"])
    visitor.comparison = compare.rate(visitor.comparison, *tried, int(data["value"]))


def note(_: Pipeline, visitor: Visitor, data: Data) -> None:
    """Write down what the visitor thinks of a trial."""
    tried = int(data["place"]), compare.method_of(data["method"])
    visitor.comparison = compare.annotate(visitor.comparison, *tried, str(data["value"]))


# ---------------------------------------------------------------- parts


def _change(visitor: Visitor, step: Callable[[Session], Session]) -> None:
    visitor.update(step)


def _changer(step: Callable[[Session], Session]) -> Action:
    return lambda pipeline, visitor, data: _change(visitor, step)


def _set(visitor: Visitor, data: Data, **values: object) -> None:
    _change(visitor, lambda now: session.change(now, (int(data["id"]),), **values))


def _show_masks(visitor: Visitor) -> None:
    visitor.view = "choose"
    visitor.result_version += 1


ACTIONS: Mapping[str, Action] = {
    "pick": pick,
    "toggle": toggle,
    "all": _changer(_everybody),
    "none": _changer(_nobody),
    "invert": _changer(session.invert),
    "undo": _changer(session.undo),
    "redo": _changer(session.redo),
    "together": together,
    "operation": _setter("operation", Operation),
    "strength": _setter("strength", share),
    "region": _setter("region", lambda value: one_of(value, "segment", "box")),
    "extent": _setter("extent", lambda value: one_of(value, "face", "head", "person")),
    "seed": seed,
    "dice": dice,
    "wish": wish,
    "grow": _grower(1),
    "shrink": _grower(-1),
    "mask": painted,
    "refine": refined,
    "mask-file": mask_file,
    "mask-reset": mask_reset,
    "show": show,
    "open": unfold,
    "view": view,
    "page": page,
    "language": language,
    "too-large": too_large,
    "stop": stop,
    "method": method,
    "rate": rate,
    "note": note,
    "dismiss": lambda pipeline, visitor, data: None,
}
