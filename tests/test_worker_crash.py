"""kill -9 of the worker, the web process or both under load: nothing is lost, nothing is stuck.

CRASH_ROUNDS=20 makes it long; the table that it prints (-s) is the one in the documentation.
"""

import csv
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from sqlalchemy import create_engine, text

from tests.conftest import SETTINGS
from tests.support.live import PASSED_ON
from tests.support.receiver import eventually
from tests.support.servers import ROOT

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
VICTIMS = ("worker", "web", "both")
IMPORTED = 1000
LOAD_SECONDS = 1.5
WRITERS = 3


class Person:
    """Somebody who writes over HTTP until the server is gone, and notes every answer."""

    def __init__(self, token):
        self.token = token
        self.created, self.jobs = set(), set()

    def post(self, url, path, body, kind="application/json"):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
            connection.request("POST", f"/api/v1{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def write(self, url, over):
        while not over.is_set():
            try:
                status, body = self.post(url, "/tasks", b'{"title": "under load"}')
            except (OSError, http.client.HTTPException):
                continue
            if status == 201:
                self.created.add(body["id"])

    def bring_in(self, url, number):
        lines = io.StringIO()
        writer = csv.writer(lines)
        writer.writerow(["title", "tags"])
        writer.writerows([f"import {number}", f"row-{row}"] for row in range(IMPORTED))
        try:
            status, body = self.post(url, "/tasks/import", lines.getvalue().encode(), "text/csv")
        except (OSError, http.client.HTTPException):
            return
        if status == 202:
            self.jobs.add(body["id"])


def start_worker(env, log):
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi"} | env
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def test_nothing_is_lost_when_processes_are_killed(
    databases, live_server, receiver, tmp_path, backend
):
    url = databases.fresh()
    env = {"DATABASE_URL": url, "WEBHOOK_ALLOW_PRIVATE": "1"}
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )

    def rows(statement, **values):
        with engine.connect() as connection:
            return connection.execute(text(statement), values).all()

    server = live_server(**env)
    answer = Person(None).post(
        server.url, "/auth/register", b'{"username": "alice", "password": "Lantern-5-ecila"}'
    )[1]
    alice = Person(answer["access_token"])
    hook = json.dumps({"url": receiver.url()}).encode()
    assert alice.post(server.url, "/webhooks", hook)[0] == 201
    worker = None
    counts = dict.fromkeys(VICTIMS, 0)
    log = tmp_path / "worker.log"
    try:
        for number in range(ROUNDS):
            victim = VICTIMS[number % len(VICTIMS)]
            counts[victim] += 1
            if victim == "both":  # in one process, as on the smallest dyno
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
                eventually(lambda: rows("SELECT 1 FROM workers"), seconds=20)
            over = threading.Event()
            writers = [
                threading.Thread(target=alice.write, args=(server.url, over))
                for _ in range(WRITERS)
            ]
            for each in writers:
                each.start()
            alice.bring_in(server.url, number)
            # Somewhere within the import, and another place each time.
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
        eventually(lambda: not rows("SELECT 1 FROM jobs WHERE finished_at IS NULL"), seconds=60)
        waiting = "SELECT count(*) FROM deliveries WHERE next_attempt_at IS NOT NULL"
        while before := rows(waiting)[0][0]:
            eventually(lambda: rows(waiting)[0][0] < before, seconds=60)
        recovered = rows("SELECT count(*) FROM deliveries WHERE attempts > 1")[0][0]
        worker.terminate()
        assert worker.wait(25) == 0
    finally:
        if worker is not None and worker.poll() is None:
            kill(worker)

    created = {task_id for (task_id,) in rows("SELECT id FROM tasks")}
    assert alice.created <= created, "an answered write is gone"
    events = rows("SELECT task_id, id FROM events WHERE action = 'task.created'")
    assert sorted(task_id for task_id, _ in events) == sorted(created), "a change without its event"
    arrived = [message.json["data"]["task"]["id"] for message in receiver.messages]
    lost = created - set(arrived)
    doubled = len(arrived) - len(set(arrived))
    jobs = rows("SELECT id, status FROM jobs")
    assert {job_id for job_id, _ in jobs} >= alice.jobs, "an accepted job is gone"
    for job_id, status in jobs:
        assert status == "done", job_id
    imports = rows("SELECT title, count(*) FROM tasks WHERE title LIKE 'import%' GROUP BY title")
    assert len(imports) == len(jobs)
    assert {count for _, count in imports} <= {IMPORTED}, "half an import"
    assert rows("SELECT count(*) FROM import_batches")[0][0] == 0
    assert rows("SELECT count(*) FROM job_uploads")[0][0] == 0
    assert not lost
    killed = ", ".join(f"{victim} {count}" for victim, count in counts.items())
    print(
        f"\n| {backend} | {killed} | {len(created)} changes, {len(jobs)} imports"
        f" | lost {len(lost)} | sent twice {doubled} | half-done imports 0 | stuck 0"
        f" | retried {recovered} |"
    )
    engine.dispose()
