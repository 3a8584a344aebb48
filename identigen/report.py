"""What was done to a photo, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from identigen import masks
from identigen.models import REGISTRY
from identigen.types import Box, Outcome, Photo, Subject

SCHEMA = 1


@dataclass(frozen=True, eq=False, slots=True)
class Report:
    """The record of one result; `to_json` is the contract that scripts depend on.

    `outcomes` stand in the order in which their patches were laid on the photo.
    """

    engine: str
    seconds: float
    outcomes: tuple[Outcome, ...]
    outside_mask_identical: bool
    models: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    metadata_removed: bool | None = None
    """Known only when the picture was encoded: see `verification.export`."""

    @property
    def failed(self) -> bool:
        """Whether an operation that was asked for did not pass its check (that person is covered instead)."""
        return any(outcome.failed for outcome in self.outcomes)

    def with_export(self, metadata_removed: bool) -> Report:
        """The same report, after the encoded file was examined."""
        return replace(self, metadata_removed=metadata_removed)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        return {
            "schema": SCHEMA,
            "engine": self.engine,
            "seconds": round(self.seconds, 3),
            "subjects": [_outcome_json(outcome) for outcome in sorted(self.outcomes, key=lambda o: o.subject_id)],
            "checks": {
                "outside_mask_identical": self.outside_mask_identical,
                "metadata_removed": self.metadata_removed,
            },
            "models": [
                {"name": name, "licence": REGISTRY[name].licence, "source": REGISTRY[name].source}
                for name in self.models
            ],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """A finished photo with what became of everybody in it."""

    photo: Photo
    subjects: tuple[Subject, ...]
    outcomes: tuple[Outcome, ...]
    report: Report


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """Progress of a long piece of work."""

    done: int
    total: int
    text: str
    subject_id: int | None = None
    assemble: Callable[[], Result] | None = None

    @property
    def so_far(self) -> Result | None:
        """The photo with everybody who is finished, put together only when somebody asks; None before the first."""
        return self.assemble() if self.assemble else None


def detection_json(photo: Photo, subjects: Sequence[Subject]) -> dict[str, Any]:
    """Who was found, as `identigen detect --json` writes it."""
    return {
        "width": photo.width,
        "height": photo.height,
        "subjects": [_subject_json(subject) for subject in subjects],
        "warnings": list(photo.notes),
    }


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order of their first appearance."""
    return tuple(dict.fromkeys(names))


def _subject_json(subject: Subject) -> dict[str, Any]:
    face = subject.face
    return {
        "id": subject.id,
        "box": _box(subject.box),
        "score": round(float(subject.score), 3),
        "face": None
        if face is None
        else {
            "box": _box(face.box),
            "size_px": round(face.size_px, 1),
            "yaw": round(face.pose.yaw, 1) if face.pose else None,
        },
        "mask": masks.to_rle(subject.mask),
        "quality": {"level": subject.quality.level, "flags": list(subject.quality.flags)},
        "default_operation": subject.default_operation.value,
        "reason": subject.reason,
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.subject_id,
        "box": _box(outcome.box),
        "region": outcome.region,
        "operation": outcome.asked.value,
        "applied": outcome.applied.value,
        "engine": outcome.engine,
        "reason": outcome.reason,
        "seed": outcome.seed,
        "candidates_tried": outcome.candidates_tried,
        "distance": {name: round(float(value), 4) for name, value in outcome.distances.items()},
        "threshold": {name: float(value) for name, value in outcome.thresholds.items()},
        "verdict": outcome.verdict,
        "kept": {name: dict(values) for name, values in outcome.kept.items()},
        "changed": masks.to_rle(outcome.changed),
        "seconds": round(outcome.seconds, 3),
    }


def _box(box: Box) -> list[float]:
    return [round(float(value), 1) for value in box]
