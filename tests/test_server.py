"""The server below the application: oversized and slow requests, and its signals."""

import json
import os
import selectors
import signal
import socket
import time
from contextlib import suppress

import httpx
import pytest

from tests.chaos import faults
from tests.chaos.ground import Ground, ground
from tests.chaos.load import Client, register
from tests.support.sockets import HOST, POST, dial, exchange, head_and_body, read_all

KIB, MIB = 1024, 1024 * 1024


@pytest.fixture(scope="module")
def stand():
    """One server for the tests that leave it as it was."""
    with ground("sqlite", WEB_CONCURRENCY="1", WEB_THREADS="4") as made:
        yield made


# --- size --------------------------------------------------------------------------------------


def padded(line: int, fields: int, each: int = 1000) -> bytes:
    """A request whose line and header fields have these sizes, all line ends counted."""
    start, end = b"GET /api/v1/none?", b" HTTP/1.1\r\n"
    head = start + b"a" * (line - len(start) - len(end)) + end
    rest = HOST + b"Connection: close\r\n"
    while (left := fields - len(rest)) > 0:
        size = left if left < each + 10 else each
        rest += b"X: " + b"b" * (size - 5) + b"\r\n"
    return head + rest + b"\r\n"


@pytest.mark.parametrize("each", [10, 1000, 64 * KIB])
def test_lines_to_8_and_headers_to_64_kib_get_our_answer(stand, each):
    head, body = head_and_body(exchange(stand, padded(8 * KIB, 64 * KIB, each)))
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (padded(8 * KIB + 1, 100), b"414 URI Too Long"),
        (b"GET /" + b"a" * 9000, b"414 URI Too Long"),
        (padded(8 * KIB, 65 * KIB), b"431 Request Header Fields Too Large"),
        (padded(100, 200 * KIB, 10), b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 80 * KIB, b"431 Request Header Fields Too Large"),
    ],
)
def test_more_than_that_is_refused_in_a_word(stand, request_, status):
    head, body = head_and_body(exchange(stand, request_))
    assert head.startswith(b"HTTP/1.1 " + status)
    assert body == status[4:] + b"\n"


def send_until_answered(stand: Ground, head: bytes, piece: bytes, pieces: int) -> tuple[int, bytes]:
    """How many bytes of a body were sent before an answer came, and that answer."""
    client = dial(stand)
    client.sendall(head)
    sent = 0
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        for _ in range(pieces):
            if any(events & selectors.EVENT_READ for _, events in selector.select()):
                break
            sent += client.send(piece)
            time.sleep(0.0005)  # an answer on its way may come before the next piece
    client.shutdown(socket.SHUT_WR)
    return sent, read_all(client)


JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def token(stand):
    return register(stand.server.url)


def to(path: str, token: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode() + JSON


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/import", "/api/v1/none"])
def test_a_body_over_the_limit_is_refused_unread(stand, token, path):
    head = to(path, token) + b"Content-Length: 1000000000\r\n\r\n"
    sent, answer = send_until_answered(stand, head, bytes(64 * KIB), 3000)
    status = b"404" if path.endswith("none") else b"413"
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert json.loads(head_and_body(answer)[1])["error"]["code"]
    assert sent < 32 * MIB


def test_a_chunked_body_over_the_limit_is_not_read_to_its_end(stand, token):
    head = to("/api/v1/tasks", token) + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (64 * KIB, bytes(64 * KIB))
    sent, answer = send_until_answered(stand, head, chunk, 1000)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert json.loads(head_and_body(answer)[1])["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert sent < 32 * MIB


def test_a_chunked_body_of_just_the_limit_is_taken_whole(stand, token):
    body = b'{"title": "t"' + b" " * (MIB - 14) + b"}"
    head = to("/api/v1/tasks", token) + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for extra, status in ((b"", b"201"), (b" ", b"413")):
        data = body + extra
        answer = exchange(stand, head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]


def test_a_client_that_sends_everything_first_still_sees_the_413(stand, token):
    for path, size in (("/api/v1/tasks", 2 * MIB), ("/api/v1/tasks/import", 17 * MIB)):
        head = to(path, token) + b"Content-Length: %d\r\n\r\n" % size
        answer = exchange(stand, head + bytes(size))
        assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]


# --- slow clients ------------------------------------------------------------------------------


@pytest.mark.slow
def test_slow_clients_hold_up_nobody_and_are_cut(stand, token):
    count = 4 * 4  # four for each thread
    started = time.monotonic()
    silent = [dial(stand) for _ in range(count)]
    heads = [dial(stand) for _ in range(count)]
    bodies = [dial(stand) for _ in range(count)]
    drips = [dial(stand) for _ in range(count)]
    honest = dial(stand)
    rows = b'[{"title": "from afar"}' + b" " * 60_000 + b"]"
    honest.sendall(
        to("/api/v1/tasks/import", token)
        + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(rows)
    )
    for client in heads:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half")
    for client in (*bodies, *drips):
        client.sendall(POST + JSON + b"Content-Length: 10000\r\n\r\n{")
    asking = Client(stand.server.url, token)
    seconds: list[float] = []
    at = 0
    while time.monotonic() < started + 24:
        for client in drips:
            with suppress(OSError):
                client.send(b" ")
        honest.sendall(rows[at : at + 300])  # 3 KiB a second
        at += 300
        answer, _ = asking.timed("GET", "/tasks")
        assert answer.kind == "200"
        seconds.append(answer.seconds)
        time.sleep(0.1)  # the pace of the drips
    assert sorted(seconds)[int(len(seconds) * 0.99)] < 1
    assert all(read_all(client) == b"" for client in silent), "cut without a word"
    for client in (*heads, *bodies, *drips):
        client.settimeout(0.5)
        assert read_all(client).startswith(b"HTTP/1.1 408 ")
    honest.sendall(rows[at:])
    assert read_all(honest).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_a_head_that_drips_is_cut_after_ten_seconds(stand):
    client = dial(stand)
    client.settimeout(0.5)
    started = time.monotonic()
    answer = b""
    client.send(b"GET /health HTTP/1.1\r\nX: ")
    while not answer and time.monotonic() < started + 15:
        client.send(b"a")
        with suppress(TimeoutError):
            answer = client.recv(100)
    client.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - started < 12


# --- what it leaves alone and does not believe --------------------------------------------------


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_it_leaves_the_home_directory_alone_and_trusts_no_forwarded_scheme(live_server, tmp_path):
    server = live_server(HOME=str(tmp_path / "home"))
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer = httpx.get(f"{server.url}/health", headers=forged)
    assert "Strict-Transport-Security" not in answer.headers
    assert "/" not in answer.headers.get("Server", "")
    assert not (tmp_path / "home").exists()
    assert "203.0.113.9" not in server.log()
    assert server.stop() == 0


# --- signals -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_terminated_twice_it_answers_whom_it_let_in():
    with ground("sqlite") as stand:
        report = faults.terminate_twice(stand)
    assert not report.errors
    assert report.requests > 100
    assert (report.lost, report.doubled) == (0, 0)


@pytest.mark.slow
def test_a_hang_up_under_load_fails_nobody():
    with ground("sqlite") as stand:
        report = faults.reload(stand, requests=2000)
        first = stand.server.log()
    assert report.requests == 2000
    assert not report.errors, first
    assert (report.lost, report.doubled) == (0, 0)


def test_ctrl_c_ends_it_with_0():
    with ground("sqlite") as stand:
        os.killpg(stand.server.process.pid, signal.SIGINT)
        assert stand.server.process.wait(10) == 0
        assert "Traceback" not in stand.server.log()
