"""Sessions: refreshing with rotation, theft, signing out, and where one is signed in."""

import threading
import time
from datetime import datetime

import pytest
from sqlalchemy import select, text

from taskapi.database import Query, transaction
from taskapi.models.session import sessions
from taskapi.moments import ago
from tests.support.client import GOOD, ApiClient, code_of


def refresh(client, token):
    return client.post("/auth/refresh", json={"refresh_token": token})


def is_in(client, token):
    return client.get("/users/me", as_=token).status_code == 200


@pytest.fixture
def set_back(app):
    """`set_back("rotated_at", 61)`: as if it had happened so many seconds earlier."""

    def run(column: str, seconds: float) -> None:
        statement = Query(text(f"UPDATE sessions SET {column} = :moment"))
        with app.app_context():
            assert statement.run(moment=ago(seconds=seconds)) > 0

    return run


def test_refreshing_gives_a_new_pair_and_the_user(client, alice):
    answer = refresh(client, alice.refresh_token)
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["token_type"] == "bearer"
    assert body["user"]["id"] == alice.id
    assert body["refresh_token"] != alice.refresh_token
    assert is_in(client, body["access_token"])
    assert is_in(client, alice.token), "the old access token lives as long as its session"


def test_the_refresh_token_may_come_as_bearer(client, alice):
    assert client.post("/auth/refresh", as_=alice.refresh_token).status_code == 200
    assert client.post("/auth/refresh", json={}, as_=alice.refresh_token).status_code == 200
    answer = client.post("/auth/refresh")
    assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")


def test_the_one_before_yields_the_same_successor(client, alice):
    first = refresh(client, alice.refresh_token).get_json()
    for _ in range(3):
        again = refresh(client, alice.refresh_token)
        assert again.status_code == 200
        assert again.get_json()["refresh_token"] == first["refresh_token"]
        assert is_in(client, again.get_json()["access_token"])


def test_the_one_before_is_theft_once_its_successor_was_used(client, alice):
    second = refresh(client, alice.refresh_token).get_json()
    third = refresh(client, second["refresh_token"]).get_json()
    assert refresh(client, second["refresh_token"]).status_code == 200, "the one before"
    answer = refresh(client, alice.refresh_token)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    for token in (alice.token, second["access_token"], third["access_token"]):
        assert not is_in(client, token)
    assert code_of(refresh(client, third["refresh_token"])) == "TOKEN_REVOKED"


def test_theft_ends_only_that_session(client, cast, alice):
    other = cast.sign_in("alice", alice.password)
    second = refresh(client, alice.refresh_token).get_json()
    refresh(client, second["refresh_token"])
    refresh(client, alice.refresh_token)
    assert is_in(client, other.token)
    assert refresh(client, other.refresh_token).status_code == 200


def test_the_one_before_is_theft_after_a_minute(client, alice, set_back):
    second = refresh(client, alice.refresh_token).get_json()
    set_back("rotated_at", 59)
    assert refresh(client, alice.refresh_token).status_code == 200
    set_back("rotated_at", 61)
    answer = refresh(client, alice.refresh_token)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    assert not is_in(client, second["access_token"])


def test_a_session_expires(client, alice, set_back):
    set_back("expires_at", 1)
    assert code_of(refresh(client, alice.refresh_token)) == "TOKEN_REVOKED"
    assert not is_in(client, alice.token)


def test_a_refresh_token_lives_as_long_as_is_set(make_app, make_client):
    client = make_client(make_app(REFRESH_TOKEN_EXPIRE_DAYS="2", ACCESS_TOKEN_EXPIRE_MINUTES="5"))
    made = client.post("/auth/register", json={"username": "ana", "password": GOOD}).get_json()
    assert made["expires_in"] == 300
    (session,) = client.get("/auth/sessions", as_=made["access_token"]).get_json()["items"]
    assert (
        session["created_at"][:8] == session["expires_at"][:8]
        or session["expires_at"] > (session["created_at"])
    )
    lives = datetime.fromisoformat(session["expires_at"]) - datetime.fromisoformat(
        session["created_at"]
    )
    assert abs(lives.total_seconds() - 2 * 86400) < 5


def test_nothing_usable_lies_in_the_database(app, client, alice):
    refresh(client, alice.refresh_token)
    with app.app_context():
        stored = str(Query(select(sessions)).all())
    assert str(alice.id) in stored
    for part in (*alice.token.split("."), alice.refresh_token.split(".")[2]):
        assert part not in stored


def test_refreshing_helps_no_disabled_user(client, alice, admin):
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    assert code_of(refresh(client, alice.refresh_token)) == "TOKEN_REVOKED"
    client.patch(f"/users/{alice.id}", json={"is_active": True}, as_=admin)
    assert code_of(refresh(client, alice.refresh_token)) == "TOKEN_REVOKED", "it has ended"
    assert not is_in(client, alice.token)


def test_logout_by_access_token(client, cast, alice):
    other = cast.sign_in("alice", alice.password)
    answer = client.post("/auth/logout", as_=alice)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    answer = client.get("/users/me", as_=alice)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    assert code_of(refresh(client, alice.refresh_token)) == "TOKEN_REVOKED"
    assert code_of(client.post("/auth/logout", as_=alice)) == "TOKEN_REVOKED"
    assert is_in(client, other.token)


def test_logout_by_refresh_token_alone(client, alice, bob):
    body = {"refresh_token": alice.refresh_token}
    assert client.post("/auth/logout", json=body).status_code == 204
    assert not is_in(client, alice.token)
    assert client.post("/auth/logout", json=body).status_code == 204, "it is over all the same"
    assert is_in(client, bob.token)


def test_logout_by_refresh_token_whatever_the_access_token(client, alice, bob):
    body = {"refresh_token": alice.refresh_token}
    assert client.post("/auth/logout", json=body, as_="expired.or.nonsense").status_code == 204
    assert not is_in(client, alice.token)
    assert is_in(client, bob.token)


def test_logout_without_anything(client, alice):
    assert code_of(client.post("/auth/logout")) == "UNAUTHORIZED"
    assert code_of(client.post("/auth/logout", json={})) == "UNAUTHORIZED"
    assert client.post("/auth/logout", json={"foo": 1}, as_=alice).status_code == 400
    assert client.post("/auth/logout", json={"refresh_token": None}).status_code == 400
    assert is_in(client, alice.token)


def test_logout_everywhere(client, cast, alice, bob):
    people = [alice] + [cast.sign_in("alice", alice.password) for _ in range(3)]
    assert client.post("/auth/logout-all", as_=people[2]).status_code == 204
    for person in people:
        assert not is_in(client, person.token)
        assert code_of(refresh(client, person.refresh_token)) == "TOKEN_REVOKED"
    assert is_in(client, bob.token)


def test_where_am_i_signed_in(app, client, cast, alice, bob):
    headers = {"User-Agent": "Test browser/1.0 " + "x" * 300}
    body = {"username": "alice", "password": alice.password}
    environ = {"REMOTE_ADDR": "192.0.2.77"}
    second = client.post(
        "/auth/login", json=body, headers=headers, environ_overrides=environ
    ).get_json()
    page = client.get("/auth/sessions", as_=second["access_token"]).get_json()
    assert page.keys() == {"items", "total", "skip", "limit", "next_cursor"}
    assert page["total"] == 2
    here, there = page["items"]
    assert here.keys() >= {"id", "created_at", "last_used_at", "address", "agent", "current"}
    assert (here["current"], there["current"]) == (True, False)
    assert here["address"] == "192.0.2.77"
    assert here["agent"] == headers["User-Agent"][:200]
    assert "token" not in str(page)


def test_ending_one_session(client, cast, alice, bob):
    other = cast.sign_in("alice", alice.password)
    found = client.get("/auth/sessions", as_=alice).get_json()["items"]
    number = next(each["id"] for each in found if not each["current"])
    assert client.delete(f"/auth/sessions/{number}", as_=bob).status_code == 404
    assert is_in(client, other.token)
    assert client.delete(f"/auth/sessions/{number}", as_=alice).status_code == 204
    assert not is_in(client, other.token)
    assert client.delete(f"/auth/sessions/{number}", as_=alice).status_code == 404
    assert client.get("/auth/sessions", as_=alice).get_json()["total"] == 1


@pytest.mark.parametrize("number", ["0", "-1", "abc", "9223372036854775808", "1.0", "٣", "01"])
def test_ids_that_are_none(client, alice, number):
    for kind in ("sessions", "tokens"):
        answer = client.delete(f"/auth/{kind}/{number}", as_=alice)
        assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")


def test_sessions_come_in_pages(client, cast, alice):
    for _ in range(4):
        cast.sign_in("alice", alice.password)
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/auth/sessions?limit=2&cursor={cursor}", as_=alice).get_json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5


def test_last_use_is_right_to_five_minutes(client, alice, set_back):
    set_back("last_used_at", 240)

    def last_used() -> str:
        client.get("/users/me", as_=alice)
        (session,) = client.get("/auth/sessions", as_=alice).get_json()["items"]
        used: str = session["last_used_at"]
        return used

    assert last_used() == last_used(), "not written at each request"
    before = last_used()
    set_back("last_used_at", 301)
    assert last_used() > before


def test_one_query_tells_who_is_calling(client, alice, statements):
    client.get("/users/me", as_=alice)
    with statements() as seen:
        client.get("/users/me", as_=alice)
    assert len([sql for sql in seen if "sessions" in sql]) == 1
    assert len(seen) == 2, "the caller, and the user that was asked for"


def test_an_access_tokens_use_never_waits_for_a_writer(client: ApiClient, app, alice, set_back):
    """Noting the last use may fail, for as long as it likes; the request does not."""
    set_back("last_used_at", 600)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), transaction():
            Query(text("UPDATE sessions SET agent = 'held'")).run()
            held.set()
            done.wait(15)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(5)
        started = time.monotonic()
        assert client.get("/users/me", as_=alice).status_code == 200
        assert time.monotonic() - started < 8
    finally:
        done.set()
        holder.join()
