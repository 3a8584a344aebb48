"""The page in a real browser, at the size of a laptop and of a phone; every request that leaves home fails a test.

One server for all; each scenario is a visit. On the phone's size fingers press and draw, on the laptop's the mouse.
"""

import base64
import json
import os
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from identigen.masks import from_png, from_rle
from identigen.photo import encode, metadata_of, open_photo
from identigen.pipeline.run import Run

# Gradio's queue keeps its figures in a pandas table, in ways that pandas calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def press(visit, x: float, y: float) -> None:
    """Press on a place by mouse or finger."""
    (visit.page.touchscreen.tap if visit.is_phone else visit.page.mouse.click)(x, y)


def drag(visit, *points: tuple[float, float]) -> None:
    """Draw from point to point by mouse or finger."""
    if not visit.is_phone:
        visit.page.mouse.move(*points[0])
        visit.page.mouse.down()
        for point in points[1:]:
            visit.page.mouse.move(*point, steps=4)
        visit.page.mouse.up()
        return
    fingers = visit.context.new_cdp_session(visit.page)
    for kind, (x, y) in zip(["touchStart"] + ["touchMove"] * (len(points) - 1), points, strict=True):
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    # A finger lifted at full speed flings, and the browser takes the next tap for the hand that stops it.
    visit.page.wait_for_timeout(150)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def press_person(visit, number: int) -> None:
    """Press on a person's face in the picture."""
    pin = visit.page.locator(".pin", has_text=str(number)).first.bounding_box()
    press(visit, pin["x"] + pin["width"] / 2, pin["y"] + pin["height"] + 18)


def wait_for_choices(page, *wanted: str) -> None:
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('[data-do=toggle]')].map(b => b.ariaPressed).join() === wanted",
        arg=",".join(wanted),
    )


def wait_for_summary(page, words: str) -> None:
    page.wait_for_function("words => document.querySelector('.summary')?.innerText.includes(words)", arg=words)


def save(folder: Path, name: str, pixels: np.ndarray) -> Path:
    (folder / name).write_bytes(encode(np.ascontiguousarray(pixels), "png"))
    return folder / name


# ---------------------------------------------------------------- the main job


def test_the_main_job_from_a_file_to_a_file(visit, zidane_file, zidane, tmp_path):
    page = visit.open()
    assert page.locator("before-after").is_visible()  # an example is here with its result
    visit.upload(zidane_file)
    assert page.locator("figure.photo path").count() == 2
    assert "Anonymise everybody" in page.inner_text(".dock")

    press_person(visit, 2)
    wait_for_choices(page, "false", "true")
    assert "Anonymise 1 person" in page.inner_text(".dock")
    page.wait_for_function(
        """() => { const card = document.querySelector(".card[data-id='2']").getBoundingClientRect();
                   return card.left >= 0 && card.left < innerWidth - 200; }"""
    )  # the card of whom was pressed comes into sight
    page.select_option(".card[data-id='2'] select", "layered")
    wait_for_summary(page, "1 × Layered cover")
    visit.run()

    assert page.locator(".card[data-id='2'] .badge").is_visible()
    assert page.locator(".card[data-id='1'] .badge").count() == 0
    slider = page.locator("before-after input")
    slider.focus()
    page.wait_for_timeout(1100)  # the wipe comes to rest where everybody who was changed is on the side of "after"
    rest = float(slider.input_value())
    assert 40 < rest < 60
    page.keyboard.press("ArrowLeft")
    assert float(slider.input_value()) == rest - 1
    frame = page.locator("before-after").bounding_box()
    middle = frame["y"] + frame["height"] / 2
    drag(visit, (frame["x"] + frame["width"] * 0.5, middle), (frame["x"] + frame["width"] * 0.8, middle))
    assert abs(float(slider.input_value()) - 80) < 2

    data = visit.download("identigen.png").read_bytes()
    (tmp_path / "after.png").write_bytes(data)
    after = open_photo(tmp_path / "after.png").pixels
    report = json.loads(visit.download("identigen.json").read_text())
    person = next(entry for entry in report["subjects"] if entry["id"] == 2)
    changed = np.any(after != zidane.pixels, axis=2)
    assert after.shape == zidane.pixels.shape
    assert metadata_of(data) == ()
    assert changed.sum() > 1000
    assert not changed[~from_rle(person["changed"]).to_array()].any()
    assert report["checks"] == {"outside_mask_identical": True, "metadata_removed": True}
    for ending in ("jpg", "webp"):
        lossy = open_photo(visit.download(f"identigen.{ending}")).pixels
        assert np.abs(lossy.astype(int) - after).mean() < 4
    with zipfile.ZipFile(visit.download("identigen.zip")) as masks:
        assert set(masks.namelist()) == {"person-1.png", "person-2.png", "changed-2.png"}


def test_a_newcomer_needs_two_presses(visit):
    page = visit.open()
    page.click("[data-do=example][data-value=astronaut]")
    page.wait_for_selector("text=1 person")
    page.wait_for_selector("figure.photo path")
    visit.run()
    assert page.locator(".card .badge").count() == 1
    assert "1 person anonymised" in page.inner_text(".dock")


def test_the_keyboard_alone_does_the_main_job(enter):
    """Nothing but keys: every part is reached by Tab."""
    with enter("desktop") as visit:
        page = visit.open()

        def tab_to(selector: str) -> None:
            for _ in range(60):
                page.keyboard.press("Tab")
                if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                    return
            pytest.fail(f"Tab never reaches {selector}")

        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        tab_to("[data-do=example][data-value=zidane]")
        page.keyboard.press("Enter")
        page.wait_for_selector("figure.photo path")
        tab_to(".card[data-id='1'] .crop")
        page.keyboard.press("Space")
        wait_for_choices(page, "true", "false")
        assert page.evaluate("document.activeElement.dataset.id") == "1"  # the focus is not lost with the new page
        page.keyboard.press("Control+z")
        wait_for_choices(page, "false", "false")
        page.keyboard.press("Control+Shift+z")
        wait_for_choices(page, "true", "false")
        tab_to(".card[data-id='1'] select")
        page.keyboard.type("Solid")
        wait_for_summary(page, "1 × Solid")
        tab_to("[data-run]")
        page.keyboard.press("Enter")
        page.wait_for_selector("before-after")
        tab_to("a[download='identigen.png']")
        with page.expect_download():
            page.keyboard.press("Enter")


# ---------------------------------------------------------------- who, how, where


def test_people_are_chosen_added_and_given_back(visit):
    page = visit.open()
    page.click("[data-do=view][data-value=choose]")
    page.wait_for_selector("figure.photo path")
    page.click(".chip[data-do=all]")
    wait_for_choices(page, "true", "true")
    page.click(".card[data-id='2'] .crop")
    wait_for_choices(page, "true", "false")
    page.click(".chip[data-do=invert]")
    wait_for_choices(page, "false", "true")
    page.click(".chip[data-do=none]")
    wait_for_choices(page, "false", "false")
    page.click("button[data-do=undo]")
    wait_for_choices(page, "false", "true")
    page.click("button[data-do=redo]")
    wait_for_choices(page, "false", "false")

    if visit.is_phone:
        page.click("[data-local=box]")
    photo = page.locator("figure.photo").bounding_box()
    drag(
        visit,
        (photo["x"] + 12, photo["y"] + 12),
        (photo["x"] + 60, photo["y"] + 60),
        (photo["x"] + 90, photo["y"] + 120),
    )
    page.wait_for_selector("figure.photo path[data-id='3'].chosen")
    wait_for_choices(page, "false", "false", "true")
    page.wait_for_selector(".seeking", state="detached")
    press(visit, photo["x"] + photo["width"] * 0.61, photo["y"] + photo["height"] * 0.139)  # blurred stands, nobody
    page.wait_for_selector(".notice")
    assert "Nobody could be recognised" in page.inner_text(".notice")
    assert page.locator(".notice").bounding_box()["y"] >= 0

    missing = page.locator("option[value=body][disabled]")
    assert missing.count() == missing.locator("xpath=self::*[contains(., 'not here')]").count() >= 2
    page.click(".missing summary")
    assert "diffusion engine" in page.inner_text(".missing")
    page.select_option(".together select", "pixelate")
    wait_for_summary(page, "1 × Pixelate")
    page.click("button[data-do=undo]")
    wait_for_summary(page, "1 × Layered cover")


def test_a_click_on_somebody_who_was_missed_outlines_and_then_adds_them(visit, bus_file):
    page = visit.open()
    visit.upload(bus_file)
    known = page.locator(".card").count()
    photo = page.locator("figure.photo").bounding_box()
    press(visit, photo["x"] + photo["width"] * 760 / 810, photo["y"] + photo["height"] * 600 / 1080)
    page.wait_for_selector(".seeking")
    page.click(".card[data-id='1'] .crop")  # nothing waits for the search
    page.wait_for_selector(f".card.chosen[data-id='{known + 1}']")
    page.wait_for_selector(f"figure.photo path.chosen[data-id='{known + 1}']", state="attached")
    page.wait_for_selector(".seeking", state="detached")
    assert page.get_attribute(".card[data-id='1'] .crop", "aria-pressed") == "true"
    assert "Anonymise 2 people" in page.inner_text(".dock")


def test_masks_are_painted_grown_exported_imported_and_survive(visit, zidane, tmp_path):
    page = visit.open()
    page.click("[data-do=open][data-id='1']")
    size = zidane.pixels.shape[:2]

    def mask() -> np.ndarray:
        return from_png(visit.download("mask-1.png"), size).to_array()

    def after(step) -> np.ndarray:
        before = page.get_attribute(".mask a", "href")
        step()
        changed = "before => document.querySelector('.mask a').getAttribute('href') !== before"
        page.wait_for_function(changed, arg=before)
        return mask()

    found = mask()
    grown = after(lambda: page.click("[data-do=grow]"))
    assert grown.sum() > found.sum()
    assert after(lambda: page.click("[data-do=shrink]")).sum() < grown.sum()
    assert (after(lambda: page.click("[data-do=mask-reset]")) == found).all()

    page.click("[data-local=paint]")
    page.wait_for_selector("dialog.ready")
    paper = page.locator(".paper canvas").bounding_box()
    corner = (paper["x"] + 0.9 * paper["width"], paper["y"] + 0.2 * paper["height"])
    drag(visit, corner, (corner[0] - 20, corner[1] + 10), (corner[0] - 30, corner[1] + 20))
    page.click("dialog [value=eraser]")
    inside = np.argwhere(found).mean(axis=0) / size
    drag(
        visit,
        *[(paper["x"] + inside[1] * paper["width"] + d, paper["y"] + inside[0] * paper["height"]) for d in (0, 4)],
    )
    page.click("dialog [value=done]")
    page.wait_for_selector("text=own mask")
    painted = mask()
    assert painted[int(0.2 * size[0]), int(0.9 * size[1])]
    assert not painted[int(inside[0] * size[0]), int(inside[1] * size[1])]

    page.click("[data-local=paint]")
    page.wait_for_selector("dialog.ready")
    undo, redo = page.locator("dialog [value=undo]"), page.locator("dialog [value=redo]")
    assert undo.is_disabled()
    assert redo.is_disabled()
    drag(visit, corner, (corner[0] - 90, corner[1] + 80))
    widths = []
    for key in ("End", "Home"):
        page.locator("dialog [name=size]").press(key)
        ring = page.locator("dialog .ring").bounding_box()
        assert abs(ring["width"] - ring["height"]) < 1
        widths.append(ring["width"])
    assert widths[0] > 10 * widths[1]
    undo.click()
    assert undo.is_disabled()
    redo.click()
    page.keyboard.press("Control+z")
    assert redo.is_enabled()
    page.locator("dialog [name=zoom]").press("End")
    assert page.locator(".paper canvas").bounding_box()["width"] > 4 * paper["width"]
    page.locator("dialog [name=zoom]").press("Home")
    page.click("dialog [value=more]")
    press(visit, paper["x"] + 0.1 * paper["width"], paper["y"] + 0.1 * paper["height"])
    page.wait_for_selector("dialog.waiting")
    page.wait_for_selector("dialog:not(.waiting)")
    undo.click()  # what the server answered is taken back, and brought back, like a stroke
    redo.click()
    page.wait_for_timeout(300)
    page.click("dialog [value=done]")
    assert mask()[int(0.1 * size[0]), int(0.1 * size[1])]
    page.click("button[data-do=undo]")
    page.wait_for_timeout(300)
    assert (mask() == painted).all()

    page.select_option(".card[data-id='1'] select", "solid")
    wait_for_summary(page, "Solid")
    page.click(".card[data-id='2'] .crop")
    page.click(".card[data-id='1'] .crop")
    wait_for_choices(page, "true", "true")
    assert (mask() == painted).all()  # other choices, and other people's, leave it alone

    square = np.zeros(size, np.uint8)
    square[100:300, 200:400] = 255
    (tmp_path / "own.png").write_bytes(cv2.imencode(".png", square)[1].tobytes())

    def give_file() -> None:
        with page.expect_file_chooser() as chooser:
            page.click("[data-local=mask-file]")
        chooser.value.set_files(str(tmp_path / "own.png"))

    assert (after(give_file) == square.astype(bool)).all()
    page.select_option(".card[data-id='2'] select", "solid")
    wait_for_summary(page, "2 × Solid")
    visit.run()
    assert (mask() == square.astype(bool)).all()
    result = open_photo(visit.download("identigen.png")).pixels
    assert np.any(result[150:250, 250:350] != zidane.pixels[150:250, 250:350], axis=2).mean() > 0.97


def test_one_of_four_identities_is_taken_and_nobody_else_changes(visit):
    page = visit.open()
    before = open_photo(visit.download("identigen.png")).pixels
    page.click("[data-do=open][data-id='2']")
    page.click("[data-offer]")
    page.wait_for_function("document.querySelectorAll('.offer').length === 4")
    page.wait_for_selector(".stop", state="detached")
    page.locator(".offer").nth(3).click()
    page.wait_for_function("document.querySelectorAll('.offer')[3].ariaPressed === 'true'")
    page.wait_for_selector("before-after")
    after = open_photo(visit.download("identigen.png")).pixels
    columns = np.flatnonzero(np.any(after != before, axis=(0, 2)))
    assert len(columns)
    assert columns.min() > after.shape[1] // 2  # the other man stands in the left half

    page.click("[data-again='2']")  # the dice: one more identity of this person alone
    page.wait_for_function("old => document.querySelector('input[data-do=seed]').value !== old", arg="4")
    page.wait_for_selector(".stop", state="detached")
    again = open_photo(visit.download("identigen.png")).pixels
    assert (again != after).any()
    assert (again[:, : columns.min()] == after[:, : columns.min()]).all()

    page.fill("input[data-do=seed]", "77")
    page.keyboard.press("Tab")
    page.select_option("select[data-name=age]", "old")
    page.wait_for_function("document.querySelector('select[data-name=age]').dataset.value === 'old'")
    page.locator("input[data-do=strength]").press("End")
    page.wait_for_function("document.querySelector('input[data-do=strength]').getAttribute('value') === '100'")
    assert page.input_value("input[data-do=seed]") == "77"
    assert "Apply the changes" in page.inner_text(".dock")


# ---------------------------------------------------------------- running and looking


def test_stop_keeps_who_is_finished(visit, astronaut, tmp_path, monkeypatch):
    change = Run._change

    def slowly(run, edits):
        time.sleep(1.5)  # a person takes a quarter of a second: nobody could press in time
        return change(run, edits)

    monkeypatch.setattr(Run, "_change", slowly)
    face = cv2.resize(astronaut.pixels[0:260, 90:350], (200, 200), interpolation=cv2.INTER_AREA)
    crowd = np.full((240, 1300, 3), 120, np.uint8)
    for column in range(6):
        crowd[20:220, 10 + 215 * column : 210 + 215 * column] = face
    page = visit.open()
    visit.upload(save(tmp_path, "crowd.png", crowd))
    people = page.locator(".card").count()
    assert people >= 5
    page.click("[data-run]")
    page.wait_for_function("/^[1-9] of/.test(document.querySelector('.going .summary')?.innerText ?? '')")
    page.click("[data-do=stop]")
    page.wait_for_selector(".notice")
    page.wait_for_selector("before-after")
    assert "Stopped" in page.inner_text(".notice")
    assert 1 <= page.locator(".badge").count() < people


def test_200_percent_shows_the_pixels_of_the_photo_itself(visit, astronaut, tmp_path):
    """A photo of which the page shows a preview: what lies under the loupe is the file, pixel for pixel."""
    large = np.tile(np.random.default_rng(1).integers(0, 256, (700, 1200, 3), np.uint8), (2, 2, 1))
    large[300:812, 700:1212] = astronaut.pixels
    page = visit.open()
    visit.upload(save(tmp_path, "large.png", large))
    page.select_option(".together select", "solid")
    wait_for_summary(page, "Solid")
    visit.run()
    after = open_photo(visit.download("identigen.png")).pixels
    page.wait_for_timeout(1000)  # the wipe
    page.locator("before-after button").click()
    shown = page.evaluate_handle("document.querySelector('before-after').shadowRoot")
    page.wait_for_function(
        """root => [...root.querySelectorAll('.tiles')].every(
             layer => [...layer.querySelectorAll('img[src]')].some(tile => tile.complete && tile.naturalWidth))""",
        arg=shown,
    )
    tiles = page.evaluate(
        """root => [...root.querySelectorAll('.tiles')].map(layer => {
             const tile = [...layer.querySelectorAll('img[src]')].find(one => one.complete && one.naturalWidth);
             const canvas = new OffscreenCanvas(tile.naturalWidth, tile.naturalHeight);
             canvas.getContext('2d').drawImage(tile, 0, 0);
             const place = [parseInt(tile.style.left) / 2, parseInt(tile.style.top) / 2];
             const seen = tile.getBoundingClientRect();
             return canvas.convertToBlob().then(blob => new Promise(done => {
               const reader = new FileReader();
               reader.onload = () => done([place, seen.width / tile.naturalWidth, reader.result.split(',')[1]]);
               reader.readAsDataURL(blob);
             }));
           }).reduce(async (list, one) => [...await list, await one], [])""",
        shown,
    )
    assert page.evaluate("root => root.querySelectorAll('.tiles img[src]').length", shown) < 2 * 5 * 3
    for ((left, top), scale, data), whole in zip(tiles, (after, large), strict=True):
        tile = open_photo(base64.b64decode(data)).pixels
        x, y = int(left), int(top)
        assert scale == 2
        assert (tile == whole[y : y + tile.shape[0], x : x + tile.shape[1]]).all()


def test_several_photos_in_one_go_and_a_comparison_to_take_along(visit, zidane, astronaut, tmp_path):
    files = [save(tmp_path, "a.png", zidane.pixels[::2, ::2]), save(tmp_path, "b.png", astronaut.pixels[::2, ::2])]
    page = visit.open()
    visit.upload(*files)
    places = page.locator("[data-do=show]")
    assert places.count() == 2
    assert page.locator("[data-do=example]").count() == 0
    page.wait_for_selector(".example.working", state="detached")
    for place in (0, 1):
        places.nth(place).click()
        page.wait_for_function(f"document.querySelectorAll('[data-do=show]')[{place}].ariaCurrent === 'true'")
        page.select_option(".together select", "solid")
        wait_for_summary(page, f"{2 + place} × Solid")
    assert "Anonymise all 2 photos" in page.inner_text(".dock")
    page.click("[data-run=all]")
    page.wait_for_selector("[download='identigen-photos.zip']")
    with zipfile.ZipFile(visit.download("identigen-photos.zip")) as archive:
        assert archive.namelist() == ["photo-1.png", "photo-1.json", "photo-2.png", "photo-2.json"]
        second = open_photo(archive.read("photo-2.png")).pixels
    assert second.shape == astronaut.pixels[::2, ::2].shape
    assert (second != astronaut.pixels[::2, ::2]).any()

    page.click("[data-do=page][data-value=compare]")
    page.wait_for_selector("#work", state="hidden")
    for name in ("face", "remove", "pixelate", "solid"):
        page.click(f"[data-do=method][data-value={name}]")
        wanted = str(name == "solid").lower()
        page.wait_for_selector(f"[data-do=method][data-value={name}][aria-pressed={wanted}]")
    page.click("[data-compare]")
    page.wait_for_function("document.querySelectorAll('.trial').length === 6")  # two photos: original, layered, solid
    page.wait_for_selector("[data-compare]")
    for place, stars in ((0, 5), (1, 2)):
        page.click(f"[data-do=rate][data-place='{place}'][data-method=layered][data-value='{stars}']")
        page.wait_for_function("n => document.querySelectorAll('.lit-star').length === n", arg=5 if not place else 7)
    page.fill("textarea[data-place='1'][data-method=layered]", "for the meeting")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    assert page.inner_text(".sums tbody tr:first-child td:last-child") == "3.5"
    assert serious(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    html = visit.download("identigen-comparison.html").read_text("utf-8")
    assert "for the meeting" in html
    assert html.count("data:image/jpeg;base64,") == 6
    table = visit.download("identigen-comparison.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[:2] for line in table[1:]] == [
        ["1", "layered"], ["1", "solid"], ["2", "layered"], ["2", "solid"],
    ]  # fmt: skip


# ---------------------------------------------------------------- coming in


def test_a_photo_is_put_beside_the_one_that_is_open(visit, zidane, astronaut, tmp_path):
    page = visit.open()
    assert page.locator("[data-local=beside]").count() == 0  # nothing of the visitor's own is here yet
    visit.upload(save(tmp_path, "a.png", zidane.pixels[::2, ::2]))
    page.click(".card[data-id='2'] .crop")
    wait_for_choices(page, "false", "true")
    with page.expect_file_chooser() as chooser:
        page.click("[data-local=beside]")
    chooser.value.set_files(str(save(tmp_path, "b.png", astronaut.pixels[::2, ::2])))
    page.wait_for_selector("[data-do=show][data-value='1'][aria-current=true]")
    page.wait_for_selector("text=1 person")
    page.click("[data-do=show][data-value='0']")
    wait_for_choices(page, "false", "true")  # what was chosen before is still chosen


def test_the_page_about_tells_models_licences_and_what_happens_with_photos(visit):
    page = visit.open()
    page.click("[data-do=page][data-value=about]")
    page.wait_for_selector(".about")
    assert page.locator("#work").is_hidden()
    assert "identigen-appearance" in page.inner_text(".models")
    assert "AGPL-3.0" in page.inner_text(".models")
    assert "forgotten" in page.inner_text(".about-cards")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert serious(page) == []
    page.click("[data-do=language]")
    page.wait_for_selector("text=Was mit Fotos geschieht")
    page.click("[data-do=page][data-value=work]")
    page.wait_for_selector("before-after")


def test_a_photo_is_pasted_and_dropped(enter, zidane, astronaut):
    with enter("desktop") as visit:
        page = visit.open()
        for event, pixels, people in (
            ("paste", astronaut.pixels, "1 person"),
            ("drop", zidane.pixels[::2, ::2], "2 people"),
        ):
            data = base64.b64encode(encode(np.ascontiguousarray(pixels), "png")).decode()
            page.evaluate(
                """([event, data]) => {
                     const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
                     const files = new DataTransfer();
                     files.items.add(new File([bytes], "photo.png", { type: "image/png" }));
                     const made = event === "paste"
                       ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true })
                       : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
                     document.querySelector("#stage").dispatchEvent(made);
                   }""",
                [event, data],
            )
            page.wait_for_selector("figure.photo path")
            page.wait_for_selector(f"text={people}")


def test_a_file_that_is_no_photo_is_told_in_one_sentence_and_nothing_is_lost(visit, tmp_path):
    page = visit.open()
    (tmp_path / "words.jpg").write_text("hello")
    (tmp_path / "program.exe").write_bytes(b"MZ" + bytes(90))
    (tmp_path / "huge.png").write_bytes(bytes(61_000_000))
    for name, words in (
        ("words.jpg", "not a photo"),
        ("program.exe", "not a photo"),
        ("huge.png", "larger than 60 MB"),
    ):
        with page.expect_file_chooser() as chooser:
            page.click("[data-local=upload]")
        chooser.value.set_files(str(tmp_path / name))
        page.wait_for_selector(".notice")
        assert words in page.inner_text(".notice")
        assert page.locator(".toast-wrap *").count() == 0  # Gradio says nothing beside us
        assert page.locator("before-after").is_visible()
        assert page.locator(".canvas.sent").count() == 0
        page.click(".notice button")
        page.wait_for_selector(".notice", state="detached")


def pictures_on_disk() -> set[Path]:
    endings = (".jpg", ".jpeg", ".png", ".webp", ".zip", ".json")
    return {path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.suffix in endings}


def test_visitors_never_meet_and_a_reload_forgets(enter, bus_file):
    on_disk = pictures_on_disk()  # an answer to a program may lie there for a minute
    with enter("desktop") as first, enter("phone") as second:
        ours, theirs = first.open(), second.open()
        first.upload(bus_file)
        mine = ours.get_attribute("figure.photo img", "src")
        assert mine not in theirs.content()
        assert mine.split("/")[1] not in theirs.content()
        assert theirs.locator(".card").count() == 2
        ours.select_option(".together select", "solid")
        wait_for_summary(ours, "Solid")
        first.run()
        addresses = [first.address + mine, first.address + ours.get_attribute("a[download='identigen.png']", "href")]
        assert all(ours.request.get(address).ok for address in addresses)
        first.open()
        for _ in range(50):
            if all(ours.request.get(address).status == 404 for address in addresses):
                break
            ours.wait_for_timeout(100)
        assert [ours.request.get(address).status for address in addresses] == [404, 404]
    assert pictures_on_disk() <= on_disk  # neither photo, nor result, nor mask


def test_a_kiosk_begins_with_the_camera_and_forgets_after_a_pause(enter, size, bus_file):
    with enter(size, permissions=["camera"]) as visit:
        page = visit.page
        page.clock.install()
        visit.open("?kiosk")
        camera, upload = (page.locator(f"[data-local={name}]").bounding_box() for name in ("camera", "upload"))
        assert camera["x"] < upload["x"]
        assert min(camera["height"], upload["height"]) >= 52
        page.click("[data-local=camera]")
        page.wait_for_selector("dialog.camera [value=shoot]:enabled")
        page.wait_for_function("document.querySelector('dialog.camera video').videoWidth > 0")
        page.click("dialog [value=close]")
        visit.upload(bus_file)
        photo = visit.address + page.get_attribute("figure.photo img", "src")
        page.clock.run_for(46_000)
        page.click(".chip[data-do=all]")  # somebody is still here
        page.clock.run_for(46_000)
        assert page.request.get(photo).ok
        with page.expect_navigation():
            page.clock.run_for(95_000)
        page.wait_for_selector("before-after")
        assert page.request.get(photo).status == 404


# ---------------------------------------------------------------- how it looks


def test_large_targets_and_nothing_cut_off(visit):
    page = visit.open()
    page.click("[data-do=view][data-value=choose]")
    page.wait_for_selector("figure.photo")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    if visit.is_phone:
        photo, people = page.locator(".canvas").bounding_box(), page.locator(".people").bounding_box()
        assert photo["y"] < people["y"]
        first, second = (card.bounding_box() for card in page.locator(".card").all()[:2])
        assert second["x"] > first["x"]
        assert second["y"] == first["y"]
        button = page.locator(".dock .run").bounding_box()
        assert button["height"] >= 44
        assert button["y"] + button["height"] <= 844
    else:
        page.hover(".card[data-id='2']")
        assert "lit" in page.get_attribute("figure.photo path[data-id='2']", "class")


@pytest.mark.parametrize("light", ["light", "dark"])
def test_two_languages_in_two_lights_and_axe_finds_nothing_serious(enter, size, light):
    with enter(size, color_scheme=light) as visit:
        page = visit.open("?lang=de")
        assert "Personen" in page.inner_text(".people")
        assert page.evaluate("document.documentElement.lang") == "de"
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        page.click("[data-do=open][data-id='2']")
        page.click("[data-local=paint]")
        page.wait_for_selector("dialog.ready")
        assert cut_off(page, "dialog") == []
        found = serious(page)
        page.click("dialog [value=cancel]")
        assert cut_off(page, ".top", ".bar", ".people-head", ".downloads .run") == []
        found += serious(page)
        page.click("[data-do=language]")
        page.wait_for_selector("text=2 people")
        assert cut_off(page, ".top", ".bar", ".people-head", ".downloads .run") == []
        page.click("[data-do=view][data-value=choose]")
        page.wait_for_selector("figure.photo path")
        page.click(".card[data-id='1'] .crop")
        wait_for_choices(page, "true", "false")
        found += serious(page)
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("[data-local=theme]")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        assert found == []


def cut_off(page, *places: str) -> list[str]:
    """Words of buttons, links and headings that do not fit into what holds them, or into the window."""
    return page.evaluate(
        """places => [...document.querySelectorAll(places.flatMap(place =>
             ["button", "a:not(.skip)", "h2", "label"].map(part => `${place} ${part}`)).join())]
             .filter(part => part.checkVisibility())
             .filter(part => { const box = part.getBoundingClientRect();
                return box.left < -1 || box.right > innerWidth + 1 || part.scrollWidth > part.clientWidth + 2; })
             .map(part => part.outerHTML.slice(0, 120))""",
        list(places),
    )


def serious(page) -> list[str]:
    page.wait_for_timeout(300)  # colours that fade are measured when they have arrived
    violations = Axe().run(page).response["violations"]
    return [
        f"{entry['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for entry in violations
        if entry["impact"] in ("serious", "critical")
        for node in entry["nodes"]
    ]
