"""Projects and their members."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.conditional import check_if_match
from taskapi.db import transaction
from taskapi.listing import OLDEST_FIRST
from taskapi.models import team
from taskapi.models.project import (
    LISTING,
    MEMBER_LISTING,
    Membership,
    Project,
    missing_member,
    project_json,
)
from taskapi.models.user import User
from taskapi.paging import filters_of, page_response
from taskapi.responses import entity
from taskapi.schemas import project as schemas
from taskapi.schemas.fields import PageQuery

projects = Api("projects", __name__, url_prefix="/api/v1/projects")

PROJECT, MEMBER = schemas.ProjectSchema(), schemas.MemberSchema()
ONE = "/<id:project_id>"
MEMBERS = f"{ONE}/members"
ONE_MEMBER = f"{MEMBERS}/<id:member_id>"


def respond(project: Project, status: int = 200, location: str | None = None) -> Response:
    return entity(project_json(project), status, location, etag=project.etag)


@projects.get("", caller="user", query=schemas.ProjectQuery(), is_page=True, returns=PROJECT)
def list_projects(caller: Caller, query: dict[str, Any]) -> Response:
    """List projects."""
    chosen = Project.visible_to(caller).filters(filters_of(query))
    return page_response(LISTING, query, chosen, project_json, caller_id=caller.id)


@projects.post(
    "",
    caller="user",
    body=schemas.ProjectSchema(exclude=["is_archived"]),
    is_idempotent=True,
    status=201,
    returns=PROJECT,
    headers=("Location",),
)
def create_project(caller: Caller, body: dict[str, Any]) -> Response:
    """Create a project."""
    project = Project.create(caller.id, **body)
    return respond(project, 201, f"/api/v1/projects/{project.id}")


@projects.get(ONE, caller="user", is_conditional=True, returns=PROJECT)
def get_project(caller: Caller, project_id: int) -> Response:
    """Get a project."""
    return respond(Project.visible_to(caller).get(project_id))


@projects.patch(
    ONE,
    caller="user",
    body=schemas.ProjectSchema(partial=True),
    example={"is_archived": True},
    is_conditional=True,
    returns=PROJECT,
    errors={409: "An Inbox cannot be renamed or archived."},
)
def update_project(caller: Caller, project_id: int, body: dict[str, Any]) -> Response:
    """Update a project."""
    with transaction():
        project = Project.visible_to(caller).get_as_owner(project_id)
        check_if_match(project)
        project.update(body)
        return respond(project)


@projects.delete(
    ONE, caller="user", is_conditional=True, errors={409: "An Inbox cannot be deleted."}
)
def delete_project(caller: Caller, project_id: int) -> None:
    """Delete a project.

    Its tasks go to the trash, each in the Inbox of its owner.
    """
    with transaction():
        project = Project.visible_to(caller).get_as_owner(project_id)
        check_if_match(project)
        team.delete_project(project)


@projects.get(MEMBERS, caller="user", query=PageQuery(), is_page=True, returns=MEMBER)
def list_members(caller: Caller, project_id: int, query: dict[str, Any]) -> Response:
    """List members of a project."""
    chosen = {"project_id": Project.visible_to(caller).get(project_id).id}
    return page_response(MEMBER_LISTING, query, chosen, MEMBER.dump, OLDEST_FIRST)


def _check_replay(caller: Caller, project_id: int, **_: Any) -> None:
    Project.visible_to(caller).get_as_owner(project_id)


@projects.post(
    MEMBERS,
    caller="user",
    body=schemas.AddMemberSchema(),
    is_idempotent=True,
    check_replay=_check_replay,
    status=201,
    returns=MEMBER,
    errors={409: "The user is already a member, or the project is an Inbox."},
)
def add_member(caller: Caller, project_id: int, body: dict[str, Any]) -> Membership:
    """Add a member to a project."""
    with transaction():
        project = Project.visible_to(caller).get_as_owner(project_id)
        user = User.by_name(body["user"])
        if user is None:
            raise missing_member()
        return project.add_member(user, body["role"])


@projects.patch(
    ONE_MEMBER,
    caller="user",
    body=schemas.UpdateMemberSchema(),
    returns=MEMBER,
    errors={409: "This is the last active owner, or the project is an Inbox."},
)
def update_member(
    caller: Caller, project_id: int, member_id: int, body: dict[str, Any]
) -> Membership:
    """Change the role of a member."""
    with transaction():
        project = Project.visible_to(caller).get_as_owner(project_id)
        return project.change_role(member_id, body["role"])


@projects.delete(ONE_MEMBER, caller="user", errors={409: "This is the last active owner."})
def remove_member(caller: Caller, project_id: int, member_id: int) -> None:
    """Remove a member from a project.

    Members can remove themselves. Their assignments in the project are cleared.
    """
    visible = Project.visible_to(caller)
    with transaction():
        if member_id == caller.id:
            project = visible.get(project_id, lock=True)
        else:
            project = visible.get_as_owner(project_id)
        team.remove_member(project, member_id)
