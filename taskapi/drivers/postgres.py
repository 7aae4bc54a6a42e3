"""PostgreSQL: prepared statements, straight to libpq, several in one round trip."""

from functools import lru_cache
from typing import Any

from psycopg import OperationalError, errors, pq, waiting
from psycopg.adapt import Loader, Transformer
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.psycopg import dialect

from taskapi.drivers import Compiled, Connection, Driver, Result, Steps

PREPARED_AT_MOST = 200  # statements, per connection
SYNC = pq.ExecStatus.PIPELINE_SYNC
ROWS, DONE = pq.ExecStatus.TUPLES_OK, {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}

_dialect: Any = dialect  # whose options its type does not name


class PostgresDriver(Driver):
    name = "postgresql"
    dialect = _dialect(paramstyle="numeric_dollar")

    def __init__(self, engine: Engine, *, keeps_prepared: bool):
        self._keeps_prepared = keeps_prepared
        event.listen(engine, "connect", self._prepare)

    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        # What is sent together, up to its end, is one transaction without being told so.
        begin, commit = begin and not commit, commit and not begin
        if len(steps) == 1 and not begin and not commit:
            ((compiled, values),) = steps
            libpq = _libpq(connection)
            statement, is_prepared = self._statement(connection, compiled)
            send = libpq.exec_prepared if is_prepared else libpq.exec_params
            answer = send(statement, _parameters(compiled, values))
            return [self._result(connection, compiled, answer)]
        answers = self._pipelined(connection, steps, begin, commit)
        return [
            self._result(connection, compiled, answer)
            for (compiled, _), answer in zip(steps, answers, strict=True)
        ]

    def roll_back(self, connection: Connection) -> None:
        libpq = _libpq(connection)
        answer = libpq.exec_(b"ROLLBACK")
        if answer.status not in DONE:
            raise errors.error_from_result(answer)

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
        libpq = _libpq(connection)
        self._raise_unless_done(connection, libpq.prepare(compiled.name, compiled.sql.encode()))
        is_prepared[compiled.name] = True
        return compiled.name, True

    def _pipelined(
        self, connection: Connection, steps: Steps, begin: bool, commit: bool
    ) -> list[Any]:
        """The answers of several statements, after one round trip."""
        libpq = _libpq(connection)
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
            while (answer := self._next(libpq)) is None or answer.status != SYNC:
                if answer is not None:
                    answers.append(answer)
                elif libpq.status != pq.ConnStatus.OK:
                    raise OperationalError("the connection was lost")
        except BaseException:  # at Ctrl-C, too: what is still to come would answer something else
            driver: Any = connection.driver_connection
            driver.close()
            raise
        libpq.exit_pipeline_mode()
        for answer in answers:
            self._raise_unless_done(connection, answer)
        return answers[begin : begin + len(steps)]

    def _next(self, libpq: Any) -> Any:
        """The next answer; get_result() alone would wait with the interpreter's lock held."""
        while libpq.is_busy():
            waiting.wait(_until_readable(), libpq.socket, 1.0)
            libpq.consume_input()
        return libpq.get_result()

    def _result(self, connection: Connection, compiled: Compiled, answer: Any) -> Result:
        self._raise_unless_done(connection, answer)
        count = answer.command_tuples or 0
        if answer.status != ROWS:
            return Result([], count)
        reader = connection.info.get("reader")
        if reader is None:
            reader = connection.info["reader"] = Transformer(connection.driver_connection)
        reader.set_pgresult(answer)
        return Result(reader.load_rows(0, answer.ntuples, compiled.as_row), count)

    def _raise_unless_done(self, connection: Connection, answer: Any) -> None:
        if answer.status in DONE:
            return
        if self.is_broken(connection):
            raise OperationalError("the connection was lost")
        raise errors.error_from_result(answer)

    def _prepare(self, connection: Any, _: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")  # a setting that PgBouncer carries along
        connection.adapters.register_loader("timestamptz", MomentLoader)


@lru_cache(maxsize=4096)  # the rows of a list share many, and it is asked for again
def _moment(data: bytes) -> str:
    text = data.decode()
    time = text[11:-3]
    return f"{text[:10]}T{time.ljust(15, '0') if len(time) > 8 else time + '.000000'}Z"


class MomentLoader(Loader):
    """`2026-12-01 09:00:00.5+00` as the API writes it."""

    def load(self, data: Any) -> str:
        return _moment(bytes(data))


def _libpq(connection: Connection) -> Any:
    """The connection below psycopg's cursors, which cost more than most statements."""
    driver: Any = connection.driver_connection
    return driver.pgconn


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
    yield waiting.Wait.R
