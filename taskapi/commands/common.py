"""Helpers for commands."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from taskapi.config import INSTANCE, settings
from taskapi.db import DATABASE_ERRORS, cause_of
from taskapi.errors import ApiError, Unavailable
from taskapi.models.user import User
from taskapi.revision import is_behind, revision_of, what_is_missing


def handle_cli_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print an error as one line and exit with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UnicodeError:
            raise click.ClickException("The input is not UTF-8.") from None
        except (Unavailable, *DATABASE_ERRORS) as error:
            raise click.ClickException(_explain(error)) from None
        except ApiError as error:
            raise click.ClickException(error.message) from None

    return run


def _explain(error: Exception) -> str:
    try:
        revision = revision_of(settings())
    except (DBAPIError, OSError):
        return "Cannot connect to the database. Check DATABASE_URL."
    if is_behind(revision):
        return what_is_missing(revision)
    if isinstance(error, ApiError):
        return error.message
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
