"""How photos come in: files are read and deleted, shown at once, and searched for people one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from identigen.errors import IdentiGenError
from identigen.pipeline import Pipeline
from identigen.types import Photo
from identigen.ui import session
from identigen.ui.text import say
from identigen.ui.visitors import Visitor

MAX_PHOTOS = 12
PHOTOS_OF_FULL_SIZE = 2
"""All photos of a visitor together may have as many pixels as this many photos of the largest size."""
log = logging.getLogger(__name__)


def take_in(
    visitor: Visitor, pipeline: Pipeline, files: Sequence[Callable[[], Photo]], beside: bool = False
) -> Iterator[None]:
    """Show photos, then who is in them, yielding at each change; what was here stays when none can be read.

    They take the place of the photos that were here, unless they shall be put `beside` them.
    """
    visitor.notice = ""
    photos = _read(visitor, pipeline, files, [current.photo for current in visitor.album] if beside else [])
    if not photos:
        yield
        return
    with visitor.lock:
        if beside:
            visitor.add(*(session.begin(photo) for photo in photos))
        else:
            visitor.stop.set()
            visitor.open(*(session.begin(photo) for photo in photos))
    yield
    for photo in photos:
        _search(visitor, pipeline, photo)
        yield


def _read(
    visitor: Visitor, pipeline: Pipeline, files: Sequence[Callable[[], Photo]], here: Sequence[Photo]
) -> list[Photo]:
    """Every photo that can be read and for which there is room; the first problem is told. Every file is asked for."""
    photos: list[Photo] = []
    pixels = PHOTOS_OF_FULL_SIZE * pipeline.settings.max_megapixels * 1e6
    pixels -= sum(photo.width * photo.height for photo in here)
    for read in files:
        try:
            photo = read()
        except IdentiGenError as error:
            visitor.notice = visitor.notice or str(error)
            continue
        pixels -= photo.width * photo.height
        if len(here) + len(photos) == MAX_PHOTOS or pixels < 0:
            visitor.notice = say("en", "error.too-many", number=len(here) + len(photos))
            continue
        photos.append(photo)
    return photos


def _search(visitor: Visitor, pipeline: Pipeline, photo: Photo) -> None:
    if visitor.session_of(photo) is None:
        return
    try:
        subjects = pipeline.detect(photo)
    except Exception:
        subjects = ()
        log.exception("Detection failed")
        visitor.notice = say("en", "error.internal")
    if visitor.update_of(photo, lambda now: session.begin(photo, subjects)):
        visitor.result_version += 1
