"""Insert many tasks into the database, and sort them as the API does.

Status and priority are stored as numbers. Texts are stored a second time, casefolded, for search
and sorting.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.rows import Rows, canonical

STATUSES = ("todo", "in_progress", "done")
PRIORITIES = ("low", "medium", "high")
RANKS = {"status": STATUSES, "priority": PRIORITIES}
START = datetime(2026, 1, 1, tzinfo=UTC)


def after(minutes: float) -> str:
    """Return the time this number of minutes after START."""
    return canonical(START + timedelta(minutes=minutes))


def plant(rows: Rows, owner_id: int, tasks: Iterable[dict[str, Any]]) -> list[int]:
    """Insert tasks with fields as in JSON, and return their ids in the same order.

    They are in the Inbox of their owner unless they have a `project_id`.
    """
    inbox = _inbox(rows, owner_id)
    return rows.insert(
        "tasks", [_stored(owner_id, **{"project_id": inbox, **fields}) for fields in tasks]
    )


def _inbox(rows: Rows, owner_id: int) -> int:
    found: int = rows.value("SELECT id FROM projects WHERE inbox_user_id = :id", id=owner_id)
    return found


def _stored(owner_id: int, **fields: Any) -> dict[str, Any]:
    title, description = fields.get("title", "planted"), fields.get("description")
    tags = ",".join(fields.get("tags", ()))
    created_at = fields.get("created_at", after(0))
    return {
        "user_id": owner_id,
        "project_id": fields["project_id"],
        "title": title,
        "title_key": title.casefold(),
        "description": description,
        "description_key": description and description.casefold(),
        "status": STATUSES.index(fields.get("status", "todo")),
        "priority": PRIORITIES.index(fields.get("priority", "medium")),
        "due_at": fields.get("due_at"),
        "tags": tags,
        "tags_key": f",{tags.casefold()}," if tags else "",
        "completed_at": fields.get("completed_at"),
        "deleted_at": fields.get("deleted_at"),
        "created_at": created_at,
        "updated_at": fields.get("updated_at", created_at),
        "version": 1,
    }


def plant_many(rows: Rows, owner_id: int, count: int, project_id: int | None = None) -> None:
    """Insert many different tasks with one statement."""
    if rows.is_postgres:
        numbers = "SELECT generate_series(1, :count) AS n"
        moment = "timestamptz '2026-01-01 00:00:00Z' + ({}) * interval '1 minute'"
    else:
        numbers = (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count)"
            " SELECT n FROM c"
        )
        moment = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-01-01', ({}) || ' minutes')"
    created, due = moment.format("n"), moment.format("n * 7919 % 100003")
    rows.run(
        "INSERT INTO tasks (user_id, project_id, title, title_key, status, priority, due_at, tags,"
        " tags_key, completed_at, created_at, updated_at, version)"
        " SELECT :owner_id, :project_id, 'Task ' || n, 'task ' || n, n * 31 % 3, n * 17 / 5 % 3,"
        f" CASE WHEN n % 4 > 0 THEN {due} END, '', '',"
        f" CASE WHEN n * 31 % 3 = 2 THEN {created} END, {created}, {created}, 1"
        f" FROM ({numbers}) AS numbers",
        owner_id=owner_id,
        project_id=project_id or _inbox(rows, owner_id),
        count=count,
    )
    rows.run("ANALYZE tasks")


def in_order(items: Sequence[dict[str, Any]], sort_by: str) -> list[dict[str, Any]]:
    """Sort items as the API does: missing values last, then by id."""
    keys = sort_by.split(",")
    names = [key.removeprefix("-") for key in keys]
    if "id" not in names:
        keys.append("-id" if keys[0].startswith("-") else "id")
    ordered = list(items)
    for key in reversed(keys):
        name, is_descending = key.removeprefix("-"), key.startswith("-")
        present = [item for item in ordered if item[name] is not None]
        missing = [item for item in ordered if item[name] is None]
        present.sort(key=lambda item: _rank(name, item[name]), reverse=is_descending)
        ordered = present + missing
    return ordered


def _rank(name: str, value: Any) -> Any:
    if name in RANKS:
        return RANKS[name].index(value)
    return value.casefold() if name == "title" else value
