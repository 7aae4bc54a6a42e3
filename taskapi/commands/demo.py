"""`flask demo`: sample users, projects and tasks."""

from typing import Any, NamedTuple

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
# Tasks in the Inbox of each user.
TASKS: dict[str, list[dict[str, Any]]] = {
    "demo-ana": [
        {"title": "Write to the landlord", "status": "in_progress", "description": "The gutter."},
        {"title": "Sharpen the saw", "status": "done", "priority": "low", "tags": ["tools"]},
    ],
    "demo-ben": [{"title": "Renew the library card", "due_days": 9}],
}


class Sample(NamedTuple):
    """A project, made by its first member."""

    name: str
    members: dict[str, str]
    tasks: list[dict[str, Any]]


PROJECTS = [
    Sample(
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
    Sample(
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
@handle_cli_errors
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
            Task.create_all(user.id, [_fields(sample) for sample in TASKS.get(name, [])])
        click.echo(f"Created {role} {name}.")
    for sample in PROJECTS:
        if set(sample.members) <= set(created):
            _create(sample, created)
            members = ", ".join(f"{name} ({role})" for name, role in sample.members.items())
            click.echo(f"Created project {sample.name} of {members}.")
    click.echo(f"Their password is {PASSWORD} unless it was changed. To log in:")
    click.echo(f"  curl -s {served_url()}/api/v1/auth/login -H 'Content-Type: application/json' \\")
    click.echo(f'    -d \'{{"username": "demo-ana", "password": "{PASSWORD}"}}\'')


def _create(sample: Sample, users: dict[str, User]) -> None:
    owner, *others = sample.members
    author = users[owner]
    with transaction():
        project = Project.create(author.id, name=sample.name)
        for name in others:
            project.add_member(users[name], sample.members[name])
        for fields in sample.tasks:
            assignee = users[fields["assignee"]].id if "assignee" in fields else None
            placed = {**_fields(fields), "project_id": project.id, "assignee_id": assignee}
            task = Task.visible_to(Owner(author.id)).create(placed)
            if "comment" in fields:
                task = Task.visible_to(Owner(author.id)).get(task.id)
                Comment.create(task, author, fields["comment"])


def _fields(sample: dict[str, Any]) -> dict[str, Any]:
    others = ("due_days", "assignee", "comment")
    fields = {name: value for name, value in sample.items() if name not in others}
    if "due_days" in sample:
        fields["due_at"] = from_now(days=sample["due_days"])
    return fields
