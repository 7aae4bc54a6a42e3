"""What the commands share."""

import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import psycopg
from sqlalchemy.exc import DBAPIError

from taskapi.config import settings
from taskapi.database import Row
from taskapi.errors import ApiError, Unavailable
from taskapi.models.schema import is_behind, revision_of, what_is_missing
from taskapi.models.user import user_by_name


def fails_with_a_sentence(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say in one sentence what is wrong, and exit with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UnicodeError:
            raise click.ClickException("What was given is not UTF-8.") from None
        except (Unavailable, psycopg.Error, sqlite3.Error) as error:
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
    return f"The database refuses this ({type(error).__name__})."


def named(name: str) -> Row:
    found = user_by_name(name)
    if found is None:
        raise click.ClickException(f"There is no user called {name}.")
    return found
