"""What is the same for every visitor: what can be done here, how long it takes, what to know about this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from identigen.models import ModelRecord
from identigen.pipeline import Availability
from identigen.types import Operation, Outcome
from identigen.ui.session import Session

GUESSED_SECONDS = {Operation.FACE: 0.8, Operation.FACE_HAIR: 1.0, Operation.BODY: 2.0, Operation.REMOVE: 5.0}
COVER_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class House:
    """Everything that the views need beside the visitor."""

    operations: Mapping[Operation, Availability]
    seconds: Mapping[Operation, float]
    notices: tuple[str, ...] = ()
    phone_address: str = ""
    """Where a phone in the same network finds this page; empty when it is not offered to the network."""
    max_bytes: int = 60_000_000
    """The largest file that is taken in."""
    models: tuple[tuple[ModelRecord, bool], ...] = ()
    """Every model that is known, and whether it is on this machine; for those who ask."""


class Pace:
    """How long each operation takes for one person: a guess at first, then what was measured here."""

    def __init__(self) -> None:
        self.seconds = {operation: GUESSED_SECONDS.get(operation, COVER_SECONDS) for operation in Operation}

    def estimate(self, session: Session, numbers: Iterable[int]) -> float:
        """Seconds that what was chosen for these people will take."""
        return sum(self.seconds[session.operation(number)] for number in numbers)

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Move half way towards what was measured, so that the next estimate is an honest one."""
        seconds = dict(self.seconds)
        for outcome in outcomes:
            if outcome.seconds > 0:
                seconds[outcome.asked] += 0.5 * (outcome.seconds - seconds[outcome.asked])
        self.seconds = seconds
