from dataclasses import replace

import numpy as np
import pytest

from identigen import masks
from identigen.errors import PlanError
from identigen.pipeline import derived_seed
from identigen.report import Report, Result
from identigen.types import Face, Mask, Operation, Outcome, Photo, Subject
from identigen.ui import session
from identigen.ui.session import Session

SIZE = (60, 90)


def subject(number: int, operation: Operation = Operation.FACE) -> Subject:
    box = (30.0 * number - 28, 10.0, 30.0 * number - 8, 50.0)
    face = Face((box[0] + 5, 12.0, box[2] - 5, 24.0))
    return Subject(number, box, masks.rectangle(box, SIZE), face, default_operation=operation)


def three() -> Session:
    photo = Photo(np.full((*SIZE, 3), 90, np.uint8))
    return session.begin(photo, (subject(1), subject(2, Operation.LAYERED), subject(3)))


def outcome(number: int, seed: int = 0, asked: Operation = Operation.FACE) -> Outcome:
    return Outcome(
        number,
        asked,
        asked,
        "",
        seed,
        "embedded",
        (0, 0, 1, 1),
        "segment",
        Mask.empty(*SIZE),
        np.zeros((0, 0, 3), np.uint8),
    )


def result_of(state: Session, numbers: tuple[int, ...]) -> Result:
    outcomes = tuple(outcome(number) for number in numbers)
    return Result(state.photo, state.subjects, outcomes, Report("embedded", 1.0, outcomes, True, ()))


def test_nobody_chosen_means_everybody():
    state = three()
    assert state.chosen == ()
    assert state.targets == (1, 2, 3)
    assert [edit.operation for edit in session.plan(state).edits] == [Operation.FACE, Operation.LAYERED, Operation.FACE]


def test_only_the_chosen_are_changed():
    state = session.toggle(three(), 3)
    assert [edit.subject_id for edit in session.plan(state).edits] == [3]
    assert session.toggle(state, 3).targets == (1, 2, 3)


def test_everyone_but_these():
    state = session.toggle(three(), 2)
    assert session.invert(state).chosen == (1, 3)


def test_two_people_with_one_number_get_two_seeds_and_the_same_ones_again():
    first, _, third = session.plan(three()).edits
    assert first.seed != third.seed
    assert first.seed == derived_seed(session.DEFAULT_SEED, 1)
    assert session.plan(three()).edits[0].seed == first.seed


def test_undo_and_redo_bring_back_choices_masks_and_people():
    start = three()
    chosen = session.toggle(start, 1)
    masked = session.set_mask(chosen, 1, Mask.empty(*SIZE))
    added = session.add(
        masked, subject(3).__class__(4, (80.0, 0.0, 89.0, 30.0), masks.rectangle((80, 0, 89, 30), SIZE))
    )
    back = session.undo(session.undo(added))
    assert back.chosen == (1,)
    assert back.choice(1).mask is None
    assert len(back.subjects) == 3
    again = session.redo(session.redo(back))
    assert again.now is added.now
    assert session.redo(again) is again


def test_a_change_after_undo_drops_what_was_undone():
    state = session.undo(session.toggle(three(), 1))
    assert session.toggle(state, 2).future == ()


def test_undo_at_the_start_changes_nothing():
    state = three()
    assert session.undo(state) is state


def test_history_is_bounded():
    state = three()
    for _ in range(session.HISTORY + 10):
        state = session.toggle(state, 1)
    assert len(state.past) == session.HISTORY


def test_somebody_who_was_added_is_chosen():
    state = session.add(three(), replace(subject(1), id=4))
    assert state.chosen == (4,)


def test_a_number_that_nobody_has_is_refused():
    with pytest.raises(PlanError, match="Nobody"):
        session.toggle(three(), 9)
    with pytest.raises(PlanError):
        session.set_seed(three(), 1, -1)


def test_a_point_finds_its_person_by_mask_and_by_face():
    state = three()
    assert session.person_at(state, (10, 30)) == 1
    assert session.person_at(state, (89, 59)) is None
    headless = replace(state.subjects[0], mask=masks.rectangle((2, 30, 22, 50), SIZE))
    assert session.person_at(session.begin(state.photo, (headless,)), (12, 15)) == 1


def test_growing_changes_only_that_person():
    state = session.grow_mask(three(), 1, 3)
    assert session.region_of(state, 1).area > state.subjects[0].mask.area
    assert session.region_of(state, 2) is state.subjects[1].mask


def test_who_is_finished_is_not_done_again():
    state = three()
    state = session.finish(state, result_of(state, (1, 3)), session.plan(state).edits)
    todo, finished = session.remaining(state)
    assert [edit.subject_id for edit in todo.edits] == [2]
    assert [done.subject_id for done in finished] == [1, 3]
    assert state.stale


def test_another_identity_is_done_again_and_the_others_are_not():
    state = three()
    state = session.finish(state, result_of(state, (1, 2, 3)), session.plan(state).edits)
    assert not state.stale
    assert session.remaining(state)[0].edits == ()
    again = session.set_seed(state, 3, 2)
    assert again.stale
    todo, finished = session.remaining(again)
    assert [edit.subject_id for edit in todo.edits] == [3]
    assert [done.subject_id for done in finished] == [1, 2]


def test_somebody_who_is_no_longer_chosen_comes_back():
    state = three()
    state = session.finish(state, result_of(state, (1, 2, 3)), session.plan(state).edits)
    only = session.choose(state, {1})
    todo, finished = session.remaining(only)
    assert (todo.edits, [done.subject_id for done in finished]) == ((), [1])
    assert only.stale


def test_an_offer_that_is_taken_needs_no_drawing():
    state = three()
    state = session.finish(state, result_of(state, (1, 2, 3)), session.plan(state).edits)
    offered = outcome(1, seed=session.edit_of(state, 1, 5).seed)
    state = session.offer(state, 1, 5, offered)
    todo, finished = session.remaining(session.set_seed(state, 1, 5))
    assert todo.edits == ()
    assert offered in finished
    assert session.offer(state, 2, 1, outcome(2)).offers[0].subject_id == 2


def test_what_was_drawn_is_kept_within_bounds():
    state = three()
    for seed in range(session.DRAWN + 20):
        state = session.offer(state, 1, seed, outcome(1))
    assert len(state.drawn) == session.DRAWN


def test_a_wish_changes_the_edit_and_an_empty_one_takes_it_back():
    state = session.set_attribute(session.set_attribute(three(), 1, "age", "old"), 1, "beard", "full")
    assert session.plan(state).edits[0].attributes == {"age": "old", "beard": "full"}
    assert session.plan(session.set_attribute(state, 1, "age", "")).edits[0].attributes == {"beard": "full"}
    with pytest.raises(PlanError):
        session.set_attribute(state, 1, "soul", "old")


def test_the_engine_knows_every_wish_of_the_page():
    from identigen.synthesis.embedded import OVERRIDES

    assert {name: set(wishes) for name, wishes in OVERRIDES.items()} == {
        name: set(wishes) for name, wishes in session.ATTRIBUTES.items()
    }


def test_another_wish_is_drawn_anew():
    state = three()
    state = session.finish(state, result_of(state, (1, 2, 3)), session.plan(state).edits)
    state = session.set_attribute(state, 1, "age", "young")
    assert [edit.subject_id for edit in session.remaining(state)[0].edits] == [1]
