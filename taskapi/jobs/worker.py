"""The worker: looks what waits, and gives it to threads of its own."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from taskapi.database import Row
from taskapi.errors import Unavailable
from taskapi.jobs import chores, deliveries, imports
from taskapi.jobs.queue import BEAT_SECONDS, Queue
from taskapi.models import task, webhook, worker
from taskapi.models.work import bell

POLL_SECONDS = 0.4  # how long a change in another process may go unnoticed
PAUSE_SECONDS = 0.02  # so that many changes are one look
FAILURE_PAUSE_SECONDS = 2.0
SIGN_OF_LIFE_SECONDS = 30.0
SLOW_SECONDS = 1.0
CHORES_SECONDS = 3600.0

log = logging.getLogger("taskapi.worker")


@dataclass
class Lane:
    """One queue, and what of it is worked on.

    What is slow keeps its thread and gives its place to the next, so that a few receivers that
    hang are not in anybody's way.
    """

    queue: Queue
    places: int
    threads: int
    serve: Callable[[Row], None]
    moved_at: dict[int, float] = field(default_factory=dict)  # by id of the row

    def has_place(self) -> bool:
        moment = time.monotonic() - SLOW_SECONDS
        quick = sum(moved_at > moment for moved_at in list(self.moved_at.values()))
        return quick < self.places and len(self.moved_at) < self.threads


class Worker:
    """Runs until `stop()`, and then finishes or hands back what it holds."""

    def __init__(self, app: Flask, kind: str):
        self.name = f"{kind}-{secrets.token_hex(8)}"
        self.delivered = self.failed = self.jobs_done = 0
        self._app = app
        self.is_stopping = False  # all that a signal may set: see taskapi/commands/worker.py
        self._lock = threading.Lock()
        # Webhooks that fail have places of their own: any number of receivers that hang can
        # take all of those, and the ones that answer do not notice.
        self._working = Lane(deliveries.WORKING, places=8, threads=32, serve=self._deliver)
        self._failing = Lane(deliveries.FAILING, places=8, threads=8, serve=self._deliver)
        self._importing = Lane(imports.QUEUE, places=1, threads=1, serve=self._import)
        self._lanes = (self._working, self._failing, self._importing)
        self._threads = ThreadPoolExecutor(
            sum(lane.threads for lane in self._lanes) + 1, thread_name_prefix=kind
        )
        self._next_at: dict[str, float] = {}

    def stop(self) -> None:
        self.is_stopping = True
        bell.ring()

    def run(self) -> None:
        log.info("worker %s begins", self.name)
        while not self.is_stopping:
            try:
                with self._app.app_context():
                    self._look()
            except Unavailable as error:
                log.warning("worker: %s", error.message)
                time.sleep(FAILURE_PAUSE_SECONDS)
            except Exception:  # whatever it is, the next look may be better
                log.exception("worker: a look into the queue failed")
                time.sleep(FAILURE_PAUSE_SECONDS)
            bell.wait(POLL_SECONDS)
            time.sleep(PAUSE_SECONDS)
        self._threads.shutdown(wait=True)
        log.info("worker %s ends", self.name)

    def _look(self) -> None:
        if self._is_time("beat", BEAT_SECONDS) and any(lane.moved_at for lane in self._lanes):
            for queue in {lane.queue.table.name: lane.queue for lane in self._lanes}.values():
                queue.renew(self.name)
        if self._is_time("sign", SIGN_OF_LIFE_SECONDS):
            worker.sign_of_life(self.name)
        if self._is_time("listen", BEAT_SECONDS):
            # Without webhooks nobody needs to ring at every change; imports are rare enough.
            bell.is_heard = webhook.is_any_active()
        if task.tell_overdue():
            bell.ring()  # there may be more of them
        for lane in self._lanes:
            while lane.has_place() and not self.is_stopping:
                found = lane.queue.claim(self.name)
                if found is None:
                    break
                self._begin(lane, found)
        if self._is_time("chores", CHORES_SECONDS):
            self._threads.submit(self._logged, "chores", chores.run, self._app)

    def _begin(self, lane: Lane, found: Row) -> None:
        lane.moved_at[found.id] = time.monotonic()
        self._threads.submit(self._serve, lane, found)

    def _serve(self, lane: Lane, found: Row) -> None:
        self._logged(f"work on {lane.queue.table.name} {found.id}", lane.serve, found)
        lane.moved_at.pop(found.id)
        self._logged("letting go", self._release, lane, found)
        bell.ring()  # there may be more of it

    def _release(self, lane: Lane, found: Row) -> None:
        with self._app.app_context():
            lane.queue.release(found.id, self.name)

    def _deliver(self, found: Row) -> None:
        turn = deliveries.Turn(self._app, found.id, self.name, lambda: self._may_go_on(found.id))
        try:
            turn.run()
        finally:
            with self._lock:
                self.delivered += turn.delivered
                self.failed += turn.failed

    def _may_go_on(self, webhook_id: int) -> bool:
        """Asked before each message, which tells that the receiver does not hang."""
        for lane in (self._working, self._failing):
            if webhook_id in lane.moved_at:
                lane.moved_at[webhook_id] = time.monotonic()
        return not self.is_stopping

    def _import(self, found: Row) -> None:
        imports.run(self._app, found, lambda: self.is_stopping)
        with self._lock:
            self.jobs_done += 1

    def _logged(self, what: str, act: Callable[..., Any], *args: Any) -> None:
        """Let nothing end a thread unseen; a lease that is left runs out."""
        try:
            act(*args)
        except Unavailable as error:
            log.warning("worker: %s: %s", what, error.message)
        except Exception:  # of any kind: nobody else would tell of it
            log.exception("worker: %s failed", what)

    def _is_time(self, what: str, seconds: float) -> bool:
        moment = time.monotonic()
        if moment < self._next_at.get(what, 0.0):
            return False
        self._next_at[what] = moment + seconds
        return True
