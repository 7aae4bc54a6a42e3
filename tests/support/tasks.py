"""Tasks by the thousand, straight into the database, and what a list of them must look like."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Connection, func, insert, select, text

from taskapi.extensions import db
from taskapi.models.task_table import PRIORITIES, STATUSES, tasks
from taskapi.moments import canonical

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = canonical(START)
RANKS = {"status": STATUSES, "priority": PRIORITIES}


def after(minutes: float) -> str:
    """A time on the scale that planted tasks lie on."""
    return canonical(START + timedelta(minutes=minutes))


def stored(owner_id: int, **fields: Any) -> dict[str, Any]:
    """A row as it lies in the table, from fields as they stand in JSON."""
    title, description = fields.get("title", "planted"), fields.get("description")
    tags = ",".join(fields.get("tags", ()))
    created_at = fields.get("created_at", FIRST)
    return {
        "user_id": owner_id,
        "title": title,
        "title_key": title.casefold(),
        "description": description,
        "description_key": description and description.casefold(),
        "status": STATUSES.index(fields.get("status", "todo")),
        "priority": PRIORITIES.index(fields.get("priority", "medium")),
        "due_at": fields.get("due_at"),
        "tags": tags,
        "tags_key": f",{tags.casefold()}," if tags else "",
        "completed_at": fields.get("completed_at"),
        "deleted_at": fields.get("deleted_at"),
        "created_at": created_at,
        "updated_at": fields.get("updated_at", created_at),
        "version": fields.get("version", 1),
    }


@contextmanager
def writing(app: Flask) -> Iterator[Connection]:
    """A transaction beside the application's own."""
    with app.app_context(), db.engine.connect() as connection:
        # Our connections leave it to us to begin.
        is_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        try:
            yield connection
        except BaseException:  # at Ctrl-C, too: it would hold its lock on
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def plant(app: Flask, rows: Iterable[dict[str, Any]]) -> list[int]:
    """Put stored rows into the table; their ids in the same order."""
    if not (rows := list(rows)):
        return []
    with writing(app) as connection:
        newest = connection.scalar(select(func.max(tasks.c.id))) or 0
        connection.execute(insert(tasks), rows)
        return list(
            connection.scalars(select(tasks.c.id).where(tasks.c.id > newest).order_by(tasks.c.id))
        )


def plant_many(app: Flask, owner_id: int, count: int) -> None:
    """Tasks of every kind by the database's own means: some with a due time, some done."""
    with writing(app) as connection:
        is_postgres = connection.dialect.name == "postgresql"
        numbers = (
            "SELECT generate_series(1, :count) AS n"
            if is_postgres
            else "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count)"
            " SELECT n FROM c"
        )
        moment = (
            "timestamptz '2026-01-01 00:00:00Z' + ({}) * interval '1 minute'"
            if is_postgres
            else "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-01-01', ({}) || ' minutes')"
        )
        created, due = moment.format("n"), moment.format("n * 7919 % 100003")
        connection.execute(
            text(
                "INSERT INTO tasks (user_id, title, title_key, status, priority, due_at, tags,"
                " tags_key, completed_at, created_at, updated_at, version)"
                " SELECT :owner_id, 'Task ' || n, 'task ' || n, n * 31 % 3, n * 17 / 5 % 3,"
                f" CASE WHEN n % 4 > 0 THEN {due} END, '', '',"
                f" CASE WHEN n * 31 % 3 = 2 THEN {created} END, {created}, {created}, 1"
                f" FROM ({numbers}) AS numbers"
            ),
            {"owner_id": owner_id, "count": count},
        )
    with app.app_context(), db.engine.connect() as connection:
        # Without SQLAlchemy's AUTOCOMMIT, after which it hands the pool a connection that begins
        # transactions by itself.
        connection.exec_driver_sql("VACUUM ANALYZE tasks" if is_postgres else "ANALYZE tasks")


def in_order(items: Sequence[dict[str, Any]], sort_by: str) -> list[dict[str, Any]]:
    """The items as the contract orders them: missing values last, the id last of all."""
    keys = sort_by.split(",")
    names = [key.removeprefix("-") for key in keys]
    if "id" not in names:
        keys.append("-id" if keys[0].startswith("-") else "id")
    ordered = list(items)
    for key in reversed(keys):
        name, is_descending = key.removeprefix("-"), key.startswith("-")
        present = [item for item in ordered if item[name] is not None]
        missing = [item for item in ordered if item[name] is None]
        present.sort(key=lambda item: _rank(name, item[name]), reverse=is_descending)
        ordered = present + missing
    return ordered


def _rank(name: str, value: Any) -> Any:
    if name in RANKS:
        return RANKS[name].index(value)
    return value.casefold() if name == "title" else value
