"""The `webhooks` section of the document: what is sent to a webhook's URL."""

from typing import Any

from taskapi.models.event import WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.worker.deliveries import GAPS
from taskapi.worker.http import RESPONSE_LIMIT, TIMEOUT

Json = dict[str, Any]

MEANINGS = {
    "task.created": "A task was created.",
    "task.updated": "A task was changed, in whatever way.",
    "task.completed": "The status of a task became `done`; a `task.updated` is sent besides.",
    "task.deleted": "A task was moved to the trash.",
    "task.restored": "A task was taken out of the trash.",
    "task.overdue": "The due time of a task has passed, once for each due time.",
    WEBHOOK_TEST: "`POST /webhooks/{id}/test` was called.",
}
DELIVERY = (
    " Signed after Standard Webhooks 1.0. First attempts are sent in the order of the changes;"
    " `data.task.version` orders the rest."
    f" Answer with a 2xx within {TIMEOUT:.0f} seconds and at most {RESPONSE_LIMIT // 1024} KiB;"
    " redirects are not followed. Anything else is a failed attempt, which is repeated"
    f" {len(GAPS)} times over about three days, after {', '.join(map(str, GAPS))} seconds."
    " A 410 turns the webhook off. A message may arrive twice, with the same `webhook-id`."
)
HEADERS = {
    "webhook-id": "Names the message, the same for every attempt.",
    "webhook-timestamp": "When this attempt was made, in Unix time.",
    "webhook-signature": "`v1,` and a signature, for each secret that signs now.",
}


def webhooks_section(task: Json) -> Json:
    return {name: {"post": _message(name, task)} for name in (*WEBHOOK_EVENTS, WEBHOOK_TEST)}


def _message(name: str, task: Json) -> Json:
    data = {"task": task} if name != WEBHOOK_TEST else {"message": {"type": "string"}}
    payload = {
        "type": {"type": "string", "const": name},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "properties": data, "required": [*data]},
    }
    schema = {"type": "object", "properties": payload, "required": [*payload]}
    return {
        "operationId": name.replace(".", "_"),
        "tags": ["webhooks"],
        "summary": MEANINGS[name].rstrip("."),
        "description": MEANINGS[name] + DELIVERY,
        "security": [],
        "parameters": [
            {
                "in": "header",
                "name": header,
                "required": True,
                "description": meaning,
                "schema": {"type": "string"},
            }
            for header, meaning in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "Received."},
            "410": {"description": "Gone: the webhook is turned off."},
        },
    }
