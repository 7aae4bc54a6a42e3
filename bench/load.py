"""Send requests with wrk, and check the responses."""

import json
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data import DESCRIPTION, PASSWORD, TASKS, TODO
from bench.servers import Contender

SCRIPT = Path(__file__).with_name("load.lua")
SERIAL = "########"  # load.lua replaces this by an increasing number
FIELDS = {
    *("id", "user_id", "title", "description", "status", "priority", "due_at", "tags"),
    *("completed_at", "created_at", "updated_at", "version"),
}
LIST_PATH = "/api/v1/tasks?status=todo&limit=20"
PATIENCE = 20  # seconds
RESULT = re.compile(r"RESULT (.*)\nWRONG (.*)\n")


class WrongAnswer(Exception):
    """A response has a wrong status or content."""


@dataclass
class People:
    """The users of the load: the first half reads, the other half writes."""

    names: list[str]
    ids: list[int]
    task_ids: list[list[int]]

    @property
    def readers(self) -> range:
        return range(len(self.ids) // 2)

    @property
    def writers(self) -> range:
        return range(len(self.ids) // 2, len(self.ids))


@dataclass(frozen=True)
class Operation:
    """Requests of one kind, and how often texts occur in each correct response."""

    name: str
    label: str
    status: int
    texts: dict[str, int]
    requests: Callable[[Contender, People], list[str]]


@dataclass(frozen=True)
class Measurement:
    """The results of wrk, with times in milliseconds."""

    requests: int
    per_second: float
    mean: float
    p50: float
    p99: float
    slowest: float


def _request(
    contender: Contender, method: str, path: str, user: int | None, body: Any = None
) -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{contender.port}"]
    if user is not None:
        lines.append(f"Authorization: Bearer {contender.tokens[user]}")
    text = "" if body is None else json.dumps(body)
    if text:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join([*lines, "", text])


def _some_tasks(people: People, users: range) -> list[tuple[int, int]]:
    """Return pairs of users and tasks in a reproducible random order."""
    chance = random.Random(1)
    chosen = [(user, task) for user in users for task in chance.sample(people.task_ids[user], 60)]
    chance.shuffle(chosen)
    return chosen


def _lists(contender: Contender, people: People) -> list[str]:
    return [_request(contender, "GET", LIST_PATH, user) for user in people.readers]


def _gets(contender: Contender, people: People) -> list[str]:
    return [
        _request(contender, "GET", f"/api/v1/tasks/{task}", user)
        for user, task in _some_tasks(people, people.readers)
    ]


def _creates(contender: Contender, people: People) -> list[str]:
    body = {"title": f"Created {SERIAL}", "priority": "high", "tags": ["bench", "new"]}
    return [_request(contender, "POST", "/api/v1/tasks", user, body) for user in people.writers]


def _patches(contender: Contender, people: People) -> list[str]:
    return [
        _request(contender, "PATCH", f"/api/v1/tasks/{task}", user, {"title": f"Patched {SERIAL}"})
        for user, task in _some_tasks(people, people.writers)
    ]


def _logins(contender: Contender, people: People) -> list[str]:
    return [
        _request(
            contender,
            *("POST", "/api/v1/auth/login", None),
            {"username": name, "password": PASSWORD},
        )
        for name in people.names
    ]


OPERATIONS = {
    each.name: each
    for each in (
        Operation(
            *("list", "list of 20 of 1,000", 200),
            {'"status":"todo"': 20, f'"total":{TODO}': 1, '"version":': 20},
            _lists,
        ),
        Operation(
            *("get", "get one", 200),
            {'"title":"Task ': 1, f'"description":"{DESCRIPTION}"': 1, '"version":1': 1},
            _gets,
        ),
        Operation(
            *("create", "create", 201),
            {'"title":"Created ': 1, '"tags":["bench","new"]': 1, '"version":1': 1},
            _creates,
        ),
        Operation(*("patch", "PATCH", 200), {'"title":"Patched ': 1, '"version":': 1}, _patches),
        Operation(*("login", "login", 200), {'"access_token":"': 1}, _logins),
    )
}


class Load:
    """Send load to a contender, and count the created tasks."""

    def __init__(self, contender: Contender, people: People, folder: Path):
        self.contender = contender
        self.people = people
        self.created = 0
        self.unfinished = 0  # requests that may have been sent without reading the response
        self._folder = folder
        self._serial = 0

    def run(
        self, operation: Operation, connections: int, seconds: int, burst: bool = False
    ) -> Measurement:
        """Send requests over several connections, and raise WrongAnswer if a response is wrong.

        A burst sends one request over each connection at the same time.
        """
        file = self._folder / f"{self.contender.name}-{operation.name}.requests"
        file.write_text("\0".join(operation.requests(self.contender, self.people)), newline="")
        self._serial += 1_000_000
        texts = [str(part) for pair in operation.texts.items() for part in pair]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{self.contender.port}", "--", str(file)]
        command += [str(operation.status), str(self._serial), str(connections * burst), *texts]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        found = RESULT.search(done.stdout)
        if not found:
            raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
        requests, duration, wrong, lost, late, refused, mean, p50, p99, slowest = map(
            int, found[1].split()
        )
        told = f"{self.contender.name}, {operation.label}, {connections} connections"
        if wrong or lost or late or refused:
            raise WrongAnswer(
                f"{told}: {wrong} wrong answers of {requests} ({refused} errors),"
                f" {lost} lost connections, {late} late answers; the first wrong one: {found[2]}"
            )
        is_complete = requests == connections if burst else requests > 0
        if operation.name == "create":
            self.created += requests
            self.unfinished += 0 if burst and is_complete else connections
        if not is_complete and seconds < PATIENCE:
            # Retry for longer on a busy machine or with a slow operation.
            return self.run(operation, connections, PATIENCE, burst)
        if not is_complete:
            raise WrongAnswer(f"{told}: {requests} answers in {seconds} s")
        return Measurement(
            requests,
            requests / duration * 1e6,
            *(each / 1000 for each in (mean, p50, p99, slowest)),
        )

    def check(self, operation: Operation) -> None:
        """Send one request, and check the response in detail."""
        getattr(self, f"_check_{operation.name}")()

    def _json(self, wanted: int, method: str, path: str, user: int | None, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        status, answer = self.contender.ask(method, path, data, user)
        if status != wanted:
            raise WrongAnswer(f"{self.contender.name}: {method} {path}: {status} {answer[:500]!r}")
        return json.loads(answer)

    def _insist(self, is_right: bool, answer: Any) -> None:
        if not is_right:
            raise WrongAnswer(f"{self.contender.name} answers wrongly: {str(answer)[:1000]}")

    def _check_list(self) -> None:
        user = random.choice(self.people.readers)
        page = self._json(200, "GET", LIST_PATH, user)
        items = page["items"]
        newest = [i for i in range(TASKS, 0, -1) if i % 2 == 0][:20]
        self._insist(page["total"] == TODO and page["skip"] == 0 and page["limit"] == 20, page)
        self._insist([int(item["title"].split()[1]) for item in items] == newest, page)
        for item in items:
            self._insist(item.keys() >= FIELDS and item["status"] == "todo", item)
            self._insist(item["user_id"] == self.people.ids[user], item)

    def _check_get(self) -> None:
        user = random.choice(self.people.readers)
        number = random.randint(1, TASKS)
        task_id = self.people.task_ids[user][number - 1]
        task = self._json(200, "GET", f"/api/v1/tasks/{task_id}", user)
        self._insist(task.keys() >= FIELDS and task["id"] == task_id, task)
        owner = self.people.ids[user]
        self._insist(task["title"] == f"Task {number} of user {owner}", task)
        self._insist(task["description"] == DESCRIPTION and task["user_id"] == owner, task)
        self._insist(task["tags"] == ["bench", f"tag{number % 10}"], task)
        self._insist(task["status"] == ("todo", "in_progress", "todo", "done")[number % 4], task)
        self._insist(task["priority"] == ("low", "medium", "high")[number % 3], task)
        self._insist((task["due_at"] is None) == (number % 2 == 1), task)

    def _check_create(self) -> None:
        user = random.choice(self.people.writers)
        body = {"title": "A sample", "priority": "low", "tags": ["sample"]}
        task = self._json(201, "POST", "/api/v1/tasks", user, body)
        self.created += 1
        self._insist(task.keys() >= FIELDS and task["title"] == "A sample", task)
        self._insist(task["status"] == "todo" and task["tags"] == ["sample"], task)
        again = self._json(200, "GET", f"/api/v1/tasks/{task['id']}", user)
        self._insist(again == task, (task, again))

    def _check_patch(self) -> None:
        user = random.choice(self.people.writers)
        path = f"/api/v1/tasks/{random.choice(self.people.task_ids[user])}"
        before = self._json(200, "GET", path, user)
        title = f"Sample {random.random()}"
        after = self._json(200, "PATCH", path, user, {"title": title})
        same = FIELDS - {"title", "updated_at", "version"}
        self._insist(after["title"] == title and after["version"] == before["version"] + 1, after)
        self._insist(all(after[name] == before[name] for name in same), (before, after))
        self._insist(self._json(200, "GET", path, user) == after, after)

    def _check_login(self) -> None:
        user = random.choice(self.people.readers)
        body = {"username": self.people.names[user], "password": PASSWORD}
        token = self._json(200, "POST", "/api/v1/auth/login", None, body)["access_token"]
        self._insist(bool(token) and isinstance(token, str), token)
