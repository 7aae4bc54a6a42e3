"""Audit: who changed what and when, on one task or anywhere."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.models.event import LISTING, activity_json, audit_json
from taskapi.models.task import Task
from taskapi.paging import answer_page, filters_of
from taskapi.schemas.event import ActivitySchema, AuditQuery, AuditSchema
from taskapi.schemas.fields import PageQuery

audit = Api("audit", __name__, url_prefix="/api/v1")


@audit.get(
    "/tasks/<id:task_id>/activity",
    who="user",
    query=PageQuery(),
    is_page=True,
    returns=ActivitySchema(),
)
def list_activity(caller: Caller, task_id: int, query: dict[str, Any]) -> Response:
    """Who changed a task, what and when; the newest first."""
    chosen = {"task_id": Task.visible_to(caller).get(task_id).id}
    if not caller.is_admin:
        chosen["user_id"] = caller.id  # not what happened while it was another owner's
    return answer_page(LISTING, query, chosen, activity_json)


@audit.get("/audit", who="admin", query=AuditQuery(), is_page=True, returns=AuditSchema())
def list_audit(caller: Caller, query: dict[str, Any]) -> Response:
    """Sign-ins, failed ones, changes to users and tokens, admins' acts on others' tasks."""
    return answer_page(LISTING, query, {**filters_of(query), "is_audit": True}, audit_json)
