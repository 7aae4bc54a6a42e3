"""Migrated databases for tests."""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from sqlalchemy import MetaData, create_engine

Migrate = Callable[[str], None]


class Databases(Protocol):
    """The databases of one kind in a test process."""

    def shared(self) -> str:
        """Return the URL of the database that most tests share."""

    def fresh(self) -> str:
        """Return the URL of a new, migrated database."""

    def blank(self) -> str:
        """Return the URL of a new database without tables."""

    def empty(self) -> None:
        """Delete every row of the shared database, without resetting its ids."""

    def close(self) -> None:
        """Drop all databases."""


class SqliteDatabases:
    def __init__(self, folder: Path, migrate: Migrate):
        self._folder = folder
        self._migrate = migrate
        self._template: Path | None = None
        self._shared: Path | None = None
        self._made = 0

    def _path(self) -> Path:
        self._made += 1
        return self._folder / f"{self._made}.sqlite3"

    def blank(self) -> str:
        return f"sqlite:///{self._path()}"

    def _copy(self) -> Path:
        if self._template is None:
            path = self._path()
            self._migrate(f"sqlite:///{path}")
            self._template = path
        return Path(shutil.copy(self._template, self._path()))

    def fresh(self) -> str:
        return f"sqlite:///{self._copy()}"

    def shared(self) -> str:
        if self._shared is None:
            self._shared = self._copy()
        return f"sqlite:///{self._shared}"

    def empty(self) -> None:
        self.shared()
        assert self._shared is not None
        # Foreign keys are off by default in SQLite, so the order does not matter.
        connection = sqlite3.connect(self._shared, timeout=10, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
                " AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
            ).fetchall():
                connection.execute(f'DELETE FROM "{name}"')
            connection.execute("COMMIT")
        finally:
            connection.close()

    def close(self) -> None:
        shutil.rmtree(self._folder)


class PostgresDatabases:
    def __init__(self, server_url: str, migrate: Migrate):
        self._server = urlsplit(server_url)
        self._migrate = migrate
        # Other test runs may use the same server, and the database of the URL is left alone.
        self._prefix = f"taskapi_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._made: list[str] = []
        self._template: str | None = None
        self._shared: str | None = None
        self._emptier: psycopg.Connection | None = None
        self._delete = sql.Composed([])

    def _url(self, name: str) -> str:
        return self._server._replace(path=f"/{name}").geturl()

    def _on_server(self, statement: str, name: str, *more: str) -> None:
        names = [sql.Identifier(each) for each in (name, *more)]
        with psycopg.connect(self._server.geturl(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*names))

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{len(self._made)}"
        self._on_server("CREATE DATABASE {} TEMPLATE {}", name, template)
        self._made.append(name)
        return name

    def blank(self) -> str:
        return self._url(self._create("template0"))

    def _copy(self) -> str:
        if self._template is None:
            name = self._create("template0")
            self._migrate(self._url(name))
            self._template = name
        return self._create(self._template)

    def fresh(self) -> str:
        return self._url(self._copy())

    def shared(self) -> str:
        if self._shared is None:
            self._shared = self._copy()
        return self._url(self._shared)

    def empty(self) -> None:
        if self._emptier is None:
            self._emptier = psycopg.connect(self.shared(), autocommit=True)
            # An open transaction makes this fail instead of blocking the run.
            self._emptier.execute("SET lock_timeout = '5s'")
            shared = self.shared()
            engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(shared))
            metadata = MetaData()
            metadata.reflect(engine)
            engine.dispose()
            self._delete = sql.SQL("; ").join(
                sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name))
                for table in reversed(metadata.sorted_tables)  # tables with foreign keys first
                if table.name != "alembic_version"
            )
        # TRUNCATE would leave no dead rows, but takes a hundred times as long.
        large = self._emptier.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind = 'r' AND pg_total_relation_size(oid) > 2 ^ 20"
        ).fetchall()
        for (name,) in large:
            self._emptier.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(name)))
        self._emptier.execute(self._delete)

    def close(self) -> None:
        if self._emptier is not None:
            self._emptier.close()
        for name in self._made:
            self._on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def rows_of(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, and return its rows."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, autocommit=True) as postgres:
        cursor = postgres.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
