"""How fast webhooks are delivered, and what a busy worker costs the API beside it.

    python -m bench.deliveries [sqlite | postgresql://…]

A real worker process sends to a real receiver; the API is asked meanwhile, and without it.
"""

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

from bench.servers import environment, migrate
from tests.support.live import LiveServer
from tests.support.servers import ROOT

EVENTS = 4000
HOOKS = (1, 8)
ASKED = 1500
SECRET = "bench-only-" + os.urandom(24).hex()
PASSWORD = "Lantern-5-hcneb"


class Counting(BaseHTTPRequestHandler):
    """Answers 204 at once, and counts."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    arrived: Any = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.arrived.get_lock():
            self.arrived.value += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing: it would be slower than what is measured."""


def receive(port: Any, arrived: Any) -> None:
    os.nice(19)  # in earnest it has a machine of its own
    Counting.arrived = arrived
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    port.value = server.server_port
    server.serve_forever()


class Api:
    """One connection to the service, as one user."""

    def __init__(self, url: str, token: str | None = None):
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, f"/api/v1{path}", data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} answers {answer.status}: {text[:300]!r}")
        return json.loads(text) if text else None


def milliseconds(api: Api) -> tuple[float, float]:
    """The median and the 99th percentile of a list of 20."""
    taken = []
    for _ in range(ASKED):
        started = time.perf_counter()
        api.ask("GET", "/tasks")
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def start_worker(env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
            cwd=ROOT,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def measure(database_url: str, folder: Path) -> None:
    port, arrived = Value("i", 0), Value("i", 0)
    receiver = Process(target=receive, args=(port, arrived), daemon=True)
    receiver.start()
    env = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET,
        "RATE_LIMIT_PER_MINUTE": "0",
        "RATE_LIMIT_AUTH_PER_MINUTE": "0",
        "WEBHOOK_ALLOW_PRIVATE": "1",
        "WORKER": "off",
        "LOG_LEVEL": "WARNING",
    }
    migrate(database_url)
    server = LiveServer(folder / "server.log", env)
    try:
        name = f"bench{os.getpid()}"
        account = {"username": name, "password": PASSWORD}
        token = Api(server.url).ask("POST", "/auth/register", account)["access_token"]
        api = Api(server.url, token)
        quiet = milliseconds(api)
        for hooks in HOOKS:
            while len(api.ask("GET", "/webhooks")["items"]) < hooks:
                api.ask("POST", "/webhooks", {"url": f"http://127.0.0.1:{port.value}/"})
            wanted = arrived.value + EVENTS
            for _ in range(EVENTS // hooks // 100):
                operation = {"op": "create", "data": {"title": "measured"}}
                api.ask("POST", "/tasks/bulk", {"operations": [operation] * 100})
            before = arrived.value
            worker = start_worker(env, folder / "worker.log")
            try:
                while arrived.value == before:
                    time.sleep(0.005)
                started, first = time.perf_counter(), arrived.value
                busy = milliseconds(api) if hooks == HOOKS[-1] else None
                while arrived.value < wanted - EVENTS % (hooks * 100):
                    time.sleep(0.005)
                rate = (arrived.value - first) / (time.perf_counter() - started)
            finally:
                worker.send_signal(signal.SIGTERM)
                worker.wait(30)
            print(f"{hooks} receivers: {rate:.0f} deliveries a second", flush=True)
            if busy:
                for label, (median, worst) in (("quiet", quiet), ("worker busy", busy)):
                    print(f"list of 20, {label}: median {median:.2f} ms, p99 {worst:.2f} ms")
    finally:
        server.stop()
        receiver.terminate()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        chosen = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
        measure(f"sqlite:///{made}/bench.sqlite3" if chosen == "sqlite" else chosen, Path(made))
