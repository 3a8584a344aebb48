"""IdentiGen: new people for old pictures.

    from identigen import Operation, Pipeline, export, make_plan, open_photo

    pipeline = Pipeline()
    photo = open_photo("party.jpg")
    subjects = pipeline.detect(photo)
    result = pipeline.anonymize(photo, subjects, make_plan(subjects, Operation.FACE))
    report = export(result, "party-anonymous.png")

Names are loaded when they are first used, so that `import identigen` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from identigen.version import VERSION as __version__

if TYPE_CHECKING:
    from identigen.errors import (
        EngineError,
        IdentiGenError,
        InputError,
        MaskError,
        ModelError,
        PhotoError,
        PlanError,
    )
    from identigen.photo import open_photo, save_photo
    from identigen.pipeline import Pipeline, make_plan
    from identigen.report import Report, Result, Step
    from identigen.settings import Settings
    from identigen.types import Edit, Face, Mask, Operation, Outcome, Photo, Plan, Subject
    from identigen.verification import export

_HOME = {
    **dict.fromkeys(
        ("EngineError", "IdentiGenError", "InputError", "MaskError", "ModelError", "PhotoError", "PlanError"), "errors"
    ),
    **dict.fromkeys(("Edit", "Face", "Mask", "Operation", "Outcome", "Photo", "Plan", "Subject"), "types"),
    **dict.fromkeys(("open_photo", "save_photo"), "photo"),
    **dict.fromkeys(("Pipeline", "make_plan"), "pipeline"),
    **dict.fromkeys(("Report", "Result", "Step"), "report"),
    "Settings": "settings",
    "export": "verification",
}

__all__ = [
    "Edit",
    "EngineError",
    "Face",
    "IdentiGenError",
    "InputError",
    "Mask",
    "MaskError",
    "ModelError",
    "Operation",
    "Outcome",
    "Photo",
    "PhotoError",
    "Pipeline",
    "Plan",
    "PlanError",
    "Report",
    "Result",
    "Settings",
    "Step",
    "Subject",
    "__version__",
    "export",
    "make_plan",
    "open_photo",
    "save_photo",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"identigen.{_HOME[name]}"), name)
    raise AttributeError(f"module 'identigen' has no attribute {name!r}")
