"""SQLite: a file, and one who writes at a time."""

import sqlite3
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.dialects import sqlite

from taskapi.drivers import LOCK_SECONDS, Compiled, Connection, Driver, Result, Steps, Values

LOCK_PAUSE = 0.0005


class SqliteDriver(Driver):
    name = "sqlite"
    dialect = sqlite.dialect(paramstyle="named")

    def __init__(self, engine: Engine):
        event.listen(engine, "connect", self._prepare)

    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        if begin:
            # IMMEDIATE takes the write lock now: a read that turns into a write would fail at once
            # whenever somebody else wrote in between.
            self._run(connection, "BEGIN IMMEDIATE")
        results = [self._execute(connection, compiled, values) for compiled, values in steps]
        if commit:
            self._run(connection, "COMMIT")
        return results

    def roll_back(self, connection: Connection) -> None:
        driver: Any = connection.driver_connection
        if driver.in_transaction:  # what fails badly enough has ended it, or never begun
            self._run(connection, "ROLLBACK")

    def is_broken(self, connection: Connection) -> bool:
        return False

    def _execute(self, connection: Connection, compiled: Compiled, values: Values) -> Result:
        cursor = connection.cursor()
        try:
            _patiently(cursor, compiled.sql, compiled.constants | values)
            rows = cursor.fetchall() if cursor.description else ()
            return Result([compiled.as_row(row) for row in rows], cursor.rowcount)
        finally:
            cursor.close()

    def _run(self, connection: Connection, sql: str) -> None:
        cursor = connection.cursor()
        _patiently(cursor, sql)
        cursor.close()

    def _prepare(self, connection: Any, _: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours to say
        for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA busy_timeout = 0")  # see _patiently()


def _patiently(cursor: Any, sql: str, values: Values | tuple[()] = ()) -> None:
    """Wait for another process that writes; SQLite itself would sleep longer and longer."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            cursor.execute(sql, values)
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > end:
                raise
        time.sleep(LOCK_PAUSE)
