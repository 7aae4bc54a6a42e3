"""Tasks: fields, visibility and changes.

A field is a column here and a field of the schema; the rest follows from these two. This is the hot
path: it uses rows of columns instead of entities, and statements that are compiled once.
"""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import (
    INTEGRITY_ERRORS,
    CaseFolded,
    Choice,
    Id,
    Names,
    Row,
    Timestamp,
    affected_rows,
    ago,
    allow_seconds,
    is_sqlite,
    now,
    partial,
    transaction,
)
from taskapi.errors import Conflict, Invalid, NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.event import Event
from taskapi.models.project import (
    EDITORS,
    Membership,
    Project,
    Viewer,
    is_member,
    require_editor,
)
from taskapi.models.user import User
from taskapi.statement import Statement

STATUSES = ("todo", "in_progress", "done")
PRIORITIES = ("low", "medium", "high")
KEPT_IN_TRASH_DAYS = 30
OVERDUE_BATCH = 200
DELETION_SECONDS = 600  # a user can have very many tasks, which change in one transaction


class Task(db.Model):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(Id, ForeignKey("projects.id", ondelete="CASCADE"))
    assignee_id: Mapped[int | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Choice(STATUSES), info={"default": "todo"})
    priority: Mapped[str] = mapped_column(Choice(PRIORITIES), info={"default": "medium"})
    due_at: Mapped[str | None] = mapped_column(Timestamp)
    tags: Mapped[list[str]] = mapped_column(Names, info={"default": []})
    completed_at: Mapped[str | None] = mapped_column(Timestamp)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    version: Mapped[int]
    deleted_at: Mapped[str | None] = mapped_column(Timestamp)
    # Casefolded, for search and sorting; the tags with a comma at both ends.
    title_key: Mapped[str] = mapped_column(CaseFolded)
    description_key: Mapped[str | None] = mapped_column(Text)
    tags_key: Mapped[str] = mapped_column(Text)
    # When task.overdue was recorded for the current due time.
    overdue_notified_at: Mapped[str | None] = mapped_column(Timestamp)
    # The version at which it was moved to its project.
    project_version: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        *(
            Index(name, *columns, **partial("deleted_at IS NULL"))
            for name, *columns in (
                ("ix_tasks_created", "project_id", "created_at", "id"),
                ("ix_tasks_status_created", "project_id", "status", "created_at", "id"),
                ("ix_tasks_due", "project_id", "due_at", "id"),
                ("ix_tasks_priority", "project_id", "priority", "id"),
                ("ix_tasks_status_due", "project_id", "status", "due_at", "id"),
                ("ix_tasks_status_priority", "project_id", "status", "priority", "id"),
            )
        ),
        Index(
            "ix_tasks_overdue",
            "due_at",
            **partial(
                "due_at IS NOT NULL AND status <> 2 AND overdue_notified_at IS NULL"
                " AND deleted_at IS NULL"
            ),
        ),
        # For deleting users, and for filters. Without a time, which PostgreSQL would walk along
        # instead of the indexes of a user's projects.
        Index("ix_tasks_user", "user_id"),
        Index("ix_tasks_assignee", "assignee_id", **partial("assignee_id IS NOT NULL")),
        Index("ix_tasks_trash", "deleted_at", **partial("deleted_at IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def visible_to(cls, caller: Viewer, owner_id: int | None = None) -> "VisibleTasks":
        """Return the tasks that a user can see, or those of them with one owner."""
        return VisibleTasks(caller, owner_id)

    @classmethod
    def create_all(
        cls, owner_id: int, rows: Sequence[dict[str, Any]], is_audit: bool = False
    ) -> list[Row]:
        """Create tasks; those without a project in the Inbox of the owner."""
        made = []
        try:
            with transaction():
                for fields in rows:
                    values = _new(owner_id, fields)
                    inserted = INSERT.first(**values)
                    assert inserted is not None
                    task = _shown(inserted.id, values | {"project_id": inserted.project_id})
                    _record("task.created", task, is_audit=is_audit)
                    if task.assignee_id is not None:
                        _record("task.assigned", task, is_audit=False)
                    made.append(task)
        except INTEGRITY_ERRORS:
            if owner_id == event.origin.get().actor_id:
                raise  # the caller was deleted: error_handlers.py responds with 401
            raise _no_such_owner() from None
        return made

    @classmethod
    def import_all(cls, owner_id: int, project_id: int, rows: list[dict[str, Any]]) -> None:
        """Create many tasks and their events with two statements."""
        values = [_new(owner_id, {**fields, "project_id": project_id}) for fields in rows]
        ids = db.session.scalars(
            insert(cls.__table__).returning(cls.id, sort_by_parameter_order=True), values
        )
        happened = [
            _event_values("task.created", _shown(task_id, row), is_audit=False)
            for task_id, row in zip(ids, values, strict=True)
        ]
        db.session.execute(insert(Event.__table__), happened)

    @classmethod
    def update(cls, task: Row, fields: dict[str, Any]) -> Row:
        """Update a locked task; the version changes only if a field does."""
        before = {name: getattr(task, name) for name in (*FIELDS, *PLACE)}
        after = before | fields
        changes = {n: [before[n], new] for n, new in after.items() if before[n] != new}
        if not changes:
            return task
        moment, version = now(), task.version + 1
        completed_at = task.completed_at
        if "status" in changes:
            completed_at = moment if after["status"] == "done" else None
        changed = task._replace(
            **after,
            completed_at=completed_at,
            updated_at=moment,
            version=version,
            project_version=version if "project_id" in changes else task.project_version,
        )
        try:
            UPDATE.execute(
                task_id=task.id,
                **after,
                **_keys(after),
                completed_at=completed_at,
                updated_at=moment,
                version=version,
                project_version=changed.project_version,
                is_due_changed="due_at" in changes,
            )
        except INTEGRITY_ERRORS:
            raise _no_such_owner() from None
        _record("task.updated", changed, changes, is_audit=is_audited(task))
        if "status" in changes and after["status"] == "done":
            change = {"status": changes["status"]}
            _record("task.completed", changed, change, is_audit=is_audited(task))
        if "assignee_id" in changes and after["assignee_id"] is not None:
            change = {"assignee_id": changes["assignee_id"]}
            _record("task.assigned", changed, change, is_audit=False)
        return changed

    @classmethod
    def soft_delete(cls, task: Row) -> Row:
        """Move a locked task to the trash."""
        moment = now()
        return _set_deleted(task, "task.deleted", moment, [None, moment])

    @classmethod
    def restore(cls, task: Row) -> Row:
        """Restore a locked task from the trash."""
        if task.deleted_at is None:
            raise Conflict("The task is not in the trash.")
        return _set_deleted(task, "task.restored", None, [task.deleted_at, None])


# The fields that clients can set, in the order of responses.
_MAINTAINED = {"completed_at", "created_at", "updated_at", "version", "deleted_at"}
_INTERNAL = {
    *("title_key", "description_key", "tags_key", "overdue_notified_at", "project_version")
}
# Owner, project and assignee keep their values if they are left out of a PUT.
PLACE = ("user_id", "project_id", "assignee_id")
_COLUMNS = Task.__table__.c
FIELDS = [c.name for c in _COLUMNS if c.name not in {"id", *PLACE} | _MAINTAINED | _INTERNAL]
# A nullable field is null by default; another one may name its default in the column's `info`.
DEFAULTS: dict[str, Any] = {
    name: _COLUMNS[name].info.get("default")
    for name in FIELDS
    if _COLUMNS[name].nullable or "default" in _COLUMNS[name].info
}
SHOWN = tuple(c for c in _COLUMNS if c.name not in _INTERNAL)
_SHOWN = [c.name for c in SHOWN]
# A task that was read or created. Its fields are the columns of the model.
_Shown = namedtuple("_Shown", [*_SHOWN, "project_version"])  # type: ignore[misc]

_written: dict[str, Any] = {
    name: bindparam(name) for name in (*FIELDS, "title_key", "description_key", "tags_key")
}
_written |= {
    name: bindparam(name)
    for name in (*PLACE, "completed_at", "updated_at", "version", "project_version")
}
_inbox = select(Project.id).where(Project.inbox_user_id == bindparam("user_id"))
_project_id: Any = func.coalesce(bindparam("project_id"), _inbox.scalar_subquery())
INSERT = Statement(
    insert(Task.__table__)
    .values(_written | {"project_id": _project_id, "created_at": bindparam("created_at")})
    .returning(Task.id, Task.project_id)
)
_is_one = Task.id == bindparam("task_id")
UPDATE = Statement(
    update(Task.__table__)
    .where(_is_one)
    .values(
        _written
        # A new due time is reported again.
        | {
            "overdue_notified_at": case(
                (bindparam("is_due_changed", type_=Boolean), null()),
                else_=Task.overdue_notified_at,
            )
        }
    )
)
SET_DELETED = Statement(
    update(Task.__table__)
    .where(_is_one)
    .values({name: bindparam(name) for name in ("deleted_at", "updated_at", "version")})
)


@dataclass(frozen=True)
class VisibleTasks:
    """The tasks that a user can see, all of them or those of one owner.

    All access to tasks uses this class. A task is visible to the members of its project and to
    admins; editors, owners and admins can write it.
    """

    caller: Viewer
    owner_id: int | None = None

    def get(self, task_id: int, *, deleted: bool | None = False, lock: bool = False) -> Row:
        """Return the task, or raise NotFound.

        `deleted` selects tasks in the trash, None all. The row has the `role` of the caller in the
        project, which is None for an admin who is not a member.
        """
        find = _find(self.caller.is_admin, self.owner_id is not None, lock, deleted)
        values = {"task_id": task_id, "caller_id": self.caller.id, "owner_id": self.owner_id}
        task = find.first(**values)
        if task is None and lock:
            # PostgreSQL returns no row if the task was moved while this waited for the lock.
            task = find.first(**values)
        if task is None:
            raise NotFound("Task not found.")
        return task

    def get_to_write(self, task_id: int, *, deleted: bool | None = False, lock: bool = True) -> Row:
        """Lock and return the task, or raise Forbidden for a viewer."""
        task = self.get(task_id, deleted=deleted, lock=lock)
        require_editor(task.role, self.caller)
        return task

    def lock_all(self, task_ids: list[int]) -> None:
        """Lock tasks in the order of ids, so that concurrent requests do not deadlock."""
        if is_sqlite() or not task_ids:
            return
        wanted = select(Task.id).where(Task.id.in_(task_ids))
        if not self.caller.is_admin:
            wanted = wanted.where(is_member(Task.project_id, self.caller.id))
        db.session.execute(wanted.order_by(Task.id).with_for_update(of=Task))

    def create(self, fields: dict[str, Any], path_project_id: int | None = None) -> Row:
        """Create a task, by default in the Inbox of the owner."""
        fields = dict(fields)
        if path_project_id is not None:
            fields["project_id"] = path_project_id
        given_owner = fields.pop("user_id", None)
        owner_id = given_owner or self.owner_id or self.caller.id
        with transaction():
            project_id, is_audit = fields.get("project_id"), owner_id != self.caller.id
            if project_id is not None:
                is_in_path = path_project_id is not None
                is_audit = self.check_project(project_id, is_in_path=is_in_path) not in EDITORS
                if given_owner or owner_id != self.caller.id:
                    _require_member(project_id, owner_id, "user_id")
            if fields.get("assignee_id") is not None:
                project_id = project_id or inbox_of(owner_id)
                _require_member(project_id, fields["assignee_id"], "assignee_id", is_active=True)
            return Task.create_all(owner_id, [fields], is_audit)[0]

    def check_project(self, project_id: int | None, *, is_in_path: bool = False) -> str:
        """Return the role of the caller in the project, or raise Invalid or Forbidden."""
        if project_id is None:
            return "owner"  # of the Inbox
        visible = Project.visible_to(self.caller)
        return visible.require_editor(project_id, is_in_path=is_in_path)

    def update(self, task: Row, fields: dict[str, Any]) -> Row:
        """Update a task of `get_to_write`; also move, reassign and assign it."""
        fields = dict(fields)
        target = fields.get("project_id", task.project_id)
        if target != task.project_id:
            self.check_project(target)
        new_owner_id = fields.get("user_id", task.user_id)
        if new_owner_id != task.user_id:
            if target == task.project_id and db.session.get_one(Project, target).is_inbox:
                target = fields["project_id"] = inbox_of(new_owner_id)
            else:
                _require_member(target, new_owner_id, "user_id")
        assignee_id = fields.get("assignee_id", task.assignee_id)
        is_new = assignee_id != task.assignee_id
        if assignee_id is not None and (is_new or target != task.project_id):
            if "assignee_id" in fields:
                _require_member(target, assignee_id, "assignee_id", is_active=is_new)
            elif LOCK_MEMBER.first(project_id=target, user_id=assignee_id) is None:
                fields["assignee_id"] = None
        return Task.update(task, fields)

    def filters(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the filters of a list, restricted to these tasks without archived projects."""
        chosen = {"deleted": False, **given}
        if "project_id" in chosen:
            Project.visible_to(self.caller).require(chosen["project_id"])
        elif self.caller.is_admin:
            chosen["is_archived"] = False
        else:
            chosen["member"] = self.caller.id
        if self.owner_id is not None:
            chosen["user_id"] = self.owner_id
        assignee = chosen.pop("assignee_id", None)
        if assignee == "none":
            chosen["is_assigned"] = False
        elif assignee is not None:
            chosen["assignee_id"] = self.caller.id if assignee == "me" else assignee
        return chosen


def is_audited(task: Row) -> bool:
    """Return whether the caller can change the task only as an admin."""
    return task.role not in EDITORS


def inbox_of(user_id: int) -> int:
    project_id: int | None = INBOX_OF.scalar(user_id=user_id)
    if project_id is None:
        raise _no_such_owner()
    return project_id


def _require_member(
    project_id: int, user_id: int, field: str, *, is_active: bool | None = None
) -> None:
    """Raise Invalid unless the user is a member, and lock the membership."""
    member = LOCK_MEMBER.first(project_id=project_id, user_id=user_id)
    if member is None:
        raise Invalid({field: ["Must be a member of the project."]})
    if is_active and not member.is_active:
        raise Invalid({field: ["This user is disabled."]})


INBOX_OF = Statement(_inbox)
_member = (
    select(Membership.user_id, User.is_active)
    .join(User, User.id == Membership.user_id)
    .where(Membership.project_id == bindparam("project_id"))
    .where(Membership.user_id == bindparam("user_id"))
)
LOCK_MEMBER = Statement(_member.with_for_update(read=True, of=Membership))
_is_live = Task.deleted_at.is_(None)


@lru_cache
def _find(for_admin: bool, of_owner: bool, lock: bool, deleted: bool | None) -> Statement:
    mine = and_(
        Membership.project_id == Task.project_id, Membership.user_id == bindparam("caller_id")
    )
    query = (
        select(*SHOWN, Task.project_version, Membership.role)
        .join_from(Task, Membership, mine, isouter=for_admin)
        .where(_is_one)
    )
    if of_owner:
        query = query.where(Task.user_id == bindparam("owner_id"))
    if deleted is not None:
        query = query.where(Task.deleted_at.is_not(None) if deleted else _is_live)
    return Statement(query.with_for_update(of=Task) if lock else query)


def task_json(task: Row, *, with_deleted: bool = False) -> dict[str, Any]:
    # Rows begin with these columns; entities are not rows.
    values = task if isinstance(task, tuple) else [getattr(task, name) for name in _SHOWN]
    shown = dict(zip(_SHOWN, values, strict=False))
    if not with_deleted:
        del shown["deleted_at"]
    return shown


def record_overdue_events() -> int:
    """Record task.overdue once for each due time that has passed; return the number."""
    has_come_due = and_(
        Task.due_at.is_not(None),
        Task.due_at <= literal(now(), Timestamp),
        Task.status != literal_column("2"),
        Task.overdue_notified_at.is_(None),
        _is_live,
    )
    if db.session.scalar(select(Task.id).where(has_come_due).limit(1)) is None:
        return 0  # reading needs no lock
    due = select(*SHOWN).where(has_come_due).order_by(Task.due_at, Task.id).limit(OVERDUE_BATCH)
    with transaction():
        found = db.session.execute(due.with_for_update(skip_locked=True)).all()
        for task in found:
            _record("task.overdue", task, is_audit=False)
        ids = [task.id for task in found]
        notified = update(Task.__table__).where(Task.id.in_(ids))
        db.session.execute(notified.values(overdue_notified_at=now()))
    return len(found)


def purge() -> int:
    """Delete tasks that have been in the trash for too long."""
    old = delete(Task.__table__).where(Task.deleted_at < ago(days=KEPT_IN_TRASH_DAYS))
    with transaction():
        allow_seconds(DELETION_SECONDS)
        return affected_rows(old)


def _no_such_owner() -> Invalid:
    return Invalid({"user_id": ["User not found."]})


def _new(owner_id: int, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a new task."""
    moment = now()
    values = DEFAULTS | fields
    return {
        **values,
        **_keys(values),
        "user_id": owner_id,
        "project_id": values.get("project_id"),
        "assignee_id": values.get("assignee_id"),
        "completed_at": moment if values["status"] == "done" else None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
        "deleted_at": None,
        "project_version": 1,
    }


def _shown(task_id: int, values: dict[str, Any]) -> Row:
    names: tuple[str, ...] = _Shown._fields[1:]
    return _Shown._make([task_id, *(values[name] for name in names)])


def _keys(values: dict[str, Any]) -> dict[str, Any]:
    """Return the columns for search and sorting."""
    description, tags = values["description"], ",".join(values["tags"])
    return {
        "title_key": values["title"].casefold(),
        "description_key": None if description is None else description.casefold(),
        "tags_key": f",{tags.casefold()}," if tags else "",
    }


def _set_deleted(task: Row, action: str, deleted_at: str | None, change: list[Any]) -> Row:
    facts = {"deleted_at": deleted_at, "updated_at": now(), "version": task.version + 1}
    SET_DELETED.execute(**facts, task_id=task.id)
    changed = task._replace(**facts)
    _record(action, changed, {"deleted_at": change}, is_audit=is_audited(task))
    return changed


def _record(action: str, task: Row, changes: Any = None, *, is_audit: bool) -> None:
    event.INSERT.execute(**_event_values(action, task, changes, is_audit=is_audit))


def _event_values(action: str, task: Row, changes: Any = None, *, is_audit: bool) -> dict[str, Any]:
    shown = task_json(task)
    return event.event_values(
        action,
        task_id=shown.pop("id"),
        project_id=task.project_id,
        user_id=task.user_id,
        version=task.version,
        changes=changes,
        task=shown,
        # Changes by members are activity; changes that need the admin role are audited, too.
        is_audit=is_audit,
    )
