"""The database: column types, transactions and errors.

All access uses `db.session`. Reads run in AUTOCOMMIT, changes in `transaction()`. Most code uses
entities; tasks, events and the lookup of the caller use statements of `taskapi.statement`.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import orjson
import psycopg
from flask import Flask
from psycopg import errors as pg
from psycopg.adapt import Loader
from sqlalchemy import (
    BigInteger,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    delete,
    event,
    exc,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert  # SQLite's ON CONFLICT is the same
from sqlalchemy.orm import Session as DatabaseSession

from taskapi.config import Settings
from taskapi.errors import Unavailable
from taskapi.extensions import db

LOCK_SECONDS = 5  # that a writer waits for another one
Row = Any  # a named tuple of a statement's columns

# --- column types -------------------------------------------------------------------------------

# 64 bit on PostgreSQL; on SQLite only an INTEGER primary key is the row id.
Id = BigInteger().with_variant(Integer, "sqlite")
# Sorted by code point on every database.
CaseFolded = Text().with_variant(Text(collation="C"), "postgresql")


def partial(condition: str, sqlite: str | None = None) -> dict[str, Any]:
    """Return the arguments of a partial index."""
    return {"postgresql_where": text(condition), "sqlite_where": text(sqlite or condition)}


class Timestamp(TypeDecorator[str]):
    """A time as the API writes it: RFC 3339, UTC, microseconds, `Z`.

    Both drivers read and write this text, so no conversion is needed.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return Text() if dialect.name == "sqlite" else DateTime(timezone=True)


class Choice(TypeDecorator[str]):
    """An enumeration, stored as the position of the value, so that it sorts by meaning."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, words: tuple[str, ...]):
        super().__init__()
        self.words = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else self.words.index(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words[value]


class Names(TypeDecorator[list[str]]):
    """A list of names without commas, joined by commas."""

    impl = Text
    cache_ok = True

    def __init__(self, max_length: int | None = None):
        super().__init__()
        self.max_length = max_length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return String(self.max_length) if self.max_length else Text()

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        return None if value is None else ",".join(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str] | None:
        return None if value is None else value.split(",") if value else []


class Json(TypeDecorator[Any]):
    """JSON as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


class TimestampLoader(Loader):
    """Load `2026-12-01 09:00:00.5+00` from PostgreSQL as the API writes it."""

    def load(self, data: Any) -> str:
        return _load_timestamp(bytes(data))


@lru_cache(maxsize=4096)  # the rows of a list share many values
def _load_timestamp(data: bytes) -> str:
    found = data.decode()
    time = found[11:-3]
    return f"{found[:10]}T{time.ljust(15, '0') if len(time) > 8 else time + '.000000'}Z"


def canonical(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> str:
    return canonical(datetime.now(UTC))


def from_now(**delta: float) -> str:
    return canonical(datetime.now(UTC) + timedelta(**delta))


def ago(**delta: float) -> str:
    return canonical(datetime.now(UTC) - timedelta(**delta))


def seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


# --- errors -------------------------------------------------------------------------------------

DATABASE_ERRORS = (exc.DBAPIError, exc.TimeoutError, psycopg.Error, sqlite3.Error)
INTEGRITY_ERRORS = (exc.IntegrityError, psycopg.IntegrityError, sqlite3.IntegrityError)
LOCK_ERRORS = (pg.LockNotAvailable, pg.DeadlockDetected)
_CONNECTION_ERRORS = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.ReadOnlySqlTransaction,  # a former primary whose connections are still open
    sqlite3.OperationalError,
    exc.TimeoutError,
)


def cause_of(error: BaseException) -> BaseException:
    """Return the error of the driver, which SQLAlchemy wraps."""
    return error.orig or error if isinstance(error, exc.DBAPIError) else error


def is_lock_timeout(error: BaseException) -> bool:
    cause = cause_of(error)
    is_busy = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return is_busy or isinstance(cause, (*LOCK_ERRORS, WriterTimeout))


def lacks_migrations(error: BaseException) -> bool:
    cause = cause_of(error)
    is_missing = str(cause).startswith(("no such table", "no such column"))
    return isinstance(cause, (pg.UndefinedTable, pg.UndefinedColumn)) or is_missing


def as_unavailable(error: Exception) -> Unavailable | None:
    """Return a 503 for a temporary error of the database, None for others."""
    cause = cause_of(error)
    if isinstance(cause, pg.QueryCanceled):
        return Unavailable("The request took too long and was cancelled.")
    if is_lock_timeout(cause):
        return Unavailable("The database is busy. Try again.")
    if isinstance(cause, _CONNECTION_ERRORS):
        return Unavailable("The database is unavailable. Try again.")
    return None


class WriterTimeout(Unavailable):
    """Another thread of this process held the SQLite write lock for too long."""


# --- transactions -------------------------------------------------------------------------------

# SQLite has one writer. Threads wait for this lock, because SQLite's busy handler is slower.
_sqlite_writer = threading.RLock()


@contextmanager
def transaction() -> Iterator[None]:
    """Commit all changes of the block or none; a nested block joins the outer one."""
    session = db.session()
    if session.info.get("in_transaction"):
        yield
        return
    on_sqlite = is_sqlite()
    with _sqlite_write_lock() if on_sqlite else nullcontext():
        begin = "BEGIN IMMEDIATE" if on_sqlite else "BEGIN"
        try:
            # The engine is in AUTOCOMMIT, so this begins a transaction on the session's connection,
            # even if the session has read before.
            execute_raw(session, begin, {}, may_retry=True)
            session.info["in_transaction"] = True
            yield
            session.commit()
        except Exception:
            session.rollback()
            raise
        except BaseException:
            # Ctrl-C can interrupt a command of the driver, which makes the connection unusable.
            session.invalidate()
            raise
        finally:
            session.info.pop("in_transaction", None)


def allow_seconds(seconds: int) -> None:
    """Let the statements of this transaction take longer than DATABASE_STATEMENT_TIMEOUT."""
    if not is_sqlite():
        for name in ("statement_timeout", "lock_timeout"):
            db.session.execute(text(f"SET LOCAL {name} = '{seconds}s'"))


def wait_for_locks(seconds: int) -> None:
    """Set how long the following statements of this transaction wait for a lock."""
    if not is_sqlite():
        db.session.execute(text(f"SET LOCAL lock_timeout = '{seconds}s'"))


def affected_rows(statement: Any) -> int:
    """Execute an UPDATE or DELETE and return the number of affected rows."""
    return cast(CursorResult[Any], db.session.execute(statement)).rowcount


def delete_in_batches(model: type[Any], *conditions: Any) -> int:
    """Delete the rows of a large table, each batch in its own transaction."""
    batch = select(model.id).where(*conditions).limit(1000)
    deleted = 0
    while True:
        with transaction():
            count = affected_rows(delete(model).where(model.id.in_(batch)))
        deleted += count
        if not count:
            return deleted


def upsert(model: type[Any], **values: Any) -> None:
    """Insert a row, or replace the one with the same primary key."""
    table = model.__table__
    keys = [column.name for column in table.primary_key]
    new = insert(table).values(values)
    changed = {name: new.excluded[name] for name in values if name not in keys}
    db.session.execute(new.on_conflict_do_update(index_elements=keys, set_=changed))


def is_sqlite() -> bool:
    return bool(db.engine.dialect.name == "sqlite")


@contextmanager
def _sqlite_write_lock() -> Iterator[None]:
    if not _sqlite_writer.acquire(timeout=LOCK_SECONDS):
        raise WriterTimeout("The database is busy. Try again.")
    try:
        yield
    finally:
        _sqlite_writer.release()


def _refuse_flush(session: DatabaseSession, *_: Any) -> None:
    if not session.info.get("in_transaction"):
        raise RuntimeError("Use transaction(): a flush in AUTOCOMMIT cannot be rolled back.")


def driver_cursor(session: DatabaseSession) -> tuple[Connection, Any]:
    """The session's connection and a cursor of the driver on it, kept while both are good."""
    found: tuple[Connection, Any] | None = session.info.get("cursor")
    if found is None or found[0].closed:
        connection = session.connection()
        driver: Any = connection.connection.driver_connection
        found = session.info["cursor"] = connection, driver.cursor()
    return found


def execute_raw(session: DatabaseSession, sql: str, values: dict[str, Any], may_retry: bool) -> Any:
    connection, cursor = driver_cursor(session)
    try:
        return cursor.execute(sql, values)
    except (psycopg.OperationalError, pg.ReadOnlySqlTransaction) as error:
        has_moved = isinstance(error, pg.ReadOnlySqlTransaction)
        if not (cursor.connection.closed or has_moved):
            raise
        # The database was restarted or failed over: all pooled connections are unusable.
        connection.invalidate()
        session.close()
        db.engine.dispose(close=False)
        if not may_retry:
            raise
    return execute_raw(session, sql, values, may_retry=False)


# --- the engine ---------------------------------------------------------------------------------


def engine_options(settings: Settings) -> dict[str, Any]:
    options = {
        "isolation_level": "AUTOCOMMIT",
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": 4,
    }
    if settings.uses_sqlite:
        return {**options, "paramstyle": "named", "connect_args": {"timeout": LOCK_SECONDS}}
    return {
        **options,
        "connect_args": {
            "connect_timeout": 3,
            "prepare_threshold": 5 if settings.database_prepared else None,
            "application_name": "taskapi",
            "keepalives_idle": 30,
            "tcp_user_timeout": 5000,
        },
    }


def init_app(app: Flask, settings: Settings) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    prepare = _prepare_sqlite if settings.uses_sqlite else _prepare_postgres(settings)
    with app.app_context():
        event.listen(db.engine, "connect", prepare)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgres(settings: Settings) -> Callable[[Any, Any], None]:
    setup = "SET TIME ZONE 'UTC'"  # PgBouncer preserves it
    if settings.database_prepared:
        # Behind PgBouncer these would affect the connections of other clients; use ALTER ROLE
        # there (docs/scaling.md).
        setup += f"; SET statement_timeout = '{settings.database_statement_timeout}s'"
        setup += f"; SET lock_timeout = '{LOCK_SECONDS - 1}s'"

    def prepare(connection: Any, _: Any) -> None:
        connection.adapters.register_loader("timestamptz", TimestampLoader)
        connection.execute(setup)

    return prepare


event.listen(db.session, "before_flush", _refuse_flush)
