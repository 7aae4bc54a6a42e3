"""How each kind of database is spoken to, below SQLAlchemy's pool and dialects.

A web request sends two to four statements, so what surrounds each of them counts: on Postgres a
prepared statement goes straight to libpq, and BEGIN and COMMIT travel with their neighbours.
"""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import PoolProxiedConnection

from taskapi.config import Settings

Connection = PoolProxiedConnection
Values = dict[str, Any]

LOCK_SECONDS = 5
LOCK_PAUSE = 0.0005
SQLITE_BUSY = 5
PREPARED_AT_MOST = 200  # statements, per connection


class Compiled(NamedTuple):
    """A statement's text, what is fixed in it, and how its rows are made."""

    sql: str
    name: bytes
    names: tuple[str, ...]  # of the parameters, in the order of their numbers
    constants: dict[str, Any]
    as_row: Callable[[Sequence[Any]], Any]


class Result(NamedTuple):
    rows: list[Any]
    changed: int


Steps = Sequence[tuple[Compiled, Values]]


class Driver(ABC):
    """What differs between the databases."""

    name: str
    dialect: Any
    begins_lazily: bool  # the transaction begins along with its first statement

    @abstractmethod
    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        """Run the statements in their order, in as few round trips as can be."""

    @abstractmethod
    def begin(self, connection: Connection) -> None: ...

    @abstractmethod
    def roll_back(self, connection: Connection) -> None: ...

    @abstractmethod
    def is_broken(self, connection: Connection) -> bool: ...

    def compile(self, statement: ClauseElement, as_row: Callable[[Any], Any]) -> Compiled:
        compiled: Any = statement.compile(dialect=self.dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        sql = str(compiled)
        name = b"taskapi_" + hashlib.sha256(sql.encode()).hexdigest()[:20].encode()
        return Compiled(sql, name, tuple(compiled.positiontup or ()), constants, as_row)


class SqliteDriver(Driver):
    name = "sqlite"
    begins_lazily = False
    dialect = sqlite.dialect(paramstyle="named")

    def __init__(self, engine: Engine):
        event.listen(engine, "connect", self._prepare)

    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        results = [self._execute(connection, compiled, values) for compiled, values in steps]
        if commit:
            self._run(connection, "COMMIT")
        return results

    def begin(self, connection: Connection) -> None:
        # IMMEDIATE takes the write lock now: a read that turns into a write would fail at once
        # whenever somebody else wrote in between.
        self._run(connection, "BEGIN IMMEDIATE")

    def roll_back(self, connection: Connection) -> None:
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
        except Exception as error:  # sqlite3's; not imported where Postgres is used
            is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_BUSY
            if not is_busy or time.monotonic() > end:
                raise
        time.sleep(LOCK_PAUSE)


class PostgresDriver(Driver):
    name = "postgresql"
    begins_lazily = True

    def __init__(self, engine: Engine, *, keeps_prepared: bool):
        # Imported only where it is used, like all that only one of the databases needs.
        from psycopg import OperationalError, errors, pq, waiting
        from psycopg.adapt import Loader, Transformer
        from sqlalchemy.dialects.postgresql.psycopg import dialect

        class MomentLoader(Loader):
            """`2026-12-01 09:00:00.5+00` as the API writes it."""

            def load(self, data: Any) -> str:
                return _moment(bytes(data))

        make_dialect: Any = dialect
        self.dialect = make_dialect(paramstyle="numeric_dollar")
        self._keeps_prepared = keeps_prepared
        self._loader = MomentLoader
        self._transformer = Transformer
        self._error_from: Callable[[Any], Exception] = errors.error_from_result
        self._has_rows = pq.ExecStatus.TUPLES_OK
        self._is_done = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}
        self._is_sync = pq.ExecStatus.PIPELINE_SYNC
        self._is_well = pq.ConnStatus.OK
        self._lost: Callable[[str], Exception] = OperationalError
        self._wait = waiting.wait
        event.listen(engine, "connect", self._prepare)

    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        # What is sent together, up to its end, is one transaction without being told so.
        begin, commit = begin and not commit, commit and not begin
        if len(steps) == 1 and not begin and not commit:
            ((compiled, values),) = steps
            libpq: Any = connection.driver_connection.pgconn  # type: ignore[union-attr]
            statement, is_prepared = self._statement(connection, compiled)
            send = libpq.exec_prepared if is_prepared else libpq.exec_params
            answer = send(statement, _parameters(compiled, values))
            return [self._result(connection, compiled, answer)]
        answers = self._pipelined(connection, steps, begin, commit)
        return [
            self._result(connection, compiled, answer)
            for (compiled, _), answer in zip(steps, answers, strict=True)
        ]

    def begin(self, connection: Connection) -> None:
        self._pipelined(connection, [], begin=True)

    def roll_back(self, connection: Connection) -> None:
        libpq: Any = connection.driver_connection.pgconn  # type: ignore[union-attr]
        answer = libpq.exec_(b"ROLLBACK")
        if answer.status not in self._is_done:
            raise self._error_from(answer)

    def is_broken(self, connection: Connection) -> bool:
        driver: Any = connection.driver_connection
        return driver is None or bool(driver.closed)

    def _statement(self, connection: Connection, compiled: Compiled) -> tuple[bytes, bool]:
        """What to send: from its second use on a statement is prepared, and goes by its name."""
        is_prepared: dict[bytes, bool] = connection.info.setdefault("statements", {})
        if is_prepared.get(compiled.name):
            return compiled.name, True
        if compiled.name not in is_prepared or not self._keeps_prepared:
            if len(is_prepared) < PREPARED_AT_MOST:
                is_prepared[compiled.name] = False
            return compiled.sql.encode(), False
        libpq: Any = connection.driver_connection.pgconn  # type: ignore[union-attr]
        self._raise_unless_done(connection, libpq.prepare(compiled.name, compiled.sql.encode()))
        is_prepared[compiled.name] = True
        return compiled.name, True

    def _pipelined(
        self, connection: Connection, steps: Steps, begin: bool = False, commit: bool = False
    ) -> list[Any]:
        """The answers of several statements, after one round trip."""
        libpq: Any = connection.driver_connection.pgconn  # type: ignore[union-attr]
        sent: list[tuple[Any, bytes, list[bytes | None] | None]] = []
        if begin:
            sent.append((libpq.send_query_params, b"BEGIN", None))
        for compiled, values in steps:  # beforehand, as preparing is a round trip of its own
            statement, is_prepared = self._statement(connection, compiled)
            send = libpq.send_query_prepared if is_prepared else libpq.send_query_params
            sent.append((send, statement, _parameters(compiled, values)))
        if commit:
            sent.append((libpq.send_query_params, b"COMMIT", None))
        libpq.enter_pipeline_mode()
        try:
            for send, statement, parameters in sent:
                send(statement, parameters)
            libpq.pipeline_sync()
            answers = []
            while (answer := self._next(libpq)) is None or answer.status != self._is_sync:
                if answer is not None:
                    answers.append(answer)
                elif libpq.status != self._is_well:
                    raise self._lost("the connection was lost")
        finally:
            if libpq.status == self._is_well:
                libpq.exit_pipeline_mode()
        for answer in answers:
            self._raise_unless_done(connection, answer)
        return answers[begin : begin + len(steps)]

    def _next(self, libpq: Any) -> Any:
        """The next answer; get_result() alone would wait with the interpreter's lock held."""
        while libpq.is_busy():
            self._wait(_until_readable(), libpq.socket, 1.0)
            libpq.consume_input()
        return libpq.get_result()

    def _result(self, connection: Connection, compiled: Compiled, answer: Any) -> Result:
        self._raise_unless_done(connection, answer)
        count = answer.command_tuples or 0
        if answer.status != self._has_rows:
            return Result([], count)
        reader = connection.info.get("reader")
        if reader is None:
            reader = connection.info["reader"] = self._transformer(connection.driver_connection)
        reader.set_pgresult(answer)
        return Result(reader.load_rows(0, answer.ntuples, compiled.as_row), count)

    def _raise_unless_done(self, connection: Connection, answer: Any) -> None:
        if answer.status in self._is_done:
            return
        if self.is_broken(connection):
            raise self._lost("the connection was lost")
        raise self._error_from(answer)

    def _prepare(self, connection: Any, _: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")  # a setting that PgBouncer carries along
        connection.adapters.register_loader("timestamptz", self._loader)


@lru_cache(maxsize=4096)  # the rows of a list share many, and it is asked for again
def _moment(data: bytes) -> str:
    text = data.decode()
    time = text[11:-3]
    return f"{text[:10]}T{time.ljust(15, '0') if len(time) > 8 else time + '.000000'}Z"


def _parameters(compiled: Compiled, values: dict[str, Any]) -> list[bytes | None]:
    """The values in the statement's order, as Postgres reads them from text."""
    given = compiled.constants | values
    return [_as_text(given[name]) for name in compiled.names]


def _as_text(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, list):
        return b"{%s}" % b",".join(_as_text(each) or b"NULL" for each in value)  # of numbers
    return b"%d" % value


def _until_readable() -> Any:  # a generator, as psycopg's wait() takes it
    yield 1  # Wait.R; psycopg is imported on Postgres only


def driver_for(engine: Engine, settings: Settings) -> SqliteDriver | PostgresDriver:
    if engine.dialect.name == "sqlite":
        return SqliteDriver(engine)
    return PostgresDriver(engine, keeps_prepared=settings.database_prepared)
