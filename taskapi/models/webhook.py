"""Webhooks: where a user wants to be told of changes, and the secrets that sign the messages."""

import base64
import secrets
from typing import Any

from sqlalchemy import bindparam, delete, false, func, insert, null, select, update

from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.errors import Conflict, NotFound
from taskapi.models import event
from taskapi.models.delivery import (
    CANCEL,
    IS_ANY_ACTIVE,
    OF_WEBHOOK,
    OFFERED,
    enqueue,
    webhooks,
)
from taskapi.models.keys import is_sealed_by_first, seal, unseal
from taskapi.models.page import Filter, Listing
from taskapi.models.user import users
from taskapi.moments import from_now, now

AT_MOST = 20  # per user: each change is written once for every webhook that wants it
BOTH_SIGN_HOURS = 24
PURPOSE = "webhook"
TEST = "webhook.test"

_by_id = webhooks.c.id == bindparam("id")
_own = _by_id & (webhooks.c.user_id == bindparam("user_id"))

INSERT = Query(
    insert(webhooks)
    .values(
        {
            name: bindparam(name)
            for name in ("user_id", "url", "events", "is_active", "secret", "created_at")
        }
        | {"updated_at": bindparam("created_at")}
    )
    .returning(webhooks)
)
_found = select(webhooks).where(_own)
FIND = Query(_found)
HOLD = Query(_found.with_for_update(read=True, key_share=True))  # so that it is not deleted now
# Whoever makes another one at the same moment waits here, and then counts this one too.
LOCK_OWNER = Query(
    select(users.c.id)
    .where(users.c.id == bindparam("user_id"))
    .with_for_update(key_share=True)  # hinders nobody who writes what belongs to the user
)
COUNT = Query(select(func.count()).where(webhooks.c.user_id == bindparam("user_id")))
UPDATE = Query(
    update(webhooks)
    .where(_own)
    .values(
        url=bindparam("url"),
        events=bindparam("events"),
        is_active=bindparam("is_active"),
        updated_at=bindparam("now"),
    )
    .returning(webhooks)
)
TURN_OFF = Query(
    update(webhooks).where(_by_id).values(is_active=false(), updated_at=bindparam("now"))
)
DELETE = Query(delete(webhooks).where(_own))
ROTATE = Query(
    update(webhooks)
    .where(_own)
    .values(
        old_secret=webhooks.c.secret,
        old_secret_until=bindparam("until"),
        secret=bindparam("secret"),
        updated_at=bindparam("now"),
    )
    .returning(webhooks)
)
LISTING = Listing(
    columns=tuple(webhooks.c),
    filters={"user_id": Filter(lambda value: webhooks.c.user_id == value)},
    sorts={},
)
INSERT_TEST = Query(
    insert(event.events)
    .values({c.name: bindparam(c.name) for c in event.events.c if c.name != "id"})
    .returning(event.events.c.id)
)
FORGET_OLD_SECRETS = Query(
    update(webhooks)
    .where(webhooks.c.old_secret_until < bindparam("now", type_=Moment))
    .values(old_secret=null(), old_secret_until=null())
)
ALL_SECRETS = Query(
    select(webhooks.c.id, webhooks.c.secret, webhooks.c.old_secret)
    .where(webhooks.c.id > bindparam("after", type_=Id))
    .order_by(webhooks.c.id)
    .limit(500)
)
RESEAL = {
    column.name: Query(
        update(webhooks)
        .where(_by_id, column == bindparam("old"))
        .values({column: bindparam("new")})
    )
    for column in (webhooks.c.secret, webhooks.c.old_secret)
}


def webhook_json(webhook: Row) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events.strip(",").split(","),
        "is_active": bool(webhook.is_active),
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


def webhook_of(user_id: int, webhook_id: int, query: Query = FIND) -> Row:
    """The user's own webhook, or NotFound."""
    webhook = query.first(id=webhook_id, user_id=user_id)
    if webhook is None:
        raise _missing()
    return webhook


def create_webhook(user_id: int, url: str, events: list[str], is_active: bool) -> tuple[Row, str]:
    """A webhook and its secret, which is shown this once."""
    secret = secrets.token_bytes(32)
    with transaction():
        LOCK_OWNER.later(user_id=user_id)
        if COUNT.value(user_id=user_id) >= AT_MOST:
            raise Conflict(f"Nobody may have more than {AT_MOST} webhooks.")
        webhook = INSERT.first(
            user_id=user_id,
            url=url,
            events=_joined(events),
            is_active=is_active,
            secret=seal(PURPOSE, secret),
            created_at=now(),
        )
        event.record("webhook.created", user_id=user_id)
    return webhook, _shown(secret)


def change_webhook(user_id: int, webhook_id: int, changes: dict[str, Any]) -> Row:
    """Apply the changes; what waits for a webhook that is turned off is not sent any more."""
    with transaction():
        before = webhook_of(user_id, webhook_id)
        after = webhook_json(before) | changes
        if after == webhook_json(before):
            return before
        webhook = UPDATE.first(
            id=webhook_id,
            user_id=user_id,
            url=after["url"],
            events=_joined(after["events"]),
            is_active=after["is_active"],
            now=now(),
        )
        if webhook is None:
            raise _missing()
        if not webhook.is_active:
            CANCEL.run(webhook_id=webhook_id, reason="The webhook was turned off.")
        # Without the address, which may be a secret by itself.
        event.record("webhook.updated", user_id=user_id)
    return webhook


def turn_off(webhook_id: int, reason: str) -> None:
    with transaction():
        TURN_OFF.run(id=webhook_id, now=now())
        CANCEL.run(webhook_id=webhook_id, reason=reason)


def delete_webhook(user_id: int, webhook_id: int) -> None:
    with transaction():
        if not DELETE.run(id=webhook_id, user_id=user_id):
            raise _missing()
        event.record("webhook.deleted", user_id=user_id)


def rotate_secret(user_id: int, webhook_id: int) -> tuple[Row, str]:
    """A new secret; the one before signs along with it for a day."""
    secret = secrets.token_bytes(32)
    with transaction():
        webhook = ROTATE.first(
            id=webhook_id,
            user_id=user_id,
            secret=seal(PURPOSE, secret),
            until=from_now(hours=BOTH_SIGN_HOURS),
            now=now(),
        )
        if webhook is None:
            raise _missing()
        event.record("webhook.secret_rotated", user_id=user_id)
    return webhook, _shown(secret)


def send_test(user_id: int, webhook_id: int) -> Row:
    """A delivery that says nothing but that the webhook works."""
    with transaction():
        webhook = _turned_on(user_id, webhook_id)
        source = event.origin.get()
        event_id = INSERT_TEST.value(
            at=now(),
            actor_id=source.actor_id,
            action=TEST,
            task_id=None,
            user_id=user_id,
            is_audit=False,
            version=None,
            changes="{}",
            task=None,
            address=source.address,
            request_id=source.request_id,
        )
        return enqueue(webhook.id, event_id, TEST)


def send_again(user_id: int, webhook_id: int, delivery_id: int) -> Row:
    """The same message once more, as a delivery of its own."""
    with transaction():
        webhook = _turned_on(user_id, webhook_id)
        delivery = OF_WEBHOOK.first(id=delivery_id, webhook_id=webhook.id)
        if delivery is None:
            raise NotFound("There is no such delivery.")
        return enqueue(webhook.id, delivery.event_id, delivery.event)


def signing_keys(webhook: Row) -> list[bytes]:
    """The keys that sign now, the newest first; none if no SECRET_KEY of ours sealed them."""
    sealed = [webhook.secret]
    if webhook.old_secret_until is not None and webhook.old_secret_until > now():
        sealed.append(webhook.old_secret)
    return [key for each in sealed if (key := unseal(PURPOSE, each)) is not None]


def keep_secrets() -> int:
    """Forget rotated secrets, and seal again by the first SECRET_KEY what an older one sealed."""
    changed, after = FORGET_OLD_SECRETS.run(now=now()), 0
    while rows := ALL_SECRETS.all(after=after):
        for row in rows:
            after = row.id
            for name, query in RESEAL.items():
                old = getattr(row, name)
                if old is None or is_sealed_by_first(PURPOSE, old):
                    continue
                secret = unseal(PURPOSE, old)
                if secret is not None:
                    changed += query.run(id=row.id, old=old, new=seal(PURPOSE, secret))
    return changed


def is_any_active() -> bool:
    return IS_ANY_ACTIVE.first() is not None


def _turned_on(user_id: int, webhook_id: int) -> Row:
    webhook = webhook_of(user_id, webhook_id, HOLD)
    if not webhook.is_active:
        raise Conflict("The webhook is turned off; turn it on first.")
    return webhook


def _joined(events: list[str]) -> str:
    return f",{','.join(name for name in OFFERED if name in events)},"


def _shown(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()


def _missing() -> NotFound:
    return NotFound("There is no such webhook.")
