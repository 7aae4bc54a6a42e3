"""Personal access tokens: made, shown once, limited by their scope, taken back."""

import pytest
from sqlalchemy import select, text

from taskapi.database import Query
from taskapi.models.token import tokens
from taskapi.moments import ago, from_now
from tests.support.client import code_of


def make(client, person, scope="read", **more):
    answer = client.post("/auth/tokens", json={"name": "n", "scope": scope, **more}, as_=person)
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def test_the_secret_is_shown_once(client, alice):
    made = make(client, alice, "write", name="Backup", expires_at="2999-01-01T01:00:00+01:00")
    assert made["token"].startswith("tsk_")
    assert len(made["token"]) >= 40
    assert made["token"].startswith(made["prefix"])
    assert len(made["prefix"]) < 16
    assert (made["name"], made["scope"], made["last_used_at"]) == ("Backup", "write", None)
    assert made["expires_at"] == "2999-01-01T00:00:00.000000Z"
    page = client.get("/auth/tokens", as_=alice).get_json()
    assert page["total"] == 1
    assert page["items"] == [{k: v for k, v in made.items() if k != "token"}]


def test_only_a_digest_is_kept(app, client, alice):
    made = make(client, alice)
    with app.app_context():
        (stored,) = Query(select(tokens)).all()
    assert made["token"][12:] not in str(stored)
    assert made["token"][:20] not in str(stored)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "n"},
        {"scope": "read"},
        {"name": "", "scope": "read"},
        {"name": " ", "scope": "read"},
        {"name": "n" * 101, "scope": "read"},
        {"name": "n\n", "scope": "read"},
        {"name": None, "scope": "read"},
        {"name": "n", "scope": "all"},
        {"name": "n", "scope": "Read"},
        {"name": "n", "scope": None},
        {"name": "n", "scope": ["read"]},
        {"name": "n", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "n", "scope": "read", "expires_at": "2999-01-01"},
        {"name": "n", "scope": "read", "expires_at": "2999-01-01T00:00:00"},
        {"name": "n", "scope": "read", "expires_at": "3000-01-01T00:00:00Z"},
        {"name": "n", "scope": "read", "expires_at": 32503680000},
        {"name": "n", "scope": "read", "expires_at": ""},
        {"name": "n", "scope": "read", "user_id": 1},
        {"name": "n", "scope": "read", "token": "tsk_mine"},
    ],
    ids=str,
)
def test_faulty_ones(client, alice, body):
    answer = client.post("/auth/tokens", json=body, as_=alice)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert client.get("/auth/tokens", as_=alice).get_json()["total"] == 0


def test_an_expiry_may_be_null(client, alice):
    assert make(client, alice, expires_at=None)["expires_at"] is None


def test_only_an_admin_has_an_admins_token(client, alice, admin):
    body = {"name": "n", "scope": "admin"}
    answer = client.post("/auth/tokens", json=body, as_=alice)
    assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
    assert make(client, admin, "admin")["scope"] == "admin"


def test_read_reads_and_no_more(client, alice):
    token = make(client, alice)["token"]
    task = client.post("/tasks", json={"title": "T"}, as_=alice).get_json()["id"]
    for path in ("/users/me", f"/users/{alice.id}", "/tasks", f"/tasks/{task}", "/tasks/stats"):
        assert client.get(path, as_=token).status_code == 200, path
        assert client.head(path, as_=token).status_code == 200, path
    for method, path in [
        ("POST", "/tasks"),
        ("PATCH", f"/tasks/{task}"),
        ("DELETE", f"/tasks/{task}"),
        ("PATCH", "/users/me"),
        ("DELETE", "/users/me"),
    ]:
        answer = client.open(path, method=method, as_=token, json={"title": "X"})
        assert (answer.status_code, code_of(answer)) == (403, "INSUFFICIENT_SCOPE")


def test_write_changes_ones_own(client, alice, bob):
    token = make(client, alice, "write")["token"]
    theirs = client.post("/tasks", json={"title": "T"}, as_=bob).get_json()["id"]
    mine = client.post("/tasks", json={"title": "T"}, as_=token).get_json()
    assert mine["user_id"] == alice.id
    assert client.patch(f"/tasks/{mine['id']}", json={"title": "U"}, as_=token).status_code == 200
    assert client.get(f"/tasks/{theirs}", as_=token).status_code == 404
    body = {"username": "alice2", "current_password": alice.password}
    assert client.patch("/users/me", json=body, as_=token).status_code == 200


def test_an_admins_write_token_is_a_users(client, admin, alice):
    token = make(client, admin, "write")["token"]
    theirs = client.post("/tasks", json={"title": "T"}, as_=alice).get_json()["id"]
    assert client.get(f"/tasks/{theirs}", as_=token).status_code == 404
    assert client.get("/tasks", as_=token).get_json()["total"] == 0
    for path in ("/users", f"/users/{alice.id}", "/tasks/admin/all", f"/users/{alice.id}/tasks"):
        assert client.get(path, as_=token).status_code == 403, path
    assert client.post(
        "/tasks", json={"title": "T", "user_id": alice.id}, as_=token
    ).status_code == (403)


def test_an_admins_admin_token_has_the_powers_but_four(client, admin, alice):
    token = make(client, admin, "admin")["token"]
    assert client.get("/users", as_=token).status_code == 200
    path = f"/users/{alice.id}"
    assert client.patch(path, json={"is_active": True}, as_=token).status_code == 200
    assert client.patch(path, json={"email": "a@example.org"}, as_=token).status_code == 200
    refused = [
        client.patch(path, json={"role": "admin"}, as_=token),
        client.patch(path, json={"role": "emperor"}, as_=token),  # before its content is looked at
        client.patch(path, json={"role": "user", "is_active": True}, as_=token),
        client.patch(path, json={"password": "Lantern-and-7"}, as_=token),
        client.post("/users", json={"username": "x"}, as_=token),
        client.post(f"{path}/reset-token", as_=token),
    ]
    for answer in refused:
        assert (answer.status_code, code_of(answer)) == (403, "INSUFFICIENT_SCOPE")
    assert client.get(path, as_=admin).get_json()["role"] == "user"
    assert client.delete(path, as_=token).status_code == 204


def test_none_may_use_auth(client, admin):
    for scope in ("read", "write", "admin"):
        token = make(client, admin, scope)["token"]
        for method, path in [
            ("POST", "/auth/logout"),
            ("POST", "/auth/logout-all"),
            ("GET", "/auth/sessions"),
            ("DELETE", "/auth/sessions/1"),
            ("POST", "/auth/password"),
            ("GET", "/auth/tokens"),
            ("POST", "/auth/tokens"),
            ("DELETE", "/auth/tokens/1"),
        ]:
            answer = client.open(path, method=method, as_=token)
            assert (answer.status_code, code_of(answer)) == (403, "INSUFFICIENT_SCOPE")
        assert client.post("/auth/refresh", as_=token).status_code == 401


def test_demotion_takes_an_admin_tokens_powers_at_once(client, cast, admin):
    second = cast.admin("second")
    token = make(client, second, "admin")["token"]
    assert client.get("/users", as_=token).status_code == 200
    client.patch(f"/users/{second.id}", json={"role": "user"}, as_=admin)
    assert client.get("/users", as_=token).status_code == 403
    assert client.get(f"/users/{admin.id}", as_=token).status_code == 403


def test_disabling_stops_them_and_enabling_lets_them_on(client, alice, admin):
    token = make(client, alice)["token"]
    for active, status in ((False, 401), (True, 200)):
        client.patch(f"/users/{alice.id}", json={"is_active": active}, as_=admin)
        assert client.get("/users/me", as_=token).status_code == status


def test_taking_one_back(client, alice, bob):
    kept, made = make(client, alice), make(client, alice)
    assert client.delete(f"/auth/tokens/{made['id']}", as_=bob).status_code == 404
    assert client.get("/users/me", as_=made["token"]).status_code == 200
    assert client.delete(f"/auth/tokens/{made['id']}", as_=alice).status_code == 204
    assert code_of(client.get("/users/me", as_=made["token"])) == "INVALID_TOKEN"
    assert client.delete(f"/auth/tokens/{made['id']}", as_=alice).status_code == 404
    assert client.get("/users/me", as_=kept["token"]).status_code == 200


def test_one_expires(app, client, alice):
    made = make(client, alice, expires_at=from_now(hours=1))
    assert client.get("/users/me", as_=made["token"]).status_code == 200
    with app.app_context():
        Query(text("UPDATE personal_tokens SET expires_at = :t")).run(t=ago(seconds=1))
    assert code_of(client.get("/users/me", as_=made["token"])) == "TOKEN_EXPIRED"


def test_last_use_is_noted_to_five_minutes(app, client, alice):
    made = make(client, alice)

    def last_used():
        return client.get("/auth/tokens", as_=alice).get_json()["items"][0]["last_used_at"]

    client.get("/users/me", as_=made["token"])
    first = last_used()
    assert first is not None
    client.get("/users/me", as_=made["token"])
    assert last_used() == first
    with app.app_context():
        Query(text("UPDATE personal_tokens SET last_used_at = :t")).run(t=ago(minutes=6))
    client.get("/users/me", as_=made["token"])
    assert last_used() > first


def test_one_query_tells_who_is_calling(client, alice, statements):
    token = make(client, alice)["token"]
    client.get("/users/me", as_=token)
    with statements() as seen:
        client.get("/users/me", as_=token)
    assert len(seen) == 2, "the caller, and the user that was asked for"


def test_changes_of_a_token_by_its_letters(client, alice):
    token = make(client, alice)["token"]
    for wrong in (token[:-1], token + "x", token.upper(), token[4:], "TSK_" + token[4:]):
        assert code_of(client.get("/users/me", as_=wrong)) == "INVALID_TOKEN"
