"""gunicorn with our configuration: limits, keep-alive, signals, killed workers."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import httpx
import psutil
import pytest

from tests.chaos import faults
from tests.chaos.ground import ground
from tests.support.client import signed_in
from tests.support.receiver import eventually
from tests.support.servers import ROOT
from tests.support.sockets import HOST, dial, exchange, head_and_body, read_all

pytestmark = pytest.mark.sqlite

KIB, MIB = 1024, 1024 * 1024


# --- size and shape ----------------------------------------------------------------------------


def padded(line: int, field: int) -> bytes:
    """Return a request with a request line and a header field of these sizes."""
    start, end = b"GET /api/v1/none?", b" HTTP/1.1\r\n"
    head = start + b"a" * (line - len(start) - len(end)) + end
    return head + HOST + b"Connection: close\r\nX: " + b"b" * (field - 5) + b"\r\n\r\n"


def test_lines_up_to_8_kib(stand):
    head, body = head_and_body(exchange(stand, padded(8000, 8000)))
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (padded(8400, 100), b"414"),
        (b"GET /" + b"a" * 9000, b"414"),
        (padded(100, 9000), b"431"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 830 * KIB, b"431"),
    ],
    ids=["line", "endless line", "field", "fields", "endless field"],
)
def test_longer_lines_are_rejected_by_gunicorn(stand, request_, status):
    answer = exchange(stand, request_)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer
    assert len(answer) < KIB
    assert b"aaaa" not in answer
    assert b"Traceback" not in answer


def test_several_requests_over_one_connection(stand):
    client = dial(stand)
    for _ in range(3):
        client.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = b""
        while not answer.rstrip().endswith(b'{"status":"ok"}'):
            more = client.recv(4096)
            assert more, "closed"
            answer += more
        assert answer.startswith(b"HTTP/1.1 200 ")
    client.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_home_directory_and_forwarded_scheme_are_ignored(live_server, tmp_path):
    server = live_server(HOME=str(tmp_path / "home"))
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer = httpx.get(f"{server.url}/health", headers=forged)
    assert "Strict-Transport-Security" not in answer.headers
    assert "/" not in answer.headers.get("Server", "")
    assert not (tmp_path / "home").exists()
    assert "203.0.113.9" not in server.log()
    assert server.stop() == 0


# --- bodies ------------------------------------------------------------------------------------


def to(path: str, token: str, field: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\n{field}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/tasks", b"413"), ("/api/v1/tasks/import", b"413"), ("/api/v1/none", b"404")],
)
def test_large_body_is_rejected_before_it_is_sent(stand, path, status):
    answer = exchange(stand, to(path, stand.token, "Content-Length: 1000000000"))
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert json.loads(head_and_body(answer)[1])["error"]["code"]


def test_a_client_that_sends_everything_first_still_sees_the_413(stand):
    for path, size in (("/api/v1/tasks", 2 * MIB), ("/api/v1/tasks/import", 17 * MIB)):
        answer = exchange(stand, to(path, stand.token, f"Content-Length: {size}") + bytes(size))
        assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]


def test_chunked_body_has_the_same_limit(stand):
    head = to("/api/v1/tasks", stand.token, "Transfer-Encoding: chunked")
    body = b'{"title": "t"' + b" " * (MIB - 14) + b"}"
    for extra, status in ((b"", b"201"), (b" ", b"413")):
        data = body + extra
        answer = exchange(stand, head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]


# --- signals and killed processes --------------------------------------------------------------


def workers(server) -> set[int]:
    return {each.pid for each in psutil.Process(server.process.pid).children()}


def are_gone(server, pids) -> bool:
    return not workers(server) & pids


def start_with_two_workers(live_server, **env):
    server = live_server(WEB_CONCURRENCY="2", ALLOW_SPLIT_LIMITS="1", **env)
    eventually(lambda: len(workers(server)) == 2, seconds=15)
    return server


def test_sigterm_finishes_running_requests(live_server):
    server = start_with_two_workers(live_server, WORKER="embedded")

    def body():
        yield b'{"title": '
        time.sleep(0.2)  # until a thread handles it
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # the server has begun to stop
        yield b'"late"}'

    with signed_in(server) as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/tasks", content=body(), headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (201, "late")
    assert server.process.wait(15) == 0
    assert "Traceback" not in server.log()


def test_ctrl_c_stops_the_server(live_server):
    server = start_with_two_workers(live_server, WORKER="embedded")
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(15) == 0
    assert "Traceback" not in server.log()


def test_reload_and_killed_worker(live_server):
    server = start_with_two_workers(live_server)
    for sent in (signal.SIGHUP, signal.SIGKILL):
        before = workers(server)
        to, replaced = (server.process.pid, before)  # HUP to the master replaces all
        if sent == signal.SIGKILL:
            to, replaced = (min(before), {min(before)})
        with httpx.Client(base_url=server.url) as client:
            assert client.get("/health").status_code == 200
            os.kill(to, sent)
            eventually(partial(are_gone, server, replaced), seconds=15)
        eventually(lambda: len(workers(server)) == 2, seconds=15)
        for _ in range(20):  # over separate connections, so that each worker receives some
            assert httpx.get(f"{server.url}/health").status_code == 200
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux has it")
def test_each_worker_keeps_to_a_core(live_server):
    cores = os.sched_getaffinity(0)

    def cores_in_use(server):
        found = [os.sched_getaffinity(pid) for pid in workers(server)]
        return sorted(found, key=min) == [{core} for core in sorted(cores)]

    server = live_server(WEB_CONCURRENCY=str(len(cores)), ALLOW_SPLIT_LIMITS="1")
    eventually(lambda: cores_in_use(server))
    for each in sorted(workers(server)):  # the next one takes over its core
        os.kill(each, signal.SIGKILL)
        eventually(partial(lambda each: each not in workers(server) and cores_in_use(server), each))
    before = workers(server)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: not workers(server) & before and cores_in_use(server))

    if len(cores) > 1:
        alone = live_server(WEB_CONCURRENCY="1")
        eventually(lambda: [os.sched_getaffinity(pid) for pid in workers(alone)] == [cores])


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["terminate_twice", "reload"])
def test_signals_under_load_lose_no_request(fault):
    """Connections in the queue of a closed socket are reset by the operating system."""
    with ground("sqlite") as stand:
        if fault == "reload":
            report = faults.reload(stand, requests=2000)
        else:
            report = faults.terminate_twice(stand)
    assert set(report.errors) <= {"ConnectionResetError"}, report
    assert report.errors.total() < report.requests / 10
    assert (report.lost, report.doubled) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["==", "<"], ids=["pinned", "the one before"])
def test_gunicorn_releases(live_server, tmp_path, release):
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    (pinned,) = (line.split()[0] for line in lines if line.startswith("gunicorn=="))
    wanted = pinned.replace("==", release)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1"]
    installed = subprocess.run(
        [*pip, "--target", str(tmp_path), wanted], capture_output=True, text=True, check=False
    )
    if "No matching distribution" in installed.stderr:
        pytest.skip(f"{wanted} is not found: the package index cannot be reached.")
    assert installed.returncode == 0, installed.stderr
    (folder,) = tmp_path.glob("gunicorn-*.dist-info")
    version = folder.name.removeprefix("gunicorn-").removesuffix(".dist-info")
    assert (f"gunicorn=={version}" == pinned) == (release == "==")

    server = live_server(PYTHONPATH=str(tmp_path), WEB_CONCURRENCY="2", ALLOW_SPLIT_LIMITS="1")
    assert f"Starting gunicorn {version}" in server.log()
    with signed_in(server) as client:
        task = client.post("/tasks", json={"title": "One"})
        assert task.status_code == 201
        listed = client.get("/tasks").json()
        assert [each["id"] for each in listed["items"]] == [task.json()["id"]]
    assert server.stop() == 0
    assert "Traceback" not in server.log()
