"""Workers in the test process or in a separate one."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from flask import Flask

from taskapi.worker import http
from taskapi.worker.loop import Worker
from tests.support.live import environment
from tests.support.receiver import eventually
from tests.support.rows import Rows, ago
from tests.support.servers import ROOT

__all__ = ["Worker", "working"]


@contextmanager
def working(app: Flask, *, answer_seconds: float | None = None) -> Iterator[Worker]:
    """Run a worker in a thread; `answer_seconds` replaces the timeout of 15 seconds."""
    seconds = answer_seconds or http.TIMEOUT
    with mock.patch.object(http, "TIMEOUT", seconds):
        worker = Worker(app, "test")
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(30)
            assert not thread.is_alive()


def start_worker(settings: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `flask worker` in a new process group."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "worker"],
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def let_claims_lapse(rows: Rows) -> None:
    """Let all claims expire, as if their workers had died."""
    for table in ("webhooks", "jobs"):
        rows.run(
            f"UPDATE {table} SET claimed_until = :past WHERE claimed_until IS NOT NULL",
            past=ago(seconds=1),
        )


def claims(rows: Rows) -> int:
    """Return the number of claimed webhooks and jobs."""
    return sum(
        rows.value(f"SELECT count(*) FROM {table} WHERE claimed_until IS NOT NULL")
        for table in ("webhooks", "jobs")
    )


def let_retries_come_due(rows: Rows, **since: float) -> None:
    """Make all pending retries of deliveries and jobs due."""
    past = ago(**(since or {"seconds": 1}))
    rows.run(
        "UPDATE deliveries SET next_attempt_at = :past WHERE next_attempt_at IS NOT NULL", past=past
    )
    rows.run("UPDATE jobs SET run_at = :past WHERE finished_at IS NULL", past=past)


def pending(rows: Rows) -> int:
    """Return the number of unprocessed events, deliveries and jobs."""
    events = "SELECT count(*) FROM events WHERE is_undelivered"
    deliveries = "SELECT count(*) FROM deliveries WHERE next_attempt_at IS NOT NULL"
    jobs = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
    return sum(rows.value(statement) for statement in (events, deliveries, jobs))


def is_settled(rows: Rows) -> bool:
    return pending(rows) == 0


def settle(app: Flask, rows: Rows, seconds: float = 30) -> None:
    """Run a worker until nothing is pending."""
    with working(app):
        eventually(lambda: is_settled(rows), seconds)
