"""Helpers for import jobs."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.test import TestResponse

from tests.support.client import ApiClient, Person
from tests.support.receiver import eventually
from tests.support.rows import Rows

BATCH = 500  # The progress is updated after about this many rows.


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "title": f"Täsk {number}",
            "description": None if number % 2 else "two\nlines",
            "status": ("todo", "in_progress", "done")[number % 3],
            "priority": ("low", "medium", "high")[number % 3],
            "due_at": None if number % 4 else "2030-01-02T03:04:05.678901Z",
            "tags": ["a", "b"] if number % 5 else [],
        }
        for number in range(count)
    ]


def as_csv(given: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(given[0]))
    writer.writeheader()
    writer.writerows({**row, "tags": ",".join(row["tags"])} for row in given)
    return text.getvalue().encode()


def start_import(client: ApiClient, who: Person, given: Any, **headers: str) -> TestResponse:
    """Start an import job, and return the response."""
    response = client.post("/tasks/import", json=given, as_=who, headers=headers)
    assert response.status_code == 202, response.text
    return response


def finished(client: ApiClient, who: Person, response: TestResponse) -> Any:
    """Wait for the job of a response to finish, and return it."""

    def look() -> Any:
        found: Any = client.get(response.headers["Location"], as_=who).json
        return found if found["finished_at"] else None

    return eventually(look, seconds=30)


def total(client: ApiClient, who: Person) -> int:
    """Return the number of tasks that a user sees."""
    count: int = client.get("/tasks?limit=1", as_=who).get_json()["total"]
    return count


def progress(database: Rows) -> int:
    """Return the number of processed rows of the only job."""
    return max((row["done"] for row in database.all("SELECT done FROM jobs")), default=0)


def attempts(database: Rows) -> int:
    """Return the number of attempts of the only job."""
    count: int = database.value("SELECT attempts FROM jobs")
    return count


def status(database: Rows) -> str:
    """Return the status of the only job."""
    found: str = database.value("SELECT status FROM jobs")
    return found


@contextmanager
def tasks_locked(database: Rows) -> Iterator[None]:
    """Block writes of tasks during the block, on PostgreSQL only."""
    with database.connection() as connection:
        connection.execute("LOCK TABLE tasks IN SHARE MODE")
        yield


def nothing_is_left(database: Rows) -> None:
    """Assert that no uploads of jobs remain."""
    assert database.value("SELECT count(*) FROM job_uploads") == 0
