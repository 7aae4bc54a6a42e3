"""Direct access to the rows of a test database."""

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class Rows:
    """`rows.value("SELECT count(*) FROM tasks WHERE user_id = :id", id=7)`.

    Each call uses a new connection and transaction. Times are strings as in the API.
    """

    def __init__(self, url: str):
        self.url = url
        self.is_postgres = not url.startswith("sqlite")

    def all(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.connection() as connection:
            return _fetch(connection, self._translate(statement), values)

    def one(self, statement: str, **values: Any) -> dict[str, Any]:
        (row,) = self.all(statement, **values)
        return row

    def value(self, statement: str, **values: Any) -> Any:
        (value,) = self.one(statement, **values).values()
        return value

    def run(self, statement: str, **values: Any) -> int:
        """Run a statement, and return the number of changed rows."""
        with self.connection() as connection:
            changed: int = connection.execute(self._translate(statement), values).rowcount
        return changed

    def insert(self, table: str, rows: Iterable[dict[str, Any]]) -> list[int]:
        """Insert rows, and return their ids in the same order."""
        with self.connection() as connection:
            if not self.is_postgres:
                return [self._insert(connection, table, row).fetchone()["id"] for row in rows]
            with connection.pipeline():  # sends all statements before it reads results
                cursors = [self._insert(connection, table, row) for row in rows]
            return [cursor.fetchone()["id"] for cursor in cursors]

    def _insert(self, connection: Any, table: str, row: dict[str, Any]) -> Any:
        columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id"
        return connection.execute(self._translate(statement), row)

    @contextmanager
    def held(self, statement: str, **values: Any) -> Iterator[None]:
        """Run a statement, and commit it at the end of the block."""
        with self.connection() as connection:
            connection.execute(self._translate(statement), values)
            yield

    def until_blocked(self, count: int = 1) -> None:
        """Wait until this number of connections wait for a lock."""
        if not self.is_postgres:
            time.sleep(0.15)  # SQLite does not show waiting connections
            return
        blocked = "datname = current_database() AND wait_event_type = 'Lock'"
        end = time.monotonic() + 10
        while self.value(f"SELECT count(*) FROM pg_stat_activity WHERE {blocked}") < count:
            assert time.monotonic() < end, "nothing waits for a lock"
            time.sleep(0.02)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Open a transaction, and commit it at the end of the block."""
        if self.is_postgres:
            with psycopg.connect(self.url, row_factory=dict_row) as postgres:
                postgres.execute("SET TIME ZONE 'UTC'")
                yield postgres
            return
        path = self.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as sqlite:
            sqlite.row_factory = sqlite3.Row
            sqlite.execute("PRAGMA foreign_keys = ON")
            sqlite.execute("BEGIN IMMEDIATE")
            try:
                yield sqlite
            except BaseException:
                sqlite.execute("ROLLBACK")
                raise
            sqlite.execute("COMMIT")

    def _translate(self, statement: str) -> Any:
        """Replace the parameters `:name` by `%(name)s` for psycopg."""
        if not self.is_postgres:
            return statement
        return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%")).encode()


def _fetch(connection: Any, statement: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    cursor = connection.execute(statement, values)
    if cursor.description is None:
        return []
    return [
        {name: canonical(v) if isinstance(v, datetime) else v for name, v in dict(row).items()}
        for row in cursor.fetchall()
    ]


def canonical(moment: datetime) -> str:
    """Format a time as the API does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> str:
    return canonical(datetime.now(UTC))


def ago(**delta: float) -> str:
    return canonical(datetime.now(UTC) - timedelta(**delta))


def from_now(**delta: float) -> str:
    return canonical(datetime.now(UTC) + timedelta(**delta))
