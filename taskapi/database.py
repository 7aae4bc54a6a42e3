"""How statements reach the database: compiled once, sent without a detour.

Tables are declared with Flask-SQLAlchemy and statements are SQLAlchemy's, but each is compiled
a single time and its rows come back as named tuples: no unit of work, no entity, no round trip
for BEGIN and ROLLBACK around a read. What changes several rows runs inside `transaction()`.
How either kind of database is spoken to stands in taskapi/drivers.
"""

import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from flask import Flask, current_app, g
from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
)
from sqlalchemy.ext.compiler import compiles

from taskapi.config import Settings
from taskapi.drivers import LOCK_SECONDS, Compiled, Driver
from taskapi.extensions import db
from taskapi.lease import PATIENCE, Database, Later, Lease, LockTimeout

# 64 bit on Postgres; on SQLite the name INTEGER is what makes a column the row's id.
Id = BigInteger().with_variant(Integer, "sqlite")
# Both databases give and take times as the API writes them: see taskapi.moments.
Moment = DateTime(timezone=True).with_variant(Text, "sqlite")

Row = Any  # a named tuple of the statement's columns

# Called with each statement before it runs; tests count with it.
on_statement: list[Callable[[str], None]] = []

# SQLite has one writer: queueing for it here is fair and wakes at once, where its own busy
# handler sleeps and retries.
_sqlite_writer = threading.RLock()


class Query:
    """A statement with named parameters, compiled once for each kind of database."""

    def __init__(self, statement: ClauseElement):
        self.statement = statement
        self.is_read = isinstance(statement, Select) and statement._for_update_arg is None
        self._compiled: dict[str, Compiled] = {}

    def all(self, /, **values: Any) -> list[Row]:
        return self.later(**values).send().rows

    def first(self, /, **values: Any) -> Row | None:
        rows = self.later(**values).send().rows
        return rows[0] if rows else None

    def value(self, /, **values: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.later(**values).send().rows
        return rows[0][0] if rows else None

    def run(self, /, **values: Any) -> int:
        """How many rows were changed."""
        return self.later(**values).send().changed

    def later(self, /, **values: Any) -> Later:
        """In a transaction: nobody waits for its answer yet, so it travels with what follows."""
        lease = _lease()
        compiled = self.compiled(lease.driver)
        for listener in on_statement:
            listener(compiled.sql)
        later = lease.defer(compiled, values, is_read=self.is_read)
        if not lease.is_in_transaction:
            lease.flush()
        return later

    def compiled(self, driver: Driver) -> Compiled:
        found = self._compiled.get(driver.name)
        if found is None:
            columns = getattr(self.statement, "exported_columns", None)
            names = columns.keys() if columns is not None else []
            as_row = namedtuple("Row", names, rename=True)._make if names else tuple  # type: ignore[attr-defined]
            found = self._compiled[driver.name] = driver.compile(self.statement, as_row)
        return found


class last_id(ColumnElement[int]):
    """The id that this connection gave last, to a row of this table."""

    inherit_cache = False
    type = Id

    def __init__(self, table: str):
        self.table = table


@compiles(last_id, "sqlite")
def _on_sqlite(*_: Any, **__: Any) -> str:
    return "last_insert_rowid()"  # whichever table it was


@compiles(last_id, "postgresql")
def _on_postgres(element: last_id, *_: Any, **__: Any) -> str:
    return f"currval('{element.table}_id_seq')"


def _lease() -> Lease:
    lease: Lease | None = g.get("database_lease")
    if lease is None:
        lease = g.database_lease = Lease(current_app.extensions["database"])
    return lease


@contextmanager
def transaction() -> Iterator[None]:
    """All or nothing; one inside another joins it."""
    lease = _lease()
    if lease.is_in_transaction:
        yield
        return
    with _sqlite_turn() if not is_postgres() else nullcontext():
        lease.begin()
        try:
            yield
            lease.commit()
        except BaseException:
            lease.roll_back()
            raise
        finally:
            lease.end()
    for act in lease.after_commit:
        act()


def expect_wait(seconds: float) -> None:
    """What follows may wait for others that long, without anything being wrong."""
    _lease().patience = PATIENCE + seconds


def after_commit(act: Callable[[], None]) -> None:
    """Do this once the transaction stands; at once where there is none."""
    lease = _lease()
    if lease.is_in_transaction:
        lease.after_commit.append(act)
    else:
        act()


def is_postgres() -> bool:
    return _lease().driver.name == "postgresql"


def integrity_error() -> type[Exception]:
    """What the driver raises when a constraint forbids a write."""
    return _lease().database.integrity_error


@contextmanager
def _sqlite_turn() -> Iterator[None]:
    if not _sqlite_writer.acquire(timeout=LOCK_SECONDS):
        raise LockTimeout("The database is busy; try again.")
    try:
        yield
    finally:
        _sqlite_writer.release()


def engine_options(settings: Settings) -> dict[str, Any]:
    """How Flask-SQLAlchemy is to make the engine."""
    sizes = {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": 4,
        "pool_reset_on_return": None,  # transaction() leaves nothing open
    }
    if settings.uses_sqlite:
        return {**sizes, "connect_args": {"timeout": LOCK_SECONDS, "check_same_thread": False}}
    return {
        **sizes,
        "connect_args": {
            "autocommit": True,
            "connect_timeout": 3,
            "prepare_threshold": None,  # taskapi/drivers prepares
            "application_name": "taskapi",
            "keepalives_idle": 30,
            "tcp_user_timeout": 5000,
        },
    }


def init_app(app: Flask, settings: Settings) -> None:
    with app.app_context():
        app.extensions["database"] = Database(db.engine, settings)
    app.teardown_appcontext(_release)


def _release(_: BaseException | None) -> None:
    lease: Lease | None = g.pop("database_lease", None)
    if lease is not None:
        lease.release()
