"""How statements reach the database: compiled once, sent without a detour.

Tables are declared with Flask-SQLAlchemy and statements are SQLAlchemy's, but each is compiled
a single time and its rows come back as named tuples: no unit of work, no entity, no round trip
for BEGIN and ROLLBACK around a read. What changes several rows runs inside `transaction()`.
How either kind of database is spoken to stands in taskapi/drivers.py.
"""

import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from flask import Flask, current_app, g, has_request_context
from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    exc,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import PoolProxiedConnection

from taskapi.config import Settings
from taskapi.drivers import Compiled, Driver, Result, Values, driver_for
from taskapi.errors import Unavailable
from taskapi.extensions import db
from taskapi.watch import Watch

# 64 bit on Postgres; on SQLite the name INTEGER is what makes a column the row's id.
Id = BigInteger().with_variant(Integer, "sqlite")
# Both databases give and take times as the API writes them: see taskapi.moments.
Moment = DateTime(timezone=True).with_variant(Text, "sqlite")

Row = Any  # a named tuple of the statement's columns

LOCK_SECONDS = 5
PATIENCE = 4.0  # seconds that a web request waits for one answer of the database
PAUSE = 1.0  # seconds before a database that said nothing is asked again

# Called with each statement before it runs; tests count with it.
on_statement: list[Callable[[str], None]] = []

# SQLite has one writer: queueing for it here is fair and wakes at once, where its own busy
# handler sleeps and retries.
_sqlite_writer = threading.RLock()


class LockTimeout(Unavailable):
    """Somebody else held what was needed for too long."""


class Query:
    """A statement with named parameters, compiled once for each kind of database."""

    def __init__(self, statement: ClauseElement):
        self.statement = statement
        self.is_read = isinstance(statement, Select) and statement._for_update_arg is None
        self._compiled: dict[str, Compiled] = {}

    def all(self, /, **values: Any) -> list[Row]:
        return _lease().execute(self, values).rows

    def first(self, /, **values: Any) -> Row | None:
        rows = _lease().execute(self, values).rows
        return rows[0] if rows else None

    def value(self, /, **values: Any) -> Any:
        """The first column of the first row, or None."""
        rows = _lease().execute(self, values).rows
        return rows[0][0] if rows else None

    def run(self, /, **values: Any) -> int:
        """How many rows were changed."""
        return _lease().execute(self, values).changed

    def later(self, /, **values: Any) -> "Later":
        """In a transaction: nobody waits for its answer yet, so it travels with what follows."""
        lease = _lease()
        later = lease.defer(self, values)
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


class Database:
    """An application's engine and how to speak to it."""

    def __init__(self, engine: Any, settings: Settings):
        self.engine = engine
        self.driver = driver_for(engine, settings)
        dbapi: Any = engine.dialect.loaded_dbapi
        self.integrity_error: type[Exception] = dbapi.IntegrityError
        self._operational: type[Exception] = dbapi.OperationalError
        self._away = (dbapi.InterfaceError, exc.DBAPIError, exc.TimeoutError)
        self._internal: type[Exception] = dbapi.InternalError
        self.watch = Watch()
        self.away_until = 0.0

    def is_read_only(self, error: Exception) -> bool:
        """A former primary that has become a standby: its connections live, and are of no use."""
        return isinstance(error, self._internal) and getattr(error, "sqlstate", None) == "25006"

    def translated(self, error: Exception) -> Exception:
        """Unavailable for what is the database's fault and passes, else the error itself."""
        state = getattr(error, "sqlstate", None)
        if isinstance(error, self._operational):
            # 55P03: a lock was not to be had in time.
            if state == "55P03" or "locked" in str(error):
                return LockTimeout("The database is busy; try again.")
            return Unavailable("The database cannot be reached right now.")
        if isinstance(error, self._away) or self.is_read_only(error):
            return Unavailable("The database cannot be reached right now.")
        return error


class _Lease:
    """A pooled connection, held for as long as the application context, and its transaction."""

    def __init__(self, database: Database):
        self.database = database
        self.driver = database.driver
        self.connection: PoolProxiedConnection | None = None
        self.is_in_transaction = False
        self.after_commit: list[Callable[[], None]] = []
        self.patience = PATIENCE
        # What a command or a worker does may take as long as it takes.
        self._is_watched = self.driver.name == "postgresql" and has_request_context()
        self._has_begun = False
        self._waiting: list[Later] = []

    def execute(self, query: Query, values: dict[str, Any]) -> Result:
        """Send the statement now, and what waits before it along with it."""
        return self.defer(query, values).send()

    def defer(self, query: Query, values: dict[str, Any]) -> "Later":
        compiled = query.compiled(self.driver)
        for listener in on_statement:
            listener(compiled.sql)
        later = Later(self, compiled, values, query.is_read)
        self._waiting.append(later)
        return later

    def begin(self) -> None:
        self.is_in_transaction, self._has_begun = True, False
        self.after_commit = []
        if not self.driver.begins_lazily:
            try:
                self.driver.begin(self._connected())
            except Exception as error:
                self.end()
                raise self.database.translated(error) from error
            self._has_begun = True

    def commit(self) -> None:
        if self._has_begun or self._waiting:
            self.flush(commit=True)

    def flush(self, *, commit: bool = False) -> None:
        """Send what waits, in one round trip."""
        waiting, self._waiting = self._waiting, []
        begin = self.is_in_transaction and not self._has_begun
        # A first statement that fails has begun a transaction all the same.
        self._has_begun = self.is_in_transaction
        # What only reads may be asked again on a fresh connection, and so may the beginning of a
        # transaction: with its connection it was undone.
        may_repeat = begin and not commit
        if not self.is_in_transaction:
            may_repeat = all(later.is_read for later in waiting)
        steps = [(later.compiled, later.values) for later in waiting]
        results = self._send(steps, begin, commit, may_repeat)
        for later, result in zip(waiting, results, strict=True):
            later.result = result

    def roll_back(self) -> None:
        if self.connection is not None and self._has_begun:
            try:
                with self._watched(self.connection):
                    self.driver.roll_back(self.connection)
            except Exception:  # it is dead, and its transaction with it
                self.forget()

    def end(self) -> None:
        self.is_in_transaction = self._has_begun = False
        self._waiting = []

    def release(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def forget(self) -> None:
        """Drop a broken connection, and every pooled one of its age."""
        if self.connection is not None:
            self.connection.invalidate()
            self.connection = None
        self.database.engine.dispose(close=False)

    def _connected(self) -> PoolProxiedConnection:
        if self.connection is None:
            if time.monotonic() < self.database.away_until:
                raise Unavailable("The database cannot be reached right now.")
            self.connection = self.database.engine.raw_connection()
        return self.connection

    def _send(
        self, steps: list[tuple[Compiled, Values]], begin: bool, commit: bool, may_repeat: bool
    ) -> list[Result]:
        while True:
            started = time.monotonic()
            try:
                connection = self._connected()
                with self._watched(connection):
                    return self.driver.run(connection, steps, begin=begin, commit=commit)
            except Exception as error:
                is_broken = self.connection is not None and (
                    self.driver.is_broken(self.connection) or self.database.is_read_only(error)
                )
                if is_broken:
                    self.forget()
                # A stale connection is found at once; what said nothing is not asked again.
                said_nothing = time.monotonic() - started > PAUSE
                if said_nothing and self.connection is None:
                    self.database.away_until = time.monotonic() + PAUSE
                if not (is_broken and may_repeat) or said_nothing:
                    raise self.database.translated(error) from error
                may_repeat = False

    @contextmanager
    def _watched(self, connection: PoolProxiedConnection) -> Iterator[None]:
        """The watch breaks the connection off if the database says nothing for too long."""
        if not self._is_watched:
            yield
            return
        driver: Any = connection.driver_connection
        self.database.watch.begin(self, self.patience, driver.fileno)
        try:
            yield
        finally:
            self.database.watch.end(self)


class Later:
    """A statement that waits for company: the next one, or the transaction's COMMIT."""

    def __init__(self, lease: _Lease, compiled: Compiled, values: Values, is_read: bool):
        self._lease = lease
        self.compiled = compiled
        self.values = values
        self.is_read = is_read
        self.result: Result | None = None

    def send(self) -> Result:
        """Its answer, for which it is sent if it was not yet."""
        if self.result is None:
            self._lease.flush()
        assert self.result is not None
        return self.result

    @property
    def row(self) -> Row:
        return self.send().rows[0]


def _lease() -> _Lease:
    lease: _Lease | None = g.get("database_lease")
    if lease is None:
        lease = g.database_lease = _Lease(current_app.extensions["database"])
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
            "prepare_threshold": None,  # taskapi/drivers.py prepares
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
    lease: _Lease | None = g.pop("database_lease", None)
    if lease is not None:
        lease.release()
