"""The detailed health check: all parts at the same time, within two seconds."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from alembic.migration import MigrationContext
from flask import Flask, current_app

from taskapi.config import settings
from taskapi.errors import Unavailable
from taskapi.extensions import db
from taskapi.revision import head_revision
from taskapi.version import __version__
from taskapi.worker.queue import queue_state

TIMEOUT = 1.5  # seconds
CACHE_SECONDS = 1.0
WORKERLESS_SECONDS = 120.0

Report = dict[str, Any]
log = logging.getLogger("taskapi.health")


class Health:
    """The report, cached for a second."""

    def __init__(self, app: Flask):
        self._app = app
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._report: Report = {}
        self._made_at = 0.0
        # A check that hangs occupies its thread, so there are two for each check.
        self._threads = ThreadPoolExecutor(2 * len(CHECKS), thread_name_prefix="health")

    def report(self) -> Report:
        with self._lock:
            if not self._report or time.monotonic() - self._made_at >= CACHE_SECONDS:
                self._report = self._check_all()
                self._made_at = time.monotonic()
            return self._report

    def _check_all(self) -> Report:
        futures = {name: self._threads.submit(self._run, name) for name in CHECKS}
        wait(futures.values(), TIMEOUT)
        parts = {
            name: future.result() if future.done() else {"status": "away"}
            for name, future in futures.items()
        }
        away = {name for name, part in parts.items() if part["status"] == "away"}
        status = "unavailable" if away & REQUIRED else "degraded" if away else "ok"
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
                found = CHECKS[name]()
        except Exception:  # any error means that the part is unavailable
            log.warning("health check failed: %s", name, exc_info=True)
            return {"status": "away"}
        latency = round((time.perf_counter() - started) * 1000, 2)
        return {"status": "ok", "latency_ms": latency, **found}


def _check_database() -> Report:
    context = MigrationContext.configure(db.session.connection())
    current, head = context.get_current_revision(), head_revision()
    if current != head:
        log.warning("database is at migration %s, not at %s", current, head)
    return {"kind": db.engine.dialect.name, "is_at_head": current == head}


def _check_limiter() -> Report:
    if not current_app.extensions["limiter_storage"].check():
        raise Unavailable("The limiter storage is unavailable.")
    return {"kind": "redis" if settings().redis_url else "memory"}


def _check_queue() -> Report:
    state = queue_state()
    if (state["oldest_seconds"] or 0) > WORKERLESS_SECONDS and not state["in_progress"]:
        raise Unavailable("Work is due, but no worker takes it.")
    return state


CHECKS: dict[str, Callable[[], Report]] = {
    "database": _check_database,
    "limiter": _check_limiter,
    "queue": _check_queue,
}
# Without the limiter storage, limits are counted in memory; without a worker, work waits.
REQUIRED = {"database"}
