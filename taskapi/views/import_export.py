"""Import and export: many tasks in one request."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from flask import Response, copy_current_request_context, request

from taskapi.api import Api, refuse_admin_only
from taskapi.auth import Caller
from taskapi.conditional import etag_of
from taskapi.db import now, transaction
from taskapi.errors import ApiError, Invalid, PreconditionFailed, RateLimited
from taskapi.inputs import JSON
from taskapi.listing import Key, Page, fetch_page, position_of
from taskapi.models.job import enqueue_import
from taskapi.models.project import EDITORS
from taskapi.models.task import Task, VisibleTasks, task_json
from taskapi.models.task_list import LISTING
from taskapi.responses import json_response
from taskapi.schemas import files
from taskapi.schemas import task as schemas
from taskapi.schemas.fields import load
from taskapi.schemas.job import JobSchema
from taskapi.schemas.strict_json import malformed
from taskapi.views.tasks import OWNER, visible_tasks

import_export = Api("import_export", __name__, url_prefix="/api/v1/tasks")

CSV = "text/csv"
IMPORT_LIMIT = 16 * 1024 * 1024
BATCH = 500
AT_ONCE = 100  # rows that are imported in the request
MAX_EXPORTS = 2  # at a time, per user and process
_exports: Counter[int] = Counter()  # by user
_exports_lock = threading.Lock()

JOB = JobSchema()
FIELDS, CHANGES = schemas.TaskSchema(), schemas.TaskSchema(partial=True)
OPERATIONS = {
    "create": schemas.BulkCreateSchema(),
    "update": schemas.BulkUpdateSchema(),
    "delete": schemas.BulkDeleteSchema(),
}


def _may_do_all(caller: Caller, body: dict[str, Any]) -> None:
    """Check that the caller still has the permissions for all operations of a replay."""
    visible = visible_tasks(caller)
    for index, operation in enumerate(body["operations"]):
        with _naming(index):
            refuse_admin_only(OWNER, caller, operation.get("data"))
            if operation["op"] == "create":
                visible.check_project(operation["data"].get("project_id"))
            else:
                visible.get_to_write(operation["id"], deleted=None, lock=False)


@import_export.post(
    "/bulk",
    caller="user",
    body=schemas.BulkSchema(),
    example={"operations": [{"op": "create", "data": {"title": "Write the README"}}]},
    is_idempotent=True,
    check_replay=_may_do_all,
    returns=schemas.BulkResultsSchema(),
    names_place=True,
    errors={
        404: "A task does not exist.",
        412: "The version of a task does not match; the ETag has the current one.",
    },
)
def change_tasks(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """Apply changes to many tasks.

    Up to 100 operations in one transaction: all of them are applied or none.
    """
    visible = visible_tasks(caller)
    results = []
    with transaction():
        ids = [each.get("id") for each in body["operations"] if isinstance(each, dict)]
        visible.lock_all([i for i in ids if type(i) is int and 0 < i < 2**63])
        for index, operation in enumerate(body["operations"]):
            with _naming(index):
                results.append(_perform(caller, visible, operation))
    return {"results": results}


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Add the index of the operation to errors."""
    try:
        yield
    except ApiError as error:
        error.message = f"operation {index}: {error.message}"
        error.details = {**(error.details or {}), "index": index}
        raise


def _perform(caller: Caller, visible: VisibleTasks, given: Any) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        raise Invalid({"operation": ["Must be a JSON object."]})
    refuse_admin_only(OWNER, caller, given.get("data"))
    schema = OPERATIONS.get(str(given.get("op")))
    if schema is None:
        raise Invalid({"op": [f"Must be one of {', '.join(OPERATIONS)}."]})
    operation = load(schema, given)
    if operation["op"] == "create":
        fields = load(FIELDS, operation["data"])
        return task_json(visible.create(fields))
    changes = load(CHANGES, operation["data"]) if operation["op"] == "update" else {}
    task = visible.get_to_write(operation["id"])
    if operation.get("version", task.version) != task.version:
        raise PreconditionFailed(
            "The task has changed. Its current version is in the ETag header.",
            headers={"ETag": f'"{etag_of(task)}"'},
        )
    if operation["op"] == "delete":
        Task.soft_delete(task)
        return None
    return task_json(visible.update(task, changes))


@import_export.get(
    "/export",
    caller="user",
    query=schemas.ExportQuery(),
    admin_only=OWNER,
    returns=schemas.TaskSchema(many=True),
    media=(JSON, CSV),
    headers=("Content-Disposition",),
)
def export_tasks(caller: Caller, query: dict[str, Any]) -> Response:
    """Export tasks as JSON or CSV.

    All tasks that match the filters, streamed.
    """
    kind = query.pop("format")
    chosen = visible_tasks(caller).filters(query)
    batches = _batches(chosen)
    first = next(batches)  # before the response starts, so that an error gets its status
    everything = chain([first], batches)
    columns = [*files.COLUMNS, "deleted_at"] if chosen["deleted"] else files.COLUMNS
    lines = files.csv_lines(columns, everything) if kind == "csv" else files.json_lines(everything)
    pieces = _counted(caller.id, lines)
    next(pieces)
    response = Response(pieces, content_type=f"{CSV}; charset=utf-8" if kind == "csv" else JSON)
    response.headers["Content-Disposition"] = f'attachment; filename="tasks.{kind}"'
    return response


def _counted(user_id: int, lines: Iterator[bytes]) -> Iterator[bytes]:
    """Count an export until it is read or closed, or raise RateLimited at once.

    A slow reader occupies a thread. The first item is for the caller: only a generator that has
    started notices that it is closed.
    """
    with _exports_lock:
        if _exports[user_id] >= MAX_EXPORTS:
            raise RateLimited("Too many concurrent exports.", retry_after=5)
        _exports[user_id] += 1
    try:
        yield b""
        yield from lines
    finally:
        with _exports_lock:
            _exports[user_id] -= 1


def _batches(chosen: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield pages by cursor, so that memory is bounded and no transaction stays open."""
    order = (Key("created_at", False), Key("id", False))
    position, started = None, now()

    # A separate context for each page, so that a slow reader holds no connection.
    @copy_current_request_context
    def fetch() -> Page:
        return fetch_page(LISTING, chosen, order, limit=BATCH, after=position, now=started)

    while True:
        page = fetch()
        yield [task_json(row, with_deleted=chosen["deleted"]) for row in page.rows]
        if not page.has_more:
            return
        position = position_of(LISTING, order, page.rows[-1])


def _check_project(caller: Caller, query: dict[str, Any], **_: Any) -> None:
    if "project_id" in query:
        with transaction():
            visible_tasks(caller).check_project(query["project_id"])


@import_export.post(
    "/import",
    caller="user",
    query=schemas.ImportQuery(),
    body=files.ImportRowSchema(many=True),
    example=[{"title": "Write the README", "status": "done", "tags": ["docs"]}],
    accepts=(JSON, CSV),
    body_limit=IMPORT_LIMIT,
    takes_raw_body=True,
    is_idempotent=True,
    check_replay=_check_project,
    returns=schemas.ImportResultSchema(),
    names_place=True,
    also={202: JOB},
    headers=("Location",),
)
def import_tasks(caller: Caller, query: dict[str, Any], raw: bytes) -> Response:
    """Import tasks from an exported JSON or CSV file.

    All rows are imported or none. More than 100 rows are imported by a background job.
    """
    kind = "csv" if request.mimetype == CSV else "json"
    project_id = query.get("project_id")
    _check_project(caller, query)
    if not raw and kind == "json":
        raise malformed("The body is empty. Send a JSON array.")
    text = files.decode(kind, raw)
    if query["dry_run"]:
        count = sum(1 for _ in files.checked_rows(files.rows_of(kind, text)))
        return json_response({"dry_run": True, "created": 0, "would_create": count})
    first = list(islice(files.rows_of(kind, text), AT_ONCE + 1))
    if len(first) > AT_ONCE:
        found = enqueue_import(caller.id, kind, text, project_id)
        return json_response(JOB.dump(found), 202, {"Location": f"/api/v1/jobs/{found.id}"})
    rows = list(files.checked_rows(first))
    with transaction():
        role = visible_tasks(caller).check_project(project_id)
        Task.create_all(
            caller.id,
            [{**row, "project_id": project_id} for row in rows],
            is_audit=role not in EDITORS,
        )
    return json_response({"created": len(rows)})
