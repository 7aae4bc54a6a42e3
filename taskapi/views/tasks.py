"""Tasks, under /tasks and, for one user, under /users/{id}/tasks."""

from collections.abc import Callable
from typing import Any

from flask import Response

from taskapi.api import Api, View
from taskapi.auth import Caller
from taskapi.conditional import check_if_match
from taskapi.db import Row, transaction
from taskapi.inputs import JSON, MERGE_PATCH
from taskapi.models.task import DEFAULTS, LISTING, Task, VisibleTasks, task_json
from taskapi.models.user import User
from taskapi.paging import answer_page, filters_of
from taskapi.responses import entity
from taskapi.schemas.task import StatsQuery, StatsSchema, TaskQuery, TaskSchema

tasks = Api("tasks", __name__, url_prefix="/api/v1")

ALL = "/tasks"
ONE = "/tasks/<id:task_id>"
TASK = TaskSchema()
OWNER = ("user_id",)  # only an admin may say whose task it is


def visible_tasks(caller: Caller, user_id: int | None = None) -> VisibleTasks:
    """What the caller may see, or that user's tasks."""
    if user_id is not None and user_id != caller.id:
        User.get(user_id)  # only an admin gets this far
    return Task.visible_to(caller, user_id)


def also_of_user(
    declare: Callable[..., Any], rule: str, nested: dict[str, Any] | None = None, **declared: Any
) -> Callable[[View], View]:
    """Declare the rule, and the same below /users/{id}, where `nested` is what differs."""

    def register(view: View) -> View:
        declare(f"/users/<user:user_id>{rule}", **declared | (nested or {}))(view)
        declare(rule, **declared)(view)
        return view

    return register


@also_of_user(
    tasks.get,
    ALL,
    caller="user",
    query=TaskQuery(),
    nested={"query": TaskQuery(exclude=OWNER)},
    is_page=True,
    admin_only=OWNER,
    returns=TASK,
)
def list_tasks(caller: Caller, query: dict[str, Any], user_id: int | None = None) -> Response:
    """List tasks."""
    chosen = visible_tasks(caller, user_id).filters(filters_of(query))
    return answer_page(
        LISTING, query, chosen, lambda row: task_json(row, with_deleted=chosen["deleted"])
    )


@tasks.get("/tasks/admin/all", caller="admin", query=TaskQuery(), is_page=True, returns=TASK)
def list_all_tasks(caller: Caller, query: dict[str, Any]) -> Response:
    """List the tasks of all users."""
    answer: Response = list_tasks(caller, query)
    return answer


@tasks.get("/tasks/stats", caller="user", query=StatsQuery(), returns=StatsSchema())
def get_stats(caller: Caller, query: dict[str, Any]) -> dict[str, Any]:
    """Get task statistics.

    Counts by status and priority, what is due, and what was done in the last 30 days.
    """
    return visible_tasks(caller).stats(query["tz"])


@also_of_user(
    tasks.post,
    ALL,
    caller="user",
    body=TaskSchema(),
    nested={"body": TaskSchema(exclude=OWNER)},
    admin_only=OWNER,
    is_idempotent=True,
    status=201,
    returns=TASK,
    headers={"Location": "The URL of the task."},
)
def add_task(caller: Caller, body: dict[str, Any], user_id: int | None = None) -> Response:
    """Create a task."""
    visible = visible_tasks(caller, user_id)
    task = Task.create(body.pop("user_id", visible.owner_id or caller.id), body)
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
def remove_task(caller: Caller, task_id: int, user_id: int | None = None) -> None:
    """Delete a task.

    It stays in the trash for 30 days.
    """
    visible = visible_tasks(caller, user_id)
    with transaction():
        Task.soft_delete(_locked(visible, task_id))


def _sees_in_any_state(caller: Caller, task_id: int) -> None:
    visible_tasks(caller).get(task_id, deleted=None)


@tasks.post(
    "/tasks/<id:task_id>/restore",
    caller="user",
    is_idempotent=True,
    check_replay=_sees_in_any_state,
    returns=TASK,
    errors={409: "The task is not in the trash."},
)
def restore(caller: Caller, task_id: int) -> Response:
    """Restore a task from the trash."""
    with transaction():
        task = visible_tasks(caller).get(task_id, lock=True, deleted=None)
        return entity(task_json(Task.restore(task)))


def _change(visible: VisibleTasks, task_id: int, fields: dict[str, Any]) -> Response:
    with transaction():
        return entity(task_json(Task.update(_locked(visible, task_id), fields)))


def _locked(visible: VisibleTasks, task_id: int) -> Row:
    task = visible.get(task_id, lock=True)
    check_if_match(task)
    return task
