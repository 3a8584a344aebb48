from __future__ import annotations

import json

import numpy as np

from identigen.masks import from_rle
from identigen.models import REGISTRY
from identigen.pipeline import Pipeline, make_plan
from identigen.report import detection_json, unique
from identigen.types import Operation, Photo, Subject


def test_the_report_holds_the_contract(
    pipeline: Pipeline, astronaut: Photo, astronaut_subjects: tuple[Subject, ...]
) -> None:
    plan = make_plan(astronaut_subjects, Operation.LAYERED, seed=3)
    report = json.loads(json.dumps(pipeline.anonymize(astronaut, astronaut_subjects, plan).report.to_json()))
    assert report.keys() == {"schema", "engine", "seconds", "subjects", "checks", "models", "warnings"}
    assert report["schema"] == 1
    assert report["checks"] == {"outside_mask_identical": True, "metadata_removed": None}
    [subject] = report["subjects"]
    assert subject.keys() >= {
        "id", "box", "region", "operation", "applied", "engine", "reason", "seed", "candidates_tried", "distance",
        "threshold", "verdict", "kept", "seconds",
    }  # fmt: skip
    assert subject["verdict"] in ("pass", "not-applicable")
    assert {model["name"] for model in report["models"]} <= REGISTRY.keys()
    assert all(model["licence"] for model in report["models"])


def test_detection_json_carries_masks_that_can_be_read_back(
    astronaut: Photo, astronaut_subjects: tuple[Subject, ...]
) -> None:
    data = json.loads(json.dumps(detection_json(astronaut, astronaut_subjects)))
    assert (data["width"], data["height"]) == (512, 512)
    [subject] = data["subjects"]
    assert subject["face"]["size_px"] > 60
    assert subject["default_operation"] == "face"
    assert np.array_equal(from_rle(subject["mask"]).to_array(), astronaut_subjects[0].mask.to_array())


def test_unique_keeps_the_order() -> None:
    assert unique(["b", "a", "b", "c", "a"]) == ("b", "a", "c")
