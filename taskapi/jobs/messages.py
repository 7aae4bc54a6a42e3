"""Messages as Standard Webhooks 1.0 has them: what a webhook is told, and the signature."""

import base64
import hmac
import time
from typing import Any

import orjson

from taskapi.database import Row
from taskapi.models import webhook
from taskapi.models.delivery import message_id
from taskapi.models.task import task_json
from taskapi.version import __version__


def body_of(event: Row, task: Row | None) -> bytes:
    """`{type, timestamp, data}`; the task as it was after the change, or else as it is now."""
    data: dict[str, Any] = {}
    if event.action == webhook.TEST:
        data = {"message": "This webhook works."}
    elif event.task is not None:
        data = {"task": orjson.loads(event.task)}
    elif task is not None:
        data = {"task": task_json(task)}
    else:
        data = {"task": {"id": event.task_id, "user_id": event.user_id, "version": event.version}}
    return orjson.dumps({"type": event.action, "timestamp": event.at, "data": data})


def signed_headers(
    webhook_id: int, event_id: int, body: bytes, keys: list[bytes]
) -> dict[str, str]:
    """The headers of an attempt made now, with a signature by each key."""
    name, moment = message_id(webhook_id, event_id), str(int(time.time()))
    content = f"{name}.{moment}.".encode() + body
    signatures = [
        "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": f"taskapi/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(signatures),
    }
