"""Nobody waits for a database that says nothing: a hung server, a lost route, a lock held for long.

The driver itself would wait for ever, and the system for minutes. So a thread of each process
looks at what web requests are waiting for, and breaks off the connections of those that wait too
long; their requests then fail as they do when a connection is lost.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

INTERVAL = 0.25


class Watch:
    def __init__(self) -> None:
        self._ends: dict[object, tuple[float, Callable[[], int]]] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, who: object, patience: float, file_number: Callable[[], int]) -> None:
        """From now on until `end`, at most `patience` seconds."""
        if self._thread is None:
            self._start()
        self._ends[who] = (time.monotonic() + patience, file_number)

    def end(self, who: object) -> None:
        self._ends.pop(who, None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            now = time.monotonic()
            for who, (end, file_number) in self._ends.copy().items():
                if end < now and who in self._ends:
                    self.end(who)
                    with suppress(Exception):  # it was answered, or lost, at this very moment
                        break_off(file_number())


def break_off(file_number: int) -> None:
    """Whoever waits for this socket's answer learns that there will be none."""
    connection: Any = socket.socket(fileno=file_number)
    try:
        connection.shutdown(socket.SHUT_RDWR)
    finally:
        connection.detach()  # it is not ours to close
