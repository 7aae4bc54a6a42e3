"""What stops the start, in a sentence that names the cause; and what must not stop it."""

import os
import secrets
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import fields

import psycopg
import pytest

from taskapi.config import ConfigError, Settings
from taskapi.models.schema import head_revision, is_behind
from tests.conftest import SETTINGS
from tests.support.live import PASSED_ON
from tests.support.servers import ROOT, free_port

GOOD = "E8R4R_VuwLCANXDUu5GNZPnZJsrrdS0gUKdXKf5UzuQuxrMTzbkZTIdNXAke9Yrz"
HEX = "3c5933033cffbd68081cdc64c15d4381aa1d4f38753ecff31d2a34d898d8024e"
PRODUCTION = {"TASKAPI_ENV": "production", "SECRET_KEY": GOOD}


def start(**env: str) -> subprocess.CompletedProcess[str]:
    """gunicorn, which is to refuse."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        cwd=ROOT,
        env=passed_on | {"FLASK_SKIP_DOTENV": "1", "PORT": str(free_port())} | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_refused(started: subprocess.CompletedProcess[str], *words: str) -> None:
    assert started.returncode == 1, started.stderr
    (line,) = [line for line in started.stderr.splitlines() if "Cannot start" in line]
    for word in words:
        assert word in line
    assert "Traceback" not in started.stderr


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "is_accepted"),
    [
        ("", False),
        ("short", False),
        ("x" * 31, False),
        ("x" * 64, False),
        ("0123456789abcdef0123456789abcdef", False),
        ("Ab3$" * 12, False),
        ("please-change-me-please-change-me-please", False),
        ("your_super_secret_key_that_is_long_enough", False),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", False),
        (f"{GOOD},short", False),
        (f"{GOOD},please-change-me-please-change-me-please", False),
        (GOOD, True),
        (HEX, True),
        (f"{GOOD}, {HEX}", True),
    ],
)
def test_production_takes_only_a_secret_of_ones_own(key, is_accepted):
    env = {"TASKAPI_ENV": "production", "SECRET_KEY": key}
    if is_accepted:
        assert Settings.from_env(env).secret_keys
        return
    with pytest.raises(ConfigError, match=r"^SECRET_KEY must "):
        Settings.from_env(env)


def test_random_secrets_are_never_taken_for_weak_ones():
    for _ in range(2000):
        for key in (secrets.token_urlsafe(32), secrets.token_hex(32)):
            Settings.from_env({"TASKAPI_ENV": "production", "SECRET_KEY": key})


CHECKED = [
    each.name.upper()
    for each in fields(Settings)
    if each.name == "web_concurrency" or each.metadata["parse"].__name__ != "text"
]


@pytest.mark.parametrize("name", CHECKED)
def test_a_bad_value_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=f"^{name} must be "):
        Settings.from_env({**PRODUCTION, "REDIS_URL": "redis://127.0.0.1", name: "~nonsense"})


@pytest.mark.parametrize("platform", ["DYNO", "RENDER"])
def test_sqlite_on_a_disk_that_is_emptied_needs_consent(platform):
    env = {**PRODUCTION, platform: "web.1", "TRUSTED_PROXIES": "1"}
    with pytest.raises(ConfigError, match=r"^DATABASE_URL must name a PostgreSQL database"):
        Settings.from_env(env)
    assert Settings.from_env({**env, "ALLOW_EPHEMERAL_SQLITE": "1"}).uses_sqlite


@pytest.mark.parametrize("platform", ["RENDER", "RAILWAY_ENVIRONMENT"])
def test_where_the_proxies_are_not_known_they_must_be_said(platform):
    env = {**PRODUCTION, platform: "production", "DATABASE_URL": "postgres://h/n"}
    with pytest.raises(ConfigError, match=r"^TRUSTED_PROXIES must be set"):
        Settings.from_env(env)
    assert Settings.from_env({**env, "TRUSTED_PROXIES": "0"}).is_production


def test_the_process_says_the_sentence_and_nothing_else():
    assert_refused(start(TASKAPI_ENV="production"), "SECRET_KEY must be set in production")
    assert_refused(start(DYNO="web.1", SECRET_KEY=GOOD), "DATABASE_URL", "ALLOW_EPHEMERAL_SQLITE")
    assert_refused(start(RATE_LIMIT_PER_MINUTE="lots"), "RATE_LIMIT_PER_MINUTE must be a whole")


# --- the database -------------------------------------------------------------------------------


def set_revision(url: str, revision: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{revision}'"
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        with connection:
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute(statement)


def test_a_database_without_tables_stops_the_start(databases):
    started = start(**SETTINGS, DATABASE_URL=databases.blank())
    assert_refused(started, "the database has no tables yet", "Run: flask db upgrade")


def test_a_database_that_lacks_the_last_migration_stops_the_start(databases):
    url = databases.fresh()
    older = "20261121_first"
    if older == head_revision():
        assert not is_behind(older)
        return
    set_revision(url, older)
    started = start(**SETTINGS, DATABASE_URL=url)
    assert_refused(started, f"is at migration {older}", head_revision(), "flask db upgrade")


def test_a_database_that_a_newer_version_has_migrated_is_served(databases, live_server):
    url = databases.fresh()
    set_revision(url, "29991231_of_a_later_version")
    server = live_server(DATABASE_URL=url)
    assert urllib.request.urlopen(f"{server.url}/health").status == 200


def test_a_database_that_is_away_stops_nothing(live_server):
    nobody = f"postgresql://ana:not-told@127.0.0.1:{free_port()}/tasks"
    begin = time.monotonic()
    server = live_server(DATABASE_URL=nobody)
    assert time.monotonic() - begin < 10
    request = urllib.request.Request(
        f"{server.url}/api/v1/auth/login",
        b'{"username": "ana", "password": "Wherever-7"}',
        {"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "The database cannot be reached" in server.log()
    assert "not-told" not in server.log()
    assert server.stop() == 0
