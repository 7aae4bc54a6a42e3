"""Changes that concern users, projects and tasks together, such as deleting a user.

A user or project can have very many tasks. They are changed by one statement, and their events are
inserted by another, in the same transaction.
"""

from typing import Any

from sqlalchemy import (
    SQLColumnExpression,
    Text,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    update,
)

from taskapi.db import allow_seconds, now, transaction
from taskapi.errors import Conflict, Invalid
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.event import Event
from taskapi.models.project import Membership, Project
from taskapi.models.task import DELETION_SECONDS, Task, inbox_of
from taskapi.models.user import User


def create_user(user: User) -> None:
    """Insert a user and their Inbox."""
    with transaction():
        user.insert()
        Project.create(user.id, name="Inbox", inbox_user_id=user.id)


def lock_user(user_id: int, new_owner_id: int | None = None) -> User:
    """Lock a user and their projects, or raise NotFound. Projects first, as in other changes."""
    _lock_projects_of(user_id)
    return User.lock(user_id, new_owner_id)


def update_user(user: User, changes: dict[str, Any]) -> None:
    """Update a user locked by `lock_user`; their projects must keep an active owner."""
    was_active = user.is_active
    if was_active and changes.get("is_active") is False:
        for project in _lock_projects_of(user.id):
            # Without other active members, there is no possible owner.
            is_needed = project.next_owner(besides=user.id) is not None
            if is_needed and not project.has_active_owner(besides=user.id):
                raise Conflict(
                    f"This is the last active owner of project {project.id}."
                    " Make another member an owner first."
                )
    user.update(changes)
    if user.is_active and not was_active:
        for project in _lock_projects_of(user.id):
            if not project.has_active_owner():  # all members were disabled
                project.change_role(user.id, "owner")


def delete_user(user: User, new_owner_id: int | None = None) -> None:
    """Delete a user locked by `lock_user` with their Inbox, or reassign its tasks first."""
    if new_owner_id == user.id or (new_owner_id and not db.session.get(User, new_owner_id)):
        raise Invalid({"reassign_to": ["Must be the id of another user."]})
    allow_seconds(DELETION_SECONDS)
    # Otherwise a task created later would be deleted with the user.
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())
    for project in _lock_projects_of(user.id):
        _leave_for_good(project, user, new_owner_id)
    _unassign(Task.assignee_id == user.id)
    inbox_id = inbox_of(user.id)
    is_own = Task.user_id == user.id
    _give_to_owners_of_projects(user.id, is_own & (Task.project_id != inbox_id))
    if new_owner_id is not None:
        target = inbox_of(new_owner_id)
        moved = {"project_id": target, "project_version": Task.version + 1}
        move = {"project_id": [inbox_id, target]}
        in_inbox = Task.project_id == inbox_id
        _change_all(in_inbox & ~is_own, moved, move)
        given = {"user_id": [user.id, new_owner_id]}
        _change_all(in_inbox, {**moved, "user_id": new_owner_id}, given | move)
    user.delete()


def remove_member(project: Project, user_id: int) -> None:
    """Remove a member of a locked project and their assignments."""
    allow_seconds(DELETION_SECONDS)
    project.remove_member(user_id)
    _unassign((Task.project_id == project.id) & (Task.assignee_id == user_id))


def delete_project(project: Project) -> None:
    """Delete a project. Its tasks move to the trash, in the Inbox of their owners."""
    project.refuse_inbox("be deleted")
    allow_seconds(DELETION_SECONDS)
    # Now no task can be created in the project or moved to it.
    db.session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    moment = now()
    inbox = select(Project.id).where(Project.inbox_user_id == Task.user_id).scalar_subquery()
    moved = {
        "project_id": inbox,
        "project_version": Task.version + 1,
        "assignee_id": case((Task.assignee_id == Task.user_id, Task.assignee_id), else_=null()),
    }
    into_inbox = _json(f'{{"project_id":[{project.id},', inbox, "]")
    is_here = Task.project_id == project.id
    _change_all(
        is_here & Task.deleted_at.is_(None),
        {**moved, "deleted_at": moment},
        into_inbox + literal(f',"deleted_at":[null,"{moment}"]}}', Text),
        action="task.deleted",
    )
    _change_all(
        is_here, moved, into_inbox + literal("}", Text)
    )  # tasks that were already in the trash
    project.record("project.deleted", changes={"name": [project.name, None]})
    db.session.delete(project)
    db.session.flush()


def _lock_projects_of(user_id: int) -> list[Project]:
    """Lock a user's projects except the Inbox, in the order of ids."""
    query = (
        select(Project)
        .join(Membership, Membership.project_id == Project.id)
        .where(Membership.user_id == user_id, Project.inbox_user_id.is_(None))
        .order_by(Project.id)
        .with_for_update(key_share=True, of=Project)
    )
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _leave_for_good(project: Project, user: User, new_owner_id: int | None) -> None:
    """Remove a user who is being deleted. The project gets an active owner or is deleted."""
    membership = project.member(user.id)
    if not project.has_active_owner(besides=user.id):
        next_owner_id = project.next_owner(besides=user.id)
        if next_owner_id is not None:
            project.change_role(next_owner_id, "owner")
        elif new_owner_id is not None:
            new_owner = User.get(new_owner_id)
            if db.session.get(Membership, (project.id, new_owner_id)):
                project.change_role(new_owner_id, "owner")
            else:
                project.add_member(new_owner, "owner")
        else:
            delete_project(project)
            return
    project.drop_member(membership)


def _give_to_owners_of_projects(user_id: int, tasks: Any) -> None:
    """Reassign tasks to the longest-standing active owner of their project."""
    owner = (
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.project_id == Task.project_id, Membership.role == "owner")
        .where(Membership.user_id != user_id)
        .order_by(User.is_active.desc(), Membership.created_at, Membership.user_id)
        .limit(1)
        .scalar_subquery()
    )
    _change_all(tasks, {"user_id": owner}, _json(f'{{"user_id":[{user_id},', owner, "]}"))


def _unassign(tasks: Any) -> None:
    changes = _json('{"assignee_id":[', Task.assignee_id, ",null]}")
    _change_all(tasks, {"assignee_id": None}, changes, is_audit=False)


def _json(before: str, value: Any, after: str) -> Any:
    """Return SQL for JSON text with a value that differs by row."""
    return literal(before, Text) + cast(value, Text) + literal(after, Text)


def _change_all(
    tasks: Any,
    values: dict[str, Any],
    changes: Any,
    *,
    action: str = "task.updated",
    is_audit: bool = True,
) -> None:
    """Update all tasks that match a condition and record an event for each.

    The events do not contain the task; webhooks get its state at the time of delivery.
    """
    # Lock them first, so that concurrent changes happen before or after both statements.
    found = select(Task.id).where(tasks).order_by(Task.id).with_for_update().subquery()
    if not db.session.scalar(select(func.count()).select_from(found)):
        return
    columns = Event.__table__.c
    facts: dict[str, Any] = event.event_values(action, is_audit=is_audit) | {
        "task_id": Task.id,
        "version": Task.version + 1,
        "project_id": values.get("project_id", Task.project_id),
        "user_id": values.get("user_id", Task.user_id),
        "changes": changes,
    }
    happened = select(
        *(
            value if isinstance(value, SQLColumnExpression) else literal(value, columns[name].type)
            for name, value in facts.items()
        )
    ).where(tasks)
    db.session.execute(insert(Event.__table__).from_select([*facts], happened))
    changed = {"updated_at": now(), "version": Task.version + 1, **values}
    db.session.execute(update(Task.__table__).where(tasks).values(changed))
