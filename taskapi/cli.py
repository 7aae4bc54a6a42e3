"""The command line, and the migrations: imported once somebody asks, as no request ever does."""

from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup

from taskapi.config import MIGRATIONS
from taskapi.extensions import db


def init_app(app: Flask) -> None:
    app.cli = CommandLine(app.name)
    app.extensions["migrate"] = FlaskMigrate(app)


class CommandLine(AppGroup):
    """`flask …`; the commands themselves stand in taskapi/commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._import_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._import_commands()
        return super().get_command(ctx, cmd_name)

    def _import_commands(self) -> None:
        from flask_migrate.cli import db as migrations

        from taskapi.commands import COMMANDS

        for command in (migrations, *COMMANDS):
            self.add_command(command)


class FlaskMigrate:
    """Holds Flask-Migrate's place until it is needed: it brings Alembic with it."""

    def __init__(self, app: Flask):
        self._app = app

    def __getattr__(self, name: str) -> Any:
        from flask_migrate import Migrate

        Migrate(self._app, db, directory=str(MIGRATIONS))
        return getattr(self._app.extensions["migrate"], name)
