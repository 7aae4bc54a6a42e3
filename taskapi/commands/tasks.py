"""`flask tasks …`: import tasks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from taskapi.commands.common import get_user, handle_cli_errors
from taskapi.errors import ApiError
from taskapi.models.job import LostClaim
from taskapi.schemas.files import checked_rows, decode, rows_of, rows_of_csv
from taskapi.worker import imports

tasks = AppGroup("tasks", help="Import tasks.")


@tasks.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--user", "username", required=True, help="Owner of the tasks.")
@click.option("--dry-run", is_flag=True, help="Validate the file without importing it.")
@handle_cli_errors()
def import_file(file: Path, username: str, dry_run: bool) -> None:
    """Import tasks from a JSON or CSV file, all or nothing."""
    owner = get_user(username)
    if dry_run:
        count = sum(1 for _ in checked_rows(_rows(file)))
        click.echo(f"{count} tasks are valid.")
        return
    total = sum(1 for _ in _rows(file))
    label = f"Importing {file.name}"
    with click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True) as bar:
        try:
            imports.run_here(owner.id, lambda: _rows(file), lambda done: bar.update(done - bar.pos))
        except LostClaim:
            raise click.ClickException(
                f"Nothing was imported: {username} was deleted, or this command was suspended for "
                "too long and a worker cancelled it."
            ) from None
    click.echo(f"Imported {total} tasks for {username}.")


def _rows(file: Path) -> Iterator[Any]:
    """Yield the rows. CSV is read line by line, so that the file can be of any size."""
    if file.suffix.lower() == ".json":
        yield from rows_of("json", decode("json", file.read_bytes()))
        return
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from rows_of_csv(lines)
    except UnicodeDecodeError:
        raise ApiError("The file is not UTF-8.") from None
