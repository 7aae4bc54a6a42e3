"""Migrations: upgrades, downgrades, and compatibility with earlier code."""

import re
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from tests.support.databases import rows_of
from tests.support.rows import Rows
from tests.support.servers import ROOT

FILES = sorted((ROOT / "migrations" / "versions").glob("*.py"))


def revisions():
    """Return all migrations in order."""
    before = {}
    for path in FILES:
        names = dict(
            re.findall(r'^(revision|down_revision)\b.*?= *["\']?(\w+)', path.read_text(), re.M)
        )
        before[names["down_revision"]] = names["revision"]
    chain, at = [], "None"
    while at in before:
        at = before[at]
        chain.append(at)
    assert len(chain) == len(FILES), "one line without branches"
    return chain


@pytest.fixture
def database(databases, make_app):
    """The URL of an empty database, and a function that runs `flask db …`."""
    url = databases.blank()
    runner = make_app(DATABASE_URL=url).test_cli_runner()

    def flask_db(*command):
        ran = runner.invoke(args=["db", *command])
        assert ran.exit_code == 0, ran.output

    return url, flask_db


def plain(url):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def schema_of(url):
    """Return the tables, columns, indexes and constraints of a database."""
    told = {}
    with plain(url).connect() as connection:
        inspector = inspect(connection)
        for table in sorted(inspector.get_table_names()):
            if table == "alembic_version":
                continue
            told[table] = {
                "columns": [
                    (each["name"], str(each["type"]), each["nullable"], each["default"])
                    for each in inspector.get_columns(table)
                ],
                "indexes": sorted(
                    (each["name"], each["column_names"], each["unique"])
                    for each in inspector.get_indexes(table)
                ),
                "keys": sorted(
                    (each["name"], each["constrained_columns"], each["options"])
                    for each in inspector.get_foreign_keys(table)
                ),
                "unique": sorted(
                    (each["name"], each["column_names"])
                    for each in inspector.get_unique_constraints(table)
                ),
            }
    return told


def test_downgrades_revert_upgrades(database):
    url, flask_db = database
    seen = [schema_of(url)]
    for revision in revisions():
        flask_db("upgrade", revision)
        seen.append(schema_of(url))
    assert {"users", "tasks", "events"} <= set(seen[-1])
    for before in reversed(seen[:-1]):
        flask_db("downgrade")
        assert schema_of(url) == before

    flask_db("upgrade")
    assert schema_of(url) == seen[-1]
    assert rows_of(url, "SELECT version_num FROM alembic_version") == [(revisions()[-1],)]
    flask_db("check")  # the models match


USER = """
INSERT INTO users (username, name_key, password_hash, role, is_active, created_at, updated_at,
    version)
VALUES ('ana', 'ana', 'x', 'user', true, '2026-01-02T03:04:05.000000Z',
    '2026-01-02T03:04:05.000000Z', 1)"""
TASK = """
INSERT INTO tasks (user_id, title, title_key, status, priority, tags, tags_key, created_at,
    updated_at, version)
VALUES (1, '{title}', '{title}', 0, 1, '[]', '', '2026-01-02T03:04:05.000000Z',
    '2026-01-02T03:04:05.000000Z', 1)"""


# The service must be stopped for these, as CHANGELOG.md says.
NEEDS_STOP = {"20261127_rebuild", "20261127_projects"}
TASK_OF_A_PROJECT = TASK.replace("(user_id", "(project_id, user_id").replace("(1,", "(1, 1,")


def test_migrations_are_compatible_with_earlier_code(database):
    """No table or column is removed or becomes required, and new columns are optional."""
    url, flask_db = database
    first, *later = revisions()
    flask_db("upgrade", first)
    rows_of(url, USER)
    rows_of(url, TASK.format(title="before"))
    before: dict[str, Any] = schema_of(url)
    for revision in later:
        flask_db("upgrade", revision)
        task = TASK_OF_A_PROJECT if revision == "20261127_projects" else TASK
        rows_of(url, task.format(title=f"after {revision}"))
        after = schema_of(url)
        assert set(before) <= set(after) or revision in NEEDS_STOP
        for table, had in before.items() if revision not in NEEDS_STOP else ():
            old = {name: rest for name, *rest in had["columns"]}
            new = {name: rest for name, *rest in after[table]["columns"]}
            assert set(old) <= set(new), f"{revision} takes columns of {table} away"
            for name, (_, is_nullable, default) in new.items():
                if name not in old:
                    may_be_left_out = is_nullable or default is not None
                    assert may_be_left_out, f"{revision}: {table}.{name} has no default"
                elif old[name][1]:
                    assert is_nullable, f"{revision}: {table}.{name} became required"
        before = after
    assert len(rows_of(url, "SELECT id FROM tasks")) == 1 + len(later)


# --- the migration to projects, with data -------------------------------------------------------

BEFORE = "20261127_rebuild"
MOMENT = "2026-01-02T03:04:05.000000Z"


def fill(rows):
    """Insert three users with tasks, some deleted, and a user without tasks."""
    users = [
        {
            "username": name,
            "name_key": name,
            "password_hash": "x",
            "role": "user",
            "is_active": name != "ben",
            "created_at": MOMENT,
            "updated_at": MOMENT,
            "version": 3,
        }
        for name in ("ana", "ben", "cleo", "dora")
    ]
    people = rows.insert("users", users)
    return people, rows.insert(
        "tasks",
        [
            {
                "user_id": people[n % 3],
                "title": f"Task {n}",
                "title_key": f"task {n}",
                "status": n % 3,
                "priority": n % 3,
                "tags": "",
                "tags_key": "",
                "created_at": MOMENT,
                "updated_at": MOMENT,
                "deleted_at": None if n % 5 else MOMENT,
                "version": n + 1,
            }
            for n in range(30)
        ],
    )


def everything(rows):
    """Return all users and tasks."""
    return [rows.all(f"SELECT * FROM {table} ORDER BY id") for table in ("users", "tasks")]


@pytest.fixture
def at_inboxes(database):
    """The migrated database, its rows before the migration, and `flask db …`."""
    url, flask_db = database
    flask_db("upgrade", BEFORE)
    rows = Rows(url)
    fill(rows)
    before = everything(rows)
    flask_db("upgrade")
    return rows, before, flask_db


def inboxes(rows):
    found = rows.all(
        "SELECT p.id, p.inbox_user_id AS user_id, m.role, p.is_archived FROM projects p"
        " JOIN memberships m ON m.project_id = p.id AND m.user_id = p.inbox_user_id"
    )
    assert len({each["role"] for each in found}) == 1
    assert not any(each["is_archived"] for each in found)
    assert rows.value("SELECT count(*) FROM memberships") == len(found)
    return {each["user_id"]: each["id"] for each in found}


def test_upgrade_creates_inboxes_and_moves_tasks_there(at_inboxes):
    rows, (users, tasks), _ = at_inboxes
    of_user = inboxes(rows)
    assert of_user.keys() == {each["id"] for each in users}
    now = rows.all("SELECT * FROM tasks ORDER BY id")
    for old, new in zip(tasks, now, strict=True):
        added = {"project_id": of_user[old["user_id"]], "assignee_id": None}
        assert new == new | old | added  # including version and times


def test_downgrade_loses_only_new_data(at_inboxes):
    """Tasks of a shared project stay with their owner."""
    rows, before, flask_db = at_inboxes
    columns = "name, name_key, is_archived, created_at, updated_at, version"
    values = f"'Team', 'team', false, '{MOMENT}', '{MOMENT}', 1"
    rows.run(f"INSERT INTO projects ({columns}) VALUES ({values})")
    shared = rows.value("SELECT max(id) FROM projects")
    ana, ben, *_ = (each["id"] for each in before[0])
    role = rows.value("SELECT min(role) FROM memberships")
    for user_id in (ana, ben):
        rows.run(
            "INSERT INTO memberships (project_id, user_id, role, created_at)"
            f" VALUES ({shared}, {user_id}, {role}, '{MOMENT}')"
        )
    moved = f"UPDATE tasks SET project_id = {shared}, assignee_id = {ben} WHERE user_id = {ana}"
    assert rows.run(moved) == 10

    flask_db("downgrade", BEFORE)
    assert everything(rows) == before
    flask_db("upgrade")
    of_user = inboxes(rows)
    assert len(of_user) == 4
    found = rows.all("SELECT user_id, project_id FROM tasks")
    assert len(found) == 30
    assert all(each["project_id"] == of_user[each["user_id"]] for each in found)
