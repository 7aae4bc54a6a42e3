"""Clients that send requests at a constant rate and record the responses."""

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 15.0


@dataclass(frozen=True)
class Answer:
    """The status of a response, or the name of the error."""

    kind: str
    began: float
    seconds: float

    @property
    def is_good(self) -> bool:
        return self.kind in ("200", "201")

    @property
    def ended(self) -> float:
        return self.began + self.seconds


class Client:
    """A client with one connection to a server."""

    def __init__(self, url: str, token: str = "", *, keeps: bool = False):
        self._address = urlsplit(url)
        self._token = token
        self._keeps = keeps
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Return the status, JSON and headers of a response."""
        given = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = None
        if body is not None:
            data, given["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    self._address.hostname or "", self._address.port, timeout=TIMEOUT
                )
            self._connection.request(method, f"/api/v1{path}", data, given | (headers or {}))
            answer = self._connection.getresponse()
            text = answer.read()
        except BaseException:  # do not reuse a connection after a partial response
            self.close()
            raise
        if not self._keeps or answer.will_close:
            self.close()
        is_json = "json" in (answer.headers["Content-Type"] or "")
        return answer.status, json.loads(text) if is_json and text else None, answer.headers

    def timed(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[Answer, Any]:
        began = time.monotonic()
        data = None
        try:
            status, data, given = self.ask(method, path, body, headers)
            kind = str(status)
            if status == 503 and not given["Retry-After"]:
                kind = "503 without Retry-After"
        except (OSError, http.client.HTTPException) as error:
            kind = type(error).__name__
        return Answer(kind, began, time.monotonic() - began), data

    def follow(self, url: str) -> None:
        """Use another address if the server has been restarted."""
        self._address = urlsplit(url)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """`with Load(url, token) as load:` sends reads and writes in turn until the block ends.

    Each write has a unique title. Every second client repeats a failed write with the same
    Idempotency-Key until it succeeds; the others send it once.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        per_second: float = 50,
        clients: int = 8,
        reads: bool = True,
        at_most: int = 100_000,
    ):
        self.url = url
        self.answers: list[Answer] = []
        self.answered: set[str] = set()  # titles of writes with status 201
        self.tried: set[str] = set()
        self.accepts_at: float | None = None  # when the stopped service accepted connections again
        self.is_over = threading.Event()
        self._token = token
        self._pause = clients / per_second
        self._reads = reads
        self._left = at_most
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.wait()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(60)

    @property
    def bad(self) -> list[Answer]:
        return [each for each in self.answers if not each.is_good]

    def errors(self) -> Counter[str]:
        return Counter(each.kind for each in self.bad)

    def slowest(self, *, bad: bool = False) -> float:
        return max((each.seconds for each in (self.bad if bad else self.answers)), default=0.0)

    def slow_ones(self) -> float:
        """Return the 98th percentile, which ignores single delays of a busy machine."""
        return sorted(each.seconds for each in self.answers)[int(len(self.answers) * 0.98)]

    def _run(self, number: int) -> None:
        client = Client(self.url, self._token, keeps=number % 2 == 0)
        for turn in range(1_000_000):
            with self._lock:
                self._left -= 1
                if self._left < 0 or self.is_over.is_set():
                    break
            began = time.monotonic()
            client.follow(self.url)
            if self._reads and turn % 2:
                self.answers.append(client.timed("GET", "/tasks")[0])
            else:
                self._write(client, f"{number}-{turn}-{time.time_ns()}", number % 4 < 2)
            self.is_over.wait(max(0.0, began + self._pause - time.monotonic()))
        client.close()

    def _write(self, client: Client, title: str, repeats: bool) -> None:
        self.tried.add(title)
        headers = {"Idempotency-Key": title} if repeats else {}
        while True:
            answer, _ = client.timed("POST", "/tasks", {"title": title}, headers)
            self.answers.append(answer)
            if answer.is_good:
                self.answered.add(title)
            if answer.is_good or not repeats or self.is_over.is_set():
                return
            time.sleep(0.1)  # before the next attempt
            client.follow(self.url)


def register(url: str, username: str = "chaos") -> str:
    """Register a user, and return the access token."""
    body = {"username": username, "password": "Lantern-and-7-boats"}
    status, data, _ = Client(url).ask("POST", "/auth/register", body)
    assert status == 201, data
    token: str = data["access_token"]
    return token
