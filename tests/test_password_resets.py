"""Resetting a password: by a token that an admin hands out, which works once, for an hour."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from taskapi.database import Query
from taskapi.models.token import password_resets
from taskapi.moments import ago
from tests.support.calls import at_once, call
from tests.support.client import GOOD, code_of, login

OTHER = "Orchard-by-9-hills"


def reset_token(client, admin, user_id):
    answer = client.post(f"/users/{user_id}/reset-token", as_=admin)
    assert answer.status_code == 201
    return answer.get_json()


def reset(client, token, password=OTHER):
    return client.post("/auth/password/reset", json={"token": token, "new_password": password})


def test_a_reset_works_once_and_ends_all(client, alice, admin):
    personal = client.post("/auth/tokens", json={"name": "x", "scope": "read"}, as_=alice)
    made = reset_token(client, admin, alice.id)
    assert made.keys() == {"token", "expires_at"}
    answer = reset(client, made["token"])
    assert (answer.status_code, answer.data) == (204, b"")
    for token in (alice.token, personal.get_json()["token"]):
        assert client.get("/users/me", as_=token).status_code == 401
    assert client.post("/auth/refresh", as_=alice.refresh_token).status_code == 401
    assert login(client, "alice", alice.password).status_code == 401
    assert login(client, "alice", OTHER).status_code == 200
    again = reset(client, made["token"], "Another-7-one")
    assert again.status_code == 400
    assert again.get_json()["error"]["details"].keys() == {"token"}


def test_a_refused_new_password_uses_nothing_up(client, alice, admin):
    token = reset_token(client, admin, alice.id)["token"]
    assert reset(client, token, "weak").status_code == 400
    assert reset(client, token).status_code == 204


def test_a_reset_token_lives_an_hour(app, client, alice, admin):
    made = reset_token(client, admin, alice.id)
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 3590 < lives.total_seconds() <= 3600
    late = Query(text("UPDATE password_resets SET expires_at = :moment"))
    with app.app_context():
        assert late.run(moment=ago(seconds=1)) == 1
    assert reset(client, made["token"]).status_code == 400


def test_a_new_reset_token_replaces_the_one_before(client, alice, admin):
    first = reset_token(client, admin, alice.id)["token"]
    second = reset_token(client, admin, alice.id)["token"]
    assert reset(client, first).status_code == 400
    assert reset(client, second).status_code == 204


def test_a_reset_token_dies_with_a_change_of_the_password(client, alice, admin):
    token = reset_token(client, admin, alice.id)["token"]
    body = {"current_password": alice.password, "new_password": OTHER}
    assert client.post("/auth/password", json=body, as_=alice).status_code == 204
    assert reset(client, token, "Another-7-one").status_code == 400


@pytest.mark.parametrize("token", ["", "x", "x" * 200, "x" * 201, None, 5, "tsk_x", "\u00e9"])
def test_no_reset_token(client, alice, token):
    answer = reset(client, token)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")


def test_a_reset_token_is_kept_as_a_digest(app, client, alice, admin):
    token = reset_token(client, admin, alice.id)["token"]
    with app.app_context():
        (stored,) = Query(select(password_resets)).all()
    assert stored.user_id == alice.id
    assert token[:10] not in str(stored)


def test_a_reset_token_opens_nothing_else(client, alice, admin):
    token = reset_token(client, admin, alice.id)["token"]
    assert client.get("/users/me", as_=token).status_code == 401
    assert client.post("/auth/refresh", json={"refresh_token": token}).status_code == 401


def test_ten_uses_of_one_reset_token_at_once(live_server, make_app, secrets, databases):
    database = databases.fresh()
    url = live_server(DATABASE_URL=database, WEB_THREADS="12", DATABASE_POOL_SIZE="12").url
    secrets.learn(call(url, "POST", "/auth/register", {"username": "ana", "password": GOOD}).json)
    # A second instance of the application on the same database hands the token out.
    runner = make_app(DATABASE_URL=database).test_cli_runner()
    token = runner.invoke(args=["users", "reset-link", "ana"]).output.split('"')[3]
    secrets.learn({"token": token})
    acts = [
        lambda number=number: (
            call(
                url,
                "POST",
                "/auth/password/reset",
                {"token": token, "new_password": f"{OTHER}-{number}"},
            ).status
        )
        for number in range(10)
    ]
    statuses = at_once(acts)
    assert sorted(statuses) == [204] + [400] * 9
    winner = statuses.index(204)
    body = {"username": "ana", "password": f"{OTHER}-{winner}"}
    assert call(url, "POST", "/auth/login", body).status == 200
