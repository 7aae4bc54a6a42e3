"""Webhooks, and creating deliveries from events."""

from typing import Any

from sqlalchemy import ForeignKey, String, Text, func, insert, literal, select, type_coerce, update
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Names, Timestamp, affected_rows, from_now, now, transaction
from taskapi.errors import Conflict, NotFound
from taskapi.extensions import db
from taskapi.listing import Listing
from taskapi.models import event, webhook_secret
from taskapi.models.claim import Claimable
from taskapi.models.delivery import Delivery, cancel_deliveries
from taskapi.models.event import MEMBER_EVENTS, WEBHOOK_EVENTS, WEBHOOK_TEST, Event
from taskapi.models.project import Membership, is_member
from taskapi.models.task import Task
from taskapi.models.token import PersonalToken
from taskapi.models.user import User

MAX_WEBHOOKS = 20  # per user, because each change creates a delivery for each webhook
BOTH_SIGN_HOURS = 24
FAN_OUT_BATCH = 500


class Webhook(Claimable, db.Model):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # The personal access token that created it, which limits what it receives.
    token_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("personal_tokens.id", ondelete="CASCADE"), index=True
    )
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(Names(200))
    is_active: Mapped[bool]
    active_since: Mapped[str | None] = mapped_column(Timestamp)  # if it was turned off before
    secret: Mapped[str] = mapped_column(String(200))  # encrypted
    old_secret: Mapped[str | None] = mapped_column(String(200))
    old_secret_until: Mapped[str | None] = mapped_column(Timestamp)
    failing_since: Mapped[str | None] = mapped_column(Timestamp)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)

    __table_args__ = ({"sqlite_autoincrement": True},)

    @classmethod
    def of_user(cls, user_id: int, webhook_id: int, *, lock: bool = False) -> "Webhook":
        """Return a webhook of the user, or raise NotFound."""
        query = select(cls).where(cls.id == webhook_id, cls.user_id == user_id)
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        webhook = db.session.scalar(query)
        if webhook is None:
            raise NotFound("Webhook not found.")
        return webhook

    @classmethod
    def create(cls, user_id: int, **fields: Any) -> tuple["Webhook", str]:
        """Create a webhook, of all events by default, and return it with its secret."""
        moment = now()
        with transaction():
            # Concurrent requests wait here, and then count this webhook as well.
            owner = select(User.id).where(User.id == user_id).with_for_update(key_share=True)
            db.session.execute(owner)
            count = select(func.count()).select_from(cls).where(cls.user_id == user_id)
            if (db.session.scalar(count) or 0) >= MAX_WEBHOOKS:
                raise Conflict(f"A user can have at most {MAX_WEBHOOKS} webhooks.")
            defaults = {"events": list(WEBHOOK_EVENTS), "is_active": True, "secret": ""}
            times = {"created_at": moment, "updated_at": moment}
            webhook = cls(user_id=user_id, **defaults | times | fields)
            db.session.add(webhook)
            db.session.flush()  # creates the id, which the encrypted secret contains
            secret, webhook.secret = webhook_secret.new_secret(webhook.id)
            event.record("webhook.created", user_id=user_id)
        return webhook, secret

    def update(self, changes: dict[str, Any], token_id: int | None = None) -> None:
        """Update a locked webhook. Turning it off cancels pending deliveries."""
        if all(getattr(self, name) == value for name, value in changes.items()):
            return
        moment = now()
        if changes.get("is_active") and not self.is_active:
            self.active_since = moment
        if token_id is not None and changes.get("url", self.url) != self.url:
            self.token_id = token_id  # as if it was created with this token
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = moment
        if not self.is_active:
            cancel_deliveries(self.id, "The webhook was turned off.")
        # Without the URL, which can contain a secret.
        event.record("webhook.updated", user_id=self.user_id)

    def delete(self) -> None:
        event.record("webhook.deleted", user_id=self.user_id)
        db.session.delete(self)

    def turn_off(self, reason: str) -> None:
        self.is_active = False
        self.updated_at = now()
        cancel_deliveries(self.id, reason)

    def rotate_secret(self) -> str:
        """Create a new secret. The previous one also signs for a day."""
        self.old_secret, self.old_secret_until = self.secret, from_now(hours=BOTH_SIGN_HOURS)
        secret, self.secret = webhook_secret.new_secret(self.id)
        self.updated_at = now()
        event.record("webhook.secret_rotated", user_id=self.user_id)
        return secret

    def send_test(self) -> Delivery:
        """Enqueue a message of type webhook.test."""
        self._require_active()
        values = event.event_values(WEBHOOK_TEST, user_id=self.user_id, is_audit=False)
        happened = Event(**values)
        db.session.add(happened)
        db.session.flush()
        return Delivery.enqueue(self.id, happened.id, WEBHOOK_TEST)

    def redeliver(self, delivery_id: int) -> Delivery:
        """Enqueue a message again, as a new delivery."""
        self._require_active()
        delivery = db.session.get(Delivery, delivery_id)
        if delivery is None or delivery.webhook_id != self.id:
            raise NotFound("Delivery not found.")
        return Delivery.enqueue(self.id, delivery.event_id, delivery.event)

    def signing_secrets(self) -> list[str]:
        """Return the secrets that sign, newest first; none if no SECRET_KEY decrypts them."""
        encrypted = [self.secret]
        if self.old_secret and (self.old_secret_until or "") > now():
            encrypted.append(self.old_secret)
        found = (webhook_secret.decrypt(self.id, each) for each in encrypted)
        return [secret for secret in found if secret]

    def _require_active(self) -> None:
        if not self.is_active:
            raise Conflict("The webhook is turned off. Turn it on first.")


LISTING = Listing(columns=Webhook.__table__.c, filters={"user_id": Webhook.user_id})


def is_visible_to_owner(project_id: Any) -> Any:
    """Return the condition that the owner of a webhook can see an event in the project.

    For statements that join `User` and, by an outer join, `PersonalToken` to `Webhook`.
    """
    has_full_scope = Webhook.token_id.is_(None) | (PersonalToken.scope == "admin")
    sees_everything = (User.role == "admin") & has_full_scope
    is_about_owner = Webhook.user_id == Event.user_id
    is_about_member = Event.action.in_(MEMBER_EVENTS)
    is_owner = is_member(project_id, Webhook.user_id, Membership.role == "owner")
    return (
        (project_id.is_(None) & is_about_owner)
        | (~is_about_member & (is_member(project_id, Webhook.user_id) | sees_everything))
        | (is_about_member & (is_about_owner | is_owner))
    )


def fan_out() -> int:
    """Create the deliveries of a batch of events and return the number of events."""
    waiting = select(Event.id).where(Event.is_undelivered).order_by(Event.id).limit(FAN_OUT_BATCH)
    if db.session.scalar(waiting.limit(1)) is None:
        return 0  # reading needs no lock
    with transaction():
        # Without SKIP LOCKED: workers wait for each other, which keeps the order of the events.
        ids = db.session.scalars(waiting.with_for_update()).all()
        if not ids:
            return 0
        moment = literal(now(), Timestamp)
        names = "," + type_coerce(Webhook.events, Text) + ","
        subscribes = names.like("%," + Event.action + ",%")
        pending = (
            select(
                Webhook.id, Event.id, Event.action, literal("pending"), literal(0), moment, moment
            )
            .join_from(Event, Webhook, subscribes)
            .join(User, User.id == Webhook.user_id)
            .outerjoin(PersonalToken, PersonalToken.id == Webhook.token_id)
            .outerjoin(Task, Task.id == Event.task_id)
            .where(
                Event.id.in_(ids),
                *(Webhook.is_active, User.is_active),
                Event.at >= func.coalesce(Webhook.active_since, Webhook.created_at),
                is_visible_to_owner(func.coalesce(Event.project_id, Task.project_id)),
            )
            .order_by(Event.id)
            # Waits for a concurrent deletion of a webhook, and skips it.
            .with_for_update(read=True, key_share=True, of=Webhook)
        )
        columns = ["webhook_id", "event_id", "event", "status", "attempts"]
        columns += ["created_at", "next_attempt_at"]
        db.session.execute(insert(Delivery).from_select(columns, pending))
        db.session.execute(update(Event).where(Event.id.in_(ids)).values(is_undelivered=False))
    return len(ids)


def maintain_secrets() -> int:
    """Delete rotated secrets, and re-encrypt secrets with the first SECRET_KEY."""
    with transaction():
        expired = update(Webhook).where(Webhook.old_secret_until < now())
        changed = affected_rows(expired.values(old_secret=None, old_secret_until=None))
    for webhook_id in db.session.scalars(select(Webhook.id)).all():
        with transaction():
            webhook = db.session.get(Webhook, webhook_id, with_for_update=True)
            for name in ("secret", "old_secret"):
                encrypted = webhook and getattr(webhook, name)
                if encrypted and (anew := webhook_secret.rotated(encrypted)):
                    setattr(webhook, name, anew)
                    changed += 1
    return changed
