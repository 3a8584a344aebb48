"""The diffusion engine inside the whole pipeline: random weights draw nobody, so nobody's face may be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tiny import cache

from identigen.pipeline import Pipeline, make_plan
from identigen.types import Operation, Photo, Subject


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with cache(
        tmp_path_factory.mktemp("whole"), "sdxl-inpainting", "sdxl-lcm-lora", "sdxl-openpose", "lama"
    ) as settings:
        yield Pipeline(replace(settings, engine="diffusion"))


def test_every_synthesis_is_offered(drawing: Pipeline) -> None:
    offered = {operation: here.engine for operation, here in drawing.operations().items()}
    assert offered[Operation.FACE] == offered[Operation.FACE_HAIR] == offered[Operation.BODY] == "diffusion"


@pytest.mark.parametrize("operation", [Operation.FACE, Operation.FACE_HAIR, Operation.BODY])
def test_what_is_no_face_is_never_shown_and_the_person_is_covered(
    drawing: Pipeline, astronaut: Photo, astronaut_subjects: tuple[Subject, ...], operation: Operation
) -> None:
    result = drawing.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, operation, seed=1))
    [outcome] = result.outcomes
    assert outcome.asked is operation
    assert outcome.failed or outcome.verdict == "pass"
    assert result.report.outside_mask_identical
    face = astronaut_subjects[0].face
    assert face is not None
    x1, y1, x2, y2 = (round(value) for value in face.box)
    before, after = (photo.pixels[y1:y2, x1:x2].astype(float) for photo in (astronaut, result.photo))
    assert np.abs(before - after).mean() > 5


def test_a_removal_goes_by_the_downloaded_model(
    drawing: Pipeline, astronaut: Photo, astronaut_subjects: tuple[Subject, ...]
) -> None:
    result = drawing.anonymize(astronaut, astronaut_subjects, make_plan(astronaut_subjects, Operation.REMOVE))
    assert result.outcomes[0].applied is Operation.REMOVE
    assert "lama" in result.report.models
