"""Migrations: up, down and up again, equal to the models, and without a pause for the old code."""

import re
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from taskapi import create_app
from taskapi.config import MIGRATIONS
from taskapi.extensions import db
from taskapi.models.schema import head_revision, revision_of
from tests.conftest import SETTINGS
from tests.support.databases import rows_of

FILES = sorted((MIGRATIONS / "versions").glob("*.py"))


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
def migrated(databases):
    """`migrated()`: an application, and the address of its blank database."""
    apps = []

    def make():
        url = databases.blank()
        apps.append(create_app(SETTINGS | {"DATABASE_URL": url}))
        return apps[-1], url

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


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


def test_up_down_and_up_again_is_the_same(migrated):
    app, url = migrated()
    with app.app_context():
        flask_migrate.upgrade()
        first = schema_of(url)
        assert {"users", "tasks", "events"} <= set(first)
        flask_migrate.downgrade(revision="base")
        assert schema_of(url) == {}
        flask_migrate.upgrade()
    assert schema_of(url) == first
    assert revision_of(app.extensions["settings"]) == head_revision() == revisions()[-1]


def test_each_step_down_undoes_its_step_up(migrated):
    app, url = migrated()
    with app.app_context():
        seen = [schema_of(url)]
        for revision in revisions():
            flask_migrate.upgrade(revision=revision)
            seen.append(schema_of(url))
        for before in reversed(seen[:-1]):
            flask_migrate.downgrade(revision="-1")
            assert schema_of(url) == before


def test_the_models_say_the_same_as_the_migrations(migrated):
    app, url = migrated()
    with app.app_context():
        flask_migrate.upgrade()
        with plain(url).connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, db.metadata) == []


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


def test_code_of_the_first_release_goes_on_while_the_schema_moves_on(migrated):
    """What it writes and reads by name still works after each later migration."""
    app, url = migrated()
    first, *later = revisions()
    with app.app_context():
        flask_migrate.upgrade(revision=first)
        known = schema_of(url)
        rows_of(url, USER)
        rows_of(url, TASK.format(title="before"))
        for revision in later:
            flask_migrate.upgrade(revision=revision)
            rows_of(url, TASK.format(title=f"after {revision}"))
            for table, had in known.items():
                names = [name for name, *_ in had["columns"]]
                rows_of(url, f"SELECT {', '.join(names)} FROM {table}")
        assert len(rows_of(url, "SELECT id FROM tasks")) == 1 + len(later)


def test_no_migration_asks_old_code_for_more_than_it_gives(migrated):
    """No table or column goes, none narrows, and what comes may be left out when writing."""
    app, url = migrated()
    with app.app_context():
        before: dict[str, Any] = {}
        for revision in revisions():
            flask_migrate.upgrade(revision=revision)
            after = schema_of(url)
            for table, had in before.items():
                old = {name: rest for name, *rest in had["columns"]}
                new = {name: rest for name, *rest in after[table]["columns"]}
                assert set(old) <= set(new), f"{revision} takes columns of {table} away"
                for name, (_, is_nullable, default) in new.items():
                    may_be_left_out = is_nullable or default is not None
                    if name not in old:
                        assert may_be_left_out, f"{revision}: {table}.{name} has no default"
                    elif old[name][1]:
                        assert is_nullable, f"{revision}: {table}.{name} became required"
            assert set(before) <= set(after)
            before = after
