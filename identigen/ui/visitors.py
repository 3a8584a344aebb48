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
from identigen.types import Box, Mask, Photo, Point
from identigen.ui.compare import FIRST_CHOICE, Comparison, Method
from identigen.ui.overlay import Outline
from identigen.ui.session import Session
from identigen.ui.text import Language

Traced = tuple[Mask, Outline]
"""A person's region and the outline that was traced around it."""


class Forgotten(IdentiGenError):
    """The visitor's photo is no longer here."""


@dataclass(frozen=True, slots=True)
class Running:
    """How far the work is: what each person waits for, and in which photo the work is now."""

    total: int
    done: int = 0
    photo: Photo | None = None
    current: int | None = None
    waiting: tuple[int, ...] = ()
    """Numbers of the people of `photo` who are not finished."""
    estimate: float = 0.0
    """Seconds that are left."""


@dataclass(frozen=True, eq=False, slots=True)
class Sought:
    """A place where a visitor pointed at somebody who was not found: a point, or a box drawn by hand."""

    photo: Photo
    place: Point | Box
    path: str
    """An outline as SVG path data, shown until the search has an answer."""


@dataclass(eq=False, slots=True)
class Visitor:
    """One visitor: frozen sessions, exchanged under `lock`, and what the page shows of them now."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    language: Language = "en"
    kiosk: bool = False
    preparing: bool = False
    """Whether the example that everybody finds at first is still being made."""
    album: tuple[Session, ...] = ()
    """The photos that were opened together."""
    place: int = 0
    """Which of them is in view."""
    view: str = "choose"
    opened: int | None = None
    """The person whose details are unfolded."""
    notice: str = ""
    """What the visitor has to be told, in English: the views translate it."""
    sought: tuple[Sought, ...] = ()
    """Places that are being looked at, in the order of the clicks."""
    searching: threading.Lock = field(default_factory=threading.Lock)
    running: Running | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    page: str = "work"
    methods: frozenset[Method] = FIRST_CHOICE
    comparison: Comparison = field(default_factory=Comparison)
    outlines: dict[int, Traced] = field(default_factory=dict)
    photo_version: int = 0
    result_version: int = 0
    seen: float = field(default_factory=time.monotonic)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def session(self) -> Session | None:
        """The session of the photo in view."""
        return self.album[self.place] if self.album else None

    def require(self) -> Session:
        """The session of the photo in view; raise `Forgotten` where there is none."""
        if self.session is None:
            raise Forgotten("There is no photo here any more; open one.")
        return self.session

    def open(self, *sessions: Session) -> None:
        """Put other photos in the place of those that were here, and show the first one."""
        with self.lock:
            self.album, self.opened, self.outlines, self.comparison = sessions, None, {}, Comparison()
            self.sought = ()
            self.photo_version += 1
            self.show(0)

    def add(self, *sessions: Session) -> None:
        """Put photos beside those that are here, and show the first of them."""
        with self.lock:
            self.album = (*self.album, *sessions)
            self.show(len(self.album) - len(sessions))

    def show(self, place: int) -> None:
        """Bring one photo of the album into view, its result first where it has one."""
        with self.lock:
            self.place, self.opened, self.outlines = place, None, {}
            has_result = self.session is not None and self.session.result is not None
            self.view = "result" if has_result else "choose"

    def session_of(self, photo: Photo) -> Session | None:
        """The session of a photo, wherever the visitor looks now; None when it is no longer here."""
        return next((session for session in self.album if session.photo is photo), None)

    def update(self, step: Callable[[Session], Session]) -> Session:
        """Exchange the session in view for what `step` makes of it."""
        with self.lock:
            self.update_of(self.require().photo, step)
            return self.require()

    def update_of(self, photo: Photo, step: Callable[[Session], Session]) -> bool:
        """Exchange the session of a photo; return False when the visitor has left that photo behind."""
        with self.lock:
            self.album = tuple(step(s) if s.photo is photo else s for s in self.album)
            return self.session_of(photo) is not None


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
            visitor.open()
