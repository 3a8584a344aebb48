"""Removal: a mask with rim and shadow, the background predicted behind it, and a look whether somebody is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from identigen import masks
from identigen.pipeline.cover import cover, hides_face
from identigen.pipeline.plan import derived_seed
from identigen.pipeline.scene import Scene, centre, part_of
from identigen.types import Edit, Mask, Operation, Outcome, Pixels, Subject, Window

if TYPE_CHECKING:
    from identigen.background import BackgroundPredictor

FILLS = 3


def remove(scene: Scene, predictor: BackgroundPredictor, edits: Sequence[Edit]) -> list[Outcome]:
    """Take people who stand close together out of the picture in one go, and look whether somebody is still there."""
    from identigen.background import removal_mask

    start = time.perf_counter()
    people = [scene.subjects[edit.subject_id] for edit in edits]
    staying = [subject for subject in scene.subjects.values() if subject not in people]
    regions: list[Mask] = []
    for edit, subject in zip(edits, people, strict=True):
        if edit.mask is not None:
            regions.append(edit.mask)
            continue
        found = removal_mask(scene.photo.pixels, subject, staying)
        shadow = [found.shadow] if edit.attributes.get("shadow", "remove") == "remove" else []
        regions.append(masks.union([found.person, *shadow], scene.size))
    hole = masks.union(regions, scene.size)
    forbidden = masks.union([s.mask for s in scene.subjects.values()], scene.size)
    for attempt in range(FILLS):
        seed = derived_seed(edits[0].seed, attempt)
        window, patch = predictor.predict(scene.pixels, hole, forbidden, seed)
        ghosts = _ghosts(scene, hole, window, patch)
        if not ghosts:
            break
    scene.models += predictor.models
    scene.warnings += predictor.notices
    engine = engine_of(predictor)
    reason = ""
    if ghosts:
        reason = f"The detector still sees {ghosts} in the filled place after {FILLS} attempts."
    outcomes = []
    seconds = (time.perf_counter() - start) / len(edits)
    for edit, subject, region in zip(edits, people, regions, strict=True):
        if reason:
            scene.warnings.append(f"Person {subject.id}: {reason}")
        part = part_of(window, patch, region.window)
        likeness = scene.likeness_after(subject, window, patch)
        if likeness.verdict == "fail" if likeness else not hides_face(region, subject, scene.size):
            outcome = _cover_what_stayed(scene, subject, edit)
        else:
            outcome = scene.outcome(
                subject,
                edit,
                region,
                region.window,
                part,
                engine=engine,
                seed=seed,
                reason=reason,
                likeness=likeness,
            )
        outcomes.append(replace(outcome, seconds=seconds, candidates_tried=attempt + 1))
    return outcomes


def _cover_what_stayed(scene: Scene, subject: Subject, edit: Edit) -> Outcome:
    """A removal that leaves the face to be seen, for example by a mask that misses it, becomes a cover."""
    reason = "The face could still be seen after the removal; covered instead."
    scene.warnings.append(f"Person {subject.id}: {reason}")
    layered = replace(edit, operation=Operation.LAYERED, mask=None)
    return replace(cover(scene, subject, layered, asked=Operation.REMOVE, reason=reason), failed=True)


def _ghosts(scene: Scene, hole: Mask, window: Window, patch: Pixels) -> str:
    """What a detector takes for a person in the filled place, in words; empty when there is nobody."""
    detector = scene.detector
    with scene.shown(window, patch):
        around = scene.around(hole.window.box)
        faces = [face for face in detector.find_faces(scene.pixels, around) if hole.contains(centre(face.box))]
        persons = [
            mask
            for mask in detector.find_people(scene.pixels, around)
            if masks.intersect(mask, hole).area > 0.5 * mask.area
        ]
    if faces:
        return "a face"
    return "a person" if persons else ""


def engine_of(predictor: BackgroundPredictor) -> str:
    """Which of the two engines a predictor belongs to."""
    return "embedded" if predictor.name == "patchmatch" else "diffusion"
