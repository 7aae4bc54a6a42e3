"""The current and the required migration of the database."""

from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from taskapi.config import MIGRATIONS, Settings

CONNECT_SECONDS = 3


def missing_migrations(settings: Settings) -> str | None:
    """Return what is missing and how to get it; None if the database is up to date.

    An unknown revision was created by a newer version, whose migrations are compatible with older
    code, so that deployments need no downtime.
    """
    current, head = _current_revision(settings), head_revision()
    if current is None:
        state = "has no tables"
    elif current != head and current in (each.revision for each in _scripts().walk_revisions()):
        state = f"is at migration {current}"
    else:
        return None
    return f"The database {state}; {head} is required. Run: flask db upgrade"


def head_revision() -> str | None:
    return _scripts().get_current_head()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _current_revision(settings: Settings) -> str | None:
    path = make_url(settings.database_url).database
    if settings.uses_sqlite and not Path(path or "").exists():
        return None  # connecting would create an empty file
    seconds = {"timeout" if settings.uses_sqlite else "connect_timeout": CONNECT_SECONDS}
    engine = create_engine(settings.database_url, poolclass=NullPool, connect_args=seconds)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
