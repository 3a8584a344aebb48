"""What comes from outside, read with suspicion: uploads, painted masks, words of programs, the network's address."""

from __future__ import annotations

import base64
import binascii
import re
import socket
from pathlib import Path

import cv2
import numpy as np

from identigen.errors import MaskError, PlanError
from identigen.photo import open_photo
from identigen.settings import Settings
from identigen.types import Mask, Operation, Photo

MAX_PICTURE_TEXT = 24_000_000  # characters of a mask sent by the browser: a 50-megapixel mask stays far below
_OWN_NUMBER = re.compile(r"^[0-9a-f]{32}-")


def phone_address(settings: Settings) -> str:
    """The page's address in the local network; empty when it listens to this computer alone."""
    if settings.host in ("127.0.0.1", "localhost", "::1"):
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of no one: nothing is sent, only the way out is looked up
        except OSError:
            return ""
        return f"http://{probe.getsockname()[0]}:{settings.port}/"


def read_and_delete(path: str, settings: Settings) -> Photo:
    """Open an uploaded file and take it off the disk, whether it could be read or not.

    Gradio stores uploads by content and name. The page therefore puts a number of its own before the name, or a second
    visitor with the same photo would lose it here; it is no part of what people call their photo.
    """
    file = Path(path)
    try:
        return open_photo(file, settings, _OWN_NUMBER.sub("", file.name))
    finally:
        file.unlink(missing_ok=True)


def picture_in(address: object) -> bytes:
    """The bytes of a picture that the browser sent as a `data:` address; raise `MaskError` for anything else."""
    if not isinstance(address, str) or len(address) > MAX_PICTURE_TEXT:
        raise MaskError("The mask is larger than any photo that can be opened here.")
    head, _, body = address.partition(",")
    if not head.startswith("data:image/"):
        raise MaskError("The mask is not a picture; load a black and white PNG.")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise MaskError("The mask arrived damaged; try again.") from None


def repaint(mask: Mask, strokes: bytes) -> Mask:
    """Add what was painted red and take away what was painted blue, at whatever size the strokes were painted.

    Only what was touched changes: elsewhere the region keeps the sharpness of the whole photo.
    """
    picture = cv2.imdecode(np.frombuffer(strokes, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise MaskError("The painted mask arrived damaged; paint it again.")
    height, width = mask.photo_size
    touched = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    painted, red = touched[..., 3] >= 128, touched[..., 2] >= 128  # OpenCV's order is blue, green, red, alpha
    return Mask.from_array((mask.to_array() | (painted & red)) & ~(painted & ~red))


def parse_operation(text: str) -> Operation | None:
    """An operation by its name; an empty text is what the gate proposes for each."""
    if not text:
        return None
    try:
        return Operation(text)
    except ValueError:
        names = ", ".join(operation.value for operation in Operation)
        raise PlanError(f"{text!r} is no operation; use one of {names}.") from None


def parse_subjects(text: str) -> set[int] | None:
    """`all` (or nothing) for everybody, else numbers such as `1,3`."""
    if text.strip().lower() in ("", "all"):
        return None
    try:
        return {int(part) for part in text.split(",")}
    except ValueError:
        raise PlanError(f"{text!r} names nobody; write 'all' or numbers such as '1,3'.") from None


def share(value: object) -> float:
    """A percentage as a share between 0 and 1; raise `ValueError` for anything else."""
    share = float(str(value)) / 100
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 100")
    return share


def one_of(value: object, *allowed: str) -> str:
    """The value, if it is one of those allowed; raise `ValueError` otherwise."""
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {allowed}")
    return str(value)
