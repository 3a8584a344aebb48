from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from identigen.background import bands, default_predictor, patchmatch
from identigen.background.patchmatch import Effort, PatchMatch, Search, best_start, pyramid
from identigen.background.targets import Ints, find_targets
from identigen.errors import MaskError, Stopped
from identigen.types import Bools, Mask, Pixels, Window


def stripes(height: int = 96, width: int = 128) -> Pixels:
    """Vertical stripes, eight pixels wide: whoever fills a hole in them has one right answer."""
    row = np.where(np.arange(width) // 8 % 2, 200, 60).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2)


def speckles(height: int, width: int, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(120, 30, (height, width, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def smear(pixels: Pixels, hole: Bools) -> Pixels:
    return cv2.inpaint(pixels, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)


def rectangle(shape: tuple[int, int], top: int, bottom: int, left: int, right: int) -> Bools:
    inside = np.zeros(shape, bool)
    inside[top:bottom, left:right] = True
    return inside


def fill(pixels: Pixels, hole: Bools, forbidden: Bools | None = None, seed: int = 0) -> Pixels:
    barred = None if forbidden is None else Mask.from_array(forbidden)
    filled = PatchMatch().predict(pixels, Mask.from_array(hole), barred, seed)
    out = pixels.copy()
    out[filled.window.slices] = filled.pixels
    return out


def test_a_pattern_is_continued_not_smeared():
    truth = stripes()
    hole = rectangle(truth.shape[:2], 30, 66, 40, 84)
    shown = truth.copy()
    shown[hole] = 0
    right = [
        np.mean((picture[hole] > 130) == (truth[hole] > 130)) for picture in (fill(shown, hole), smear(shown, hole))
    ]
    assert right[0] > 0.95
    assert right[1] < 0.8


def test_what_the_hole_held_does_not_matter():
    picture, hole = speckles(80, 90), rectangle((80, 90), 20, 50, 30, 60)
    other = picture.copy()
    other[hole] = (255, 0, 255)
    assert np.array_equal(fill(picture, hole), fill(other, hole))


def test_everything_outside_the_hole_is_the_photo():
    picture = speckles(80, 90)
    hole = rectangle((80, 90), 20, 50, 30, 60) & ~rectangle((80, 90), 30, 40, 40, 50)
    assert np.array_equal(fill(picture, hole)[~hole], picture[~hole])


def test_the_seed_repeats_exactly_and_another_differs():
    picture, hole = speckles(90, 100), rectangle((90, 100), 20, 70, 30, 70)
    first = fill(picture, hole, seed=4)
    assert np.array_equal(first, fill(picture, hole, seed=4))
    assert not np.array_equal(first, fill(picture, hole, seed=5))


def test_the_number_of_cores_changes_no_byte(monkeypatch):
    picture, hole = speckles(160, 180), rectangle((160, 180), 30, 130, 40, 140)
    fills = []
    for cores in (1, 3):
        with ThreadPoolExecutor(cores) as pool:
            monkeypatch.setattr(bands, "_threads", lambda pool=pool: pool)
            fills.append(fill(picture, hole))
    assert np.array_equal(*fills)


def layers(height: int = 160, width: int = 240) -> Pixels:
    """A sky over a meadow, both with grain."""
    picture = speckles(height, width).astype(np.float32) / 6
    picture += np.where(np.arange(height) < height // 2, 160, 60)[:, None, None] * np.array([0.8, 1.0, 0.7])
    return np.clip(picture, 0, 255).astype(np.uint8)


def test_in_a_crowd_the_layers_of_the_scene_are_continued():
    picture = layers()
    crowd, hole = rectangle((160, 240), 20, 160, 60, 180), rectangle((160, 240), 30, 160, 105, 135)
    shown = picture.copy()
    shown[crowd] = (250, 0, 0)
    filled = fill(shown, hole, forbidden=crowd & ~hole).astype(int)
    assert abs(np.median(filled[35:70, 105:135]) - np.median(picture[:80])) < 8
    assert abs(np.median(filled[90:155, 105:135]) - np.median(picture[80:])) < 8
    assert filled[hole][:, 0].max() < 200


def test_nothing_is_taken_from_forbidden_pixels():
    picture = speckles(100, 160) // 2
    person = rectangle((100, 160), 10, 95, 90, 140)
    picture[person] = (255, 0, 0)
    filled = fill(picture, rectangle((100, 160), 20, 90, 50, 90), forbidden=person)
    hole = rectangle((100, 160), 20, 90, 50, 90)
    assert int(filled[hole][:, 0].max()) < 200


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((80, 100), (0, 40, 0, 30)),
        ((80, 100), (50, 80, 60, 100)),
        ((80, 100), (40, 41, 50, 51)),
        ((80, 100), (0, 80, 0, 60)),
        ((80, 100), (0, 80, 1, 100)),
        ((7, 40), (0, 7, 10, 20)),
        ((5, 5), (2, 3, 2, 3)),
        ((1, 9), (0, 1, 3, 4)),
    ],
    ids=["corner", "other corner", "one pixel", "60 %", "99 %", "low", "tiny", "a row"],
)
def test_odd_holes_are_filled_from_the_range_of_the_photo(shape, box):
    picture, hole = speckles(*shape) // 2 + 60, rectangle(shape, *box)
    shown = picture.copy()
    shown[hole] = 0
    filled = fill(shown, hole)
    assert filled[hole].min() > 30


def test_two_holes_at_once():
    picture = speckles(90, 120) // 2 + 60
    hole = rectangle((90, 120), 5, 40, 5, 30) | rectangle((90, 120), 50, 85, 80, 115)
    shown = picture.copy()
    shown[hole] = 0
    assert fill(shown, hole)[hole].min() > 30


def test_no_hole_gives_an_empty_window():
    filled = default_predictor().predict(speckles(20, 30), Mask.empty(20, 30))
    assert filled.window == Window(0, 0, 0, 0)
    assert filled.pixels.shape == (0, 0, 3)


def test_a_stop_ends_it_in_the_middle():
    picture, hole = speckles(60, 60), rectangle((60, 60), 20, 40, 20, 40)
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        PatchMatch().predict(picture, Mask.from_array(hole), stop=lambda: next(asked))


def test_a_mask_of_another_photo_is_refused():
    picture = speckles(20, 30)
    with pytest.raises(MaskError, match="photo of 30x21"):
        PatchMatch().predict(picture, Mask.empty(21, 30))
    with pytest.raises(MaskError, match="photo of 31x20"):
        PatchMatch().predict(picture, Mask.empty(20, 30), Mask.empty(20, 31))


def test_a_photo_without_anything_to_learn_from_is_refused():
    picture, everything = speckles(20, 30), np.ones((20, 30), bool)
    with pytest.raises(MaskError, match="nothing is left"):
        PatchMatch().predict(picture, Mask.from_array(everything))
    hole = rectangle((20, 30), 5, 10, 5, 10)
    with pytest.raises(MaskError, match="nothing is left"):
        PatchMatch().predict(picture, Mask.from_array(hole), Mask.from_array(~hole))


def test_what_reaches_into_the_hole_ends_with_an_edge_and_no_haze():
    scene = np.full((120, 160, 3), 210, np.float32)
    scene[35:85, 85:] = 50
    scene = np.clip(scene + np.random.default_rng(0).normal(0, 6, scene.shape), 0, 255).astype(np.uint8)
    hole = rectangle((120, 160), 20, 100, 50, 110)
    grey = fill(scene, hole)[hole].mean(1)
    assert ((grey > 85) & (grey < 175)).mean() < 0.002


def test_in_a_clear_sky_nobody_sees_where_the_hole_was():
    down, along = np.mgrid[0:140, 0:180].astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 0.7, (140, 180, 1))
    sky = np.stack([90 + 0.35 * down, 140 + 0.25 * down + 0.1 * along, 220 - 0.2 * along], 2) + grain
    sky = np.clip(np.rint(sky), 0, 255).astype(np.uint8)
    hole = cv2.ellipse(np.zeros((140, 180), np.uint8), (90, 70), (30, 45), 0, 0, 360, 1, -1) > 0
    soft = cv2.GaussianBlur(fill(sky, hole).astype(np.float32), (0, 0), 1.5)
    steps = np.abs(np.diff(soft, axis=0)).mean(2)
    inside = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8))[1:] > 0
    assert steps[inside].max() < 2.0 * steps[~inside].max()


def begin(monkeypatch: pytest.MonkeyPatch, totals: list[int]) -> tuple[int, int, int]:
    """Let the starts end at such costs; return how many were made, which one's sources and which one's paint stay."""
    picture, hole = speckles(64, 64), rectangle((64, 64), 28, 36, 28, 36)
    level = pyramid(picture, hole, np.zeros_like(hole))[-1]
    targets, made, costs = find_targets(level), [], iter(totals)

    def settle(level, targets, sources, *others) -> tuple[Ints, Ints]:
        made.append(len(made))
        level.features[level.painted, :3] = made[-1]
        return np.full_like(sources, made[-1]), np.full_like(sources, next(costs))

    monkeypatch.setattr(patchmatch, "settle", settle)
    search = Search(passes=1, pull=0, lean=0.0, coherence=0.0, far=True, seed=0, selectivity=2.0, last=2.0)
    sources, _ = best_start(level, targets, search, Effort(starts=len(totals)), None)
    return len(made), int(sources[0]), int(level.features[level.painted][0, 0])


def test_of_several_starts_the_cheapest_stays(monkeypatch):
    assert begin(monkeypatch, [5, 3, 9, 3]) == (4, 1, 1)


def test_where_the_coarsest_level_is_large_there_is_one_start(monkeypatch):
    monkeypatch.setattr(patchmatch, "_AFFORDABLE", 10)
    assert begin(monkeypatch, [5, 3]) == (1, 0, 0)
