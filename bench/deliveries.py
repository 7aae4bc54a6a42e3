"""Measure the rate of webhook deliveries, and how a busy worker slows down the API.

A worker process sends to a receiver. Rounds of requests to the API alternate between a running
and a stopped worker.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Value
from typing import Any

from bench.load import OPERATIONS
from bench.progress import Progress
from bench.report import aligned
from bench.stage import Act, Stage, stage
from tests.support.servers import ROOT

HOOKS = 8
TASKS = 20_000  # enough deliveries for the whole run
ROUNDS = 9
SECONDS = 4
CONNECTIONS = (1, 16)  # one client, and many
# The receiver has a private address and no TLS, which only development allows.
SETTINGS = {"TASKAPI_ENV": "development", "WEBHOOK_ALLOW_PRIVATE": "1", "WORKER": "off"}


class Counting(BaseHTTPRequestHandler):
    """Return 204 immediately, and count the requests."""

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
        """Log nothing, because that would take longer than the request."""


def receive(port: Any, arrived: Any) -> None:
    if hasattr(os, "SCHED_IDLE"):  # in production it runs on another machine
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    Counting.arrived = arrived
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    port.value = server.server_port
    server.serve_forever()


def ask(act: Act, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    writer = act.load.people.writers[0]
    status, answer = act.contender.ask(method, f"/api/v1{path}", data, writer)
    if status >= 300:
        raise RuntimeError(f"{method} {path} answers {status}: {answer!r}")
    return json.loads(answer)


def rates(arrived: Any, wanted: int) -> float:
    """Return the deliveries per second over this number of deliveries."""
    while arrived.value == 0:
        time.sleep(0.005)
    began, first = time.perf_counter(), arrived.value
    while arrived.value < first + wanted:
        time.sleep(0.005)
    return (arrived.value - first) / (time.perf_counter() - began)


def measure(on: Stage, database_url: str) -> None:
    port, arrived = Value("i", 0), Value("i", 0)
    receiver = Process(target=receive, args=(port, arrived), daemon=True)
    receiver.start()
    act = on.ours("ours", database_url, **SETTINGS)
    for _ in range(HOOKS):
        ask(act, "POST", "/webhooks", {"url": f"http://127.0.0.1:{port.value}/"})
    create = {"op": "create", "data": {"title": "Something to tell of"}}
    for _ in range(TASKS // 100):
        ask(act, "POST", "/tasks/bulk", {"operations": [create] * 100})
    worker = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
        cwd=ROOT,
        env=act.contender.env,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        rate = rates(arrived, 2_000)
        print(f"{rate:.0f} deliveries a second to {HOOKS} receivers, with nothing else to do")
        print("\n".join(aligned(_beside(act, worker, arrived))))
    finally:
        worker.send_signal(signal.SIGCONT)
        worker.terminate()
        worker.wait(30)
        receiver.terminate()


def _beside(act: Act, worker: "subprocess.Popen[bytes]", arrived: Any) -> list[list[str]]:
    """Return a row for each number of connections with medians, and the range of the ratio."""
    names = ("worker stopped", "worker busy")
    table = [["list of 20", *(f"p99 ms, {name}" for name in names), "ratio", "deliveries/s"]]
    progress = Progress(len(CONNECTIONS) * ROUNDS * len(names))
    for connections in CONNECTIONS:
        p99: dict[str, list[float]] = {name: [] for name in names}
        delivered = 0
        for number in range(ROUNDS):
            for name in names if number % 2 else reversed(names):
                progress.step(f"{connections} connections, {name}")
                is_busy = name == "worker busy"
                worker.send_signal(signal.SIGCONT if is_busy else signal.SIGSTOP)
                before = arrived.value
                p99[name].append(act.load.run(OPERATIONS["list"], connections, SECONDS).p99)
                delivered += arrived.value - before if is_busy else 0
        if arrived.value >= TASKS * HOOKS:
            raise RuntimeError("Everything was delivered before the end: TASKS is too small.")
        stopped, busy = (p99[name] for name in names)
        ratios = sorted(b / a for a, b in zip(stopped, busy, strict=True))
        table.append(
            [
                f"{connections} connection{'s' * (connections > 1)}",
                f"{statistics.median(stopped):.1f}",
                f"{statistics.median(busy):.1f}",
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                f"{delivered / ROUNDS / SECONDS:.0f}",
            ]
        )
    progress.end()
    return table


def main(*, on_sqlite: bool) -> None:
    with stage(2) as on:
        print("Starting the servers and filling the queue.", file=sys.stderr)
        measure(on, on.sqlite_url("ours") if on_sqlite else on.postgres_url("ours"))
