"""`flask openapi`: print the OpenAPI document."""

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext


@click.command("openapi")
@click.option("--postman", is_flag=True, help="Print a Postman collection.")
@with_appcontext
def openapi(postman: bool) -> None:
    """Print the OpenAPI document or the Postman collection."""
    # Imported here because no other command needs them.
    from taskapi.openapi import make_document
    from taskapi.postman import make_collection

    made = make_document(current_app)
    if postman:
        made = make_collection(made)
    click.echo(orjson.dumps(made, option=orjson.OPT_INDENT_2).decode())
