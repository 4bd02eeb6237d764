"""The server of the page.

What comes in: requests of a browser on this machine. What goes out: the files of the page, and the answers of the
children that compute. The one idea: the token is part of the address, and everything else is refused before it is
read: another host name, another site, another path, another kind of body, a body too long. The standard library's server
is enough: a handful of files and one kind of message, for one person.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from wengert.page.examples import EXAMPLES
from wengert.page.worker import MEMORY, SECONDS, Workers

__all__ = ["LONGEST_BODY", "MOST_STRANGERS", "Page"]

LOOPBACK = "127.0.0.1"  # and no other: there is no way to ask for one
LONGEST_BODY = 256 << 10
MOST_STRANGERS = 256  # connections that have not shown the token; one more, and the oldest of them ends
SLOW = frozenset({"ways", "curve", "symbolic"})  # asked of a second child, so that the point can move meanwhile

_TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
          "svg": "image/svg+xml"}
_FILES = {"": "index.html"} | {name: name for name in (
    "style.css", "icon.svg", "app.js", "graph.js", "lanes.js", "panels.js", "point.js", "text.js")}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                               "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
}


class Page(ThreadingHTTPServer):
    """The server; ``serve_forever`` runs it and ``close`` ends it with its children.

    Parameters
    ----------
    port : int
        0 for any that is free.
    seconds, memory : float, int
        What a computation may take.

    Attributes
    ----------
    address : str
        What to open, with the token that whoever wants an answer must know.
    """

    daemon_threads = True
    request_queue_size = 128  # who waits longer is asked to try again in a second

    def __init__(self, port: int = 0, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.token = secrets.token_urlsafe(32)
        self.strangers: dict[Any, None] = {}  # the oldest first
        self.lock = threading.Lock()
        super().__init__((LOOPBACK, port), _Handler)
        self.workers = Workers(seconds, memory)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        return f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}"

    def close(self) -> None:
        self.workers.close()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, and an end to those that hold on to theirs without a word or the right one."""
        with self.lock:
            self.strangers[request] = None
            late = list(self.strangers)[:-MOST_STRANGERS]
            for connection in late:
                del self.strangers[connection]
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def known(self, connection: Any) -> None:
        """The connection has shown the token, or has ended."""
        with self.lock:
            self.strangers.pop(connection, None)

    def shutdown_request(self, request: Any) -> None:
        self.known(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error."""


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: Page
    protocol_version = "HTTP/1.1"
    server_version = "wengert"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to the person, and addresses hold the token."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request of HTTP, or of another method: nothing of it is repeated."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._send(status, "text/plain; charset=utf-8", f"{status.phrase.lower()}\n".encode())

    def _answer(self, made: Any) -> None:
        try:
            kind, body = made(self._path())
            self._send(HTTPStatus.OK, kind, body)
        except _Refused as refused:
            self.close_connection = True  # what is left of the request is not read
            self._send(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode())

    def _path(self) -> str:
        """What is asked for, below the token, once all that a browser says about the origin is right."""
        if self.headers.get("Host", "").lower() not in self.server.hosts:  # a name that was made to point here
            raise _Refused(HTTPStatus.FORBIDDEN, "this page is served on the loopback interface only")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in [f"http://{host}" for host in self.server.hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, "requests of other sites are not answered")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _Refused(HTTPStatus.FORBIDDEN, "requests of other sites are not answered")
        token, slash, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "open the address that `wengert page` printed: it holds a token")
        self.server.known(self.connection)
        if not slash:
            raise _Refused(HTTPStatus.NOT_FOUND, "the address ends with a slash")
        self._clear()
        return path

    def _clear(self) -> None:
        """Refuse what could be read as ending elsewhere, so that no part of a request is taken for the next one."""
        repeated = any(len(self.headers.get_all(name, ())) > 1 for name in ("Host", "Content-Length"))
        body = self.command == "GET" and self.headers.get("Content-Length", "0") != "0"
        if repeated or body or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.BAD_REQUEST, "where the request ends is not clear")

    def _get(self, path: str) -> tuple[str, bytes]:
        if path == "examples":
            return "application/json", json.dumps(EXAMPLES).encode()
        if path not in _FILES:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such file")
        name = _FILES[path]
        file = resources.files("wengert.page") / "static" / name
        return _TYPES[name.rpartition(".")[2]], file.read_bytes()

    def _post(self, path: str) -> tuple[str, bytes]:
        request = self._body()
        if path == "stop":
            self.server.workers.stop()
            return "application/json", b"{}"
        if path != "ask":
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such question")
        answer = self.server.workers.ask(request, str(request.get("ask")) in SLOW)
        return "application/json", json.dumps(answer).encode()

    def _body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "the length of the body is missing")
        if len(length) > 9 or int(length) > LONGEST_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request is at most {LONGEST_BODY:,} bytes long")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
        if not isinstance(request, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body is not an object")
        return request

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.request_version = self.protocol_version  # an answer to HTTP/0.9 would have no headers
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
