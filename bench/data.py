"""Insert the same users and tasks into the tables of all services."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

PASSWORD = "Benchmark-1"
TASKS = 1000  # for each user
TODO = TASKS // 2  # tasks with the status todo
# A time this number of minutes after the start, in the format of each database.
POSTGRES_MOMENT = "timestamptz '2024-01-01 00:00Z' + ({}) * interval '1 minute'"
SQLITE_MOMENT = "strftime('{format}', '2024-01-01', '+' || ({{}}) || ' minutes')"
OUR_SQLITE_MOMENT = SQLITE_MOMENT.format(format="%Y-%m-%dT%H:%M:%f000Z")
PEER_SQLITE_MOMENT = SQLITE_MOMENT.format(format="%Y-%m-%d %H:%M:%f000")
FAR_AWAY = 15_000_000  # minutes: no task is overdue, because overdue events are additional work
DESCRIPTION = "What is to be done, in a sentence or two, as people write it down."


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


@contextmanager
def connect(url: str) -> Iterator[Any]:
    """Connect to a database in autocommit mode."""
    if is_sqlite(url):
        path = url.partition(":///")[2]
        lite = sqlite3.connect(path, isolation_level=None, timeout=15)
        try:
            lite.execute("PRAGMA foreign_keys = ON")
            yield lite
        finally:
            lite.close()
    else:
        with psycopg.connect(url.replace("+asyncpg", ""), autocommit=True) as connection:
            yield connection


def rows(url: str, sql: str) -> list[Any]:
    with connect(url) as connection:
        found: list[Any] = connection.execute(sql).fetchall()
        return found


def our_columns(url: str) -> dict[str, str]:
    """Return SQL for each column of our table; `u` is the user, `i` the number of the task."""
    moment = OUR_SQLITE_MOMENT if is_sqlite(url) else POSTGRES_MOMENT
    return _common_columns(moment) | {
        "project_id": "(SELECT id FROM projects WHERE inbox_user_id = u)",
        "title_key": "'task ' || i || ' of user ' || u",
        "description_key": f"'{DESCRIPTION.casefold()}'",
        "status": "CASE i % 4 WHEN 1 THEN 1 WHEN 3 THEN 2 ELSE 0 END",
        "priority": "i % 3",
        "tags": "'bench,tag' || (i % 10)",
        "tags_key": "',bench,tag' || (i % 10) || ','",
    }


def peer_columns(url: str) -> dict[str, str]:
    moment = PEER_SQLITE_MOMENT if is_sqlite(url) else POSTGRES_MOMENT
    tags = "'[\"bench\", \"tag' || (i % 10) || '\"]'"
    return _common_columns(moment) | {
        "status": "CASE i % 4 WHEN 1 THEN 'in_progress' WHEN 3 THEN 'done' ELSE 'todo' END",
        "priority": "CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'medium' ELSE 'high' END",
        "tags": tags if is_sqlite(url) else "ARRAY['bench', 'tag' || (i % 10)]",
    }


def _common_columns(moment: str) -> dict[str, str]:
    return {
        "user_id": "u",
        "title": "'Task ' || i || ' of user ' || u",
        "description": f"'{DESCRIPTION}'",
        "due_at": f"CASE i % 2 WHEN 0 THEN {moment.format(f'{FAR_AWAY} + 60 * i')} END",
        "completed_at": f"CASE i % 4 WHEN 3 THEN {moment.format('i + 5')} END",
        "created_at": moment.format("i"),
        "updated_at": moment.format("i + 5"),
        "version": "1",
    }


def add_tasks(
    connection: Any, columns: dict[str, str], user_id: int, first: int, last: int
) -> None:
    """Insert tasks of a user with these numbers."""
    connection.execute(
        f"INSERT INTO tasks ({', '.join(columns)})"
        f" WITH RECURSIVE numbers(u, i) AS (SELECT {user_id}, {first}"
        f" UNION ALL SELECT u, i + 1 FROM numbers WHERE i < {last})"
        f" SELECT {', '.join(columns.values())} FROM numbers"
    )


def copy_our_user(connection: Any, model: str, name: str, role: str = "user") -> int:
    """Insert a user with the password of another one, and return the id."""
    connection.execute(
        "INSERT INTO users (username, name_key, password_hash, role, is_active,"
        " created_at, updated_at, version)"
        f" SELECT '{name}', '{name}', password_hash, '{role}', is_active,"
        f" created_at, updated_at, version FROM users WHERE username = '{model}'"
    )
    copied = user_id(connection, name)
    add_project(connection, copied, inbox_user_id=copied)
    return copied


def add_project(connection: Any, owner_id: int, inbox_user_id: int | None = None) -> int:
    connection.execute(
        "INSERT INTO projects (name, name_key, inbox_user_id, is_archived, created_at, updated_at,"
        f" version) SELECT 'Sample', 'sample', {inbox_user_id or 'NULL'}, false, created_at,"
        f" updated_at, 1 FROM users WHERE id = {owner_id}"
    )
    [[project_id]] = connection.execute("SELECT max(id) FROM projects").fetchall()
    connection.execute(
        "INSERT INTO memberships (project_id, user_id, role, created_at)"
        f" SELECT {project_id}, id, 2, created_at FROM users WHERE id = {owner_id}"
    )
    return int(project_id)


def add_peer_user(connection: Any, url: str, name: str, password_hash: str) -> int:
    moment = (PEER_SQLITE_MOMENT if is_sqlite(url) else POSTGRES_MOMENT).format("0")
    connection.execute(
        "INSERT INTO users (username, password_hash, role, is_active, created_at)"
        f" VALUES ('{name}', '{password_hash}', 'user', true, {moment})"
    )
    return user_id(connection, name)


def user_id(connection: Any, name: str) -> int:
    [[number]] = connection.execute(f"SELECT id FROM users WHERE username = '{name}'").fetchall()
    return int(number)


def task_ids(connection: Any, user: int) -> list[int]:
    """Return the ids of the tasks of a user, by number."""
    sql = f"SELECT id FROM tasks WHERE user_id = {user} ORDER BY created_at"
    return [int(number) for (number,) in connection.execute(sql).fetchall()]


def tidy(url: str) -> None:
    """Remove dead rows and update statistics, so that rounds do not affect each other."""
    with connect(url) as connection:
        if is_sqlite(url):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("ANALYZE")
        else:
            connection.execute("VACUUM ANALYZE")
