"""The `webhooks` section of the document: what is sent to the URL of a webhook."""

from typing import Any

from taskapi.models.event import MEMBER_EVENTS, WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.schemas.comment import CommentSchema
from taskapi.schemas.project import EventProjectSchema, MemberSchema
from taskapi.schemas.task import TaskSchema
from taskapi.worker.deliveries import GAPS
from taskapi.worker.http import RESPONSE_LIMIT, TIMEOUT

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
DELIVERY = (
    "Signed as Standard Webhooks 1.0 defines it. First attempts are sent in the order of the"
    " changes; otherwise `data.task.version` gives the order."
    f" Respond with a 2xx within {TIMEOUT:.0f} seconds and with at most"
    f" {RESPONSE_LIMIT // 1024} KiB; redirects are not followed. Any other response is a failed"
    f" attempt, which is retried {len(GAPS)} times over about three days, after"
    f" {', '.join(map(str, GAPS))} seconds. A 410 turns the webhook off. A message may arrive"
    " more than once, with the same `webhook-id`."
)
HEADERS = {
    "webhook-id": "The ID of the message, the same for every attempt.",
    "webhook-timestamp": "The time of this attempt, in Unix time.",
    "webhook-signature": "`v1,` and a signature, for each secret that is valid now.",
}
TASK = {"task": TaskSchema()}
MEMBER = {"project": EventProjectSchema(), "member": MemberSchema()}
DATA: dict[str, Json] = {
    **dict.fromkeys(WEBHOOK_EVENTS, TASK),
    **dict.fromkeys(MEMBER_EVENTS, MEMBER),
    "comment.created": TASK | {"comment": CommentSchema()},
    WEBHOOK_TEST: {"message": TEXT},
}


def webhook_operations() -> Json:
    """Return the operations by event, with schemas that apispec turns into references."""
    meanings = WEBHOOK_EVENTS | {WEBHOOK_TEST: "`POST /webhooks/{id}/test` was called."}
    return {name: {"post": _message(name, about, DATA[name])} for name, about in meanings.items()}


def _message(name: str, about: str, data: Json) -> Json:
    payload = {
        "type": TEXT | {"const": name},
        "timestamp": TEXT | {"format": "date-time"},
        "data": _object(data),
    }
    headers = [
        {"in": "header", "name": header, "required": True, "description": text, "schema": TEXT}
        for header, text in HEADERS.items()
    ]
    return {
        "operationId": name.replace(".", "_"),
        "tags": ["webhooks"],
        "summary": about.partition(".")[0],
        "description": f"{about} {DELIVERY}",
        "security": [],
        "parameters": headers,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _object(payload)}},
        },
        "responses": {
            "2XX": {"description": "Received"},
            "410": {"description": "Gone: the webhook is turned off."},
        },
    }


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}
