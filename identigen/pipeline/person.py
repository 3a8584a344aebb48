"""New people: somebody else is searched for, and takes the person's place; where nobody is found they are covered, and
so is who does not stay safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from identigen.errors import EngineError, ModelError
from identigen.pipeline.cover import cover
from identigen.pipeline.scene import Scene
from identigen.pipeline.search import Trial, search
from identigen.recognition.attributes import compare
from identigen.recognition.strangers import strangers_to
from identigen.types import Edit, Face, Operation, Outcome, Subject
from identigen.verification import describe_source, look_again, measure

if TYPE_CHECKING:
    from identigen.synthesis import Synthesiser


def replace_person(scene: Scene, engines: Sequence[Synthesiser], subject: Subject, edit: Edit) -> Outcome:
    """Give a person a new face, head or body; where none is safe, or none can be drawn, cover them and say why."""
    layered = replace(edit, operation=Operation.LAYERED)
    refusal = _why_no_new_face(subject) if edit.operation is not Operation.BODY else ""
    if refusal:
        return cover(scene, subject, layered, asked=edit.operation, reason=refusal)
    problems: list[str] = []
    tried = 0
    for engine in engines:
        if edit.operation not in engine.operations or edit.engine not in (None, engine.name):
            continue
        try:
            chosen, drawn = search(scene, engine, subject, edit)
        except (EngineError, ModelError) as error:
            problems.append(f"The {engine.name} engine could not draw this person: {error}")
            continue
        tried += drawn
        if chosen is not None:
            return _accept(scene, engine, subject, edit, chosen, tried, " ".join(problems))
        problems.append(f"None of {drawn} new identities by the {engine.name} engine was far enough from the person.")
    reason = " ".join([*problems, "The person is covered instead."])
    scene.warnings.append(f"Person {subject.id}: {reason}")
    covered = cover(scene, subject, layered, asked=edit.operation, reason=reason)
    return replace(covered, failed=covered.failed or tried > 0, candidates_tried=tried)


def is_still_safe(scene: Scene, subject: Subject, outcome: Outcome) -> bool:
    """Whether a new face is, in the picture as it is by now, still somebody else and nobody else's of this photo.

    Where the mesh sees none any more, the recogniser is asked about the place: it might.
    """
    if subject.face is None:
        return True
    again = look_again(scene.pixels, subject.face.box) or Face(subject.face.box)
    recogniser, company = scene.recogniser, scene.company(subject)
    hidden = outcome.thresholds.get(recogniser.name, recogniser.threshold) < recogniser.threshold
    strangers = strangers_to(recogniser.name) if hidden else None
    source, known = scene.source(subject), (company.others, company.given)
    return measure(recogniser, scene.pixels, again, source, *known, strangers=strangers).verdict == "pass"


def cover_after_all(scene: Scene, subject: Subject, outcome: Outcome) -> Outcome:
    """Cover somebody whose new face was spoilt by those who were drawn after it."""
    reason = "Together with the neighbours who were drawn later, the new face is no longer safe, so it is covered."
    scene.warnings.append(f"Person {subject.id}: {reason}")
    edit = Edit(subject.id, Operation.LAYERED, region=outcome.region, seed=outcome.seed)
    covered = cover(scene, subject, edit, asked=outcome.asked, reason=reason)
    return replace(covered, failed=True, candidates_tried=outcome.candidates_tried)


def _accept(
    scene: Scene, engine: Synthesiser, subject: Subject, edit: Edit, chosen: Trial, tried: int, reason: str
) -> Outcome:
    scene.models += [*engine.models, "dlib-resnet"]
    likeness = chosen.likeness
    if likeness is not None:
        scene.give(subject, likeness.descriptor)
    if likeness is not None and likeness.limit < likeness.threshold:
        taken = f"The recogniser takes many strangers for this person, so {likeness.limit:.2f} counts as far enough."
        reason = f"{reason} {taken}".strip()
    outcome = scene.outcome(
        subject,
        edit,
        chosen.changed,
        chosen.window,
        chosen.patch,
        engine=engine.name,
        seed=chosen.candidate.seed,
        reason=reason,
        candidates_tried=tried,
        likeness=likeness,
        kept=compare(scene.attributes(subject), chosen.attributes) if chosen.attributes else {},
    )
    return _with_second_opinion(scene, subject, chosen, outcome)


def _with_second_opinion(scene: Scene, subject: Subject, chosen: Trial, outcome: Outcome) -> Outcome:
    """Add the referee's distance, where its weights are here; it never takes part in choosing."""
    from identigen.recognition.sface import referee

    judge = referee(scene.settings)
    if judge is None or subject.face is None or chosen.face is None:
        return outcome
    try:
        source = describe_source(judge, scene.photo.pixels, subject.face)
        with scene.shown(chosen.window, chosen.patch):
            found = measure(judge, scene.pixels, chosen.face, source)
    except ModelError as error:
        scene.warnings.append(f"There is no second opinion: {error}")
        return outcome
    scene.models.append(judge.name)
    return replace(
        outcome,
        distances={**outcome.distances, judge.name: found.to_source},
        thresholds={**outcome.thresholds, judge.name: found.threshold},
    )


def _why_no_new_face(subject: Subject) -> str:
    """The gate's reason when a new face would not be honest here; empty when it is."""
    face: Face | None = subject.face
    if face is None:
        return subject.reason or "No face can be seen, so the head is covered instead."
    if subject.default_operation is not Operation.FACE:
        return subject.reason or "The face cannot be read well enough for a new one; covered instead."
    return ""
