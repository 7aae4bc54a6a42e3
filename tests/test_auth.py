"""Accounts and sign-in: registering, signing in by JSON and by form, and what tells nothing."""

import pytest

from tests.support.client import GOOD, code_of
from tests.support.forging import claims_of

USER = {
    "id",
    "username",
    "email",
    "role",
    "is_active",
    "created_at",
    "updated_at",
    "version",
}


def test_registering_gives_tokens_and_the_user(client):
    answer = client.post("/auth/register", json={"username": "ana", "password": GOOD})
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


def test_an_email_alone_is_the_username_and_goes_with_its_change(client):
    body = {"email": "Ana@Example.org", "password": GOOD}
    made = client.post("/auth/register", json=body).get_json()
    assert made["user"]["username"] == made["user"]["email"] == "Ana@Example.org"
    changes = {"email": "ana.b@example.org", "current_password": GOOD}
    changed = client.patch("/users/me", json=changes, as_=made["access_token"]).get_json()
    assert changed["username"] == changed["email"] == "ana.b@example.org"
    for name, status in [("ana@example.org", 401), ("ana.b@example.org", 200)]:
        body = {"username": name, "password": GOOD}
        assert client.post("/auth/login", json=body).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": GOOD},
        {"username": "ana"},
        {"username": None, "email": None, "password": GOOD},
        {"username": "", "password": GOOD},
        {"username": "ab", "password": GOOD},
        {"username": "a" * 51, "password": GOOD},
        {"username": "änne", "password": GOOD},
        {"username": "an na", "password": GOOD},
        {"username": "ana@example.org", "password": GOOD},
        {"username": "ana\n", "email": "", "password": GOOD},
        {"username": "ana\u0000", "password": GOOD},
        {"username": 5, "password": GOOD},
        {"username": ["ana"], "password": GOOD},
        {"email": "ana", "password": GOOD},
        {"email": "ana@", "password": GOOD},
        {"email": "@example.org", "password": GOOD},
        {"email": "ana@example", "password": GOOD},
        {"email": "ana@example..org", "password": GOOD},
        {"email": "ana b@example.org", "password": GOOD},
        {"email": "ana@exa mple.org", "password": GOOD},
        {"email": "ana@-example.org", "password": GOOD},
        {"email": "a@b@example.org", "password": GOOD},
        {"email": "a" * 65 + "@example.org", "password": GOOD},
        {"email": "a@" + "b" * 250 + ".org", "password": GOOD},
        {"email": "a\u2028@example.org", "password": GOOD},
        {"email": "a\uff20b.org@example.org", "password": GOOD},
        {"email": {"a": 1}, "password": GOOD},
        {"username": "ana", "password": None},
        {"username": "ana", "password": 12345678},
        {"username": "ana", "password": [GOOD]},
        {"username": "ana", "password": ""},
    ],
    ids=str,
)
def test_faulty_registrations_are_refused_and_leave_nothing(client, admin, body):
    answer = client.post("/auth/register", json=body)
    assert answer.status_code == 400
    assert code_of(answer) in ("VALIDATION_ERROR", "MALFORMED_JSON")
    assert client.get("/users", as_=admin).get_json()["total"] == 1


@pytest.mark.parametrize("field", ["role", "is_admin", "is_active", "id", "version", "foo"])
def test_nobody_registers_as_more_than_a_user(client, field):
    value = {"role": "admin", "id": 1, "version": 1}.get(field, True)
    body = {"username": "ana", "password": GOOD, field: value}
    answer = client.post("/auth/register", json=body)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["details"].keys() == {field}
    assert client.post("/auth/login", json={"username": "ana", "password": GOOD}).status_code == 401


def test_names_are_taken_whatever_their_case(client, alice, bob):
    for body in (
        {"username": "ALICE"},
        {"username": "carol", "email": "BOB@example.ORG"},
        {"email": "bob@EXAMPLE.org"},
        {"email": "\uff42ob@example.org"},  # a full-width b is a b
        {"email": "  bob@example.org  "},
    ):
        answer = client.post("/auth/register", json={**body, "password": GOOD})
        assert answer.status_code == 409, body
        assert code_of(answer) == "CONFLICT"
        assert answer.get_json()["error"]["details"].keys() <= {"username", "email"}


@pytest.mark.parametrize(
    "email",
    [
        "a@" + ".".join(["\u337f"] * 80) + ".org",  # each sign is four once normalised
        "\u337f" * 30 + "@example.org",
        "a@" + "\u337f" * 20 + ".org",
        "a@" + "a." * 120 + "org",
        "\u0130" * 60 + "@example.org",
        "\u0390" * 63 + "@" + ".".join(["\u0390" * 20] * 8) + ".org",
    ],
)
def test_an_email_that_grows_when_it_is_compared_is_no_accident(client, email):
    answer = client.post("/auth/register", json={"email": email, "password": GOOD})
    assert answer.status_code in (201, 400)
    if answer.status_code == 201:
        body = {"email": email, "password": GOOD}
        assert client.post("/auth/login", json=body).status_code in (200, 401)


def test_registration_can_be_closed(make_app, make_client):
    closed = make_client(make_app(REGISTRATION="closed"))
    for options in (
        {"json": {"username": "ana", "password": GOOD}},
        {"json": {"username": "x"}},  # what one may do comes before what one sends
        {"data": "{", "content_type": "application/json"},
        {"data": "x", "content_type": "text/plain"},
    ):
        answer = closed.post("/auth/register", **options)
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


def test_signing_in_by_either_name_in_any_case(client, cast):
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


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "alice"},
        {"password": GOOD},
        {"username": "alice", "email": "a@example.org", "password": GOOD},
        {"username": None, "password": GOOD},
        {"username": "", "password": GOOD},
        {"username": "a" * 321, "password": GOOD},
        {"username": "alice", "password": None},
        {"username": "alice", "password": ""},
        {"username": "alice", "password": "x" * 257},
        {"username": "alice", "password": True},
        {"username": {"$ne": None}, "password": {"$ne": None}},
        {"username": "alice", "password": GOOD, "remember": True},
        {"username": "alice", "password": GOOD, "grant_type": "password"},
    ],
    ids=str,
)
def test_faulty_logins_are_refused(client, alice, body):
    answer = client.post("/auth/login", json=body)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")


def test_the_oauth2_password_form(client, alice):
    form = {"username": "alice", "password": alice.password}
    extra = {"grant_type": "password", "scope": "", "client_id": "docs", "client_secret": "x"}
    for data in (form, form | extra, form | {"scope": "read write"}):
        answer = client.post("/auth/login", data=data)
        assert answer.status_code == 200, data
        assert answer.get_json()["user"]["username"] == "alice"
        assert answer.get_json()["token_type"] == "bearer"


def test_any_authorization_header_is_ignored_at_login(client, alice):
    body = {"username": "alice", "password": alice.password}
    for header in ("Basic ZG9jczp4", "Bearer nonsense", f"Bearer {alice.token}", "x"):
        headers = {"Authorization": header}
        assert client.post("/auth/login", data=body, headers=headers).status_code == 200
        assert client.post("/auth/login", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("username=alice", 400),
        ("password=x", 400),
        ("", 400),
        ("username=alice&password=x&grant_type=refresh_token", 400),
        ("username=alice&password=x&foo=1", 400),
        ("username=alice&username=bob&password=x", 400),
        ("username=alice&password=x&password=y", 400),
        ("email=a%40example.org&password=x", 400),
        ("username=alice&password=wrong", 401),
        ("username=%00&password=x", 400),
        ("username=%ff&password=x", 400),
        ("username=%ed%a0%80&password=x", 400),
        ("&".join(["username=a"] * 300), 400),
        ("username", 400),
        ("=", 400),
        ("username=alice&password=" + "x" * 5000, 400),
    ],
)
def test_faulty_forms(client, alice, form, status):
    answer = client.post("/auth/login", data=form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == status
    assert code_of(answer) != "INTERNAL_ERROR"


def test_only_login_takes_a_form(client, alice):
    for path in ("/auth/register", "/auth/refresh", "/auth/password/reset"):
        answer = client.post(path, data={"username": "ana", "password": GOOD})
        assert (answer.status_code, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_unknown_wrong_and_disabled_get_one_answer(client, cast, admin):
    gone = cast.user("gone")
    cast.user("here")
    client.patch(f"/users/{gone.id}", json={"is_active": False}, as_=admin)
    told = []
    for name, password in [("nobody", GOOD), ("here", "Wrong-1-pass"), ("gone", gone.password)]:
        answer = client.post("/auth/login", json={"username": name, "password": password})
        body = answer.get_json()
        body["error"].pop("request_id")
        headers = {k: v for k, v in answer.headers.items() if k not in ("X-Request-ID", "Date")}
        told.append((answer.status_code, body, headers))
    assert told[0] == told[1] == told[2]
    assert told[0][0] == 401
    assert told[0][1]["error"]["code"] == "INVALID_CREDENTIALS"
    assert told[0][2]["WWW-Authenticate"] == "Bearer"


def test_every_answer_of_auth_says_that_nothing_is_to_be_kept(client, alice, admin):
    answers = [
        client.post("/auth/login", json={"username": "alice", "password": alice.password}),
        client.post("/auth/login", json={"username": "alice", "password": "wrong"}),
        client.post("/auth/login", json={}),
        client.post("/auth/login", data="x"),
        client.get("/auth/login"),
        client.post("/auth/register", json={"username": "alice", "password": GOOD}),
        client.post("/auth/refresh", json={"refresh_token": "x"}),
        client.get("/auth/sessions"),
        client.get("/auth/sessions", as_=alice),
        client.get("/auth/tokens", as_=alice),
        client.post("/auth/logout"),
        client.delete("/auth/tokens/1", as_=alice),
        client.delete("/auth/tokens/x", as_=alice),
        client.post(f"/users/{alice.id}/reset-token", as_=admin),
        client.post(f"/users/{alice.id}/reset-token", as_=alice),
        client.post("/users/999999/reset-token", as_=admin),
        client.get(f"/users/{alice.id}/reset-token", as_=admin),
        client.head("/auth/login"),
    ]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store", (answer.request.path, answer.status)
    assert client.get("/users/me", as_=alice).headers["Cache-Control"] == "private, no-cache"
    assert client.get("/nothing").headers["Cache-Control"] == "private, no-cache"
