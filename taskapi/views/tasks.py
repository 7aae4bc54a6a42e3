"""Tasks, under /tasks and, for one user, under /users/{id}/tasks."""

from collections.abc import Callable
from typing import Any

from flask import Response

from taskapi.api import Api, View
from taskapi.auth import Caller
from taskapi.conditional import check_if_match
from taskapi.db import Row, transaction
from taskapi.inputs import JSON, MERGE_PATCH
from taskapi.models.project import Project
from taskapi.models.task import DEFAULTS, Task, VisibleTasks, task_json
from taskapi.models.task_list import LISTING
from taskapi.models.task_stats import count_tasks
from taskapi.models.user import User
from taskapi.paging import filters_of, page_response
from taskapi.responses import entity
from taskapi.schemas.task import StatsQuery, StatsSchema, TaskQuery, TaskSchema

tasks = Api("tasks", __name__, url_prefix="/api/v1")

ALL = "/tasks"
ONE = "/tasks/<id:task_id>"
TASK = TaskSchema()
OWNER = ("user_id",)  # only admins can set the owner
PROJECT = ("project_id",)
EXAMPLE = {
    "title": "Write the README",
    "description": "Describe installation and first use.",
    "priority": "high",
    "due_at": "2026-12-01T09:00:00Z",
    "tags": ["docs"],
}


def visible_tasks(caller: Caller, user_id: int | None = None) -> VisibleTasks:
    """Return the tasks that the caller can see, or those of a user."""
    if user_id is not None and user_id != caller.id:
        User.get(user_id)  # only admins get here
    return Task.visible_to(caller, user_id)


def also_of_user(
    declare: Callable[..., Any],
    rule: str,
    nested: dict[str, Any] | None = None,
    in_project: dict[str, Any] | None = None,
    **declared: Any,
) -> Callable[[View], View]:
    """Declare the rule, also below /users/{id} and /projects/{id}."""

    def register(view: View) -> View:
        declare(f"/users/<user:user_id>{rule}", of="user", **declared | (nested or {}))(view)
        if in_project:
            declare(f"/projects/<id:project_id>{rule}", of="project", **declared | in_project)(view)
        declare(rule, **declared)(view)
        return view

    return register


@also_of_user(
    tasks.get,
    ALL,
    caller="user",
    query=TaskQuery(),
    nested={"query": TaskQuery(exclude=OWNER)},
    in_project={"query": TaskQuery(exclude=PROJECT)},
    is_page=True,
    admin_only=OWNER,
    returns=TASK,
)
def list_tasks(
    caller: Caller,
    query: dict[str, Any],
    user_id: int | None = None,
    project_id: int | None = None,
) -> Response:
    """List tasks."""
    given = filters_of(query)
    if project_id is not None:
        given["project_id"] = Project.visible_to(caller).get(project_id).id
    chosen = visible_tasks(caller, user_id).filters(given)
    return page_response(
        LISTING, query, chosen, lambda row: task_json(row, with_deleted=chosen["deleted"])
    )


@tasks.get("/tasks/admin/all", caller="admin", query=TaskQuery(), is_page=True, returns=TASK)
def list_all_tasks(caller: Caller, query: dict[str, Any]) -> Response:
    """List the tasks of all users."""
    response: Response = list_tasks(caller, query)
    return response


@tasks.get("/tasks/stats", caller="user", query=StatsQuery(), returns=StatsSchema())
def get_stats(caller: Caller, query: dict[str, Any]) -> dict[str, Any]:
    """Get task statistics.

    Counts by status and priority, what is due, and what was done in the last 30 days.
    """
    zone_name = query.pop("tz")
    return count_tasks(visible_tasks(caller).filters(query), zone_name)


def _may_create(
    caller: Caller, body: dict[str, Any], project_id: int | None = None, **_: Any
) -> None:
    visible_tasks(caller).check_project(
        project_id or body.get("project_id"), is_in_path=project_id is not None
    )


@also_of_user(
    tasks.post,
    ALL,
    caller="user",
    body=TaskSchema(),
    nested={"body": TaskSchema(exclude=OWNER)},
    in_project={"body": TaskSchema(exclude=PROJECT)},
    example=EXAMPLE,
    admin_only=OWNER,
    is_idempotent=True,
    check_replay=_may_create,
    status=201,
    returns=TASK,
    headers=("Location",),
)
def create_task(
    caller: Caller,
    body: dict[str, Any],
    user_id: int | None = None,
    project_id: int | None = None,
) -> Response:
    """Create a task."""
    task = visible_tasks(caller, user_id).create(body, project_id)
    return entity(task_json(task), 201, f"/api/v1/tasks/{task.id}")


@also_of_user(tasks.get, ONE, caller="user", is_conditional=True, returns=TASK)
def get_task(caller: Caller, task_id: int, user_id: int | None = None) -> Response:
    """Get a task."""
    return entity(task_json(visible_tasks(caller, user_id).get(task_id)))


@also_of_user(
    tasks.put,
    ONE,
    caller="user",
    body=TaskSchema(),
    example=EXAMPLE,
    admin_only=OWNER,
    is_conditional=True,
    returns=TASK,
)
def replace_task(
    caller: Caller, task_id: int, body: dict[str, Any], user_id: int | None = None
) -> Response:
    """Replace a task.

    Fields that are left out get their defaults.
    """
    return _change(visible_tasks(caller, user_id), task_id, DEFAULTS | body)


@also_of_user(
    tasks.patch,
    ONE,
    caller="user",
    body=TaskSchema(partial=True),
    accepts=(JSON, MERGE_PATCH),
    example={"status": "done"},
    admin_only=OWNER,
    is_conditional=True,
    returns=TASK,
)
def update_task(
    caller: Caller, task_id: int, body: dict[str, Any], user_id: int | None = None
) -> Response:
    """Update a task.

    Fields that are left out keep their values; null clears a description or a due time.
    """
    return _change(visible_tasks(caller, user_id), task_id, body)


@also_of_user(tasks.delete, ONE, caller="user", is_conditional=True)
def delete_task(caller: Caller, task_id: int, user_id: int | None = None) -> None:
    """Delete a task.

    It stays in the trash for 30 days.
    """
    visible = visible_tasks(caller, user_id)
    with transaction():
        task = _locked(visible, task_id)
        Task.soft_delete(task)


def _may_write(caller: Caller, task_id: int) -> None:
    visible_tasks(caller).get_to_write(task_id, deleted=None, lock=False)


@tasks.post(
    "/tasks/<id:task_id>/restore",
    caller="user",
    is_idempotent=True,
    check_replay=_may_write,
    returns=TASK,
    errors={409: "The task is not in the trash."},
)
def restore_task(caller: Caller, task_id: int) -> Response:
    """Restore a task from the trash."""
    with transaction():
        task = visible_tasks(caller).get_to_write(task_id, deleted=None)
        return entity(task_json(Task.restore(task)))


def _change(visible: VisibleTasks, task_id: int, fields: dict[str, Any]) -> Response:
    with transaction():
        return entity(task_json(visible.update(_locked(visible, task_id), fields)))


def _locked(visible: VisibleTasks, task_id: int) -> Row:
    task = visible.get_to_write(task_id)
    check_if_match(task)
    return task
