"""gunicorn.conf.py: what it makes of the settings, and what it does for real."""

import os
import runpy
import subprocess
import sys
import urllib.request

import pytest

from tests.support.servers import ROOT

REDIS = "redis://127.0.0.1:6379/0"


def configuration(monkeypatch, **env):
    for name in ("HOST", "PORT", "WEB_CONCURRENCY", "WEB_THREADS", "REDIS_URL", "TASKAPI_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SECRET_KEY", "tests-only-" + "0123456789abcdef" * 2)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


@pytest.mark.parametrize(
    ("env", "workers"),
    [
        ({}, 1),
        ({"WEB_CONCURRENCY": "4"}, 1),
        ({"WEB_CONCURRENCY": "4", "ALLOW_SPLIT_LIMITS": "1"}, 4),
        ({"WEB_CONCURRENCY": "4", "REDIS_URL": REDIS}, 4),
        ({"REDIS_URL": REDIS}, os.cpu_count()),
    ],
)
def test_without_redis_there_is_one_worker_as_limits_would_add_up(monkeypatch, env, workers):
    assert configuration(monkeypatch, **env)["workers"] == workers


def test_it_listens_on_host_and_port(monkeypatch):
    assert configuration(monkeypatch)["bind"] == "127.0.0.1:8000"
    assert configuration(monkeypatch, HOST="::1", PORT="9000")["bind"] == "[::1]:9000"
    production = {"TASKAPI_ENV": "production", "SECRET_KEY": os.urandom(32).hex()}
    assert configuration(monkeypatch, **production)["bind"] == "0.0.0.0:8000"


def test_a_bad_setting_stops_it_with_a_sentence(tmp_path):
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        cwd=ROOT,
        env={**os.environ, "WEB_THREADS": "many", "FLASK_SKIP_DOTENV": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert "WEB_THREADS must be" in started.stderr
    assert "Traceback" not in started.stderr


def test_it_leaves_the_home_directory_alone_and_trusts_no_forwarded_scheme(live_server, tmp_path):
    server = live_server(HOME=str(tmp_path / "home"))
    request = urllib.request.Request(f"{server.url}/health")
    request.add_header("X-Forwarded-Proto", "https")
    request.add_header("X-Forwarded-For", "203.0.113.9")
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Strict-Transport-Security"] is None
        assert "/" not in (answer.headers["Server"] or "")
    assert not (tmp_path / "home").exists()
    assert "203.0.113.9" not in server.log()
    assert server.stop() == 0
