"""`flask users …`: create, list and change users."""

import sys
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from taskapi.commands.common import get_user, handle_cli_errors, served_url
from taskapi.config import settings
from taskapi.db import transaction
from taskapi.extensions import db
from taskapi.models import session, team, throttle, token
from taskapi.models.credentials import revoke_credentials
from taskapi.models.password import password_rules
from taskapi.models.user import User
from taskapi.schemas.fields import load
from taskapi.schemas.user import CreateUserSchema

users = AppGroup("users", help="Create, list and change users.")


def read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    click.echo(password_rules())
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input.",
)


@users.command("create")
@click.argument("username")
@click.option("--email", help="E-mail address.")
@click.option("--admin", is_flag=True, help="Create an admin.")
@password_stdin
@handle_cli_errors()
def create_user(username: str, email: str | None, admin: bool, password_stdin: bool) -> None:
    """Create a user or, with --admin, an admin."""
    given = {"username": username, "email": email, "role": "admin" if admin else "user"}
    checked = load(CreateUserSchema(exclude=("password",)), given)
    user = User.build(**checked, password=read_password(password_stdin))
    team.create_user(user)
    click.echo(f"Created {user.role} {user.name} with id {user.id}.")


@users.command("list")
@handle_cli_errors()
def list_users() -> None:
    """List users.

    Each line has the id, username, e-mail, role and state, separated by tabs.
    """
    for user in db.session.scalars(select(User).order_by(User.id)):
        state = "active" if user.is_active else "disabled"
        click.echo("\t".join((str(user.id), user.name, user.email or "-", user.role, state)))


@users.command("promote")
@click.argument("name")
@handle_cli_errors()
def promote(name: str) -> None:
    """Make a user an admin."""
    _change(name, role="admin")
    click.echo(f"{name} is now an admin.")


@users.command("demote")
@click.argument("name")
@handle_cli_errors()
def demote(name: str) -> None:
    """Make an admin an ordinary user."""
    _change(name, role="user")
    click.echo(f"{name} is now an ordinary user.")


@users.command("disable")
@click.argument("name")
@handle_cli_errors()
def disable(name: str) -> None:
    """Disable a user and end their sessions."""
    with transaction():
        session.end_all_sessions(_change(name, is_active=False).id)
    click.echo(f"{name} is disabled.")


@users.command("enable")
@click.argument("name")
@handle_cli_errors()
def enable(name: str) -> None:
    """Enable a user and reset their failed logins."""
    with transaction():
        throttle.reset_failures(_change(name, is_active=True))
    click.echo(f"{name} is enabled.")


@users.command("set-password")
@click.argument("name")
@password_stdin
@handle_cli_errors()
def set_password(name: str, password_stdin: bool) -> None:
    """Set a user's password, and revoke their sessions and tokens."""
    user = get_user(name)
    password_hash = user.hash_new_password(read_password(password_stdin))
    with transaction():
        _change(name, password_hash=password_hash)
        revoke_credentials(user.id)
    click.echo(f"Set the password of {name}; their sessions and tokens are revoked.")


@users.command("reset-link")
@click.argument("name")
@handle_cli_errors()
def reset_link(name: str) -> None:
    """Create a password reset link.

    Its token is valid once and for an hour.
    """
    secret, expires_at = token.create_reset(get_user(name).id)
    click.echo(f"Password reset for {name}, valid once, until {expires_at}:")
    if settings().public_url:
        click.echo(f"  link   {settings().public_url}/docs#/auth/reset_password")
    click.echo(f"  token  {secret}")
    click.echo("\nOpen the link and send the token with the new password, or run:")
    click.echo(f"  curl {served_url()}/api/v1/auth/password/reset \\")
    click.echo("    -H 'Content-Type: application/json' \\")
    click.echo(f'    -d \'{{"token": "{secret}", "new_password": "NEW PASSWORD"}}\'')


@users.command("ensure-admin")
@handle_cli_errors()
def ensure_admin() -> None:
    """Create the admin of ADMIN_USERNAME, ADMIN_EMAIL and ADMIN_PASSWORD if missing."""
    config = settings()
    name = config.admin_username or config.admin_email
    if not (name and config.admin_password):
        click.echo("ADMIN_USERNAME or ADMIN_EMAIL, and ADMIN_PASSWORD, are not set: nothing to do.")
        return
    # The username and the e-mail can belong to different users; both must be admins.
    names = filter(None, (config.admin_username, config.admin_email))
    holders = [user for user in map(User.by_name, names) if user]
    for found in holders:
        if found.role != "admin":
            raise click.ClickException(f"{found.name} exists and is not an admin.")
    if holders:
        click.echo(f"Admin {name} already exists.")
        return
    given = {"username": config.admin_username, "email": config.admin_email, "role": "admin"}
    checked = load(CreateUserSchema(exclude=("password",)), given)
    team.create_user(User.build(**checked, password=config.admin_password))
    click.echo(f"Created admin {name}.")


def _change(name: str, **changes: Any) -> User:
    with transaction():
        user = team.lock_user(get_user(name).id)
        team.update_user(user, changes)
    return user
