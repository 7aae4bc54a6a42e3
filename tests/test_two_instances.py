"""Two instances on one Postgres and one Redis are one service."""

import pytest

from tests.support.calls import call
from tests.support.client import GOOD


@pytest.fixture
def backend():
    return "postgres"


@pytest.fixture
def pair(live_server, databases, redis_url, make_app, secrets):
    settings = {"DATABASE_URL": databases.fresh(), "REDIS_URL": redis_url, "WEB_CONCURRENCY": "2"}
    settings["RATE_LIMIT_PER_MINUTE"] = "40"
    urls = [live_server(**settings).url for _ in range(2)]
    runner = make_app(DATABASE_URL=settings["DATABASE_URL"]).test_cli_runner()

    def sign_up(name, *, admin=False):
        body = {"username": name, "password": GOOD}
        made = call(urls[0], "POST", "/auth/register", body).json
        secrets.learn(made)
        if admin:
            assert runner.invoke(args=["users", "promote", name]).exit_code == 0
        return made["user"]["id"], made["access_token"], made["refresh_token"]

    return urls, sign_up


def test_what_happens_on_one_holds_on_the_other_at_once(pair):
    (one, two), sign_up = pair
    _, boss, _ = sign_up("boss", admin=True)

    def status(url, path, token):
        return call(url, "GET", path, token=token).status

    _, token, refresh = sign_up("logout")
    assert status(two, "/users/me", token) == 200
    assert call(one, "POST", "/auth/logout", token=token).status == 204
    assert status(two, "/users/me", token) == 401
    assert call(two, "POST", "/auth/refresh", {"refresh_token": refresh}).status == 401

    number, token, _ = sign_up("disable")
    assert status(two, "/users/me", token) == 200
    off = call(one, "PATCH", f"/users/{number}", {"is_active": False}, token=boss)
    assert off.status == 200
    assert status(two, "/users/me", token) == 401

    number, token, _ = sign_up("demote", admin=True)
    assert status(two, "/users", token) == 200
    assert call(one, "PATCH", f"/users/{number}", {"role": "user"}, token=boss).status == 200
    assert status(two, "/users", token) == 403

    _, _, first = sign_up("refresh")
    answers = [call(url, "POST", "/auth/refresh", {"refresh_token": first}) for url in (one, two)]
    assert answers[0].json["refresh_token"] == answers[1].json["refresh_token"]


def test_the_rate_limit_is_one(pair):
    (one, two), sign_up = pair
    _, token, _ = sign_up("ana")
    got = [call((one, two)[n % 2], "GET", "/users/me", token=token).status for n in range(44)]
    assert got == [200] * 40 + [429] * 4


def test_failed_logins_are_one_count(pair):
    (one, two), sign_up = pair
    sign_up("ana")
    wrong = {"username": "ana", "password": "Wrong-1-password"}
    got = [call((one, two)[n % 2], "POST", "/auth/login", wrong).status for n in range(12)]
    assert got == [401] * 10 + [429] * 2
