"""`flask tasks …`: tasks in files."""

import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from taskapi.commands.common import fails_with_a_sentence, named
from taskapi.errors import ApiError
from taskapi.jobs import imports
from taskapi.jobs.queue import LEASE_SECONDS
from taskapi.models import job
from taskapi.models.imports import undo
from taskapi.schemas.files import checked_rows, decode, rows_of, rows_of_csv

tasks = AppGroup("tasks", help="Tasks in files.")


@tasks.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--user", "username", required=True, help="Whose tasks they will be.")
@click.option("--dry-run", is_flag=True, help="Only check the file.")
@fails_with_a_sentence
def import_file(file: Path, username: str, dry_run: bool) -> None:
    """Make tasks from an exported JSON or CSV file, all or nothing, of any size."""
    owner = named(username)
    if dry_run:
        count = sum(1 for _ in checked_rows(_rows(file)))
        click.echo(f"{count} tasks could be imported.")
        return
    total = sum(1 for _ in _rows(file))
    found = job.begin_import(owner.id, f"command-{secrets.token_hex(8)}", LEASE_SECONDS)
    bar: Any = click.progressbar(
        length=total, label=f"Importing {file.name}", file=sys.stderr, show_pos=True
    )
    with bar:
        try:
            imports.bring_in(
                current_app, found, lambda: _rows(file), lambda done: bar.update(done - bar.pos)
            )
        except BaseException as error:  # Ctrl-C, too, leaves nothing behind
            reason = error if isinstance(error, ApiError) else ApiError("It was interrupted.")
            job.fail(found, reason)
            undo(found)
            raise
    click.echo(f"Imported {total} tasks for {username}.")


def _rows(file: Path) -> Iterable[Any]:
    """The rows of the file; CSV is read line by line, so that it may be of any size."""
    if file.suffix.lower() == ".json":
        return rows_of("json", decode("json", file.read_bytes()))
    return _lines(file)


def _lines(file: Path) -> Iterable[Any]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from rows_of_csv(lines)
    except UnicodeDecodeError:
        raise ApiError("The file is not UTF-8.") from None
