"""A photo on its way in and out: only upright sRGB pixels enter, only pixels leave.

What a file holds besides its picture (camera, place, time, thumbnails, colour profile, hidden layers) is used once,
to show the picture the right way, and then forgotten.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import cv2
import numpy as np

from identigen.errors import InputError, PhotoError, PhotoTooLarge
from identigen.settings import Settings
from identigen.types import Photo, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose
    from PIL.ImageCms import ImageCmsProfile

Format = Literal["png", "jpeg", "webp"]

# Decoders that may be reached by a stranger's bytes: Pillow knows many more, one of which starts another program.
_READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF")
_ASK = "give a JPEG, PNG, WebP, TIFF, HEIC or GIF picture"
_FORMATS: dict[str, Format] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_LONGEST_SIDE: dict[Format, int] = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}
_ORIENTATION = 0x0112


def open_photo(
    source: str | Path | bytes | BinaryIO, settings: Settings | None = None, name: str | None = None
) -> Photo:
    """Read a picture as upright 8-bit sRGB, whatever its file calls itself; alpha is laid on white.

    `name` is how the photo is called in messages. Raises `PhotoTooLarge` (judged by the header, before anything is
    decoded) and `PhotoError`.
    """
    settings = settings or Settings()
    if name is None:
        name = Path(source).name if isinstance(source, str | Path) else "photo"
    data = _read(source, name or "photo", settings.max_megabytes)
    # Pillow warns of large headers, odd EXIF and palettes; what matters of it becomes an error or a note here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = _open(data, name, settings.max_megapixels)
        try:
            return _decode(picture, name)
        except MemoryError:
            raise PhotoTooLarge(f"{name} needs more memory than there is; make it smaller.") from None
        except Exception as error:  # a decoder fed with damaged bytes may fail in any way
            raise PhotoError(f"{name} is damaged or was cut off; get the file again.") from error


def save_photo(pixels: Pixels, path: Path, quality: int = 95, provenance: str | None = None) -> None:
    """Write pixels as PNG, JPEG or WebP by the name's ending; the file appears complete or not at all.

    `provenance` is an XMP packet (see `identigen.provenance.label`), the only thing that can stand in the file besides
    pixels. Raises `InputError` for another ending and for a place that cannot be written to.
    """
    path = Path(path)
    write_atomically(path, encode(pixels, format_of(path), quality, provenance))


def encode(pixels: Pixels, format: Format, quality: int = 95, provenance: str | None = None) -> bytes:
    """Encode `(H, W, 3) uint8` pixels and nothing else; WebP of quality 100 is lossless, JPEG keeps full colour."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    height, width = pixels.shape[:2]
    if max(height, width) > _LONGEST_SIDE[format]:
        raise InputError(f"{width}x{height} pixels are more than {format.upper()} can hold; save it as PNG.")
    if not 1 <= quality <= 100:
        raise InputError(f"quality must lie between 1 and 100, not {quality}.")
    picture, out = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    packet = provenance.encode() if provenance else b""
    if format == "png":
        text = PngInfo()
        if provenance:
            text.add_itxt("XML:com.adobe.xmp", provenance)
        picture.save(out, "PNG", compress_level=4, pnginfo=text)
    elif format == "jpeg":
        picture.save(out, "JPEG", quality=quality, subsampling="4:4:4", **({"xmp": packet} if packet else {}))
    else:
        picture.save(out, "WEBP", quality=quality, lossless=quality == 100, method=2, xmp=packet)
    return out.getvalue()


def format_of(path: Path) -> Format:
    """The format that a file name asks for; raises `InputError` when there is none for it."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        ending = f"in {suffix!r}" if suffix else "without an ending"
        raise InputError(f"the name {Path(path).name} ends {ending}; end it in .png, .jpg or .webp.")
    return _FORMATS[suffix]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either complete or as it was before; missing folders are made."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".identigen-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another place.") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def preview(pixels: Pixels, side: int = 1600) -> Pixels:
    """Shrink pixels until the longer side is at most `side`; a smaller picture is returned as it is."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def metadata_of(data: bytes) -> tuple[str, ...]:
    """Name every block of an encoded picture that is not needed to draw it ("EXIF", "GPS", "XMP", "comment", ...).

    PNG, JPEG and WebP are walked block by block against a list of what may stay, so that an unknown block is reported
    and not overlooked; a file that breaks off or is of another kind says so.
    """
    walkers = ((b"\x89PNG\r\n\x1a\n", _png_blocks), (b"\xff\xd8", _jpeg_blocks), (b"RIFF", _webp_blocks))
    for signature, walk in walkers:
        if data.startswith(signature):
            try:
                return tuple(dict.fromkeys(walk(data)))
            except (IndexError, struct.error):
                return ("broken structure",)
    return ("unknown format",)


# ---------------------------------------------------------------------------------------------------------- way in


def _read(source: str | Path | bytes | BinaryIO, name: str, max_megabytes: float) -> bytes:
    """The bytes of the file, never more than allowed."""
    limit = int(max_megabytes * 1e6)
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | Path):
        data = _read_file(Path(source), name, limit)
    else:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise PhotoTooLarge(f"{name} has more than {max_megabytes:g} megabytes; make it smaller.")
    if not data:
        raise PhotoError(f"{name} is empty; {_ASK}.")
    return data


def _read_file(path: Path, name: str, limit: int) -> bytes:
    try:
        if path.is_dir():
            raise PhotoError(f"{path} is a folder, not a photo; use `identigen batch` for folders.")
        if not path.exists():
            raise PhotoError(f"{path} does not exist; check the name.")
        if not path.is_file():
            raise PhotoError(f"{path} is not a file; {_ASK}.")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be opened; check its name and whether you may read it.") from error


def _open(data: bytes, name: str, max_megapixels: float) -> Image:
    """Read the header only, and refuse what is too large to be decoded."""
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    too_large = f"{name} has more than {max_megapixels:g} megapixels; make it smaller."
    try:
        picture = Image.open(io.BytesIO(data), formats=_READABLE)
    except Image.DecompressionBombError:
        raise PhotoTooLarge(too_large) from None
    except Exception as error:  # see open_photo
        what = "an SVG drawing, not a photo" if b"<svg" in data[:1024].lower() else "not a photo that can be read"
        raise PhotoError(f"{name} is {what}; {_ASK}.") from error
    if picture.width * picture.height > max_megapixels * 1e6:
        raise PhotoTooLarge(too_large)
    return picture


def _decode(picture: Image, name: str) -> Photo:
    notes = []
    if _has_more_frames(picture):
        notes.append("The file holds several pictures; only the first one is used.")
    turn = _turn(picture)
    picture.load()
    profile = picture.info.get("icc_profile")
    alpha: Image | None = None
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        picture, profile = _eight_bits(picture), None
    elif picture.has_transparency_data:
        picture, alpha = _without_alpha(picture)
    picture, note = _to_srgb(picture, profile)
    if note:
        notes.append(note)
    if alpha is not None and alpha.getextrema() != (255, 255):
        picture = _on_white(picture, alpha)
        notes.append("Transparent parts were laid on white.")
    if turn is not None:
        picture = picture.transpose(turn)
    return Photo(np.array(picture, np.uint8), name, tuple(notes))


def _has_more_frames(picture: Image) -> bool:
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # the second frame is broken: it is not needed
        picture.seek(0)
        return True


def _turn(picture: Image) -> Transpose | None:
    """How to turn the picture upright; damaged EXIF means not at all."""
    from PIL.Image import Transpose

    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a photo is not refused for its metadata
        return None
    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)


def _eight_bits(picture: Image) -> Image:
    """Bring 16-bit, 32-bit and floating point grey to 8 bit; a range that the mode leaves open is read off the data."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if picture.mode == "F" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    elif picture.mode != "F" and low >= 0.0 and high <= 65535.0:
        low, high = 0.0, 65535.0
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray(np.round(scaled).clip(0, 255).astype(np.uint8))


def _without_alpha(picture: Image) -> tuple[Image, Image]:
    """Colour and opacity, each on its own."""
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[picture.mode])
    if picture.mode not in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
    return picture.convert("L" if picture.mode == "LA" else "RGB"), picture.getchannel("A")


def _on_white(picture: Image, alpha: Image) -> Image:
    from PIL import Image

    return Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)


def _to_srgb(picture: Image, profile: bytes | None) -> tuple[Image, str]:
    """Bring colours to sRGB through the profile where there is one that fits; return a note when it was not usable."""
    from PIL import ImageCms

    if picture.mode in ("P", "PA", "1"):
        picture = picture.convert("RGB")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    if picture.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transform(picture, lab, srgb), ""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(own):  # an identity would only round
                return _transform(picture, own, srgb), ""
        except (ImageCms.PyCMSError, OSError, ValueError):
            return picture.convert("RGB"), "The colour profile does not fit the picture and was ignored."
    return picture.convert("RGB"), ""


def _transform(picture: Image, source: ImageCmsProfile, target: ImageCmsProfile) -> Image:
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    turned = ImageCms.profileToProfile(picture, source, target, intent, outputMode="RGB", flags=flags)
    if turned is None:
        raise ValueError("the transform gave no picture")
    return turned


# --------------------------------------------------------------------------------------------- what a file tells


def _png_blocks(data: bytes) -> Iterator[str]:
    position = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"IEND":
            break
        if kind == b"eXIf":
            yield from _exif_names(body)
        elif kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp"):
            yield from _xmp_names(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            yield "text: " + body.split(b"\0")[0].decode("latin-1")
        elif kind == b"iCCP":
            yield "ICC"
        elif kind not in (b"IHDR", b"PLTE", b"IDAT", b"tRNS"):
            yield "PNG " + kind.decode("latin-1")
    if position != len(data):
        yield "data after the picture"


def _jpeg_blocks(data: bytes) -> Iterator[str]:
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0:
            raise IndexError("no end of the picture")
        marker = data[position + 1]
        if marker == 0xD9:
            break
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD7:  # inside the compressed scan, or padding
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield from _jpeg_segment(marker, data[position + 4 : position + 2 + length])
        position += 2 + length
    if position + 2 != len(data):
        yield "data after the picture"


def _jpeg_segment(marker: int, body: bytes) -> Iterator[str]:
    if marker == 0xFE:
        yield "comment"
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        yield from _exif_names(body)
    elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/"):
        yield from _xmp_names(body)
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE"):
        yield "ICC"
    elif marker == 0xED:
        yield "IPTC"
    elif marker == 0xE0 and (body[:5] != b"JFIF\0" or body[12:14] != b"\0\0"):
        yield "thumbnail"
    elif 0xE1 <= marker <= 0xEF and marker != 0xEE:  # 0xEE (Adobe) tells only how the colours are stored
        yield f"APP{marker - 0xE0}"


def _webp_blocks(data: bytes) -> Iterator[str]:
    position, end = 12, 8 + struct.unpack_from("<I", data, 4)[0]
    while position < end:
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
        if kind == b"EXIF":
            yield from _exif_names(body)
        elif kind == b"XMP ":
            yield from _xmp_names(body)
        elif kind == b"ICCP":
            yield "ICC"
        elif kind not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH"):
            yield "WebP " + kind.decode("latin-1")
    if position != len(data):
        yield "data after the picture"


def _exif_names(body: bytes) -> Iterator[str]:
    from PIL import Image

    yield "EXIF"
    exif = Image.Exif()
    try:
        exif.load(body)
        place = exif.get_ifd(0x8825)
    except Exception:  # unreadable EXIF is named above, its content does not matter
        return
    if place:
        yield "GPS"


def _xmp_names(body: bytes) -> Iterator[str]:
    yield "XMP"
    if b"GPSL" in body:
        yield "GPS"
