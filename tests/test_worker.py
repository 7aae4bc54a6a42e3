"""The worker: overdue tasks, shutdown, health."""

import os
import signal
import subprocess
import threading
import time

import httpx
import pytest

from tests.support.client import signed_in
from tests.support.imports import rows as new_rows
from tests.support.imports import start_import
from tests.support.live import SETTINGS
from tests.support.projects import task
from tests.support.receiver import eventually
from tests.support.rows import ago, from_now
from tests.support.worker import (
    claims,
    let_claims_lapse,
    let_retries_come_due,
    start_worker,
    working,
)


def overdue(rows):
    """Return the ids of the tasks with an event task.overdue."""
    found = rows.all("SELECT task_id FROM events WHERE action = 'task.overdue' ORDER BY id")
    return [row["task_id"] for row in found]


@pytest.fixture
def after_a_look(client, alice, rows, app):
    """`after_a_look()` runs a worker, and returns the ids of overdue tasks."""
    seen = []

    def look():
        last = task(client, alice, due_at=ago(seconds=1))
        with working(app):
            eventually(lambda: last["id"] in overdue(rows))
        seen.append(last["id"])
        return [task_id for task_id in overdue(rows) if task_id not in seen]

    return look


def let_come_due(rows, *tasks):
    for each in tasks:
        rows.run("UPDATE tasks SET due_at = :past WHERE id = :id", past=ago(days=3), id=each["id"])


def test_overdue_is_recorded_once_for_each_due_time(client, alice, rows, after_a_look):
    late, done, gone = (task(client, alice, due_at=from_now(hours=1)) for _ in range(3))
    assert after_a_look() == []
    client.patch(f"/tasks/{done['id']}", json={"status": "done"}, as_=alice)
    client.delete(f"/tasks/{gone['id']}", as_=alice)
    let_come_due(rows, late, done, gone)
    assert after_a_look() == [late["id"]]
    path = f"/tasks/{late['id']}"
    client.patch(path, json={"title": "Still late"}, as_=alice)
    assert after_a_look() == [late["id"]]
    activity = client.get(f"{path}/activity", as_=alice).json["items"]
    assert [(e["action"], e["actor"]) for e in activity] == [
        ("task.updated", alice.id),
        ("task.overdue", None),
        ("task.created", alice.id),
    ]
    assert client.get(path, as_=alice).json["version"] == 2

    client.patch(path, json={"due_at": from_now(hours=2)}, as_=alice)
    client.post(f"/tasks/{gone['id']}/restore", as_=alice)
    assert after_a_look() == [late["id"], gone["id"]]
    let_come_due(rows, late)
    assert after_a_look() == [late["id"], gone["id"], late["id"]]


def test_three_workers_record_each_overdue_task_once(client, alice, rows, app):
    due = [{"op": "create", "data": {"title": "x", "due_at": ago(minutes=1)}}] * 100
    for _ in range(5):
        client.post("/tasks/bulk", json={"operations": due}, as_=alice)
    with working(app), working(app), working(app):
        eventually(lambda: len(overdue(rows)) == 500)
    assert len(set(overdue(rows))) == 500


def test_health_shows_running_workers(client, root, alice, rows, app):
    def health():
        response = root.get("/health/detailed")
        assert response.status_code == 200
        return response.json

    start_import(client, alice, new_rows(101))
    let_retries_come_due(rows, minutes=5)
    report = eventually(lambda: (found := health())["queue"]["status"] == "away" and found)
    assert report["status"] == "degraded"
    with working(app):
        eventually(lambda: (found := health()["queue"])["status"] == "ok" and found["depth"] == 0)


@pytest.fixture
def serving(live_server, databases, receiver):
    """`serving(WORKER="embedded")` returns a live server and a client with a webhook."""
    clients = []

    def start(**settings):
        settings |= {"DATABASE_URL": databases.shared(), "WEBHOOK_ALLOW_PRIVATE": "1"}
        server = live_server(**settings)
        clients.append(signed_in(server))
        client = clients[-1].__enter__()
        assert client.post("/webhooks", json={"url": receiver.url()}).status_code == 201
        return server, client

    yield start
    for each in clients:
        each.__exit__(None, None, None)


@pytest.mark.slow
@pytest.mark.usefixtures("app")
def test_embedded_worker_survives_killed_processes(serving, receiver, rows):
    env = {"WEB_CONCURRENCY": "3", "ALLOW_SPLIT_LIMITS": "1"}
    server, client = serving(WORKER="embedded", **env)
    for title in ("one", "two"):
        assert client.post("/tasks", json={"title": title}).status_code == 201
    eventually(lambda: len(receiver.messages) == 2 and not claims(rows))
    children = subprocess.run(
        ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    for pid in map(int, children.stdout.split()):
        os.kill(pid, signal.SIGKILL)
    let_claims_lapse(rows)

    def create():
        try:
            headers = {"Idempotency-Key": "once"}
            response = client.post("/tasks", json={"title": "three"}, headers=headers)
            return response.status_code == 201
        except httpx.TransportError:  # a connection to a killed process
            return False

    eventually(create)
    eventually(lambda: len(receiver.messages) == 3)
    assert [m.json["data"]["task"]["title"] for m in receiver.messages] == ["one", "two", "three"]
    assert server.stop() == 0


@pytest.mark.usefixtures("app")
def test_stopping_worker_finishes_or_releases_work(serving, receiver, databases, tmp_path):
    _, client = serving()
    begun = threading.Event()

    def take_a_while(*_):
        begun.set()
        time.sleep(1)  # SIGTERM arrives during this time
        return 204

    receiver.answer = take_a_while
    for number in range(5):
        client.post("/tasks", json={"title": f"{number}"})
    env = SETTINGS | {"DATABASE_URL": databases.shared(), "WEBHOOK_ALLOW_PRIVATE": "1"}
    log = tmp_path / "worker.log"
    first = start_worker(env, log)
    assert begun.wait(20)
    for _ in range(3):
        first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    assert len(receiver.messages) < 5
    receiver.answer = lambda *_: 204
    second = start_worker(env, log)
    eventually(lambda: len(receiver.messages) == 5, seconds=15)  # immediately: nothing is claimed
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    assert len({message.id for message in receiver.messages}) == 5  # no duplicates
    assert "Traceback" not in log.read_text()
