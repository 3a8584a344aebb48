"""dlib's 128-D face recogniser (King 2017; a 29-layer ResNet, 99.38 % on LFW, weights in the public domain)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from identigen.crop import square_around
from identigen.models import borrow, package_file
from identigen.types import Face, Floats, Pixels

if TYPE_CHECKING:
    from identigen.recognition.dlib_network import FaceNetwork

# Outer and inner corner of the left eye, of the right eye, base of the nose: the order that dlib's alignment expects.
_FIVE_POINTS = (263, 362, 33, 133, 2)
_WORKING_SIDE = 400


class DlibResnet:
    """Describe faces by dlib's network, aligned by our own landmarks where they exist, else by dlib's five points."""

    name = "dlib"
    threshold = 0.60

    def describe(self, pixels: Pixels, faces: Sequence[Face]) -> Floats:
        """Describe `n` faces of one picture as `(n, 128) float32`."""
        return self.describe_chips([_chip(pixels, face) for face in faces])

    def describe_chips(self, chips: Sequence[Pixels]) -> Floats:
        """Describe aligned `(150, 150, 3)` chips."""
        import torch

        if not chips:
            return np.zeros((0, 128), np.float32)
        with borrow("dlib-resnet", _build_network) as network, torch.inference_mode():
            # One by one: torch rounds batches differently, and a photo shall not depend on who else is in it.
            vectors = [network(torch.from_numpy(chip).permute(2, 0, 1)[None].float()) for chip in chips]
        return np.concatenate([vector.numpy() for vector in vectors])


def _chip(pixels: Pixels, face: Face) -> Pixels:
    import dlib

    crop = square_around(face.box, 2.0, 1)
    side = min(_WORKING_SIDE, max(crop.window.width, 150))
    crop = square_around(face.box, 2.0, side)
    picture = crop.extract(pixels)
    box = crop.to_crop(np.array([face.box[:2], face.box[2:]], np.float32)).round().astype(int).tolist()
    rectangle = dlib.rectangle(*box[0], *box[1])
    if face.landmarks is not None:
        points = crop.to_crop(face.landmarks[list(_FIVE_POINTS), :2])
        corners = [dlib.point(x, y) for x, y in points.round().astype(int).tolist()]
        shape: Any = dlib.full_object_detection(rectangle, corners)
    else:
        with borrow("dlib-five-points", _build_predictor) as predictor:
            shape = predictor(picture, rectangle)
    return np.asarray(dlib.get_face_chip(picture, shape, size=150, padding=0.25))


def _build_network() -> FaceNetwork:
    import torch

    from identigen.recognition.dlib_network import read_network

    weights = package_file("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")
    return read_network(weights).to(memory_format=torch.channels_last)


def _build_predictor() -> Any:
    import dlib

    path = package_file("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat")
    return dlib.shape_predictor(str(path))
