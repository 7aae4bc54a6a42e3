"""`flask openapi`: print the OpenAPI document."""

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI document."""
    from taskapi.openapi import make_document  # no other command needs it

    click.echo(orjson.dumps(make_document(current_app), option=orjson.OPT_INDENT_2).decode())
