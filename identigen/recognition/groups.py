"""Groups of people for whom a new face succeeds more or less often, with the shipped model's figures for each.

The recogniser tells some people apart less well than others, so that fewer candidates pass for them. Who belongs to
such a group is tried with more candidates: nobody shall end up covered more often for what they look like.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from identigen.models import asset
from identigen.recognition.attributes import Attributes

FIGURES = "models/groups.json"
# Individual typology angle (Chardon et al. 1991) and apparent age in years: name and lower bound.
TONES = (("light", 41.0), ("intermediate", 28.0), ("tan", 10.0), ("brown", -30.0), ("dark", -180.0))
AGES = (("over 60", 60.0), ("30 to 60", 30.0), ("13 to 30", 13.0), ("child", 0.0))
FAIR = 0.88  # of the best group's share of new faces, below which a group gets more candidates
PATIENCE = 1.5


def group_of(value: float, cut: Sequence[tuple[str, float]]) -> str | None:
    """The group a value falls into; None for one that could not be read."""
    return next((name for name, least in cut if value >= least), None)


def patience_for(attributes: Attributes) -> float:
    """How many times the usual number of candidates somebody shall get."""
    groups = (("skin tone", group_of(attributes.tone, TONES)), ("apparent age", group_of(attributes.age, AGES)))
    return PATIENCE if any(name is not None and _falls_behind(title, name) for title, name in groups) else 1.0


def _falls_behind(title: str, name: str) -> bool:
    shares = {group: figures["new face"] for group, figures in _figures()[title].items()}
    return bool(name in shares and shares[name] < FAIR * max(shares.values()))


@cache
def _figures() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    read: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(asset(FIGURES).read_text(encoding="utf-8"))
    return read
