"""Deleting users: their tasks, concurrent requests, the last admin."""

from functools import partial
from typing import Any

import pytest

from tests.support.calls import at_once
from tests.support.client import code_of
from tests.support.receiver import eventually
from tests.support.webhooks import hook

# --- a user who is deleted during their own request ---------------------------------------------


@pytest.fixture
def while_deleted(holding, rows, alice):
    """`while_deleted(request)` deletes alice before the request writes; returns the response."""

    def run(call):
        with holding("DELETE FROM users WHERE id = :id", id=alice.id) as start:
            answer = start(call)
        for table in owned_tables(rows):
            left = rows.value(f"SELECT count(*) FROM {table} WHERE user_id = :id", id=alice.id)
            assert left == 0, table
        return answer.result()

    return run


def owned_tables(rows):
    """Return the tables whose rows are deleted with their user, which excludes the audit log."""
    asked = "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = :column"
    if rows.is_postgres:
        asked = (
            "SELECT table_name AS name FROM information_schema.columns WHERE column_name = :column"
        )
    names = {row["name"] for row in rows.all(asked, column="user_id")} - {"events"}
    assert names >= {"tasks", "sessions"}
    return names


NEW = {"new_password": "Another-4-Meadows"}
ME = {"current_password": "Lantern-5-ecila"}
WRITES: dict[str, tuple[str, str, Any]] = {
    "a task": ("POST", "/tasks", {"title": "x"}),
    "tasks": ("POST", "/tasks/bulk", {"operations": [{"op": "create", "data": {"title": "x"}}]}),
    "a small import": ("POST", "/tasks/import", [{"title": "x"}] * 2),
    "an import": ("POST", "/tasks/import", [{"title": "x"}] * 101),
    "a webhook": ("POST", "/webhooks", {"url": "https://example.org/hook"}),
    "a calendar": ("POST", "/users/me/calendar", None),
    "a token": ("POST", "/auth/tokens", {"name": "n", "scope": "read"}),
    "a new name": ("PATCH", "/users/me", ME | {"username": "new"}),
    "a new password": ("POST", "/auth/password", ME | NEW),
    "deletion": ("DELETE", "/users/me", ME),
}


@pytest.mark.parametrize("what", WRITES)
def test_caller_deleted_during_a_request(alice, prepare, while_deleted, what):
    assert alice.password == ME["current_password"]
    method, path, body = WRITES[what]
    answer = while_deleted(prepare(method, path, json=body, as_=alice))
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")


def test_token_and_idempotency_key_of_a_deleted_user(client, alice, prepare, while_deleted):
    token = client.post("/auth/tokens", json={"name": "n", "scope": "write"}, as_=alice).json
    key = {"Idempotency-Key": "k"}
    call = prepare("POST", "/tasks", json={"title": "x"}, as_=token["token"], headers=key)
    answer = while_deleted(call)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")


def test_user_deleted_during_refresh_or_login(client, cast, alice, holding, prepare, while_deleted):
    body = {"refresh_token": alice.refresh_token}
    answer = while_deleted(prepare("POST", "/auth/refresh", json=body))
    assert answer.status_code == 401
    assert code_of(answer) in ("TOKEN_REVOKED", "INVALID_TOKEN")
    bob = cast.user("bob")
    with holding("DELETE FROM users WHERE id = :id", id=bob.id) as start:
        body = {"username": "bob", "password": bob.password}
        coming = start(prepare("POST", "/auth/login", json=body))
    answer = coming.result()
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_CREDENTIALS")


def test_user_deleted_during_password_reset(alice, admin, prepare, while_deleted):
    answer = while_deleted(prepare("POST", f"/users/{alice.id}/reset-token", as_=admin))
    assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")


# --- webhooks that come and go during a change --------------------------------------------------


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}


def test_deleted_webhook_receives_nothing(client, alice, holding, prepare, receiver, worker):
    task = client.post("/tasks", json={"title": "x"}, as_=alice).json
    stays = hook(client, alice, receiver, "/stays")
    calls = {
        "/tasks": ("POST", {"title": "y"}, 201),
        f"/tasks/{task['id']}": ("PATCH", {"title": "y"}, 200),
        "/webhooks/{}/test": ("POST", None, 404),
    }
    for path, (method, body, status) in calls.items():
        number = hook(client, alice, receiver, "/goes")["id"]
        with holding("DELETE FROM webhooks WHERE id = :id", id=number) as start:
            coming = start(prepare(method, path.format(number), json=body, as_=alice))
        assert coming.result().status_code == status, coming.result().text
    assert client.post(f"/webhooks/{stays['id']}/test", as_=alice).status_code == 202
    eventually(lambda: len(receiver.messages) == 3)
    assert {message.path for message in receiver.messages} == {"/stays"}


@pytest.mark.postgres
def test_webhook_created_during_a_change_receives_it(
    client, alice, holding, prepare, rows, receiver, worker
):
    path = f"/tasks/{client.post('/tasks', json={'title': 'x'}, as_=alice).json['id']}"
    with holding("UPDATE tasks SET title = 'y'") as start:
        coming = start(prepare("PATCH", path, json={"title": "z"}, as_=alice))
        rows.until_blocked()
        hook(client, alice, receiver)
    assert coming.result().status_code == 200
    eventually(lambda: receiver.messages)
    assert receiver.messages[0].json["data"]["task"]["title"] == "z"


# --- tasks that are handed over -----------------------------------------------------------------


def test_tasks_are_deleted_or_reassigned(client, alice, bob, admin):
    kept = client.post("/tasks", json={"title": "Kept"}, as_=alice).get_json()
    path = f"/users/{alice.id}"
    for other in ("0", "-1", "x", "999999", "9223372036854775808", "", str(alice.id)):
        answer = client.delete(f"{path}?reassign_to={other}", as_=admin)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), other
        assert answer.get_json()["error"]["details"].keys() == {"reassign_to"}
    assert client.get("/users/me", as_=alice).status_code == 200
    assert client.delete(f"{path}?reassign_to={bob.id}", as_=admin).status_code == 204
    assert client.get(f"/tasks/{kept['id']}", as_=bob).get_json()["user_id"] == bob.id
    assert client.delete(f"/users/{bob.id}", as_=admin).status_code == 204
    assert client.get(f"/tasks/{kept['id']}", as_=admin).status_code == 404


def test_new_owner_deleted_at_the_same_time(client, alice, bob, admin, holding, prepare):
    task = client.post("/tasks", json={"title": "Kept"}, as_=alice).json
    with holding("DELETE FROM users WHERE id = :id", id=bob.id) as start:
        coming = start(prepare("DELETE", f"/users/{alice.id}?reassign_to={bob.id}", as_=admin))
    answer = coming.result()
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert answer.get_json()["error"]["details"].keys() == {"reassign_to"}
    assert client.get(f"/tasks/{task['id']}", as_=alice).json == task


def test_two_users_reassigned_to_each_other(client, alice, bob, admin, holding, prepare):
    for each in (alice, bob):
        client.post("/tasks", json={"title": "Kept"}, as_=each)
    touched = "UPDATE users SET version = version WHERE id = :id"
    with holding(touched, waiting=2, id=admin.id) as start:
        coming = [
            start(prepare("DELETE", f"/users/{one.id}?reassign_to={other.id}", as_=admin))
            for one, other in ((alice, bob), (bob, alice))
        ]
    assert sorted(each.result().status_code for each in coming) == [204, 400]
    assert client.get("/tasks/admin/all", as_=admin).json["total"] == 2


@pytest.mark.postgres
def test_new_owner_can_write_during_reassignment(client, alice, bob, admin, holding, prepare, rows):
    client.post("/tasks", json={"title": "x"}, as_=alice)
    with holding("UPDATE tasks SET title = 'y'") as start:
        coming = start(prepare("DELETE", f"/users/{alice.id}?reassign_to={bob.id}", as_=admin))
        rows.until_blocked()
        for each in (bob, admin):
            assert client.post("/tasks", json={"title": "Mine"}, as_=each).status_code == 201
    assert coming.result().status_code == 204


def test_task_created_during_reassignment_is_reassigned(
    client, alice, bob, admin, holding, prepare, rows
):
    made = client.post("/tasks", json={"title": "x"}, as_=alice).json
    columns = ", ".join(rows.one("SELECT * FROM tasks").keys() - {"id"})
    again = f"INSERT INTO tasks ({columns}) SELECT {columns} FROM tasks WHERE id = :id"
    with holding(again, id=made["id"]) as start:
        coming = start(prepare("DELETE", f"/users/{alice.id}?reassign_to={bob.id}", as_=admin))
    assert coming.result().status_code == 204
    assert client.get("/tasks", as_=bob).json["total"] == 2


# --- the last admin -----------------------------------------------------------------------------


@pytest.mark.sqlite
def test_last_active_admin_is_protected(client, cast, admin, alice):
    path = f"/users/{admin.id}"
    me = {"current_password": admin.password}
    disabled = cast.admin("disabled")
    off = client.patch(f"/users/{disabled.id}", json={"is_active": False}, as_=admin)
    assert off.status_code == 200
    for answer in (
        client.patch(path, json={"role": "user"}, as_=admin),
        client.patch(path, json={"is_active": False}, as_=admin),
        client.patch(path, json={"role": "user", "is_active": False}, as_=admin),
        client.delete(path, as_=admin),
        client.delete(f"{path}?reassign_to={alice.id}", as_=admin),
        client.delete("/users/me", json=me, as_=admin),
    ):
        assert (answer.status_code, code_of(answer)) == (409, "CONFLICT")
    found = client.get("/users/me", as_=admin).get_json()
    assert (found["role"], found["is_active"], found["version"]) == ("admin", True, 1)
    cast.admin("second")
    assert client.delete("/users/me", json=me, as_=admin).status_code == 204


@pytest.mark.parametrize("how", ["demote", "disable", "delete", "mixed", "command line"])
def test_two_admins_cannot_remove_each_other(app, cast, client, rows, holding, prepare, how):
    def act(kind, user, as_):
        path = f"/users/{user.id}"
        if kind == "delete":
            return prepare("DELETE", path, as_=as_)
        if kind == "command line":
            args = ["users", "demote", user.username]
            return partial(app.test_cli_runner().invoke, args=args)
        body = {"is_active": False} if kind == "disable" else {"role": "user"}
        return prepare("PATCH", path, json=body, as_=as_)

    active = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active"
    for number in range(6):
        left, right = cast.admin(f"left-{number}"), cast.admin(f"right-{number}")
        rows.run("UPDATE users SET role = 'user' WHERE id < :id", id=left.id)
        kinds = {"mixed": ("demote", "delete"), "command line": ("command line", "disable")}
        one, other = kinds.get(how, (how, how))
        # Each removes the other, or, every second time, themselves.
        calls = [act(one, right, left), act(other, left, right)]
        if number % 2:
            calls = [act(one, left, left), act(other, right, right)]
        if number < 2:  # both wait for the lock before one continues
            touched = "UPDATE users SET version = version WHERE role = 'admin'"
            with holding(touched, waiting=2) as start:
                coming = [start(call) for call in calls]
            answers = [each.result() for each in coming]
        else:
            answers = at_once(calls * 2)
        assert rows.value(active) == 1, answers
