"""The command line: `flask …`."""

import sys

import click
from flask import Flask
from flask.cli import AppGroup, FlaskGroup

from taskapi.commands import COMMANDS

ABOUT = """Manage Task API, a REST API for users, projects and tasks.

Settings come from the environment or .env; `flask doctor` checks them. Start the service with
script/server, or with gunicorn in production.
"""


class Commands(AppGroup):
    """Our commands, and our text at the top of `flask --help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        # `flask` loads the application only after it has written its own text: start again.
        if isinstance(ctx.command, FlaskGroup) and ctx.command.help != ABOUT:
            ctx.command.help = ABOUT
            if not ctx.resilient_parsing:  # not for shell completion
                click.echo(ctx.get_help())
                sys.exit()  # Flask would print the traceback of any other exception
        return super().list_commands(ctx)


def init_app(app: Flask) -> None:
    app.cli = Commands(app.name, commands=app.cli.commands)
    for command in COMMANDS:
        app.cli.add_command(command)
