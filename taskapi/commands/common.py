"""What the commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from taskapi.database import Row
from taskapi.errors import ApiError
from taskapi.models.user import user_by_name


def fails_with_a_sentence(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say in one sentence what is wrong, and exit with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ApiError as error:
            raise click.ClickException(error.message) from None

    return run


def named(name: str) -> Row:
    found = user_by_name(name)
    if found is None:
        raise click.ClickException(f"There is no user called {name}.")
    return found
