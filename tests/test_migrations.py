"""Migrations: up, down and up again, equal to the models, and without a pause for the old code."""

import re
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from tests.support.databases import rows_of
from tests.support.servers import ROOT

FILES = sorted((ROOT / "migrations" / "versions").glob("*.py"))


def revisions():
    """Every migration from the first to the last."""
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
    """A blank database: its address, and `flask db …` on it."""
    url = databases.blank()
    runner = make_app(DATABASE_URL=url).test_cli_runner()

    def flask_db(*command):
        ran = runner.invoke(args=["db", *command])
        assert ran.exit_code == 0, ran.output

    return url, flask_db


def plain(url):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def schema_of(url):
    """Tables, columns, indexes and constraints, as the database itself tells them."""
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
    flask_db("check")  # the models say the same


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


# For these the service is stopped, as CHANGELOG.md says.
NEEDS_STOP = {"20261127_rebuild"}


def test_migrations_are_compatible_with_earlier_code(database):
    """No table or column goes, none narrows, and what comes may be left out when writing."""
    url, flask_db = database
    first, *later = revisions()
    flask_db("upgrade", first)
    rows_of(url, USER)
    rows_of(url, TASK.format(title="before"))
    before: dict[str, Any] = schema_of(url)
    for revision in later:
        flask_db("upgrade", revision)
        rows_of(url, TASK.format(title=f"after {revision}"))
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
