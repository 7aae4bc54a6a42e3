"""Users: one's own profile, and what an admin may do with everybody."""

from typing import Any

import pytest

from tests.support.client import GOOD, code_of


def change_me(client, person, **changes):
    body = {"current_password": person.password, **changes}
    return client.patch("/users/me", json=body, as_=person)


def test_my_profile(client, alice):
    for path in ("/users/me", f"/users/{alice.id}"):
        answer = client.get(path, as_=alice)
        assert answer.status_code == 200
        assert answer.get_json()["username"] == "alice"
        assert answer.headers["ETag"] == f'"{alice.id}-1"'
        assert "password" not in answer.text


def test_changing_my_names(client, alice):
    answer = change_me(client, alice, username="Alice.B", email="alice@example.org")
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["username"], body["email"], body["version"]) == (
        "Alice.B",
        "alice@example.org",
        2,
    )
    assert answer.headers["ETag"] == f'"{alice.id}-2"'
    assert body["updated_at"] > body["created_at"]
    assert client.get("/users/me", as_=alice).get_json() == body
    for name in ("alice.b", "ALICE@example.org"):
        login = {"username": name, "password": alice.password}
        assert client.post("/auth/login", json=login).status_code == 200


def test_what_changes_nothing_leaves_the_version_alone(client, alice):
    before = client.get("/users/me", as_=alice).get_json()
    assert change_me(client, alice).get_json() == before
    assert change_me(client, alice, username="alice").get_json() == before
    assert change_me(client, alice, email=None).get_json() == before


def test_only_the_spelling_of_my_name(client, alice):
    assert change_me(client, alice, username="ALICE").get_json()["username"] == "ALICE"


def test_a_name_can_go_if_another_stays(client, alice, bob):
    assert change_me(client, bob, username=None).get_json()["username"] == "bob@example.org"
    assert change_me(client, alice, username=None).status_code == 400
    assert change_me(client, bob, email=None).status_code == 400
    assert change_me(client, bob, username="bob", email=None).get_json()["email"] is None


@pytest.mark.parametrize(
    "field", ["role", "is_active", "password", "id", "version", "created_at", "is_admin", "foo"]
)
def test_i_cannot_change_more(client, alice, field):
    answer = change_me(client, alice, **{field: 1})
    assert answer.status_code == 400
    assert answer.get_json()["error"]["details"].keys() == {field}


def test_changing_me_needs_my_password(client, alice):
    answer = client.patch("/users/me", json={"username": "ana"}, as_=alice)
    assert answer.get_json()["error"]["details"].keys() == {"current_password"}
    assert client.delete("/users/me", json={}, as_=alice).status_code == 400
    assert client.delete("/users/me", as_=alice).status_code == 400
    assert client.get("/users/me", as_=alice).status_code == 200


def test_names_that_are_taken(client, alice, bob, admin):
    for changes, field in [
        ({"username": "BOB"}, "username"),
        ({"email": "Bob@example.org"}, "email"),
    ]:
        for answer in (
            change_me(client, alice, **changes),
            client.patch(f"/users/{alice.id}", json=changes, as_=admin),
            client.post("/users", json={**changes, "password": GOOD}, as_=admin),
        ):
            assert (answer.status_code, code_of(answer)) == (409, "CONFLICT")
            assert answer.get_json()["error"]["details"].keys() == {field}
    assert client.get("/users/me", as_=alice).get_json()["version"] == 1


def test_deleting_me_takes_all_that_is_mine(client, alice, bob, admin):
    client.post("/tasks", json={"title": "Mine"}, as_=alice)
    client.post("/tasks", json={"title": "His"}, as_=bob)
    token = client.post("/auth/tokens", json={"name": "n", "scope": "read"}, as_=alice).get_json()
    body = {"current_password": alice.password}
    answer = client.delete("/users/me", json=body, as_=alice)
    assert (answer.status_code, answer.data) == (204, b"")
    assert code_of(client.get("/users/me", as_=alice)) == "TOKEN_REVOKED"
    assert code_of(client.get("/users/me", as_=token["token"])) == "INVALID_TOKEN"
    assert client.post("/auth/refresh", as_=alice.refresh_token).status_code == 401
    login = {"username": "alice", "password": alice.password}
    assert client.post("/auth/login", json=login).status_code == 401
    assert [t["title"] for t in client.get("/tasks", as_=admin).get_json()["items"]] == ["His"]
    assert client.get(f"/users/{alice.id}", as_=admin).status_code == 404


def test_an_id_is_never_used_again(client, cast, alice):
    client.delete("/users/me", json={"current_password": alice.password}, as_=alice)
    assert cast.user("carol").id > alice.id


# --- others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_other_ids_are_403_whether_they_exist_or_not(client, alice, bob, method):
    for number in (bob.id, 999_999_999, 2**63 - 1):
        answer = client.open(f"/users/{number}", method=method, json={}, as_=alice)
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "abc", "9223372036854775808", "1.0", "\u0663", "01", "+1", "1e3", "%00", "ME", " "],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_ids_that_are_none(client, admin, number, method):
    answer = client.open(f"/users/{number}", method=method, json={}, as_=admin)
    assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")


def test_an_admin_gets_404_for_who_is_not_there(client, admin):
    for method, path in [
        ("GET", "/users/999999"),
        ("PATCH", "/users/999999"),
        ("DELETE", "/users/999999"),
        ("POST", "/users/999999/reset-token"),
        ("GET", f"/users/{2**63 - 1}"),
    ]:
        options: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        answer = client.open(path, method=method, as_=admin, **options)
        assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND"), path


def test_an_admin_makes_a_user(client, admin):
    body = {"username": "carol", "password": GOOD, "role": "admin", "is_active": False}
    answer = client.post("/users", json=body, as_=admin)
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["role"], made["is_active"]) == ("admin", False)
    assert answer.headers["Location"] == f"/api/v1/users/{made['id']}"
    assert answer.headers["ETag"] == f'"{made["id"]}-1"'
    assert client.get(answer.headers["Location"], as_=admin).get_json() == made


def test_an_admin_changes_a_user(client, alice, admin):
    path = f"/users/{alice.id}"
    changes = {"username": "ana", "email": "ana@example.org", "role": "admin"}
    changed = client.patch(path, json=changes, as_=admin).get_json()
    assert {name: changed[name] for name in changes} == changes
    assert client.get("/users", as_=alice).status_code == 200, "an admin at the next request"
    assert client.patch(path, json={"role": "user"}, as_=admin).status_code == 200
    assert client.get("/users", as_=alice).status_code == 403, "and no longer"


def test_a_new_password_by_an_admin_ends_all(client, alice, admin):
    token = client.post("/auth/tokens", json={"name": "n", "scope": "read"}, as_=alice).get_json()
    path = f"/users/{alice.id}"
    assert client.patch(path, json={"password": GOOD}, as_=admin).status_code == 200
    for each in (alice.token, token["token"]):
        assert client.get("/users/me", as_=each).status_code == 401
    assert client.post("/auth/refresh", as_=alice.refresh_token).status_code == 401
    login = {"username": "alice", "password": GOOD}
    assert client.post("/auth/login", json=login).status_code == 200


def test_disabling_holds_at_once(client, alice, admin):
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    assert code_of(client.get("/users/me", as_=alice)) == "TOKEN_REVOKED"
    login = {"username": "alice", "password": alice.password}
    assert code_of(client.post("/auth/login", json=login)) == "INVALID_CREDENTIALS"
    client.patch(f"/users/{alice.id}", json={"is_active": True}, as_=admin)
    assert client.post("/auth/login", json=login).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"role": "owner"},
        {"role": None},
        {"role": True},
        {"is_active": None},
        {"is_active": "true"},
        {"is_active": 1},
        {"username": "x"},
        {"email": "x"},
        {"password": "weak"},
        {"is_admin": True},
        {"version": 1},
        {"foo": 1},
    ],
    ids=str,
)
def test_faulty_changes_by_an_admin(client, alice, admin, body):
    answer = client.patch(f"/users/{alice.id}", json=body, as_=admin)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert answer.get_json()["error"]["details"].keys() == body.keys()
    assert client.get(f"/users/{alice.id}", as_=admin).get_json()["version"] == 1


def test_our_words_for_what_was_meant(client, alice, admin):
    path = f"/users/{alice.id}"
    for body, word in [
        ({"is_admin": True}, "'role'"),
        ({"role": "administrator"}, "'admin'"),
        ({"role": "superuser"}, "'admin'"),
    ]:
        answer = client.patch(path, json=body, as_=admin)
        assert word in answer.get_json()["error"]["message"], body
    assert "'role'" in client.get("/users?is_admin=true", as_=admin).get_json()["detail"]
    assert "parameter" in client.get("/users?foo=true", as_=admin).get_json()["detail"]


# --- conditions ---------------------------------------------------------------------------------


def test_if_none_match(client, alice):
    tag = client.get("/users/me", as_=alice).headers["ETag"]
    for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = client.get("/users/me", as_=alice, headers={"If-None-Match": value})
        assert (answer.status_code, answer.data) == (304, b""), value
        assert answer.headers["ETag"] == tag
    answer = client.get("/users/me", as_=alice, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


def test_if_match(client, alice, admin):
    path = f"/users/{alice.id}"
    tag = client.get(path, as_=admin).headers["ETag"]
    changed = client.patch(
        path, json={"email": "a@example.org"}, as_=admin, headers={"If-Match": f"W/{tag}"}
    )
    assert changed.status_code == 200
    stale = {"If-Match": tag}
    body = {"current_password": alice.password, "username": "ana"}
    for answer in (
        client.patch(path, json={"email": None}, as_=admin, headers=stale),
        client.delete(path, as_=admin, headers=stale),
        client.patch("/users/me", json=body, as_=alice, headers=stale),
        client.delete(
            "/users/me", json={"current_password": alice.password}, as_=alice, headers=stale
        ),
        client.patch(path, json={}, as_=admin, headers={"If-Match": '"nonsense"'}),
    ):
        assert (answer.status_code, code_of(answer)) == (412, "PRECONDITION_FAILED")
        assert answer.headers["ETag"] == changed.headers["ETag"]
    current = {"If-Match": changed.headers["ETag"]}
    assert client.delete(path, as_=admin, headers=current).status_code == 204


def test_if_match_any(client, alice, admin):
    answer = client.patch(
        f"/users/{alice.id}", json={"role": "admin"}, as_=admin, headers={"If-Match": "*"}
    )
    assert answer.status_code == 200


# --- departures ---------------------------------------------------------------------------------


def test_deleting_a_user_takes_their_tasks_or_hands_them_on(client, alice, bob, admin):
    kept = client.post("/tasks", json={"title": "Kept"}, as_=alice).get_json()
    path = f"/users/{alice.id}"
    assert client.delete(f"{path}?reassign_to={bob.id}", as_=admin).status_code == 204
    assert client.get(f"/tasks/{kept['id']}", as_=bob).get_json()["user_id"] == bob.id
    assert client.delete(f"/users/{bob.id}", as_=admin).status_code == 204
    assert client.get(f"/tasks/{kept['id']}", as_=admin).status_code == 404


@pytest.mark.parametrize("heir", ["0", "-1", "x", "999999", "9223372036854775808", "", "self"])
def test_faulty_heirs(client, alice, admin, heir):
    heir = alice.id if heir == "self" else heir
    answer = client.delete(f"/users/{alice.id}?reassign_to={heir}", as_=admin)
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert answer.get_json()["error"]["details"].keys() == {"reassign_to"}
    assert client.get("/users/me", as_=alice).status_code == 200
