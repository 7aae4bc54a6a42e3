"""Which migration the database is at, and which it should be at."""

from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from taskapi.config import MIGRATIONS, Settings

CONNECT_SECONDS = 3


def revision_of(settings: Settings) -> str | None:
    """The migration that the database is at, asked over a connection of its own."""
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
    """True if a database at this revision has migrations to come.

    One that this version does not know was made by a newer version, whose migrations leave older
    code working: otherwise no deployment could go without a pause.
    """
    known = {script.revision for script in _scripts().walk_revisions()}
    return revision is None or (revision != head_revision() and revision in known)


def what_is_missing(revision: str | None) -> str:
    state = f"is at migration {revision}" if revision else "has no tables yet"
    return f"the database {state}, and {head_revision()} is needed. Run: flask db upgrade"


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
