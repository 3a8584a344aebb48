"""Weights that do not travel with the installation: where they are, fetching them, and whether they are whole.

Files lie as the hub's own tools lay them (`models--owner--name/{blobs,refs,snapshots}`), in the hub's own cache unless
`IDENTIGEN_CACHE_DIR` names another folder, so that what another program fetched is found and nothing is fetched twice.
A blob is named by its hash: whether a file is whole can be told without a network. The hub's own downloader starts a
file again after every break; this one goes on where it stopped.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from identigen.errors import (
    DiskFull,
    ModelCorrupt,
    ModelError,
    ModelGated,
    ModelMissing,
    ModelOffline,
    ModelRefused,
)
from identigen.models import REGISTRY, ModelRecord, record_of
from identigen.settings import Settings

_CHUNK = 1 << 20
_SHA256_LENGTH = 64
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: `done` of `total` bytes of the whole model, at present in `file`."""

    name: str
    file: str
    done: int
    total: int


Report = Callable[[Progress], None]
Status = Literal["bundled", "present", "missing", "corrupt", "offline", "gated", "refused"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """What `check` found out about a record; `detail` is a sentence, `revision` the commit that is on this machine."""

    record: ModelRecord
    status: Status
    detail: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the hub; `etag` is the SHA-256 of a large file or the git hash of a small one."""

    path: str
    size: int
    etag: str


# ---------------------------------------------------------------- what is here


def hub_cache(settings: Settings) -> Path:
    """The folder that holds `models--owner--name` folders."""
    if settings.cache_dir:
        return settings.cache_path / "hub"
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def locate(name: str, settings: Settings) -> Path:
    """The folder with the files of a model, as its repository lays them out; never opens a connection.

    Raises `ModelRefused` (licence), `ModelMissing` (not or not completely fetched) and `ModelCorrupt` (cut off).
    """
    record = record_of(name)
    require_allowed(record, settings)
    folder = _snapshot(record, settings)
    if folder is None or not folder.is_dir():
        raise ModelMissing(f"{name} is not on this machine; {_how_to_fetch(record)}.")
    lacking = _lacking(folder, record)
    if lacking:
        raise ModelMissing(f"{name} is not complete ({lacking[0]} is missing); {_how_to_fetch(record)}.")
    for path in _files_of(folder, record):
        if not _has_its_length(path):
            raise ModelCorrupt(f"{path.name} of {name} is cut off or damaged; {_how_to_fetch(record)}.")
    return folder


def is_present(name: str, settings: Settings) -> bool:
    """Whether a model is on this machine, allowed, and of its right length."""
    try:
        locate(name, settings)
    except ModelError:
        return False
    return True


def require_allowed(record: ModelRecord, settings: Settings) -> None:
    """Raise `ModelRefused` for a licence without commercial use that no setting accepts by name."""
    accepted = {part.strip() for part in settings.allow_noncommercial.split(",")}
    if not record.commercial and record.name not in accepted:
        raise ModelRefused(
            f"{record.name} is refused: its licence ({record.licence}) forbids commercial use; "
            f"set IDENTIGEN_ALLOW_NONCOMMERCIAL={record.name} if yours is not commercial."
        )


def _how_to_fetch(record: ModelRecord) -> str:
    return f"`identigen models pull {record.name}` fetches it ({_size(record.gigabytes * 1e9)})"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _store(record: ModelRecord, settings: Settings) -> Path:
    return hub_cache(settings) / f"models--{record.source.replace('/', '--')}"


def _snapshot(record: ModelRecord, settings: Settings) -> Path | None:
    store = _store(record, settings)
    reference = store / "refs" / record.revision
    commit = reference.read_text().strip() if reference.is_file() else record.revision
    folder = store / "snapshots" / commit
    return folder if folder.is_dir() else None


def _wanted(path: str, record: ModelRecord) -> bool:
    return any(fnmatch(path, pattern) for pattern in record.files)


def _files_of(folder: Path, record: ModelRecord) -> list[Path]:
    """The record's files below `folder`, sorted; a link whose blob is gone does not count."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if _wanted(path.relative_to(folder).as_posix(), record))


def _lacking(folder: Path, record: ModelRecord) -> list[str]:
    """Patterns that match nothing, and parts that an index names and nobody has."""
    names = {path.relative_to(folder).as_posix() for path in _files_of(folder, record)}
    lacking = [pattern for pattern in record.files if not any(fnmatch(name, pattern) for name in names)]
    for name in sorted(names):
        if name.endswith(".safetensors.index.json"):
            home = Path(name).parent
            parts = set(_read_json(folder / name).get("weight_map", {}).values())
            lacking += sorted((home / part).as_posix() for part in parts if (home / part).as_posix() not in names)
    return lacking


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelCorrupt(f"{path} is damaged; delete it and fetch the model again.") from None
    return value if isinstance(value, dict) else {}


def _has_its_length(path: Path) -> bool:
    """Whether a file is as long as its own header says; formats without such a header must only not be empty.

    A safetensors file begins with the length of a JSON header, which tells where the last tensor ends.
    """
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return size > 0
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 + length:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
    return size == 8 + length + max(ends, default=0)


def _is_whole(path: Path) -> bool:
    """Whether the content of a file of the cache has the hash that its blob is called by."""
    expected = path.resolve().name
    if len(expected) not in (40, _SHA256_LENGTH):  # a cache without links: nothing says what it should be
        return _has_its_length(path)
    return _hash(path.resolve(), expected) == expected


def _hash(path: Path, like: str) -> str:
    """The hash of a file, of the kind that `like` is: SHA-256, or git's, which puts the length in front."""
    digest = hashlib.sha256() if len(like) == _SHA256_LENGTH else hashlib.sha1(usedforsecurity=False)
    if len(like) != _SHA256_LENGTH:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# ---------------------------------------------------------------- fetching


def pull(name: str, settings: Settings, report: Report = lambda progress: None) -> Path:
    """Fetch a model, or the rest of it, verify every file, and return its folder.

    `report` is told of every megabyte; raising in it stops the download, which later goes on from there. Raises the
    whole family of `ModelError`.
    """
    record = record_of(name)
    require_allowed(record, settings)
    if not record.on_hub:
        raise ModelMissing(f"{name} is not fetched by this command: it comes from {record.source}.")
    if settings.offline:
        raise ModelOffline(f"{name} cannot be fetched: IDENTIGEN_OFFLINE is set; unset it to allow the download.")
    store = _store(record, settings)
    with _plainly(record), _alone(store, record):
        commit, files = _listing(record)
        _require_room(record, store, files)
        done, total = 0, sum(file.size for file in files)
        for file in files:
            start = done
            _fetch(record, store, commit, file, lambda count: report(Progress(name, file.path, start + count, total)))  # noqa: B023 (called before the next turn)
            _link(store, commit, file)
            done += file.size
            report(Progress(name, file.path, done, total))
        _write(store / "refs" / record.revision, commit)
    return locate(name, settings)


def _listing(record: ModelRecord) -> tuple[str, list[RemoteFile]]:
    """The commit that the record's revision stands for now, and its files; `ModelMissing` when some are not there."""
    info = _ask_hub(record)
    files = [
        RemoteFile(s.rfilename, int(s.size or 0), s.lfs.sha256 if s.lfs else s.blob_id)
        for s in info.siblings or ()
        if _wanted(s.rfilename, record)
    ]
    absent = [pattern for pattern in record.files if not any(fnmatch(file.path, pattern) for file in files)]
    if absent or not info.sha:
        raise ModelMissing(
            f"{record.source} no longer holds {absent[0] if absent else 'a commit'}; report this, please."
        )
    return info.sha, sorted(files, key=lambda file: file.size)


def _ask_hub(record: ModelRecord) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint()).model_info(
        record.source, revision=record.revision, files_metadata=True, timeout=30
    )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _require_room(record: ModelRecord, store: Path, files: Iterable[RemoteFile]) -> None:
    """Raise `DiskFull` before anything is fetched when the rest will not fit."""
    needed = 0
    for file in files:
        blob, part = _paths(store, file)
        if not blob.exists():
            needed += file.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(store).free
    if needed > free:
        raise DiskFull(
            f"{record.name} needs {_size(needed)} more but {store.parent} has only {_size(free)} free; make room, "
            "or set IDENTIGEN_CACHE_DIR to a folder on a larger disk."
        )


def _paths(store: Path, file: RemoteFile) -> tuple[Path, Path]:
    blob = store / "blobs" / file.etag
    return blob, blob.with_name(f"{file.etag}.part")


def _fetch(record: ModelRecord, store: Path, commit: str, file: RemoteFile, report: Callable[[int], None]) -> None:
    """Bring one blob into the store: what is there and whole stays, what was begun goes on."""
    blob, part = _paths(store, file)
    if blob.exists():
        if blob.stat().st_size == file.size and _hash(blob, file.etag) == file.etag:
            return
        blob.unlink()
    blob.parent.mkdir(parents=True, exist_ok=True)
    if not part.exists() or part.stat().st_size != file.size:
        _receive(record, commit, file, part, report)
    if part.stat().st_size != file.size or _hash(part, file.etag) != file.etag:
        part.unlink()
        raise ModelCorrupt(
            f"{file.path} of {record.name} arrived damaged and was thrown away; {_how_to_fetch(record)} again."
        )
    part.replace(blob)


def _receive(record: ModelRecord, commit: str, file: RemoteFile, part: Path, report: Callable[[int], None]) -> None:
    """Append to `part` what it lacks; start again when the server cannot go on in the middle."""
    from huggingface_hub import hf_hub_url, utils

    hub: Any = utils  # these three are public, but not marked so for type checkers
    url = hf_hub_url(record.source, file.path, revision=commit, endpoint=_endpoint())
    begun = part.stat().st_size if part.exists() and part.stat().st_size < file.size else 0
    headers = hub.build_hf_headers(library_name="identigen", headers={"Accept-Encoding": "identity"})
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with hub.get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as answer:
        hub.hf_raise_for_status(answer)
        resumed = begun > 0 and answer.status_code == 206
        done = begun if resumed else 0
        with part.open("ab" if resumed else "wb") as target:
            for chunk in answer.iter_bytes(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                report(done)


def _link(store: Path, commit: str, file: RemoteFile) -> None:
    """Show the blob in the snapshot under its own name, by a link where links can be made."""
    blob, pointer = store / "blobs" / file.etag, store / "snapshots" / commit / file.path
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without developer mode
        shutil.copyfile(blob, pointer)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@contextmanager
def _alone(store: Path, record: ModelRecord) -> Iterator[None]:
    """One download of a model at a time on this machine: two would write into one file."""
    from filelock import FileLock, Timeout

    store.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(store / ".identigen.lock", timeout=0):
            yield
    except Timeout:
        raise ModelMissing(f"{record.name} is being fetched by another program just now; wait for it.") from None


@contextmanager
def _plainly(record: ModelRecord) -> Iterator[None]:
    """Say in one sentence of ours what the hub, the network or the disk said."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The HTTP library's own base class, whichever library this version of the hub is built on.
    unreachable: Any = HfHubHTTPError.__mro__[1]
    try:
        yield
    except GatedRepoError:
        raise ModelGated(
            f"{record.name} is gated: accept its licence at https://huggingface.co/{record.source}, then log in "
            "(`hf auth login`, or HF_TOKEN) and pull it again."
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise ModelMissing(
            f"The hub knows no {record.source} at {record.revision}, or does not show it to you; log in if it is yours."
        ) from None
    except OfflineModeIsEnabled:
        raise ModelOffline(f"{record.name} cannot be fetched: HF_HUB_OFFLINE is set; unset it.") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise ModelOffline(f"The hub answered {status} for {record.name}; try again later.") from None
    except (ConnectionError, TimeoutError, unreachable) as error:
        raise ModelOffline(
            f"{record.name} cannot be fetched: the hub is out of reach ({type(error).__name__}); check the network and "
            "pull again, it goes on where it stopped."
        ) from None
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise ModelMissing(
            f"{record.name} cannot be stored: {error.filename} cannot be written to; set IDENTIGEN_CACHE_DIR to a "
            "folder that can."
        ) from None
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFull(
            f"The disk is full: {record.name} could not be fetched completely; make room and pull again, it goes on "
            "where it stopped."
        ) from None


# ---------------------------------------------------------------- checking


def check(settings: Settings, thorough: bool = False) -> tuple[ModelState, ...]:
    """What every record of the registry is on this machine, or could be.

    `thorough` reads every byte of what is there (about a second for a gigabyte). What is not there is looked up on the
    hub, unless the settings forbid it; nothing is fetched.
    """
    return tuple(state_of(record, settings, thorough) for record in REGISTRY.values())


def state_of(record: ModelRecord, settings: Settings, thorough: bool = False) -> ModelState:
    """What one record is on this machine, or could be."""
    if record.bundled:
        return ModelState(record, "bundled", f"Travels with {record.source}.")
    if not record.on_hub:
        return _state_in_cache(record, settings)
    try:
        folder = locate(record.name, settings)
    except ModelRefused as refusal:
        return ModelState(record, "refused", str(refusal))
    except ModelCorrupt as damage:
        return ModelState(record, "corrupt", str(damage))
    except ModelMissing as missing:
        return _state_on_hub(record, settings, str(missing))
    if thorough:
        for path in _files_of(folder, record):
            if not _is_whole(path):
                detail = f"{path.name} is damaged; {_how_to_fetch(record)} again."
                return ModelState(record, "corrupt", detail, folder.name)
    return ModelState(record, "present", f"{record.source} at {folder.name[:12]}.", folder.name)


def _state_in_cache(record: ModelRecord, settings: Settings) -> ModelState:
    path = settings.cache_path / record.cached_as
    if record.cached_as and path.is_file():
        return ModelState(record, "present", f"{path}.")
    return ModelState(record, "missing", f"Comes from {record.source}.")


def _state_on_hub(record: ModelRecord, settings: Settings, missing: str) -> ModelState:
    if settings.offline:
        return ModelState(record, "offline", f"{missing[:-1]}, but IDENTIGEN_OFFLINE is set.")
    try:
        with _plainly(record):
            commit, files = _listing(record)
            _knock(record, commit, files[0])
    except ModelGated as gate:
        return ModelState(record, "gated", str(gate))
    except ModelOffline as error:
        return ModelState(record, "offline", str(error))
    except ModelMissing as error:
        return ModelState(record, "missing", str(error))
    return ModelState(record, "missing", missing)


def _knock(record: ModelRecord, commit: str, file: RemoteFile) -> None:
    """Ask for one file without fetching it: a gated repository shows its list to everybody."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(record.source, file.path, revision=commit, endpoint=_endpoint())
    get_hf_file_metadata(url, timeout=30, endpoint=_endpoint())
