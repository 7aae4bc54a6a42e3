"""Audit: what an admin can look up later, and what must never be in it."""

import re
from pathlib import Path

import taskapi
from taskapi.models.event import ACTIONS


def audit(client, who, **query):
    answer = client.get("/audit", query_string={"limit": 100, **query}, as_=who)
    assert answer.status_code == 200, answer.text
    return answer.json["items"]


def actions(client, who, **query):
    return [each["action"] for each in audit(client, who, **query)]


def test_sign_ins_and_failed_ones(client, cast, alice, admin):
    wrong = {"username": "alice", "password": "Wrong-Password-1"}
    assert client.post("/auth/login", json=wrong).status_code == 401
    client.post("/auth/login", json={"username": "nobody", "password": "Secret-As-A-Name-1"})
    again = cast.sign_in("alice", alice.password)
    client.post("/auth/logout", as_=again)
    found = audit(client, admin)
    assert [each["action"] for each in found[:4]] == [
        "session.ended",
        "session.started",
        "login.failed",
        "login.failed",
    ]
    assert [each["user_id"] for each in found[:4]] == [alice.id, alice.id, None, alice.id]
    assert found[1]["actor"] == alice.id
    assert found[3]["address"] == "127.0.0.1"
    assert set(found[0]) == {
        *("id", "at", "actor", "action", "changes", "request_id"),
        *("user_id", "task_id", "address"),
    }


def test_changes_to_users_and_tokens(client, alice, bob, admin):
    client.patch(f"/users/{bob.id}", json={"role": "admin"}, as_=admin)
    client.patch(f"/users/{bob.id}", json={"password": "Another-Word-9"}, as_=admin)
    client.patch(
        "/users/me", json={"email": "a@example.org", "current_password": alice.password}, as_=alice
    )
    made = client.post("/auth/tokens", json={"name": "x", "scope": "read"}, as_=alice).json
    client.delete(f"/auth/tokens/{made['id']}", as_=alice)
    client.post("/users/me/calendar", as_=alice)
    client.post("/webhooks", json={"url": "https://example.org/secret-path"}, as_=alice)
    client.delete(f"/users/{bob.id}", as_=admin)
    found = audit(client, admin)
    kinds = [each["action"] for each in found]
    for action in (
        *("user.updated", "password.changed", "token.created", "token.deleted"),
        *("calendar.created", "webhook.created", "user.deleted", "user.created"),
    ):
        assert action in kinds, action
    promoted = next(
        each for each in found if each["action"] == "user.updated" and each["user_id"] == bob.id
    )
    assert promoted["changes"] == {"role": ["user", "admin"]}
    assert promoted["actor"] == admin.id


def test_an_admins_acts_on_others_tasks_and_not_ones_own(client, alice, admin):
    task = client.post("/tasks", json={"title": "alice's"}, as_=alice).json
    own = client.post("/tasks", json={"title": "admin's"}, as_=admin).json
    client.patch(f"/tasks/{own['id']}", json={"title": "still"}, as_=admin)
    assert not [each for each in audit(client, admin) if each["task_id"]]
    client.patch(f"/tasks/{task['id']}", json={"status": "done"}, as_=admin)
    client.delete(f"/tasks/{task['id']}", as_=admin)
    found = [each for each in audit(client, admin) if each["task_id"]]
    assert [(each["action"], each["task_id"], each["user_id"]) for each in found] == [
        ("task.deleted", task["id"], alice.id),
        ("task.completed", task["id"], alice.id),
    ]


def test_filters(client, alice, bob, admin):
    client.post("/auth/login", json={"username": "bob", "password": "Wrong-Password-1"})
    assert set(actions(client, admin, action="login.failed")) == {"login.failed"}
    assert {each["actor"] for each in audit(client, admin, actor=bob.id)} == {bob.id}
    newest, *older = audit(client, admin)
    assert audit(client, admin, since=newest["at"]) == [newest]
    assert audit(client, admin, since="2999-01-01T00:00:00Z") == []
    assert len(older) >= 3
    for query in ("action=exploded", "actor=bob", "since=yesterday", "user=1", "actor=1&actor=2"):
        assert client.get(f"/audit?{query}", as_=admin).status_code == 400, query


def test_only_admins_read_it_and_nobody_writes(client, alice, admin):
    assert client.get("/audit").status_code == 401
    assert client.get("/audit", as_=alice).status_code == 403
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open("/audit", method=method, as_=admin).status_code == 405


def test_no_secret_is_in_it(client, cast, alice, bob, admin, secrets):
    client.post("/auth/login", json={"username": "Typed-Into-Name-1", "password": "Wrong-1-word"})
    client.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    client.post("/auth/tokens", json={"name": "x", "scope": "write"}, as_=alice)
    client.patch(f"/users/{bob.id}", json={"password": "Another-Word-9"}, as_=admin)
    client.post(f"/users/{bob.id}/reset-token", as_=admin)
    client.post("/users/me/calendar", as_=alice)
    client.post("/webhooks", json={"url": "https://example.org/?key=in-the-url"}, as_=alice)
    text = client.get("/audit?limit=100", as_=admin).get_data(as_text=True)
    assert not secrets.found_in(text)
    for hidden in ("Typed-Into-Name-1", "in-the-url", "password_hash", "$2b$"):
        assert hidden not in text


def test_every_action_that_is_recorded_may_be_asked_for():
    text = "".join(path.read_text() for path in Path(taskapi.__file__).parent.rglob("*.py"))
    recorded = re.findall(r'record\(\s*"([a-z._]+)"', text) + re.findall(
        r'_move\(\w+, "([a-z._]+)"', text
    )
    assert len(recorded) > 15
    assert set(recorded) <= set(ACTIONS)
