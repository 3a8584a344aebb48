from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from identigen.recognition.strangers import NEAREST, Strangers, strangers_to
from identigen.training.export import save_strangers
from identigen.types import Floats


def around(centre: Floats, distance: float, count: int) -> Floats:
    """So many descriptors `(count, 128)` at this distance from one."""
    away = np.random.default_rng(count).standard_normal((count, 128))
    return np.asarray(centre + distance * away / np.linalg.norm(away, axis=1, keepdims=True), np.float32)


PERSON = np.zeros(128, np.float32)


@pytest.mark.parametrize(
    ("distances", "limit"),
    [
        ([(0.9, 100)], 0.60),  # nobody is as near as the threshold
        ([(0.55, 1), (0.9, 199)], 0.60),  # one in two hundred is
        ([(0.55, 10), (0.9, 90)], 0.55),  # one in ten
        ([(0.3, 50), (0.9, 50)], NEAREST),  # half of them are very near: that tells nothing of who is nearer still
    ],
)
def test_who_is_taken_for_many_strangers_need_not_be_left_as_far_behind(
    distances: list[tuple[float, int]], limit: float
) -> None:
    strangers = Strangers(np.concatenate([around(PERSON, distance, count) for distance, count in distances]))
    assert strangers.limit(PERSON, 0.60) == pytest.approx(limit, abs=1e-3)


def test_a_new_face_is_hidden_once_strangers_are_nearer_to_it_than_the_person() -> None:
    new = around(PERSON, 0.55, 1)[0]
    crowd, nobody = Strangers(around(new, 0.4, 100)), Strangers(around(new, 0.8, 100))
    assert crowd.hide(new, PERSON)
    assert not nobody.hide(new, PERSON)
    one_of_them = Strangers(np.concatenate([around(new, 0.4, 1), nobody.descriptors[:99]]))
    assert one_of_them.hide(new, PERSON)


def test_the_shipped_strangers_are_not_each_other() -> None:
    strangers = strangers_to("dlib")
    assert strangers is not None
    some = strangers.descriptors[::20]
    apart = np.linalg.norm(some[:, None] - some[None], axis=2)[~np.eye(len(some), dtype=bool)]
    assert apart.min() > 0.2
    assert np.mean(apart < 0.6) < 0.1
    assert strangers_to("sface") is None  # they were never shown to it


def test_strangers_come_back_from_the_file_that_is_shipped(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    told = around(PERSON, 0.7, 30)
    save_strangers(told, tmp_path / "strangers.safetensors")
    stored = load_file(tmp_path / "strangers.safetensors")
    assert stored["descriptors"].dtype == np.int8
    assert np.linalg.norm(stored["descriptors"] * stored["step"] - told, axis=1).max() < 0.02
