"""The table of the tasks, its indexes, and how it is listed."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    and_,
    bindparam,
    false,
    literal_column,
    not_,
    or_,
)

from taskapi.database import Id, Moment
from taskapi.extensions import db
from taskapi.models.page import Filter, Flag, Listing, as_pattern, contains

# Their order is their meaning: it is stored as the number and sorted by.
STATUSES = ("todo", "in_progress", "done")
PRIORITIES = ("low", "medium", "high")
DONE = STATUSES.index("done")
DEFAULTS: dict[str, Any] = {
    "description": None,
    "status": "todo",
    "priority": "medium",
    "due_at": None,
    "tags": [],
}

# Sorted alike on every database: by code point, over what casefold() made of it.
Folded = Text().with_variant(Text(collation="C"), "postgresql")

tasks = db.Table(
    "tasks",
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("title", String(200), nullable=False),
    Column("title_key", Folded, nullable=False),
    Column("description", Text),
    Column("description_key", Text),
    Column("status", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("due_at", Moment),
    Column("tags", Text, nullable=False),  # joined by commas, which no tag contains
    Column("tags_key", Text, nullable=False),  # casefolded, with a comma at both ends
    Column("completed_at", Moment),
    Column("deleted_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    # Has task.overdue been told of this due time?
    Column("is_overdue_told", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
is_live = tasks.c.deleted_at.is_(None)
for _name, *_columns in (
    ("ix_tasks_created", "user_id", "created_at", "id"),
    ("ix_tasks_status_created", "user_id", "status", "created_at", "id"),
    ("ix_tasks_due", "user_id", "due_at", "id"),
    ("ix_tasks_priority", "user_id", "priority", "id"),
    ("ix_tasks_status_due", "user_id", "status", "due_at", "id"),
    ("ix_tasks_status_priority", "user_id", "status", "priority", "id"),
    ("ix_tasks_everyones", "created_at", "id"),
):
    Index(
        _name,
        *(tasks.c[column] for column in _columns),
        postgresql_where=is_live,
        sqlite_where=is_live,
    )
# A small index: what is done, told or in the trash is not in it.
may_be_overdue = and_(
    tasks.c.due_at.is_not(None),
    tasks.c.status != literal_column("2"),
    not_(tasks.c.is_overdue_told),
    is_live,
)
Index(
    "ix_tasks_overdue",
    tasks.c.due_at,
    postgresql_where=may_be_overdue,
    sqlite_where=may_be_overdue,
)
Index(
    "ix_tasks_trash",
    tasks.c.deleted_at,
    postgresql_where=not_(is_live),
    sqlite_where=not_(is_live),
)

SHOWN_NAMES = (
    "id",
    "user_id",
    "title",
    "description",
    "status",
    "priority",
    "due_at",
    "tags",
    "completed_at",
    "created_at",
    "updated_at",
    "version",
    "deleted_at",
)
SHOWN = tuple(tasks.c[name] for name in SHOWN_NAMES)
_is_overdue = and_(tasks.c.due_at < bindparam("now"), tasks.c.status != DONE)


def _pattern(text: str) -> str:
    return as_pattern(text.casefold())


LISTING = Listing(
    columns=SHOWN,
    filters={
        "user_id": Filter(lambda value: tasks.c.user_id == value),
        "status": Filter(lambda value: tasks.c.status == value, STATUSES.index),
        "priority": Filter(lambda value: tasks.c.priority == value, PRIORITIES.index),
        "tag": Filter(contains(tasks.c.tags_key), lambda tag: _pattern(f",{tag},")),
        "q": Filter(
            lambda value: or_(
                contains(tasks.c.title_key)(value), contains(tasks.c.description_key)(value)
            ),
            _pattern,
        ),
        "due_before": Filter(lambda value: tasks.c.due_at < value),
        "due_after": Filter(lambda value: tasks.c.due_at >= value),
        "created_since": Filter(lambda value: tasks.c.created_at >= value),
        "updated_since": Filter(lambda value: tasks.c.updated_at >= value),
        "completed_since": Filter(lambda value: tasks.c.completed_at >= value),
        "overdue": Flag(_is_overdue, or_(tasks.c.due_at.is_(None), not_(_is_overdue))),
        "deleted": Flag(not_(is_live), is_live),
    },
    sorts={
        "created_at": tasks.c.created_at,
        "updated_at": tasks.c.updated_at,
        "due_at": tasks.c.due_at,
        "priority": tasks.c.priority,
        "status": tasks.c.status,
        "title": tasks.c.title_key,
        "completed_at": tasks.c.completed_at,
    },
)
