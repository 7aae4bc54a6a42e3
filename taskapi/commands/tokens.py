"""`flask tokens …`: personal access tokens."""

import click
from flask.cli import AppGroup

from taskapi.commands.common import get_user, handle_cli_errors
from taskapi.models import token
from taskapi.schemas.auth import TokenSchema
from taskapi.schemas.fields import load

tokens = AppGroup("tokens", help="Create personal access tokens.")


@tokens.command("create")
@click.argument("username")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(token.SCOPES),
    default="read",
    show_default=True,
    help="Rights of the token.",
)
@handle_cli_errors()
def create_token(username: str, name: str, scope: str) -> None:
    """Create a personal access token.

    The token is printed only once.
    """
    checked = load(TokenSchema(), {"name": name, "scope": scope})
    user = get_user(username)
    _, secret = token.create_token(user.id, user.role, **checked)
    click.echo(secret)
