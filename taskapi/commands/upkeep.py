"""`flask purge`: what is to be done now and then."""

import click
from flask.cli import with_appcontext

from taskapi.commands.common import fails_with_a_sentence
from taskapi.jobs.chores import PURGES


@click.command("purge")
@with_appcontext
@fails_with_a_sentence
def purge() -> None:
    """Delete for good what has expired: trash, sessions, tokens, deliveries, jobs, events."""
    for what, empty in PURGES.items():
        click.echo(f"{what}: {empty()}")
