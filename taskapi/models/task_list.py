"""How tasks can be listed: the filters and orders of /tasks."""

from sqlalchemy import and_, bindparam, select

from taskapi.listing import Filter, Flag, Groups, Listing, search
from taskapi.models.project import Project, projects_of
from taskapi.models.task import SHOWN, Task

_COLUMNS = Task.__table__.c

_is_overdue = and_(Task.due_at.is_not(None), Task.due_at < bindparam("now"), Task.status != "done")
LISTING = Listing(
    columns=SHOWN,
    filters={
        "member": Groups(_COLUMNS.project_id, projects_of),
        "is_archived": Flag(Task.project_id.in_(select(Project.id).where(Project.is_archived))),
        "project_id": Task.project_id,
        "user_id": Task.user_id,
        "assignee_id": Task.assignee_id,
        "is_assigned": Flag(Task.assignee_id.is_not(None)),
        "status": Task.status,
        "priority": Task.priority,
        "tag": search(Task.tags_key, normalize=lambda tag: f",{tag.casefold()},"),
        "q": search(Task.title_key, Task.description_key),
        "due_before": Filter(lambda value: Task.due_at < value),
        "due_after": Filter(lambda value: Task.due_at >= value),
        "created_since": Filter(lambda value: Task.created_at >= value),
        "updated_since": Filter(lambda value: Task.updated_at >= value),
        "completed_since": Filter(lambda value: Task.completed_at >= value),
        "overdue": Flag(_is_overdue),
        "deleted": Flag(Task.deleted_at.is_not(None)),
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
