"""The database: slow statements, transactions, missing tables, paths of SQLite files."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from taskapi.config import INSTANCE
from taskapi.db import transaction
from taskapi.extensions import db
from taskapi.models.calendar import Calendar
from tests.chaos.load import register
from tests.support.calls import at_once, call
from tests.support.rows import Rows
from tests.support.servers import ROOT

SLOW = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(CASE NEW.title WHEN 'slow' THEN 20 ELSE 0 END); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION wait();
"""


@pytest.mark.postgres
def test_a_slow_statement_is_cancelled_and_affects_no_other_request(databases, live_server):
    url = databases.fresh()
    Rows(url).run(SLOW)
    server = live_server(DATABASE_URL=url, DATABASE_STATEMENT_TIMEOUT="1", WEB_THREADS="8")
    token = register(server.url)

    def create(title):
        started = time.monotonic()
        answer = call(server.url, "POST", "/tasks", {"title": title}, token=token)
        return title, answer, time.monotonic() - started

    titles = ["slow"] * 3 + ["quick"] * 20
    answers = at_once([partial(create, title) for title in titles])
    for title, answer, seconds in answers:
        if title == "slow":
            assert answer.status == 503
            assert "took too long" in answer.json["detail"]
            assert 0.9 < seconds < 5
        else:
            assert answer.status == 201, answer.text
    assert call(server.url, "GET", "/tasks?skip=0", token=token).json["total"] == 20


@pytest.mark.postgres  # SQLite waits in the process
def test_waiting_for_a_lock_does_not_block_other_threads(
    app, databases, make_client, alice, client
):
    task = client.post("/tasks", json={"title": "Held"}, as_=alice).json
    answers = []

    def patch():
        path = f"/tasks/{task['id']}"
        answers.append(make_client(app).patch(path, json={"title": "Mine"}, as_=alice).status_code)

    with psycopg.connect(databases.shared()) as holder:
        holder.execute("SELECT * FROM tasks WHERE id = %s FOR UPDATE", [task["id"]])
        waiting = threading.Thread(target=patch)
        waiting.start()
        ticks, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            time.sleep(0.01)  # this thread continues only if the waiting one does not block it
            ticks += 1
        assert answers == []
    waiting.join(10)

    assert ticks > 20
    assert answers == [200]


def count():
    return db.session.scalar(text("SELECT count(*) FROM calendars"))


def add_calendar(user_id):
    values = {"token_hash": f"{user_id}", "created_at": "2026-01-02T03:04:05.000000Z"}
    db.session.add(Calendar(user_id=user_id, **values))


def add_and_fail(user_id):
    with transaction():
        add_calendar(user_id)
        db.session.flush()
        assert count() == 1
        with transaction():
            pass  # joins the outer transaction, so nothing is committed here
        raise ZeroDivisionError


def test_transaction_after_a_read_can_be_rolled_back(app, alice):
    with app.app_context():
        assert count() == 0
        with pytest.raises(ZeroDivisionError):
            add_and_fail(alice.id)
        assert count() == 0
        with transaction():
            add_calendar(alice.id)
    with app.app_context():
        assert count() == 1


def test_flush_outside_of_a_transaction_fails(app, alice):
    with app.app_context():
        add_calendar(alice.id)
        with pytest.raises(RuntimeError, match="transaction"):
            db.session.flush()
        with pytest.raises(RuntimeError, match="transaction"):
            db.session.commit()
    with app.app_context():
        assert count() == 0


def test_missing_migrations_are_logged(databases, make_app, make_client, alice, caplog):
    client = make_client(make_app(DATABASE_URL=databases.blank()))
    with caplog.at_level("ERROR"):
        assert client.get("/tasks", as_=alice).status_code >= 500
    assert "Run: flask db upgrade" in caplog.text


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///./{}"])
def test_a_relative_path_means_the_instance_folder_for_every_command(tmp_path, url):
    path = INSTANCE / f"relative-{os.getpid()}.sqlite3"
    env = {**os.environ, "DATABASE_URL": url.format(path.name), "FLASK_SKIP_DOTENV": "1"}

    def flask(*command):
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    try:
        flask("db", "upgrade")
        assert path.exists()
        assert flask("users", "list") == ""
        assert str(path) in flask("backup", str(tmp_path / "copy"))
        assert "Nothing will" in flask("doctor") or "hint" in flask("doctor")
    finally:
        for each in INSTANCE.glob(f"{path.name}*"):
            each.unlink()


def test_no_connection_is_held_while_a_body_comes_in(databases, live_server):
    pool = {"DATABASE_POOL_SIZE": "1", "DATABASE_MAX_OVERFLOW": "0", "WEB_THREADS": "8"}
    server = live_server(**pool)
    token = register(server.url)
    address = urlsplit(server.url)
    with ExitStack() as slow:
        for _ in range(4):
            uploading = socket.create_connection((address.hostname, address.port))
            slow.enter_context(closing(uploading))
            uploading.sendall(
                b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer " + token.encode() + b"\r\nContent-Length: 99\r\n\r\n{"
            )
        for _ in range(20):
            started = time.monotonic()
            assert call(server.url, "GET", "/tasks", token=token).status == 200
            assert time.monotonic() - started < 2
