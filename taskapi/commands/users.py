"""`flask users …`: make, list and change users."""

import sys
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from taskapi.auth import revoke_credentials
from taskapi.commands.common import get_user, handle_cli_errors
from taskapi.config import settings
from taskapi.db import transaction
from taskapi.extensions import db
from taskapi.models import session, throttle, token
from taskapi.models.user import User
from taskapi.schemas.fields import load
from taskapi.schemas.user import CreateUserSchema

users = AppGroup("users", help="Make, list and change users.")


def read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)


@users.command("create")
@click.argument("username")
@click.option("--email", help="Their e-mail address.")
@click.option("--admin", is_flag=True, help="Make them an admin.")
@password_stdin
@handle_cli_errors
def create_user(username: str, email: str | None, admin: bool, password_stdin: bool) -> None:
    """Make a user."""
    given = {"username": username, "role": "admin" if admin else "user"}
    if email is not None:
        given["email"] = email
    checked = load(CreateUserSchema(exclude=("password",)), given)
    user = User.build(**checked, password=read_password(password_stdin))
    user.insert()
    click.echo(f"Made {user.role} {user.name} with id {user.id}.")


@users.command("list")
@handle_cli_errors
def list_users() -> None:
    """Everybody, one a line: id, name, e-mail, role, activity."""
    for user in db.session.scalars(select(User).order_by(User.id)):
        state = "active" if user.is_active else "disabled"
        click.echo("\t".join((str(user.id), user.name, user.email or "-", user.role, state)))


@users.command("promote")
@click.argument("name")
@handle_cli_errors
def promote(name: str) -> None:
    """Make a user an admin."""
    _change(name, role="admin")
    click.echo(f"{name} is an admin now.")


@users.command("demote")
@click.argument("name")
@handle_cli_errors
def demote(name: str) -> None:
    """Make an admin a plain user."""
    _change(name, role="user")
    click.echo(f"{name} is a plain user now.")


@users.command("disable")
@click.argument("name")
@handle_cli_errors
def disable(name: str) -> None:
    """Lock a user out at once."""
    with transaction():
        session.end_all_sessions(_change(name, is_active=False).id)
    click.echo(f"{name} is disabled.")


@users.command("enable")
@click.argument("name")
@handle_cli_errors
def enable(name: str) -> None:
    """Let a user in again, and forget their failed logins."""
    with transaction():
        throttle.unlock(_change(name, is_active=True))
    click.echo(f"{name} is enabled.")


@users.command("set-password")
@click.argument("name")
@password_stdin
@handle_cli_errors
def set_password(name: str, password_stdin: bool) -> None:
    """Give a user a new password; their sessions and personal tokens end."""
    user = get_user(name)
    password_hash = user.hash_new_password(read_password(password_stdin))
    with transaction():
        _change(name, password_hash=password_hash)
        revoke_credentials(user.id)
    click.echo(f"{name} has a new password; their sessions and tokens have ended.")


@users.command("reset-link")
@click.argument("name")
@handle_cli_errors
def reset_link(name: str) -> None:
    """A token, good once and for an hour, with which a user sets a new password."""
    secret, expires_at = token.create_reset(get_user(name).id)
    base = settings().public_url or ""
    click.echo(f"Until {expires_at}, {name} may set a new password with:")
    click.echo(f"  POST {base}/api/v1/auth/password/reset")
    click.echo(f'  {{"token": "{secret}", "new_password": "…"}}')


@users.command("ensure-admin")
@handle_cli_errors
def ensure_admin() -> None:
    """Make the admin that ADMIN_USERNAME, ADMIN_EMAIL and ADMIN_PASSWORD describe, once."""
    config = settings()
    name = config.admin_username or config.admin_email
    if not (name and config.admin_password):
        click.echo("No ADMIN_USERNAME or ADMIN_EMAIL with ADMIN_PASSWORD is set: nothing to do.")
        return
    # Either name may be taken, and by different people: each has to be this admin.
    holders = {
        found.id: found
        for found in map(User.by_name, filter(None, (config.admin_username, config.admin_email)))
        if found is not None
    }
    for found in holders.values():
        if found.role != "admin":
            raise click.ClickException(f"{found.name} exists and is not an admin.")
    if holders:
        click.echo(f"Admin {name} is there.")
        return
    given = {"username": config.admin_username, "email": config.admin_email, "role": "admin"}
    checked = load(CreateUserSchema(exclude=("password",)), {k: v for k, v in given.items() if v})
    User.build(**checked, password=config.admin_password).insert()
    click.echo(f"Made admin {name}.")


def _change(name: str, **changes: Any) -> User:
    with transaction():
        user = User.lock(get_user(name).id)
        user.update(changes)
    return user
