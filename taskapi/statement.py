"""Statements for the hot path: tasks, events and the look-up of the caller."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Dialect,
    Select,
)

from taskapi.db import Row, driver_cursor, execute_raw
from taskapi.extensions import db


class Statement:
    """A statement with bind parameters, compiled once and run on the driver's own cursor.

    SQLAlchemy's execute() costs several times as much as the statement itself, which matters for
    statements of every request. It uses the connection of `db.session`, in its transaction if there
    is one, and the bind and result processors of the column types.
    """

    def __init__(self, statement: Any):
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def all(self, /, **values: Any) -> list[Row]:
        compiled, cursor = self._run(values)
        return [compiled.make_row(row) for row in cursor.fetchall()]

    def first(self, /, **values: Any) -> Row | None:
        rows = self.all(**values)
        return rows[0] if rows else None

    def scalar(self, /, **values: Any) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.all(**values)
        return rows[0][0] if rows else None

    def execute(self, /, **values: Any) -> int:
        """Execute and return the number of changed rows."""
        _, cursor = self._run(values)
        count: int = cursor.rowcount
        return count

    def _run(self, values: dict[str, Any]) -> tuple["_Compiled", Any]:
        session = db.session()
        dialect = driver_cursor(session)[0].dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self.statement, dialect)
        bound = compiled.constants | values
        for name, process in compiled.bind_processors:
            bound[name] = process(bound[name])
        may_retry = compiled.is_select and "in_transaction" not in session.info
        return compiled, execute_raw(session, compiled.sql, bound, may_retry)


class _Compiled(NamedTuple):
    sql: str
    is_select: bool
    constants: dict[str, Any]
    bind_processors: list[tuple[str, Callable[[Any], Any]]]
    make_row: Callable[[Sequence[Any]], Any]


def _compile(statement: Any, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    binders = []
    for name in compiled.params:
        processor = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
        if processor is not None:
            binders.append((name, processor))
    columns = getattr(statement, "exported_columns", None)
    is_select = isinstance(statement, Select)
    return _Compiled(str(compiled), is_select, constants, binders, _row_maker(columns, dialect))


def _row_maker(columns: Any, dialect: Dialect) -> Callable[[Sequence[Any]], Any]:
    names = columns.keys() if columns is not None else []
    if not names:
        return tuple
    row_class: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    make: Callable[[Any], Any] = row_class._make
    processors = [
        (i, process)
        for i, column in enumerate(columns)
        if (process := column.type.dialect_impl(dialect).result_processor(dialect, None))
    ]
    if not processors:
        return make

    def make_row(found: Sequence[Any]) -> Any:
        row = list(found)
        for i, process in processors:
            row[i] = process(row[i])
        return make(row)

    return make_row
