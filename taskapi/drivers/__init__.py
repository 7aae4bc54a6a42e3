"""How each kind of database is spoken to, below SQLAlchemy's pool and dialects.

A web request sends two to four statements, so what surrounds each of them counts: on Postgres a
prepared statement goes straight to libpq, and BEGIN and COMMIT travel with their neighbours.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Engine
from sqlalchemy.pool import PoolProxiedConnection

from taskapi.config import Settings

Connection = PoolProxiedConnection
Values = dict[str, Any]

LOCK_SECONDS = 5  # that somebody waits for another who writes


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

    @abstractmethod
    def run(
        self, connection: Connection, steps: Steps, *, begin: bool = False, commit: bool = False
    ) -> list[Result]:
        """Run the statements in their order, in as few round trips as can be."""

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


def driver_for(engine: Engine, settings: Settings) -> Driver:
    # Imported only where it is used, like all that only one of the databases needs.
    if engine.dialect.name == "sqlite":
        from taskapi.drivers.sqlite import SqliteDriver

        return SqliteDriver(engine)
    from taskapi.drivers.postgres import PostgresDriver

    return PostgresDriver(engine, keeps_prepared=settings.database_prepared)
