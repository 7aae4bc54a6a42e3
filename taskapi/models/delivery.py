"""Webhooks and what is to be delivered to them: a row for each change and webhook.

The rows are written with the event, in the transaction of the change.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    table,
    text,
    update,
)

from taskapi.database import Id, Moment, Query, Row, last_id
from taskapi.extensions import db
from taskapi.models.page import Filter, Listing
from taskapi.models.work import bell, lease_columns
from taskapi.moments import ago, now

# What a webhook may ask for.
OFFERED = (
    "task.created",
    "task.updated",
    "task.completed",
    "task.deleted",
    "task.restored",
    "task.overdue",
)
STATUSES = ("pending", "delivered", "failed", "cancelled")
KEPT_DAYS = 90

webhooks = db.Table(
    "webhooks",
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    Column("events", String(200), nullable=False),  # joined by commas, with one at both ends
    Column("is_active", Boolean, nullable=False),
    Column("secret", String(200), nullable=False),  # sealed: see models/keys.py
    Column("old_secret", String(200)),
    Column("old_secret_until", Moment),
    Column("failing_since", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    *lease_columns(),
    sqlite_autoincrement=True,
)
deliveries = db.Table(
    "deliveries",
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Id, nullable=False),
    Column("event", String(40), nullable=False),
    Column("status", String(9), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_attempt_at", Moment),
    Column("next_attempt_at", Moment),  # as long as it is pending
    Column("delivered_at", Moment),
    Column("status_code", Integer),
    Column("error", String(200)),
    Index("ix_deliveries_webhook", "webhook_id", "id"),
    Index("ix_deliveries_created_at", "created_at"),
    # What waits: first attempts in the order of the changes, repetitions when their time comes.
    Index(
        "ix_deliveries_new",
        "webhook_id",
        "id",
        postgresql_where=text("next_attempt_at IS NOT NULL AND last_attempt_at IS NULL"),
        sqlite_where=text("next_attempt_at IS NOT NULL AND last_attempt_at IS NULL"),
    ),
    Index(
        "ix_deliveries_again",
        "webhook_id",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL AND last_attempt_at IS NOT NULL"),
        sqlite_where=text("next_attempt_at IS NOT NULL AND last_attempt_at IS NOT NULL"),
    ),
    Index(
        "ix_deliveries_waiting",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL"),
        sqlite_where=text("next_attempt_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)
# Named here because models/user.py imports the events, which import this.
_users = table("users", column("id"), column("role"), column("is_active"))

is_new = deliveries.c.next_attempt_at.is_not(None) & deliveries.c.last_attempt_at.is_(None)
is_again = (
    deliveries.c.next_attempt_at.is_not(None)
    & deliveries.c.last_attempt_at.is_not(None)
    & (deliveries.c.next_attempt_at <= bindparam("now", type_=Moment))
)

_WRITTEN = [
    "webhook_id",
    "event_id",
    "event",
    "status",
    "attempts",
    "created_at",
    "next_attempt_at",
]


def _rows_for(event_id: Any, action: Any, owner_id: Any) -> Any:
    """A delivery for each webhook whose owner may see the task; asked again when it is sent."""
    moment: Any = bindparam("now", type_=Moment)
    return (
        select(
            webhooks.c.id, event_id, action, literal_column("'pending'"), literal(0), moment, moment
        )
        .join_from(webhooks, _users, _users.c.id == webhooks.c.user_id)
        .where(
            webhooks.c.is_active,
            _users.c.is_active,
            or_(webhooks.c.user_id == owner_id, _users.c.role == "admin"),
            webhooks.c.events.like(bindparam("pattern", type_=Text)),
        )
        # One that is just being deleted is waited for, and left out.
        .with_for_update(read=True, key_share=True, of=webhooks)
    )


# The id from a subquery, which is evaluated once: each row that is written moves it on.
OFFER = Query(
    insert(deliveries).from_select(
        _WRITTEN,
        _rows_for(
            select(last_id("events")).scalar_subquery(),
            bindparam("action", type_=Text),
            bindparam("owner_id", type_=Id),
        ),
    )
)
_events = table("events", column("id"), column("at"), column("action"), column("user_id"))
_many = _rows_for(_events.c.id, _events.c.action, _events.c.user_id).where(
    _events.c.at == bindparam("now", type_=Moment),
    _events.c.action == bindparam("action", type_=Text),
    _events.c.user_id == bindparam("owner_id", type_=Id),
)
# Those of one moment: a few too many are no harm, for every delivery may come twice.
OFFER_MANY = Query(insert(deliveries).from_select(_WRITTEN, _many.order_by(_events.c.id)))

INSERT = Query(
    insert(deliveries).values({name: bindparam(name) for name in _WRITTEN}).returning(deliveries)
)
LISTING = Listing(
    columns=tuple(deliveries.c),
    filters={
        "webhook_id": Filter(lambda value: deliveries.c.webhook_id == value),
        "status": Filter(lambda value: deliveries.c.status == value),
        "event": Filter(lambda value: deliveries.c.event == value),
    },
    sorts={},
)
OF_WEBHOOK = Query(
    select(deliveries).where(
        deliveries.c.id == bindparam("id"), deliveries.c.webhook_id == bindparam("webhook_id")
    )
)
CANCEL = Query(
    update(deliveries)
    .where(
        deliveries.c.webhook_id == bindparam("webhook_id"),
        deliveries.c.next_attempt_at.is_not(None),
    )
    .values(status="cancelled", next_attempt_at=null(), error=bindparam("reason"))
)
PURGE = Query(
    delete(deliveries).where(
        deliveries.c.id.in_(
            select(deliveries.c.id)
            .where(deliveries.c.created_at < bindparam("before"))
            .limit(literal_column("1000"))
        )
    )
)
IS_ANY_ACTIVE = Query(select(webhooks.c.id).where(webhooks.c.is_active).limit(1))
WAITING = Query(
    select(func.count(), func.min(deliveries.c.next_attempt_at)).where(
        deliveries.c.next_attempt_at <= bindparam("now", type_=Moment)
    )
)


def delivery_json(delivery: Row) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "message_id": message_id(delivery.webhook_id, delivery.event_id),
        "status": delivery.status,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "created_at": delivery.created_at,
        "last_attempt_at": delivery.last_attempt_at,
        "next_attempt_at": delivery.next_attempt_at,
        "delivered_at": delivery.delivered_at,
    }


def message_id(webhook_id: int, event_id: int) -> str:
    """The same however often it is sent, so that a receiver knows what it has seen."""
    return f"msg_{webhook_id}_{event_id}"


def offer(action: str, owner_id: int | None) -> None:
    """Deliver the event that was written just now."""
    OFFER.later(action=action, owner_id=owner_id, pattern=f"%,{action},%", now=now())
    bell.ring_after_commit()


def offer_many(action: str, owner_id: int, moment: str) -> None:
    """Deliver the events of that moment."""
    OFFER_MANY.run(action=action, owner_id=owner_id, pattern=f"%,{action},%", now=moment)
    bell.ring_after_commit()


def enqueue(webhook_id: int, event_id: int, action: str) -> Row:
    """Deliver one event to one webhook, as it stands in the queue."""
    moment = now()
    delivery = INSERT.first(
        webhook_id=webhook_id,
        event_id=event_id,
        event=action,
        status="pending",
        attempts=0,
        created_at=moment,
        next_attempt_at=moment,
    )
    bell.ring_after_commit()
    return delivery


def purge() -> int:
    """Forget what is too old, a little at a time."""
    deleted = 0
    while count := PURGE.run(before=ago(days=KEPT_DAYS)):
        deleted += count
    return deleted
