"""`flask demo`: sample users and tasks."""

from typing import Any

import click
from flask.cli import with_appcontext

from taskapi.commands.common import handle_cli_errors, served_url
from taskapi.config import settings
from taskapi.db import from_now, transaction
from taskapi.models.task import Task
from taskapi.models.user import User

PASSWORD = "Sample-Harbour-7"  # public, so never used in production
PEOPLE = {"demo-admin": "admin", "demo-ana": "user", "demo-ben": "user"}
TASKS: dict[str, list[dict[str, Any]]] = {
    "demo-ana": [
        {"title": "Water the tomatoes", "priority": "high", "tags": ["garden"], "due_days": -1},
        {"title": "Order seeds for spring", "tags": ["garden", "shop"], "due_days": 5},
        {"title": "Write to the landlord", "status": "in_progress", "description": "The gutter."},
        {"title": "Sharpen the saw", "status": "done", "priority": "low", "tags": ["tools"]},
    ],
    "demo-ben": [
        {"title": "Book the ferry", "priority": "high", "tags": ["trip"], "due_days": 2},
        {"title": "Find the passports", "status": "done", "tags": ["trip"]},
    ],
}


@click.command("demo")
@with_appcontext
@handle_cli_errors
def demo() -> None:
    """Create sample users and tasks, in development."""
    if settings().is_production:
        raise click.ClickException(
            "Sample users have a public password and cannot be created in production."
        )
    for name, role in PEOPLE.items():
        if User.by_name(name) is not None:
            click.echo(f"{name} already exists.")
            continue
        user = User.build(username=name, password=PASSWORD, role=role)
        with transaction():
            user.insert()
            Task.create_all(user.id, [_fields(sample) for sample in TASKS.get(name, [])])
        click.echo(f"Created {role} {name} with {len(TASKS.get(name, []))} tasks.")
    click.echo(f"Their password is {PASSWORD} unless it was changed. To log in:")
    click.echo(f"  curl -s {served_url()}/api/v1/auth/login -H 'Content-Type: application/json' \\")
    click.echo(f'    -d \'{{"username": "demo-ana", "password": "{PASSWORD}"}}\'')


def _fields(sample: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in sample.items() if name != "due_days"}
    if "due_days" in sample:
        fields["due_at"] = from_now(days=sample["due_days"])
    return fields
