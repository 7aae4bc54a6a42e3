"""The worker inside the web process: in one process of those that share a master."""

import fcntl
import threading
from typing import Any

from flask import Flask

from taskapi.jobs.worker import Worker

PAUSE_SECONDS = 1.0


class Embedded:
    """Waits for its turn, which comes when the process that had it before has ended."""

    def __init__(self, app: Flask, turn: Any):
        self._app, self._turn = app, turn
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._wait_and_work, name="embedded", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is begun, as far as that is possible before the process has to end."""
        self._ended.set()
        self._thread.join(timeout=18)

    def _wait_and_work(self) -> None:
        while not self._may_work():
            if self._ended.wait(PAUSE_SECONDS):
                return
        worker = Worker(self._app, "embedded")
        working = threading.Thread(target=worker.run, name="worker", daemon=True)
        working.start()
        self._ended.wait()
        worker.stop()
        working.join()

    def _may_work(self) -> bool:
        """A lock on the master's own file: it goes with the process that holds it, even killed."""
        try:
            fcntl.lockf(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
