"""A user's secret calendar address, of which only a digest is kept."""

import secrets
from typing import Any

from sqlalchemy import Column, ForeignKey, String, bindparam, delete, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.errors import NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.keys import digest
from taskapi.models.task_table import SHOWN, tasks
from taskapi.models.user import users
from taskapi.moments import ago, now

SINCE_DAYS = 30
AT_MOST = 1000

calendars = db.Table(
    "calendars",
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
)

_set = upsert(calendars).values({c.name: bindparam(c.name) for c in calendars.c})
SET = Query(
    _set.on_conflict_do_update(
        index_elements=["user_id"],
        set_={"token_hash": _set.excluded.token_hash, "created_at": _set.excluded.created_at},
    )
)
DELETE = Query(delete(calendars).where(calendars.c.user_id == bindparam("user_id")))
BY_TOKEN = Query(
    select(users)
    .join(calendars, calendars.c.user_id == users.c.id)
    .where(calendars.c.token_hash == bindparam("token_hash"), users.c.is_active)
)


def _dated(*columns: Any) -> Query:
    """The user's tasks with a due time from `since` on, the first ones."""
    return Query(
        select(*columns)
        .where(
            tasks.c.user_id == bindparam("user_id"),
            tasks.c.deleted_at.is_(None),
            tasks.c.due_at >= bindparam("since", type_=Moment),
        )
        .order_by(tasks.c.due_at, tasks.c.id)
        .limit(literal_column(str(AT_MOST)))
    )


DATED = _dated(*SHOWN)
VERSIONS = _dated(tasks.c.id, tasks.c.version)


def create_calendar(user_id: int) -> str:
    """A new secret token; the one before opens nothing any more."""
    token = secrets.token_urlsafe(32)
    with transaction():
        SET.run(user_id=user_id, token_hash=digest(token), created_at=now())
        event.record("calendar.created", user_id=user_id)
    return token


def delete_calendar(user_id: int) -> None:
    with transaction():
        if not DELETE.run(user_id=user_id):
            raise NotFound("There is no calendar.")
        event.record("calendar.deleted", user_id=user_id)


def owner_of(token: str) -> Row:
    """Whose calendar it is, or NotFound."""
    owner = BY_TOKEN.first(token_hash=digest(token))
    if owner is None:
        raise NotFound
    return owner


def dated_tasks(user_id: int, query: Query = DATED) -> list[Row]:
    """The user's tasks that a calendar shows."""
    return query.all(user_id=user_id, since=ago(days=SINCE_DAYS))
