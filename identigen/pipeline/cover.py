"""Classical covers that are measured: one that leaves the person recognisable is made stronger, and that is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from identigen import masks
from identigen.obfuscation import cover_region, obfuscate
from identigen.pipeline.scene import Scene
from identigen.types import Edit, Mask, Operation, Outcome, Subject

MOST_UNCOVERED = 0.15
"""Where no recogniser can judge a cover, this share of the face's oval may look out of it."""


def cover(scene: Scene, subject: Subject, edit: Edit, asked: Operation | None = None, reason: str = "") -> Outcome:
    """Cover, and cover more when the person can still be recognised: layered over the face, then a solid box."""
    asked = asked or edit.operation
    face_px = subject.face.size_px if subject.face else None
    for attempt, (operation, region) in enumerate(_ladder(scene, subject, edit)):  # noqa: B007 (read after the loop)
        window, patch = obfuscate(scene.pixels, region, operation, edit.seed, face_px)
        likeness = scene.likeness_after(subject, window, patch)
        if likeness.verdict == "pass" if likeness else hides_face(region, subject, scene.size):
            break
    if attempt:
        reason = f"{reason} Still recognisable under {edit.operation.value}; covered more strongly.".strip()
        scene.warnings.append(f"Person {subject.id}: {reason}")
    return scene.outcome(
        subject,
        replace(edit, operation=operation),
        region,
        window,
        patch,
        asked=asked,
        engine="classical",
        reason=reason,
        likeness=likeness,
        failed=attempt > 0,
    )


def _ladder(scene: Scene, subject: Subject, edit: Edit) -> Iterator[tuple[Operation, Mask]]:
    asked = edit.mask if edit.mask is not None else cover_region(subject, edit.region, edit.extent, scene.size)
    yield edit.operation, asked
    whole = masks.union([asked, cover_region(subject, "segment", "face", scene.size)], scene.size)
    yield Operation.LAYERED, whole
    yield Operation.SOLID, masks.union([whole, cover_region(subject, "box", "head", scene.size)], scene.size)


def hides_face(region: Mask, subject: Subject, size: tuple[int, int]) -> bool:
    """Whether next to nothing of the face looks out of a cover."""
    if subject.face is None:
        return True
    inner = masks.ellipse(subject.face.box, size)
    return masks.subtract(inner, region).area <= MOST_UNCOVERED * inner.area
