"""Sessions: refresh, rotation, reuse detection, logout, lists."""

import time
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from tests.support.calls import at_once
from tests.support.client import GOOD, code_of, walk
from tests.support.rows import ago


def refresh(client, token):
    return client.post("/auth/refresh", json={"refresh_token": token})


def is_in(client, token):
    return client.get("/users/me", as_=token).status_code == 200


@pytest.fixture
def set_back(rows):
    """`set_back("rotated_at", 61)` sets a time to this number of seconds ago."""

    def run(column, seconds):
        assert rows.run(f"UPDATE sessions SET {column} = :t", t=ago(seconds=seconds)) > 0

    return run


# --- refreshing ---------------------------------------------------------------------------------


def test_refresh_returns_new_tokens_and_user(client, alice):
    answer = refresh(client, alice.refresh_token)
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    assert body["user"]["id"] == alice.id
    assert body["refresh_token"] != alice.refresh_token
    assert is_in(client, body["access_token"])
    assert is_in(client, alice.token), "the old access token lives as long as its session"


@pytest.mark.sqlite
def test_the_refresh_token_as_bearer(client, alice):
    options: dict[str, Any]
    for options in ({}, {"json": {}}):
        answer = client.post("/auth/refresh", as_=alice.refresh_token, **options)
        assert answer.status_code == 200
        assert code_of(client.post("/auth/refresh", **options)) == "UNAUTHORIZED"


@pytest.mark.sqlite
def test_the_oauth2_refresh_form(client, alice):
    form = {"grant_type": "refresh_token", "refresh_token": alice.refresh_token}
    for path in ("/auth/refresh", "/auth/login"):
        answer = client.post(path, data=form)
        assert answer.status_code == 200, path
        assert answer.get_json()["user"]["id"] == alice.id


def test_previous_refresh_token_returns_the_same_successor(client, cast, alice):
    other = cast.sign_in("alice", alice.password)
    second = refresh(client, alice.refresh_token).get_json()
    for _ in range(3):
        again = refresh(client, alice.refresh_token)
        assert again.status_code == 200
        assert again.get_json()["refresh_token"] == second["refresh_token"]
        assert is_in(client, again.get_json()["access_token"])
    third = refresh(client, second["refresh_token"]).get_json()
    assert refresh(client, second["refresh_token"]).status_code == 200, "the predecessor"
    answer = refresh(client, alice.refresh_token)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    for token in (alice.token, second["access_token"], third["access_token"]):
        assert not is_in(client, token)
    assert code_of(refresh(client, third["refresh_token"])) == "TOKEN_REVOKED"
    assert is_in(client, other.token), "only that session has ended"
    assert refresh(client, other.refresh_token).status_code == 200


def test_previous_refresh_token_ends_the_session_after_a_minute(client, alice, set_back):
    second = refresh(client, alice.refresh_token).get_json()
    set_back("rotated_at", 55)
    assert refresh(client, alice.refresh_token).status_code == 200
    set_back("rotated_at", 61)
    answer = refresh(client, alice.refresh_token)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    assert not is_in(client, second["access_token"])


def test_a_session_expires(client, alice, set_back):
    set_back("expires_at", 1)
    assert code_of(refresh(client, alice.refresh_token)) == "TOKEN_REVOKED"
    assert not is_in(client, alice.token)


@pytest.mark.sqlite
def test_token_lifetimes(client, alice, make_app, make_client):
    def days(token):
        (session,) = client.get("/auth/sessions", as_=token).get_json()["items"]
        lives = [datetime.fromisoformat(session[name]) for name in ("created_at", "expires_at")]
        return (lives[1] - lives[0]).total_seconds() / 86400

    assert days(alice.token) == pytest.approx(30, abs=0.001)
    other = make_client(make_app(REFRESH_TOKEN_EXPIRE_DAYS="2", ACCESS_TOKEN_EXPIRE_MINUTES="5"))
    made = other.post("/auth/register", json={"username": "ana", "password": GOOD}).get_json()
    assert made["expires_in"] == 300
    assert days(made["access_token"]) == pytest.approx(2, abs=0.001)


@pytest.mark.sqlite
def test_database_contains_no_valid_token(rows, client, alice):
    refresh(client, alice.refresh_token)
    stored = str(rows.all("SELECT * FROM sessions"))
    assert str(alice.id) in stored
    for part in (*alice.token.split("."), *alice.refresh_token.split(".")):
        assert len(part) < 12 or part not in stored


@pytest.mark.sqlite
def test_forged_refresh_tokens(client, alice, bob):
    mine, theirs = alice.refresh_token, bob.refresh_token
    forged = ["x", "..", "1.1.", "1.1", "a.b.c", "1.1.1.1", "-1.1.x", "0.0.x", "\uff11.1.x"]
    forged += [f"1.1.{'x' * 43}", f"{'9' * 19}.1.x", f"1.{'9' * 100}.x", mine[:-1], mine + "x"]
    forged += [mine[:10], theirs[: theirs.rindex(".")] + mine[mine.rindex(".") :], mine.swapcase()]
    forged += ["9" + mine, alice.token[:200]]
    for token in forged:
        for path in ("/auth/refresh", "/auth/logout"):
            answer = client.post(path, json={"refresh_token": token})
            assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN"), token
    long = ("1." + "9" * 20_000 + ".x", "9" * 20_000 + ".1.x", "1.1." + "x" * 40_000)
    for token in (*long, alice.token):
        answer = client.post("/auth/refresh", as_=token)
        assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN"), token[:50]
    for person in (alice, bob):
        assert is_in(client, person.token), "a forged token must not end it"


# --- signing out --------------------------------------------------------------------------------


NEW = "Orchard-by-9-hills"
ENDS = {
    "logout": "this",
    "logout-all": "this other",
    "new password": "other personal reset",
    "reset": "this other personal reset",
    "admin's new password": "this other personal reset",
    "set-password": "this other personal reset",
    "disabled by an admin": "this other",
    "disable": "this other",
    "deletion": "this other personal reset",
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_sessions_personal_tokens_and_reset_tokens(app, client, cast, alice, admin, what):
    path, me = f"/users/{alice.id}", {"current_password": alice.password}
    other = cast.sign_in("alice", alice.password)
    token = client.post("/auth/tokens", json={"name": "n", "scope": "read"}, as_=alice).json
    offered = {"new_password": NEW, **client.post(f"{path}/reset-token", as_=admin).json}
    del offered["expires_at"]

    def flask(command, *options):
        args = ["users", command, "alice", *options]
        assert app.test_cli_runner().invoke(args=args, input=NEW).exit_code == 0

    acts = {
        "logout": lambda: client.post("/auth/logout", as_=alice),
        "logout-all": lambda: client.post("/auth/logout-all", as_=alice),
        "new password": lambda: client.post(
            "/auth/password", json={**me, "new_password": NEW}, as_=alice
        ),
        "reset": lambda: client.post("/auth/password/reset", json=offered),
        "admin's new password": lambda: client.patch(path, json={"password": NEW}, as_=admin),
        "set-password": lambda: flask("set-password", "--password-stdin"),
        "disabled by an admin": lambda: client.patch(path, json={"is_active": False}, as_=admin),
        "disable": lambda: flask("disable"),
        "deletion": lambda: client.delete("/users/me", json=me, as_=alice),
    }
    answer = acts[what]()
    if answer is not None and "disabled" not in what and "admin" not in what:
        assert (answer.status_code, answer.data) == (204, b"")
        assert "Content-Type" not in answer.headers
    sent = {"this": alice.token, "other": other.token, "personal": token["token"]}
    if "disable" in what:
        assert not any(is_in(client, each) for each in sent.values())
        flask("enable")
    ended = {name for name, each in sent.items() if not is_in(client, each)}
    for name, person in (("this", alice), ("other", other)):
        answer = refresh(client, person.refresh_token)
        assert answer.status_code == (401 if name in ended else 200)
    if client.post("/auth/password/reset", json=offered).status_code == 400:
        ended.add("reset")
    assert ended == set(ENDS[what].split())
    assert is_in(client, admin.token)


@pytest.mark.sqlite
def test_logout_by_refresh_token_alone_or_by_nothing(client, cast, alice):
    for access_token in (None, "expired.or.nonsense"):
        session = cast.sign_in("alice", alice.password)
        body = {"refresh_token": session.refresh_token}
        for _ in range(2):
            answer = client.post("/auth/logout", json=body, as_=access_token)
            assert answer.status_code == 204, "also where it has ended already"
        assert not is_in(client, session.token)
    options: dict[str, Any]
    for options in ({}, {"json": {}}):
        assert code_of(client.post("/auth/logout", **options)) == "UNAUTHORIZED"
    assert client.post("/auth/logout", json={"foo": 1}, as_=alice).status_code == 400
    assert client.post("/auth/logout", json={"refresh_token": None}).status_code == 400
    assert is_in(client, alice.token)


# --- the list of sessions -----------------------------------------------------------------------


def test_active_sessions(client, alice, bob):
    agent = "Test browser/1.0 " + "x" * 300
    second = client.post(
        "/auth/login",
        json={"username": "alice", "password": alice.password},
        headers={"User-Agent": agent},
        environ_overrides={"REMOTE_ADDR": "192.0.2.77"},
    ).get_json()
    page = client.get("/auth/sessions", as_=second["access_token"]).get_json()
    assert page["total"] == 2
    here, there = page["items"]
    assert here.keys() >= {"id", "created_at", "last_used_at", "address", "agent", "current"}
    assert (here["current"], there["current"]) == (True, False)
    assert (here["address"], here["agent"]) == ("192.0.2.77", agent[:200])
    assert "token" not in str(page)

    path = f"/auth/sessions/{here['id']}"
    assert client.delete(path, as_=bob).status_code == 404
    assert is_in(client, second["access_token"])
    assert client.delete(path, as_=alice).status_code == 204
    assert not is_in(client, second["access_token"])
    assert client.delete(path, as_=alice).status_code == 404
    assert client.get("/auth/sessions", as_=alice).get_json()["total"] == 1


@pytest.mark.sqlite
def test_pages_of_sessions_and_invalid_ids(client, cast, alice):
    for _ in range(4):
        cast.sign_in("alice", alice.password)
    seen = [each["id"] for each in walk(client, alice, "/auth/sessions?limit=2")]
    assert len(seen) == len(set(seen)) == 5
    for number in ("0", "-1", "abc", "9223372036854775808", "1.0", "٣", "01"):
        for kind in ("sessions", "tokens"):
            answer = client.delete(f"/auth/{kind}/{number}", as_=alice)
            assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND"), number


def test_last_used_at_is_accurate_to_five_minutes(client, alice, set_back):
    def last_used():
        client.get("/users/me", as_=alice)
        (session,) = client.get("/auth/sessions", as_=alice).get_json()["items"]
        return session["last_used_at"]

    set_back("last_used_at", 240)
    before = last_used()
    assert last_used() == before, "not written at each request"
    set_back("last_used_at", 301)
    assert last_used() > before


@pytest.mark.slow_on_sqlite
def test_failed_update_of_last_used_at_fails_no_request(client, rows, alice, set_back):
    set_back("last_used_at", 600)
    with rows.connection() as held:
        held.execute("UPDATE sessions SET agent = 'held'")
        started = time.monotonic()
        assert is_in(client, alice.token)
        assert time.monotonic() - started < 8


# --- at the same moment -------------------------------------------------------------------------


@pytest.fixture
def refreshing(app, make_client):
    """`refreshing(token)` returns a function for `at_once` with a new client."""
    return lambda token: partial(refresh, make_client(app), token)


def test_concurrent_uses_of_a_refresh_token(client, alice, refreshing):
    answers = at_once([refreshing(alice.refresh_token) for _ in range(12)])
    assert [answer.status_code for answer in answers] == [200] * 12
    (successor,) = {answer.get_json()["refresh_token"] for answer in answers}
    assert all(is_in(client, answer.get_json()["access_token"]) for answer in answers)
    third = refresh(client, successor).get_json()
    assert third["refresh_token"] != successor
    assert refresh(client, alice.refresh_token).status_code == 401, "theft"
    assert not is_in(client, third["access_token"])


def test_concurrent_use_of_a_stolen_token(client, cast, alice, refreshing):
    for _ in range(3):
        first = cast.sign_in("alice", alice.password).refresh_token
        second = refresh(client, first).get_json()["refresh_token"]
        third = refresh(client, second).get_json()
        old, new = first, third["refresh_token"]
        answers = at_once([refreshing(token) for token in (old, new, old, new)])
        assert answers[0].status_code == answers[2].status_code == 401
        assert not is_in(client, third["access_token"])


def test_logout_during_refreshes(app, client, make_client, cast, alice, refreshing):
    for _ in range(3):
        first = cast.sign_in("alice", alice.password)
        acts = [refreshing(first.refresh_token) for _ in range(6)]
        acts.append(partial(make_client(app).post, "/auth/logout", as_=first))
        *refreshed, logout = at_once(acts)
        assert logout.status_code == 204
        assert {answer.status_code for answer in refreshed} <= {200, 401}
        tokens = [a.get_json()["access_token"] for a in refreshed if a.status_code == 200]
        assert not any(is_in(client, token) for token in (first.token, *tokens))
