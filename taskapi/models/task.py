"""Tasks: the rules of what becomes of one, and the set that somebody may see."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    and_,
    any_,
    bindparam,
    delete,
    insert,
    literal_column,
    not_,
    select,
    true,
    update,
)

from taskapi.database import (
    Id,
    Moment,
    Query,
    Row,
    integrity_error,
    is_postgres,
    transaction,
)
from taskapi.errors import Conflict, Invalid, NotFound
from taskapi.models import event
from taskapi.models.task_table import (
    DEFAULTS,
    PRIORITIES,
    SHOWN,
    STATUSES,
    is_live,
    may_be_overdue,
    tasks,
)
from taskapi.moments import ago, now

TRASH_DAYS = 30
OVERDUE_AT_ONCE = 200

_STORED = [c.name for c in tasks.c if c.name not in ("id", "created_at", "is_overdue_told")]
INSERT = Query(
    insert(tasks)
    .values({name: bindparam(name) for name in ("created_at", *_STORED)})
    .returning(tasks.c.id)
)
# No answer is awaited of these: the row is locked, and so what becomes of it is known.
UPDATE = Query(
    update(tasks)
    .where(tasks.c.id == bindparam("task_id"), tasks.c.version == bindparam("read_version"))
    .values(
        {name: bindparam(name) for name in _STORED}
        # A new due time is told of again.
        | {"is_overdue_told": tasks.c.is_overdue_told & bindparam("keeps_due", type_=Boolean)}
    )
)
BIN = Query(
    update(tasks)
    .where(tasks.c.id == bindparam("task_id"), tasks.c.version == bindparam("read_version"))
    .values(
        deleted_at=bindparam("deleted_at"),
        updated_at=bindparam("updated_at"),
        version=bindparam("version"),
    )
)
_has_come_due = and_(may_be_overdue, tasks.c.due_at <= bindparam("now", type_=Moment))
COMES_DUE = Query(select(tasks.c.id).where(_has_come_due).limit(literal_column("1")))
LOCK_OVERDUE = Query(
    select(*SHOWN)
    .where(_has_come_due)
    .order_by(tasks.c.due_at, tasks.c.id)
    .limit(literal_column(str(OVERDUE_AT_ONCE)))
    .with_for_update(skip_locked=True)
)
TOLD = Query(update(tasks).where(tasks.c.id == bindparam("task_id")).values(is_overdue_told=true()))
PURGE = Query(delete(tasks).where(tasks.c.deleted_at < bindparam("before")))


def task_json(task: Row, *, with_deleted: bool = False) -> dict[str, Any]:
    shown = {
        "id": task.id,
        "user_id": task.user_id,
        "title": task.title,
        "description": task.description,
        "status": STATUSES[task.status],
        "priority": PRIORITIES[task.priority],
        "due_at": task.due_at,
        "tags": task.tags.split(",") if task.tags else [],
        "completed_at": task.completed_at,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "version": task.version,
    }
    if with_deleted:
        shown["deleted_at"] = task.deleted_at
    return shown


@dataclass(frozen=True)
class TaskSet:
    """The tasks that somebody may see: one user's, or everybody's. There is no other way in."""

    owner_id: int | None

    def get(self, task_id: int, *, lock: bool = False, deleted: bool | None = False) -> Row:
        """The task, or NotFound; from the trash with `deleted`, from either place with None."""
        query = _find(self.owner_id is not None, lock, deleted)
        task = query.first(task_id=task_id, owner_id=self.owner_id)
        if task is None:
            raise NotFound("There is no such task.")
        return task

    def lock_all(self, task_ids: list[int]) -> None:
        """Lock in the order of ids, so that two who change many never wait in a circle."""
        if is_postgres() and task_ids:
            _lock_all(self.owner_id is not None).run(task_ids=task_ids, owner_id=self.owner_id)

    def chosen(self, filters: dict[str, Any]) -> dict[str, Any]:
        """The filters of a list, narrowed to this set."""
        narrowed = {"deleted": False, **filters}
        if self.owner_id is not None:
            narrowed["user_id"] = self.owner_id
        return narrowed


@lru_cache
def _find(has_owner: bool, lock: bool, deleted: bool | None) -> Query:
    query = select(*SHOWN).where(tasks.c.id == bindparam("task_id"))
    if has_owner:
        query = query.where(tasks.c.user_id == bindparam("owner_id"))
    if deleted is not None:
        query = query.where(not_(is_live) if deleted else is_live)
    return Query(query.with_for_update() if lock else query)


@lru_cache
def _lock_all(has_owner: bool) -> Query:
    query = select(tasks.c.id).where(
        tasks.c.id == any_(bindparam("task_ids", type_=ARRAY(Id))),
        *([tasks.c.user_id == bindparam("owner_id")] if has_owner else []),
    )
    return Query(query.order_by(tasks.c.id).with_for_update())


def create_task(owner_id: int, fields: dict[str, Any]) -> dict[str, Any]:
    """A new task as JSON; what is left out gets its default."""
    # In the order in which task_json() shows them.
    values = {"user_id": owner_id, "title": fields["title"]} | DEFAULTS | fields
    moment = now()
    facts = {
        "completed_at": moment if values["status"] == "done" else None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
    }
    try:
        with transaction():
            made = INSERT.later(**stored(values), **facts, user_id=owner_id, deleted_at=None)
            _record("task.created", values | facts, is_new_task=True)
        return {"id": made.row.id} | values | facts
    except integrity_error():
        if owner_id == event.origin.get().actor_id:
            raise  # nobody named this owner: web/errors.py tells the caller that they are gone
        raise _no_such_owner() from None


def change_task(task: Row, fields: dict[str, Any]) -> Row:
    """Apply the fields to a locked task; the version rises only if something changed."""
    before = task_json(task)
    values = {name: before[name] for name in (*DEFAULTS, "title", "user_id")} | fields
    changes = {name: [before[name], new] for name, new in values.items() if before[name] != new}
    if not changes:
        return task
    facts = {"completed_at": task.completed_at, "updated_at": now(), "version": task.version + 1}
    if "status" in changes:
        facts["completed_at"] = facts["updated_at"] if values["status"] == "done" else None
    columns = stored(values) | facts | {"user_id": values["user_id"]}
    written = UPDATE.later(
        **columns,
        deleted_at=None,
        keeps_due="due_at" not in changes,
        task_id=task.id,
        read_version=task.version,
    )
    if "user_id" in changes:
        try:
            written.send()
        except integrity_error():
            raise _no_such_owner() from None
    changed = task._replace(**{name: columns[name] for name in columns.keys() & task._asdict()})
    _record("task.updated", task_json(changed), changes)
    if "status" in changes and values["status"] == "done":
        _record("task.completed", task_json(changed), {"status": changes["status"]})
    return changed


def delete_task(task: Row) -> None:
    """Move a locked task to the trash."""
    moment = now()
    _move(task, "task.deleted", moment, [None, moment])


def restore_task(task: Row) -> Row:
    """Take a locked task out of the trash."""
    if task.deleted_at is None:
        raise Conflict("The task is not in the trash.")
    return _move(task, "task.restored", None, [task.deleted_at, None])


def tell_overdue() -> int:
    """Record task.overdue, once for each due time that has passed; how many were told.

    At most so many at once: the worker has leases to renew in between.
    """
    moment = now()
    if COMES_DUE.first(now=moment) is None:
        return 0  # looking needs no lock
    with transaction():
        found = LOCK_OVERDUE.all(now=moment)
        for task in found:
            TOLD.run(task_id=task.id)
            _record("task.overdue", task_json(task), is_audit=False)
    return len(found)  # none where somebody else is telling of them


def purge() -> int:
    """Empty what has lain in the trash for too long."""
    return PURGE.run(before=ago(days=TRASH_DAYS))


def _no_such_owner() -> Invalid:
    return Invalid({"user_id": ["There is no such user."]})


def _move(task: Row, action: str, deleted_at: str | None, change: list[Any]) -> Row:
    facts = {"deleted_at": deleted_at, "updated_at": now(), "version": task.version + 1}
    BIN.later(**facts, task_id=task.id, read_version=task.version)
    moved = task._replace(**facts)
    _record(action, task_json(moved), {"deleted_at": change})
    return moved


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a task as they lie in the table."""
    description, tags = values["description"], ",".join(values["tags"])
    return {
        "title": values["title"],
        "title_key": values["title"].casefold(),
        "description": description,
        "description_key": None if description is None else description.casefold(),
        "status": STATUSES.index(values["status"]),
        "priority": PRIORITIES.index(values["priority"]),
        "due_at": values["due_at"],
        "tags": tags,
        "tags_key": f",{tags.casefold()}," if tags else "",
    }


def _record(
    action: str,
    task: dict[str, Any],
    changes: dict[str, Any] | None = None,
    *,
    is_new_task: bool = False,
    is_audit: bool | None = None,
) -> None:
    event.record(
        action,
        task_id=task.pop("id", None),
        user_id=task["user_id"],
        version=task["version"],
        changes=changes,
        task=task,
        is_new_task=is_new_task,
        # One's own doings are activity; an admin's on somebody's task belong to the audit too.
        is_audit=event.origin.get().actor_id != task["user_id"] if is_audit is None else is_audit,
    )
