"""Which migration the database is at, and which it should be at."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Select, column, create_engine, inspect, make_url, select, table
from sqlalchemy.pool import NullPool

from taskapi.config import MIGRATIONS, Settings
from taskapi.database import Query

VERSIONS = MIGRATIONS / "versions"
VERSION: Select[Any] = select(column("version_num")).select_from(table("alembic_version"))
CURRENT = Query(VERSION)
PATIENCE = 3  # seconds


def current_revision() -> str | None:
    revision: str | None = CURRENT.value()
    return revision


def revision_of(settings: Settings) -> str | None:
    """The same over a connection of its own, where there is no application."""
    path = make_url(settings.database_url).database
    if settings.uses_sqlite and not Path(path or "").exists():
        return None  # to ask would make an empty file
    limit = "timeout" if settings.uses_sqlite else "connect_timeout"
    engine = create_engine(
        settings.database_url, poolclass=NullPool, connect_args={limit: PATIENCE}
    )
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(VERSION)
        return revision


def head_revision() -> str:
    """The migration that no other one follows."""
    found = _revisions()
    (head,) = found.keys() - found.values()
    return head


def is_behind(revision: str | None) -> bool:
    """Has a database at this revision migrations to come?

    One that this version does not know was made by a newer version, whose migrations leave older
    code working: otherwise no deployment could go without a pause.
    """
    return revision is None or (revision != head_revision() and revision in _revisions())


def what_is_missing(revision: str | None) -> str:
    state = f"is at migration {revision}" if revision else "has no tables yet"
    return f"the database {state}, and {head_revision()} is needed. Run: flask db upgrade"


def _revisions() -> dict[str, str]:
    """Each migration and the one before it; read from the files, for Alembic is slow to import."""
    found: dict[str, str] = {}
    for path in VERSIONS.glob("*.py"):
        text = path.read_text()
        names = re.findall(r'^(revision|down_revision)\b.*?= *["\']?([\w]+)', text, re.MULTILINE)
        revisions = dict(names)
        found[revisions["revision"]] = revisions["down_revision"]
    return found
