"""The real app on a free port, and a browser that may reach nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from identigen.pipeline import Pipeline

INSTALL = "sudo apt-get install chromium"
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
)  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}


@pytest.fixture(scope="session")
def event_loops_of_gradio() -> Iterator[None]:
    """Gradio opens event loops while it builds a page and leaves them open; here they are closed at the end."""
    loops: list[asyncio.AbstractEventLoop] = []
    new_loop = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        loops.append(new_loop())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", remembered)
        yield
    for loop in loops:
        if not loop.is_running():
            loop.close()


@pytest.fixture(scope="session")
def address(pipeline: Pipeline, event_loops_of_gradio: None) -> Iterator[str]:
    """The page of the real pipeline, warmed up."""
    from identigen.ui.layout import build_page, launch_options

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pipeline.settings = replace(pipeline.settings, port=port)
    page = build_page(pipeline, first_sight="zidane")  # two people: more can be tried without another photo
    page.desk.warm_up()
    page.launch(**launch_options(page), prevent_thread_lock=True, quiet=True)
    yield f"http://127.0.0.1:{port}/"
    page.close(verbose=False)


def chromium() -> str | None:
    """Path of a Chromium that is really one; Ubuntu's is a stub that only asks for a snap."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path and "snap" not in str(Path(path).resolve()):
            return path
    return None


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = chromium()
    if path is None:
        if os.environ.get("IDENTIGEN_REQUIRE_BROWSER") == "1":
            pytest.fail(f"No Chromium was found, but IDENTIGEN_REQUIRE_BROWSER=1 asks for one: {INSTALL}")
        pytest.skip(f"No Chromium was found; install it with: {INSTALL}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        browser.close()


class Visit:
    """One page of one visitor, with everything that it tried to fetch from elsewhere or complained about."""

    def __init__(self, browser: Any, address: str, size: str, **options: Any) -> None:
        self.context = browser.new_context(**SIZES[size], locale="en-GB", accept_downloads=True, **options)
        self.address, self.is_phone, self.outside, self.errors = address, size == "phone", [], []
        self.context.route("**/*", self._only_home)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

    def _only_home(self, route: Any) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def open(self, query: str = "") -> Any:
        """Go to the page and wait for the example that is there with its result."""
        self.page.goto(self.address + query)
        self.page.wait_for_selector(".card")
        return self.page

    def upload(self, *paths: Path | str) -> None:
        """Give files to the page as its own button does, and wait until the people are outlined."""
        photo = self.page.get_attribute("#stage", "data-photo")
        with self.page.expect_file_chooser() as chooser:
            self.page.click("[data-local=upload]")
        chooser.value.set_files([str(path) for path in paths])
        self.page.wait_for_function("old => document.querySelector('#stage').dataset.photo !== old", arg=photo)
        self.page.wait_for_selector("figure.photo:not(:has(+ .veil))")

    def run(self) -> None:
        """Press the large button and wait for the result."""
        self.page.click("[data-run]")
        self.page.wait_for_selector("before-after")

    def download(self, name: str) -> Path:
        """Follow the link that saves a file under this name."""
        with self.page.expect_download() as download:
            self.page.click(f"a[download='{name}']")
        return Path(download.value.path())


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visit(browser: Any, address: str, size: str) -> Iterator[Visit]:
    """A visit at each size; whatever it did, it must not have tried to reach another machine."""
    with visiting(browser, address, size) as visit:
        yield visit


@pytest.fixture
def enter(browser: Any, address: str) -> Callable[..., AbstractContextManager[Visit]]:
    """Open a page of one size: `with enter("desktop") as visit:`."""
    return partial(visiting, browser, address)


@contextmanager
def visiting(browser: Any, address: str, size: str, **options: Any) -> Iterator[Visit]:
    visit = Visit(browser, address, size, **options)
    yield visit
    visit.context.close()
    assert visit.outside == []
    assert visit.errors == []
