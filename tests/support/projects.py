"""Helpers for projects, members, tasks and comments."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from tests.support.client import ApiClient, Cast, Person, code_of

CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    422: "IDEMPOTENCY_KEY_REUSED",
}
MISSING = 10**12  # an id that does not exist


def ok(answer: TestResponse, status: int = 200) -> Any:
    """Assert the status of a response, and return its body."""
    assert answer.status_code == status, answer.text
    return answer.get_json() if answer.data else None


def refused(answer: TestResponse, status: int, *fields: str) -> None:
    """Assert that a response is an error with this status and these fields."""
    assert (answer.status_code, code_of(answer)) == (status, CODES[status]), answer.text
    assert not fields or tuple(answer.get_json()["error"]["details"]) == fields, answer.text


def project(client: ApiClient, who: Person | str, name: str = "Website", **members: Any) -> Any:
    """Create a project with members: `project(client, alice, viewer=[bob])`."""
    made = ok(client.post("/projects", json={"name": name}, as_=who), 201)
    for role, people in members.items():
        for person in people:
            add(client, who, made, person, role)
    return made


def add(
    client: ApiClient, who: Person | str, into: Any, person: Person, role: str = "editor"
) -> Any:
    """Add a member to a project."""
    body = {"user": person.username, "role": role}
    return ok(client.post(f"/projects/{into['id']}/members", json=body, as_=who), 201)


def remove(client: ApiClient, who: Person | str, from_: Any, person: Person) -> TestResponse:
    """Remove a member, and return the response."""
    return client.delete(f"/projects/{from_['id']}/members/{person.id}", as_=who)


def set_role(
    client: ApiClient, who: Person | str, of: Any, person: Person, role: str
) -> TestResponse:
    """Change the role of a member, and return the response."""
    path = f"/projects/{of['id']}/members/{person.id}"
    return client.patch(path, json={"role": role}, as_=who)


def roles(client: ApiClient, who: Person | str, of: Any) -> dict[str, str]:
    """Return the roles of the members by username."""
    page = ok(client.get(f"/projects/{of['id']}/members?limit=100", as_=who))
    assert page["total"] == len(page["items"])
    return {each["username"]: each["role"] for each in page["items"]}


def inbox(client: ApiClient, who: Person | str) -> Any:
    """Return the Inbox of a user."""
    (found,) = [e for e in items(client, who, "/projects?limit=100") if e["is_inbox"]]
    return found


def task(client: ApiClient, who: Person | str, of: Any = None, **fields: Any) -> Any:
    """Create a task in the Inbox or in a project."""
    body = {"title": "Write", **fields} | ({"project_id": of["id"]} if of else {})
    return ok(client.post("/tasks", json=body, as_=who), 201)


def get(client: ApiClient, who: Person | str, task: Any) -> Any:
    return ok(client.get(f"/tasks/{task['id']}", as_=who))


def patch(client: ApiClient, who: Person | str, task: Any, **fields: Any) -> TestResponse:
    return client.patch(f"/tasks/{task['id']}", json=fields, as_=who)


def comment(client: ApiClient, who: Person | str, on: Any, text: str = "Well") -> Any:
    """Create a comment."""
    return ok(client.post(f"/tasks/{on['id']}/comments", json={"text": text}, as_=who), 201)


def items(client: ApiClient, who: Person | str, path: str) -> Any:
    """Return the items on the first page of a list."""
    return ok(client.get(path, as_=who))["items"]


def ids(found: Iterable[Any]) -> set[int]:
    return {each["id"] for each in found}


def token(client: ApiClient, who: Person | str, scope: str) -> str:
    """Create a personal token."""
    made: str = ok(client.post("/auth/tokens", json={"name": scope, "scope": scope}, as_=who), 201)[
        "token"
    ]
    return made


@dataclass(frozen=True)
class Team:
    """A project with a member in each role, and a user who is not a member."""

    project: Any
    owner: Person
    editor: Person
    viewer: Person
    other: Person

    @property
    def path(self) -> str:
        return f"/projects/{self.project['id']}"


def new_team(client: ApiClient, cast: Cast, name: str = "") -> Team:
    owner, editor, viewer, other = (
        cast.user(f"{role}{name}") for role in ("owner", "editor", "viewer", "other")
    )
    made = project(client, owner, editor=[editor], viewer=[viewer])
    return Team(made, owner, editor, viewer, other)
