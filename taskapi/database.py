"""How statements reach the database: built once, run on the driver's own cursor.

Tables are declared with Flask-SQLAlchemy and statements are SQLAlchemy's, but each is compiled
a single time and its rows come back as named tuples: no unit of work, no entity, no round trip
for BEGIN and ROLLBACK around a read. What changes several rows runs inside `transaction()`.
"""

import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import BigInteger, ClauseElement, DateTime, Integer, Select, Text, event, exc
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import PoolProxiedConnection

from taskapi.config import Settings
from taskapi.errors import Unavailable
from taskapi.extensions import db
from taskapi.moments import canonical

# 64 bit on Postgres; on SQLite the name INTEGER is what makes a column the row's id.
Id = BigInteger().with_variant(Integer, "sqlite")
# Both databases give and take times as the API writes them: see taskapi.moments.
Moment = DateTime(timezone=True).with_variant(Text, "sqlite")

Row = Any  # a named tuple of the statement's columns

LOCK_SECONDS = 5

# Called with each statement before it runs; tests count with it.
on_statement: list[Callable[[str], None]] = []


class _Current(threading.local):
    connection: PoolProxiedConnection | None = None
    after_commit: list[Callable[[], None]]


_current = _Current()
# SQLite has one writer: queueing for it here is fair and wakes at once, where its own busy
# handler sleeps and retries.
_sqlite_writer = threading.RLock()


class LockTimeout(Unavailable):
    """Somebody else held what was needed for too long."""


class _Compiled(NamedTuple):
    sql: str
    constants: dict[str, Any]
    as_row: Callable[[Any], Row] | None


class Query:
    """A statement with named parameters, compiled once for each kind of database."""

    def __init__(self, statement: ClauseElement):
        self._statement = statement
        self._by_dialect: dict[str, _Compiled] = {}
        self._is_read = isinstance(statement, Select) and statement._for_update_arg is None

    def all(self, /, **values: Any) -> list[Row]:
        rows: list[Row] = self._run(
            values, lambda cursor, as_row: [as_row(row) for row in cursor.fetchall()]
        )
        return rows

    def first(self, /, **values: Any) -> Row | None:
        def fetch(cursor: Any, as_row: Callable[[Any], Row]) -> Row | None:
            row = cursor.fetchone()
            return None if row is None else as_row(row)

        return self._run(values, fetch)

    def value(self, /, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.first(**values)
        return None if row is None else row[0]

    def run(self, /, **values: Any) -> int:
        """How many rows were changed."""
        count: int = self._run(values, lambda cursor, _: cursor.rowcount)
        return count

    def run_many(self, values: list[dict[str, Any]]) -> None:
        """Once for each of the values; only inside a transaction."""
        assert _current.connection is not None
        sql, constants, _ = self._compiled()
        for listener in on_statement:
            listener(sql)
        cursor = _current.connection.cursor()
        cursor.executemany(sql, [{**constants, **each} for each in values])
        cursor.close()

    def _compiled(self) -> _Compiled:
        name = db.engine.dialect.name
        if name not in self._by_dialect:
            dialect = sqlite.dialect(paramstyle="named") if name == "sqlite" else db.engine.dialect
            compiled = self._statement.compile(dialect=dialect)
            constants = {k: v for k, v in (compiled.params or {}).items() if v is not None}
            columns = getattr(self._statement, "exported_columns", None)
            as_row = None
            if columns is not None and len(columns):
                as_row = namedtuple("Row", columns.keys(), rename=True)._make  # type: ignore[attr-defined]
            self._by_dialect[name] = _Compiled(str(compiled), constants, as_row)
        return self._by_dialect[name]

    def _run(self, values: dict[str, Any], fetch: Callable[[Any, Any], Any]) -> Any:
        sql, constants, as_row = self._compiled()
        values = constants | values
        for listener in on_statement:
            listener(sql)
        if _current.connection is not None:
            with _unavailable_when_away():
                return _execute(_current.connection, sql, values, fetch, as_row)
        for attempt in (1, 2):
            with _unavailable_when_away():
                connection = db.engine.raw_connection()
                try:
                    return _execute(connection, sql, values, fetch, as_row)
                except Exception:
                    # The database may have gone away and come back since the connection was
                    # pooled. A read may simply be asked again.
                    if not (_forget_if_broken(connection) and self._is_read and attempt == 1):
                        raise
                finally:
                    connection.close()
        raise AssertionError("unreachable")


def _execute(
    connection: PoolProxiedConnection,
    sql: str,
    values: dict[str, Any],
    fetch: Callable[[Any, Any], Any],
    as_row: Any,
) -> Any:
    cursor = connection.cursor()
    try:
        cursor.execute(sql, values)
        return fetch(cursor, as_row)
    finally:
        cursor.close()


@contextmanager
def transaction() -> Iterator[None]:
    """All or nothing; one inside another joins it."""
    if _current.connection is not None:
        yield
        return
    with _sqlite_turn() if not is_postgres() else nullcontext():
        # IMMEDIATE takes SQLite's write lock now: a read that turns into a write would fail
        # at once whenever somebody else wrote in between.
        connection = _begin("BEGIN" if is_postgres() else "BEGIN IMMEDIATE")
        _current.connection, _current.after_commit = connection, []
        try:
            yield
            with _unavailable_when_away():
                _statement(connection, "COMMIT")
        except BaseException:
            if not _forget_if_broken(connection):
                _statement(connection, "ROLLBACK")
            raise
        finally:
            _current.connection = None
            connection.close()
    for act in _current.after_commit:
        act()


def after_commit(act: Callable[[], None]) -> None:
    """Do this once the transaction stands; at once where there is none."""
    if _current.connection is None:
        act()
    else:
        _current.after_commit.append(act)


def is_postgres() -> bool:
    return bool(db.engine.dialect.name == "postgresql")


def integrity_error() -> type[Exception]:
    """What the driver raises when a constraint forbids a write."""
    error: type[Exception] = db.engine.dialect.loaded_dbapi.IntegrityError
    return error


@contextmanager
def _sqlite_turn() -> Iterator[None]:
    if not _sqlite_writer.acquire(timeout=LOCK_SECONDS):
        raise LockTimeout("The database is busy; try again.")
    try:
        yield
    finally:
        _sqlite_writer.release()


def _begin(sql: str) -> PoolProxiedConnection:
    for attempt in (1, 2):
        with _unavailable_when_away():
            connection = db.engine.raw_connection()
            try:
                _statement(connection, sql)
                return connection
            except Exception:
                is_stale = _forget_if_broken(connection)
                connection.close()
                if not (is_stale and attempt == 1):
                    raise
    raise AssertionError("unreachable")


def _statement(connection: PoolProxiedConnection, sql: str) -> None:
    cursor = connection.cursor()
    cursor.execute(sql)
    cursor.close()


def _forget_if_broken(connection: PoolProxiedConnection) -> bool:
    """Drop a dead connection and every other of its age; was it dead?"""
    if not is_postgres():
        return False
    driver: Any = connection.driver_connection
    if driver is None or not driver.closed:
        return False
    connection.invalidate()
    db.engine.dispose(close=False)
    return True


@contextmanager
def _unavailable_when_away() -> Iterator[None]:
    dbapi = db.engine.dialect.loaded_dbapi
    try:
        yield
    except dbapi.OperationalError as error:
        # 55P03: a lock was not to be had in time.
        if getattr(error, "sqlstate", None) == "55P03" or "locked" in str(error):
            raise LockTimeout("The database is busy; try again.") from error
        raise Unavailable("The database cannot be reached right now.") from error
    except (
        dbapi.InterfaceError,
        exc.OperationalError,
        exc.InterfaceError,
        exc.TimeoutError,
    ) as error:
        raise Unavailable("The database cannot be reached right now.") from error
    except dbapi.InternalError as error:
        # 25006: a former primary that has become a read-only standby.
        if getattr(error, "sqlstate", None) == "25006":
            raise Unavailable("The database cannot be written right now.") from error
        raise


def engine_options(settings: Settings) -> dict[str, Any]:
    """How Flask-SQLAlchemy is to make the engine."""
    sizes = {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": 5,
        "pool_reset_on_return": None,  # transaction() leaves nothing open
    }
    if settings.uses_sqlite:
        return {**sizes, "connect_args": {"timeout": LOCK_SECONDS, "check_same_thread": False}}
    return {
        **sizes,
        "connect_args": {
            "autocommit": True,
            "connect_timeout": 3,
            "prepare_threshold": 5 if settings.database_prepared else None,
            "application_name": "taskapi",
            "keepalives_idle": 30,
            "tcp_user_timeout": 5000,
        },
    }


def init_app(app: Flask) -> None:
    with app.app_context():
        listener = _prepare_sqlite if db.engine.dialect.name == "sqlite" else _prepare_postgres
        event.listen(db.engine, "connect", listener)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgres(connection: Any, _: Any) -> None:
    from psycopg.types.datetime import TimestamptzLoader
    from psycopg.types.numeric import Int8Dumper

    class MomentLoader(TimestamptzLoader):
        def load(self, data: Any) -> Any:
            return canonical(super().load(data))

    connection.execute("SET TIME ZONE 'UTC'")  # a setting that PgBouncer carries along
    connection.adapters.register_loader("timestamptz", MomentLoader)
    # One size for whole numbers, so that a statement is prepared once and not once per size.
    connection.adapters.register_dumper(int, Int8Dumper)
