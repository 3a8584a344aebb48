"""Who is here: one session per visitor, in memory only, few enough and not for long.

Nothing of a photo is written to disk. A visitor is forgotten when the page is closed or reloaded, after a pause, and
when too many others came after them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from identigen.errors import IdentiGenError
from identigen.types import Mask, Operation
from identigen.ui.compare import FIRST_CHOICE, Comparison
from identigen.ui.overlay import Outline
from identigen.ui.session import Session
from identigen.ui.text import Language

Traced = tuple[Mask, Outline]
"""A person's region and the outline that was traced around it."""


class Forgotten(IdentiGenError):
    """The visitor's photo is no longer here."""


@dataclass(frozen=True, slots=True)
class Running:
    """How far the work is: what each person waits for, and since when."""

    total: int
    done: int = 0
    current: int | None = None
    waiting: tuple[int, ...] = ()
    estimate: float = 0.0


@dataclass(eq=False, slots=True)
class Visitor:
    """One visitor: a frozen session, exchanged under `lock`, and what the page shows of it now."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    language: Language = "en"
    session: Session | None = None
    view: str = "choose"
    opened: int | None = None
    """The person whose details are unfolded."""
    notice: str = ""
    running: Running | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    page: str = "work"
    methods: frozenset[Operation] = FIRST_CHOICE
    comparison: Comparison | None = None
    outlines: dict[int, Traced] = field(default_factory=dict)
    photo_version: int = 0
    result_version: int = 0
    seen: float = field(default_factory=time.monotonic)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def require(self) -> Session:
        """The session; raise `Forgotten` where there is none."""
        if self.session is None:
            raise Forgotten("There is no photo here any more; open one.")
        return self.session

    def update(self, step: Callable[[Session], Session]) -> Session:
        """Exchange the session for what `step` makes of it."""
        with self.lock:
            self.session = step(self.require())
            return self.session


class Visitors:
    """All visitors by the page's session and by their token; the one who was idle longest goes first."""

    def __init__(self, capacity: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity, self._seconds, self._clock = capacity, seconds, clock
        self._by_page: OrderedDict[str, Visitor] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, page: str) -> Visitor:
        """The visitor of a page, a new one at the first time and after they were forgotten."""
        with self._lock:
            self._expire()
            visitor = self._by_page.setdefault(page, Visitor(seen=self._clock()))
            visitor.seen = self._clock()
            self._by_page.move_to_end(page)
            while len(self._by_page) > self._capacity:
                self._forget(next(iter(self._by_page)))
            return visitor

    def with_token(self, token: str) -> Visitor | None:
        """The visitor whose pictures may be fetched by this token."""
        with self._lock:
            self._expire()
            for visitor in self._by_page.values():
                if secrets.compare_digest(visitor.token.encode(), token.encode()):
                    return visitor
        return None

    def forget(self, page: str) -> None:
        """Drop everything that is known of a page's visitor and stop what runs for them."""
        with self._lock:
            self._forget(page)

    def __len__(self) -> int:
        return len(self._by_page)

    def _expire(self) -> None:
        old = self._clock() - self._seconds
        for page in [page for page, visitor in self._by_page.items() if visitor.seen < old]:
            self._forget(page)

    def _forget(self, page: str) -> None:
        visitor = self._by_page.pop(page, None)
        if visitor is not None:
            visitor.stop.set()
            visitor.session, visitor.comparison, visitor.outlines = None, None, {}
