"""`flask purge`: delete expired rows."""

import click
from flask.cli import with_appcontext

from taskapi.commands.common import handle_cli_errors
from taskapi.worker.purge import PURGES


@click.command("purge")
@with_appcontext
@handle_cli_errors
def purge() -> None:
    """Delete expired rows: trash, sessions, tokens, deliveries, jobs, events."""
    for what, purge in PURGES.items():
        click.echo(f"{what}: {purge()}")
