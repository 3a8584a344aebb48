"""What one visitor has chosen so far: a frozen value and the pure functions that turn it into the next one.

A change of subjects or choices is remembered for undo; a result is not, because it can be made again from its seeds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from identigen.errors import PlanError
from identigen.masks import grow
from identigen.pipeline import derived_seed
from identigen.report import Result
from identigen.types import MAX_SEED, Edit, Extent, Mask, Operation, Outcome, Photo, Plan, Point, RegionKind, Subject

HISTORY = 40  # steps of undo; masks are small windows, so that this stays below a few megabytes
DEFAULT_SEED = 1
ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "age": ("child", "young", "middle", "old"),
        "gender": ("feminine", "masculine"),
        "beard": ("none", "some", "full"),
        "skin": ("lighter", "darker"),
        "glasses": ("none",),
    }
)
"""What may be asked of a new face; whatever is not named stays as it was."""
DRAWN = 48  # outcomes kept for reuse: patches of faces are small


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """What shall happen to one person; `operation` None means what the gate proposes."""

    chosen: bool = False
    operation: Operation | None = None
    seed: int = DEFAULT_SEED
    strength: float = 0.5
    region: RegionKind = "segment"
    extent: Extent = "face"
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mask: Mask | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """One state that undo can go back to."""

    subjects: tuple[Subject, ...] = ()
    choices: Mapping[int, Choice] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False, slots=True)
class Offer:
    """One of several identities that a person can be given; its picture is drawn already."""

    subject_id: int
    seed: int
    outcome: Outcome


@dataclass(frozen=True, eq=False, slots=True)
class Session:
    """A photo, the people in it, what was chosen for each of them, and the latest result."""

    photo: Photo
    now: Moment = field(default_factory=Moment)
    past: tuple[Moment, ...] = ()
    future: tuple[Moment, ...] = ()
    result: Result | None = None
    done: tuple[Edit, ...] = ()
    """The edits that `result` holds: when they are not what is asked for now, the result is stale."""
    drawn: tuple[tuple[Edit, Outcome], ...] = ()
    """What was drawn lately, so that going back to it costs nothing."""
    offers: tuple[Offer, ...] = ()
    searched: bool = True
    """Whether anybody has looked for people yet."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        return self.now.subjects

    @property
    def chosen(self) -> tuple[int, ...]:
        """Numbers of the people who were chosen."""
        return tuple(s.id for s in self.subjects if self.choice(s.id).chosen)

    @property
    def targets(self) -> tuple[int, ...]:
        """Numbers of the people who will be changed: the chosen ones, or everybody when nobody was chosen."""
        return self.chosen or tuple(s.id for s in self.subjects)

    @property
    def finished(self) -> bool:
        """Whether the result shows what is asked for now."""
        return self.result is not None and not self.stale

    @property
    def stale(self) -> bool:
        """Whether something else is asked for than what the result shows."""
        return self.result is not None and set(map(_key, plan(self).edits)) != set(map(_key, self.done))

    def choice(self, number: int) -> Choice:
        return self.now.choices.get(number, Choice())

    def subject(self, number: int) -> Subject:
        """The person with this number; raise `PlanError` when nobody has it."""
        for subject in self.subjects:
            if subject.id == number:
                return subject
        raise PlanError(f"Nobody in this photo has the number {number}.")

    def operation(self, number: int) -> Operation:
        """What would be done to this person."""
        return self.choice(number).operation or self.subject(number).default_operation


def begin(photo: Photo, subjects: tuple[Subject, ...] | None = None) -> Session:
    """Start with nobody chosen; without subjects, people are still to be looked for."""
    return Session(photo, Moment(subjects or ()), searched=subjects is not None)


def toggle(session: Session, number: int) -> Session:
    """Choose a person, or no longer."""
    return change(session, (number,), chosen=not session.choice(number).chosen)


def choose(session: Session, numbers: Collection[int]) -> Session:
    """Choose exactly these people."""
    choices = {s.id: replace(session.choice(s.id), chosen=s.id in numbers) for s in session.subjects}
    return _remember(session, replace(session.now, choices=MappingProxyType(choices)))


def invert(session: Session) -> Session:
    """Choose everyone but those who are chosen now."""
    return choose(session, {s.id for s in session.subjects} - set(session.chosen))


def change(session: Session, numbers: Collection[int], **values: object) -> Session:
    """Set fields of `Choice` for these people; raise `PlanError` for a number that nobody has."""
    choices = dict(session.now.choices)
    for number in numbers:
        session.subject(number)
        choices[number] = replace(session.choice(number), **values)  # type: ignore[arg-type]
    return _remember(session, replace(session.now, choices=MappingProxyType(choices)))


def set_seed(session: Session, number: int, seed: int) -> Session:
    """Ask for another identity of one person."""
    if not 0 <= seed <= MAX_SEED:
        raise PlanError(f"A seed must lie between 0 and {MAX_SEED}.")
    return change(session, (number,), seed=seed)


def set_attribute(session: Session, number: int, name: str, wish: str) -> Session:
    """Ask for a new face of some age, gender or beard; an empty wish keeps what the person has."""
    if wish and wish not in ATTRIBUTES.get(name, ()):
        raise PlanError(f"A new face cannot be asked for {name} {wish}.")
    attributes = {key: value for key, value in session.choice(number).attributes.items() if key != name}
    return change(session, (number,), attributes=MappingProxyType(attributes | ({name: wish} if wish else {})))


def set_mask(session: Session, number: int, mask: Mask | None) -> Session:
    """Replace a person's region by one of the visitor's own; None brings the detected one back."""
    return change(session, (number,), mask=mask)


def grow_mask(session: Session, number: int, pixels: float) -> Session:
    """Move the border of a person's region outwards; a negative number of pixels moves it inwards."""
    return set_mask(session, number, grow(region_of(session, number), pixels))


def region_of(session: Session, number: int) -> Mask:
    """The visitor's own region of a person, else the detected one."""
    return session.choice(number).mask or session.subject(number).mask


def add(session: Session, subject: Subject) -> Session:
    """Take in a person whom the visitor pointed at, and choose them: pointing at somebody means 'this one too'."""
    if any(other.id == subject.id for other in session.subjects):  # somebody came back by Redo during the search
        subject = replace(subject, id=1 + max(other.id for other in session.subjects))
    choices = dict(session.now.choices) | {subject.id: Choice(chosen=True)}
    return _remember(session, Moment((*session.subjects, subject), MappingProxyType(choices)))


def person_at(session: Session, point: Point) -> int | None:
    """The number of the person under a point of the photo; a face counts where masks leave it out."""
    for subject in session.subjects:
        if region_of(session, subject.id).contains(point):
            return subject.id
    for subject in session.subjects:
        box = subject.face.box if subject.face else subject.head_box
        if box and box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]:
            return subject.id
    return None


def undo(session: Session) -> Session:
    """Go back one change; the same session when there is none."""
    if not session.past:
        return session
    return replace(session, now=session.past[-1], past=session.past[:-1], future=(session.now, *session.future))


def redo(session: Session) -> Session:
    """Take back the last undo; the same session when there is none."""
    if not session.future:
        return session
    return replace(session, now=session.future[0], past=(*session.past, session.now), future=session.future[1:])


def finish(session: Session, result: Result, edits: Collection[Edit]) -> Session:
    """Keep a result together with those of `edits` that it really holds (fewer when the work was stopped)."""
    held = {o.subject_id: o for o in result.outcomes if o.asked is not Operation.KEEP}
    done = tuple(edit for edit in edits if edit.subject_id in held)
    return _drawn(replace(session, result=result, done=done), [(edit, held[edit.subject_id]) for edit in done])


def offer(session: Session, number: int, seed: int, outcome: Outcome) -> Session:
    """Put one more identity of this person up for choice; offers for somebody else end."""
    others = tuple(o for o in session.offers if o.subject_id == number and o.seed != seed)
    with_offer = replace(session, offers=(*others, Offer(number, seed, outcome)))
    return _drawn(with_offer, [(edit_of(session, number, seed), outcome)])


def plan(session: Session) -> Plan:
    """The edits of the people who will be changed; everybody else stays as they are."""
    return Plan(tuple(edit_of(session, number) for number in session.targets))


def remaining(session: Session) -> tuple[Plan, tuple[Outcome, ...]]:
    """What is still to be done, and the outcomes that stay: nobody is drawn again whose edit was drawn before."""
    drawn = {_key(edit): outcome for edit, outcome in session.drawn}
    asked = plan(session).edits
    return (
        Plan(tuple(edit for edit in asked if _key(edit) not in drawn)),
        tuple(drawn[_key(edit)] for edit in asked if _key(edit) in drawn),
    )


def edit_of(session: Session, number: int, seed: int | None = None) -> Edit:
    """What was chosen for one person, with another identity where `seed` names one."""
    choice = session.choice(number)
    return Edit(
        number,
        session.operation(number),
        region=choice.region,
        extent=choice.extent,
        seed=derived_seed(choice.seed if seed is None else seed, number),
        strength=choice.strength,
        attributes=choice.attributes,
        mask=choice.mask,
    )


def state_of(session: Session, number: int) -> str:
    """Chosen; meant because nobody was chosen; or left alone because others were."""
    if session.choice(number).chosen:
        return "chosen"
    return "kept" if session.chosen else "meant"


def _drawn(session: Session, pairs: Collection[tuple[Edit, Outcome]]) -> Session:
    keys = {_key(edit) for edit, _ in pairs}
    older = tuple(pair for pair in session.drawn if _key(pair[0]) not in keys)
    return replace(session, drawn=(*older, *pairs)[-max(DRAWN, len(pairs)) :])


def _key(edit: Edit) -> tuple[object, ...]:
    """By what two edits are one and the same; a mask is the same only when it is the same object."""
    wishes = tuple(sorted(edit.attributes.items()))
    return (edit.subject_id, edit.operation, edit.region, edit.extent, edit.seed, edit.strength, wishes, id(edit.mask))


def _remember(session: Session, moment: Moment) -> Session:
    return replace(session, now=moment, past=(*session.past, session.now)[-HISTORY:], future=())
