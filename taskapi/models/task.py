"""Tasks: their fields, who may see them, and what changes them.

A field is a column here and a field of the schema; everything else follows from the two. This is
the hot path: rows of columns instead of entities, and statements that are compiled once.
"""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
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
    not_,
    null,
    or_,
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
    Statement,
    Timestamp,
    affected_rows,
    ago,
    allow_seconds,
    canonical,
    is_sqlite,
    now,
    partial,
    transaction,
)
from taskapi.errors import Conflict, Invalid, NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.event import Event
from taskapi.models.user import lock_out
from taskapi.paging import Filter, Flag, Listing, as_pattern, contains

STATUSES = ("todo", "in_progress", "done")
PRIORITIES = ("low", "medium", "high")
KEPT_IN_TRASH_DAYS = 30
OVERDUE_BATCH = 200
STATS_DAYS = 30
DELETION_SECONDS = 600  # a user may have very many tasks, which change in one transaction


class Task(db.Model):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Choice(STATUSES), default="todo")
    priority: Mapped[str] = mapped_column(Choice(PRIORITIES), default="medium")
    due_at: Mapped[str | None] = mapped_column(Timestamp)
    tags: Mapped[list[str]] = mapped_column(Names, default=[])
    completed_at: Mapped[str | None] = mapped_column(Timestamp)
    created_at: Mapped[str] = mapped_column(Timestamp)
    updated_at: Mapped[str] = mapped_column(Timestamp)
    version: Mapped[int]
    deleted_at: Mapped[str | None] = mapped_column(Timestamp)
    # For search and order in any case: casefolded; the tags with a comma at both ends.
    title_key: Mapped[str] = mapped_column(CaseFolded)
    description_key: Mapped[str | None] = mapped_column(Text)
    tags_key: Mapped[str] = mapped_column(Text)
    # When task.overdue was recorded for the present due time.
    overdue_notified_at: Mapped[str | None] = mapped_column(Timestamp)

    __table_args__ = (
        *(
            Index(name, *columns, **partial("deleted_at IS NULL"))
            for name, *columns in (
                ("ix_tasks_created", "user_id", "created_at", "id"),
                ("ix_tasks_status_created", "user_id", "status", "created_at", "id"),
                ("ix_tasks_due", "user_id", "due_at", "id"),
                ("ix_tasks_priority", "user_id", "priority", "id"),
                ("ix_tasks_status_due", "user_id", "status", "due_at", "id"),
                ("ix_tasks_status_priority", "user_id", "status", "priority", "id"),
                ("ix_tasks_everyones", "created_at", "id"),
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
        Index("ix_tasks_trash", "deleted_at", **partial("deleted_at IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def visible_to(cls, caller: "Viewer", user_id: int | None = None) -> "VisibleTasks":
        """The tasks that somebody may see, or those of them that belong to one user."""
        return VisibleTasks(user_id or (None if caller.is_admin else caller.id))

    @classmethod
    def create(cls, owner_id: int, fields: dict[str, Any]) -> Row:
        """Create a task; what is left out gets its default."""
        (task,) = cls.create_all(owner_id, [fields])
        return task

    @classmethod
    def create_all(cls, owner_id: int, rows: Sequence[dict[str, Any]]) -> list[Row]:
        made = []
        try:
            with transaction():
                for fields in rows:
                    values = _new(owner_id, fields)
                    task = _shown(INSERT.scalar(**values), values)
                    _record("task.created", task)
                    made.append(task)
        except INTEGRITY_ERRORS:
            if owner_id == event.origin.get().actor_id:
                raise  # the caller themselves was deleted: errors.py says so
            raise _no_such_owner() from None
        return made

    @classmethod
    def import_all(cls, owner_id: int, rows: list[dict[str, Any]]) -> None:
        """Create many tasks and their events in two statements of the present transaction."""
        values = [_new(owner_id, fields) for fields in rows]
        ids = db.session.scalars(
            insert(cls.__table__).returning(cls.id, sort_by_parameter_order=True), values
        )
        happened = [
            _event_values("task.created", _shown(task_id, row))
            for task_id, row in zip(ids, values, strict=True)
        ]
        db.session.execute(insert(Event.__table__), happened)

    @classmethod
    def update(cls, task: Row, fields: dict[str, Any]) -> Row:
        """Apply the fields to a locked task; the version rises only if something changed."""
        before = {name: getattr(task, name) for name in (*FIELDS, "user_id")}
        after = before | fields
        changes = {n: [before[n], new] for n, new in after.items() if before[n] != new}
        if not changes:
            return task
        moment = now()
        completed_at = task.completed_at
        if "status" in changes:
            completed_at = moment if after["status"] == "done" else None
        changed = task._replace(
            **after, completed_at=completed_at, updated_at=moment, version=task.version + 1
        )
        try:
            UPDATE.execute(
                task_id=task.id,
                **after,
                **_keys(after),
                completed_at=completed_at,
                updated_at=moment,
                version=changed.version,
                is_due_changed="due_at" in changes,
            )
        except INTEGRITY_ERRORS:
            raise _no_such_owner() from None
        _record("task.updated", changed, changes)
        if "status" in changes and after["status"] == "done":
            _record("task.completed", changed, {"status": changes["status"]})
        return changed

    @classmethod
    def soft_delete(cls, task: Row) -> Row:
        """Move a locked task to the trash."""
        moment = now()
        return _set_deleted(task, "task.deleted", moment, [None, moment])

    @classmethod
    def restore(cls, task: Row) -> Row:
        """Take a locked task out of the trash."""
        if task.deleted_at is None:
            raise Conflict("The task is not in the trash.")
        return _set_deleted(task, "task.restored", None, [task.deleted_at, None])


# What a client may set, in the order in which tasks are shown.
_MAINTAINED = {"completed_at", "created_at", "updated_at", "version", "deleted_at"}
_INTERNAL = {"title_key", "description_key", "tags_key", "overdue_notified_at"}
_COLUMNS = Task.__table__.c
FIELDS = [c.name for c in _COLUMNS if c.name not in {"id", "user_id"} | _MAINTAINED | _INTERNAL]
DEFAULTS: dict[str, Any] = {
    name: _COLUMNS[name].default.arg if _COLUMNS[name].default is not None else None
    for name in FIELDS
    if _COLUMNS[name].nullable or _COLUMNS[name].default is not None
}
SHOWN = tuple(c for c in _COLUMNS if c.name not in _INTERNAL)
_SHOWN = [c.name for c in SHOWN]
_Shown = namedtuple("_Shown", _SHOWN)  # type: ignore[misc]  # its fields are the model's columns

_written: dict[str, Any] = {
    name: bindparam(name) for name in (*FIELDS, "title_key", "description_key", "tags_key")
}
_written |= {name: bindparam(name) for name in ("user_id", "completed_at", "updated_at", "version")}
INSERT = Statement(
    insert(Task.__table__)
    .values(_written | {"created_at": bindparam("created_at")})
    .returning(Task.id)
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


class Viewer(Protocol):
    """What decides which tasks somebody sees."""

    @property
    def id(self) -> int: ...
    @property
    def is_admin(self) -> bool: ...


@dataclass(frozen=True)
class VisibleTasks:
    """The tasks of one user or of everybody. There is no other way to a task."""

    owner_id: int | None

    def get(self, task_id: int, *, lock: bool = False, deleted: bool | None = False) -> Row:
        """The task, or NotFound; from the trash with `deleted`, from either place with None."""
        find = _find(self.owner_id is not None, lock, deleted)
        task = find.first(task_id=task_id, owner_id=self.owner_id)
        if task is None:
            raise NotFound("Task not found.")
        return task

    def includes(self, owner_id: int | None) -> bool:
        """True if a task of this owner is among them."""
        return self.owner_id in (None, owner_id)

    def lock_all(self, task_ids: list[int]) -> None:
        """Lock in the order of ids, so that two who change many never wait in a circle."""
        if is_sqlite() or not task_ids:
            return
        wanted = select(Task.id).where(Task.id.in_(task_ids), *self._condition())
        db.session.execute(wanted.order_by(Task.id).with_for_update())

    def filters(self, given: dict[str, Any]) -> dict[str, Any]:
        """The filters of a list, narrowed to these tasks."""
        narrowed = {"deleted": False, **given}
        if self.owner_id is not None:
            narrowed["user_id"] = self.owner_id
        return narrowed

    def due(self, since: str, limit: int) -> list[Row]:
        """The tasks with a due time from `since` on, for a calendar."""
        query = _due(self.owner_id is not None)
        return query.all(owner_id=self.owner_id, since=since, limit=limit)

    def stats(self, zone_name: str) -> dict[str, Any]:
        """Counts of live tasks; days begin at midnight in the zone."""
        zone = ZoneInfo(zone_name)
        current = datetime.now(UTC)
        today = current.astimezone(zone).date()
        days = [today - timedelta(days=back) for back in range(STATS_DAYS - 1, -1, -1)]
        midnights = [
            canonical(datetime(day.year, day.month, day.day, tzinfo=zone))
            for day in (*days, today + timedelta(days=1))
        ]
        counts = _stats(self.owner_id is not None).first(
            owner_id=self.owner_id,
            now=canonical(current),
            **{f"midnight_{i}": moment for i, moment in enumerate(midnights)},
        )
        assert counts is not None
        return {
            "total": counts.total,
            "by_status": {word: getattr(counts, f"status_{word}") for word in STATUSES},
            "by_priority": {word: getattr(counts, f"priority_{word}") for word in PRIORITIES},
            "overdue": counts.overdue,
            "due_today": counts.due_today,
            "done_per_day": [
                {"date": day.isoformat(), "count": getattr(counts, f"done_{i}")}
                for i, day in enumerate(days)
            ],
            "tz": zone_name,
        }

    def _condition(self) -> list[ColumnElement[bool]]:
        return [] if self.owner_id is None else [Task.user_id == self.owner_id]


_is_live = Task.deleted_at.is_(None)


def _of_owner(has_owner: bool) -> list[ColumnElement[bool]]:
    return [Task.user_id == bindparam("owner_id")] if has_owner else []


@lru_cache
def _find(has_owner: bool, lock: bool, deleted: bool | None) -> Statement:
    query = select(*SHOWN).where(_is_one, *_of_owner(has_owner))
    if deleted is not None:
        query = query.where(Task.deleted_at.is_not(None) if deleted else _is_live)
    return Statement(query.with_for_update() if lock else query)


@lru_cache
def _due(has_owner: bool) -> Statement:
    wanted = (_is_live, Task.due_at >= bindparam("since"), *_of_owner(has_owner))
    query = select(*SHOWN).where(*wanted).order_by(Task.due_at, Task.id)
    return Statement(query.limit(bindparam("limit", type_=Integer)))


@lru_cache
def _stats(has_owner: bool) -> Statement:
    def count(*conditions: Any) -> Any:
        return func.count(Task.id).filter(and_(*conditions))

    def between(column: Any, i: int) -> Any:
        return and_(column >= bindparam(f"midnight_{i}"), column < bindparam(f"midnight_{i + 1}"))

    return Statement(
        select(
            func.count(Task.id).label("total"),
            *(count(Task.status == word).label(f"status_{word}") for word in STATUSES),
            *(count(Task.priority == word).label(f"priority_{word}") for word in PRIORITIES),
            count(Task.due_at < bindparam("now"), Task.status != "done").label("overdue"),
            count(between(Task.due_at, STATS_DAYS - 1)).label("due_today"),
            *(count(between(Task.completed_at, i)).label(f"done_{i}") for i in range(STATS_DAYS)),
        ).where(_is_live, *_of_owner(has_owner))
    )


def _pattern(text: str) -> str:
    return as_pattern(text.casefold())


_is_overdue = and_(Task.due_at < bindparam("now"), Task.status != "done")
LISTING = Listing(
    columns=SHOWN,
    filters={
        "user_id": Filter(lambda value: Task.user_id == value),
        "status": Filter(lambda value: Task.status == value),
        "priority": Filter(lambda value: Task.priority == value),
        "tag": Filter(contains(Task.tags_key), lambda tag: _pattern(f",{tag},")),
        "q": Filter(
            lambda value: or_(
                contains(Task.title_key)(value), contains(Task.description_key)(value)
            ),
            _pattern,
        ),
        "due_before": Filter(lambda value: Task.due_at < value),
        "due_after": Filter(lambda value: Task.due_at >= value),
        "created_since": Filter(lambda value: Task.created_at >= value),
        "updated_since": Filter(lambda value: Task.updated_at >= value),
        "completed_since": Filter(lambda value: Task.completed_at >= value),
        "overdue": Flag(_is_overdue, or_(Task.due_at.is_(None), not_(_is_overdue))),
        "deleted": Flag(Task.deleted_at.is_not(None), _is_live),
    },
    sorts={
        "created_at": _COLUMNS.created_at,
        "updated_at": _COLUMNS.updated_at,
        "due_at": _COLUMNS.due_at,
        "priority": _COLUMNS.priority,
        "status": _COLUMNS.status,
        "title": _COLUMNS.title_key,
        "completed_at": _COLUMNS.completed_at,
    },
)


def task_json(task: Row, *, with_deleted: bool = False) -> dict[str, Any]:
    # A row begins with these columns; an entity is no row.
    values = task if isinstance(task, tuple) else [getattr(task, name) for name in _SHOWN]
    shown = dict(zip(_SHOWN, values, strict=False))
    if not with_deleted:
        del shown["deleted_at"]
    return shown


def record_overdue_events() -> int:
    """Record task.overdue once for each due time that has passed; the number of tasks."""
    has_come_due = and_(
        Task.due_at.is_not(None),
        Task.due_at <= literal(now(), Timestamp),
        Task.status != literal_column("2"),
        Task.overdue_notified_at.is_(None),
        _is_live,
    )
    if db.session.scalar(select(Task.id).where(has_come_due).limit(1)) is None:
        return 0  # looking needs no lock
    due = select(*SHOWN).where(has_come_due).order_by(Task.due_at, Task.id).limit(OVERDUE_BATCH)
    with transaction():
        found = db.session.execute(due.with_for_update(skip_locked=True)).all()
        for task in found:
            _record("task.overdue", task, is_audit=False)
        ids = [task.id for task in found]
        notified = update(Task.__table__).where(Task.id.in_(ids))
        db.session.execute(notified.values(overdue_notified_at=now()))
    return len(found)


def reassign_tasks(old_owner_id: int, new_owner_id: int) -> None:
    """Hand over all tasks of a user who is being deleted, the trash included."""
    allow_seconds(DELETION_SECONDS)
    lock_out(old_owner_id)  # a task that came later would be deleted with them
    # In one statement each, because a user may have very many tasks. Without the task itself: a
    # webhook gets it as it is when the event is delivered.
    changes = {"user_id": [old_owner_id, new_owner_id]}
    values = event.event_values("task.updated", user_id=new_owner_id, changes=changes)
    values |= {"task_id": Task.id, "version": Task.version + 1}
    own, columns = Task.user_id == old_owner_id, Event.__table__.c
    happened = select(
        *(
            literal(v, columns[n].type) if n not in ("task_id", "version") else v
            for n, v in values.items()
        )
    ).where(own)
    db.session.execute(insert(Event.__table__).from_select([*values], happened))
    moved = {"user_id": new_owner_id, "updated_at": now(), "version": Task.version + 1}
    try:
        db.session.execute(update(Task.__table__).where(own).values(moved))
    except INTEGRITY_ERRORS:  # deleted meanwhile
        raise no_such_new_owner() from None


def purge() -> int:
    """Delete what has been in the trash for too long."""
    old = delete(Task.__table__).where(Task.deleted_at < ago(days=KEPT_IN_TRASH_DAYS))
    with transaction():
        allow_seconds(DELETION_SECONDS)
        return affected_rows(old)


def no_such_new_owner() -> Invalid:
    return Invalid({"reassign_to": ["Must be the id of another user."]})


def _no_such_owner() -> Invalid:
    return Invalid({"user_id": ["User not found."]})


def _new(owner_id: int, fields: dict[str, Any]) -> dict[str, Any]:
    """The columns of a new task."""
    moment = now()
    values = DEFAULTS | fields
    return {
        **values,
        **_keys(values),
        "user_id": owner_id,
        "completed_at": moment if values["status"] == "done" else None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
        "deleted_at": None,
    }


def _shown(task_id: int, values: dict[str, Any]) -> Row:
    return _Shown._make([task_id, *(values[name] for name in _SHOWN[1:])])


def _keys(values: dict[str, Any]) -> dict[str, Any]:
    """The columns that search and order use."""
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
    _record(action, changed, {"deleted_at": change})
    return changed


def _record(action: str, task: Row, changes: Any = None, *, is_audit: bool | None = None) -> None:
    values = _event_values(action, task, changes)
    event.INSERT.execute(**values if is_audit is None else values | {"is_audit": is_audit})


def _event_values(action: str, task: Row, changes: Any = None) -> dict[str, Any]:
    shown = task_json(task)
    return event.event_values(
        action,
        task_id=shown.pop("id"),
        user_id=task.user_id,
        version=task.version,
        changes=changes,
        task=shown,
        # One's own changes are activity; an admin's changes to others' tasks are audited too.
        is_audit=event.origin.get().actor_id != task.user_id,
    )
