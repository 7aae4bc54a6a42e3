"""Webhooks, their secrets, and the deliveries to them."""

import base64
import secrets
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.config import settings
from taskapi.db import (
    Id,
    Names,
    Timestamp,
    affected_rows,
    ago,
    from_now,
    now,
    partial,
    transaction,
)
from taskapi.errors import Conflict, NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.event import WEBHOOK_EVENTS, WEBHOOK_TEST, Event
from taskapi.models.token import PersonalToken
from taskapi.models.user import User
from taskapi.paging import Filter, Listing

MAX_WEBHOOKS = 20  # for each user: every change makes a delivery for each webhook
BOTH_SIGN_HOURS = 24
KEPT_DAYS = 90
FAN_OUT_BATCH = 500
STATUSES = ("pending", "delivered", "failed", "cancelled")


class Webhook(db.Model):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # The personal token that it was made with: it sees what that token sees, and goes with it.
    token_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("personal_tokens.id", ondelete="CASCADE"), index=True
    )
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(Names(200))
    is_active: Mapped[bool]
    active_since: Mapped[str | None] = mapped_column(Timestamp)  # if it was off before
    secret: Mapped[str] = mapped_column(String(200))  # encrypted
    old_secret: Mapped[str | None] = mapped_column(String(200))
    old_secret_until: Mapped[str | None] = mapped_column(Timestamp)
    failing_since: Mapped[str | None] = mapped_column(Timestamp)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    claimed_at: Mapped[str | None] = mapped_column(Timestamp)
    claimed_by: Mapped[str | None] = mapped_column(String(40))
    claimed_until: Mapped[str | None] = mapped_column(Timestamp)

    __table_args__ = ({"sqlite_autoincrement": True},)

    @classmethod
    def of_user(cls, user_id: int, webhook_id: int, *, lock: bool = False) -> "Webhook":
        """The user's own webhook, or NotFound."""
        query = select(cls).where(cls.id == webhook_id, cls.user_id == user_id)
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        webhook = db.session.scalar(query)
        if webhook is None:
            raise NotFound("Webhook not found.")
        return webhook

    @classmethod
    def create(
        cls,
        user_id: int,
        *,
        url: str,
        events: list[str] | None = None,
        is_active: bool = True,
        token_id: int | None = None,
    ) -> tuple["Webhook", str]:
        """A webhook and its secret, which is shown only now."""
        moment = now()
        with transaction():
            # Whoever creates another one at the same time waits here, then counts this one too.
            owner = select(User.id).where(User.id == user_id).with_for_update(key_share=True)
            db.session.execute(owner)
            count = select(func.count()).select_from(cls).where(cls.user_id == user_id)
            if (db.session.scalar(count) or 0) >= MAX_WEBHOOKS:
                raise Conflict(f"A user may have at most {MAX_WEBHOOKS} webhooks.")
            webhook = cls(
                user_id=user_id,
                token_id=token_id,
                url=url,
                events=list(WEBHOOK_EVENTS) if events is None else events,
                is_active=is_active,
                secret="",
                created_at=moment,
                updated_at=moment,
            )
            db.session.add(webhook)
            db.session.flush()  # gives the id, which the encrypted secret contains
            secret = webhook._new_secret()
            event.record("webhook.created", user_id=user_id)
        return webhook, secret

    def update(self, changes: dict[str, Any], token_id: int | None = None) -> None:
        """Apply the changes to a locked webhook; turning it off cancels what is pending."""
        if all(getattr(self, name) == value for name, value in changes.items()):
            return
        moment = now()
        if changes.get("is_active") and not self.is_active:
            self.active_since = moment
        if token_id is not None and changes.get("url", self.url) != self.url:
            self.token_id = token_id  # as if it was made anew with this token
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = moment
        if not self.is_active:
            self.cancel_deliveries("The webhook was turned off.")
        # Without the URL, which may itself be a secret.
        event.record("webhook.updated", user_id=self.user_id)

    def delete(self) -> None:
        event.record("webhook.deleted", user_id=self.user_id)
        db.session.delete(self)

    def turn_off(self, reason: str) -> None:
        self.is_active = False
        self.updated_at = now()
        self.cancel_deliveries(reason)

    def rotate_secret(self) -> str:
        """A new secret; the previous one signs along with it for a day."""
        self.old_secret, self.old_secret_until = self.secret, from_now(hours=BOTH_SIGN_HOURS)
        self.updated_at = now()
        event.record("webhook.secret_rotated", user_id=self.user_id)
        return self._new_secret()

    def send_test(self) -> "Delivery":
        """Enqueue a message of type webhook.test."""
        self._require_active()
        values = event.event_values(WEBHOOK_TEST, user_id=self.user_id, is_audit=False)
        happened = Event(**values)
        db.session.add(happened)
        db.session.flush()
        return self._enqueue(happened.id, WEBHOOK_TEST)

    def redeliver(self, delivery_id: int) -> "Delivery":
        """Enqueue a message once more, as a delivery of its own."""
        self._require_active()
        delivery = db.session.get(Delivery, delivery_id)
        if delivery is None or delivery.webhook_id != self.id:
            raise NotFound("Delivery not found.")
        return self._enqueue(delivery.event_id, delivery.event)

    def cancel_deliveries(self, reason: str) -> None:
        pending = (Delivery.webhook_id == self.id, Delivery.next_attempt_at.is_not(None))
        cancelled = {"status": "cancelled", "next_attempt_at": None, "error": reason}
        db.session.execute(update(Delivery).where(*pending).values(cancelled))

    def signing_secrets(self) -> list[str]:
        """The secrets that sign now, the newest first; none if no SECRET_KEY decrypts them."""
        encrypted = [self.secret]
        if self.old_secret and (self.old_secret_until or "") > now():
            encrypted.append(self.old_secret)
        return [secret for each in encrypted if (secret := self._decrypt(each))]

    def _new_secret(self) -> str:
        secret = secrets.token_bytes(32)
        # With the id, so that a row's secret is of no use in another row.
        self.secret = _fernet().encrypt(f"{self.id}:".encode() + secret).decode()
        return "whsec_" + base64.b64encode(secret).decode()

    def _decrypt(self, encrypted: str) -> str | None:
        try:
            owner, _, secret = _fernet().decrypt(encrypted.encode()).partition(b":")
        except InvalidToken:
            return None
        is_own = owner == str(self.id).encode()
        return "whsec_" + base64.b64encode(secret).decode() if is_own else None

    def _require_active(self) -> None:
        if not self.is_active:
            raise Conflict("The webhook is turned off. Turn it on first.")

    def _enqueue(self, event_id: int, action: str) -> "Delivery":
        moment = now()
        delivery = Delivery(
            webhook_id=self.id,
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


class Delivery(db.Model):
    """One message to one webhook."""

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
        # First attempts in the order of the changes, retries when their time comes.
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

    @property
    def message_id(self) -> str:
        return message_id(self.webhook_id, self.event_id)


LISTING = Listing(
    columns=tuple(Webhook.__table__.c),
    filters={"user_id": Filter(lambda value: Webhook.user_id == value)},
    sorts={},
)
DELIVERY_LISTING = Listing(
    columns=tuple(Delivery.__table__.c),
    filters={
        "webhook_id": Filter(lambda value: Delivery.webhook_id == value),
        "status": Filter(lambda value: Delivery.status == value),
        "event": Filter(lambda value: Delivery.event == value),
    },
    sorts={},
)


def message_id(webhook_id: int, event_id: int) -> str:
    """The same for every attempt, so that a receiver recognises a repetition."""
    return f"msg_{webhook_id}_{event_id}"


def webhook_json(webhook: Any) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "is_active": webhook.is_active,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


def delivery_json(delivery: Any) -> dict[str, Any]:
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


def sees_everything() -> Any:
    """The condition that a webhook's owner may see every task, as of now.

    Of a statement that joins `User` and, by an outer join, `PersonalToken` to `Webhook`.
    """
    has_full_scope = or_(Webhook.token_id.is_(None), PersonalToken.scope == "admin")
    return and_(User.role == "admin", has_full_scope)


def fan_out() -> int:
    """Make the deliveries of a batch of events; the number of events."""
    waiting = select(Event.id).where(Event.is_undelivered).order_by(Event.id).limit(FAN_OUT_BATCH)
    if db.session.scalar(waiting.limit(1)) is None:
        return 0  # looking needs no lock
    with transaction():
        # Without SKIP LOCKED: two workers take turns, which keeps the order of the events.
        ids = db.session.scalars(waiting.with_for_update()).all()
        if not ids:
            return 0
        moment = literal(now(), Timestamp)
        pending = (
            select(
                *(Webhook.id, Event.id, Event.action),
                *(literal("pending"), literal(0), moment, moment),
            )
            .join_from(Event, Webhook, true())
            .join(User, User.id == Webhook.user_id)
            .outerjoin(PersonalToken, PersonalToken.id == Webhook.token_id)
            .where(
                Event.id.in_(ids),
                *(Webhook.is_active, User.is_active),
                Event.at >= func.coalesce(Webhook.active_since, Webhook.created_at),
                or_(Webhook.user_id == Event.user_id, sees_everything()),
                ("," + type_coerce(Webhook.events, Text) + ",").like("%," + Event.action + ",%"),
            )
            .order_by(Event.id)
            # A webhook that is just being deleted is waited for, and left out.
            .with_for_update(read=True, key_share=True, of=Webhook)
        )
        names = [
            *("webhook_id", "event_id", "event", "status", "attempts", "created_at"),
            "next_attempt_at",
        ]
        db.session.execute(insert(Delivery.__table__).from_select(names, pending))
        db.session.execute(update(Event).where(Event.id.in_(ids)).values(is_undelivered=false()))
    return len(ids)


def purge() -> int:
    """Delete old deliveries in batches."""
    deleted = 0
    old = select(Delivery.id).where(Delivery.created_at < ago(days=KEPT_DAYS)).limit(1000)
    while True:
        with transaction():
            count = affected_rows(delete(Delivery).where(Delivery.id.in_(old)))
        deleted += count
        if not count:
            return deleted


def maintain_secrets() -> int:
    """Forget rotated secrets; encrypt anew what another than the first SECRET_KEY encrypted."""
    changed = 0
    newest, every = Fernet(_keys()[0]), _fernet()
    with transaction():
        expired = update(Webhook).where(Webhook.old_secret_until < now())
        forgotten = {"old_secret": None, "old_secret_until": None}
        changed += affected_rows(expired.values(forgotten))
    for webhook_id in db.session.scalars(select(Webhook.id)).all():
        with transaction():
            webhook = db.session.get(Webhook, webhook_id, with_for_update=True)
            for name in ("secret", "old_secret"):
                encrypted = webhook and getattr(webhook, name)
                if not encrypted or _can_decrypt(newest, encrypted):
                    continue
                if _can_decrypt(every, encrypted):
                    setattr(webhook, name, every.rotate(encrypted.encode()).decode())
                    changed += 1
    return changed


def _can_decrypt(fernet: Fernet | MultiFernet, encrypted: str) -> bool:
    try:
        fernet.decrypt(encrypted.encode())
    except InvalidToken:
        return False
    return True


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in _keys()])


def _keys() -> list[bytes]:
    return [fernet_key(secret) for secret in settings().secret_keys]


def fernet_key(secret: str) -> bytes:
    """The key that encrypts webhooks' secrets, derived from one of SECRET_KEY's keys."""
    derive = HKDF(hashes.SHA256(), length=32, salt=None, info=b"taskapi.webhook-secrets")
    return base64.urlsafe_b64encode(derive.derive(secret.encode()))
