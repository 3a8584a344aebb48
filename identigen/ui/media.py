"""Pictures and downloads, given from memory to whoever holds the visitor's token: nothing of a photo lies on disk."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from identigen import masks
from identigen.errors import IdentiGenError
from identigen.models import package_file
from identigen.photo import encode, open_photo, preview
from identigen.pipeline import assemble
from identigen.report import Result
from identigen.types import Photo, Pixels
from identigen.ui.compare import Comparison, method_of
from identigen.ui.exports import to_csv, to_html
from identigen.ui.overlay import crop_at, face_crop, portrait_box
from identigen.ui.session import Session, region_of
from identigen.ui.text import Language
from identigen.ui.visitors import Visitors
from identigen.verification import examined

PREVIEW_SIDE = 1600
THUMBNAIL_SIDE = 240
COMPARED_SIDE = 1100
TILE = 512  # `assets/ui/page.js` knows it too
_EXAMPLES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "bus": ("ultralytics", "assets/bus.jpg"),
    "zidane": ("ultralytics", "assets/zidane.jpg"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KINDS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".json": "application/json",
    ".zip": "application/zip",
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


def routes(visitors: Visitors) -> list[Route]:
    """The routes under `media/` that the page's pictures and downloads come from."""

    def example(request: Request) -> Response:
        name = request.path_params["name"]
        return _answer(f"{name}.jpg", lambda: example_thumbnail(name)) if name in _EXAMPLES else _nothing()

    def own(request: Request) -> Response:
        visitor, place = visitors.with_token(request.path_params["token"]), request.path_params["place"]
        name = request.path_params["name"]
        if visitor is None or place >= len(visitor.album):
            return _nothing()
        if name.startswith(("original-", "trial-", "comparison.")):
            comparison, language = visitor.comparison, visitor.language
            return _answer(name, lambda: draw_comparison(comparison, name, language))
        if name == "album.zip":
            album = visitor.album
            return _answer(name, lambda: album_archive(album))
        session = visitor.album[place]
        return _answer(name, lambda: draw(session, name))

    return [Route("/media/example/{name}.jpg", example), Route("/media/{token}/{place:int}/{name}", own)]


def draw(session: Session, name: str) -> bytes:
    """Encode what `name` stands for; raise `KeyError` for a name that means nothing now."""
    what, _, numbers = name.partition(".")[0].partition("_")
    if what in _NUMBERED and numbers:
        return _NUMBERED[what](session, *map(int, numbers.split("_")))
    return _DRAWN[name](session)


def draw_comparison(comparison: Comparison, name: str, language: Language) -> bytes:
    """A picture or a file of the comparison; raise `KeyError` for a name that means nothing now."""
    if name == "comparison.html":
        return to_html(comparison, language).encode()
    if name == "comparison.csv":
        return to_csv(comparison).encode("utf-8-sig")  # so that spreadsheets know the letters
    what, place, *key = name.removesuffix(".jpg").split("-", 2)
    compared = comparison.photos[int(place)]
    if what == "original":
        return compared.original
    trial = compared.trial(method_of(key[0]))
    if trial is None:
        raise KeyError(name)
    return trial.preview


def album_archive(album: Sequence[Session]) -> bytes:
    """A ZIP of every result with its report; photos are numbered, because names of files name people."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        for number, session in enumerate(album, start=1):
            if session.result is not None:
                files.writestr(f"photo-{number}.png", encode(session.result.photo.pixels, "png"))
                files.writestr(f"photo-{number}.json", _report(session))
    return archive.getvalue()


def small(pixels: Pixels) -> bytes:
    """A JPEG for comparing: small enough that ten of them make one file."""
    return encode(preview(pixels, COMPARED_SIDE), "jpeg", 88)


def example_photo(name: str) -> Photo:
    """One of the example pictures out of an installed package; raise `KeyError` for another name."""
    return open_photo(package_file(*_EXAMPLES[name]), name=name)


@cache
def example_thumbnail(name: str) -> bytes:
    """A small JPEG of an example."""
    return encode(preview(example_photo(name).pixels, THUMBNAIL_SIDE), "jpeg", 85)


def _preview(photo: Photo, side: int = PREVIEW_SIDE) -> bytes:
    return encode(preview(photo.pixels, side), "jpeg", 90)


def _tile(photo: Photo, column: int, row: int) -> bytes:
    """A square of the photo's own pixels, none of them scaled or lost: what 200 % has to show."""
    left, top = column * TILE, row * TILE
    pixels = photo.pixels[top : top + TILE, left : left + TILE]
    if column < 0 or row < 0 or not pixels.size:
        raise KeyError("there is no such tile")
    return encode(pixels, "png")


def _result(session: Session) -> Result:
    if session.result is None:
        raise KeyError("there is no result")
    return session.result


def _report(session: Session) -> bytes:
    result = _result(session)
    report: dict[str, Any] = examined(result, encode(result.photo.pixels, "png")).to_json()
    return json.dumps(report, indent=2).encode()


def _all_masks(session: Session) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        for subject in session.subjects:
            files.writestr(f"person-{subject.id}.png", masks.to_png(region_of(session, subject.id)))
        if session.result is not None:
            for outcome in session.result.outcomes:
                if outcome.changed.area:
                    files.writestr(f"changed-{outcome.subject_id}.png", masks.to_png(outcome.changed))
    return archive.getvalue()


def _face(session: Session, number: int) -> bytes:
    return encode(face_crop(session.photo, session.subject(number)), "jpeg", 88)


def _new_face(session: Session, number: int) -> bytes:
    box = portrait_box(session.subject(number))
    return encode(crop_at(_result(session).photo.pixels, box), "jpeg", 88)


def _offered(session: Session, seed: int) -> bytes:
    """The face of an offered identity, in its photo."""
    for offer in session.offers:
        if offer.seed == seed:
            picture = assemble(session.photo, [offer.outcome])
            return encode(crop_at(picture.pixels, portrait_box(session.subject(offer.subject_id))), "jpeg", 88)
    raise KeyError("there is no such offer")


_NUMBERED: dict[str, Callable[..., bytes]] = {
    "face": _face,
    "after": _new_face,
    "offer": _offered,
    "mask": lambda session, number: masks.to_png(region_of(session, number)),
    "source-tile": lambda session, column, row: _tile(session.photo, column, row),
    "result-tile": lambda session, column, row: _tile(_result(session).photo, column, row),
}
_DRAWN: dict[str, Callable[[Session], bytes]] = {
    "photo.jpg": lambda session: _preview(session.photo),
    "thumb.jpg": lambda session: _preview(session.photo, THUMBNAIL_SIDE),
    "result.jpg": lambda session: _preview(_result(session).photo),
    "identigen.png": lambda session: encode(_result(session).photo.pixels, "png"),
    "identigen.jpg": lambda session: encode(_result(session).photo.pixels, "jpeg"),
    "identigen.webp": lambda session: encode(_result(session).photo.pixels, "webp"),
    "identigen.json": _report,
    "identigen.zip": _all_masks,
}


def _answer(name: str, make: Callable[[], bytes]) -> Response:
    try:
        data = make()
    except (KeyError, ValueError, IndexError, TypeError, IdentiGenError):  # what is named does not exist (any more)
        return _nothing()
    ending = Path(name).suffix
    headers = _HEADERS if ending == ".jpg" or "-tile_" in name else {**_HEADERS, "Content-Disposition": "attachment"}
    return Response(data, media_type=_KINDS.get(ending, "application/octet-stream"), headers=headers)


def _nothing() -> Response:
    return Response("Nothing here.", 404, _HEADERS, "text/plain")
