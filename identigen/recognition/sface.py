"""The referee: OpenCV's SFace (Zhong et al. 2021, 99.40 % on LFW), which never takes part in drawing or choosing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.crop import square_around
from identigen.errors import ModelCorrupt
from identigen.landmarks import find_landmarks
from identigen.models import borrow
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.types import Face, Floats, Pixels

NAME = "sface"
FILE = "face_recognition_sface_2021dec.onnx"
SAME_COSINE = 0.363
"""OpenCV's threshold: faces of a larger cosine are one person."""

# The two eyes, the tip of the nose and the corners of the mouth, the person's right first: as YuNet orders them.
_RIGHT_EYE, _LEFT_EYE, _NOSE, _RIGHT_MOUTH, _LEFT_MOUTH = (33, 133), (263, 362), 1, 61, 291
_WORKING_SIDE = 300


class SFace:
    """Describes faces by unit vectors: the Euclidean distance of two is `sqrt(2 - 2 cosine)`."""

    name = "sface"
    threshold = float(np.sqrt(2.0 - 2.0 * SAME_COSINE))

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def describe(self, pixels: Pixels, faces: Sequence[Face]) -> Floats:
        """Describe `n` faces of one picture as `(n, 128) float32`.

        A face without landmarks is read again; where that fails too its box stands in for them. Raises the family of
        `ModelError` when the weights cannot be used.
        """
        if not faces:
            return np.zeros((0, 128), np.float32)
        path = locate(NAME, self.settings) / FILE
        with borrow(f"sface:{path}", lambda: _build(path)) as network:
            return np.stack([_describe(network, pixels, face) for face in faces])


def referee(settings: Settings) -> SFace | None:
    """The second recogniser, where its file is on this machine."""
    return SFace(settings) if is_present(NAME, settings) else None


def five_points(pixels: Pixels, face: Face) -> Floats:
    """Eyes, nose and corners of the mouth `(5, 2)` in pixels of the photo."""
    points = face.landmarks if face.landmarks is not None else find_landmarks(pixels, face.box)
    if points is None:
        x1, y1, x2, y2 = face.box
        shares = np.array([[0.31, 0.40], [0.69, 0.40], [0.5, 0.62], [0.34, 0.79], [0.66, 0.79]], np.float32)
        return np.asarray([x1, y1] + shares * [x2 - x1, y2 - y1], np.float32)
    eyes = [points[list(pair), :2].mean(0) for pair in (_RIGHT_EYE, _LEFT_EYE)]
    others = [points[index, :2] for index in (_NOSE, _RIGHT_MOUTH, _LEFT_MOUTH)]
    return np.asarray(np.stack([*eyes, *others]), np.float32)


def _describe(network: Any, pixels: Pixels, face: Face) -> Floats:
    crop = square_around(face.box, 2.0, _WORKING_SIDE)
    corners = crop.to_crop(np.array([face.box[:2], face.box[2:]], np.float32))
    points = crop.to_crop(five_points(pixels, face))
    row = np.concatenate([corners[0], corners[1] - corners[0], points.ravel(), [1.0]]).astype(np.float32)
    picture = np.ascontiguousarray(crop.extract(pixels)[:, :, ::-1])  # OpenCV's network wants BGR
    try:
        vector = network.feature(network.alignCrop(picture, row[None])).ravel()
    except cv2.error as error:
        raise ModelCorrupt(f"{NAME} cannot be run; `identigen models pull {NAME}` repairs it.") from error
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def _build(path: Path) -> Any:
    try:
        return cv2.FaceRecognizerSF.create(str(path), "")
    except cv2.error as error:
        raise ModelCorrupt(f"{path.name} could not be loaded; `identigen models pull {NAME}` repairs it.") from error
