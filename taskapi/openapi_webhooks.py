"""The `webhooks` section of the document: what is sent to a webhook's URL."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from taskapi.models.event import MEMBER_EVENTS, WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.schemas.comment import CommentSchema
from taskapi.schemas.project import EventProjectSchema, MemberSchema
from taskapi.schemas.task import TaskSchema
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
    "task.assigned": "A task was assigned to a member of its project.",
    "comment.created": "A comment was added to a task.",
    "project.member_added": "A member was added to a project; for its owners and the member.",
    "project.member_removed": "A member left a project; for its owners and the member.",
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


def webhooks_section(ref: Callable[[Schema], Json]) -> Json:
    task, member = {"task": ref(TaskSchema())}, ref(MemberSchema())
    project = {"project": ref(EventProjectSchema()), "member": member}
    data = {name: project if name in MEMBER_EVENTS else task for name in WEBHOOK_EVENTS}
    data["comment.created"] = task | {"comment": ref(CommentSchema())}
    data[WEBHOOK_TEST] = {"message": {"type": "string"}}
    return {name: {"post": _message(name, properties)} for name, properties in data.items()}


def _message(name: str, data: Json) -> Json:
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
