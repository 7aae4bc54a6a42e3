"""`flask tasks import`: nobody takes it over while it lives, and dead it leaves nothing."""

import csv
import io
import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from taskapi import database
from taskapi.database import Query
from taskapi.jobs import imports, queue
from taskapi.models.imports import batches
from taskapi.models.job import jobs
from taskapi.models.task_table import tasks
from taskapi.models.user import users
from taskapi.moments import ago
from tests.support.imports import count, none_waits, nothing_is_left, rows
from tests.support.receiver import eventually
from tests.support.servers import ROOT
from tests.support.worker import working
from tests.test_cli_process import environment

BATCHES = "SELECT count(*) AS count_1 \nFROM import_batches"  # when it begins, and is begun again


def as_csv(given):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(given[0]))
    writer.writeheader()
    for row in given:
        writer.writerow({**row, "tags": ",".join(row["tags"])})
    return text.getvalue().encode()


def test_the_command_shows_progress(client, alice, app, tmp_path):
    file = tmp_path / "tasks.csv"
    file.write_bytes(as_csv(rows(1200)))
    runner = app.test_cli_runner()
    dry = runner.invoke(args=["tasks", "import", str(file), "--user", "alice", "--dry-run"])
    assert dry.output == "1200 tasks could be imported.\n"
    done = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert done.exit_code == 0, done.output
    assert "Importing tasks.csv" in done.output
    assert done.output.endswith("Imported 1200 tasks for alice.\n")
    assert client.get("/tasks", as_=alice).json["total"] == 1200
    nothing_is_left(app)

    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([*rows(600), {"title": ""}]))
    failed = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert failed.exit_code == 1
    assert "row 601" in failed.output
    assert client.get("/tasks", as_=alice).json["total"] == 1200
    nothing_is_left(app)
    unknown = runner.invoke(args=["tasks", "import", str(file), "--user", "nobody"])
    assert unknown.exit_code == 1


def state_of_job(app):
    with app.app_context():
        return Query(select(jobs.c.status)).value()


def let_the_lease_run_out(app):
    with app.app_context():
        Query(update(jobs).values(leased_until=ago(seconds=1))).run()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tasks.csv"
    path.write_bytes(as_csv(rows(1200)))
    return str(path)


@pytest.fixture
def before_statement(monkeypatch):
    """`before_statement("INSERT INTO tasks", act)`: once the command is about to send that."""

    def at(beginning, act):
        def listen(sql):
            if sql.startswith(beginning) and threading.current_thread() is threading.main_thread():
                listeners.remove(listen)
                act()

        listeners.append(listen)

    listeners: list[Any] = []
    monkeypatch.setattr(database, "on_statement", listeners)
    return at


def test_however_slow_it_is_no_worker_takes_it_over(
    client, alice, app, file, before_statement, monkeypatch
):
    for module in (queue, imports):
        monkeypatch.setattr(module, "LEASE_SECONDS", 2)
    monkeypatch.setattr(queue, "BEAT_SECONDS", 0.3)
    before_statement("UPDATE jobs SET status", lambda: time.sleep(3.5))  # counting its rows again
    before_statement("INSERT INTO tasks", lambda: time.sleep(3.5))  # publishing them
    with working(app):
        done = app.test_cli_runner().invoke(args=["tasks", "import", file, "--user", "alice"])
    assert done.exit_code == 0, done.output
    assert client.get("/tasks", as_=alice).json["total"] == 1200
    assert state_of_job(app) == "done"
    nothing_is_left(app)


@pytest.fixture
def loses_it(alice, app, file, before_statement):
    """`loses_it("INSERT INTO tasks")`: a worker puts an end to the import before that is sent."""

    def lose():
        let_the_lease_run_out(app)
        with working(app):
            eventually(lambda: none_waits(app))

    def check(beginning):
        before_statement(beginning, lose)
        lost = app.test_cli_runner().invoke(args=["tasks", "import", file, "--user", "alice"])
        assert lost.exit_code == 1
        assert isinstance(lost.exception, SystemExit), lost.exception
        assert lost.output.count("Error:") == 1
        assert "Nothing was imported: " in lost.output
        assert count(app, tasks) == 0
        assert state_of_job(app) == "failed"
        nothing_is_left(app)

    return check


@pytest.mark.parametrize("beginning", ["UPDATE jobs SET status", BATCHES])
def test_silent_for_too_long_it_says_so_and_does_nothing(loses_it, beginning):
    loses_it(beginning)


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)  # on SQLite nobody else can write
def test_silent_for_too_long_while_it_publishes_it_takes_it_back(loses_it):
    loses_it("INSERT INTO tasks")


def test_it_says_so_when_its_user_goes_meanwhile(alice, app, file, before_statement):
    def delete_her():
        with app.app_context():
            Query(delete(users).where(users.c.id == alice.id)).run()

    before_statement(BATCHES, delete_her)
    lost = app.test_cli_runner().invoke(args=["tasks", "import", file, "--user", "alice"])
    assert lost.exit_code == 1
    assert "Nothing was imported: alice is gone" in lost.output
    assert count(app, tasks) == 0
    nothing_is_left(app)


@pytest.fixture
def at_work(databases, alice, app, tmp_path):
    """The command as a process of its own, somewhere within its work."""
    path = tmp_path / "many.csv"
    path.write_bytes(as_csv(rows(50_000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "tasks", "import", str(path), "--user", "alice"],
        cwd=ROOT,
        env=environment(DATABASE_URL=databases.shared()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: count(app, batches), seconds=30)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_killed_it_is_undone_once_it_is_surely_dead(client, alice, app, at_work):
    at_work.kill()
    at_work.wait(10)
    assert count(app, batches)
    with app.app_context():
        assert imports.QUEUE.claim("early") is None
    let_the_lease_run_out(app)
    with working(app):
        eventually(lambda: none_waits(app))
    assert state_of_job(app) == "failed"
    assert client.get("/tasks", as_=alice).json["total"] == 0
    nothing_is_left(app)


def test_interrupted_it_leaves_nothing(client, alice, app, at_work):
    at_work.send_signal(signal.SIGINT)
    said, _ = at_work.communicate(timeout=30)
    assert at_work.returncode == 1, said
    assert "Aborted!" in said
    assert "Traceback" not in said
    assert state_of_job(app) == "failed"
    assert client.get("/tasks", as_=alice).json["total"] == 0
    nothing_is_left(app)
