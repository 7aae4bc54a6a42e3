"""Imports of any size: rows of every kind, sent off, waited for, and looked after."""

from typing import Any

from flask import Flask
from sqlalchemy import FromClause, func, select
from werkzeug.test import TestResponse

from taskapi.database import Query
from taskapi.models.imports import batches
from taskapi.models.job import jobs, uploads
from tests.support.client import ApiClient, Person
from tests.support.receiver import eventually


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


def bring_in(client: ApiClient, who: Person, given: Any, **headers: str) -> TestResponse:
    """The answer that tells of the job."""
    answer = client.post("/tasks/import", json=given, as_=who, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer


def finished(client: ApiClient, who: Person, answer: TestResponse) -> Any:
    """The job that such an answer told of, once it is over."""

    def look() -> Any:
        found: Any = client.get(answer.headers["Location"], as_=who).json
        return found if found["finished_at"] else None

    return eventually(look, seconds=30)


def none_waits(app: Flask) -> bool:
    with app.app_context():
        return Query(select(jobs.c.id).where(jobs.c.finished_at.is_(None))).first() is None


def count(app: Flask, table: FromClause) -> int:
    with app.app_context():
        found: int = Query(select(func.count()).select_from(table)).value()
        return found


def nothing_is_left(app: Flask) -> None:
    """Of what a job needs only while it lasts."""
    assert count(app, batches) == 0
    assert count(app, uploads) == 0
