from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from identigen.identity.appearance import load_codec
from identigen.identity.conditions import NAMES
from identigen.identity.mannerisms import TERMS, Mannerisms, no_mannerisms, terms, write_mannerisms
from identigen.identity.mesh import POINTS, SIDE
from identigen.training.data import Faces
from identigen.training.mannerisms import Difference, chosen, differences, fit, left, main
from identigen.types import Floats

AGE = NAMES.index("age")


@pytest.fixture(scope="module")
def hand() -> Mannerisms:
    """Somebody who draws a dark bar over every nose, darker the older, and every point a little lower."""
    skin, shape = np.zeros((TERMS, SIDE, SIDE, 3), np.float32), np.zeros((TERMS, POINTS, 3), np.float32)
    skin[-1, 90:110, 80:112], skin[0, 90:110, 80:112] = -0.2, -0.1
    shape[-1, :, 1] = 0.01
    return Mannerisms(skin, shape)


@pytest.fixture(scope="module")
def drawn(hand: Mannerisms) -> list[Difference]:
    """Faces that differ from those that were there by chance and by this hand; of every second one half was hidden."""
    rng, out = np.random.default_rng(4), []
    for number in range(150):
        condition = rng.standard_normal(len(NAMES)).astype(np.float32)
        chance = 0.1 * np.repeat(rng.standard_normal((1, SIDE // 8, SIDE // 8, 1)), 3, 3)[0].repeat(8, 0).repeat(8, 1)
        seen = np.ones((SIDE, SIDE), np.float32)
        skin = hand.on_skin(condition) + chance
        if number % 2:
            seen[:100], skin[:100] = 0, 5.0  # a hand before the face
        shape = hand.on_shape(condition) + 0.02 * rng.standard_normal((POINTS, 3))
        out.append(Difference(terms(condition), skin.astype(np.float32), seen, shape.astype(np.float32), False))
    return out


def aged(years: float) -> Floats:
    condition = np.zeros(len(NAMES), np.float32)
    condition[AGE] = years
    return condition


def test_what_all_have_in_common_is_told_from_what_each_has(hand: Mannerisms, drawn: list[Difference]) -> None:
    found = fit(load_codec(), drawn)
    for age in (-1.0, 1.0):
        nose = found.on_skin(aged(age))[95:105, 90:102].mean()
        assert nose == pytest.approx(hand.on_skin(aged(age))[100, 96].mean(), rel=0.35)
    assert found.on_skin(aged(1))[95:105, 90:102].mean() < 1.5 * found.on_skin(aged(-1))[95:105, 90:102].mean()
    assert np.abs(found.on_skin(aged(0))[130:, :]).max() < 0.1
    assert found.on_shape(aged(0))[:, 1].mean() == pytest.approx(0.01, rel=0.3)


def test_what_is_left_is_less_once_it_is_taken_out(hand: Mannerisms, drawn: list[Difference]) -> None:
    codec = load_codec()
    before = left(codec, drawn)
    found = fit(codec, drawn)
    skin, shape = np.moveaxis(found.skin, 0, -2), np.moveaxis(found.shape, 0, -2)
    rest = [replace(d, skin=d.skin - d.told @ skin, shape=d.shape - d.told @ shape) for d in drawn]
    after = left(codec, rest)
    assert after["skin"] < 0.5 * before["skin"]
    assert after["points"] < 0.5 * before["points"]


def test_a_face_is_drawn_over_and_compared_with_whoever_was_there(tmp_path: Path, one_face: Faces) -> None:
    weights = tmp_path / "none.safetensors"
    write_mannerisms(no_mannerisms(), weights)
    [plain] = differences(one_face, [0], weights, processes=1)
    mesh = load_codec().mesh
    changed = np.abs(plain.skin.astype(np.float32)).mean(-1) * plain.seen
    assert changed[mesh.nose > 0.5].mean() > 0.03
    assert np.allclose(plain.skin, plain.skin[:, ::-1])
    assert 0.001 < np.abs(plain.shape).mean() < 0.1

    lighter = no_mannerisms()
    lighter.skin[-1] -= 0.2
    write_mannerisms(lighter, weights)
    [told] = differences(one_face, [0], weights, processes=1)
    forehead = (mesh.bare > 0.9) & (plain.seen > 0.5)
    assert (told.skin - plain.skin)[forehead].mean() > 0.1  # what was told to be too dark is drawn lighter


def test_too_few_faces_are_said(tmp_path: Path, one_face: Faces, capsys: pytest.CaptureFixture[str]) -> None:
    (one_face.folder / "index.csv").write_text("file,repository\na.png,x\n", encoding="utf-8")
    assert main([str(one_face.folder), str(tmp_path / "out")]) == 2
    assert "holds 1 face" in capsys.readouterr().err


def test_faces_are_chosen_alike_every_time(one_face: Faces) -> None:
    held_out = np.arange(40) % 10 == 9
    faces = replace(one_face, files=tuple(f"{i}.png" for i in range(40)), held_out=held_out)
    rows = chosen(faces, 20, 3)
    assert rows == chosen(faces, 20, 3)
    assert len(set(rows)) == 23
    assert not held_out[rows[:20]].any()
    assert held_out[rows[20:]].all()
