"""The server of the page, without a browser: who is answered, what is refused, and what a child may do."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from serving import served

from wengert.page import Page
from wengert.page.server import LONGEST_BODY, MOST_STRANGERS

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(scope="module")
def page():
    with served(60.0) as page:
        yield page


def send(page, method="GET", path="", headers=None, body=None, token=None):
    """The status, the headers and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, f"/{page.token if token is None else token}/{path}", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def ask(page, **request):
    status, _, body = send(page, "POST", "ask", {"Content-Type": "application/json"}, json.dumps(request))
    assert status == 200, body
    return json.loads(body)


def test_the_page_and_its_files_are_served(page):
    status, headers, body = send(page)
    assert status == 200 and b"<!doctype html>" in body.lower()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    for name in ("app.js", "style.css", "icon.svg", "examples"):
        assert send(page, path=name)[0] == 200


@pytest.mark.parametrize("path", ["", "app.js", "examples", "ask", "stop", "unknown"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_answered_without_the_token(page, method, path):
    for token in ("", "x", page.token[:-1], page.token + "x", "é", "%00"):
        with contextlib.suppress(UnicodeEncodeError):
            status, _, body = send(page, method, path, {"Content-Type": "application/json"}, "{}", token=token)
            assert status == 403 and page.token.encode() not in body


@pytest.mark.parametrize("headers", [
    {"Host": "example.org"}, {"Host": "127.0.0.1"}, {"Host": "localhost.example.org"}, {"Host": ""},
    {"Origin": "http://example.org"}, {"Origin": "null"}, {"Origin": "https://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
], ids=str)
def test_other_hosts_and_other_sites_are_refused(page, headers):
    for method, path in (("GET", ""), ("POST", "ask")):
        assert send(page, method, path, {"Content-Type": "application/json"} | headers, "{}")[0] == 403


def test_a_browser_on_this_machine_is_answered(page):
    host = f"localhost:{page.server_port}"
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert send(page, headers=headers)[0] == 200


@pytest.mark.parametrize(("headers", "body", "status"), [
    ({"Content-Type": "text/plain"}, "{}", 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, "a=1", 415),
    ({}, "{}", 415),
    ({"Content-Type": "application/json"}, "no", 400),
    ({"Content-Type": "application/json"}, "[" * 100_000, 400),
    ({"Content-Type": "application/json"}, "[]", 400),
    ({"Content-Type": "application/json"}, "x" * (LONGEST_BODY + 1), 413),
    ({"Content-Type": "application/json", "Content-Length": "-1"}, "", 411),
    ({"Content-Type": "application/json", "Content-Length": "9" * 5000}, "", 413),
])
def test_other_bodies_are_refused(page, headers, body, status):
    with contextlib.suppress(ConnectionError):  # refused before all of it was read
        assert send(page, "POST", "ask", headers, body)[0] == status


@pytest.mark.parametrize(("method", "headers"), [
    ("GET", ["Content-Length: 4"]),
    ("POST", ["Content-Length: 2", "Content-Length: 4"]),
    ("POST", ["Content-Length: 2", "Transfer-Encoding: chunked"]),
    ("GET", ["Host: example.org"]),
])
def test_a_request_ends_at_one_place_or_is_refused(page, method, headers):
    lines = [f"{method} /{page.token}/stop HTTP/1.1", f"Host: 127.0.0.1:{page.server_port}", "Content-Type: application/json"]
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, *headers, "", "{}  "]).encode())
        with contextlib.suppress(ConnectionError):  # closed with a part unread
            assert connection.recv(12) == b"HTTP/1.1 400"


def raw(page, data):
    """What comes back for these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("line", ["DELETE /x HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/2.0", "GET /x", "x", "GET  HTTP/1.1 x y",
                                  "GET /" + "x" * 70_000 + " HTTP/1.1"], ids=lambda line: line[:20])
def test_what_the_library_refuses_has_the_same_headers(page, line):
    answer = raw(page, f"{line}\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ") and b"nosniff" in head and b"no-store" in head and b"text/plain" in head
    assert len(body) < 80 and (not body or not line.startswith("HEAD"))


def test_idle_and_slow_connections_do_not_keep_others_out(page):
    """More than may wait: the oldest of those that have not shown the token are closed, and those that have are not."""
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=30)))
        known.request("GET", f"/{page.token}/icon.svg")
        assert known.getresponse().read()
        waiting = []
        for k in range(MOST_STRANGERS + 20):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", page.server_port), timeout=30))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127."[:k % 30])
            waiting.append(connection)
            assert k % 100 or send(page)[0] == 200
        assert send(page)[0] == 200
        known.request("GET", f"/{page.token}/icon.svg")
        assert known.getresponse().status == 200
        for connection in waiting[:20]:
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in connection.recv(20)  # the end, and no answer
        assert len(page.strangers) <= MOST_STRANGERS
        assert threading.active_count() < MOST_STRANGERS + 50


def test_the_port_is_free_again():
    with served(60.0) as page:
        port, stranger = page.server_port, socket.create_connection(("127.0.0.1", page.server_port))
    with contextlib.closing(stranger), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)
    again = Page(port)
    again.close()


def test_other_methods_and_paths_are_refused(page):
    assert send(page, "OPTIONS", "ask", {"Origin": "http://example.org"})[0] == 501
    assert send(page, "PUT", "ask")[0] == 501
    for path in ("../server.py", "..%2fserver.py", "static/app.js", "app.js/../../server.py", "//etc/passwd"):
        assert send(page, path=path)[0] == 404


def test_the_answers_forbid_what_the_page_does_not_need(page):
    for path in ("", "app.js", "unknown"):
        headers = send(page, path=path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_loopback_interface_only(page):
    assert page.server_address[0] == "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))  # sends nothing; tells which address this machine has outside
        outside = probe.getsockname()[0]
    if not outside.startswith(("127.", "0.")):
        with pytest.raises(OSError):
            socket.create_connection((outside, page.server_port), timeout=2).close()
    assert "host" not in Page.__init__.__annotations__


def test_the_static_files_reach_for_no_network():
    folder = SRC / "wengert" / "page" / "static"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "http:" not in text and "https:" not in text, file
        for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert dangerous not in text, (file, dangerous)


# ---------------------------------------------------------------- what a child computes, and what it may take

def function(text, **more):
    return {"ask": "explain", "kind": "function", "text": text, "point": {}} | more


@pytest.mark.parametrize("text", [
    "(" * 100_000, "(" * 250_000, "-" * 99_000 + "x", "sin(" * 20_000, "x^" * 40_000 + "x", "__import__('os')", "x.__class__",
    "lambda: 0", "open('/etc/passwd')", "1e999999^9999999^9", "", "   ", "9" * 99_000,
], ids=lambda text: text[:20])
def test_hostile_formulas_are_answered_with_an_error(page, text):
    answer = ask(page, ask="explain", kind="formula", text=text, point={})
    assert answer["error"]["message"]
    assert len(json.dumps(answer)) < 10_000


@pytest.mark.parametrize("given", ["__import__('os').getpid()", "[" * 10_000, "]", "x", "[1, [2, 3]]", {"a": 1}, [[1], [1, 2]],
                                   [None], "[1", True, 1e400])
def test_a_field_of_the_page_is_never_run(page, given):
    body = json.dumps({"ask": "explain", "kind": "formula", "text": "x^2", "point": {"x": given}})
    status, _, answer = send(page, "POST", "ask", {"Content-Type": "application/json"}, body)
    assert status == 200
    assert "error" in json.loads(answer) or given in (True, 1e400)


def test_questions_that_there_are_not(page):
    for request in ({}, {"ask": None}, {"ask": "exec"}, {"ask": ["explain"]}, {"ask": "explain"},
                    {"ask": "explain", "kind": "formula", "text": 3}):
        assert ask(page, **request)["error"]["message"]


def test_a_mistake_names_its_line(page):
    answer = ask(page, **function("def f(x):\n    y = x * 2\n    return y / undefined\n"))
    assert answer["error"]["line"] == 3 and "undefined" in answer["error"]["message"]
    answer = ask(page, **function("def f(x):\n    return x +\n"))
    assert answer["error"] == {"kind": "SyntaxError", "message": "invalid syntax", "line": 2}
    assert "function" in ask(page, **function("x = 3"))["error"]["message"]


def test_a_function_that_takes_too_long_is_ended():
    with served(1.5) as page:
        answer = ask(page, **function("def f(x):\n    while True:\n        pass\n"))
        assert answer["error"]["kind"] == "too slow" and "1.5 seconds" in answer["error"]["message"]
        assert "nothing yet" in ask(page, **function(""))["error"]["message"]  # another child answers


def test_what_leaves_the_group_of_a_child_is_not_waited_for(tmp_path):
    text = f"""import os, time
def f(x):
    if os.fork() == 0:
        os.setsid()
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    while True:
        pass
"""
    with served(1.5) as page:
        try:
            assert ask(page, **function(text))["error"]["kind"] == "too slow"
            assert "nothing yet" in ask(page, **function(""))["error"]["message"]
            page.workers.close()
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_function_that_takes_too_much_memory_is_told_so(page):
    answer = ask(page, **function("def f(x):\n    return np.ones(10 ** 11).sum() * x\n"))
    assert answer["error"]["message"]
    answer = ask(page, **function("def f(x):\n    return np.sum(np.zeros(10 ** 9)) * x\n"))
    assert "memory" in answer["error"]["message"].lower()


def test_a_function_that_leaves_or_writes_over_the_answer(page):
    assert "ended" in ask(page, **function("import os\ndef f(x):\n    os._exit(3)\n"))["error"]["kind"]
    text = ("import os\ndef f(x):\n    for fd in range(3, 20):\n        try: os.write(fd, b'{}\\n')\n"
            "        except OSError: pass\n    return x")
    assert ask(page, **function(text))["error"]["kind"] == "ended"
    assert ask(page, **function("import sys\ndef f(x):\n    sys.exit('bye')\n"))["error"]["message"] == "bye"


def test_a_child_has_no_secrets_and_leaves_nothing(page, monkeypatch):
    monkeypatch.setenv("SECRET_OF_MINE", "abc")
    answer = ask(page, **function("import os\nraise ValueError(sorted(os.environ), os.getcwd())\n"))
    names = answer["error"]["message"]
    assert "SECRET" not in names and "HOME" in names
    folder = Path(names.rpartition(", ")[2].strip("')"))
    assert folder.is_dir() and folder != Path.cwd()
    page.workers.close()
    assert not folder.exists()


def test_stop_ends_what_is_running(page):
    answers = []
    request = function("import time\ndef f(x):\n    time.sleep(60)\n")
    thread = threading.Thread(target=lambda: answers.append(ask(page, **request)))
    thread.start()
    deadline = time.monotonic() + 20
    while not answers and time.monotonic() < deadline:
        send(page, "POST", "stop", {"Content-Type": "application/json"}, "{}")
        thread.join(0.2)
    assert answers[0]["error"]["kind"] == "stopped"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_command(end):
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-m", "wengert", "page", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:  # a shell may ignore it
        address = process.stdout.readline().split()[-1]
        port, token = address.split(":")[2].split("/")[:2]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        with contextlib.closing(connection):
            body = json.dumps(function("import os\nraise ValueError(os.getpid())"))
            connection.request("POST", f"/{token}/ask", body, {"Content-Type": "application/json"})
            child = int(json.loads(connection.getresponse().read())["error"]["message"])
        os.kill(child, 0)
        process.send_signal(end)
        try:
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == (0 if end == signal.SIGINT else -end) and "Traceback" not in said
    deadline = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(child, 0)
            time.sleep(0.05)


def test_wrong_options_are_told(capsys):
    from wengert.cli import main
    for words in (["page", "--port", "x"], ["page", "--port", "70000"], ["page", "--host", "0.0.0.0"], ["page", "x^2"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("wengert: error: ")


def test_a_port_that_is_taken_is_told(capsys):
    from wengert.cli import main
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["page", "--no-browser", "--port", str(taken.getsockname()[1])]) == 2
    assert "choose another one" in capsys.readouterr().err
