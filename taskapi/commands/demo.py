"""`flask demo`: sample users, projects and tasks."""

from typing import Any

import click
from flask.cli import with_appcontext

from taskapi.commands.common import handle_cli_errors, served_url
from taskapi.config import settings
from taskapi.db import from_now, transaction
from taskapi.models import team
from taskapi.models.comment import Comment
from taskapi.models.project import Owner, Project
from taskapi.models.task import Task
from taskapi.models.user import User

PASSWORD = "Sample-Harbour-7"  # public, so never used in production
USERS = {"demo-admin": "admin", "demo-ana": "user", "demo-ben": "user", "demo-cleo": "user"}
Tasks = list[dict[str, Any]]
INBOXES: dict[str, Tasks] = {
    "demo-ana": [
        {"title": "Write to the landlord", "status": "in_progress", "description": "The gutter."},
        {"title": "Sharpen the saw", "status": "done", "priority": "low", "tags": ["tools"]},
    ],
    "demo-ben": [{"title": "Renew the library card", "due_days": 9}],
}
# The first member creates the project, its tasks and their comments.
PROJECTS: list[tuple[str, dict[str, str], Tasks]] = [
    (
        "Garden",
        {"demo-ana": "owner", "demo-ben": "editor", "demo-cleo": "viewer"},
        [
            {"title": "Water the tomatoes", "priority": "high", "due_days": -1},
            {
                "title": "Order seeds for spring",
                "tags": ["shop"],
                "due_days": 5,
                "assignee": "demo-ben",
                "comment": "The shop closes at six.",
            },
        ],
    ),
    (
        "Summer trip",
        {"demo-ben": "owner", "demo-ana": "editor", "demo-cleo": "editor"},
        [
            {"title": "Book the ferry", "priority": "high", "due_days": 2, "assignee": "demo-cleo"},
            {"title": "Find the passports", "status": "done", "assignee": "demo-ana"},
        ],
    ),
]


@click.command("demo")
@with_appcontext
@handle_cli_errors()
def demo() -> None:
    """Create sample users, projects and tasks, in development."""
    if settings().is_production:
        raise click.ClickException(
            "Sample users have a public password and cannot be created in production."
        )
    created = {}
    for name, role in USERS.items():
        if User.by_name(name) is not None:
            click.echo(f"{name} already exists.")
            continue
        user = created[name] = User.build(username=name, password=PASSWORD, role=role)
        with transaction():
            team.create_user(user)
            Task.create_all(user.id, [_fields(sample) for sample in INBOXES.get(name, [])])
        click.echo(f"Created {role} {name}.")
    for project, members, tasks in PROJECTS:
        if members.keys() <= created.keys():
            _create(project, [(created[name], role) for name, role in members.items()], tasks)
            shown = ", ".join(f"{name} ({role})" for name, role in members.items())
            click.echo(f"Created project {project} of {shown}.")
    click.echo(f"Their password is {PASSWORD} unless it was changed. To log in:")
    click.echo(f"  curl -s {served_url()}/api/v1/auth/login -H 'Content-Type: application/json' \\")
    click.echo(f'    -d \'{{"username": "demo-ana", "password": "{PASSWORD}"}}\'')


def _create(name: str, members: list[tuple[User, str]], tasks: Tasks) -> None:
    ids = {user.name: user.id for user, _ in members}
    (author, _), *others = members
    with transaction():
        project = Project.create(author.id, name=name)
        for user, role in others:
            project.add_member(user, role)
        visible = Task.visible_to(Owner(author.id))
        for sample in tasks:
            place = {"project_id": project.id, "assignee_id": ids.get(sample.get("assignee", ""))}
            task = visible.create(_fields(sample) | place)
            if "comment" in sample:
                Comment.create(visible.get(task.id), author.id, sample["comment"])


def _fields(sample: dict[str, Any]) -> dict[str, Any]:
    others = ("due_days", "assignee", "comment")
    fields = {name: value for name, value in sample.items() if name not in others}
    if "due_days" in sample:
        fields["due_at"] = from_now(days=sample["due_days"])
    return fields
