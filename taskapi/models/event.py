"""What happened: one row for each change, written with it."""

from contextvars import ContextVar
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Boolean, Column, Index, Integer, String, Text, bindparam, insert, text

from taskapi.database import Id, Moment, Query
from taskapi.extensions import db
from taskapi.moments import now

events = db.Table(
    "events",
    # Not unique across a rollback's gap, but rising: what follows events follows the id.
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False),
    # No foreign keys: what happened stays known when its people and tasks are gone.
    Column("actor_id", Id),
    Column("action", String(40), nullable=False),
    Column("task_id", Id),
    Column("user_id", Id),  # the task's owner, or the user whom it concerns
    Column("is_audit", Boolean, nullable=False),
    Column("version", Integer),  # the task's, after the change
    Column("changes", Text, nullable=False),  # JSON: {field: [old, new]}
    Column("task", Text),  # JSON: the task after the change, for webhooks
    Column("address", String(45)),
    Column("request_id", String(128)),
    Index(
        "ix_events_task",
        "task_id",
        "id",
        postgresql_where=text("task_id IS NOT NULL"),
        sqlite_where=text("task_id IS NOT NULL"),
    ),
    Index(
        "ix_events_audit", "id", postgresql_where=text("is_audit"), sqlite_where=text("is_audit")
    ),
    Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)

INSERT = Query(
    insert(events).values({c.name: bindparam(c.name) for c in events.c if c.name != "id"})
)


class Origin(NamedTuple):
    """Who acts, from where, in which request."""

    actor_id: int | None = None
    address: str | None = None
    request_id: str | None = None


NOBODY = Origin()
# Set for each request and command, so that no rule has to hand it on.
origin: ContextVar[Origin] = ContextVar("origin", default=NOBODY)


def record(
    action: str,
    *,
    user_id: int | None = None,
    task_id: int | None = None,
    version: int | None = None,
    changes: dict[str, Any] | None = None,
    task: dict[str, Any] | None = None,
    actor_id: int | None = None,
    audit: bool = True,
) -> None:
    """Write down what happens, in the transaction of the change."""
    source = origin.get()
    INSERT.run_with_commit(
        at=now(),
        actor_id=actor_id or source.actor_id,
        action=action,
        task_id=task_id,
        user_id=user_id,
        is_audit=audit,
        version=version,
        changes=orjson.dumps(changes or {}).decode(),
        task=None if task is None else orjson.dumps(task).decode(),
        address=source.address,
        request_id=source.request_id,
    )
