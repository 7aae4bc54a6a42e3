"""Concurrent clients of a live server."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.support.client import BASE

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def call(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request to a path below /api/v1; a body of bytes is sent unchanged."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, BASE + path, body, sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Call the functions at the same moment, and return their results."""
    gate = threading.Barrier(len(acts))

    def act(one: Callable[[], T]) -> T:
        gate.wait(30)
        return one()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))
