"""Events: a row for each change, inserted in its transaction."""

from contextvars import ContextVar
from typing import Any, NamedTuple

from sqlalchemy import Index, String, bindparam, insert, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Json, Timestamp, ago, delete_in_batches, now, partial
from taskapi.extensions import db
from taskapi.listing import Filter, Flag, Listing
from taskapi.statement import Statement

KEPT_DAYS = 90
AUDIT_KEPT_DAYS = 365
# The events that webhooks can subscribe to.
WEBHOOK_EVENTS = {
    "task.created": "A task was created.",
    "task.updated": "A task was changed in any way.",
    "task.completed": "The status of a task became `done`. `task.updated` is sent as well.",
    "task.deleted": "A task was moved to the trash.",
    "task.restored": "A task was restored from the trash.",
    "task.overdue": "The due time of a task has passed. It is sent once for each due time.",
    "task.assigned": "A task was assigned to a member of its project.",
    "comment.created": "A comment was added to a task.",
    "project.member_added": "A user was added to a project. Its owners and the member receive it.",
    "project.member_removed": "A member left a project. Its owners and the member receive it.",
}
MEMBER_EVENTS = ("project.member_added", "project.member_removed")
WEBHOOK_TEST = "webhook.test"
ACTIONS = (
    *(*WEBHOOK_EVENTS, WEBHOOK_TEST),
    *("webhook.created", "webhook.updated", "webhook.deleted", "webhook.secret_rotated"),
    *("calendar.created", "calendar.deleted"),
    *("login.failed", "session.started", "session.ended", "session.all_ended", "session.stolen"),
    *("token.created", "token.deleted", "token.all_deleted"),
    *("password.changed", "password.reset_offered"),
    *("user.created", "user.updated", "user.deleted"),
    *("project.created", "project.updated", "project.deleted", "project.member_updated"),
    *("comment.updated", "comment.deleted"),
)


class Event(db.Model):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[str] = mapped_column(Timestamp)
    # No foreign keys: events outlive users and tasks.
    actor_id: Mapped[int | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(40))
    task_id: Mapped[int | None] = mapped_column(Id)
    project_id: Mapped[int | None] = mapped_column(Id)  # of the task, after the change
    user_id: Mapped[int | None] = mapped_column(Id)  # the task's owner, or the user concerned
    is_audit: Mapped[bool]
    version: Mapped[int | None] = mapped_column()  # of the task, after the change
    changes: Mapped[dict[str, Any]] = mapped_column(Json)  # {field: [old, new]}
    task: Mapped[dict[str, Any] | None] = mapped_column(Json)  # after the change, without its id
    data: Mapped[dict[str, Any] | None] = mapped_column(Json)  # additional data of webhook messages
    address: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(128))
    # True until the worker has created the deliveries of this event.
    is_undelivered: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("ix_events_task", "task_id", "id", **partial("task_id IS NOT NULL")),
        Index("ix_events_audit", "id", **partial("is_audit")),
        Index("ix_events_at", "at"),
        Index(
            "ix_events_undelivered", "id", **partial("is_undelivered", sqlite="is_undelivered = 1")
        ),
        {"sqlite_autoincrement": True},
    )


_values: dict[str, Any] = {c.name: bindparam(c.name) for c in Event.__table__.c if c.name != "id"}
# Without active webhooks the worker has nothing to do for an event.
_values["is_undelivered"] = bindparam("is_undelivered", type_=Event.is_undelivered.type) & (
    literal_column("EXISTS (SELECT 1 FROM webhooks WHERE is_active)")
)
INSERT = Statement(insert(Event.__table__).values(_values).inline())
LISTING = Listing(
    columns=tuple(c for c in Event.__table__.c if c.name not in ("task", "data", "is_undelivered")),
    filters={
        "task_id": Event.task_id,
        # The activity of a task since it was moved to its project, or under its current owner.
        "since_version": Filter(
            lambda value: (Event.version >= value) | (Event.user_id == bindparam("owner_id"))
        ),
        "is_audit": Flag(Event.is_audit),
        "actor": Event.actor_id,
        "action": Event.action,
        "since": Filter(lambda value: Event.at >= value),
    },
)


class Origin(NamedTuple):
    """The user, address and request of a change."""

    actor_id: int | None = None
    address: str | None = None
    request_id: str | None = None


NOBODY = Origin()
# Set for each request, so that it need not be passed as an argument.
origin: ContextVar[Origin] = ContextVar("origin", default=NOBODY)


def act_as(user_id: int) -> None:
    """Set the user of the following events."""
    origin.set(origin.get()._replace(actor_id=user_id))


def record(action: str, **fields: Any) -> None:
    """Insert an event in the transaction of the change."""
    INSERT.execute(**event_values(action, **fields))


def event_values(action: str, *, is_audit: bool = True, **fields: Any) -> dict[str, Any]:
    """Return the values of all columns, from the fields and the origin of the change."""
    assert fields.keys() <= _values.keys()
    return {
        **dict.fromkeys(_values),
        **origin.get()._asdict(),
        **fields,
        "at": now(),
        "action": action,
        "changes": fields.get("changes") or {},
        "is_audit": is_audit,
        "is_undelivered": action in WEBHOOK_EVENTS,
    }


def purge() -> int:
    """Delete old events; audit events are kept longer."""
    is_old = Event.at < ago(days=KEPT_DAYS)
    deleted = delete_in_batches(Event, is_old, ~Event.is_audit)
    return deleted + delete_in_batches(Event, Event.at < ago(days=AUDIT_KEPT_DAYS))
