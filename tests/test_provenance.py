from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from identigen.photo import encode, metadata_of, open_photo, save_photo
from identigen.provenance import VOCABULARY, label, source_type
from identigen.types import Operation

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize(
    ("operations", "term"),
    [
        ([], None),
        ([Operation.KEEP], None),
        ([Operation.KEEP, Operation.BLUR], "algorithmicallyEnhanced"),
        ([Operation.SOLID, Operation.LAYERED, Operation.PIXELATE], "algorithmicallyEnhanced"),
        ([Operation.FACE], "compositeWithTrainedAlgorithmicMedia"),
        ([Operation.BLUR, Operation.REMOVE], "compositeWithTrainedAlgorithmicMedia"),
        ([Operation.BODY, Operation.KEEP], "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_the_strongest_change_decides_the_term(operations: list[Operation], term: str | None) -> None:
    assert source_type(operations) == (term and VOCABULARY + term)


def packet_in(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as picture:
        packet = picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"]
    return packet.decode() if isinstance(packet, bytes) else packet


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_label_is_the_only_thing_beside_the_pixels(format: str) -> None:
    packet = label([Operation.FACE])
    marked = encode(PIXELS, format, 90, packet)  # type: ignore[arg-type]
    assert metadata_of(marked) == ("XMP",)
    assert packet_in(marked) == packet
    plain = encode(PIXELS, format, 90)  # type: ignore[arg-type]
    assert metadata_of(plain) == ()
    assert np.array_equal(open_photo(marked).pixels, open_photo(plain).pixels)


def test_other_programs_can_read_the_label() -> None:
    packet = label([Operation.FACE])
    assert packet is not None
    tree = ElementTree.fromstring(packet.replace("\ufeff", "").encode())
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    found = [element.get(name) for element in tree.iter() if element.get(name)]
    assert found == ["http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"]


def test_it_is_written_only_when_asked(tmp_path: Path) -> None:
    save_photo(PIXELS, tmp_path / "plain.jpg")
    save_photo(PIXELS, tmp_path / "kept.jpg", provenance=label([Operation.KEEP]))
    save_photo(PIXELS, tmp_path / "marked.jpg", provenance=label([Operation.BLUR]))
    found = {path.stem: metadata_of(path.read_bytes()) for path in tmp_path.iterdir()}
    assert found == {"plain": (), "kept": (), "marked": ("XMP",)}
