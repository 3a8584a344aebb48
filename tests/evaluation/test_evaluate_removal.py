from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from identigen.errors import InputError
from identigen.evaluation.removal import Removal, evaluate_removal, ring_sharpness, summarise, who_is_seen
from identigen.types import Face, Mask

SIZE = (120, 160)


def rectangle(top: int, bottom: int, left: int, right: int) -> Mask:
    inside = np.zeros(SIZE, bool)
    inside[top:bottom, left:right] = True
    return Mask.from_array(inside)


def looking(faces: tuple[Face, ...] = (), people: tuple[Mask, ...] = ()) -> SimpleNamespace:
    """A pipeline whose detector sees what it is told to."""
    detector = SimpleNamespace(find_faces=lambda pixels: list(faces), find_people=lambda pixels, window: list(people))
    return SimpleNamespace(detector=detector)


@pytest.mark.parametrize(
    ("faces", "people", "seen"),
    [
        ((), (), ""),
        ((Face((50, 40, 70, 60)),), (), "a face"),
        ((Face((5, 5, 15, 15)),), (), ""),
        ((), (rectangle(30, 80, 45, 80),), "a person"),
        ((), (rectangle(30, 110, 70, 150),), ""),
    ],
    ids=["nobody", "a face in the fill", "a face elsewhere", "a person in the fill", "a neighbour who reaches in"],
)
def test_who_is_seen_in_the_fill(faces, people, seen):
    picture = np.zeros((*SIZE, 3), np.uint8)
    assert who_is_seen(looking(faces, people), picture, rectangle(30, 90, 40, 90)) == seen


def test_a_sharp_neighbour_does_not_make_a_fill_look_blurred():
    picture = np.random.default_rng(0).normal(120, 6, (*SIZE, 3)).clip(0, 255).astype(np.uint8)
    neighbour = rectangle(10, 110, 82, 120)
    checks = np.indices(SIZE).sum(0) % 2 * 255
    picture[neighbour.to_array()] = checks[neighbour.to_array()][:, None]
    filled = rectangle(20, 100, 40, 80)
    assert ring_sharpness(picture, filled, neighbour) == pytest.approx(1.0, abs=0.15)
    assert ring_sharpness(picture, filled, Mask.empty(*SIZE)) < 0.7
    smooth = np.where(filled.to_array()[:, :, None], cv2.GaussianBlur(picture, (0, 0), 3), picture)
    assert ring_sharpness(smooth, filled, neighbour) < 0.5


def test_without_a_ring_there_is_no_sharpness():
    picture = np.zeros((*SIZE, 3), np.uint8)
    assert np.isnan(ring_sharpness(picture, rectangle(0, 120, 0, 80), rectangle(0, 120, 80, 160)))
    assert np.isnan(ring_sharpness(picture, Mask.empty(*SIZE), Mask.empty(*SIZE)))


def test_the_chinks_of_a_crowd_are_no_surroundings():
    picture = np.random.default_rng(0).normal(120, 6, (*SIZE, 3)).clip(0, 255).astype(np.uint8)
    filled = rectangle(20, 100, 40, 80)
    crowd = rectangle(0, 120, 0, 160).to_array() & ~rectangle(15, 105, 35, 85).to_array()
    crowd[104:120, 50:60] = False
    assert np.isnan(ring_sharpness(picture, filled, Mask.from_array(crowd)))


def test_a_white_wall_has_nothing_that_could_be_sharp():
    noise = np.random.default_rng(0).random((*SIZE, 3)) < 0.02
    wall = (250 - noise).astype(np.uint8)
    assert np.isnan(ring_sharpness(wall, rectangle(20, 100, 40, 80), Mask.empty(*SIZE)))


def test_a_ghost_that_the_report_does_not_tell_is_counted_apart():
    rows = [
        Removal("a.jpg", 1, "remove", "", "", 1.0, 0.1, 1.0),
        Removal("a.jpg", 2, "remove", "a person", "The detector still sees a person.", 0.5, 0.1, 1.0),
        Removal("a.jpg", 3, "remove", "a face", "", float("nan"), 0.1, 1.0),
        Removal("a.jpg", 4, "layered", "a face", "covered instead", 0.1, 0.1, 1.0),
    ]
    summary = summarise(rows)
    assert (summary["people"], summary["removed"], summary["covered instead"]) == (4, 3, 1)
    assert (summary["nobody seen"], summary["seen and said"], summary["seen and not said"]) == (1, 1, 1)
    assert summary["sharpness 0.6-1.4"] == 1
    assert summary["too flat, or nobody but people around, to compare"] == 1


def test_somebody_is_removed_and_judged(tmp_path, capsys):
    skimage_data = pytest.importorskip("skimage.data")
    path, sheet = tmp_path / "astronaut.png", tmp_path / "sheet.png"
    cv2.imwrite(str(path), cv2.resize(skimage_data.astronaut(), (256, 256))[:, :, ::-1])
    result = evaluate_removal([tmp_path], limit=1, sheet=sheet)
    (only,) = result["removals"]
    assert only["photo"] == "astronaut.png"
    assert 0.05 < only["share"] < 0.9
    assert result["summary"]["people"] == 1
    assert "nobody seen" in capsys.readouterr().out
    assert cv2.imread(str(sheet)).shape[0] > 320


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no pictures"):
        evaluate_removal([tmp_path], pipeline=looking())


def test_a_lost_file_is_named(tmp_path):
    with pytest.raises(InputError, match="gone"):
        evaluate_removal([tmp_path / "gone.jpg"], pipeline=looking())
