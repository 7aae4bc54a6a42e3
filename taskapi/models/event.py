"""What happened: one row for each change, written with it."""

from contextvars import ContextVar
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Text,
    bindparam,
    delete,
    insert,
    literal_column,
    not_,
    select,
    text,
)

from taskapi.database import Id, Moment, Query, Row, last_id
from taskapi.extensions import db
from taskapi.models import delivery
from taskapi.models.page import Filter, Flag, Listing
from taskapi.moments import ago, now

KEPT_DAYS = 90
AUDIT_KEPT_DAYS = 365
# Everything that is ever written down.
ACTIONS = (
    *delivery.OFFERED,
    "webhook.test",
    *("webhook.created", "webhook.updated", "webhook.deleted", "webhook.secret_rotated"),
    *("calendar.created", "calendar.deleted"),
    *("login.failed", "session.started", "session.ended", "session.all_ended", "session.stolen"),
    *("token.created", "token.deleted", "token.all_deleted"),
    *("password.changed", "password.reset_offered"),
    *("user.created", "user.updated", "user.deleted"),
)

events = db.Table(
    "events",
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
    Column("task", Text),  # JSON: the task after the change, without its id; for webhooks
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

_given: dict[str, Any] = {c.name: bindparam(c.name) for c in events.c if c.name != "id"}
INSERT = Query(insert(events).values(_given).inline())  # nobody asks for the row's id
# Of a task that was made just before, in the same round trip: nobody knows its id yet.
INSERT_OF_NEW_TASK = Query(insert(events).values(_given | {"task_id": last_id("tasks")}).inline())
LISTING = Listing(
    columns=tuple(c for c in events.c if c.name != "task"),
    filters={
        "task_id": Filter(lambda value: events.c.task_id == value),
        "is_audit": Flag(events.c.is_audit, not_(events.c.is_audit)),
        "actor": Filter(lambda value: events.c.actor_id == value),
        "action": Filter(lambda value: events.c.action == value),
        "since": Filter(lambda value: events.c.at >= value),
    },
    sorts={},
)
_old = (
    select(events.c.id)
    .where(events.c.at < bindparam("before", type_=Moment))
    .limit(literal_column("1000"))
)
PURGE = Query(delete(events).where(events.c.id.in_(_old.where(not_(events.c.is_audit)))))
PURGE_AUDIT = Query(delete(events).where(events.c.id.in_(_old)))


class Origin(NamedTuple):
    """Who acts, from where, in which request."""

    actor_id: int | None = None
    address: str | None = None
    request_id: str | None = None


NOBODY = Origin()
# Set for each request and command, so that no rule has to hand it on.
origin: ContextVar[Origin] = ContextVar("origin", default=NOBODY)


def act_as(user_id: int) -> None:
    """What follows is this user's doing."""
    origin.set(origin.get()._replace(actor_id=user_id))


def record(
    action: str,
    *,
    user_id: int | None = None,
    task_id: int | None = None,
    version: int | None = None,
    changes: dict[str, Any] | None = None,
    task: dict[str, Any] | None = None,
    is_new_task: bool = False,
    actor_id: int | None = None,
    is_audit: bool = True,
) -> None:
    """Write down what happens, in the transaction of the change."""
    source = origin.get()
    (INSERT_OF_NEW_TASK if is_new_task else INSERT).later(
        at=now(),
        actor_id=actor_id or source.actor_id,
        action=action,
        task_id=task_id,
        user_id=user_id,
        is_audit=is_audit,
        version=version,
        changes=orjson.dumps(changes or {}).decode(),
        task=None if task is None else orjson.dumps(task).decode(),
        address=source.address,
        request_id=source.request_id,
    )
    if action in delivery.OFFERED:
        delivery.offer(action, user_id)


def activity_json(happened: Row) -> dict[str, Any]:
    return {
        "at": happened.at,
        "actor": happened.actor_id,
        "action": happened.action,
        "changes": orjson.loads(happened.changes),
        "request_id": happened.request_id,
    }


def audit_json(happened: Row) -> dict[str, Any]:
    return activity_json(happened) | {
        "id": happened.id,
        "user_id": happened.user_id,
        "task_id": happened.task_id,
        "address": happened.address,
    }


def purge() -> int:
    """Forget what is too old, the audit later than the rest; a little at a time."""
    deleted = 0
    for query, days in ((PURGE, KEPT_DAYS), (PURGE_AUDIT, AUDIT_KEPT_DAYS)):
        while count := query.run(before=ago(days=days)):
            deleted += count
    return deleted
