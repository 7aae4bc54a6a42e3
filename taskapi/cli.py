"""The command line: `flask …`."""

from flask import Flask

from taskapi.commands import COMMANDS


def init_app(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
