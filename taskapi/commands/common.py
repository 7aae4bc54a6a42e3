"""Helpers for commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError

from taskapi.config import INSTANCE, settings
from taskapi.db import DATABASE_ERRORS, cause_of
from taskapi.errors import ApiError, Unavailable
from taskapi.models.user import User
from taskapi.revision import missing_migrations


@contextmanager
def handle_cli_errors() -> Iterator[None]:
    """Print an error as one line and exit with 1."""
    try:
        yield
    except UnicodeError:
        raise click.ClickException("The input is not UTF-8.") from None
    except (Unavailable, *DATABASE_ERRORS) as error:
        raise click.ClickException(_explain(error)) from None
    except ApiError as error:
        raise click.ClickException(error.message) from None


def _explain(error: Exception) -> str:
    try:
        missing = missing_migrations(settings())
    except (DBAPIError, OSError):
        return "Cannot connect to the database. Check DATABASE_URL."
    if missing or isinstance(error, ApiError):
        return missing or str(error)
    return f"Database error ({type(cause_of(error)).__name__})."


def served_url() -> str:
    """Return PUBLIC_URL, or the address at which script/server served last."""
    config, recorded = settings(), INSTANCE / "server-url"
    if config.public_url:
        return config.public_url
    if recorded.exists() and not config.is_production:
        return recorded.read_text().strip()
    return f"http://localhost:{config.port}"


def get_user(name: str) -> User:
    found = User.by_name(name)
    if found is None:
        raise click.ClickException(f"User '{name}' does not exist.")
    return found
