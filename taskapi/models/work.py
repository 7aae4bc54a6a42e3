"""What rows that wait for a worker have in common, and the bell that calls the worker."""

import threading
from typing import Any

from sqlalchemy import Column, String

from taskapi.database import Moment, after_commit


class Bell:
    """Rung once a change stands, so that the worker of this process looks at once."""

    def __init__(self) -> None:
        self.is_heard = False  # set by the worker, while there is anything to ring for
        self._rung = threading.Event()

    def ring_after_commit(self) -> None:
        if self.is_heard:
            after_commit(self._rung.set)

    def ring(self) -> None:
        self._rung.set()

    def wait(self, seconds: float) -> None:
        self._rung.wait(seconds)
        self._rung.clear()


bell = Bell()


def lease_columns() -> tuple[Column[Any], ...]:
    """Who works on the row, and until when it is theirs; see taskapi/jobs/queue.py."""
    return (
        Column("claimed_at", Moment),
        Column("leased_by", String(40)),
        Column("leased_until", Moment),
    )
