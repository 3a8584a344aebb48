"""What shall be done with whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from identigen.errors import PlanError
from identigen.types import MAX_SEED, Edit, Operation, Plan, Subject


def make_plan(
    subjects: Sequence[Subject],
    operation: Operation | None = None,
    ids: Collection[int] | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Plan:
    """Give the named subjects (None: all) one operation (None: the default of each), with `options` of `Edit`.

    Every subject gets a seed of its own, derived from `seed`: two people of one photo must not come out alike.
    Raises `PlanError` when nobody has a number in `ids`.
    """
    known = {subject.id for subject in subjects}
    missing = sorted(set(ids or ()) - known)
    if missing:
        people = f"people 1 to {max(known)}" if known else "nobody"
        raise PlanError(f"There is no person {missing[0]} in this photo; it shows {people}.")
    return Plan(
        tuple(
            Edit(subject.id, operation or subject.default_operation, seed=derived_seed(seed, subject.id), **options)
            for subject in subjects
            if ids is None or subject.id in ids
        )
    )


def derived_seed(seed: int, index: int) -> int:
    """A seed for the `index`-th part of some work: the same every time, unlike its neighbours'."""
    if index == 0:
        return seed
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) % (MAX_SEED + 1)
