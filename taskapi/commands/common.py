"""What the commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from taskapi.config import settings
from taskapi.db import DATABASE_ERRORS, cause_of
from taskapi.errors import ApiError, Unavailable
from taskapi.models.user import User
from taskapi.revision import is_behind, revision_of, what_is_missing


def handle_cli_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print an error as one sentence and exit with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UnicodeError:
            raise click.ClickException("What was given is not UTF-8.") from None
        except (Unavailable, *DATABASE_ERRORS) as error:
            raise click.ClickException(_what_is_wrong(error)) from None
        except ApiError as error:
            raise click.ClickException(error.message) from None

    return run


def _what_is_wrong(error: Exception) -> str:
    """Is the database away, without its tables, or is it something else?"""
    try:
        revision = revision_of(settings())
    except (DBAPIError, OSError):
        return "The database cannot be reached; is DATABASE_URL right?"
    if is_behind(revision):
        return f"It cannot be done: {what_is_missing(revision)}"
    if isinstance(error, ApiError):
        return error.message
    return f"The database refuses this ({type(cause_of(error)).__name__})."


def get_user(name: str) -> User:
    found = User.by_name(name)
    if found is None:
        raise click.ClickException(f"There is no user called {name}.")
    return found
