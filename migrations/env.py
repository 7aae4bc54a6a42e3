"""Runs migrations on a plain connection, each in a transaction of its own."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool

import taskapi.models  # noqa: F401 - names every table
from taskapi.extensions import db


def quiet_when_empty(_: Any, __: Any, directives: list[Any]) -> None:
    """`flask db migrate` writes no file when nothing changed."""
    if (
        getattr(context.config.cmd_opts, "autogenerate", False)
        and directives[0].upgrade_ops.is_empty()
    ):
        directives[:] = []


options: dict[str, Any] = {
    "target_metadata": db.metadata,
    "render_as_batch": db.engine.dialect.name == "sqlite",  # SQLite cannot alter a table in place
    "transaction_per_migration": True,
    "compare_type": True,
    "process_revision_directives": quiet_when_empty,
}

if context.is_offline_mode():
    context.configure(url=db.engine.url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    # Not the application's engine: its connections commit each statement by itself.
    engine = create_engine(db.engine.url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
