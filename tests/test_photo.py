from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin
from pillow_heif import register_heif_opener

from identigen.errors import InputError, PhotoError, PhotoTooLarge
from identigen.photo import encode, format_of, metadata_of, open_photo, preview, save_photo
from identigen.settings import Settings
from identigen.types import Pixels

RED, BLUE, GREEN, YELLOW = (220, 30, 30), (30, 30, 220), (30, 160, 30), (230, 220, 40)


def quarters(height: int = 48, width: int = 64) -> Pixels:
    """Four colours in four corners: any turn or swap of channels shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:] = RED, BLUE
    pixels[top:, :left], pixels[top:, left:] = GREEN, YELLOW
    return pixels


def stored(picture: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def corner_colours(pixels: Pixels) -> list[tuple[int, ...]]:
    """The middle of each quarter: top left, top right, bottom left, bottom right."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(int(v) for v in pixels[y, x]) for y in rows for x in columns]


def assert_near(actual: list[tuple[int, ...]], expected: list[tuple[int, ...]], tolerance: int) -> None:
    assert np.abs(np.array(actual, int) - np.array(expected, int)).max() <= tolerance, (actual, expected)


ALL_FOUR = [RED, BLUE, GREEN, YELLOW]


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0), ("BMP", {}, 0), ("TIFF", {}, 0), ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0), ("GIF", {}, 0), ("JPEG", {"quality": 95}, 4), ("HEIF", {"quality": 95}, 8),
    ],
)  # fmt: skip
def test_every_format_is_read_whatever_the_file_is_called(
    tmp_path: Path, format: str, options: dict[str, object], tolerance: int
) -> None:
    register_heif_opener()
    path = tmp_path / "misnamed.txt"
    path.write_bytes(stored(Image.fromarray(quarters()), format, **options))
    photo = open_photo(path)
    assert photo.pixels.shape == (48, 64, 3)
    assert photo.source_name == "misnamed.txt"
    assert_near(corner_colours(photo.pixels), ALL_FOUR, tolerance)


def test_bytes_and_open_files_are_read_like_paths(tmp_path: Path) -> None:
    data = stored(Image.fromarray(quarters()), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert np.array_equal(open_photo(file).pixels, quarters())
    assert np.array_equal(open_photo(data, name="holiday").pixels, quarters())
    assert np.array_equal(open_photo(str(path)).pixels, quarters())
    assert open_photo(data, name="holiday").source_name == "holiday"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_whatever_the_camera_noted(orientation: int) -> None:
    upright = Image.fromarray(quarters())
    how_it_lies = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    lying = upright.transpose(how_it_lies[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(open_photo(stored(lying, "PNG", exif=exif)).pixels, quarters())


def test_an_iphone_like_heic_is_turned_once_and_not_twice() -> None:
    register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    data = stored(Image.fromarray(quarters()), "HEIF", exif=exif, quality=95)
    with Image.open(io.BytesIO(data)) as as_libheif_shows_it:
        expected = np.asarray(as_libheif_shows_it.convert("RGB"))
    assert np.array_equal(open_photo(data).pixels, expected)


def test_damaged_exif_does_not_cost_the_photo() -> None:
    data = stored(Image.fromarray(quarters()), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40)
    assert np.array_equal(open_photo(data).pixels, quarters())


def test_grey_palette_and_black_and_white_become_colour() -> None:
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    assert np.array_equal(open_photo(stored(Image.fromarray(grey), "PNG")).pixels, np.dstack([grey] * 3))
    palette = Image.fromarray(quarters()).quantize(4)
    assert_near(corner_colours(open_photo(stored(palette, "PNG")).pixels), ALL_FOUR, 2)
    halves = Image.fromarray(grey > 128)
    assert open_photo(stored(halves, "PNG")).pixels[0, [0, 63]].tolist() == [[0] * 3, [255] * 3]


def test_sixteen_bits_keep_their_brightness() -> None:
    grey = np.array([[0, 32768, 65535]], np.uint16)
    for format in ("PNG", "TIFF"):
        assert open_photo(stored(Image.fromarray(grey), format)).pixels[0, :, 0].tolist() == [0, 128, 255]
    colour = np.array([[[65535, 32768, 0]]], np.uint16)
    assert_near([tuple(open_photo(png_of_16_bits(colour)).pixels[0, 0].tolist())], [(255, 128, 0)], 1)
    floating = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert open_photo(stored(Image.fromarray(floating), "TIFF")).pixels[0, :, 0].tolist() == [0, 128, 255]


def png_of_16_bits(values: np.ndarray) -> bytes:
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, zlib.compress(rows), depth=16)


def png(width: int, height: int, packed: bytes, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_cmyk_is_converted() -> None:
    picture = Image.fromarray(quarters()).convert("CMYK")
    assert_near(corner_colours(open_photo(stored(picture, "JPEG", quality=95)).pixels), ALL_FOUR, 12)
    assert_near(corner_colours(open_photo(stored(picture, "TIFF")).pixels), ALL_FOUR, 4)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_what_hides_under_alpha_does_not_come_out(format: str) -> None:
    secret = np.dstack([quarters(), np.full((48, 64), 255, np.uint8)])
    secret[:24, :32, 3] = 0
    secret[24:, 32:, 3] = 128
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    photo = open_photo(stored(Image.fromarray(secret), format, **options))
    half_yellow = tuple(round((value + 255) / 2) for value in YELLOW)
    assert_near(corner_colours(photo.pixels), [(255, 255, 255), BLUE, GREEN, half_yellow], 1)
    assert photo.notes == ("Transparent parts were laid on white.",)


def test_transparent_palettes_and_grey_are_laid_on_white_too() -> None:
    palette = Image.fromarray(quarters()).quantize(4)
    hidden = palette.getpixel((0, 0))
    photo = open_photo(stored(palette, "PNG", transparency=hidden))
    assert photo.pixels[0, 0].tolist() == [255, 255, 255]
    grey = Image.merge("LA", (Image.new("L", (4, 4), 90), Image.new("L", (4, 4), 0)))
    assert (open_photo(stored(grey, "PNG")).pixels == 255).all()


def test_full_opacity_changes_nothing_and_says_nothing() -> None:
    photo = open_photo(stored(Image.fromarray(quarters()).convert("RGBA"), "PNG"))
    assert np.array_equal(photo.pixels, quarters())
    assert photo.notes == ()


def swapped_profile() -> bytes:
    """A display profile whose red is sRGB's blue: the largest gamut trick that can be made by hand."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    places = {bytes(data[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(count)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_another_colour_profile_is_converted_to_srgb() -> None:
    photo = open_photo(stored(Image.fromarray(quarters()), "PNG", icc_profile=swapped_profile()))
    swapped = [tuple(reversed(colour)) for colour in ALL_FOUR]
    assert_near(corner_colours(photo.pixels), swapped, 3)
    assert photo.notes == ()


def test_the_srgb_profile_changes_not_one_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(open_photo(stored(Image.fromarray(noise), "PNG", icc_profile=profile)).pixels, noise)


def test_a_broken_or_foreign_profile_is_told_and_ignored() -> None:
    grey_with_colour_profile = stored(Image.new("L", (4, 4), 77), "PNG", icc_profile=swapped_profile())
    for data in (
        stored(Image.fromarray(quarters()), "PNG", icc_profile=b"not a profile"),
        grey_with_colour_profile,
    ):
        photo = open_photo(data)
        assert photo.notes == ("The colour profile does not fit the picture and was ignored.",)
    assert (open_photo(grey_with_colour_profile).pixels == 77).all()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "MPO", "TIFF"])
def test_of_several_pictures_the_first_is_taken_with_a_note(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((200, 0, 0), (0, 200, 0))]
    options = {"lossless": True} if format == "WEBP" else {}
    photo = open_photo(stored(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert_near([tuple(photo.pixels[8, 8].tolist())], [(200, 0, 0)], 3)
    assert photo.notes == ("The file holds several pictures; only the first one is used.",)


def test_one_pixel_is_a_photo() -> None:
    assert open_photo(stored(Image.new("RGB", (1, 1), RED), "PNG")).pixels.tolist() == [[list(RED)]]


def refused(source: object, **options: object) -> str:
    """The sentence with which a source is refused; Pillow's own warnings would fail the test."""
    with pytest.raises(PhotoError) as caught:
        open_photo(source, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_what_is_no_photo_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "letter.jpg"
    text.write_text("Dear reader, this is not a photo. " * 50)
    assert "letter.jpg is not a photo" in refused(text)
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    assert "empty.jpg is empty" in refused(empty)
    assert "SVG" in refused(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert "folder" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "nowhere.png")
    assert "not a file" in refused("/dev/null")
    assert "not a photo" in refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    cut = stored(Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)), "JPEG")
    assert "damaged or was cut off" in refused(cut[: len(cut) // 2])


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    bomb = png(20_000, 20_000, zlib.compress(bytes(20_000 * 20_000 // 8 + 20_000), 9), depth=1, colour=0)
    assert len(bomb) < 100_000
    with pytest.raises(PhotoTooLarge, match="more than 50 megapixels"):
        open_photo(bomb)
    undecodable = png(9_000, 9_000, b"these bytes are no deflate stream")  # decoding it would be another error
    with pytest.raises(PhotoTooLarge):
        open_photo(undecodable)
    between = png(10_000, 9_999, b"")  # where Pillow itself only warns
    with pytest.raises(PhotoTooLarge):
        open_photo(between)


def test_the_limits_are_settings(tmp_path: Path) -> None:
    data = stored(Image.fromarray(quarters()), "PNG")
    assert open_photo(data, Settings(max_megapixels=48 * 64 / 1e6)).width == 64
    with pytest.raises(PhotoTooLarge, match=r"0\.003 megapixels"):
        open_photo(data, Settings(max_megapixels=0.003))
    path = tmp_path / "heavy.png"
    path.write_bytes(data + bytes(5000))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(PhotoTooLarge, match=r"0\.001 megabytes"):
            open_photo(source, Settings(max_megabytes=0.001))


SOURCES = [
    stored(Image.fromarray(quarters(24, 24)), format, **options)
    for format, options in (("PNG", {}), ("JPEG", {}), ("GIF", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {}))
]


@given(
    which=st.integers(0, len(SOURCES) - 1),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    keep=st.floats(0.05, 1.0),
)
@hypothesis_settings(max_examples=250, deadline=None)
def test_no_damaged_file_raises_anything_but_a_photo_error(
    which: int, edits: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(SOURCES[which])
    for place, value in edits:
        data[min(len(data) - 1, int(place * len(data)))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            photo = open_photo(bytes(data[: max(1, int(keep * len(data)))]))
        except PhotoError:
            return
    assert photo.pixels.dtype == np.uint8


# ------------------------------------------------------------------------------------------------------- way out


def noise() -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


def test_png_and_webp_of_quality_100_are_lossless(tmp_path: Path) -> None:
    for name, quality in (("a.png", 50), ("a.PNG", 95), ("a.webp", 100)):
        save_photo(noise(), tmp_path / name, quality)
        assert np.array_equal(open_photo(tmp_path / name).pixels, noise())


def test_jpeg_keeps_the_colour_of_every_single_pixel(tmp_path: Path) -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = RED, BLUE
    save_photo(stripes, tmp_path / "a.jpg", 100)
    assert np.abs(open_photo(tmp_path / "a.jpg").pixels.astype(int) - stripes).max() < 12
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.format == "JPEG"


def test_an_unknown_ending_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    for name in ("a.bmp", "a", "a.txt"):
        with pytest.raises(InputError, match=r"\.png"):
            save_photo(noise(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    assert format_of(Path("X.JPEG")) == "jpeg"


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        save_photo(noise(), tmp_path / "file" / "a.png")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        save_photo(noise(), tmp_path / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "file"]  # and no temporary file


def test_saving_replaces_a_file_in_one_step(tmp_path: Path) -> None:
    save_photo(quarters(), tmp_path / "new" / "a.png")
    save_photo(noise(), tmp_path / "new" / "a.png")
    assert np.array_equal(open_photo(tmp_path / "new" / "a.png").pixels, noise())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_what_a_format_cannot_hold_is_said() -> None:
    with pytest.raises(InputError, match="PNG"):
        encode(np.zeros((1, 17_000, 3), np.uint8), "webp")
    with pytest.raises(InputError, match="quality"):
        encode(noise(), "jpeg", quality=0)


def test_a_preview_shrinks_and_never_grows() -> None:
    assert preview(np.zeros((3000, 4000, 3), np.uint8)).shape == (1200, 1600, 3)
    assert preview(np.zeros((4000, 2, 3), np.uint8), 100).shape == (100, 1, 3)
    small = quarters()
    assert np.array_equal(preview(small, 64), small)
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    averaged = preview(np.dstack([checks.astype(np.uint8)] * 3), 32)
    assert np.abs(averaged.astype(int) - 128).max() <= 1  # an average: no aliasing


# ------------------------------------------------------------------------------------------------ what a file tells


def talkative(format: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    options: dict[str, object] = {"exif": exif, "icc_profile": swapped_profile(), "xmp": b"<x:xmpmeta/>"}
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", "Somebody")
        text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
        options["pnginfo"] = text
    if format == "JPEG":
        options["comment"] = b"Somebody was here"
    return stored(Image.fromarray(quarters()), format, **options)


@pytest.mark.parametrize(("format", "extra"), [("PNG", {"text: Author"}), ("JPEG", {"comment"}), ("WEBP", set())])
def test_every_block_of_metadata_is_named(format: str, extra: set[str]) -> None:
    assert set(metadata_of(talkative(format))) == {"EXIF", "GPS", "ICC", "XMP", *extra}


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("quality", [70, 100])
def test_nothing_but_pixels_survives(format: str, quality: int) -> None:
    photo = open_photo(talkative("PNG"))
    assert metadata_of(encode(photo.pixels, format, quality)) == ()  # type: ignore[arg-type]


def test_unknown_blocks_are_named_and_not_overlooked() -> None:
    plain = stored(Image.fromarray(quarters()), "JPEG")
    with_block = plain[:2] + b"\xff\xeb\x00\x08C2PA\0\0" + plain[2:]
    assert metadata_of(with_block) == ("APP11",)
    iptc = plain[:2] + b"\xff\xed\x00\x10Photoshop 3.0\0" + plain[2:]
    assert metadata_of(iptc) == ("IPTC",)
    for data in (encode(quarters(), "png"), encode(quarters(), "jpeg"), encode(quarters(), "webp")):
        assert metadata_of(data + b"a second picture") == ("data after the picture",)
        assert metadata_of(data[:-20]) != ()
    own_block = encode(quarters(), "png")
    own_block = (
        own_block[:33] + struct.pack(">I", 3) + b"caNvabc" + struct.pack(">I", zlib.crc32(b"caNvabc")) + own_block[33:]
    )
    assert metadata_of(own_block) == ("PNG caNv",)
    assert metadata_of(b"") == ("unknown format",)


def test_a_long_picture_without_an_end_is_not_clean() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    data = encode(noisy, "jpeg", 100)
    assert metadata_of(data) == ()
    assert metadata_of(data[: len(data) // 2]) == ("broken structure",)
