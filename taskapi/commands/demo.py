"""`flask demo`: sample users and tasks, to look around with."""

from typing import Any

import click
from flask.cli import with_appcontext

from taskapi.commands.common import handle_cli_errors
from taskapi.config import settings
from taskapi.db import from_now, transaction
from taskapi.models.task import Task
from taskapi.models.user import User

PASSWORD = "Sample-Harbour-7"  # everybody may know it: nothing here is made in production
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
    """Make sample users and tasks, in development only; what is there already stays."""
    if settings().is_production:
        raise click.ClickException("Sample users have a known password: not in production.")
    for name, role in PEOPLE.items():
        if User.by_name(name) is not None:
            click.echo(f"{name} is there already.")
            continue
        user = User.build(username=name, password=PASSWORD, role=role)
        with transaction():
            user.insert()
            Task.create_all(user.id, [_fields(sample) for sample in TASKS.get(name, [])])
        click.echo(f"Made {role} {name} with {len(TASKS.get(name, []))} tasks.")
    base = f"http://localhost:{settings().port}/api/v1"
    click.echo(f"Their password is {PASSWORD} unless somebody changed it. To sign in:")
    click.echo(f"  curl -s {base}/auth/login -H 'Content-Type: application/json' \\")
    click.echo(f'    -d \'{{"username": "demo-ana", "password": "{PASSWORD}"}}\'')


def _fields(sample: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in sample.items() if name != "due_days"}
    if "due_days" in sample:
        fields["due_at"] = from_now(days=sample["due_days"])
    return fields
