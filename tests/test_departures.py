"""A user who is deleted while something is done for them: a clear answer, and nothing is left."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest

from taskapi.models import session
from taskapi.models.task_table import tasks
from taskapi.routes import auth, users
from taskapi.web import routing
from tests.support.client import code_of, login
from tests.support.databases import rows_of
from tests.support.imports import rows
from tests.support.receiver import eventually

BULK = {"operations": [{"op": "create", "data": {"title": "x"}}]}
WRITES = {
    "a task": ("/tasks", {"title": "x"}),
    "tasks": ("/tasks/bulk", BULK),
    "a small import": ("/tasks/import", rows(2)),
    "an import": ("/tasks/import", rows(101)),
    "a webhook": ("/webhooks", {"url": "https://example.org/hook"}),
    "a calendar": ("/users/me/calendar", None),
    "a token": ("/auth/tokens", {"name": "n", "scope": "read"}),
}
TABLES = (
    *("tasks", "jobs", "job_uploads", "webhooks", "calendars", "personal_tokens", "sessions"),
    *("password_resets", "idempotency_keys"),
)


@pytest.fixture
def deleted_after(app, make_client, admin, monkeypatch):
    """`deleted_after(module, name, person)`: once that function has looked, the person goes.

    An admin deletes them, in a request of its own that is over before anything else happens.
    """

    def delete_after(module, name, person):
        look = getattr(module, name)

        def look_and_lose(*args):
            found = look(*args)
            monkeypatch.setattr(module, name, look)
            with ThreadPoolExecutor(1) as elsewhere:
                path = f"/users/{person.id}"
                answer = elsewhere.submit(make_client(app).delete, path, as_=admin).result()
            assert answer.status_code == 204
            return found

        monkeypatch.setattr(module, name, look_and_lose)

    return delete_after


def nothing_is_left_of(person, url):
    for table in TABLES:
        of_them = f"SELECT * FROM {table} WHERE user_id = {person.id}"
        assert table == "job_uploads" or not rows_of(url, of_them), table
    assert not rows_of(url, "SELECT * FROM job_uploads")


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["", "with a key"])
@pytest.mark.parametrize("what", WRITES)
def test_a_caller_who_is_deleted_meanwhile(client, alice, databases, deleted_after, what, key):
    path, body = WRITES[what]
    deleted_after(routing, "identify", alice)
    answer = client.post(path, json=body, as_=alice, headers=key)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    nothing_is_left_of(alice, databases.shared())


def test_a_caller_with_a_personal_token_who_is_deleted_meanwhile(client, alice, deleted_after):
    token = client.post("/auth/tokens", json={"name": "n", "scope": "write"}, as_=alice).json
    deleted_after(routing, "identify", alice)
    answer = client.post("/tasks", json={"title": "x"}, as_=token["token"])
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")


ADMITTED, KNOWN = (routing, "identify"), (auth, "authenticate")


@pytest.mark.parametrize(
    ("method", "path", "body", "look"),
    [
        ("GET", "/users/me", None, ADMITTED),
        ("PATCH", "/users/me", {"username": "new"}, ADMITTED),
        ("PATCH", "/users/me", {"username": "new"}, KNOWN),
        ("DELETE", "/users/me", {}, ADMITTED),
        ("DELETE", "/users/me", {}, KNOWN),
        ("POST", "/auth/password", {"new_password": "Another-4-Meadows"}, ADMITTED),
        ("POST", "/auth/password", {"new_password": "Another-4-Meadows"}, KNOWN),
    ],
)
def test_who_is_deleted_while_they_see_to_themselves(
    client, alice, databases, deleted_after, method, path, body, look
):
    deleted_after(*look, alice)
    json = None if body is None else body | {"current_password": alice.password}
    answer = client.open(path, method=method, json=json, as_=alice)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    nothing_is_left_of(alice, databases.shared())


def test_who_is_deleted_while_they_refresh(client, alice, databases, deleted_after):
    deleted_after(session, "refresh", alice)
    answer = client.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REVOKED")
    nothing_is_left_of(alice, databases.shared())


def test_who_is_deleted_while_they_sign_in(client, alice, databases, deleted_after):
    deleted_after(auth, "authenticate", alice)
    answer = login(client, "alice", alice.password)
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_CREDENTIALS")
    nothing_is_left_of(alice, databases.shared())


def test_who_is_deleted_while_they_are_offered_a_new_password(
    client, alice, admin, databases, deleted_after
):
    deleted_after(users, "user_by_id", alice)
    answer = client.post(f"/users/{alice.id}/reset-token", as_=admin)
    assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")
    nothing_is_left_of(alice, databases.shared())


@contextmanager
def begun(url: str, statement: str, waiting: int = 1) -> Iterator[None]:
    """The statement has run in a transaction, which is committed once so many wait for it."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement)
            yield
            time.sleep(0.3)  # SQLite does not tell who waits
            connection.execute("COMMIT")
        return
    with psycopg.connect(url) as postgres:
        postgres.execute(statement.encode())
        yield
        until_some_wait(url, waiting)


def until_some_wait(url: str, count: int = 1) -> None:
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    asked = f"SELECT 1 FROM pg_stat_activity WHERE {waiting}"
    eventually(lambda: len(rows_of(url, asked)) >= count)


@pytest.mark.parametrize("what", ["a task", "a change", "a test"])
def test_a_webhook_that_is_deleted_meanwhile_is_told_nothing(
    app, client, make_client, alice, databases, what
):
    task = client.post("/tasks", json={"title": "x"}, as_=alice).json
    hook = client.post("/webhooks", json={"url": "https://example.org/hook"}, as_=alice).json
    method, path, body, status = {
        "a task": ("POST", "/tasks", {"title": "y"}, 201),
        "a change": ("PATCH", f"/tasks/{task['id']}", {"title": "y"}, 200),
        "a test": ("POST", f"/webhooks/{hook['id']}/test", None, 404),
    }[what]
    with ThreadPoolExecutor(1) as elsewhere:
        with begun(databases.shared(), f"DELETE FROM webhooks WHERE id = {hook['id']}"):
            coming = elsewhere.submit(
                make_client(app).open, path, method=method, json=body, as_=alice
            )
        answer = coming.result()
    assert answer.status_code == status, answer.text
    assert not rows_of(databases.shared(), "SELECT * FROM deliveries")


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)  # in SQLite the webhook waits too
def test_a_webhook_that_is_made_while_a_change_waits_is_told(
    app, client, make_client, alice, databases
):
    task = client.post("/tasks", json={"title": "x"}, as_=alice).json
    with ThreadPoolExecutor(1) as elsewhere:
        held = f"UPDATE tasks SET title = 'y' WHERE id = {task['id']}"
        with begun(databases.shared(), held):
            path = f"/tasks/{task['id']}"
            coming = elsewhere.submit(make_client(app).patch, path, json={"title": "z"}, as_=alice)
            until_some_wait(databases.shared())
            client.post("/webhooks", json={"url": "https://example.org/hook"}, as_=alice)
        assert coming.result().status_code == 200
    assert len(rows_of(databases.shared(), "SELECT * FROM deliveries")) == 1


def test_an_heir_who_is_deleted_meanwhile(app, client, make_client, alice, bob, admin, databases):
    task = client.post("/tasks", json={"title": "Kept"}, as_=alice).json
    with ThreadPoolExecutor(1) as elsewhere:
        with begun(databases.shared(), f"DELETE FROM users WHERE id = {bob.id}"):
            path = f"/users/{alice.id}?reassign_to={bob.id}"
            coming = elsewhere.submit(make_client(app).delete, path, as_=admin)
        answer = coming.result()
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert answer.get_json()["error"]["details"].keys() == {"reassign_to"}
    assert client.get(f"/tasks/{task['id']}", as_=alice).json == task


def test_two_who_are_to_inherit_from_each_other(
    app, client, make_client, alice, bob, admin, databases
):
    for each in (alice, bob):
        client.post("/tasks", json={"title": "Kept"}, as_=each)
    held = f"UPDATE users SET version = version WHERE id = {admin.id}"
    with ThreadPoolExecutor(2) as elsewhere:
        with begun(databases.shared(), held, waiting=2):
            coming = [
                elsewhere.submit(make_client(app).delete, path, as_=admin)
                for path in (
                    f"/users/{alice.id}?reassign_to={bob.id}",
                    f"/users/{bob.id}?reassign_to={alice.id}",
                )
            ]
        assert sorted(each.result().status_code for each in coming) == [204, 400]
    assert client.get("/tasks/admin/all", as_=admin).json["total"] == 2


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)  # in SQLite all who write wait
def test_who_inherits_goes_on_writing(app, client, make_client, alice, bob, admin, databases):
    task = client.post("/tasks", json={"title": "x"}, as_=alice).json
    with ThreadPoolExecutor(1) as elsewhere:
        held = f"UPDATE tasks SET title = 'y' WHERE id = {task['id']}"
        with begun(databases.shared(), held):
            path = f"/users/{alice.id}?reassign_to={bob.id}"
            coming = elsewhere.submit(make_client(app).delete, path, as_=admin)
            until_some_wait(databases.shared())
            for each in (bob, admin):
                assert client.post("/tasks", json={"title": "Mine"}, as_=each).status_code == 201
        assert coming.result().status_code == 204


def test_a_task_that_comes_amid_a_handover_is_handed_over(
    app, client, make_client, alice, bob, admin, databases
):
    task = client.post("/tasks", json={"title": "x"}, as_=alice).json
    names = ", ".join(column.name for column in tasks.c if column.name != "id")
    with ThreadPoolExecutor(1) as elsewhere:
        again = f"INSERT INTO tasks ({names}) SELECT {names} FROM tasks WHERE id = {task['id']}"
        with begun(databases.shared(), again):
            path = f"/users/{alice.id}?reassign_to={bob.id}"
            coming = elsewhere.submit(make_client(app).delete, path, as_=admin)
        assert coming.result().status_code == 204
    assert client.get("/tasks", as_=bob).json["total"] == 2
