"""The `webhooks` section of the document: what is sent to the URL of a webhook."""

import re
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
    "task.updated": "A task was changed in any way.",
    "task.completed": "The status of a task became `done`; `task.updated` is sent as well.",
    "task.deleted": "A task was moved to the trash.",
    "task.restored": "A task was restored from the trash.",
    "task.overdue": "The due time of a task has passed. It is sent once for each due time.",
    "task.assigned": "A task was assigned to a member of its project.",
    "comment.created": "A comment was added to a task.",
    "project.member_added": "A member was added to a project; sent to its owners and the member.",
    "project.member_removed": "A member left a project; sent to its owners and the member.",
    WEBHOOK_TEST: "`POST /webhooks/{id}/test` was called.",
}
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
TEXT = {"type": "string"}


def webhooks_section(ref: Callable[[Schema], Json]) -> Json:
    task, member = {"task": ref(TaskSchema())}, ref(MemberSchema())
    project = {"project": ref(EventProjectSchema()), "member": member}
    data = {name: project if name in MEMBER_EVENTS else task for name in WEBHOOK_EVENTS}
    data["comment.created"] = task | {"comment": ref(CommentSchema())}
    data[WEBHOOK_TEST] = {"message": TEXT}
    return {name: {"post": _message(name, properties)} for name, properties in data.items()}


def _message(name: str, data: Json) -> Json:
    payload = {
        "type": TEXT | {"const": name},
        "timestamp": TEXT | {"format": "date-time"},
        "data": _object(data),
    }
    headers = [
        {"in": "header", "name": header, "required": True, "description": about, "schema": TEXT}
        for header, about in HEADERS.items()
    ]
    return {
        "operationId": name.replace(".", "_"),
        "tags": ["webhooks"],
        "summary": re.split("[.;]( |$)", MEANINGS[name])[0],
        "description": f"{MEANINGS[name]} {DELIVERY}",
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
