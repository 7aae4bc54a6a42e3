"""`flask worker`, `flask purge` and `flask openapi`."""

import os
import signal

import click
import orjson
from flask import current_app
from flask.cli import ScriptInfo, pass_script_info, with_appcontext

from taskapi.commands.common import handle_cli_errors
from taskapi.worker.loop import Worker
from taskapi.worker.purge import PURGES

NICENESS = 19  # requests come first on a shared machine


@click.command("worker")
@pass_script_info
def worker(info: ScriptInfo) -> None:
    """Deliver webhooks and run imports, as a separate process."""
    os.nice(NICENESS)
    working = Worker(info.load_app(), "process")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: working.stop())
    working.run()


@click.command("purge")
@with_appcontext
@handle_cli_errors()
def purge() -> None:
    """Delete expired rows: trash, sessions, tokens, deliveries, jobs, events."""
    for what, purge in PURGES.items():
        click.echo(f"{what}: {purge()}")


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI document."""
    from taskapi.openapi import make_document  # no other command needs it

    click.echo(orjson.dumps(make_document(current_app), option=orjson.OPT_INDENT_2).decode())
