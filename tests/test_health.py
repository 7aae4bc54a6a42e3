"""Health checks."""

import socket
import time

import pytest

from tests.support.servers import free_port


@pytest.mark.sqlite
def test_health_touches_nothing(make_app):
    away = make_app(
        DATABASE_URL=f"postgresql://nobody:known@127.0.0.1:{free_port()}/none",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}",
    )
    answer = away.test_client().get("/health")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_healthy_service(root):
    answer = root.get("/health/detailed")
    assert answer.status_code == 200
    report = answer.get_json()
    assert report["status"] == "ok"
    assert report["database"]["status"] == "ok"
    assert report["database"]["is_at_head"] is True
    assert report["database"]["latency_ms"] >= 0
    assert report["limiter"]["status"] == "ok"
    assert report["version"]
    assert report["uptime_seconds"] >= 0


def detailed(app):
    started = time.monotonic()
    answer = app.test_client().get("/health/detailed")
    assert time.monotonic() - started < 2
    return answer


@pytest.mark.sqlite
def test_unavailable_database_is_a_503(make_app):
    url = f"postgresql://nobody:known@127.0.0.1:{free_port()}/none"
    answer = detailed(make_app(DATABASE_URL=url))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.get_json()["status"] == "unavailable"
    assert answer.get_json()["database"] == {"status": "away"}
    assert "known" not in answer.text


@pytest.mark.sqlite
def test_frozen_database_is_a_503_within_two_seconds(make_app):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        app = make_app(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none")
        for _ in range(3):
            answer = detailed(app)
            assert answer.status_code == 503
        assert app.test_client().get("/health").status_code == 200


@pytest.mark.sqlite
def test_unavailable_limiter_storage_is_degraded(make_app):
    app = make_app(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    answer = detailed(app)
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "degraded"
    assert answer.get_json()["limiter"] == {"status": "away"}


def test_missing_migrations_are_reported(make_app, databases):
    report = detailed(make_app(DATABASE_URL=databases.blank())).get_json()
    assert report["database"]["status"] == "away" or not report["database"]["is_at_head"]


@pytest.mark.sqlite
def test_report_is_cached_for_a_second(make_app):
    def latency():
        answer = client.get("/health/detailed")
        assert answer.status_code == 200
        return [answer.json[part]["latency_ms"] for part in ("database", "limiter", "queue")]

    client = make_app().test_client()
    first = latency()
    assert latency() == first
    time.sleep(1.1)  # the second is over
    assert latency() != first


@pytest.mark.sqlite
def test_requests_without_database_get_503_with_retry_after(make_app, alice):
    url = f"postgresql://nobody:known@127.0.0.1:{free_port()}/none"
    client = make_app(DATABASE_URL=url).test_client()
    body = {"username": "alice", "password": alice.password}
    for answer in (
        client.post("/api/v1/auth/login", json=body),
        client.get("/api/v1/users/me", headers=alice.headers),
    ):
        assert answer.status_code == 503
        assert answer.get_json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) > 0
        assert "known" not in answer.text
