"""A connection on loan, its transaction, and the statements that wait to be sent together."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import has_request_context
from sqlalchemy import exc
from sqlalchemy.pool import PoolProxiedConnection

from taskapi.config import Settings
from taskapi.drivers import Compiled, Result, Values, driver_for
from taskapi.errors import Unavailable
from taskapi.watch import Watch

PATIENCE = 4.0  # seconds that a web request waits for one answer of the database
PAUSE = 1.0  # seconds before a database that said nothing is asked again


class LockTimeout(Unavailable):
    """Somebody else held what was needed for too long."""


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


class Lease:
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

    def defer(self, compiled: Compiled, values: Values, *, is_read: bool) -> "Later":
        """Let the statement wait for company."""
        later = Later(self, compiled, values, is_read)
        self._waiting.append(later)
        return later

    def begin(self) -> None:
        """The database hears of it along with the first statement."""
        self.is_in_transaction, self._has_begun = True, False
        self.after_commit = []

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

    def __init__(self, lease: Lease, compiled: Compiled, values: Values, is_read: bool):
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
    def row(self) -> Any:
        return self.send().rows[0]
