"""SIGKILL of the worker, the web process or both under load loses no work.

CRASH_ROUNDS sets the number of rounds. With -s it prints a row of the table in the documentation.
"""

import os
import signal
import threading
import time
from contextlib import suppress

import httpx
import pytest

from tests.support.client import BASE, signed_in
from tests.support.imports import nothing_is_left
from tests.support.imports import rows as new_rows
from tests.support.live import SETTINGS
from tests.support.receiver import eventually
from tests.support.worker import is_settled, pending, start_worker

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
VICTIMS = ("worker", "web", "both")
IMPORTED = 1000
LOAD_SECONDS = 1.5
WRITERS = 3


class Alice:
    """Send writes until the server is killed, and record the responses."""

    def __init__(self, server):
        self.created, self.jobs = set(), set()
        with signed_in(server) as client:
            self._headers = dict(client.headers)

    def client(self, url):
        return httpx.Client(base_url=url + BASE, headers=self._headers, timeout=10)

    def post(self, client, path, body, made):
        """Send a POST request, and add the new id to `made`."""
        with suppress(httpx.TransportError):
            answer = client.post(path, json=body)
            if answer.is_success:
                made.add(answer.json()["id"])

    def write(self, url, over):
        with self.client(url) as client:
            while not over.is_set():
                self.post(client, "/tasks", {"title": "under load"}, self.created)

    def start_import(self, url, number):
        tagged = [row | {"tags": [f"import-{number}"]} for row in new_rows(IMPORTED)]
        with self.client(url) as client:
            self.post(client, "/tasks/import", tagged, self.jobs)


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.mark.slow
@pytest.mark.usefixtures("app")
def test_killed_processes_lose_no_work(databases, live_server, receiver, rows, tmp_path, backend):
    env = {"DATABASE_URL": databases.shared(), "WEBHOOK_ALLOW_PRIVATE": "1"}
    server = live_server(**env)
    alice = Alice(server)
    with alice.client(server.url) as client:
        assert client.post("/webhooks", json={"url": receiver.url()}).status_code == 201
    worker = None
    counts = dict.fromkeys(VICTIMS, 0)
    log = tmp_path / "worker.log"
    try:
        for number in range(ROUNDS):
            victim = VICTIMS[number % len(VICTIMS)]
            counts[victim] += 1
            if victim == "both":  # web and worker in one process, as on a small dyno
                if worker:
                    worker.terminate()
                    worker.wait(25)
                worker = None
                server.stop()
                server = live_server(**env, WORKER="embedded")
            else:
                if server.process.poll() is not None:
                    server = live_server(**env)
                worker = worker or start_worker(SETTINGS | env, log)
                eventually(lambda: "started" in log.read_text(), seconds=20)
            over = threading.Event()
            writers = [
                threading.Thread(target=alice.write, args=(server.url, over))
                for _ in range(WRITERS)
            ]
            for each in writers:
                each.start()
            alice.start_import(server.url, number)
            # At a different point of the import each time.
            time.sleep(LOAD_SECONDS * (0.1 + 0.9 * (number * 7 % 10) / 10))
            if victim == "worker":
                kill(worker)
                worker = None
            else:
                kill(server.process)
            over.set()
            for each in writers:
                each.join()
        if server.process.poll() is not None:
            server = live_server(**env)
        worker = worker or start_worker(SETTINGS | env, log)
        while not is_settled(rows):
            before = pending(rows)
            eventually(lambda: is_settled(rows) or pending(rows) < before, seconds=60)  # noqa: B023
        worker.terminate()
        assert worker.wait(25) == 0
    finally:
        if worker is not None and worker.poll() is None:
            kill(worker)

    created = {row["id"] for row in rows.all("SELECT id FROM tasks")}
    assert alice.created <= created, "an answered write is gone"
    events = rows.all("SELECT task_id FROM events WHERE action = 'task.created'")
    assert sorted(row["task_id"] for row in events) == sorted(created), "a change without its event"
    arrived = [message.json["data"]["task"]["id"] for message in receiver.messages]
    lost = created - set(arrived)
    jobs = rows.all("SELECT id, status FROM jobs")
    assert {job["id"] for job in jobs} >= alice.jobs, "an accepted job is gone"
    assert {job["status"] for job in jobs} == {"done"}
    imports = rows.all(
        "SELECT tags, count(*) AS n FROM tasks WHERE tags LIKE 'import%' GROUP BY tags"
    )
    assert len(imports) == len(jobs)
    assert {each["n"] for each in imports} == {IMPORTED}, "half an import"
    nothing_is_left(rows)
    assert not lost
    killed = ", ".join(f"{victim} {count}" for victim, count in counts.items())
    print(
        f"\n| {backend} | {killed} | {len(created)} changes, {len(jobs)} imports"
        f" | lost {len(lost)} | sent twice {len(arrived) - len(set(arrived))}"
        " | half-done imports 0 | stuck 0 |"
    )
