"""The service with the variables that platforms set."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from tests.support.servers import ROOT, free_port

pytestmark = pytest.mark.postgres

FORGED, CLIENT, EDGE = "198.51.100.66", "203.0.113.7", "192.0.2.40"
BY_PLATFORM = {"HOST": "", "TASKAPI_ENV": "", "BCRYPT_ROUNDS": "12"}


@pytest.fixture
def of_postgres(all_databases):
    """The URL of a database as platforms set it."""
    url = all_databases("postgres").fresh()
    assert url.startswith("postgresql://")
    return url.replace("postgresql://", "postgres://", 1)


def secret():
    return os.urandom(32).hex()  # as Heroku generates them


def has_workers(server, count):
    """Wait until the server has this number of workers, and check that it has no more."""
    master = psutil.Process(server.process.pid)
    for _ in range(100):
        if len(master.children()) >= count:
            break
        time.sleep(0.05)
    time.sleep(0.2)  # time for another worker to start
    return len(master.children()) == count


def listens_everywhere(server):
    found = {
        each.laddr.ip
        for worker in psutil.Process(server.process.pid).children()
        for each in worker.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    return found == {"0.0.0.0"}


def check_addresses(server, chain):
    """Assert that a forged X-Forwarded-For is ignored by the log and the limits."""
    answer = httpx.get(
        f"{server.url}/api/v1/tasks",
        headers={"X-Forwarded-For": chain, "X-Forwarded-Proto": "https"},
    )
    assert answer.status_code == 401
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    (line,) = [line for line in server.log().splitlines() if "/api/v1/tasks" in line]
    assert f'"address":"{CLIENT}"' in line
    assert answer.headers["X-RateLimit-Limit"] == "60"


def test_heroku_without_a_key_value_store(live_server, of_postgres):
    server = live_server(
        **BY_PLATFORM,
        DYNO="web.1",
        WEB_CONCURRENCY="2",  # set by its Python buildpack
        SECRET_KEY=secret(),
        DATABASE_URL=of_postgres,
        RATE_LIMIT_PER_MINUTE="",
    )
    assert listens_everywhere(server)
    assert has_workers(server, 1), "limits would add up"
    check_addresses(server, f"{FORGED}, {CLIENT}")
    assert httpx.get(f"{server.url}/health/detailed").json()["database"]["kind"] == "postgresql"


@pytest.mark.parametrize("platform", ["RENDER", "RAILWAY_ENVIRONMENT"])
def test_render_and_railway_with_trusted_proxies(live_server, of_postgres, redis_url, platform):
    server = live_server(
        **BY_PLATFORM,
        **{platform: "true"},
        TRUSTED_PROXIES="2",  # as in render.yaml
        WEB_CONCURRENCY="2",
        SECRET_KEY=secret(),
        DATABASE_URL=of_postgres,
        REDIS_URL=redis_url,
        RATE_LIMIT_PER_MINUTE="",
    )
    assert listens_everywhere(server)
    assert has_workers(server, 2)
    check_addresses(server, f"{FORGED}, {CLIENT}, {EDGE}")
    with redis.Redis.from_url(redis_url) as store:
        assert store.keys("taskapi:*"), "limits are counted there"


# --- Heroku's Key-Value Store: TLS with a self-signed certificate -------------------------------


@pytest.fixture
def tls_redis(tmp_path: Path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=somebody-else", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    port = free_port()
    process = subprocess.Popen(
        [
            *("redis-server", "--port", "0", "--tls-port", str(port), "--save", ""),
            *("--bind", "127.0.0.1", "--requirepass", "not-told", "--tls-auth-clients", "no"),
            *("--tls-cert-file", certificate, "--tls-key-file", key, "--dir", tmp_path),
        ],
        stdout=subprocess.DEVNULL,
    )
    url = f"rediss://:not-told@127.0.0.1:{port}"
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)
    with redis.Redis.from_url(
        f"{url}?ssl_cert_reqs=none", retry=retry, retry_on_error=[redis.ConnectionError]
    ) as connection:
        connection.ping()
        yield url, connection
    process.terminate()
    process.wait(10)


@pytest.mark.needs_tools
def test_heroku_with_its_key_value_store(live_server, of_postgres, tls_redis):
    url, store = tls_redis
    server = live_server(
        **BY_PLATFORM,
        DYNO="web.1",
        WEB_CONCURRENCY="2",
        SECRET_KEY=secret(),
        DATABASE_URL=of_postgres,
        REDIS_URL=url,
        RATE_LIMIT_PER_MINUTE="",
    )
    assert has_workers(server, 2)
    check_addresses(server, f"{FORGED}, {CLIENT}")
    assert [key for key in store.keys("*") if CLIENT.encode() in key]
    state = httpx.get(f"{server.url}/health/detailed").json()
    assert (state["status"], state["limiter"]["kind"]) == ("ok", "redis")
    assert "not-told" not in server.log()


@pytest.mark.needs_tools
def test_redis_certificates_are_verified_elsewhere(live_server, of_postgres, tls_redis):
    url, store = tls_redis
    env = {**BY_PLATFORM, "DATABASE_URL": of_postgres, "RATE_LIMIT_PER_MINUTE": ""}
    strict = live_server(**env, REDIS_URL=url, WEB_CONCURRENCY="1")
    assert httpx.get(f"{strict.url}/api/v1/tasks").status_code == 401  # with limits in memory
    assert httpx.get(f"{strict.url}/health/detailed").json()["limiter"]["status"] == "away"
    assert not store.dbsize()

    lax = live_server(**env, REDIS_URL=f"{url}?ssl_cert_reqs=none", WEB_CONCURRENCY="1")
    assert httpx.get(f"{lax.url}/api/v1/tasks").status_code == 401
    assert store.dbsize()


# --- the release phase --------------------------------------------------------------------------


def test_release_phase_can_be_repeated(databases, live_server):
    url = databases.blank()
    env = {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FLASK_SKIP_DOTENV": "1",
        "FLASK_APP": "wsgi.py",
        "TASKAPI_ENV": "production",
        "SECRET_KEY": secret(),
        "DATABASE_URL": url,
        "ADMIN_USERNAME": "chief",
        "ADMIN_PASSWORD": "Lighthouse-77",
    }
    (release,) = [
        line.partition(": ")[2]
        for line in (ROOT / "Procfile").read_text().splitlines()
        if line.startswith("release: ")
    ]
    said = [
        subprocess.run(
            ["sh", "-c", release], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert "Created admin chief" in said[0]
    assert "Admin chief already exists" in said[1]

    server = live_server(DATABASE_URL=url)
    signed_in = httpx.post(
        f"{server.url}/api/v1/auth/login",
        json={"username": "chief", "password": "Lighthouse-77"},
    )
    assert signed_in.json()["user"]["role"] == "admin"
