"""`flask purge`: what is to be done now and then."""

import click
from flask.cli import with_appcontext

from taskapi.commands.common import fails_with_a_sentence
from taskapi.models import idempotency, session, task, throttle, token


@click.command("purge")
@with_appcontext
@fails_with_a_sentence
def purge() -> None:
    """Delete for good what has expired: old trash, sessions, tokens, kept answers."""
    for what, empty in PURGES.items():
        click.echo(f"{what}: {empty()}")


PURGES = {
    "tasks in the trash": task.purge,
    "sessions": session.purge,
    "tokens": token.purge,
    "failed logins": throttle.purge,
    "kept answers": idempotency.purge,
}
