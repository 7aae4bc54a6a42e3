"""How tasks can be listed: the filters and orders of /tasks."""

from sqlalchemy import and_, bindparam, not_, or_

from taskapi.listing import Filter, Flag, Groups, Listing, as_pattern, contains
from taskapi.models.project import ARCHIVED, projects_of
from taskapi.models.task import SHOWN, Task

_COLUMNS = Task.__table__.c


def _pattern(text: str) -> str:
    return as_pattern(text.casefold())


_is_overdue = and_(Task.due_at < bindparam("now"), Task.status != "done")
LISTING = Listing(
    columns=SHOWN,
    filters={
        "member": Groups(_COLUMNS.project_id, projects_of),
        "is_archived": Flag(Task.project_id.in_(ARCHIVED), Task.project_id.not_in(ARCHIVED)),
        "project_id": Filter(lambda value: Task.project_id == value),
        "user_id": Filter(lambda value: Task.user_id == value),
        "assignee_id": Filter(lambda value: Task.assignee_id == value),
        "is_assigned": Flag(Task.assignee_id.is_not(None), Task.assignee_id.is_(None)),
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
        "deleted": Flag(Task.deleted_at.is_not(None), Task.deleted_at.is_(None)),
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
