"""The command line, `flask …`: one file for each group of commands."""

from flask import Flask

from taskapi.commands.doctor import doctor
from taskapi.commands.documents import openapi
from taskapi.commands.tokens import tokens
from taskapi.commands.upkeep import purge
from taskapi.commands.users import users


def init_app(app: Flask) -> None:
    for command in (users, tokens, purge, doctor, openapi):
        app.cli.add_command(command)
