"""Removal: a mask with rim and shadow, the background predicted behind it, and a look whether somebody is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from identigen import masks
from identigen.errors import EngineError, MaskError, ModelError
from identigen.pipeline.cover import cover, hides_face
from identigen.pipeline.plan import derived_seed
from identigen.pipeline.scene import Scene, centre, part_of
from identigen.types import Edit, Fill, Mask, Operation, Outcome, Subject, Window

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor


_WIDER = 0.03
"""By how much a region grows with each new try, in heights of the person: what was left of them shaped the last one."""


@dataclass(frozen=True, eq=False, slots=True)
class Filled:
    """A fill, which predictor gave it, with which seed, and how many it took."""

    fill: Fill
    regions: tuple[Mask, ...]
    """What of it belongs to each person."""
    by: BackgroundPredictor
    seed: int
    tried: int
    ghosts: str
    """What a detector takes for a person in it, in words; empty when there is nobody."""


Regions = Callable[[int], tuple[Mask, ...]]
"""What is to be refilled for each person at a try, counted from 0."""


def remove(scene: Scene, predictors: Sequence[BackgroundPredictor], edits: Sequence[Edit]) -> list[Outcome]:
    """Take people who stand close together out of the picture in one go, and look whether somebody is still there."""
    start = time.perf_counter()
    people = [scene.subjects[edit.subject_id] for edit in edits]
    regions = _regions(scene, people, edits)
    filled, reason = _fill(scene, predictors, partial(_widened, scene, people, edits, regions), edits[0].seed)
    if filled is not None:
        scene.models += filled.by.models
        scene.warnings += filled.fill.notices
    outcomes = [
        _outcome(scene, subject, edit, region, filled, reason)
        for edit, subject, region in zip(edits, people, filled.regions if filled else regions, strict=True)
    ]
    seconds = (time.perf_counter() - start) / len(edits)
    return [replace(outcome, seconds=seconds) for outcome in outcomes]


def engine_of(predictor: BackgroundPredictor) -> str:
    """Which of the two engines a predictor belongs to."""
    return "embedded" if predictor.name == "patchmatch" else "diffusion"


def _regions(scene: Scene, people: Sequence[Subject], edits: Sequence[Edit]) -> list[Mask]:
    """What goes with each of them: the mask drawn by the user, else the person with rim and shadow."""
    from identigen.background import removal_mask

    staying = [subject for subject in scene.subjects.values() if subject not in people]
    regions: list[Mask] = []
    for edit, subject in zip(edits, people, strict=True):
        if edit.mask is not None:
            regions.append(edit.mask)
            continue
        found = removal_mask(scene.photo.pixels, subject, staying)
        shadow = [found.shadow] if edit.attributes.get("shadow", "remove") == "remove" else []
        regions.append(masks.union([found.person, *shadow], scene.size))
    return regions


def _widened(
    scene: Scene, people: Sequence[Subject], edits: Sequence[Edit], regions: Sequence[Mask], attempt: int
) -> tuple[Mask, ...]:
    """The regions of one more try: wider each time, but never into somebody who stays, nor beyond what a user drew."""
    if not attempt:
        return tuple(regions)
    stays = masks.union([other.mask for other in scene.subjects.values() if other not in people], scene.size)
    wider: list[Mask] = []
    for subject, edit, region in zip(people, edits, regions, strict=True):
        rim = masks.subtract(masks.grow(region, attempt * _WIDER * subject.mask.window.height), stays)
        wider.append(region if edit.mask is not None else masks.union([region, rim], scene.size))
    return tuple(wider)


def _fill(
    scene: Scene, predictors: Sequence[BackgroundPredictor], regions: Regions, seed: int
) -> tuple[Filled | None, str]:
    """The first fill in which nobody is seen, else the last, by the method that invents nobody; and what went wrong."""
    forbidden = masks.union([subject.mask for subject in scene.subjects.values()], scene.size)
    filled, problems = None, []
    for predictor in predictors:
        try:
            filled = _fill_by(predictor, scene, regions, forbidden, seed)
        except (EngineError, ModelError, MaskError) as error:
            problems.append(f"{predictor.name} could not predict the background: {error}")
            continue
        if not filled.ghosts:
            break
        problems.append(f"The detector still sees {filled.ghosts} in the place that {predictor.name} filled.")
    if filled is not None and problems and not filled.ghosts:
        problems.append(f"It was filled by {filled.by.name} instead.")
    return filled, " ".join(problems)


def _fill_by(predictor: BackgroundPredictor, scene: Scene, regions: Regions, forbidden: Mask, seed: int) -> Filled:
    """The first of a predictor's fills in which nobody is seen, else the last; each takes in more than the last."""
    for attempt in range(predictor.attempts):
        own_seed, tried = derived_seed(seed, attempt), regions(attempt)
        hole = masks.union(tried, scene.size)
        fill = predictor.predict(scene.pixels, hole, forbidden, own_seed, scene.stop)
        ghosts = _ghosts(scene, hole, fill)
        if not ghosts:
            break
    return Filled(fill, tried, predictor, own_seed, attempt + 1, ghosts)


def _outcome(scene: Scene, subject: Subject, edit: Edit, region: Mask, filled: Filled | None, reason: str) -> Outcome:
    if filled is None:
        return _cover_instead(scene, subject, edit, f"{reason} The person is covered instead.")
    if reason:
        scene.warnings.append(f"Person {subject.id}: {reason}")
    window, patch = filled.fill.window, filled.fill.pixels
    likeness = scene.likeness_after(subject, window, patch)
    if likeness.verdict == "fail" if likeness else not hides_face(region, subject, scene.size):
        # for example by a mask that misses it
        outcome = _cover_instead(
            scene, subject, edit, "The face could still be seen after the removal; covered instead."
        )
    else:
        outcome = scene.outcome(
            subject,
            edit,
            region,
            region.window,
            part_of(window, patch, region.window),
            engine=engine_of(filled.by),
            seed=filled.seed,
            reason=reason,
            likeness=likeness,
        )
    return replace(outcome, candidates_tried=filled.tried)


def _cover_instead(scene: Scene, subject: Subject, edit: Edit, reason: str) -> Outcome:
    """Nobody's face may be left to be seen because a removal went wrong."""
    scene.warnings.append(f"Person {subject.id}: {reason}")
    layered = replace(edit, operation=Operation.LAYERED, mask=None)
    return replace(cover(scene, subject, layered, asked=Operation.REMOVE, reason=reason), failed=True)


def _ghosts(scene: Scene, hole: Mask, fill: Fill) -> str:
    """What a detector takes for a person in the filled place, in words; empty when there is nobody.

    It looks from near and, like whoever gets the picture, at the whole: each shows people that the other does not.
    """
    detector = scene.detector
    near, whole = scene.around(hole.window.box), Window(0, 0, scene.size[1], scene.size[0])
    with scene.shown(fill.window, fill.pixels):
        for view in (near, whole):
            if any(hole.contains(centre(face.box)) for face in detector.find_faces(scene.pixels, view)):
                return "a face"
            people = detector.find_people(scene.pixels, view)
            if any(masks.intersect(mask, hole).area > 0.5 * mask.area for mask in people):
                return "a person"
    return ""
