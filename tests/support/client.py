"""The test client and its users."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.contract import contract_of
from tests.support.live import LiveServer
from tests.support.secrets import Secrets

BASE = "/api/v1"
GOOD = "Lantern-and-7-rivers"  # a valid password


def code_of(answer: TestResponse) -> str:
    """Return the error code of a response."""
    code: str = answer.get_json()["error"]["code"]
    return code


@dataclass(frozen=True)
class Person:
    """A logged-in user."""

    id: int
    username: str
    email: str | None
    password: str = field(repr=False)
    token: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class ApiClient(FlaskClient):
    """`client.get("/tasks", as_=alice)`: paths are below the API's base, JSON both ways.

    A path that has the base already, as in a `Location`, is used unchanged. `as_` is a user or a
    token. Every password and token is recorded for the check of the log, and every response is
    compared with the OpenAPI document.
    """

    def __init__(self, app: Flask, secrets: Secrets, base: str = BASE):
        super().__init__(app, app.response_class, use_cookies=False)
        self._secrets = secrets
        self._base = base

    def open(  # type: ignore[override]  # the path is always a string here
        self,
        path: str,
        *,
        as_: Person | str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        if not path.startswith(f"{BASE}/"):
            path = self._base + path
        headers = dict(headers or {})
        if as_ is not None:
            token = as_.token if isinstance(as_, Person) else as_
            headers["Authorization"] = f"Bearer {token}"
        self._secrets.learn(options.get("json"))
        response = super().open(path, headers=headers, **options)
        # Streamed and compressed responses are checked by the tests.
        is_whole = "Content-Length" in response.headers and not response.content_encoding
        if response.is_json and is_whole and response.data:
            self._secrets.learn(response.get_json())
        contract = contract_of(self.application)
        contract.check(response.request.method, response.request.path, response)
        return response


def login(client: ApiClient, name: str, password: str = GOOD) -> TestResponse:
    """Try to log in."""
    return client.post("/auth/login", json={"username": name, "password": password})


def pages(client: ApiClient, who: Person, path: str) -> Iterator[Any]:
    """Yield the pages of a list by cursor, from the first to the last."""
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}cursor={cursor}", as_=who)
        assert answer.status_code == 200, answer.text
        page: Any = answer.json
        yield page
        cursor = page["next_cursor"]


def walk(client: ApiClient, who: Person, path: str) -> list[Any]:
    """Return the items of all pages."""
    return [item for page in pages(client, who, path) for item in page["items"]]


class Cast:
    """Create users over HTTP, and admins on the command line."""

    def __init__(self, app: Flask, client: ApiClient):
        self._app = app
        self._client = client

    def user(self, username: str, **fields: Any) -> Person:
        """Register a user."""
        password = fields.pop("password", f"Lantern-{len(username)}-{username[::-1]}")
        body = {"username": username, "password": password, **fields}
        answer = self._client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return self._person(answer.get_json(), password)

    def admin(self, username: str = "root") -> Person:
        """Create an admin on the command line and log in."""
        password = f"Harbour-{len(username)}-{username[::-1]}"
        made = self._app.test_cli_runner().invoke(
            args=["users", "create", username, "--admin", "--password-stdin"],
            input=f"{password}\n",
        )
        assert made.exit_code == 0, made.output
        return self.sign_in(username, password)

    def sign_in(self, username: str, password: str) -> Person:
        """Return the same user with another session."""
        body = {"username": username, "password": password}
        answer = self._client.post("/auth/login", json=body)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return self._person(answer.get_json(), password)

    @staticmethod
    def _person(answer: Any, password: str) -> Person:
        user = answer["user"]
        return Person(
            id=user["id"],
            username=user["username"],
            email=user["email"],
            password=password,
            token=answer["access_token"],
            refresh_token=answer["refresh_token"],
        )


@contextmanager
def signed_in(server: LiveServer, name: str = "alice") -> Iterator[httpx.Client]:
    """Register a user of a live server."""
    with httpx.Client(base_url=server.url + BASE, timeout=30) as client:
        body = {"username": name, "password": f"Lantern-5-{name}"}
        answer = client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
