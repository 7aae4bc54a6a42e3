"""Requests whose responses are recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    line: str  # method and path
    as_: str | None = None  # a user, or a token such as {refresh_token}
    json: Any = None
    data: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)  # name: its path in the response
    until: str = ""  # repeat the request until a worker has set this field of the response
    times: int = 1  # only the last response is recorded


def ask(line: str, as_: str | None = None, json: Any = None, **options: Any) -> Request:
    return Request(line, as_, json, **options)


def form(line: str, data: str, **options: Any) -> Request:
    return Request(line, data=data, headers={"Content-Type": FORM}, **options)


def by(people: list[str | None], line: str) -> list[Request]:
    """Return the same request for each user."""
    return [ask(line, each) for each in people]


def login(name: str, password: str = "", **options: Any) -> Request:
    body = {"username": name, "password": password or f"{{{name}_password}}"}
    return ask("POST /auth/login", json=body, **options)


def bulk(*operations: dict[str, Any], **options: Any) -> Request:
    return ask("POST /tasks/bulk", "alice", {"operations": list(operations)}, **options)


def set_password(current: str, new: str) -> Request:
    body = {"current_password": current, "new_password": new}
    return ask("POST /auth/password", "alice", body)


def stale(line: str, as_: str, json: Any = None) -> Request:
    return ask(line, as_, json, headers={"If-Match": '"stale"'})
