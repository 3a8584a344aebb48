"""The frozen data that crosses from one room to the next.

Conventions, everywhere: pixels are `(H, W, 3) uint8` RGB, boxes are `(x1, y1, x2, y2)` in pixels of the whole photo,
points are `(x, y)`, angles are degrees. Arrays inside these types are read-only: nothing edits what it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import floor
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from identigen.errors import MaskError, PlanError

Pixels = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]
Point = tuple[float, float]
Stop = Callable[[], bool]
"""Asked from time to time by long work; once it is true, `Stopped` is raised."""

MAX_SEED = 2**31 - 1


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of `array` that refuses to be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Window:
    """An integer rectangle of a photo: columns `left..right-1`, rows `top..bottom-1`."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if self.right < self.left or self.bottom < self.top:
            raise ValueError(f"a window must not be inside out: {self}")

    @classmethod
    def around(cls, box: Box, height: int, width: int, margin: float = 0.0) -> Window:
        """The smallest window that holds `box` grown by `margin` pixels, cut at the border of the photo."""
        x1, y1, x2, y2 = box
        left, top = max(0, int(np.floor(x1 - margin))), max(0, int(np.floor(y1 - margin)))
        right, bottom = min(width, int(np.ceil(x2 + margin))), min(height, int(np.ceil(y2 + margin)))
        return cls(min(left, width), min(top, height), max(right, min(left, width)), max(bottom, min(top, height)))

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def box(self) -> Box:
        return (float(self.left), float(self.top), float(self.right), float(self.bottom))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an `(H, W, ...)` array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def intersection(self, other: Window) -> Window:
        """What both windows cover; empty (zero width or height) when they do not meet."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Window(left, top, max(left, min(self.right, other.right)), max(top, min(self.bottom, other.bottom)))

    def relative_to(self, outer: Window) -> Window:
        """The same rectangle counted from the corner of `outer`, which holds it."""
        x, y = outer.left, outer.top
        return Window(self.left - x, self.top - y, self.right - x, self.bottom - y)

    def placed_in(self, outer: Window) -> Window:
        """The inverse of `relative_to`: the same rectangle, counted from where the corner of `outer` is counted."""
        x, y = outer.left, outer.top
        return Window(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def union(self, other: Window) -> Window:
        """The smallest window that holds both; an empty window adds nothing."""
        if not self.width or not self.height:
            return other
        if not other.width or not other.height:
            return self
        return Window(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photo as the rest of IdentiGen sees it: upright sRGB pixels and nothing else of the file.

    `notes` tell what had to be decided on the way in ("first frame of an animation"), for people to read.
    """

    pixels: Pixels
    source_name: str = "photo"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 or 0 in p.shape:
            raise ValueError(f"pixels must be (H, W, 3) uint8, not {p.shape} {p.dtype}")
        object.__setattr__(self, "pixels", read_only(p))

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def window(self) -> Window:
        return Window(0, 0, self.width, self.height)


@dataclass(frozen=True, eq=False, slots=True)
class Mask:
    """A region of a photo, stored only where it is: `pixels` covers `window`, everything outside is False.

    Fifty people in a fifty-megapixel photo would need 2.5 GB as whole-photo arrays; most of it zeros.
    """

    window: Window
    pixels: Bools
    photo_size: tuple[int, int]

    def __post_init__(self) -> None:
        w, (height, width) = self.window, self.photo_size
        if self.pixels.dtype != np.bool_ or self.pixels.shape != (w.height, w.width):
            raise MaskError(
                f"a mask must be boolean and as large as its window, not {self.pixels.shape} {self.pixels.dtype}"
            )
        if w.left < 0 or w.top < 0 or w.right > width or w.bottom > height:
            raise MaskError(f"the mask leaves its photo of {width}x{height} pixels")
        object.__setattr__(self, "pixels", read_only(self.pixels))

    @classmethod
    def empty(cls, height: int, width: int) -> Mask:
        """A mask of nothing."""
        return cls(Window(0, 0, 0, 0), np.zeros((0, 0), bool), (height, width))

    @classmethod
    def from_array(cls, array: npt.NDArray[Any]) -> Mask:
        """Store a whole-photo `(H, W)` array (True or non-zero = inside) as the smallest window."""
        if array.ndim != 2:
            raise MaskError(f"a mask must be (H, W), not {array.shape}")
        height, width = array.shape
        return cls.from_window(array, Window(0, 0, width, height), (height, width))

    @classmethod
    def from_window(cls, array: npt.NDArray[Any], window: Window, photo_size: tuple[int, int]) -> Mask:
        """Store an array that covers `window`, cut to what is really set."""
        inside = array.astype(bool, copy=False)
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            return cls.empty(*photo_size)
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        tight = Window(window.left + left, window.top + top, window.left + right, window.top + bottom)
        return cls(tight, np.ascontiguousarray(inside[top:bottom, left:right]), photo_size)

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(np.count_nonzero(self.pixels))

    def within(self, window: Window) -> Bools:
        """The mask as a fresh boolean array over `window`."""
        out = np.zeros((window.height, window.width), bool)
        common = self.window.intersection(window)
        if common.width and common.height:
            out[common.relative_to(window).slices] = self.pixels[common.relative_to(self.window).slices]
        return out

    def to_array(self) -> Bools:
        """The mask as a fresh `(H, W)` boolean array of the whole photo."""
        height, width = self.photo_size
        return self.within(Window(0, 0, width, height))

    def contains(self, point: Point) -> bool:
        """Whether the pixel under `point` is inside."""
        x, y = floor(point[0]) - self.window.left, floor(point[1]) - self.window.top
        return 0 <= x < self.window.width and 0 <= y < self.window.height and bool(self.pixels[y, x])


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head looks, in degrees; positive yaw is to the right of the picture, positive pitch is down."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, eq=False, slots=True)
class Face:
    """A face: `box` is tight (chin to brow, cheek to cheek); `landmarks` are `(478, 3) float32` in photo pixels."""

    box: Box
    landmarks: Floats | None = None
    pose: Pose | None = None
    score: float = 1.0

    def __post_init__(self) -> None:
        if self.landmarks is not None:
            if self.landmarks.shape != (478, 3):
                raise ValueError(f"landmarks must be (478, 3), not {self.landmarks.shape}")
            object.__setattr__(self, "landmarks", read_only(self.landmarks))

    @property
    def size_px(self) -> float:
        """Geometric mean of width and height."""
        x1, y1, x2, y2 = self.box
        return float(np.sqrt(max(0.0, x2 - x1) * max(0.0, y2 - y1)))


class Operation(str, Enum):
    """What can be done to a person."""

    KEEP = "keep"
    FACE = "face"
    FACE_HAIR = "face+hair"
    BODY = "body"
    REMOVE = "remove"
    LAYERED = "layered"
    BLUR = "blur"
    PIXELATE = "pixelate"
    SOLID = "solid"

    @property
    def is_cover(self) -> bool:
        """A classical filter: what is below stays in place but cannot be read."""
        return self in (Operation.LAYERED, Operation.BLUR, Operation.PIXELATE, Operation.SOLID)

    @property
    def is_synthesis(self) -> bool:
        """A new identity is drawn."""
        return self in (Operation.FACE, Operation.FACE_HAIR, Operation.BODY)


Level = Literal["good", "fair", "poor"]
RegionKind = Literal["box", "segment"]
Extent = Literal["face", "head", "person"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a subject was seen; the flags are short words such as `small-face`, `no-landmarks`, `profile`."""

    level: Level = "good"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """A person in a photo, numbered from 1, left to right; masks of two subjects never overlap."""

    id: int
    box: Box
    mask: Mask
    face: Face | None = None
    score: float = 1.0
    quality: Quality = field(default_factory=Quality)
    default_operation: Operation = Operation.LAYERED
    reason: str = ""
    head_box: Box | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What shall be done to one subject.

    `region` and `extent` say where a cover goes; `strength` (0..1) says how far from the source a new identity must be;
    `mask`, when given, is the user's and always wins; `engine` names the one that must draw (None: the best one).
    """

    subject_id: int
    operation: Operation
    region: RegionKind = "segment"
    extent: Extent = "face"
    seed: int = 0
    strength: float = 0.5
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mask: Mask | None = None
    engine: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise PlanError(f"strength must lie between 0 and 1, not {self.strength:g}")
        if not 0 <= self.seed <= MAX_SEED:
            raise PlanError(f"a seed must lie between 0 and {MAX_SEED}, not {self.seed}")
        if self.region not in ("box", "segment"):
            raise PlanError(f"a region is 'box' or 'segment', not {self.region!r}")
        if self.extent not in ("face", "head", "person"):
            raise PlanError(f"an extent is 'face', 'head' or 'person', not {self.extent!r}")


@dataclass(frozen=True, slots=True)
class Plan:
    """All edits of one photo, at most one for each subject."""

    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        ids = [edit.subject_id for edit in self.edits]
        if len(ids) != len(set(ids)):
            raise PlanError("two edits name the same person; give each person one operation")


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """One proposal of a synthesiser for one subject, drawn at the photo's own scale.

    `pixels` `(h, w, 3) float32` in 0..255 covers `window`; `coverage` `(h, w) float32` in 0..1 is how much of each
    pixel the new face owns (0 = photo untouched; occluders in front are already left out). `skin` `(h, w) float32`,
    where an engine tells it, is how much of each pixel is new rather than the photo's own moved there.
    """

    seed: int
    window: Window
    pixels: Floats
    coverage: Floats
    identity: Floats | None = None
    skin: Floats | None = None
    invented: bool = False
    """Drawn by a model that may as well draw no face at all, so that a detector must see one."""
    notices: tuple[str, ...] = ()
    """Sentences for people about what went less well than it could."""


@dataclass(frozen=True, eq=False, slots=True)
class Fill:
    """What was probably behind a hole: `pixels` `(h, w, 3) uint8` over `window`, outside the hole the photo's own."""

    window: Window
    pixels: Pixels
    notices: tuple[str, ...] = ()
    """Sentences for people about what went less well than it could."""


@dataclass(frozen=True, eq=False, slots=True)
class Sighting:
    """An `identity` that was tried, and the recogniser's `descriptor` `(d,)` of its face once it was drawn."""

    identity: Floats
    descriptor: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Company:
    """Recogniser's descriptors `(d,)` of those whom a new identity must not resemble.

    `source` is the person itself (None: no face was seen), `others` the people of the photo as they were, `given` the
    identities that were given already. `tried` are those that would not do for this person.
    """

    source: Floats | None = None
    others: tuple[Floats, ...] = ()
    given: tuple[Floats, ...] = ()
    tried: tuple[Sighting, ...] = ()


Proposals = Generator[Candidate, Floats | None, None]
"""Candidates, drawn one by one; whoever asks for the next may `send` the recogniser's descriptor `(d,)` of the last."""

Verdict = Literal["pass", "fail", "not-applicable"]


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """What became of one subject: asked, applied, why, and how it was judged.

    `patch` `(h, w, 3)` covers `changed.window`; only its pixels inside `changed` belong to the result. A finished photo
    is the source plus the patches in order, so one person can be done again without touching the others.
    """

    subject_id: int
    asked: Operation
    applied: Operation
    reason: str
    seed: int
    engine: str
    box: Box
    region: RegionKind
    changed: Mask
    patch: Pixels
    candidates_tried: int = 0
    distances: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict = "not-applicable"
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    failed: bool = False
