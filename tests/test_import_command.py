"""`flask tasks import`."""

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.imports import as_csv, nothing_is_left, progress, status, tasks_locked, total
from tests.support.imports import rows as new_rows
from tests.support.live import SETTINGS, environment
from tests.support.receiver import eventually
from tests.support.rows import ago
from tests.support.servers import ROOT
from tests.support.worker import is_settled, let_claims_lapse, settle, working


@pytest.mark.sqlite
def test_the_command_shows_progress(client, alice, app, rows, tmp_path):
    file = tmp_path / "tasks.csv"
    file.write_bytes(as_csv(new_rows(1200)))
    runner = app.test_cli_runner()
    dry = runner.invoke(args=["tasks", "import", str(file), "--user", "alice", "--dry-run"])
    assert dry.output == "1200 tasks are valid.\n"
    done = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert done.exit_code == 0, done.output
    assert "Importing tasks.csv" in done.output
    assert done.output.endswith("Imported 1200 tasks for alice.\n")
    assert total(client, alice) == 1200
    nothing_is_left(rows)

    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([*new_rows(600), {"title": ""}]))
    failed = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert failed.exit_code == 1
    assert "row 601" in failed.output
    assert total(client, alice) == 1200
    nothing_is_left(rows)
    assert runner.invoke(args=["tasks", "import", str(file), "--user", "eve"]).exit_code == 1


@pytest.fixture
def importing(databases, alice, rows, tmp_path):
    """`with importing(count) as command:` runs the command in a process, and waits for progress."""

    @contextmanager
    def run(count):
        path = tmp_path / "many.csv"
        path.write_bytes(as_csv(new_rows(count)))
        # Background jobs ignore SIGINT, and children inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "tasks", "import", str(path), "--user", "alice"],
            cwd=ROOT,
            env=environment(SETTINGS | {"DATABASE_URL": databases.shared()}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        signal.signal(signal.SIGINT, before)
        try:
            eventually(lambda: progress(rows), seconds=30)
            yield process
        finally:
            process.kill()
            process.communicate()

    return run


def ended(process, *, code):
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def test_killed_import_is_cleaned_up_after_its_claim_expires(client, alice, app, rows, importing):
    with importing(20_000) as command:
        command.kill()
        command.wait(10)
        with working(app):
            sentinel = client.post("/tasks/import", json=new_rows(101), as_=alice)
            eventually(
                lambda: client.get(sentinel.headers["Location"], as_=alice).json["finished_at"]
            )
            assert not is_settled(rows)  # the command may still run
            let_claims_lapse(rows)
            eventually(lambda: is_settled(rows))
    statuses = [job["status"] for job in client.get("/jobs", as_=alice).json["items"]]
    assert statuses == ["done", "failed"]
    assert total(client, alice) == 101
    nothing_is_left(rows)


def test_interrupted_import_leaves_nothing(client, alice, rows, importing):
    with importing(20_000) as command:
        command.send_signal(signal.SIGINT)
        assert "Aborted!" in ended(command, code=1)
    assert status(rows) == "failed"
    assert total(client, alice) == 0
    nothing_is_left(rows)


def test_user_deleted_during_import(client, alice, admin, rows, importing):
    with importing(20_000) as command:
        assert client.delete(f"/users/{alice.id}", as_=admin).status_code == 204
        assert "Nothing was imported: alice was deleted" in ended(command, code=1)
    assert rows.value("SELECT count(*) FROM tasks") == 0
    nothing_is_left(rows)


def test_import_cancelled_by_a_worker_creates_nothing(client, alice, app, rows, importing):
    with importing(20_000) as command:
        # As if the command had been suspended until its claim expired.
        taken = "UPDATE jobs SET claimed_by = 'worker', claimed_until = :past"
        assert rows.run(taken, past=ago(seconds=1)) == 1
        said = ended(command, code=1)
    assert "Nothing was imported: " in said
    assert said.count("Error:") == 1
    settle(app, rows)
    assert status(rows) == "failed"
    assert total(client, alice) == 0
    nothing_is_left(rows)


@pytest.mark.slow
@pytest.mark.postgres
def test_slow_import_keeps_its_claim(client, alice, app, rows, importing):
    lock = ExitStack()
    lock.enter_context(tasks_locked(rows))
    # Few rows: more would not fit into the buffer of the server, which waits for the lock.
    with lock, importing(100) as command, working(app):
        eventually(lambda: progress(rows) == 100)
        time.sleep(30)  # longer than any claim lasts
        lock.close()
        assert "Imported 100 tasks for alice.\n" in ended(command, code=0)
    assert status(rows) == "done"
    assert total(client, alice) == 100
    nothing_is_left(rows)
