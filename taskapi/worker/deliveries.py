"""Deliveries: a worker claims a webhook and sends what is due to it, in order.

Workers claim webhooks and not messages. This keeps the order of first attempts, uses one connection
for many messages, and treats all webhooks equally.
"""

import logging
import random
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, exists, func, not_, or_, select, update
from standardwebhooks import Webhook as Signer

from taskapi.db import Row, from_now, now, transaction
from taskapi.extensions import db
from taskapi.models.claim import claim_first
from taskapi.models.delivery import Delivery, cancel_deliveries, message_id
from taskapi.models.event import WEBHOOK_TEST, Event
from taskapi.models.task import Task, task_json
from taskapi.models.token import PersonalToken
from taskapi.models.user import User
from taskapi.models.webhook import Webhook, is_visible_to_owner
from taskapi.version import __version__
from taskapi.worker.http import Outcome, Receiver

# Seconds after a failed attempt; about three days in total.
GAPS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Results are written after each batch, whose messages are sent again if the worker dies. A batch
# and one more attempt take less time than a claim lasts.
BATCH_MESSAGES, BATCH_SECONDS = 100, 1.0
GONE = 410

log = logging.getLogger("taskapi.worker")

_is_new = Delivery.next_attempt_at.is_not(None) & Delivery.last_attempt_at.is_(None)


def claim(worker: str, *, is_failing: bool) -> int | None:
    """Claim a webhook that has due deliveries and whose last attempt failed, or did not."""
    own = Delivery.webhook_id == Webhook.id
    has_due = or_(exists().where(own, _is_new), exists().where(own, _is_retry(now())))
    failed = Webhook.failing_since.is_not(None)
    where = [has_due, failed if is_failing else not_(failed)]
    oldest_claim = [Webhook.claimed_at.is_not(None), Webhook.claimed_at]
    return claim_first(Webhook, worker, where=where, order_by=oldest_claim)


def _is_retry(moment: str) -> Any:
    return Delivery.last_attempt_at.is_not(None) & (Delivery.next_attempt_at <= moment)


def deliver_batch(webhook_id: int, worker: str, must_stop: Callable[[], bool]) -> None:
    """Send what is due to a claimed webhook."""
    webhook = db.session.get(Webhook, webhook_id)
    if webhook is None:
        return  # it was deleted
    messages, signers = _due_messages(webhook), [Signer(each) for each in webhook.signing_secrets()]
    db.session.close()  # no connection is held while messages are sent
    results, outcome = [], None
    end = time.monotonic() + BATCH_SECONDS
    with closing(Receiver(webhook.url)) as receiver:
        for message in messages:
            if must_stop() or time.monotonic() > end:
                break
            outcome = _attempt(receiver, message, signers)
            results.append(_result(message.Delivery, outcome))
            if not outcome.is_success:
                break
    _finish(webhook_id, worker, results, outcome)


def _due_messages(webhook: Webhook) -> list[Row]:
    """Return what is due, retries first, and cancel what the owner cannot see.

    Each row has the `Delivery`, its `Event`, and the `Task` as it is now.
    """
    is_on = (
        select(Webhook.id)
        .join(User, User.id == Webhook.user_id)
        .where(Webhook.id == webhook.id, Webhook.is_active, User.is_active)
    )
    if db.session.scalar(is_on) is None:
        with transaction():
            cancel_deliveries(webhook.id, "The webhook or its owner is disabled.")
        return []
    project_id = func.coalesce(Task.project_id, Event.project_id)  # the current project of the task
    due = (
        select(Delivery, Event, Task, is_visible_to_owner(project_id).label("is_visible"))
        .join(Event, Event.id == Delivery.event_id)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .join(User, User.id == Webhook.user_id)
        .outerjoin(PersonalToken, PersonalToken.id == Webhook.token_id)
        .outerjoin(Task, Task.id == Event.task_id)
        .where(Delivery.webhook_id == webhook.id)
        .limit(BATCH_MESSAGES)
    )
    found = [
        *db.session.execute(due.where(_is_retry(now())).order_by(Delivery.next_attempt_at)),
        *db.session.execute(due.where(_is_new).order_by(Delivery.id)),
    ]
    hidden = [row.Delivery.id for row in found if not row.is_visible]
    if hidden:
        with transaction():
            reason = "The owner of the webhook cannot see this task."
            cancel_deliveries(webhook.id, reason, Delivery.id.in_(hidden))
    return [row for row in found if row.is_visible]


def _attempt(receiver: Receiver, message: Row, signers: list[Signer]) -> Outcome:
    if not signers:
        return Outcome(None, "The secret cannot be decrypted with SECRET_KEY. Rotate the secret.")
    try:
        body = _body(message)
        return receiver.post(_headers(message, body, signers), body)
    except Exception:
        # Recorded as a failed attempt; otherwise it would be repeated immediately, forever.
        log.exception("webhook %s: a message could not be sent", message.Delivery.webhook_id)
        return Outcome(None, "The message could not be sent.")


def _finish(
    webhook_id: int, worker: str, results: list[dict[str, Any]], last: Outcome | None
) -> None:
    """Write the results and release the webhook.

    If this fails, or anything before it, the claim lapses: nothing is repeated at once.
    """
    with transaction():
        webhook = db.session.get(Webhook, webhook_id, with_for_update=True)
        if webhook is None:
            return
        if last is not None:
            db.session.execute(_WRITE_RESULT, results)
            webhook.failing_since = None if last.is_success else webhook.failing_since or now()
            if last.status == GONE:
                webhook.turn_off("The receiver responded with 410 Gone.")
        if webhook.claimed_by == worker:
            webhook.release()


# Deliveries that were cancelled meanwhile stay cancelled.
_WRITE_RESULT = update(Delivery.__table__).where(
    Delivery.id == bindparam("delivery_id"), Delivery.next_attempt_at.is_not(None)
)


def _result(delivery: Delivery, outcome: Outcome) -> dict[str, Any]:
    attempts, moment, retry_at = delivery.attempts + 1, now(), None
    if outcome.is_success:
        status = "delivered"
    elif attempts > len(GAPS):
        status = "failed"
    else:
        status = "pending"
        # Jitter of 10 %, so that messages that failed together are not retried together.
        retry_at = from_now(seconds=GAPS[attempts - 1] * random.uniform(0.9, 1.1))
    return {
        "delivery_id": delivery.id,
        "status": status,
        "attempts": attempts,
        "last_attempt_at": moment,
        "next_attempt_at": retry_at,
        "delivered_at": moment if outcome.is_success else None,
        "status_code": outcome.status,
        "error": outcome.error,
    }


def _body(message: Row) -> bytes:
    """Return `{type, timestamp, data}`, with the task after the change, else its current state."""
    happened, task = message.Event, message.Task
    data: dict[str, Any] = {}
    if happened.action == WEBHOOK_TEST:
        data["message"] = "This webhook works."
    elif happened.task is not None:
        data["task"] = {"id": happened.task_id, **happened.task}
    elif task is not None:
        data["task"] = task_json(task)
    elif happened.task_id is not None:
        known = {"user_id": happened.user_id, "version": happened.version}
        data["task"] = {"id": happened.task_id, **known}
    data |= happened.data or {}
    return orjson.dumps({"type": happened.action, "timestamp": happened.at, "data": data})


def _headers(message: Row, body: bytes, signers: list[Signer]) -> dict[str, str]:
    """Return the headers of an attempt, with a signature by each secret."""
    moment = datetime.now(UTC)
    name = message_id(message.Delivery.webhook_id, message.Event.id)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"taskapi/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(s.sign(name, moment, body.decode()) for s in signers),
    }
