"""Measure the CPU time of a request by layer, with samples of the service in this process.

The database and Redis are measured by their processes. The layer "server" is the time of gunicorn
minus that of the application in this process.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from io import BytesIO
from itertools import cycle
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

from werkzeug.test import EnvironBuilder

from bench.load import OPERATIONS
from bench.report import aligned
from bench.servers import process_seconds
from bench.stage import Act, stage
from taskapi import create_app
from taskapi.logging import log_as_json

ROUNDS = 5
REQUESTS = 2000
SECONDS = 3  # duration of the load on gunicorn
# The first rule that matches any frame, otherwise the one that matches the innermost frame.
WITHIN = {
    "limiter": ("/redis/", "/flask_limiter/", "/limits/", "/taskapi/limits.py"),
    "log": ("/logging/", "/pythonjsonlogger/", "/taskapi/logging.py"),
}
INNERMOST = {
    "driver": ("/psycopg",),
    "SQLAlchemy": ("/sqlalchemy/", "/flask_sqlalchemy/", "<sqlalchemy"),
    "validation": ("/marshmallow/", "/taskapi/schemas/", "/taskapi/inputs.py"),
    "Flask": ("/flask/", "/werkzeug/", "/blinker/", "/flask_cors/"),
    "the service": ("/taskapi/",),
}
LAYERS = ("server", *reversed(INNERMOST), *WITHIN, "database", "Redis")


def main() -> None:
    columns = {}
    with stage(users=4) as on:
        act = on.ours("ours", on.postgres_url("ours"))
        for name in ("get", "create"):
            columns[name] = _profile(act, name)
    rows = [["CPU, µs a request", *columns]]
    for layer in LAYERS:
        rows.append([layer, *(f"{each[layer]:.0f}" for each in columns.values())])
    rows.append(["sum", *(f"{sum(each.values()):.0f}" for each in columns.values())])
    print("\n".join(aligned(rows)))


def _profile(act: Act, name: str) -> dict[str, float]:
    """Return the median microseconds of each layer."""
    contender, operation = act.contender, OPERATIONS[name]
    assert contender.process is not None
    pids = [contender.process.pid, contender.database_pid, *contender.own_pids]
    ask = _asking(act, operation.requests(contender, act.load.people))
    for _ in range(200):
        ask()
    rounds = []
    for _ in range(ROUNDS):
        before = [process_seconds(pid) for pid in pids]
        seen = act.load.run(operation, 16, SECONDS)
        contender.settle()
        server, database, redis = (
            (process_seconds(pid) - used) / seen.requests * 1e6
            for pid, used in zip(pids, before, strict=True)
        )
        layers = _sample(ask)
        rounds.append(layers | {"database": database, "Redis": redis})
        rounds[-1]["server"] = server - sum(layers.values())
    return {layer: median(each.get(layer, 0) for each in rounds) for layer in LAYERS}


def _sample(ask: Callable[[], None]) -> dict[str, float]:
    samples: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: samples.update([_layer(frame)]))
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    began = time.process_time()
    for _ in range(REQUESTS):
        ask()
    used = (time.process_time() - began) / REQUESTS * 1e6
    signal.setitimer(signal.ITIMER_PROF, 0)
    return {layer: number / samples.total() * used for layer, number in samples.items()}


def _asking(act: Act, requests: list[str]) -> Callable[[], None]:
    """Return a function that sends the next request to an application in this process."""
    with redirect_stderr(Path(os.devnull).open("w")):  # the log handler keeps it open
        log_as_json("INFO")
    app = create_app(act.contender.env)
    environs = []
    for text in requests:
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split()
        headers = dict(line.split(": ", 1) for line in lines)
        builder = EnvironBuilder(path, method=method, headers=headers, data=body)
        environs.append((builder.get_environ(), body.encode()))
    turn = cycle(environs)

    def ask() -> None:
        environ, body = next(turn)
        response = app({**environ, "wsgi.input": BytesIO(body)}, _start_response)
        b"".join(response)

    return ask


def _start_response(status: str, *_: Any) -> Any:
    if not status.startswith("2"):
        raise RuntimeError(f"The application answers {status}.")


def _layer(frame: FrameType | None) -> str:
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    for layer, parts in WITHIN.items():
        if any(part in file for file in files for part in parts):
            return layer
    for file in files:
        for layer, parts in INNERMOST.items():
            if any(part in file for part in parts):
                return layer
    return "harness"
