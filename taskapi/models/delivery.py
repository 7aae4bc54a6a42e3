"""Deliveries: messages to webhooks."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, update
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Timestamp, ago, delete_in_batches, now, partial
from taskapi.extensions import db
from taskapi.listing import Listing

KEPT_DAYS = 90
STATUSES = ("pending", "delivered", "failed", "cancelled")


class Delivery(db.Model):
    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(Id, ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(Id)
    event: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(9))
    attempts: Mapped[int]
    created_at: Mapped[str] = mapped_column(Timestamp)
    last_attempt_at: Mapped[str | None] = mapped_column(Timestamp)
    next_attempt_at: Mapped[str | None] = mapped_column(Timestamp)  # while it is pending
    delivered_at: Mapped[str | None] = mapped_column(Timestamp)
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        Index("ix_deliveries_webhook", "webhook_id", "id"),
        Index("ix_deliveries_created_at", "created_at"),
        # First attempts in the order of the changes, retries when they are due.
        Index(
            "ix_deliveries_new",
            *("webhook_id", "id"),
            **partial("next_attempt_at IS NOT NULL AND last_attempt_at IS NULL"),
        ),
        Index(
            "ix_deliveries_again",
            *("webhook_id", "next_attempt_at"),
            **partial("next_attempt_at IS NOT NULL AND last_attempt_at IS NOT NULL"),
        ),
        Index("ix_deliveries_waiting", "next_attempt_at", **partial("next_attempt_at IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def enqueue(cls, webhook_id: int, event_id: int, action: str) -> "Delivery":
        """Enqueue the delivery of an event to a webhook."""
        moment = now()
        delivery = cls(
            webhook_id=webhook_id,
            event_id=event_id,
            event=action,
            status="pending",
            attempts=0,
            created_at=moment,
            next_attempt_at=moment,
        )
        db.session.add(delivery)
        db.session.flush()
        return delivery


LISTING = Listing(
    columns=Delivery.__table__.c,
    filters={"webhook_id": Delivery.webhook_id, "status": Delivery.status, "event": Delivery.event},
)


def message_id(webhook_id: int, event_id: int) -> str:
    """Return the message id, which is the same for every attempt."""
    return f"msg_{webhook_id}_{event_id}"


def cancel_deliveries(webhook_id: int, reason: str, *conditions: Any) -> None:
    """Cancel the pending deliveries of a webhook, or those that match the conditions."""
    pending = (Delivery.webhook_id == webhook_id, Delivery.next_attempt_at.is_not(None))
    cancelled = {"status": "cancelled", "next_attempt_at": None, "error": reason}
    db.session.execute(update(Delivery).where(*pending, *conditions).values(cancelled))


def purge() -> int:
    return delete_in_batches(Delivery, Delivery.created_at < ago(days=KEPT_DAYS))
