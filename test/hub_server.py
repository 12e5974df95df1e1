"""A local stand-in of the Hugging Face hub: what huggingface_hub asks of it, with faults on request."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "nicklashansen/tdmpc2"


class Hub(ThreadingHTTPServer):
    """Serves `files` (name -> content) as large files of one repository."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.breaks_after: list[int] = []  # bytes, one for each transfer to come
        self.claims: dict[str, str] = {}  # headers that win over the right ones
        self.status = 0  # of every answer, where it is not 0
        self.transfers: list[str] = []  # Range asked for, one for each transfer

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """Where contents lie: on another host than the hub itself, as in reality."""
        return f"http://localhost:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no matter for the test's output."""


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that runs in a thread of its own."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        resolve = f"/{REPOSITORY}/resolve/"
        if self.server.status:
            self._reply(self.server.status, {}, b"")
        elif path == f"/api/models/{REPOSITORY}/tree/main":
            entries = [
                {"type": "file", "path": n, "size": len(c), "oid": "0" * 40}
                for n, c in self.server.files.items()
            ]
            self._reply(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())
        elif path.startswith(resolve) and (
            content := self.server.files.get(path[len(resolve) :].partition("/")[2])
        ):
            digest = sha256(content).hexdigest()
            headers = {
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(content)),
                "ETag": '"of the pointer"',
                "Location": f"{self.server.store}/blobs/{digest}",
            }
            self._reply(302, headers | self.server.claims, b"")
        elif path.startswith("/blobs/"):
            self._transfer(path.removeprefix("/blobs/"))
        else:
            self._reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")

    def _transfer(self, digest: str) -> None:
        content = next(c for c in self.server.files.values() if sha256(c).hexdigest() == digest)
        asked = self.headers.get("Range", "")
        self.server.transfers.append(asked)
        first = int(asked.removeprefix("bytes=").partition("-")[0] or 0) if asked else 0
        part = content[first:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.server.breaks_after:
            self.wfile.write(part[: self.server.breaks_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(part)

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
