"""A small model hub on 127.0.0.1, which can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What the server holds and how it behaves; `requests` lists what was asked, with the range."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    large_from: int = 1000
    break_after: int | None = None
    damage: bool = False
    ignore_ranges: bool = False
    status: int = 200
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""

    def listing(self, repo: str) -> dict[str, Any]:
        siblings = []
        for path, data in self.files[repo].items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": git_hash(data)}
            if len(data) >= self.large_from:
                entry["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
            siblings.append(entry)
        gated = "auto" if repo in self.gated else False
        return {"id": repo, "sha": COMMIT, "siblings": siblings, "gated": gated, "private": False, "tags": []}


def git_hash(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the hub in a thread for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            hub.requests.append((self.command, self.path, self.headers.get("Range", "")))
            if hub.status != 200:
                self.refuse(hub.status, "")
            elif found := re.match(r"/api/models/([^/]+/[^/]+)/revision/main", self.path):
                self.list(found[1])
            elif found := re.match(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)", self.path):
                self.send_file(found[1], found[3], body)
            else:
                self.refuse(404, "RepoNotFound")

        def list(self, repo: str) -> None:
            if repo not in hub.files:
                self.refuse(404, "RepoNotFound")
                return
            data = json.dumps(hub.listing(repo)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_file(self, repo: str, path: str, body: bool) -> None:
            if repo in hub.gated:
                self.refuse(403, "GatedRepo")
                return
            data = hub.files[repo][path]
            begun = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(begun[1]) if begun and not hub.ignore_ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{git_hash(data)}"')
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if not body:
                return
            rest = data[start:]
            if hub.damage:
                rest = bytes(byte ^ 1 for byte in rest)
            if hub.break_after is not None and len(rest) > hub.break_after:
                rest, hub.break_after = rest[: hub.break_after], None
                self.close_connection = True
            with suppress(ConnectionError):  # the client may have had enough
                self.wfile.write(rest)

    return Handler
