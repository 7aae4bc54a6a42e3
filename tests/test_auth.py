"""Registration and login."""

from functools import partial
from typing import Any

import pytest

from tests.support.calls import at_once
from tests.support.client import GOOD, code_of, login
from tests.support.forging import claims_of

USER = {"id", "username", "email", "role", "is_active", "created_at", "updated_at", "version"}


def register(client, **body):
    return client.post("/auth/register", json={"password": GOOD} | body)


def test_register_returns_tokens_and_user(client):
    answer = register(client, username="ana")
    assert answer.status_code == 201
    body = answer.get_json()
    assert body.keys() == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    user = body["user"]
    assert user.keys() == USER
    assert (user["username"], user["email"], user["role"]) == ("ana", None, "user")
    assert (user["is_active"], user["version"]) == (True, 1)
    assert user["created_at"].endswith("Z")
    assert len(user["created_at"]) == len("2026-12-01T09:00:00.000000Z")
    assert client.get("/users/me", as_=body["access_token"]).get_json() == user


@pytest.mark.sqlite
def test_email_is_the_username_if_there_is_none(client):
    made = register(client, email="Ana@Example.org").get_json()
    assert made["user"]["username"] == made["user"]["email"] == "Ana@Example.org"
    changes = {"email": "ana.b@example.org", "current_password": GOOD}
    changed = client.patch("/users/me", json=changes, as_=made["access_token"]).get_json()
    assert changed["username"] == changed["email"] == "ana.b@example.org"
    for name, status in [("ana@example.org", 401), ("ana.b@example.org", 200)]:
        assert login(client, name).status_code == status


@pytest.mark.sqlite
def test_invalid_registrations(client, admin):
    body: dict[str, Any]
    usernames: list[Any] = [
        "",
        "ab",
        "a" * 51,
        "änne",
        "an na",
        "ana@example.org",
        "ana\u0000",
        5,
        ["ana"],
    ]
    emails: list[Any] = ["ana", "ana@", "@example.org", "ana@example", "ana@example..org"]
    emails += ["ana b@example.org", "ana@exa mple.org", "ana@-example.org", "a@b@example.org"]
    emails += ["a" * 65 + "@example.org", "a@" + "b" * 250 + ".org", "a\u2028@example.org"]
    emails += ["a\uff20b.org@example.org", {"a": 1}]
    more = ["role", "is_admin", "is_active", "id", "version", "foo"]
    for body in (
        *({"username": name} for name in usernames),
        *({"email": email} for email in emails),
        *({"username": "ana", "password": each} for each in (None, 12345678, [GOOD], "")),
        *({"username": "ana", name: "admin"} for name in more),
        {"username": "ana\n", "email": ""},
        {"username": None, "email": None},
        {},
    ):
        answer = register(client, **body)
        assert answer.status_code == 400, body
        assert code_of(answer) in ("VALIDATION_ERROR", "MALFORMED_JSON")
        extra = body.keys() & more
        assert not extra or answer.get_json()["error"]["details"].keys() == extra
    for body in ({}, {"username": "ana"}):
        assert client.post("/auth/register", json=body).status_code == 400
    assert client.get("/users", as_=admin).get_json()["total"] == 1


def test_names_are_unique_case_insensitively(client, alice, bob):
    for body in (
        {"username": "ALICE"},
        {"username": "carol", "email": "BOB@example.ORG"},
        {"email": "bob@EXAMPLE.org"},
        {"email": "\uff42ob@example.org"},  # a full-width b is a b
        {"email": "  bob@example.org  "},
    ):
        answer = register(client, **body)
        assert (answer.status_code, code_of(answer)) == (409, "CONFLICT"), body
        assert answer.get_json()["error"]["details"].keys() <= {"username", "email"}


def test_concurrent_registrations_of_one_email(app, make_client):
    spellings = ["ana@example.org", "ANA@example.org", "Ana@Example.Org", "\uff41na@example.org"]
    acts = [partial(register, make_client(app), email=email) for email in spellings * 5]
    statuses = [answer.status_code for answer in at_once(acts)]
    assert sorted(statuses) == [201] + [409] * 19


def test_email_that_is_too_long_after_normalisation(client):
    for email in (
        "a@" + ".".join(["\u337f"] * 80) + ".org",  # each character becomes four
        "\u337f" * 30 + "@example.org",
        "a@" + "\u337f" * 20 + ".org",
        "a@" + "a." * 120 + "org",
        "\u0130" * 60 + "@example.org",
        "\u0390" * 63 + "@" + ".".join(["\u0390" * 20] * 8) + ".org",
    ):
        answer = register(client, email=email)
        assert answer.status_code in (201, 400)
        if answer.status_code == 201:
            body = {"email": email, "password": GOOD}
            assert client.post("/auth/login", json=body).status_code in (200, 401)


@pytest.mark.sqlite
def test_registration_can_be_closed(make_app, make_client):
    closed = make_client(make_app(REGISTRATION="closed"))
    for options in (
        {"json": {"username": "ana", "password": GOOD}},
        {"json": {"username": "x"}},  # permissions are checked before the body
        {"data": "{", "content_type": "application/json"},
        {"data": "x", "content_type": "text/plain"},
    ):
        answer = closed.post("/auth/register", **options)
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


def test_login_by_username_or_email_case_insensitively(client, cast):
    person = cast.user("Bob.B", email="bob@example.org")
    for body in (
        {"username": "Bob.B"},
        {"username": "bob.b"},
        {"email": "BOB@example.org"},
        {"username": "bob@example.org"},
        {"email": "bob.b"},
    ):
        answer = client.post("/auth/login", json={**body, "password": person.password})
        assert answer.status_code == 200, body
        assert answer.get_json()["user"]["id"] == person.id
        assert claims_of(answer.get_json()["access_token"])["sub"] == str(person.id)


@pytest.mark.sqlite
def test_invalid_logins(client, alice):
    good: dict[str, Any] = {"username": "alice", "password": GOOD}
    for body in (
        {},
        {"username": "alice"},
        {"password": GOOD},
        good | {"email": "a@example.org"},
        *(good | {"username": name} for name in (None, "", "a" * 321, {"$ne": None})),
        *(good | {"password": each} for each in (None, "", "x" * 257, True, {"$ne": None})),
        good | {"remember": True},
        good | {"grant_type": "password"},
    ):
        answer = client.post("/auth/login", json=body)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), body


@pytest.mark.sqlite
def test_the_oauth2_password_form_and_any_authorization_header(client, alice):
    form = {"username": "alice", "password": alice.password}
    extra = {"grant_type": "password", "scope": "", "client_id": "docs", "client_secret": "x"}
    for data in (form, form | extra, form | {"scope": "read write"}):
        answer = client.post("/auth/login", data=data)
        assert answer.status_code == 200, data
        assert answer.get_json()["user"]["username"] == "alice"
        assert answer.get_json()["token_type"] == "bearer"
    for header in ("Basic ZG9jczp4", "Bearer nonsense", f"Bearer {alice.token}", "x"):
        for options in ({"data": form}, {"json": form}):
            answer = client.post("/auth/login", headers={"Authorization": header}, **options)
            assert answer.status_code == 200, header
    # Other operations accept JSON only.
    for path in ("/auth/register", "/auth/password/reset"):
        answer = client.post(path, data={"username": "ana", "password": GOOD})
        assert (answer.status_code, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.sqlite
def test_invalid_forms(client, alice):
    good = "username=alice&password=x"
    for form in (
        *("", "=", "username", "username=alice", "password=x", "&".join(["username=a"] * 300)),
        *(f"{good}&{more}" for more in ("grant_type=refresh_token", "foo=1", "password=y")),
        *(f"username={name}&password=x" for name in ("alice&username=bob", "%00", "%ff")),
        *("username=%ed%a0%80&password=x", "email=a%40example.org&password=x"),
        good + "x" * 5000,
    ):
        kind = "application/x-www-form-urlencoded"
        answer = client.post("/auth/login", data=form, content_type=kind)
        assert answer.status_code == 400, form[:100]
    answer = client.post("/auth/login", data={"username": "alice", "password": "wrong"})
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.sqlite
def test_unknown_wrong_and_disabled_get_the_same_response(client, cast, admin):
    gone = cast.user("gone")
    cast.user("here")
    client.patch(f"/users/{gone.id}", json={"is_active": False}, as_=admin)
    got = []
    for name, password in [("nobody", GOOD), ("here", "Wrong-1-pass"), ("gone", gone.password)]:
        answer = login(client, name, password)
        body = answer.get_json()
        body["error"].pop("request_id")
        headers = {k: v for k, v in answer.headers.items() if k not in ("X-Request-ID", "Date")}
        got.append((answer.status_code, body, headers))
    assert got[0] == got[1] == got[2]
    assert (got[0][0], got[0][1]["error"]["code"]) == (401, "INVALID_CREDENTIALS")
    assert got[0][2]["WWW-Authenticate"] == "Bearer"


@pytest.mark.sqlite
def test_auth_responses_are_not_cached(client, alice, admin):
    reset = f"/users/{alice.id}/reset-token"
    for method, path, caller, body in (
        ("POST", "/auth/login", None, {"username": "alice", "password": alice.password}),
        ("POST", "/auth/login", None, {"username": "alice", "password": "wrong"}),
        ("POST", "/auth/login", None, {}),
        ("POST", "/auth/register", None, {"username": "alice", "password": GOOD}),
        ("POST", "/auth/refresh", None, {"refresh_token": "x"}),
        *((method, "/auth/login", None, None) for method in ("POST", "GET", "HEAD")),
        *(("GET", "/auth/sessions", caller, None) for caller in (None, alice)),
        *(("DELETE", f"/auth/tokens/{number}", alice, None) for number in ("1", "x")),
        *(("POST", reset, caller, None) for caller in (admin, alice)),
        ("POST", "/users/999999/reset-token", admin, None),
    ):
        answer = client.open(path, method=method, as_=caller, json=body)
        assert answer.headers["Cache-Control"] == "no-store", (path, answer.status)
    for other in ("/users/me", "/nothing"):
        assert client.get(other, as_=alice).headers["Cache-Control"] == "private, no-cache"
