"""Deliveries: a worker claims a webhook for a while and sends what is due to it, in order.

A claim is of a webhook and not of a message, which keeps the order of first attempts, lets one
connection serve many messages, and gives every webhook its turn.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam, exists, or_, select, update
from standardwebhooks import Webhook as Signer

from taskapi.config import settings
from taskapi.db import DATABASE_ERRORS, from_now, now, transaction
from taskapi.errors import Unavailable
from taskapi.extensions import db
from taskapi.models.delivery import Delivery, cancel_deliveries, message_id
from taskapi.models.event import WEBHOOK_TEST, Event
from taskapi.models.task import Task, task_json
from taskapi.models.token import PersonalToken
from taskapi.models.user import User
from taskapi.models.webhook import Webhook, sees_everything
from taskapi.version import __version__
from taskapi.worker.addresses import BadUrl, check_url
from taskapi.worker.http import Outcome, Receiver

# Seconds after a failed attempt; a little over three days in all.
GAPS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
CLAIM_SECONDS = 30  # longer than BATCH_SECONDS and one attempt together
BATCH_MESSAGES, BATCH_SECONDS = 100, 3.0
# Results are written at least this often: after a crash, so many messages are sent again.
WRITE_MESSAGES, WRITE_SECONDS = 40, 1.0
GONE = 410

log = logging.getLogger("taskapi.worker")

_is_new = Delivery.next_attempt_at.is_not(None) & Delivery.last_attempt_at.is_(None)


class Message(NamedTuple):
    delivery: Delivery
    event: Event
    task: Task | None  # as it is now


class Owner(NamedTuple):
    """Whoever made the webhook, as one who sees tasks."""

    id: int
    is_admin: bool


class Result(NamedTuple):
    message: Message
    outcome: Outcome
    at: str


def claim(worker: str, failing: bool) -> int | None:
    """The id of a webhook with due deliveries, claimed for this worker; None if there is none.

    Webhooks whose last attempt failed are asked for apart, so that they never delay the others.
    """
    moment = now()
    own = Delivery.webhook_id == Webhook.id
    is_retry = Delivery.last_attempt_at.is_not(None) & (Delivery.next_attempt_at <= moment)
    has_due = or_(exists().where(own, _is_new), exists().where(own, is_retry))
    is_free = or_(Webhook.claimed_until.is_(None), Webhook.claimed_until < moment)
    is_failing = Webhook.failing_since.is_not(None)
    due = (
        select(Webhook.id)
        .where(has_due, is_free, is_failing if failing else ~is_failing)
        .order_by(Webhook.claimed_at.is_not(None), Webhook.claimed_at)
        .limit(1)
    )
    if db.session.scalar(due) is None:
        return None  # looking needs no lock
    with transaction():
        webhook_id = db.session.scalar(due.with_for_update(skip_locked=True))
        claimed = {
            "claimed_at": moment,
            "claimed_by": worker,
            "claimed_until": from_now(seconds=CLAIM_SECONDS),
        }
        db.session.execute(update(Webhook).where(Webhook.id == webhook_id).values(claimed))
    return webhook_id


def deliver_batch(webhook_id: int, worker: str, must_stop: Callable[[], bool]) -> Counter[str]:
    """Send what is due to a claimed webhook; how many were delivered and failed."""
    batch = _Batch(webhook_id)
    batch.run(must_stop)
    # After an unexpected exception the claim lapses instead, so that it is not repeated at once.
    ours = (Webhook.id == webhook_id, Webhook.claimed_by == worker)
    with transaction():
        free = {"claimed_by": None, "claimed_until": None}
        db.session.execute(update(Webhook).where(*ours).values(free))
    return batch.counts


class _Batch:
    def __init__(self, webhook_id: int):
        self.counts: Counter[str] = Counter()
        self._id = webhook_id
        self._results: list[Result] = []
        self._written_at = time.monotonic()

    def run(self, must_stop: Callable[[], bool]) -> None:
        webhook = db.session.get(Webhook, self._id)
        messages = self._messages() if webhook is not None else []
        if webhook is None or not messages:
            return
        url, signers = webhook.url, [Signer(each) for each in webhook.signing_secrets()]
        config = settings()
        db.session.close()  # nothing is held while messages are sent
        end = time.monotonic() + BATCH_SECONDS
        message, receiver = messages[0], None
        try:
            check_url(
                url,
                is_production=config.is_production,
                allows_private=config.webhook_allow_private,
            )
            receiver = Receiver(url, allows_private=config.webhook_allow_private)
            for message in messages:
                if must_stop() or time.monotonic() > end:
                    break
                if not self._send(receiver, message, signers):
                    break
        except BadUrl as error:
            self._note(message, Outcome(None, f"The address is not allowed: {error}"))
        except (*DATABASE_ERRORS, Unavailable):
            raise
        except Exception:
            # A failed attempt like any other: unnoted, it would be repeated at once for ever.
            log.exception("webhook %s: a message could not be sent", self._id)
            self._note(message, Outcome(None, "The message could not be sent."))
        finally:
            if receiver is not None:
                receiver.close()
            self._write()

    def _messages(self) -> list[Message]:
        """What is due and may be sent, retries first."""
        owner = db.session.execute(
            select(User.id, User.is_active, sees_everything().label("sees_everything"))
            .select_from(Webhook)
            .join(User, User.id == Webhook.user_id)
            .outerjoin(PersonalToken, PersonalToken.id == Webhook.token_id)
            .where(Webhook.id == self._id, Webhook.is_active)
        ).first()
        if owner is None or not owner.is_active:
            with transaction():
                webhook = db.session.get(Webhook, self._id, with_for_update=True)
                if webhook is not None:
                    cancel_deliveries(webhook.id, "The webhook or its owner is disabled.")
            return []
        due = (
            select(Delivery, Event, Task)
            .join(Event, Event.id == Delivery.event_id)
            .outerjoin(Task, Task.id == Event.task_id)
            .where(Delivery.webhook_id == self._id)
            .limit(BATCH_MESSAGES)
        )
        retries = due.where(
            Delivery.last_attempt_at.is_not(None), Delivery.next_attempt_at <= now()
        )
        found = [
            *db.session.execute(retries.order_by(Delivery.next_attempt_at)),
            *db.session.execute(due.where(_is_new).order_by(Delivery.id)),
        ]
        visible = Task.visible_to(Owner(owner.id, owner.sees_everything))
        messages: list[Message] = []
        hidden: list[Message] = []
        for row in found:
            message = Message(*row)
            task_owner = message.event.user_id if message.task is None else message.task.user_id
            (messages if visible.includes(task_owner) else hidden).append(message)
        if hidden:
            with transaction():
                for message in hidden:
                    message.delivery.status = "cancelled"
                    message.delivery.next_attempt_at = None
                    message.delivery.error = "The owner may not see this task any more."
        return messages

    def _send(self, receiver: Receiver, message: Message, signers: list[Signer]) -> bool:
        """Make one attempt; True if the next message may follow."""
        if not signers:
            error = "The secret cannot be decrypted with SECRET_KEY. Rotate it."
            self._note(message, Outcome(None, error))
            return False
        body = _body(message)
        outcome = receiver.post(_headers(self._id, message, body, signers), body)
        self._note(message, outcome)
        if outcome.status == GONE:
            with transaction():
                webhook = db.session.get(Webhook, self._id, with_for_update=True)
                if webhook is not None:
                    webhook.turn_off("The receiver answered 410 Gone.")
            return False
        return outcome.is_success

    def _note(self, message: Message, outcome: Outcome) -> None:
        """Keep a result; written now and then, and a failure at once."""
        self._results.append(Result(message, outcome, now()))
        self.counts["delivered" if outcome.is_success else "failed"] += 1
        is_time = time.monotonic() - self._written_at > WRITE_SECONDS
        if is_time or len(self._results) >= WRITE_MESSAGES or not outcome.is_success:
            self._write()

    def _write(self) -> None:
        results, self._results = self._results, []
        if not results:
            return
        is_failing = not results[-1].outcome.is_success
        with transaction():
            db.session.execute(_WRITE_RESULT, [_values(result) for result in results])
            webhook = db.session.get(Webhook, self._id, with_for_update=True)
            if webhook is not None:
                webhook.failing_since = (webhook.failing_since or now()) if is_failing else None
        self._written_at = time.monotonic()


_WRITE_RESULT = (
    update(Delivery.__table__)
    # What was cancelled meanwhile stays so.
    .where(Delivery.id == bindparam("delivery_id"), Delivery.next_attempt_at.is_not(None))
    .values(
        {
            name: bindparam(name)
            for name in (
                *("status", "attempts", "last_attempt_at", "next_attempt_at", "delivered_at"),
                *("status_code", "error"),
            )
        }
    )
)


def _values(result: Result) -> dict[str, Any]:
    attempts, outcome = result.message.delivery.attempts + 1, result.outcome
    values: dict[str, Any] = {
        "delivery_id": result.message.delivery.id,
        "attempts": attempts,
        "last_attempt_at": result.at,
        "next_attempt_at": None,
        "delivered_at": None,
        "status_code": outcome.status,
        "error": outcome.error,
    }
    if outcome.is_success:
        return values | {"status": "delivered", "delivered_at": result.at}
    if attempts > len(GAPS):
        return values | {"status": "failed"}
    # A tenth more or less, so that what failed together is not retried together.
    gap = GAPS[attempts - 1] * random.uniform(0.9, 1.1)
    return values | {"status": "pending", "next_attempt_at": from_now(seconds=gap)}


def _body(message: Message) -> bytes:
    """`{type, timestamp, data}`; the task as it was after the change, else as it is now."""
    happened, task = message.event, message.task
    data: dict[str, Any] = {}
    if happened.action == WEBHOOK_TEST:
        data["message"] = "This webhook works."
    elif happened.task is not None:
        data["task"] = {"id": happened.task_id, **happened.task}
    elif task is not None:
        data["task"] = task_json(task)
    else:
        data["task"] = {
            "id": happened.task_id,
            "user_id": happened.user_id,
            "version": happened.version,
        }
    return orjson.dumps({"type": happened.action, "timestamp": happened.at, "data": data})


def _headers(
    webhook_id: int, message: Message, body: bytes, signers: list[Signer]
) -> dict[str, str]:
    """The headers of an attempt made now, with a signature by each secret."""
    name, moment = message_id(webhook_id, message.event.id), datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"taskapi/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(s.sign(name, moment, body.decode()) for s in signers),
    }
