"""The page in a real browser, at the size of a laptop and of a phone; every request that leaves home fails a test."""

import json
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from identigen.masks import from_rle
from identigen.photo import encode, metadata_of, open_photo

# Gradio's queue keeps its figures in a pandas table, in ways that pandas calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def click_person(page, number: int, size: str) -> None:
    """Press on a person's face in the picture, by mouse or finger."""
    pin = page.locator(".pin", has_text=str(number)).first.bounding_box()
    press = page.touchscreen.tap if size == "phone" else page.mouse.click
    press(pin["x"] + pin["width"] / 2, pin["y"] + pin["height"] + 18)


def choices(page) -> list[str]:
    return [b.get_attribute("aria-pressed") for b in page.locator("[data-do=toggle]").all()]


def wait_for_choices(page, *wanted: str) -> None:
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('[data-do=toggle]')].map(b => b.ariaPressed).join() === wanted",
        arg=",".join(wanted),
    )


def test_the_whole_main_job(visit, size, zidane_file, zidane, tmp_path):
    page = visit.open()
    assert page.locator("before-after").is_visible()  # an example is here with its result
    visit.upload(zidane_file)
    assert page.locator("figure.photo path").count() == 2
    assert "Anonymise everybody" in page.inner_text(".dock")

    click_person(page, 2, size)
    wait_for_choices(page, "false", "true")
    assert "Anonymise 1 person" in page.inner_text(".dock")
    page.wait_for_function(
        """() => { const card = document.querySelector(".card[data-id='2']").getBoundingClientRect();
                   return card.left >= 0 && card.left < innerWidth - 200; }"""
    )  # the card of whom was pressed comes into sight
    page.select_option(".card[data-id='2'] select", "layered")
    page.wait_for_function("document.querySelector('.summary').innerText.includes('Layered')")
    visit.run()

    card = page.locator(".card[data-id='2']")
    assert card.locator(".badge").is_visible()
    assert page.locator(".card[data-id='1'] .badge").count() == 0
    slider = page.locator("before-after input")
    slider.focus()
    page.wait_for_function("document.querySelector('before-after').shadowRoot.querySelector('input').value === '50'")
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "49"
    frame = page.locator("before-after").bounding_box()
    page.mouse.click(frame["x"] + frame["width"] * 0.8, frame["y"] + frame["height"] / 2)
    assert abs(float(slider.input_value()) - 80) < 2

    data = visit.download("png").read_bytes()
    (tmp_path / "after.png").write_bytes(data)
    after = open_photo(tmp_path / "after.png").pixels
    report = json.loads(visit.download("json").read_text())
    person = next(entry for entry in report["subjects"] if entry["id"] == 2)
    changed = np.any(after != zidane.pixels, axis=2)
    assert after.shape == zidane.pixels.shape
    assert metadata_of(data) == ()
    assert changed.sum() > 1000
    assert not changed[~from_rle(person["changed"]).to_array()].any()
    assert report["checks"] == {"outside_mask_identical": True, "metadata_removed": True}
    assert open_photo(visit.download("jpg")).pixels.shape == after.shape


def test_a_newcomer_needs_two_clicks(visit):
    page = visit.open()
    page.click("[data-do=example][data-value=astronaut]")
    page.wait_for_selector("text=1 person")
    page.wait_for_selector("figure.photo path")
    started = time.perf_counter()
    visit.run()
    print(f"two interactions; the run took {time.perf_counter() - started:.1f} s")
    assert page.locator(".card .badge").count() == 1
    assert "1 person anonymised" in page.inner_text(".dock")


def test_large_targets_and_nothing_cut_off(visit, size):
    page = visit.open()
    page.click("[data-do=view][data-value=choose]")
    page.wait_for_selector("figure.photo")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    if size == "phone":
        photo, people = page.locator(".canvas").bounding_box(), page.locator(".people").bounding_box()
        assert photo["y"] < people["y"]
        first, second = (card.bounding_box() for card in page.locator(".card").all()[:2])
        assert second["x"] > first["x"]
        assert second["y"] == first["y"]
        button = page.locator(".dock .run").bounding_box()
        assert button["height"] >= 44
        assert button["y"] + button["height"] <= 844


def test_the_keyboard_alone_does_the_main_job(enter):
    with enter("desktop") as visit:
        page = visit.open()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("[data-do=example][data-value=zidane]").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("figure.photo path")
        page.wait_for_selector(".card")
        page.locator(".card[data-id='1'] .crop").focus()
        page.keyboard.press("Space")
        wait_for_choices(page, "true", "false")
        assert page.evaluate("document.activeElement.dataset.id") == "1"
        page.keyboard.press("Control+z")
        wait_for_choices(page, "false", "false")
        page.keyboard.press("Control+Shift+z")
        wait_for_choices(page, "true", "false")
        page.locator(".card[data-id='1'] select").focus()
        page.keyboard.type("Solid")
        page.wait_for_function("document.querySelector('.summary').innerText.includes('Solid')")
        page.locator("[data-run]").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("before-after")


def test_all_none_and_the_others(enter):
    with enter("desktop") as visit:
        page = visit.open()
        page.click(".chip[data-do=all]")
        wait_for_choices(page, "true", "true")
        page.click(".card[data-id='2'] .crop")
        wait_for_choices(page, "true", "false")
        page.click(".chip[data-do=invert]")
        wait_for_choices(page, "false", "true")
        page.click(".chip[data-do=none]")
        wait_for_choices(page, "false", "false")


def test_a_mask_is_painted_and_taken_back(enter):
    with enter("desktop") as visit:
        page = visit.open()
        page.click("[data-do=open][data-id='1']")
        page.click("[data-local=paint]")
        page.wait_for_selector("dialog.ready")
        page.mouse.move(300, 400)
        page.mouse.down()
        page.mouse.move(420, 300, steps=6)
        page.mouse.up()
        page.click("dialog [value=done]")
        page.wait_for_selector("text=own mask")
        page.click("[data-do='mask-reset']")
        page.wait_for_selector("text=own mask", state="detached")
        page.click("button[data-do=undo]")
        page.wait_for_selector("text=own mask")


def test_a_box_drawn_by_hand_is_one_more_person(enter):
    with enter("desktop") as visit:
        page = visit.open()
        page.click("[data-do=view][data-value=choose]")
        photo = page.locator("figure.photo").bounding_box()
        page.mouse.move(photo["x"] + 12, photo["y"] + 20)
        page.mouse.down()
        page.mouse.move(photo["x"] + 130, photo["y"] + 190, steps=5)
        assert page.locator(".band").is_visible()
        page.mouse.up()
        page.wait_for_selector("figure.photo path[data-id='3'].chosen")
        wait_for_choices(page, "false", "false", "true")


def test_one_of_four_identities_is_taken_and_nobody_else_changes(enter):
    with enter("desktop") as visit:
        page = visit.open()
        before = open_photo(visit.download("png")).pixels
        page.click("[data-do=open][data-id='2']")
        page.click("[data-offer]")
        page.wait_for_function("document.querySelectorAll('.offer').length === 4")
        page.wait_for_selector(".stop", state="detached")
        page.locator(".offer").nth(3).click()
        page.wait_for_function("document.querySelectorAll('.offer')[3].ariaPressed === 'true'")
        page.wait_for_selector("before-after")
        after = open_photo(visit.download("png")).pixels
        columns = np.flatnonzero(np.any(after != before, axis=(0, 2)))
        assert len(columns)
        assert columns.min() > after.shape[1] // 2  # the other man stands in the left half


def test_methods_are_compared_and_taken_along(enter):
    with enter("desktop") as visit:
        page = visit.open()
        page.click("[data-do=page][data-value=compare]")
        page.wait_for_selector("#work", state="hidden")
        for name in ("face", "remove"):
            page.click(f"[data-do=method][data-value={name}]")
            page.wait_for_selector(f"[data-do=method][data-value={name}][aria-pressed=false]")
        page.click("[data-compare]")
        page.wait_for_function("document.querySelectorAll('.trial').length === 3")
        page.wait_for_selector("[data-compare]")
        page.click("[data-do=rate][data-operation=layered][data-value='5']")
        page.wait_for_function("document.querySelectorAll('.lit-star').length === 5")
        page.fill("textarea[data-operation=layered]", "for the meeting")
        page.keyboard.press("Tab")
        page.wait_for_timeout(300)
        assert serious(page) == []
        for ending, wanted in (("html", "for the meeting"), ("csv", "layered,2,")):
            with page.expect_download() as download:
                page.click(f"a[download='identigen-comparison.{ending}']")
            assert wanted in Path(download.value.path()).read_text("utf-8")


def test_stop_keeps_who_is_finished(enter, astronaut, tmp_path):
    face = cv2.resize(astronaut.pixels[0:260, 90:350], (200, 200), interpolation=cv2.INTER_AREA)
    crowd = np.full((240, 1300, 3), 120, np.uint8)
    for column in range(6):
        crowd[20:220, 10 + 215 * column : 210 + 215 * column] = face
    (tmp_path / "crowd.png").write_bytes(encode(crowd, "png"))
    with enter("desktop") as visit:
        page = visit.open()
        visit.upload(tmp_path / "crowd.png")
        people = page.locator(".card").count()
        assert people >= 5
        page.click("[data-run]")
        page.wait_for_function("/^[1-9] of/.test(document.querySelector('.going .summary')?.innerText ?? '')")
        page.click("[data-do=stop]")
        page.wait_for_selector(".notice")
        page.wait_for_selector("before-after")
        assert "Stopped" in page.inner_text(".notice")
        assert 1 <= page.locator(".badge").count() < people


def test_a_file_that_is_no_photo_is_told_and_nothing_is_lost(enter, tmp_path):
    (tmp_path / "words.jpg").write_text("hello")
    with enter("desktop") as visit:
        page = visit.open()
        page.set_input_files("#photo-input input[type=file]", str(tmp_path / "words.jpg"))
        page.wait_for_selector(".notice")
        assert "not a photo" in page.inner_text(".notice")
        assert page.locator("before-after").is_visible()
        page.click(".notice button")
        page.wait_for_selector(".notice", state="detached")


def test_visitors_never_meet_and_a_reload_forgets(enter, bus_file):
    with enter("desktop") as first, enter("desktop") as second:
        ours, theirs = first.open(), second.open()
        first.upload(bus_file)
        mine = ours.get_attribute("figure.photo img", "src")
        assert mine not in theirs.content()
        assert mine.split("/")[1] not in theirs.content()
        assert theirs.locator(".card").count() == 2
        address_of_photo = first.address + mine
        assert ours.request.get(address_of_photo).ok
        first.open()
        for _ in range(50):
            if ours.request.get(address_of_photo).status == 404:
                break
            ours.wait_for_timeout(100)
        assert ours.request.get(address_of_photo).status == 404
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert list(folder.rglob("*.jpg")) == []


def test_two_languages_and_two_lights(enter):
    with enter("desktop") as visit:
        page = visit.open("?lang=de")
        assert "Personen" in page.inner_text(".people")
        page.click("[data-do=language]")
        page.wait_for_selector("text=2 people")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click(".engine summary")
        assert "no graphics card" in page.inner_text(".engine div").lower()
        page.click("[data-local=theme]")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


@pytest.mark.parametrize("light", ["light", "dark"])
def test_axe_finds_nothing_serious(enter, size, light):
    with enter(size, color_scheme=light) as visit:
        page = visit.open()
        found = serious(page)
        page.click("[data-do=open][data-id='2']")
        page.click("[data-do=view][data-value=choose]")
        page.wait_for_selector("figure.photo path")
        page.click(".card[data-id='1'] .crop")
        wait_for_choices(page, "true", "false")
        assert found + serious(page) == []


def serious(page) -> list[str]:
    page.wait_for_timeout(300)  # colours that fade are measured when they have arrived
    violations = Axe().run(page).response["violations"]
    return [
        f"{entry['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for entry in violations
        if entry["impact"] in ("serious", "critical")
        for node in entry["nodes"]
    ]
