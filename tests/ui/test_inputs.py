import re

import numpy as np
import pytest

from identigen.errors import MaskError, PhotoError, PlanError
from identigen.photo import encode
from identigen.settings import Settings
from identigen.types import Mask, Operation
from identigen.ui.inputs import parse_operation, parse_subjects, phone_address, picture_in, read_and_delete, repaint

SIZE = (80, 120)


def test_repaint_needs_a_picture_with_alpha():
    with pytest.raises(MaskError):
        repaint(Mask.empty(*SIZE), b"no picture")
    with pytest.raises(MaskError):
        repaint(Mask.empty(*SIZE), encode(np.zeros((4, 4, 3), np.uint8), "png"))


def test_picture_in_reads_only_data_addresses():
    assert picture_in("data:image/png;base64,QUI=") == b"AB"
    for bad in ("http://x/y.png", "data:text/html;base64,QUI=", 7, None):
        with pytest.raises(MaskError):
            picture_in(bad)


def test_what_programs_write():
    assert parse_operation("") is None
    assert parse_operation("face+hair") is Operation.FACE_HAIR
    assert parse_subjects("all") is None
    assert parse_subjects("1, 3") == {1, 3}
    with pytest.raises(PlanError, match="melt"):
        parse_operation("melt")
    with pytest.raises(PlanError):
        parse_subjects("one")


def test_a_file_is_deleted_even_when_it_cannot_be_read(tmp_path):
    file = tmp_path / "empty.jpg"
    file.touch()
    with pytest.raises(PhotoError):
        read_and_delete(str(file), Settings())
    assert not file.exists()


def test_the_number_that_the_page_puts_before_a_name_is_not_shown(tmp_path):
    file = tmp_path / ("0123456789abcdef" * 2 + "-holiday.jpg")
    file.write_text("no photo")
    with pytest.raises(PhotoError, match=r"^holiday\.jpg"):
        read_and_delete(str(file), Settings())


def test_a_page_for_this_computer_alone_has_no_address_for_phones():
    assert phone_address(Settings(host="127.0.0.1")) == ""
    address = phone_address(Settings(host="0.0.0.0", port=7861))
    assert address == "" or re.fullmatch(r"http://[\d.]+:7861/", address)  # empty: this machine is in no network
