"""deploy/nginx.conf: slow clients, limits per address, logs."""

import http.client
import select
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.client import signed_in
from tests.support.programs import nginx
from tests.support.sockets import HOST, read_all

pytestmark = [pytest.mark.needs_tools, pytest.mark.sqlite]
PER_ADDRESS = 50


@pytest.fixture
def front(live_server, tmp_path):
    """A server with few threads, and the URL of nginx in front of it."""
    server = live_server(WEB_THREADS="2", TRUSTED_PROXIES="1")
    with nginx(tmp_path, server.url) as url:
        yield server, url


def dial(url: str, source: str, sent: bytes) -> socket.socket:
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), 15, (source, 0))
    client.sendall(sent)
    return client


def status_of(url: str, source: str) -> int:
    connection = http.client.HTTPConnection(
        urlsplit(url).netloc, timeout=5, source_address=(source, 0)
    )
    try:
        connection.request("GET", "/api/v1/tasks")
        return connection.getresponse().status
    finally:
        connection.close()


def test_slow_clients_are_disconnected(front):
    _, url = front
    post = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    body = post + b"Content-Length: 10000\r\n\r\n{"
    head = b"GET /health HTTP/1.1\r\n" + HOST + b"X-Half"
    began = time.monotonic()
    heads = [dial(url, "127.0.0.1", head) for _ in range(100)]
    bodies = [dial(url, "127.0.0.1", body) for _ in range(PER_ADDRESS + 10)]
    # The address has reached its maximum of concurrent requests.
    refused: list[socket.socket] = []
    while len(refused) < 10:
        refused = select.select(bodies, [], [], 5)[0]
        assert time.monotonic() < began + 5
    assert {client.recv(13) for client in refused} == {b"HTTP/1.1 429 "}
    assert status_of(url, "127.0.0.1") == 429
    seconds = []
    while time.monotonic() < began + 8:
        asked = time.monotonic()
        assert status_of(url, "127.0.0.2") == 401
        seconds.append(time.monotonic() - asked)
    assert sorted(seconds)[int(len(seconds) * 0.99)] < 1
    for client in (*heads, *(each for each in bodies if each not in refused)):
        read_all(client)  # until nginx closes the connection
    assert time.monotonic() < began + 13
    assert status_of(url, "127.0.0.1") == 401


def test_slow_readers_occupy_no_thread(front):
    server, url = front
    with signed_in(server) as client:
        task = {"title": "t", "description": "long " * 1900}
        operations = [{"op": "create", "data": task}] * 100
        for _ in range(8):
            assert client.post("/tasks/bulk", json={"operations": operations}).status_code == 200
        token = client.headers["Authorization"].encode()
    ask = b"GET /api/v1/tasks/export HTTP/1.1\r\n" + HOST + b"Authorization: " + token + b"\r\n\r\n"
    readers = []
    for _ in range(20):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((urlsplit(url).hostname, urlsplit(url).port))
        reader.sendall(ask)
        assert reader.recv(15) == b"HTTP/1.1 200 OK"
        readers.append(reader)
    for _ in range(20):
        assert status_of(url, "127.0.0.2") == 401
    for reader in readers:
        reader.close()


def test_compression_and_client_address(front, tmp_path):
    server, url = front
    with httpx.Client(base_url=f"{url}/api/v1") as client:
        body = {"username": "ana", "password": "Lantern-7-ana"}
        forged = {"X-Forwarded-For": "203.0.113.9"}
        token = client.post("/auth/register", json=body, headers=forged).json()["access_token"]
        client.headers.update({"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
        made = client.post("/tasks", json={"title": "long", "description": "long " * 1000})
        path = made.headers["Location"].removeprefix("/api/v1")
        seen = client.get(path)
        assert seen.headers["Content-Encoding"] == "gzip"
        tag = seen.headers["ETag"]
        assert tag.startswith("W/"), "and still good for conditions"
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
        for status in (200, 412):
            changed = client.patch(path, json={"status": "done"}, headers={"If-Match": tag})
            assert changed.status_code == status
    assert "203.0.113.9" not in server.log()
    assert '"address":"127.0.0.1"' in server.log()
    assert "warn" not in (tmp_path / "start.log").read_text()


def test_maximum_body_sizes_pass_nginx(front):
    server, url = front
    with signed_in(server) as client:
        headers = dict(client.headers) | {"Content-Type": "application/json"}
    for path, size, status in (
        ("tasks", 1.5, "PAYLOAD_TOO_LARGE"),
        ("tasks/import", 16.5, "PAYLOAD_TOO_LARGE"),
        ("tasks", 3, None),
        ("tasks/import/", 18, None),
    ):
        body = bytes(int(size * 1024 * 1024))
        answer = httpx.post(f"{url}/api/v1/{path}", content=body, headers=headers)
        assert answer.status_code == 413
        if status:
            assert answer.json()["error"]["code"] == status
        else:
            assert "nginx" in answer.text


def test_calendar_secret_is_not_logged(front, tmp_path):
    server, url = front
    for path in ("/calendar/secret-1.ics", "/%63alendar/secret-2.ics", "//calendar/secret-3.ics?a"):
        httpx.get(url + path)
    server.stop()
    for path in ("/calendar/secret-4.ics", "/%63alendar/secret-5.ics"):
        assert httpx.get(url + path).status_code == 502
    logged = (tmp_path / "access.log").read_text()
    assert logged.count("GET /calendar/-") == 5
    assert "secret" not in logged + (tmp_path / "error.log").read_text()
    assert httpx.get(url + "/health").status_code == 502
    assert "/health" in (tmp_path / "error.log").read_text()
