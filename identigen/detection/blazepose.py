"""BlazePose (Bazarevsky et al. 2020) aimed at one person after another: skeleton and silhouette of each.

MediaPipe's own graph follows whoever dominates a picture and sees no more than the picture. Here its two networks are
used apart, as its paper describes them. The first says where people stand; the second reads the person in the middle of
a turned square, which may reach beyond the photo, so that somebody cut off at the chest is still aimed at in full.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from identigen.models import borrow, package_file
from identigen.types import Box, Floats, Pixels, Point, Window

SIDE = 256
SPOT_SIDE = 448
_REACH = 1.25  # side of the square in diameters of the circle around hip and crown, as the network was trained
_HIP, _CROWN = 33, 34  # the two extra points after the 33 of the skeleton that tell where to aim next
_OUTPUTS = ("Identity", "Identity_1", "Identity_2")  # points, presence, silhouette
_POINTS, _SILHOUETTE, _PRESENCE = 0, 2, 1
_HIDE_ASIDE, _HIDE_ABOVE = 0.35, 0.45


@dataclass(frozen=True, slots=True)
class Aim:
    """A turned square of the photo around a person: its middle (the hips), its side in pixels, its turn in radians."""

    x: float
    y: float
    side: float
    turn: float = 0.0

    @classmethod
    def at(cls, hip: Floats, crown: Floats) -> Aim:
        """The square around the circle whose middle is `hip` and that passes the top of the person, `crown`."""
        dx, dy = (float(v) for v in np.asarray(crown) - hip)
        side = 2 * _REACH * max(float(np.hypot(dx, dy)), 1.0)
        return cls(float(hip[0]), float(hip[1]), side, float(np.arctan2(dx, -dy)))

    @property
    def head(self) -> Point:
        """About where the head is."""
        reach = 0.78 * self.side / (2 * _REACH)
        return (self.x + reach * float(np.sin(self.turn)), self.y - reach * float(np.cos(self.turn)))

    def to_view(self, left: int = 0, top: int = 0) -> Floats:
        """The affine map `(2, 3)` to the network's picture of 256 by 256 pixels from the photo, or a window of it."""
        c, s = np.cos(self.turn) * SIDE / self.side, np.sin(self.turn) * SIDE / self.side
        turn = np.array([[c, s], [-s, c]])
        shift = np.full(2, SIDE / 2) - turn @ (self.x - left, self.y - top)
        return np.column_stack([turn, shift]).astype(np.float32)

    def window(self, height: int, width: int) -> Window:
        """The part of the photo that the square touches."""
        reach = self.side / 2 * (abs(np.cos(self.turn)) + abs(np.sin(self.turn)))
        return Window.around((self.x - reach, self.y - reach, self.x + reach, self.y + reach), height, width)

    def scaled(self, factor: float) -> Aim:
        """The same square in a picture that is larger by `factor`."""
        return replace(self, x=factor * self.x, y=factor * self.y, side=factor * self.side)

    def resembles(self, other: Aim) -> bool:
        """Whether both squares show the same person."""
        apart = float(np.hypot(self.x - other.x, self.y - other.y))
        return apart < 0.12 * max(self.side, other.side) and 0.7 < self.side / other.side < 1.43


@dataclass(frozen=True, eq=False, slots=True)
class Stance:
    """One person as the network reads it.

    `points` are the 33 of the skeleton as `(x, y, visibility)` in pixels of the photo, `presence` says how sure it is
    that somebody is there (0..1), `opacity` `(256, 256)` is the silhouette in the square `aim`, and `closer` is the
    square that would suit the person better.
    """

    points: Floats
    presence: float
    opacity: Floats
    aim: Aim
    closer: Aim

    def scaled(self, factor: float) -> Stance:
        """The same reading in a picture that is larger by `factor`."""
        points = self.points * np.array([factor, factor, 1], np.float32)
        return replace(self, points=points, aim=self.aim.scaled(factor), closer=self.closer.scaled(factor))

    def visibility(self, photo_size: tuple[int, int]) -> float:
        """How well those points of the skeleton can be seen that lie in the photo (0..1)."""
        height, width = photo_size
        x, y, visible = self.points.T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return float(visible[inside].mean()) if inside.any() else 0.0

    def over(self, window: Window) -> Floats:
        """The opacity of the silhouette in a window of the photo, 0 outside of the square."""
        to_view = _between_middles(self.aim.to_view(window.left, window.top))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(self.opacity, to_view, (window.width, window.height), flags=flags), np.float32)


def spot_people(pixels: Pixels, window: Window) -> list[tuple[float, Aim]]:
    """Where people stand in a window of `(H, W, 3)` pixels: how sure (0.5..1), and the square to read each in."""
    part = pixels[window.slices]
    scale = min(1.0, SPOT_SIDE / max(part.shape[:2]))
    if scale < 1:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    with borrow("blazepose-detector", _build_spotter) as net, quiet():
        found = net.process(np.ascontiguousarray(part)).detections or ()
    spots = []
    for one in found:
        marks = one.location_data.relative_keypoints
        hip, crown = (
            np.array([p.x * window.width + window.left, p.y * window.height + window.top], np.float32)
            for p in marks[:2]
        )
        spots.append((float(one.score[0]), Aim.at(hip, crown)))
    return spots


def read_stance(pixels: Pixels, aim: Aim, hidden: Sequence[Box] = ()) -> Stance:
    """Read the person in the middle of `aim`; heads in the boxes `hidden` are blurred: nobody else is followed."""
    view = _hide(_view(pixels, aim), aim, hidden)
    points, presence, opacity = _run(view)
    back = cv2.invertAffineTransform(aim.to_view())
    points[:, :2] = points[:, :2] @ back[:, :2].T + back[:, 2]
    closer = Aim.at(points[_HIP, :2], points[_CROWN, :2])
    return Stance(points[:33], presence, opacity, aim, closer)


def read_twice(pixels: Pixels, stance: Stance, hidden: Sequence[Box] = ()) -> Stance:
    """The same reading, its silhouette averaged with the one of the mirrored picture, which errs elsewhere."""
    view = _hide(_view(pixels, stance.aim), stance.aim, hidden)
    mirrored = _run(np.ascontiguousarray(view[:, ::-1]))[2][:, ::-1]
    return replace(stance, opacity=(stance.opacity + mirrored) / 2)


def _view(pixels: Pixels, aim: Aim) -> Pixels:
    """The square as the network sees it; black where the photo ends."""
    window = aim.window(pixels.shape[0], pixels.shape[1])
    if not window.width or not window.height:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    part = pixels[window.slices]
    to_view = aim.to_view(window.left, window.top)
    scale = min(1.0, 2 * SIDE / aim.side)  # what shrinks by more than two would alias
    if scale < 1:
        size = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
        to_view[:, :2] *= (window.width / size[0], window.height / size[1])
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.warpAffine(part, _between_middles(to_view), (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def _between_middles(affine: Floats) -> Floats:
    """The same map for OpenCV, which counts from the middle of the first pixel and not from its corner."""
    moved = affine.copy()
    moved[:, 2] += affine[:, :2].sum(1) / 2 - 0.5
    return moved


def _hide(view: Pixels, aim: Aim, heads: Sequence[Box]) -> Pixels:
    """Blur the heads of others: the network reads the skeleton of a face that it sees."""
    inside = np.zeros((SIDE, SIDE), np.uint8)
    scale, to_view = SIDE / aim.side, aim.to_view()
    largest = 0.0
    for x1, y1, x2, y2 in heads:
        x, y = (float(v) for v in to_view @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0], np.float32))
        width, height = scale * (x2 - x1), scale * (y2 - y1)
        if not (-width < x < SIDE + width and -height < y < SIDE + height):
            continue
        axes = (round(width * (0.5 + _HIDE_ASIDE)), round(height * (0.5 + _HIDE_ABOVE)))
        cv2.ellipse(inside, (round(x), round(y)), axes, 0, 0, 360, (1,), -1)
        largest = max(largest, width, height)
    if not largest:
        return view
    reach = 2 * round(min(largest, SIDE / 4)) + 1
    return np.where(inside[..., None] > 0, cv2.blur(view, (reach, reach)), view).astype(np.uint8)


def _run(view: Pixels) -> tuple[Floats, float, Floats]:
    """Points `(39, 3)` in the view with their visibility, presence, and silhouette `(256, 256)`."""
    blob = np.ascontiguousarray(view.transpose(2, 0, 1)[None], np.float32) / 255
    with borrow("blazepose", _build_reader) as net:
        net.setInput(blob)
        answers = [np.array(answer, np.float32) for answer in net.forward(_OUTPUTS)]
    rows = answers[_POINTS].reshape(39, 5)
    points = np.column_stack([rows[:, :2], _sigmoid(rows[:, 3])])
    return points, float(answers[_PRESENCE].ravel()[0]), _sigmoid(answers[_SILHOUETTE].reshape(SIDE, SIDE))


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(values / 2)), np.float32)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what MediaPipe says about a newer protobuf."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype")  # protobuf 4 under mediapipe 0.10
        yield


def _build_spotter() -> Any:
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from mediapipe.framework import calculator_pb2
    from mediapipe.python.solution_base import SolutionBase
    from mediapipe.python.solutions import pose  # noqa: F401  registers the graph's parts

    graph = """
        input_stream: "image"
        output_stream: "detections"
        node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }
    """
    return SolutionBase(
        graph_config=text_format.Parse(graph, calculator_pb2.CalculatorGraphConfig()), outputs=["detections"]
    )


def _build_reader() -> Any:
    return cv2.dnn.readNetFromTFLite(str(package_file("mediapipe", "modules/pose_landmark/pose_landmark_full.tflite")))
