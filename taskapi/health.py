"""Is all that the service needs there? Asked of each part at once, within two seconds."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from alembic.migration import MigrationContext
from flask import Flask

from taskapi.config import settings
from taskapi.errors import Unavailable
from taskapi.extensions import db
from taskapi.revision import head_revision
from taskapi.version import __version__
from taskapi.worker.queue import is_abandoned, queue_state

PATIENCE = 1.5  # seconds
KEPT = 1.0

Report = dict[str, Any]
log = logging.getLogger("taskapi.health")


class Health:
    """The last report, kept for a second, so that asking often costs nothing."""

    def __init__(self, app: Flask):
        self._app = app
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._report: Report = {}
        self._made_at = 0.0
        # A part that hangs keeps its thread: two for each, and no more are ever waited for.
        self._threads = ThreadPoolExecutor(2 * len(CHECKS), thread_name_prefix="health")

    def report(self) -> Report:
        with self._lock:
            if not self._report or time.monotonic() - self._made_at >= KEPT:
                self._report = self._ask()
                self._made_at = time.monotonic()
            return self._report

    def _ask(self) -> Report:
        asked = {name: self._threads.submit(self._run, name) for name in CHECKS}
        wait(asked.values(), PATIENCE)
        parts = {
            name: future.result() if future.done() else {"status": "away"}
            for name, future in asked.items()
        }
        away = {name for name, part in parts.items() if part["status"] == "away"}
        status = "unavailable" if away & NEEDED else "degraded" if away else "ok"
        return {
            "status": status,
            **parts,
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started),
        }

    def _run(self, name: str) -> Report:
        started = time.perf_counter()
        try:
            with self._app.app_context():
                found = CHECKS[name](self._app)
        except Exception:  # that a part is away, for whatever reason, is what was asked
            log.warning("health: %s is away", name, exc_info=True)
            return {"status": "away"}
        latency = round((time.perf_counter() - started) * 1000, 2)
        return {"status": "ok", "latency_ms": latency, **found}


def _check_database(_: Flask) -> Report:
    context = MigrationContext.configure(db.session.connection())
    current, head = context.get_current_revision(), head_revision()
    if current != head:
        log.warning("health: the database is at %s and not at %s", current, head)
    return {"kind": db.engine.dialect.name, "is_at_head": current == head}


def _check_limiter(app: Flask) -> Report:
    if not app.extensions["limiter_storage"].check():
        raise Unavailable("The limiter's store does not answer.")
    return {"kind": "redis" if settings().redis_url else "memory"}


def _check_queue(_: Flask) -> Report:
    state = queue_state()
    if is_abandoned(state):
        raise Unavailable("Work waits, and no worker takes it.")
    return state


CHECKS: dict[str, Callable[[Flask], Report]] = {
    "database": _check_database,
    "limiter": _check_limiter,
    "queue": _check_queue,
}
# Without the limiter's store, limits go on in memory; without a worker, work waits.
NEEDED = {"database"}
