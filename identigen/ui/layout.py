"""The page: which regions there are, which handler answers which event, and how it is launched.

The regions are `gr.HTML` whose content comes from `views.py`; Gradio carries events, queue and programming interface.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

# Gradio reads this when it is imported: nothing on the page or the server may tell anybody that it was started.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from identigen.models import asset
from identigen.pipeline import Pipeline
from identigen.settings import Settings
from identigen.ui import media, programs
from identigen.ui.events import FIRST_SIGHT, Desk
from identigen.ui.icons import logo
from identigen.ui.text import say

PHOTO_TYPES = ["image", ".heic", ".heif", ".tif", ".tiff", ".avif"]
QUEUE = 32
_BIND = (
    "window.IdentiGen.bind(element, trigger, watch)  // sends 'act', 'pick', 'run', 'offer', 'compare' and 'example'"
)
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_ENGINE: dict[str, Any] = {"concurrency_id": "engine", "concurrency_limit": 1}
"""One photo at a time is worked on: two cores, or one graphics card, are not faster with two."""


def build_page(pipeline: Pipeline, first_sight: str = FIRST_SIGHT) -> gr.Blocks:
    """Build the page over `pipeline`; launch it with `launch_options`."""
    _private_folder()
    desk = Desk(pipeline, first_sight)
    with gr.Blocks(title=say("en", "title"), fill_width=True, delete_cache=(600, 1800)) as page:
        header = _region("header")
        with gr.Row(elem_id="work"):
            stage = _region("stage-region")
            with gr.Column(elem_id="side"):
                people = _region("people-region")
                dock = _region("dock-region")
        comparing = _region("compare-region")
        footer = _region("footer-region")
        # Not shown: our own buttons, paste and drop hand their files to them.
        # Any kind of file is let through: our own sentence says what is wrong with one that is no photo.
        with gr.Row(elem_id="photo-input", elem_classes="inputs"):
            upload = gr.UploadButton("Photo", file_count="multiple")
        with gr.Row(elem_id="photo-beside", elem_classes="inputs"):
            beside = gr.UploadButton("One more", file_count="multiple")
        regions = [header, stage, people, dock, comparing, footer]
        for region in regions:
            # Small actions do not wait behind somebody's photo in the queue.
            region.act(desk.act, None, regions, queue=False, trigger_mode="multiple", **_QUIET)
            region.pick(desk.act, None, regions, queue=False, trigger_mode="multiple", **_QUIET).then(
                desk.look, None, regions, queue=False, **_QUIET
            )
            region.example(desk.example, None, regions, trigger_mode="always_last", **_ENGINE, **_QUIET)
            region.run(desk.run, None, regions, **_ENGINE, **_QUIET)
            region.compare(desk.compare, None, regions, **_ENGINE, **_QUIET)
            region.offer(desk.offer, None, regions, **_ENGINE, **_QUIET)
        upload.upload(desk.upload, upload, regions, **_ENGINE, **_QUIET)
        beside.upload(desk.add, beside, regions, **_ENGINE, **_QUIET)
        page.load(desk.arrive, None, regions, **_QUIET)
        page.unload(desk.leave)
        _for_programs(pipeline)
    page.desk = desk
    return page.queue(max_size=QUEUE, default_concurrency_limit=4)


def launch_options(page: gr.Blocks) -> dict[str, Any]:
    """Arguments of `page.launch()`: the look, and everything that keeps strangers' photos to themselves."""
    settings: Settings = page.desk.pipeline.settings
    return {
        # A hosting platform says by its own variables where its proxy looks for the page.
        "server_name": os.environ.get("GRADIO_SERVER_NAME") or settings.host,
        "server_port": int(os.environ.get("GRADIO_SERVER_PORT") or settings.port),
        "theme": _theme(),
        "css": asset("ui/page.css").read_text("utf-8"),
        "head": f"<script>{asset('ui/page.js').read_text('utf-8')}</script>",
        "favicon_path": _favicon(),
        "footer_links": [],
        "ssr_mode": False,
        "allowed_paths": [],
        "max_file_size": int(settings.max_megabytes * 1e6),
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "state_session_capacity": settings.visitors,
        "app_kwargs": {"routes": media.routes(page.desk.visitors)},
    }


def serve(settings: Settings | None = None) -> None:
    """Build the pipeline and the page and serve it until it is interrupted."""
    page = build_page(Pipeline(settings))
    page.launch(**launch_options(page), prevent_thread_lock=True, quiet=True)
    print(f"IdentiGen is ready: {page.local_url}", flush=True)
    # Only now: loading models beside the start would keep the first visitor waiting for the page itself.
    threading.Thread(target=page.desk.warm_up, name="warm-up", daemon=True).start()
    page.block_thread()


def _region(name: str) -> gr.HTML:
    return gr.HTML("", elem_id=name, js_on_load=_BIND, apply_default_css=False)


def _for_programs(pipeline: Pipeline) -> None:
    """The two public endpoints; their fields are not shown."""
    with gr.Row(visible=False):
        photo = gr.File(label="photo", file_types=PHOTO_TYPES)
        operation = gr.Textbox("", label="operation: empty for what suits each person, or one of the operations")
        subjects = gr.Textbox("all", label="subjects: all, or numbers such as 1,3")
        seed = gr.Number(0, precision=0, minimum=0, label="seed")
        found, report = gr.JSON(label="people"), gr.JSON(label="report")
        picture = gr.File(label="picture")
        detect, anonymize = partial(programs.detect, pipeline), partial(programs.anonymize, pipeline)
        gr.Button("detect").click(detect, [photo], [found], api_name="detect", **_ENGINE)
        gr.Button("anonymize").click(
            anonymize,
            [photo, operation, subjects, seed],
            [picture, report],
            api_name="anonymize",
            **_ENGINE,
        )


def _private_folder() -> None:
    """Give Gradio a folder of its own for uploads, readable by nobody else and gone when the program ends."""
    folder = tempfile.mkdtemp(prefix="identigen-")
    os.environ["GRADIO_TEMP_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _favicon() -> Path:
    """The logo as a file, in fixed colours."""
    picture = logo().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    for name, colour in (("--brand", "#0c5c4f"), ("--brand-ink", "#f3efe4"), ("--spark", "#ffb838")):
        picture = picture.replace(f"var({name})", colour)
    path = Path(os.environ["GRADIO_TEMP_DIR"]) / "favicon.svg"
    path.write_text(picture, "utf-8")
    return path


def _theme() -> gr.themes.Base:
    """Gradio's own parts in our colours; the fonts are the system's, so that none is fetched."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
    ).set(
        body_background_fill="#f4f1ea",
        body_background_fill_dark="#111715",
        body_text_color="#16211e",
        body_text_color_dark="#eef0ea",
    )
