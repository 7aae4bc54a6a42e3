"""Deliveries: a worker takes a webhook for a while and sends what is due to it, in order.

That it is the webhook which is claimed, and not each message, keeps the order, lets one
connection serve many messages, and gives every webhook its turn.
"""

import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import bindparam, case, exists, func, literal_column, null, or_, select, update

from taskapi.config import settings
from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.jobs.addresses import BadUrl, check_url
from taskapi.jobs.http import Outcome, Receiver
from taskapi.jobs.messages import body_of, signed_headers
from taskapi.jobs.queue import Queue
from taskapi.models.delivery import CANCEL, deliveries, is_again, is_new, webhooks
from taskapi.models.event import events
from taskapi.models.task_table import SHOWN, tasks
from taskapi.models.user import users
from taskapi.models.webhook import TEST, signing_keys, turn_off
from taskapi.moments import from_now, now

# Seconds after an attempt that failed; three days and a bit in all.
GAPS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
AT_ONCE = 100  # messages in one turn
TURN_SECONDS = 3.0
# What was sent is written down at least this often: after a crash, so much is sent again.
WRITE_SECONDS, WRITE_MESSAGES = 1.0, 40
GONE = 410


def _queue(*, is_failing: bool) -> Queue:
    """Webhooks that last failed wait apart, so that they never hold up those that work."""

    def is_due(webhook: Any) -> Any:
        def has(condition: Any) -> Any:
            return exists(
                select(deliveries.c.id).where(deliveries.c.webhook_id == webhook.c.id, condition)
            )

        failing = webhook.c.failing_since
        apart = failing.is_not(None) if is_failing else failing.is_(None)
        return apart & or_(has(is_new), has(is_again))

    return Queue(webhooks, is_due, lambda each: (each.c.claimed_at.is_not(None), each.c.claimed_at))


WORKING, FAILING = _queue(is_failing=False), _queue(is_failing=True)

WITH_OWNER = Query(
    select(webhooks, users.c.role, users.c.is_active.label("is_owner_active"))
    .join(users, users.c.id == webhooks.c.user_id)
    .where(webhooks.c.id == bindparam("id"), webhooks.c.leased_by == bindparam("worker"))
)

EVENT_COLUMNS = ("id", "at", "action", "task_id", "user_id", "task", "version")


def _due(condition: Any, order: Any) -> Query:
    number: Any = literal_column(str(AT_ONCE))
    return Query(
        select(
            deliveries.c.id.label("delivery_id"),
            deliveries.c.attempts,
            *(events.c[name].label(f"event_{name}") for name in EVENT_COLUMNS),
            *SHOWN,  # the task as it is now; all None when it is gone
        )
        .join(events, events.c.id == deliveries.c.event_id)
        .join(tasks, tasks.c.id == events.c.task_id, isouter=True)
        .where(deliveries.c.webhook_id == bindparam("id", type_=Id), condition)
        .order_by(order)
        .limit(number)
    )


NEW = _due(is_new, deliveries.c.id)
AGAIN = _due(is_again, deliveries.c.next_attempt_at)
_by_id = deliveries.c.id == bindparam("id")
NOTE = Query(
    update(deliveries)
    .where(_by_id, deliveries.c.next_attempt_at.is_not(None))
    .values(
        status=bindparam("status"),
        attempts=bindparam("attempts"),
        last_attempt_at=bindparam("at"),
        next_attempt_at=bindparam("next_at"),
        delivered_at=bindparam("delivered_at"),
        status_code=bindparam("status_code"),
        error=bindparam("error"),
    )
)
DROP = Query(
    update(deliveries)
    .where(_by_id)
    .values(status="cancelled", next_attempt_at=null(), error=bindparam("error"))
)
NOTE_HEALTH = Query(
    update(webhooks)
    .where(webhooks.c.id == bindparam("id"))
    .values(
        failing_since=case(
            (
                bindparam("is_failing", type_=webhooks.c.is_active.type),
                func.coalesce(webhooks.c.failing_since, bindparam("now", type_=Moment)),
            ),
            else_=null(),
        )
    )
)


class Sent(NamedTuple):
    message: Row
    outcome: Outcome
    at: str


class Turn:
    """One webhook's turn, on a thread of its own."""

    def __init__(self, app: Flask, webhook_id: int, worker: str, may_go_on: Callable[[], bool]):
        self._app, self._id, self._worker = app, webhook_id, worker
        self._may_go_on = may_go_on
        self._sent: list[Sent] = []
        self._written_at = time.monotonic()
        self.delivered = self.failed = 0

    def run(self) -> None:
        with self._app.app_context():
            found = WITH_OWNER.first(id=self._id, worker=self._worker)
            messages = self._messages(found) if found is not None else []
            if found is None or not messages:
                return
            config, keys = settings(), signing_keys(found)
        receiver = Receiver(found.url, allows_private=config.webhook_allow_private)
        end = time.monotonic() + TURN_SECONDS
        try:
            check_url(
                found.url,
                is_production=config.is_production,
                allows_private=config.webhook_allow_private,
            )
            for message in messages:
                if not self._may_go_on() or time.monotonic() > end:
                    break
                if not self._send(receiver, message, keys):
                    break
        except BadUrl as error:
            self._note(messages[0], Outcome(None, f"The address is not allowed: {error}"))
        finally:
            receiver.close()
            self._write()

    def _messages(self, found: Row) -> list[Row]:
        """What is due and may be told, first what has to be repeated."""
        if not (found.is_active and found.is_owner_active):
            CANCEL.run(webhook_id=self._id, reason="The webhook or its owner is disabled.")
            return []
        messages = []
        for message in (*AGAIN.all(id=self._id, now=now()), *NEW.all(id=self._id)):
            owner_id = message.event_user_id if message.id is None else message.user_id
            is_visible = found.role == "admin" or owner_id == found.user_id
            if message.event_action != TEST and not is_visible:
                DROP.run(id=message.delivery_id, error="The owner may not see this task any more.")
            else:
                messages.append(message)
        return messages

    def _send(self, receiver: Receiver, message: Row, keys: list[bytes]) -> bool:
        """Make one attempt; should the next one follow?"""
        if not keys:
            error = "The secret cannot be read with the server's SECRET_KEY any more; rotate it."
            self._note(message, Outcome(None, error))
            return False
        body = body_of(message)
        headers = signed_headers(self._id, message.event_id, body, keys)
        outcome = receiver.post(headers, body)
        self._note(message, outcome)
        if outcome.status == GONE:
            with self._app.app_context():
                turn_off(self._id, "The receiver said that it is gone (410).")
            return False
        # After a failure the webhook goes to those that fail, and waits for its turn there.
        return outcome.is_success

    def _note(self, message: Row, outcome: Outcome) -> None:
        """Remember what came of it; written down now and then, and a failure at once."""
        self._sent.append(Sent(message, outcome, now()))
        is_time = time.monotonic() - self._written_at > WRITE_SECONDS
        if is_time or len(self._sent) >= WRITE_MESSAGES or not outcome.is_success:
            self._write()

    def _write(self) -> None:
        """What was sent, in one transaction; after a crash before it, it is sent again."""
        if not self._sent:
            return
        with self._app.app_context(), transaction():
            for sent in self._sent:
                NOTE.later(id=sent.message.delivery_id, **_result(sent))
            last = self._sent[-1].outcome
            NOTE_HEALTH.run(id=self._id, is_failing=not last.is_success, now=now())
        self.delivered += sum(sent.outcome.is_success for sent in self._sent)
        self.failed += sum(not sent.outcome.is_success for sent in self._sent)
        self._sent = []
        self._written_at = time.monotonic()


def _result(sent: Sent) -> dict[str, Any]:
    attempts, outcome = sent.message.attempts + 1, sent.outcome
    values: dict[str, Any] = {
        "attempts": attempts,
        "at": sent.at,
        "status_code": outcome.status,
        "error": outcome.error,
        "next_at": None,
        "delivered_at": None,
    }
    if outcome.is_success:
        return values | {"status": "delivered", "delivered_at": sent.at}
    if attempts > len(GAPS):
        return values | {"status": "failed"}
    # A tenth more or less, so that what failed together does not come back together.
    gap = GAPS[attempts - 1] * random.uniform(0.9, 1.1)
    return values | {"status": "pending", "next_at": from_now(seconds=gap)}
