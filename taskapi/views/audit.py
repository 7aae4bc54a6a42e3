"""Audit: the changes of a task, and the audit log."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.models.event import LISTING
from taskapi.models.task import Task
from taskapi.paging import filters_of, page_response
from taskapi.schemas.event import ActivitySchema, AuditQuery, AuditSchema
from taskapi.schemas.fields import PageQuery

audit = Api("audit", __name__, url_prefix="/api/v1")

ACTIVITY, AUDIT = ActivitySchema(), AuditSchema()


@audit.get(
    "/tasks/<id:task_id>/activity", caller="user", query=PageQuery(), is_page=True, returns=ACTIVITY
)
def list_activity(caller: Caller, task_id: int, query: dict[str, Any]) -> Response:
    """List the changes of a task, newest first."""
    task = Task.visible_to(caller).get(task_id)
    chosen = {"task_id": task.id}
    if not caller.is_admin:
        chosen["since_version"] = task.project_version
    owner_id = caller.id if task.user_id == caller.id else None
    return page_response(LISTING, query, chosen, ACTIVITY.dump, owner_id=owner_id)


@audit.get("/audit", caller="admin", query=AuditQuery(), is_page=True, returns=AUDIT)
def list_audit(caller: Caller, query: dict[str, Any]) -> Response:
    """List the audit log, newest first.

    Logins, failed logins, changes to users and tokens, and changes by admins to the tasks of
    others.
    """
    return page_response(LISTING, query, {**filters_of(query), "is_audit": True}, AUDIT.dump)
