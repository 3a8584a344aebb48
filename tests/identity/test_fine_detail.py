from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from identigen.identity.appearance import Codec, brightness, load_codec
from identigen.identity.brows import read_brows
from identigen.identity.conditions import PARITY
from identigen.identity.fine_detail import (
    FEATURES,
    STAYS,
    STEP,
    FineDetail,
    Lent,
    finest_detail,
    form_of,
    load_fine_detail,
    look,
)
from identigen.identity.mesh import SIDE
from identigen.training.codec import Maps
from identigen.training.fine_detail import BEARD, fit_fine_detail, read_unfit, save_fine_detail, without_beard
from identigen.training.latents import Latents
from identigen.types import Floats

PARTS = ("right eye", "left eye", "nose", "mouth")
ANYBODY = np.zeros(len(STAYS), np.float32)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="module")
def shipped(codec: Codec) -> FineDetail:
    return load_fine_detail(codec.mesh)


@pytest.fixture(scope="module")
def smooth(codec: Codec) -> Floats:
    """Somebody as the model draws them, `(SIDE, SIDE, 3)`."""
    rng = np.random.default_rng(4)
    return codec.decode((0.7 * rng.standard_normal(len(codec.detail_scale))).astype(np.float32))


def grain(strength: float) -> Floats:
    return (strength * np.random.default_rng(1).standard_normal((SIDE, SIDE))).astype(np.float32)


def finest(detail: Floats, weight: Floats) -> float:
    return float((np.abs(finest_detail(detail, np.ones((SIDE, SIDE), np.float32))) * weight).mean())


def nose_with(
    shipped: FineDetail,
    detail: Floats,
    alike: tuple[int, int] = (1, 1),
    kinds: Floats | None = None,
    people: tuple[int, int] = (-1, -2),
) -> FineDetail:
    """The shipped examples but for noses: two that look like that of `detail`, or unlike it where `alike` is -1.

    They have marks across and upright.
    """
    window, weight = shipped.zones["nose"]
    mine = np.ascontiguousarray(look(brightness(detail))[window.slices][::STEP, ::STEP]).ravel()
    marks = np.zeros((2, *weight.shape), np.float32)
    marks[0, ::4], marks[1, :, ::4] = 0.1, 0.1
    looks = np.stack([sign * mine for sign in alike])
    kinds = np.zeros((2, len(STAYS)), np.float32) if kinds is None else kinds
    two = Lent(marks, looks, kinds, np.array(people, np.int32))
    return FineDetail(shipped.mesh, dict(shipped.lent) | {"nose": two})


def lent_nose(detail: FineDetail, smooth: Floats, kind: Floats = ANYBODY) -> int:
    """Which of the two noses of `nose_with` appears."""
    window, _ = detail.zones["nose"]
    form = form_of(detail.mesh, brightness(detail.added(smooth, kind)), np.ones((SIDE, SIDE), np.float32))[
        window.slices
    ]
    middle = form[10:-10, 20:-20]
    return int(np.abs(np.diff(middle, axis=1)).mean() > np.abs(np.diff(middle, axis=0)).mean())


def test_features_get_another_form_and_cheeks_stay(shipped: FineDetail, smooth: Floats, codec: Codec) -> None:
    change = brightness(shipped.added(smooth, ANYBODY) - smooth)
    for name in FEATURES:
        window, weight = shipped.zones[name]
        assert np.abs(change[window.slices][weight > 0.9]).mean() > 0.01
    assert np.abs(change[codec.mesh.cheeks > 0.5]).max() == pytest.approx(0, abs=0.02)


def test_broad_shading_stays_the_new_face_s(shipped: FineDetail, smooth: Floats) -> None:
    change = brightness(shipped.added(smooth, ANYBODY) - smooth)
    broad = cv2.GaussianBlur(change, (0, 0), 20)
    assert np.abs(broad).max() < 0.3 * np.abs(change).max()


def test_brows_and_lips_are_form_however_broad(codec: Codec) -> None:
    """What is lent stands on the skin around it: of a broad brow that was drawn nothing is left behind."""
    for zone in (codec.mesh.brows, codec.mesh.lips):
        form = form_of(codec.mesh, -0.3 * zone, codec.mesh.inside.astype(np.float32))
        assert form[zone > 0.99].mean() == pytest.approx(-0.3, abs=0.03)


def test_a_soft_photo_keeps_soft_features(shipped: FineDetail, smooth: Floats) -> None:
    window, zone = shipped.zones["nose"]
    weight = np.zeros((SIDE, SIDE), np.float32)
    weight[window.slices] = zone
    blurred, soft, crisp = (
        finest(shipped.added(smooth, ANYBODY, grain(strength)), weight) for strength in (0.0, 0.005, 1.0)
    )
    assert blurred < soft < crisp
    assert finest(shipped.added(smooth, ANYBODY), weight) < 1.05 * crisp


def test_a_face_in_the_mirror_gets_its_detail_in_the_mirror(shipped: FineDetail, smooth: Floats) -> None:
    own = grain(0.05)
    there = shipped.added(np.ascontiguousarray(smooth[:, ::-1]), ANYBODY, np.ascontiguousarray(own[:, ::-1]))
    assert np.allclose(there[:, ::-1], shipped.added(smooth, ANYBODY, own), atol=1e-4)


def test_both_eyes_are_one_person_s(shipped: FineDetail, smooth: Floats) -> None:
    even = (smooth + smooth[:, ::-1]) / 2
    drawn = brightness(shipped.added(even, ANYBODY))
    window, weight = shipped.zones["eye"]
    assert np.abs(drawn - drawn[:, ::-1])[window.slices][weight > 0.99].max() < 1e-4


def test_thin_brows_are_lent_to_whoever_has_thin_ones(shipped: FineDetail, smooth: Floats) -> None:
    lent = []
    for brows in ([2.0, -3.0], [6.0, -3.0]):
        drawn = shipped.added(smooth, ANYBODY, brows=np.array(brows, np.float32))
        told = read_brows(shipped.mesh, drawn, shipped.mesh.inside.astype(np.float32))
        assert told is not None
        lent.append(float(told[0]))
    assert lent[0] < 0.75 * lent[1]


@pytest.mark.parametrize("nearer", [0, 1])
def test_the_example_that_looks_most_alike_is_lent(shipped: FineDetail, smooth: Floats, nearer: int) -> None:
    alike = (1, -1) if nearer == 0 else (-1, 1)
    assert lent_nose(nose_with(shipped, smooth, alike), smooth) == nearer


@pytest.mark.parametrize("nearer", [0, 1])
def test_of_two_alike_that_of_a_like_person_is_lent(shipped: FineDetail, smooth: Floats, nearer: int) -> None:
    kinds = np.stack([ANYBODY - 1, ANYBODY + 1])
    assert lent_nose(nose_with(shipped, smooth, kinds=kinds), smooth, kinds[nearer]) == nearer


def test_nobody_lends_two_features(shipped: FineDetail, smooth: Floats) -> None:
    """Whoever lends the eyes does not lend the nose as well, however much alike it is."""
    eyes = shipped.lent["eye"]
    one = {"eye": replace(eyes, people=np.zeros(len(eyes.people), np.int32))}
    for lender in (0, 1):
        noses = nose_with(shipped, smooth, people=(0, 7) if lender == 0 else (7, 0))
        assert lent_nose(FineDetail(shipped.mesh, dict(noses.lent) | one), smooth) == 1 - lender


def test_lenders_agree_in_what_looks_the_same_in_the_mirror(shipped: FineDetail) -> None:
    assert (PARITY[STAYS] > 0).all()
    for lent in shipped.lent.values():
        assert lent.kinds.shape == (len(lent.form), len(STAYS))


def test_crisp_examples_in_view_are_collected_and_come_back_from_their_file(codec: Codec, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(2), 60
    codes = (0.7 * rng.standard_normal((n, len(codec.detail_scale)))).astype(np.float32)
    noise = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE, n)).astype(np.float32), (0, 0), 0.7)
    details = codec.decode(codes) + 0.03 * np.moveaxis(noise, -1, 0)[..., None]
    details[0] = cv2.GaussianBlur(details[0], (0, 0), 4.0)  # out of focus
    files, unfit = [f"{i}.webp" for i in range(n)], {(f"{i}.webp", name) for i in range(40, n) for name in PARTS}
    seen = np.repeat(codec.mesh.inside[None], n, axis=0).astype(np.float32)
    seen[30] = 0  # out of view: lends nothing
    seen[31], details[31, :, : SIDE // 2] = 1, -0.9  # half in the dark
    maps = Maps(np.zeros((n, 1, 1, 3), np.float16), details.astype(np.float16), seen.astype(np.float16))
    conditions = rng.standard_normal((n, len(PARITY))).astype(np.float32)
    found = fit_fine_detail(codec, maps, Latents(np.arange(n), codes, conditions), files, unfit, examples=9)
    path = tmp_path / "fine_detail.safetensors"
    save_fine_detail(found, path)
    from safetensors.numpy import load_file

    stored = load_file(path)
    for name in FEATURES:
        lent = found.lent[name]
        assert len(lent.form) == 9
        assert not {0, 30, 31, *range(40, n)} & set(lent.people.tolist())
        assert np.allclose(lent.kinds, conditions[lent.people][:, STAYS])
        again = stored[f"{name}_form"] * stored[f"{name}_form_step"][:, None, None]
        assert np.allclose(again, lent.form, atol=0.01 * np.abs(lent.form).max())


def test_half_a_brow_is_not_lent(codec: Codec) -> None:
    """However well the model explains it."""
    rng, n, half = np.random.default_rng(4), 40, [3, 13, 23, 33]
    codes = (0.4 * rng.standard_normal((n, len(codec.detail_scale)))).astype(np.float32)
    noise = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE, n)).astype(np.float32), (0, 0), 0.7)
    away = np.abs(np.arange(SIDE) - (SIDE - 1) / 2)
    tails = codec.mesh.brows * (away > np.median(away[(codec.mesh.brows > 0.5).any(0)]))
    seen = np.repeat(codec.mesh.inside[None], n, axis=0).astype(np.float16)

    def lenders(codes: Floats) -> set[int]:
        details = codec.decode(codes) + 0.03 * np.moveaxis(noise, -1, 0)[..., None]
        maps = Maps(np.zeros((n, 1, 1, 3), np.float16), details.astype(np.float16), seen)
        latents = Latents(np.arange(n), codes, np.zeros((n, len(PARITY)), np.float32))
        return set(fit_fine_detail(codec, maps, latents).lent["eye"].people.tolist())

    assert set(half) & lenders(codes)
    faces = codec.decode(codes[half])
    codes[half] = codec.project(faces + tails[..., None] * np.maximum(-faces, 0))
    assert not set(half) & lenders(codes)


def test_whoever_has_a_beard_lends_none_of_it(codec: Codec) -> None:
    rng, zone = np.random.default_rng(5), codec.mesh.beard_zone
    kinds = np.zeros((2, len(STAYS)), np.float32)
    kinds[:, BEARD] = -1.0, 1.5
    form = np.repeat(rng.standard_normal((1, SIDE, SIDE)).astype(np.float32), 2, axis=0)
    shaven, bearded = without_beard(Lent(form, form, kinds, np.arange(2, dtype=np.int32)), zone).form
    assert np.array_equal(shaven, form[0])
    assert np.abs(bearded[zone > 0.99]).max() < 0.05
    assert np.array_equal(bearded[zone == 0], form[0][zone == 0])


def test_what_is_not_lent_is_listed_by_file_and_feature() -> None:
    unfit = read_unfit()
    assert len(unfit) > 100
    assert {feature for _, feature in unfit} == set(PARTS)
