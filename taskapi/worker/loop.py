"""The worker: polls the queue and hands what is due to its threads."""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from taskapi.db import DATABASE_ERRORS
from taskapi.errors import Unavailable
from taskapi.models import task, webhook
from taskapi.models.worker import heartbeat
from taskapi.worker import deliveries, imports
from taskapi.worker.purge import purge_all

POLL_SECONDS = 0.4
PAUSE_AFTER_FAILURE = 2.0
HEARTBEAT_SECONDS = 30.0
PURGE_SECONDS = 3600.0
# How many threads may work on each kind. Webhooks that fail take a quarter at most, so that
# receivers that hang do not delay the others.
THREADS = {"healthy": 24, "failing": 8, "imports": 1}

log = logging.getLogger("taskapi.worker")


class Worker:
    """Works until `stop()`, then finishes or hands back what it has claimed."""

    def __init__(self, app: Flask, kind: str):
        self.name = f"{kind}-{secrets.token_hex(8)}"
        self.counts: Counter[str] = Counter()  # delivered, failed, jobs
        self._app = app
        self._is_stopping = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._busy = dict.fromkeys(THREADS, 0)
        self._threads = ThreadPoolExecutor(sum(THREADS.values()) + 1, thread_name_prefix=kind)
        self._next_at: dict[str, float] = {}

    def stop(self) -> None:
        # Nothing but the flag: this may run in a signal handler, amid a wait for the event.
        self._is_stopping = True

    def run(self) -> None:
        log.info("worker %s started", self.name)
        while not self._is_stopping:
            self._wake.clear()
            if self._guarded(self._poll):
                self._wake.wait(POLL_SECONDS)
            else:
                time.sleep(PAUSE_AFTER_FAILURE)
        self._threads.shutdown(wait=True)
        log.info("worker %s stopped", self.name)

    def _poll(self) -> None:
        if self._is_time("heartbeat", HEARTBEAT_SECONDS):
            heartbeat(self.name)
        if self._is_time("purge", PURGE_SECONDS):
            self._threads.submit(self._guarded, lambda: purge_all(log.info))
        # A full batch may not be the last one; the rest of a steady stream waits for the next poll.
        while task.record_overdue_events() == task.OVERDUE_BATCH and not self._is_stopping:
            pass
        while webhook.fan_out() == webhook.FAN_OUT_BATCH and not self._is_stopping:
            pass
        self._start("healthy", lambda: deliveries.claim(self.name, False), self._deliver)
        self._start("failing", lambda: deliveries.claim(self.name, True), self._deliver)
        self._start("imports", lambda: imports.claim(self.name), self._import)

    def _start(
        self, kind: str, claim: Callable[[], int | None], work: Callable[[int], None]
    ) -> None:
        """Claim rows while there are free threads of this kind."""

        def act(row_id: int) -> None:
            self._guarded(lambda: work(row_id))
            with self._lock:
                self._busy[kind] -= 1
            self._wake.set()  # there may be more

        while self._busy[kind] < THREADS[kind] and not self._is_stopping:
            row_id = claim()
            if row_id is None:
                return
            with self._lock:
                self._busy[kind] += 1
            self._threads.submit(act, row_id)

    def _deliver(self, webhook_id: int) -> None:
        counts = deliveries.deliver_batch(webhook_id, self.name, lambda: self._is_stopping)
        with self._lock:
            self.counts += counts

    def _import(self, job_id: int) -> None:
        imports.run_job(job_id, self.name, lambda: self._is_stopping)
        with self._lock:
            self.counts["jobs"] += 1

    def _guarded(self, act: Callable[[], Any]) -> bool:
        """Run in a database session of its own; log what fails, and go on."""
        try:
            with self._app.app_context():
                act()
        except (*DATABASE_ERRORS, Unavailable) as error:
            log.warning("worker: the database failed: %s", type(error).__name__, exc_info=True)
        except Exception:
            log.exception("worker: unexpected error")
        else:
            return True
        return False

    def _is_time(self, what: str, seconds: float) -> bool:
        moment = time.monotonic()
        if moment < self._next_at.get(what, 0.0):
            return False
        self._next_at[what] = moment + seconds
        return True


class EmbeddedWorker:
    """A worker in a thread of a web process."""

    def __init__(self, app: Flask):
        self._worker = Worker(app, "embedded")
        self._thread = threading.Thread(target=self._worker.run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what has begun, as far as that is possible before the process has to end."""
        self._worker.stop()
        self._thread.join(timeout=18)
