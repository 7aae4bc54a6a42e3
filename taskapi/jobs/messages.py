"""Messages as Standard Webhooks 1.0 has them: what a webhook is told, and the signature."""

from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks import Webhook

from taskapi.database import Row
from taskapi.models import webhook
from taskapi.models.delivery import message_id
from taskapi.models.task import task_json
from taskapi.version import __version__


def body_of(message: Row) -> bytes:
    """`{type, timestamp, data}`; the task as it was after the change, or else as it is now."""
    data: dict[str, Any] = {}
    if message.event_action == webhook.TEST:
        data["message"] = "This webhook works."
    elif message.event_task is not None:
        data["task"] = {"id": message.event_task_id, **orjson.loads(message.event_task)}
    elif message.id is not None:
        data["task"] = task_json(message)
    else:
        data["task"] = {
            "id": message.event_task_id,
            "user_id": message.event_user_id,
            "version": message.event_version,
        }
    return orjson.dumps({"type": message.event_action, "timestamp": message.event_at, "data": data})


def signed_headers(
    webhook_id: int, event_id: int, body: bytes, keys: list[bytes]
) -> dict[str, str]:
    """The headers of an attempt made now, with a signature by each key."""
    name, moment = message_id(webhook_id, event_id), datetime.now(UTC)
    signatures = [Webhook(key).sign(name, moment, body.decode()) for key in keys]
    return {
        "Content-Type": "application/json",
        "User-Agent": f"taskapi/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
