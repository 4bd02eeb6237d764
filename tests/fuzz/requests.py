"""What arrives at the port of the page: requests that fit, spoiled ones, and noise.

What comes in: random numbers. What goes out: bytes, sent to a page that is served in this process. The one idea: without
token, host and origin all right, no answer but a refusal; every answer forbids what a page of another site would need; and
whatever was sent, the next good request is answered.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from random import Random

from tests.fuzz.target import Broken, Target, mutated
from wengert.page import Page

__all__ = ["TARGETS"]

_TOKEN, _PORT = b"TOKEN_TOKEN_TOKEN", b"54321"  # in the place of those of the page that is served
_LINES = [b"Host: 127.0.0.1:54321", b"Host: localhost:54321", b"Host: evil.example:54321", b"Host:",
          b"Host: 127.0.0.1:54321.evil.example",
          b"Origin: http://127.0.0.1:54321", b"Origin: null", b"Origin: http://evil.example",
          b"Origin: http://127.0.0.1:54321.evil.example",
          b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-origin", b"Content-Type: application/json",
          b"Content-Type: text/plain",
          b"Content-Type: multipart/form-data", b"Content-Type: application/json; charset=utf-16", b"Content-Length: 2",
          b"Content-Length: 0", b"Content-Length: 300000", b"Content-Length: -2", b"Content-Length: 2, 2",
          b"Content-Length: +2",
          b"Content-Length: \xb2", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: keep-alive",
          b"Connection: close",
          b"Upgrade: websocket", b"X: " + b"y" * 70_000, b" folded", b"no colon", b": empty", b"\xff\xfe: \x00", b"A: b\rC: d",
          b"Cookie: token=TOKEN_TOKEN_TOKEN", b"Referer: http://127.0.0.1:54321/TOKEN_TOKEN_TOKEN/", b"Range: bytes=0-1"]
_PATHS = [b"", b"app.js", b"examples", b"stop", b"ask", b"../server.py", b"..%2f..%2fserver.py", b"%00", b"\x00",
          b"app.js?x=1", b"app.js#",
          b"//app.js", b"static/app.js", b"....//", b"\\..\\server.py", b"%2e%2e/", b"x" * 3000, b"index.html", b"\xff",
          b"ask/", b"app.js%20"]
_BODIES = [b"{}", b"[]", b"", b"{", b"NaN", b'{"ask": NaN}', b"[" * 5000, b"\x00", b"\xff\xfe{\x00}\x00",
           b'{"ask": "\\ud800"}', b"1" * 5000,
           b"2\r\n{}\r\n0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]


def _request(rng: Random) -> bytes:
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.randint(0, 200))

    def of(good: list[bytes], *bad: bytes) -> bytes:
        return rng.choice(good if rng.random() < 0.85 else list(bad))
    method = of([b"GET", b"POST"], b"PUT", b"OPTIONS", b"HEAD", b"CONNECT", b"get", b"TRACE", b"\x16\x03\x01", b"")
    start = of([b"/"], b"//", b"", b"http://127.0.0.1:54321/", b"*", b"/x/")
    token = of([_TOKEN], b"", _TOKEN[:-1], _TOKEN.lower(), b"%54" + _TOKEN[1:], b"\xe9", b"x" * 70_000)
    version = of([b" HTTP/1.1"], b" HTTP/1.0", b"", b" HTTP/2.0", b" HTTP/9.9", b" HTTP/x", b" HTTP/1.1 x")
    lines = [_LINES[0]] if rng.random() < 0.9 else rng.choices(_LINES, k=rng.choice([0, 3, 150]))
    lines += rng.sample(_LINES, rng.choice([0, 0, 0, 1, 3]))
    if method == b"POST" and rng.random() < 0.8:
        lines += [b"Content-Type: application/json", b"Content-Length: 2"]
    end = of([b"\r\n"], b"\n", b"\r")
    path = rng.choice(_PATHS)
    head = method + b" " + start + token + b"/" + path + version
    out = end.join([head, *lines, b"", b""]) + rng.choice(_BODIES)
    if rng.random() < 0.3:
        out = mutated(rng, out, [b"\r\n", b"\r\n\r\n", b" ", b":", b"\x00", b"/", b"..", b"%", *_LINES[:8]])
    return bytes(out)


@contextlib.contextmanager
def _served() -> Iterator[Page]:
    page = Page()
    thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.shutdown()
        page.close()
        thread.join()


def _exchanged(page: Page, data: bytes) -> bytes:
    """All that comes back, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=20) as connection:
        got = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                got += part
        return got


_GUARDS = (b"x-content-type-options: nosniff", b"cache-control: no-store", b"content-security-policy: default-src 'none'",
           b"cross-origin-resource-policy: same-origin", b"referrer-policy: no-referrer")


def _judge(data: bytes, page: Page) -> str:
    sent = data.replace(_TOKEN, page.token.encode()).replace(_PORT, str(page.server_port).encode())
    got = _exchanged(page, sent)
    if page.token.encode() in got:
        raise Broken("the answer holds the token")
    word = "no answer"
    for answer in re.split(rb"(?=HTTP/1\.1 \d\d\d )", got):
        found = re.match(rb"HTTP/1\.1 (\d\d\d) ", answer)
        if found is None:
            if answer:
                raise Broken(f"the answer is no HTTP/1.1: {answer[:80]!r}")
            continue
        status, word = int(found[1]), f"status {int(found[1])}"
        if status == 100:
            continue
        if status not in (200, 400, 403, 404, 408, 411, 413, 414, 415, 431, 501, 505):
            raise Broken(word)
        head = answer.partition(b"\r\n\r\n")[0].lower()
        if missing := [guard for guard in _GUARDS if guard not in head]:
            raise Broken(f"{word} without {missing[0].decode()}")
        if b"access-control" in head or (status != 200 and b"text/plain" not in head):
            raise Broken(f"the headers of {word}")
        if status == 200 and (page.token.encode() not in sent or b"host: " not in sent.lower()):
            raise Broken("answered without a token or a host")
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", f"/{page.token}/icon.svg")
        if connection.getresponse().status != 200:
            raise Broken("a good request afterwards is refused")
    return word


TARGETS = [Target("requests", _request, _judge, 120, _served)]
