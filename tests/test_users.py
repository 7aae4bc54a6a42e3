"""Users: the own account, administration, lists."""

from typing import Any

import pytest

from tests.support.client import GOOD, code_of, login


def change_me(client, person, **changes):
    body = {"current_password": person.password, **changes}
    return client.patch("/users/me", json=body, as_=person)


def details(answer, status=400, code="VALIDATION_ERROR"):
    """Assert the status and code of an error, and return the fields it names."""
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    return answer.get_json()["error"]["details"].keys()


# --- the own account -----------------------------------------------------------------------------


def test_change_own_names(client, alice):
    answer = client.get("/users/me", as_=alice)
    before = answer.get_json()
    assert answer.headers["ETag"] == f'"{alice.id}-1"'
    assert "password" not in answer.text
    assert client.get(f"/users/{alice.id}", as_=alice).get_json() == before
    for nothing in ({}, {"username": "alice"}, {"email": None}):
        assert change_me(client, alice, **nothing).get_json() == before
    answer = change_me(client, alice, username="Alice.B", email="alice@example.org")
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["username"], body["email"]) == ("Alice.B", "alice@example.org")
    assert answer.headers["ETag"] == f'"{alice.id}-{body["version"]}"' == f'"{alice.id}-2"'
    assert body["updated_at"] > body["created_at"]
    assert client.get("/users/me", as_=alice).get_json() == body
    for name in ("alice.b", "ALICE@example.org"):
        assert login(client, name, alice.password).status_code == 200
    assert change_me(client, alice, username="ALICE.B").get_json()["username"] == "ALICE.B"


@pytest.mark.sqlite
def test_a_name_can_be_removed_if_another_remains(client, alice, bob):
    assert change_me(client, bob, username=None).get_json()["username"] == "bob@example.org"
    assert change_me(client, alice, username=None).status_code == 400
    assert change_me(client, bob, email=None).status_code == 400
    assert change_me(client, bob, username="bob", email=None).get_json()["email"] is None


@pytest.mark.sqlite
def test_fields_that_users_cannot_change(client, alice):
    names = ["role", "is_active", "password", "id", "version", "created_at", "is_admin", "foo"]
    for name in names:
        assert details(change_me(client, alice, **{name: 1})) == {name}
    answer = client.patch("/users/me", json={"username": "ana"}, as_=alice)
    assert details(answer) == {"current_password"}
    assert client.delete("/users/me", json={}, as_=alice).status_code == 400
    assert client.delete("/users/me", as_=alice).status_code == 400
    assert client.get("/users/me", as_=alice).get_json()["version"] == 1


def test_taken_names(client, alice, bob, admin):
    for changes in ({"username": "BOB"}, {"email": "Bob@example.org"}):
        for answer in (
            change_me(client, alice, **changes),
            client.patch(f"/users/{alice.id}", json=changes, as_=admin),
            client.post("/users", json={**changes, "password": GOOD}, as_=admin),
        ):
            assert details(answer, 409, "CONFLICT") == changes.keys()
    assert client.get("/users/me", as_=alice).get_json()["version"] == 1


def test_deleting_the_own_account_deletes_everything(client, cast, alice, bob, admin):
    client.post("/tasks", json={"title": "Mine"}, as_=alice)
    client.post("/tasks", json={"title": "His"}, as_=bob)
    client.delete("/users/me", json={"current_password": alice.password}, as_=alice)
    assert code_of(client.get("/users/me", as_=alice)) == "TOKEN_REVOKED"
    assert login(client, "alice", alice.password).status_code == 401
    assert [t["title"] for t in client.get("/tasks", as_=admin).get_json()["items"]] == ["His"]
    assert client.get(f"/users/{alice.id}", as_=admin).status_code == 404
    client.delete(f"/users/{bob.id}", as_=admin)
    assert cast.user("carol").id > max(alice.id, bob.id), "an id is never used again"


# --- others -------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_other_missing_and_invalid_ids(client, alice, bob, admin):
    malformed = ["0", "-1", "abc", str(2**63), "1.0", "\u0663", "01", "+1", "1e3", "%00", "ME", " "]
    for method in ("GET", "PATCH", "DELETE"):
        for number in (bob.id, 999_999_999, 2**63 - 1):
            answer = client.open(f"/users/{number}", method=method, json={}, as_=alice)
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        for each in (*malformed, "999999", str(2**63 - 1)):
            answer = client.open(f"/users/{each}", method=method, json={}, as_=admin)
            assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND"), each
    assert client.post("/users/999999/reset-token", as_=admin).status_code == 404


@pytest.mark.sqlite
def test_admin_creates_a_user(client, admin):
    body = {"username": "carol", "password": GOOD, "role": "admin", "is_active": False}
    answer = client.post("/users", json=body, as_=admin)
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["role"], made["is_active"]) == ("admin", False)
    assert answer.headers["Location"] == f"/api/v1/users/{made['id']}"
    assert answer.headers["ETag"] == f'"{made["id"]}-1"'
    assert client.get(answer.headers["Location"], as_=admin).get_json() == made


def test_admin_changes_a_user(client, alice, admin):
    path = f"/users/{alice.id}"
    changes = {"username": "ana", "email": "ana@example.org", "role": "admin"}
    changed = client.patch(path, json=changes, as_=admin).get_json()
    assert {name: changed[name] for name in changes} == changes
    assert client.get("/users", as_=alice).status_code == 200, "an admin at the next request"
    assert client.patch(path, json={"role": "user"}, as_=admin).status_code == 200
    assert client.get("/users", as_=alice).status_code == 403, "and no longer"

    client.patch(path, json={"is_active": False}, as_=admin)
    assert code_of(client.get("/users/me", as_=alice)) == "TOKEN_REVOKED"
    assert code_of(login(client, "ana", alice.password)) == "INVALID_CREDENTIALS"
    client.patch(path, json={"is_active": True}, as_=admin)
    assert login(client, "ana", alice.password).status_code == 200
    assert client.patch(path, json={"password": GOOD}, as_=admin).status_code == 200
    assert login(client, "ana", GOOD).status_code == 200


@pytest.mark.sqlite
def test_admin_needs_the_current_password_for_own_changes(client, admin):
    path = f"/users/{admin.id}"
    for changes in ({"username": "root-2"}, {"email": "r@example.org"}, {"password": GOOD}):
        for wrong in ({}, {"current_password": "Wrong-1-password"}):
            answer = client.patch(path, json=changes | wrong, as_=admin)
            assert details(answer) == {"current_password"}
        right = {"current_password": admin.password}
        assert client.patch(path, json=changes | right, as_=admin).status_code == 200


@pytest.mark.sqlite
def test_invalid_changes_by_an_admin(client, alice, admin):
    path = f"/users/{alice.id}"
    bodies: list[dict[str, Any]] = [
        *({"role": role} for role in ("owner", None, True)),
        *({"is_active": value} for value in (None, "true", 1)),
        {"username": "x"},
        {"email": "x"},
        {"password": "weak"},
        {"is_admin": True},
        {"version": 1},
        {"foo": 1},
    ]
    for body in bodies:
        assert details(client.patch(path, json=body, as_=admin)) == body.keys()
    assert client.get(path, as_=admin).get_json()["version"] == 1
    # The error suggests the correct name.
    for name, value, word in (
        ("is_admin", True, "'role'"),
        ("role", "administrator", "'admin'"),
        ("role", "superuser", "'admin'"),
    ):
        answer = client.patch(path, json={name: value}, as_=admin)
        assert word in answer.get_json()["detail"], value
    assert "'role'" in client.get("/users?is_admin=true", as_=admin).get_json()["detail"]


@pytest.mark.sqlite
def test_conditional_requests(client, alice, admin):
    path = f"/users/{alice.id}"
    tag = client.get("/users/me", as_=alice).headers["ETag"]
    for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = client.get("/users/me", as_=alice, headers={"If-None-Match": value})
        assert (answer.status_code, answer.data) == (304, b""), value
        assert answer.headers["ETag"] == tag
    other = {"If-None-Match": '"other"'}
    assert client.get(path, as_=admin, headers=other).status_code == 200
    for value, email in ((f"W/{tag}", "a@example.org"), ("*", "b@example.org")):
        headers = {"If-Match": value}
        changed = client.patch(path, json={"email": email}, as_=admin, headers=headers)
        assert changed.status_code == 200
    stale = {"If-Match": tag}
    me = {"current_password": alice.password}
    for answer in (
        client.patch(path, json={"email": None}, as_=admin, headers=stale),
        client.delete(path, as_=admin, headers=stale),
        client.patch("/users/me", json=me | {"username": "ana"}, as_=alice, headers=stale),
        client.delete("/users/me", json=me, as_=alice, headers=stale),
        client.patch(path, json={}, as_=admin, headers={"If-Match": '"nonsense"'}),
    ):
        assert (answer.status_code, code_of(answer)) == (412, "PRECONDITION_FAILED")
        assert answer.headers["ETag"] == changed.headers["ETag"]
    current = {"If-Match": changed.headers["ETag"]}
    assert client.delete(path, as_=admin, headers=current).status_code == 204


# --- the list -----------------------------------------------------------------------------------


@pytest.fixture
def people(cast, client, admin):
    made = [cast.user(name, email=f"{name}@Example.org") for name in ("dora", "Carl", "anton")]
    client.patch(f"/users/{made[0].id}", json={"is_active": False}, as_=admin)
    return made


def test_user_list_pages_filters_and_sorting(client, people, admin):
    for query, names in (
        ("", "root dora Carl anton"),
        ("sort_by=username", "anton Carl dora root"),
        ("sort_by=-username", "root dora Carl anton"),
        ("sort_by=-created_at&limit=2", "anton Carl"),
        ("sort_by=-id&skip=1&limit=2", "Carl dora"),
        ("role=admin", "root"),
        ("is_active=false", "dora"),
        ("is_active=true&role=user", "Carl anton"),
        ("q=CARL", "Carl"),
        ("q=example.ORG", "dora Carl anton"),
        ("q=%25", ""),
        ("q=_", ""),
        ("q=", "root dora Carl anton"),
    ):
        answer = client.get(f"/users?{query}", as_=admin)
        assert answer.status_code == 200, answer.text
        assert [each["username"] for each in answer.get_json()["items"]] == names.split(), query
    page = client.get("/users?limit=3", as_=admin).get_json()
    assert (page["total"], page["skip"], page["limit"]) == (4, 0, 3)
    last = client.get(f"/users?limit=3&cursor={page['next_cursor']}", as_=admin).get_json()
    assert (last["total"], last["skip"], last["next_cursor"]) == (None, None, None)
    assert [each["username"] for each in last["items"]] == ["anton"]


@pytest.mark.sqlite
def test_invalid_queries_of_the_user_list(client, people, admin):
    for query in (
        *("role=boss", "is_active=1", "is_active=True", "foo=1", "status=todo", "page=2"),
        *("sort_by=email", "sort_by=password_hash", "sort_by=", "sort_by=id,id"),
        *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1e1", "limit=%D9%A1"),
        *("skip=-1", "skip=10001", "skip=99999999999999999999", "cursor=x", "cursor=x&skip=0"),
        *("role=user&role=user", "limit=5&limit=5", "q=a&q=b", "q=" + "x" * 201),
    ):
        answer = client.get(f"/users?{query}", as_=admin)
        assert query.split("=")[0] in details(answer), query
    cursor = client.get("/users?limit=1&role=user", as_=admin).get_json()["next_cursor"]
    assert client.get(f"/users?limit=5&role=user&cursor={cursor}", as_=admin).status_code == 200
    for query in ("", "&role=admin", "&role=user&sort_by=-id", "&role=user&q=a"):
        answer = client.get(f"/users?limit=1&cursor={cursor}{query}", as_=admin)
        assert answer.status_code == 400, query
