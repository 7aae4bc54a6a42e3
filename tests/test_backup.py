"""`flask backup`, and restoring its copies."""

import shlex
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.client import ApiClient, Cast
from tests.support.old_database import programs


@pytest.fixture
def run(make_app, databases):
    """`run("backup", …)` runs a command with the database of `app`."""

    def run(*arguments, **settings):
        runner = make_app(**settings).test_cli_runner()
        return runner.invoke(args=[str(each) for each in arguments])

    return run


@pytest.fixture
def url(databases, app):
    return databases.shared()


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.sqlite
def test_backup_during_writes_can_be_restored(run, alice, client, make_app, tmp_path, secrets):
    answered: list[Any] = []
    stopped = threading.Event()

    def write():
        while not stopped.is_set():
            made = client.post("/tasks", json={"title": f"number {len(answered)}"}, as_=alice)
            assert made.status_code == 201
            answered.append(made.get_json())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(answered) < 20:
            pass
        before = len(answered)
        copied = [run("backup", tmp_path / f"{number}.sqlite3") for number in range(5)]
        after = len(answered)
    finally:
        stopped.set()
        writer.join()
    assert [each.exit_code for each in copied] == [0] * 5, copied[0].output
    assert after > before, "nothing was written meanwhile"

    last = tmp_path / "4.sqlite3"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        f"{number}.sqlite3" for number in range(5)
    ]
    assert last.stat().st_mode & 0o777 == 0o600
    assert rows(last, "PRAGMA integrity_check") == [("ok",)]
    ids = [row[0] for row in rows(last, "SELECT id FROM tasks ORDER BY id")]
    # The copy is consistent: the first tasks without a gap, each with its event.
    assert ids == [task["id"] for task in answered[: len(ids)]]
    assert len(ids) >= before
    assert rows(last, "SELECT count(*) FROM events WHERE action = 'task.created'") == [(len(ids),)]

    # Restore by replacing the database file.
    place = Path(shutil.copy(last, tmp_path / "restored.sqlite3"))
    restored = make_app(DATABASE_URL=f"sqlite:///{place}")
    again = ApiClient(restored, secrets)
    assert again.get("/tasks", as_=alice).get_json()["total"] == len(ids)
    assert again.post("/tasks", json={"title": "life goes on"}, as_=alice).status_code == 201
    assert Cast(restored, again).sign_in(alice.username, alice.password).id == alice.id


@pytest.mark.sqlite
def test_existing_file_is_replaced_only_with_force(run, alice, tmp_path):
    file = tmp_path / "copy.sqlite3"
    file.write_text("precious")
    refused = run("backup", file)
    assert refused.exit_code == 1
    assert "exists. Use --force to replace it" in refused.output
    assert file.read_text() == "precious"

    assert run("backup", file, "--force").exit_code == 0
    assert rows(file, "SELECT count(*) FROM users") == [(1,)]
    assert [each.name for each in tmp_path.iterdir()] == ["copy.sqlite3"]


@pytest.mark.sqlite
def test_errors_are_one_line(run, app, tmp_path):
    nowhere = run("backup", tmp_path / "missing" / "copy.sqlite3")
    assert nowhere.exit_code == 1
    assert "Copying failed" in nowhere.output

    absent = run("backup", tmp_path / "c", DATABASE_URL=f"sqlite:///{tmp_path / 'no.sqlite3'}")
    assert absent.exit_code == 1
    assert "does not exist" in absent.output
    assert not (tmp_path / "no.sqlite3").exists()


@pytest.mark.sqlite
def test_damaged_database_is_not_copied(run, url, alice, tmp_path):
    damaged = tmp_path / "damaged.sqlite3"
    assert run("backup", damaged).exit_code == 0
    pages = bytearray(damaged.read_bytes())
    pages[8192:] = b"\xa5" * (len(pages) - 8192)
    damaged.write_bytes(pages)
    refused = run("backup", tmp_path / "copy", DATABASE_URL=f"sqlite:///{damaged}")
    assert refused.exit_code == 1
    assert [each.name for each in tmp_path.iterdir()] == ["damaged.sqlite3"]


@pytest.mark.postgres
def test_postgres_command_works(run, url, alice, client, databases, tmp_path):
    assert client.post("/tasks", json={"title": "kept"}, as_=alice).status_code == 201
    file = tmp_path / "tasks.dump"
    told = run("backup", file)
    assert told.exit_code == 1  # so that a backup job fails
    assert "Nothing was copied" in told.output
    command = shlex.split(told.output.splitlines()[0])
    assert command[0] == "pg_dump"
    subprocess.run([programs() / command[0], *command[1:]], check=True)

    target = databases.blank()
    subprocess.run(
        [programs() / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={target}", file],
        check=True,
    )
    with psycopg.connect(target) as restored:
        assert restored.execute("SELECT title FROM tasks").fetchall() == [("kept",)]
        assert restored.execute("SELECT username FROM users").fetchall() == [("alice",)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("address", "named"),
    [
        (
            "postgres://ana:hidden@db.example:6543/tasks?sslmode=prefer",
            "postgresql://ana@db.example:6543/tasks?sslmode=prefer",
        ),
        (  # several hosts, in the syntax of pg_dump
            "postgresql+psycopg://ana:hidden@/tasks?host=a:5432&host=b:5433"
            "&target_session_attrs=read-write",
            "postgresql://ana@a:5432,b:5433/tasks?target_session_attrs=read-write",
        ),
    ],
)
def test_the_command_shows_no_password(run, address, named):
    told = run("backup", "tasks.dump", DATABASE_URL=address)
    assert shlex.split(told.output.splitlines()[0]) == [
        *("pg_dump", "--format=custom", "--no-owner", "--file=tasks.dump"),
        f"--dbname={named}",
    ]
    assert "hidden" not in told.output
