"""Errors that prevent the start, and those that do not."""

import subprocess
import sys
import time

import httpx
import pytest

from tests.support.live import SETTINGS, environment
from tests.support.rows import Rows
from tests.support.servers import ROOT, free_port

KEY = "E8R4R_VuwLCANXDUu5GNZPnZJsrrdS0gUKdXKf5UzuQuxrMTzbkZTIdNXAke9Yrz"


def assert_refused(*words: str, **env: str) -> None:
    """Assert that gunicorn exits with 1 and prints these words in one line."""
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        cwd=ROOT,
        env=environment({"PORT": str(free_port())} | env),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert started.returncode == 1, started.stderr
    (line,) = [line for line in started.stderr.splitlines() if "Cannot start" in line]
    for word in words:
        assert word in line
    assert "Traceback" not in started.stderr


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"TASKAPI_ENV": "production"}, "SECRET_KEY must be set in production"),
        ({"DYNO": "web.1", "SECRET_KEY": KEY}, "ALLOW_EPHEMERAL_SQLITE"),
        ({"WEB_THREADS": "many"}, "WEB_THREADS must be an integer"),
    ],
    ids=["key", "disk", "number"],
)
def test_invalid_setting_prevents_start(env, words):
    assert_refused(words, **env)


def test_missing_tables_prevent_start(databases):
    words = ("The database has no tables", "Run: flask db upgrade")
    assert_refused(*words, **SETTINGS, DATABASE_URL=databases.blank())


def test_missing_migrations_prevent_start(databases):
    url = databases.fresh()
    rows = Rows(url)
    head, older = rows.value("SELECT version_num FROM alembic_version"), "20261121_first"
    assert head != older
    rows.run("UPDATE alembic_version SET version_num = :older", older=older)
    words = (f"is at migration {older}", head, "flask db upgrade")
    assert_refused(*words, **SETTINGS, DATABASE_URL=url)


@pytest.mark.postgres
def test_newer_migrations_do_not_prevent_start(databases, live_server):
    url = databases.fresh()
    newer = "29991231_of_a_later_version"
    Rows(url).run("UPDATE alembic_version SET version_num = :newer", newer=newer)
    server = live_server(DATABASE_URL=url)
    assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.postgres
def test_unavailable_database_does_not_prevent_start(live_server):
    nobody = f"postgresql://ana:not-told@127.0.0.1:{free_port()}/tasks"
    begin = time.monotonic()
    server = live_server(DATABASE_URL=nobody)
    assert time.monotonic() - begin < 10
    body = {"username": "ana", "password": "Wherever-7"}
    answer = httpx.post(f"{server.url}/api/v1/auth/login", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Cannot connect to the database" in server.log()
    assert "not-told" not in server.log()
    assert server.stop() == 0
