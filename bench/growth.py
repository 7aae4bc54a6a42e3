"""Measure pages by cursor with 1,000 and with 1,000,000 tasks."""

import http.client
import json
import sys
import time
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlencode

from bench import data
from bench.report import aligned
from bench.servers import Contender
from bench.stage import Stage, stage
from taskapi import create_app
from taskapi.models.project import Owner
from taskapi.models.task import Task, task_json
from taskapi.models.task_list import LISTING
from taskapi.paging import page_response

FEW, MANY = 1_000, 1_000_000
PROJECTS = 20  # the tasks are distributed over these
CHUNK = 20_000
DEEP = 100_000  # the offset of deep pages; finding them with OFFSET is slow beyond this
TRIES = 60
PATIENCE = 5  # seconds for each page, with at least ten tries
ALLOWED = 1.5
ORDERS = ("-created_at", "due_at", "-due_at", "priority", "-priority")


@dataclass(frozen=True)
class Case:
    """The first page or a deep page of a list."""

    sort_by: str
    status: str | None = None
    is_deep: bool = False

    @property
    def label(self) -> str:
        return ", ".join(
            [
                f"of {PROJECTS} projects",
                self.sort_by,
                *([f"status={self.status}"] if self.status else []),
                "deep" if self.is_deep else "first page",
            ]
        )


CASES = [
    Case(sort_by, status, is_deep)
    for sort_by in ORDERS
    for status in (None, "todo")
    for is_deep in (False, True)
]


@dataclass
class Size:
    """A server whose database has this number of tasks in 20 projects."""

    contender: Contender
    tasks: int
    user_id: int
    paths: dict[Case, str]

    def milliseconds(self, case: Case, connection: http.client.HTTPConnection) -> float:
        token = self.contender.tokens[0]
        began = time.perf_counter()
        connection.request("GET", self.paths[case], headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        body = response.read()
        taken = time.perf_counter() - began
        page = json.loads(body)
        if response.status != 200 or len(page["items"]) != 20 or not page["next_cursor"]:
            raise RuntimeError(f"{self.paths[case]}: {response.status} {body[:500]!r}")
        return taken * 1000


def main() -> None:
    """Measure SQLite, then PostgreSQL, and print the results."""
    with stage(users=1) as on:
        for kind, make in (("SQLite", on.sqlite_url), ("PostgreSQL", on.postgres_url)):
            sizes = [_fill(on, kind, tasks, make(f"tasks{tasks}")) for tasks in (FEW, MANY)]
            print(_table(kind, _measure(sizes)), flush=True)
            for size in sizes:
                size.contender.stop()


def _table(kind: str, measured: dict[Case, tuple[float, float]]) -> str:
    rows = [[f"{kind}, 20 tasks by cursor", f"of {FEW:,}: ms", f"of {MANY:,}: ms", "ratio"]]
    for case, (few, many) in measured.items():
        rows.append([case.label, f"{few:.2f}", f"{many:.2f}", f"{many / few:.2f}"])
    worst = max(many / few for few, many in measured.values())
    verdict = f"The worst ratio is {worst:.2f}; up to {ALLOWED} is promised."
    return "\n".join([*aligned(rows), verdict, ""])


def _fill(on: Stage, kind: str, tasks: int, database_url: str) -> Size:
    act = on.ours(f"{kind} {tasks}", database_url, tasks=0)
    user_id = act.load.people.ids[0]
    with data.connect(database_url) as connection:
        projects = [data.add_project(connection, user_id) for _ in range(PROJECTS)]
        columns = data.our_columns(database_url)
        columns["project_id"] = f"{projects[0]} + i % {PROJECTS}"
        for first in range(1, tasks + 1, CHUNK):
            last = min(first + CHUNK - 1, tasks)
            data.add_tasks(connection, columns, user_id, first, last)
            _progress(f"Filling {kind} with {tasks:,} tasks", last / tasks)
    data.tidy(database_url)
    size = Size(act.contender, tasks, user_id, {})
    # Skipping to a deep page may exceed the default statement timeout.
    app = create_app(act.contender.env | {"DATABASE_STATEMENT_TIMEOUT": "600"})
    for done, case in enumerate(CASES, 1):
        query = {"sort_by": case.sort_by, "limit": 20, "cursor": ""}
        if case.status:
            query["status"] = case.status
        if case.is_deep:
            with app.test_request_context("/api/v1/tasks"):
                query["cursor"] = _deep_cursor(size, case)
        size.paths[case] = f"/api/v1/tasks?{urlencode(query)}"
        _progress(f"Finding deep pages of {tasks:,} tasks on {kind}", done / len(CASES))
    return size


def _deep_cursor(size: Size, case: Case) -> str:
    """Return the cursor of a deep page, which is beyond the maximum `skip`."""
    filters = {"status": [case.status]} if case.status else {}
    chosen = Task.visible_to(Owner(size.user_id, False)).filters(filters)
    order = (case.sort_by.lstrip("-"), case.sort_by.startswith("-"))
    query = {"limit": 1, "skip": min(size.tasks // 4, DEEP), "sort_by": (order,)}
    answer = page_response(LISTING, query, chosen, task_json)
    cursor: str = answer.get_json()["next_cursor"]
    return cursor


def _measure(sizes: list[Size]) -> dict[Case, tuple[float, float]]:
    """Return the median time of each case for both sizes, which are requested in turn."""
    connections = [
        http.client.HTTPConnection("127.0.0.1", size.contender.port, timeout=60) for size in sizes
    ]
    found = {}
    for done, case in enumerate(CASES, 1):
        times: list[list[float]] = [[], []]
        end = time.monotonic() + PATIENCE
        for attempt in range(TRIES + 5):
            if time.monotonic() > end and attempt > 10:
                break
            for size, connection, seen in zip(sizes, connections, times, strict=True):
                taken = size.milliseconds(case, connection)
                if attempt >= 5:  # each worker has prepared the statement
                    seen.append(taken)
        found[case] = (median(times[0]), median(times[1]))
        _progress("Requesting pages", done / len(CASES))
    for connection in connections:
        connection.close()
    return found


def _progress(text: str, part: float) -> None:
    if sys.stderr.isatty():
        bar = "#" * round(part * 30)
        end = "\n" if part >= 1 else ""
        print(f"\r\033[K[{bar:<30}] {text}", end=end, file=sys.stderr, flush=True)
    elif part >= 1:
        print(text, file=sys.stderr, flush=True)
