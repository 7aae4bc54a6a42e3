"""`flask backup FILE`: copy the database while it is in use."""

import os
import shlex
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import click
from flask.cli import with_appcontext
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from taskapi.config import settings


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@with_appcontext
def backup(file: Path, force: bool) -> None:
    """Copy the SQLite database to FILE while it is in use.

    For PostgreSQL, print the pg_dump command.
    """
    url = make_url(settings().database_url)
    if not settings().uses_sqlite:
        click.echo(dump_command(url, file))
        raise click.ClickException(
            "Nothing was copied. Run the pg_dump command above; it asks for the password or reads "
            "PGPASSWORD."
        )
    if file.exists() and not force:
        raise click.ClickException(f"{file} exists. Use --force to replace it.")
    source = Path(url.database or "")
    if not source.exists():
        raise click.ClickException(f"Database {source} does not exist.")
    try:
        copy_sqlite(source, file)
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"Copying failed: {error}") from None
    click.echo(f"Copied {source} to {file} ({file.stat().st_size:,} bytes) and checked the copy.")


def copy_sqlite(source: Path, file: Path) -> None:
    """Copy atomically. Only the owner can read the copy, as it contains password hashes."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(draft)) as copy,
        ):
            original.backup(copy)  # in one step: a reader does not block writers in WAL mode
            copy.execute("PRAGMA journal_mode = DELETE")  # a single file, without a WAL
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(
                f"the copy is damaged, and possibly the database: {verdict}"
            )
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def dump_command(url: URL, file: Path) -> str:
    """Return the command without the password, which the process list would show."""
    query = {name: value for name, value in url.query.items() if name != "password"}
    hosts = f"{url.host or ''}:{url.port}" if url.port else url.host or ""
    if isinstance(query.get("host"), tuple):  # several hosts: pg_dump wants them before the path
        hosts = ",".join(query.pop("host"))
    user = f"{quote(url.username, safe='')}@" if url.username else ""
    options = f"?{urlencode(query)}" if query else ""
    target = f"postgresql://{user}{hosts}/{quote(url.database or '')}{options}"
    return shlex.join(
        ["pg_dump", "--format=custom", "--no-owner", f"--file={file}", f"--dbname={target}"]
    )
