"""The queue: rows of our own tables that wait for a worker.

A row is written in the transaction of the change that asks for the work, so that neither is lost
without the other. A worker claims a row for some seconds, and renews this lease for as long as it
works. One that dies stops renewing, and another takes over; what it does may therefore be done
twice, and is written so that this does no harm.

On Postgres any number of workers claim at once, as each skips what another has locked. SQLite
has one writer at a time, who sees in the UPDATE's condition whether somebody was faster.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, Table, bindparam, null, or_, select, update

from taskapi.database import Moment, Query, Row, transaction
from taskapi.errors import Unavailable
from taskapi.moments import from_now, now

LEASE_SECONDS = 20
BEAT_SECONDS = 5  # between two renewals

_now: Any = bindparam("now", type_=Moment)


class Queue:
    """A table with an id and `lease_columns()`; `is_due` says which of its rows want work."""

    def __init__(
        self,
        table: Table,
        is_due: Callable[[Any], ColumnElement[bool]],
        order_by: Callable[[Any], tuple[Any, ...]],
    ):
        self.table = table
        each = table.alias("each")
        is_free = or_(each.c.leased_until.is_(None), each.c.leased_until < _now)
        next_one = select(each.c.id).where(is_due(each), is_free).order_by(*order_by(each)).limit(1)
        is_ours = table.c.leased_by == bindparam("worker")
        lease: dict[str, Any] = {
            "leased_by": bindparam("worker"),
            "leased_until": bindparam("until"),
        }
        self._look = Query(next_one)
        self._claim = Query(
            update(table)
            .where(
                table.c.id == next_one.with_for_update(skip_locked=True, of=each).scalar_subquery()
            )
            .values(claimed_at=_now, **lease)
            .returning(table)
        )
        self._renew = Query(update(table).where(is_ours).values(leased_until=bindparam("until")))
        self._release = Query(
            update(table)
            .where(is_ours, table.c.id == bindparam("id"))
            .values(leased_by=null(), leased_until=null())
        )

    def claim(self, worker: str) -> Row | None:
        """The row that is next, held for this worker alone; None if nothing waits."""
        moment = now()
        if self._look.first(now=moment) is None:
            return None  # looking needs no lock
        with transaction():
            return self._claim.first(now=moment, worker=worker, until=lease_end())

    def renew(self, worker: str) -> None:
        """Go on holding all that the worker holds."""
        self._renew.run(worker=worker, until=lease_end())

    @contextmanager
    def held(self, app: Flask, worker: str) -> Iterator[None]:
        """Go on holding it for as long as the block runs, and this process lives."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(BEAT_SECONDS):
                # The database may be away for a moment, or, SQLite, locked by the block itself:
                # then nobody else can claim anything either.
                with suppress(Unavailable), app.app_context():
                    self.renew(worker)

        beating = threading.Thread(target=beat, name="beat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            is_over.set()
            beating.join()

    def release(self, row_id: int, worker: str) -> None:
        """Let go of a row, so that whoever comes next may claim it."""
        self._release.run(id=row_id, worker=worker)


def lease_end() -> str:
    return from_now(seconds=LEASE_SECONDS)
