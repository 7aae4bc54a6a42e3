"""Settings and their validation."""

import os
import re
import runpy
import secrets
import shutil
import stat
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from tests.support.live import environment
from tests.support.servers import ROOT

pytestmark = pytest.mark.sqlite

KEY = "E8R4R_VuwLCANXDUu5GNZPnZJsrrdS0gUKdXKf5UzuQuxrMTzbkZTIdNXAke9Yrz"
HEX = "3c5933033cffbd68081cdc64c15d4381aa1d4f38753ecff31d2a34d898d8024e"
PRODUCTION = {"TASKAPI_ENV": "production", "SECRET_KEY": KEY, "BCRYPT_ROUNDS": "12"}
POSTGRES = {"DATABASE_URL": "postgres://h/d"}

BAD = {
    "TASKAPI_ENV": ["prod", "Production", "test"],
    "SECRET_KEY": ["short", "x" * 31, f"{KEY},short", ","],
    "DATABASE_URL": [
        *("mysql://h/d", "nonsense", "postgresql", "postgresql://h:port/d", "postgresql://[::/d"),
        *("sqlite://", "sqlite:///", "sqlite:///:memory:"),
    ],
    "DATABASE_POOL_SIZE": ["0", "-1", "x", "1.5", "\u0663", "9" * 5000],
    "DATABASE_MAX_OVERFLOW": ["-1", "x"],
    "DATABASE_PREPARED": ["yes", "true", "2"],
    "DATABASE_STATEMENT_TIMEOUT": ["-1", "x", "1.5"],
    "ALLOW_EPHEMERAL_SQLITE": ["yes"],
    "REDIS_URL": ["http://h", "localhost:6379", "redis://h:port/0"],
    "RATE_LIMIT_PER_MINUTE": ["-1", "x", "60/minute", "1e3"],
    "RATE_LIMIT_AUTH_PER_MINUTE": ["-1", "ten"],
    "ACCESS_TOKEN_EXPIRE_MINUTES": ["0", "-5", "30m"],
    "REFRESH_TOKEN_EXPIRE_DAYS": ["0", "x"],
    "BCRYPT_ROUNDS": ["3", "17", "x"],
    "PASSWORD_MIN_LENGTH": ["7", "x"],
    "REGISTRATION": ["yes", "OPEN"],
    "CORS_ORIGINS": ["example.org", "https://a.example/path", "ftp://a", "https://[::"],
    "TRUSTED_PROXIES": ["-1", "all"],
    "PUBLIC_URL": ["example.org", "ftp://x", "https://", "https://[::"],
    "PORT": ["0", "65536", "http"],
    "WEB_CONCURRENCY": ["0", "x"],
    "WEB_THREADS": ["0", "x", "many"],
    "ALLOW_SPLIT_LIMITS": ["on"],
    "WORKER": ["on", "1"],
    "WEBHOOK_ALLOW_PRIVATE": ["true"],
    "LOG_LEVEL": ["LOUD", "5"],
}
FREE_TEXT = {
    *("HOST", "METRICS_TOKEN", "SENTRY_DSN"),
    *("ADMIN_USERNAME", "ADMIN_EMAIL", "ADMIN_PASSWORD"),
}


@pytest.fixture
def refusal(make_app):
    """`refusal(**env)` returns the error that prevents the start with these variables."""

    def of(**env):
        with pytest.raises(Exception, match=r"^[A-Z_]+ must ") as caught:
            make_app(**env)
        said = str(caught.value)
        assert caught.type.__name__ == "ConfigError", said
        assert "\n" not in said
        return said

    return of


def test_invalid_value_is_rejected_with_its_name(refusal):
    offered = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert BAD.keys() | FREE_TEXT == set(offered)
    for name, values in BAD.items():
        for value in values:
            said = refusal(**{"REDIS_URL": "redis://h", name: value})
            assert said.startswith(f"{name} must be"), said
            assert "Exceeds" not in said
            assert "Invalid" not in said


@pytest.mark.parametrize("given", [{"BCRYPT_ROUNDS": 3}, {"PORT": [1]}, {"PORT": False}], ids=str)
def test_invalid_value_in_config_is_rejected(refusal, given):
    assert refusal(**given).startswith(f"{next(iter(given))} must be")


def test_config_accepts_values_and_flask_settings(make_app, make_client, alice):
    app = make_app(DATABASE_PREPARED=False, RATE_LIMIT_PER_MINUTE=7, REDIS_URL=None, TESTING=True)
    answer = make_client(app).get("/users/me", as_=alice)
    assert answer.headers["X-RateLimit-Limit"] == "7"
    assert app.testing


@pytest.mark.parametrize(
    ("key", "is_accepted"),
    [
        ("", False),
        ("short", False),
        ("x" * 31, False),
        ("x" * 64, False),
        ("0123456789abcdef0123456789abcdef", False),
        ("Ab3$" * 12, False),
        ("change-me" * 5, False),
        ("please-change-me-please-change-me-please", False),
        ("your_super_secret_key_that_is_long_enough", False),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", False),
        (f"{KEY},short", False),
        (f"{KEY},please-change-me-please-change-me-please", False),
        (KEY, True),
        (HEX, True),
        (f"{KEY}, {HEX}", True),
    ],
)
def test_production_requires_a_secret_key(refusal, key, is_accepted):
    # BCRYPT_ROUNDS is checked after the key, so this error means that the key is accepted.
    said = refusal(**PRODUCTION | {"SECRET_KEY": key, "BCRYPT_ROUNDS": "11"})
    assert said.startswith("BCRYPT_ROUNDS must" if is_accepted else "SECRET_KEY must"), said


def test_random_secrets_are_not_weak(refusal):
    for _ in range(1000):
        for key in (secrets.token_urlsafe(32), secrets.token_hex(32)):
            said = refusal(**PRODUCTION | {"SECRET_KEY": key, "BCRYPT_ROUNDS": "11"})
            assert said.startswith("BCRYPT_ROUNDS must"), key


@pytest.mark.parametrize("platform", ["DYNO", "RENDER", "RAILWAY_ENVIRONMENT"])
def test_platform_requirements(refusal, make_app, platform):
    env = {**PRODUCTION, **POSTGRES, "TASKAPI_ENV": "development", platform: "web.1"}
    if platform != "DYNO":  # Heroku has one proxy; elsewhere the number varies
        assert refusal(**env).startswith("TRUSTED_PROXIES must be set")
        env["TRUSTED_PROXIES"] = "0"
    assert refusal(**env | {"SECRET_KEY": ""}).startswith("SECRET_KEY must"), "it is production"
    make_app(**env)
    if platform != "RAILWAY_ENVIRONMENT":
        env["DATABASE_URL"] = ""
        assert refusal(**env).startswith("DATABASE_URL must be a PostgreSQL URL")
        make_app(**env, ALLOW_EPHEMERAL_SQLITE="1")


def test_the_defaults(make_app, make_client, rows):
    names = ("BCRYPT_ROUNDS", "RATE_LIMIT_PER_MINUTE", "RATE_LIMIT_AUTH_PER_MINUTE")
    client = make_client(make_app(**dict.fromkeys(names, "")))
    weak = client.post("/auth/register", json={"username": "ana", "password": "Lant-n7"})
    assert weak.status_code == 400
    assert weak.headers["X-RateLimit-Limit"] == "10"
    made = client.post("/auth/register", json={"username": "ana", "password": "Lant-n78"})
    assert made.status_code == 201, "registration is open, and 8 characters are enough"
    assert made.get_json()["expires_in"] == 30 * 60
    me = client.get("/users/me", as_=made.get_json()["access_token"])
    assert me.headers["X-RateLimit-Limit"] == "60"
    assert rows.value("SELECT password_hash FROM users").startswith("$2b$12$")
    sessions = client.get("/auth/sessions", as_=made.get_json()["access_token"]).get_json()
    begin, end = (sessions["items"][0][name][:19] for name in ("created_at", "expires_at"))
    assert datetime.fromisoformat(end) - datetime.fromisoformat(begin) == timedelta(days=30)


def test_development_generates_and_keeps_a_secret(tmp_path):
    shutil.copytree(ROOT / "taskapi", tmp_path / "taskapi")
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    path = tmp_path / "instance" / "secret_key"
    kept = []
    for _ in range(2):
        code = "from wsgi import app; print(app.config['JWT_SECRET_KEY'])"
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment({}),
            capture_output=True,
            check=True,
        )
        kept.append((path.read_text().strip(), ran.stdout.decode().strip()))
    assert len(set(kept)) == 1
    assert len(kept[0][0]) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- gunicorn.conf.py --------------------------------------------------------------------------


@pytest.fixture
def configuration(monkeypatch):
    """`configuration(**env)` returns the settings in gunicorn.conf.py."""

    def read(**env):
        for name in ("HOST", "PORT", "WEB_CONCURRENCY", "WEB_THREADS", "REDIS_URL", "TASKAPI_ENV"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"SECRET_KEY": KEY, **env}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "gunicorn.conf.py"))

    return read


@pytest.mark.parametrize(
    ("env", "workers"),
    [
        ({}, 1),
        ({"WEB_CONCURRENCY": "4"}, 1),
        ({"WEB_CONCURRENCY": "4", "ALLOW_SPLIT_LIMITS": "1"}, 4),
        ({"WEB_CONCURRENCY": "4", "REDIS_URL": "redis://h"}, 4),
        ({"REDIS_URL": "redis://h"}, os.cpu_count()),
    ],
)
def test_one_worker_without_redis(configuration, env, workers):
    assert configuration(**env)["workers"] == workers


def test_it_listens_on_host_and_port(configuration):
    assert configuration()["bind"] == "127.0.0.1:8000"
    assert configuration(PORT="")["bind"] == "127.0.0.1:8000"
    assert configuration(HOST="::1", PORT="9000")["bind"] == "[::1]:9000"
    assert configuration(**PRODUCTION)["bind"] == "0.0.0.0:8000"
