"""The worker: poll the queue, and do due work in threads."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from flask import Flask

from taskapi.db import DATABASE_ERRORS
from taskapi.errors import Unavailable
from taskapi.models import task, webhook
from taskapi.worker import deliveries, imports
from taskapi.worker.purge import purge_all

POLL_SECONDS = 0.4
PAUSE_AFTER_FAILURE = 2.0
PURGE_SECONDS = 3600.0
SLOW_SECONDS = 2.0  # a batch takes one second if the receiver is not slow

log = logging.getLogger("taskapi.worker")


class Lane(NamedTuple):
    """A kind of work and its maximum number of threads."""

    claim: Callable[[str], int | None]
    work: Callable[[int, str, Callable[[], bool]], None]
    threads: int
    slow_threads: int = 0  # additional threads when others have been busy for SLOW_SECONDS


# Slow receivers must not delay others: webhooks whose last attempt failed have separate threads,
# and busy threads are replaced by additional ones.
LANES = (
    Lane(
        partial(deliveries.claim, is_failing=False), deliveries.deliver_batch, 24, slow_threads=24
    ),
    Lane(partial(deliveries.claim, is_failing=True), deliveries.deliver_batch, threads=8),
    Lane(imports.claim, imports.run_job, threads=1),
)


class Run(NamedTuple):
    lane: Lane
    started: float
    future: Future[bool]


class Worker:
    """Work until `stop()`, then finish or release the claimed work."""

    def __init__(self, app: Flask, kind: str):
        self.name = f"{kind}-{secrets.token_hex(8)}"
        self._app = app
        self._is_stopping = False
        self._wake = threading.Event()
        threads = 1 + sum(lane.threads + lane.slow_threads for lane in LANES)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=kind)
        self._runs: list[Run] = []
        self._purge_at = 0.0

    def stop(self) -> None:
        # Only sets the flag, because this can run in a signal handler during a wait.
        self._is_stopping = True

    def run(self) -> None:
        log.info("worker %s started", self.name)
        while not self._is_stopping:
            self._wake.clear()
            if self._guarded(self._poll):
                self._wake.wait(POLL_SECONDS)
            else:
                time.sleep(PAUSE_AFTER_FAILURE)  # not the event, which other threads can set
        self._threads.shutdown(wait=True)
        log.info("worker %s stopped", self.name)

    def _poll(self) -> None:
        self._runs = [run for run in self._runs if not run.future.done()]
        if time.monotonic() >= self._purge_at:
            self._purge_at = time.monotonic() + PURGE_SECONDS
            self._threads.submit(self._guarded, purge_all)
        # Repeat while batches are full; a steady stream waits for the next poll.
        while task.record_overdue_events() == task.OVERDUE_BATCH and not self._is_stopping:
            pass
        while webhook.fan_out() == webhook.FAN_OUT_BATCH and not self._is_stopping:
            pass
        for lane in LANES:
            while self._has_room(lane) and (row_id := lane.claim(self.name)) is not None:
                future = self._threads.submit(
                    self._guarded, lane.work, row_id, self.name, lambda: self._is_stopping
                )
                future.add_done_callback(lambda _: self._wake.set())  # there may be more
                self._runs.append(Run(lane, time.monotonic(), future))

    def _has_room(self, lane: Lane) -> bool:
        busy = [time.monotonic() - run.started for run in self._runs if run.lane is lane]
        slow = min(sum(seconds > SLOW_SECONDS for seconds in busy), lane.slow_threads)
        return len(busy) - slow < lane.threads and not self._is_stopping

    def _guarded(self, act: Callable[..., None], *args: Any) -> bool:
        """Call in a separate database session; log errors and return False for them."""
        try:
            with self._app.app_context():
                act(*args)
                return True
        except (*DATABASE_ERRORS, Unavailable) as error:
            log.warning("worker: database error: %s", type(error).__name__, exc_info=True)
        except Exception:  # whatever it is, the worker has other work
            log.exception("worker: unexpected error")
        return False


class EmbeddedWorker:
    """A worker in a thread of a web process."""

    def __init__(self, app: Flask):
        self._worker = Worker(app, "embedded")
        self._thread = threading.Thread(target=self._worker.run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish running work, within the time that the process has."""
        self._worker.stop()
        self._thread.join(timeout=18)
