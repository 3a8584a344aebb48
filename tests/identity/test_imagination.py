from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from identigen.identity.appearance import load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.imagination import (
    ELDERS,
    MOST,
    PARENTS,
    Blend,
    Course,
    between,
    imagine,
    leisure,
    oddity,
    told_vaguely,
    usual_identity,
    within_reason,
)
from identigen.identity.portrait import Portrait, read_portrait
from identigen.identity.prior import noise
from identigen.landmarks import face_box, find_landmarks
from identigen.recognition import default_recogniser
from identigen.types import Face, Floats, Photo, Sighting


@pytest.fixture(scope="module")
def sitter(astronaut: Photo) -> tuple[Portrait, Floats]:
    points = find_landmarks(astronaut.pixels, (175.0, 65.0, 280.0, 195.0))
    assert points is not None
    embedding = default_recogniser().describe(astronaut.pixels, [Face(face_box(points), points)])[0]
    return read_portrait(load_codec(), load_conditions(), astronaut.pixels, points, embedding), embedding


def course(sitter: tuple[Portrait, Floats], strength: float = 0.5) -> Course:
    portrait, embedding = sitter
    return Course.away_from(portrait, embedding, portrait.condition, strength)


def seen_as_foretold(way: Course, people: Floats, otherwise: Floats | float = 0.0) -> list[Sighting]:
    """Each of `people` as the recogniser sees them, who come out as was foretold, or by so much `otherwise`."""
    return [Sighting(person, way.embedding + way.moved(person[None])[0] + otherwise) for person in people]


def test_a_seed_names_a_person_whoever_else_is_asked_for(sitter: tuple[Portrait, Floats]) -> None:
    way = course(sitter)
    alone, both = imagine(way, [5]), imagine(way, [4, 5])
    assert np.allclose(alone[0], both[1], atol=1e-3)
    assert np.linalg.norm(both[0] - both[1]) > 1


def test_each_seed_likes_its_own_kind_of_people(sitter: tuple[Portrait, Floats]) -> None:
    """Whatever it likes, it is neither the person nor their opposite, nor people of another age."""
    way = course(sitter)
    usual = usual_identity(way.conditions, way.condition)
    seeds = np.random.default_rng(0).standard_normal((2, len(way.own))).astype(np.float32)
    one, other = (np.repeat(liking[None], 2, axis=0) for liking in seeds)
    people = usual + seeds
    assert way.likes(people, one)[0] > way.likes(people, one)[1]
    assert way.likes(people, other)[1] > way.likes(people, other)[0]
    assert abs(way.likes(usual[None], one[:1])[0]) < 1e-3


def test_candidates_are_of_the_kind_that_is_asked_for(sitter: tuple[Portrait, Floats]) -> None:
    way, seeds = course(sitter), list(range(4))
    liking = np.repeat(noise([[1, 11]], len(way.own)), len(seeds), axis=0)
    asked, other = (way.likes(imagine(way, seeds, kind=kind), liking).mean() for kind in (1, 2))
    assert asked > other + 0.05


def test_more_strength_leads_further_away(sitter: tuple[Portrait, Floats]) -> None:
    lengths = []
    for strength in (0.0, 0.5, 1.0):
        way = course(sitter, strength)
        lengths.append(float(np.linalg.norm(way.moved(imagine(way, [1, 2, 3])), axis=1).mean()))
    assert lengths[0] < lengths[1] < lengths[2]


def test_whoever_turns_out_otherwise_teaches_what_comes_next(sitter: tuple[Portrait, Floats]) -> None:
    """Whoever goes the way of somebody who fell back is thought less of; what comes out as foretold teaches nothing."""
    way = course(sitter, strength=1.0)
    people = imagine(way, [1, 2])
    assert np.allclose(way.after(seen_as_foretold(way, people)).bias, 0, atol=1e-5)
    back = -0.4 * way.moved(people).mean(0)
    otherwise = seen_as_foretold(way, people, back)
    once, twice = (way.after(otherwise[:n]) for n in (1, 2))
    assert 0 < np.linalg.norm(once.bias) < np.linalg.norm(twice.bias) < np.linalg.norm(back)
    others = imagine(way, list(range(3, 11)))
    along = way.moved(others) @ back / np.linalg.norm(way.moved(others), axis=1)
    lost = way.worth(others) - twice.worth(others)
    assert lost.min() > 0
    assert np.corrcoef(along, lost)[0, 1] < -0.5


def test_after_enough_in_vain_others_descend_from_the_farthest(sitter: tuple[Portrait, Floats]) -> None:
    """They take after somebody who came far, and are people of their own."""
    way = course(sitter)
    people = imagine(way, list(range(ELDERS)))
    tried = seen_as_foretold(way, people)
    short = [0.5 * (index < ELDERS - PARENTS) * way.moved(person[None])[0] for index, person in enumerate(people)]
    tried = [replace(one, descriptor=one.descriptor - less) for one, less in zip(tried, short, strict=True)]
    assert way.after(tried[:-1]).parent is None
    after = way.after(tried)
    assert after.parent is not None
    assert any(np.array_equal(after.parent, person) for person in people[-PARENTS:])
    usual = usual_identity(way.conditions, way.condition)

    def alike(one: Floats, other: Floats) -> float:
        one, other = one - usual, other - usual
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    children, strangers = (imagine(c, [20, 21, 22]) for c in (after, way))
    assert np.mean([alike(child, after.parent) for child in children]) > 0.6
    assert np.mean([alike(stranger, after.parent) for stranger in strangers]) < 0.5
    assert alike(children[0], children[1]) < 0.95


def test_nobody_is_led_towards_a_stranger(sitter: tuple[Portrait, Floats]) -> None:
    way = course(sitter)
    [person] = imagine(way, [1])
    stranger = way.embedding + way.moved(person[None])[0]  # somebody who looks just as this person would
    near = Course.away_from(*sitter, way.condition, way.strength, given=[stranger])
    [other] = imagine(near, [1])
    assert np.linalg.norm(way.embedding + way.moved(other[None])[0] - stranger) > 0.1
    assert near.worth(other[None])[0] > near.worth(person[None])[0]


def test_of_people_who_were_alike_nobody_needs_to_be_farther(sitter: tuple[Portrait, Floats]) -> None:
    """In a crowd of small faces a recogniser takes strangers for one; identities that were given are another matter."""
    way = course(sitter)
    twin = way.embedding + 0.01 * np.eye(len(way.embedding), dtype=np.float32)[0]
    asked = (*sitter, way.condition, way.strength)
    other, given = Course.away_from(*asked, others=[twin]), Course.away_from(*asked, given=[twin])
    assert other.room[0] < 0.2
    assert given.room[0] > 0.7
    [person] = imagine(way, [1])
    assert other.worth(person[None])[0] == pytest.approx(way.worth(person[None])[0])


def test_between_two_seeds_lie_the_people_in_between(sitter: tuple[Portrait, Floats]) -> None:
    way = course(sitter)

    def person(seed: int, blend: Blend | None = None) -> Floats:
        return imagine(way, [seed], blend)[0]

    one, other = person(1), person(2)
    assert np.allclose(person(1, Blend(2, 0.0)), one, atol=1e-3)
    assert np.allclose(person(1, Blend(2, 1.0)), other, atol=1e-2)
    assert np.allclose(person(1, Blend(1, 0.5)), one, atol=1e-3)


def test_noise_in_between_is_as_likely_as_its_ends() -> None:
    a, b = (np.random.default_rng(seed).standard_normal((3, 400)).astype(np.float32) for seed in (0, 1))
    middle = between(a, b, 0.5)
    assert np.allclose(np.linalg.norm(middle, axis=1), np.linalg.norm(a, axis=1), rtol=0.15)
    assert np.allclose(between(a, a, 0.3), a, atol=1e-5)


def test_who_is_hard_to_get_away_from_is_not_kept_from_it() -> None:
    assert leisure(0.2) == leisure(0.5) == 1.0
    assert 0 < leisure(0.6) < 1
    assert leisure(0.9) == 0.0


def test_kinship_is_told_in_full_up_to_the_usual_strength(sitter: tuple[Portrait, Floats]) -> None:
    condition = np.ones_like(sitter[0].condition)
    assert told_vaguely(condition, 0.0)[-1] == told_vaguely(condition, 0.5)[-1] == 1.0
    assert 0 < told_vaguely(condition, 1.0)[-1] < 1.0


def test_nobody_is_odder_or_more_lopsided_than_real_faces_are() -> None:
    codec, conditions = load_codec(), load_conditions()
    nothing = np.zeros(len(conditions.mean), np.float32)
    usual = usual_identity(conditions, nothing)
    even, odd = int(np.argmax(codec.parity > 0)), int(np.argmax(codec.parity < 0))
    away = np.zeros((4, len(usual)), np.float32)
    away[0, even], away[1, even], away[2, odd], away[3, -1] = 0.1, 400.0, 1.0, 400.0
    plain, strange, lopsided, built = within_reason(codec, conditions, usual + away, nothing) - usual
    assert np.allclose(plain, away[0], atol=0.01)
    assert 1 < strange[even] / conditions.spread[even] <= 1.001 * MOST  # no single trait is overstated
    assert 1 < built[-1] / conditions.spread[-1] <= 1.001 * MOST
    assert 0 < lopsided[odd] < 1


def test_what_hardly_differs_among_people_is_odd_where_it_does() -> None:
    codec, conditions = load_codec(), load_conditions()
    nothing = np.zeros(len(conditions.mean), np.float32)
    usual = usual_identity(conditions, nothing)
    ordinary, twice = usual + conditions.spread, usual + 2 * conditions.spread
    odd = oddity(codec, conditions, np.stack([usual, ordinary, twice]), nothing)
    assert np.allclose(odd, [0, 1, 2], atol=1e-3)
    same = np.repeat(usual[None], 2, axis=0)
    same[0, np.argmin(conditions.spread[: len(codec.detail_scale)])] += 1
    same[1, len(codec.detail_scale) - 1] += 1  # shows least
    odd = oddity(codec, conditions, same, nothing)
    assert odd[0] > odd[1]
