"""The two endpoints for programs, called through gradio_client on the launched app."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from identigen.masks import from_rle
from identigen.photo import metadata_of, open_photo
from identigen.ui import programs

# Gradio's queue keeps its figures in a pandas table, in ways that pandas calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    client = Client(address, download_files=str(tmp_path_factory.mktemp("answers")), verbose=False)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def files_go_soon(monkeypatch):
    monkeypatch.setattr(programs, "KEPT_SECONDS", 8.0)  # a slow machine fetches its answer late


def pictures_stay() -> bool:
    """Whether a picture is still on the disk some seconds later."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    for _ in range(300):
        if not any(path.suffix in (".jpg", ".jpeg", ".png") for path in folder.rglob("*")):
            return False
        time.sleep(0.1)
    return True


def test_only_two_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {"/detect", "/anonymize"}


def test_detect_gives_the_contract(client, zidane_file, zidane):
    found = client.predict(handle_file(zidane_file), api_name="/detect")
    assert (found["width"], found["height"]) == (zidane.width, zidane.height)
    assert [person["id"] for person in found["subjects"]] == [1, 2]
    for person in found["subjects"]:
        assert from_rle(person["mask"]).area > 10_000
        assert person["default_operation"]


def test_anonymize_gives_a_picture_and_a_report(client, zidane_file, zidane):
    file, report = client.predict(handle_file(zidane_file), "layered", "2", 5, api_name="/anonymize")
    after = open_photo(file)
    assert metadata_of(Path(file).read_bytes()) == ()
    assert report["schema"] == 1
    assert report["checks"] == {"outside_mask_identical": True, "metadata_removed": True}
    changed = np.any(after.pixels != zidane.pixels, axis=2)
    by_id = {person["id"]: person for person in report["subjects"]}
    assert by_id[1]["applied"] == "keep"
    assert by_id[2]["operation"] == "layered"
    assert changed.any()
    assert not changed[~from_rle(by_id[2]["changed"]).to_array()].any()


def test_a_mistake_is_answered_in_one_sentence(client, zidane_file, tmp_path):
    with pytest.raises(AppError, match="no operation"):
        client.predict(handle_file(zidane_file), "melt", "all", 0, api_name="/anonymize")
    with pytest.raises(AppError, match="no person 9"):
        client.predict(handle_file(zidane_file), "", "9", 0, api_name="/anonymize")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(AppError, match="not a photo"):
        client.predict(handle_file(tmp_path / "text.jpg"), api_name="/detect")


def test_neither_upload_nor_answer_stays_on_the_disk(client, zidane_file):
    client.predict(handle_file(zidane_file), "solid", "all", 0, api_name="/anonymize")
    assert not pictures_stay()


def test_two_programs_may_send_the_same_photo_at_once(client, zidane_file, monkeypatch):
    monkeypatch.setattr(programs, "KEPT_SECONDS", 60.0)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: client.predict(handle_file(zidane_file), api_name="/detect"), range(2))
    assert one == other
