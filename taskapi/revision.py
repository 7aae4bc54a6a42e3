"""The current and the required migration of the database."""

from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from taskapi.config import MIGRATIONS, Settings

CONNECT_SECONDS = 3


def revision_of(settings: Settings) -> str | None:
    """Return the current migration, using a separate connection."""
    path = make_url(settings.database_url).database
    if settings.uses_sqlite and not Path(path or "").exists():
        return None  # connecting would create an empty file
    limit = "timeout" if settings.uses_sqlite else "connect_timeout"
    engine = create_engine(
        settings.database_url, poolclass=NullPool, connect_args={limit: CONNECT_SECONDS}
    )
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head_revision() -> str:
    head = _scripts().get_current_head()
    assert head is not None
    return head


def is_behind(revision: str | None) -> bool:
    """Return whether migrations are missing.

    An unknown revision was created by a newer version, whose migrations are compatible with older
    code, so that deployments need no downtime.
    """
    known = {script.revision for script in _scripts().walk_revisions()}
    return revision is None or (revision != head_revision() and revision in known)


def what_is_missing(revision: str | None) -> str:
    state = f"is at migration {revision}" if revision else "has no tables"
    return f"The database {state}; {head_revision()} is required. Run: flask db upgrade"


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
