"""The audit log."""

import pytest

from tests.support.client import login
from tests.support.projects import add, project
from tests.support.projects import task as project_task


def audit(client, who, **query):
    answer = client.get("/audit", query_string={"limit": 100, **query}, as_=who)
    assert answer.status_code == 200, answer.text
    return answer.json["items"]


@pytest.mark.sqlite
def test_logins_and_failed_logins(client, cast, alice, admin):
    assert login(client, "alice", "Wrong-Password-1").status_code == 401
    login(client, "nobody", "Wrong-Password-1")
    again = cast.sign_in("alice", alice.password)
    client.post("/auth/logout", as_=again)
    found = audit(client, admin)
    assert [(each["action"], each["user_id"]) for each in found[:4]] == [
        ("session.ended", alice.id),
        ("session.started", alice.id),
        ("login.failed", None),
        ("login.failed", alice.id),
    ]
    assert found[1]["actor"] == alice.id
    assert found[3]["address"] == "127.0.0.1"
    assert set(found[0]) == {
        *("id", "at", "actor", "action", "changes", "request_id"),
        *("user_id", "task_id", "project_id", "address"),
    }


def test_changes_to_users_and_tokens_contain_no_secret(client, alice, bob, admin, secrets):
    login(client, "Typed-Into-Name-1", "Wrong-1-word")
    client.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    client.patch(f"/users/{bob.id}", json={"role": "admin"}, as_=admin)
    client.patch(f"/users/{bob.id}", json={"password": "Another-Word-9"}, as_=admin)
    client.post(f"/users/{bob.id}/reset-token", as_=admin)
    changes = {"email": "a@example.org", "current_password": alice.password}
    client.patch("/users/me", json=changes, as_=alice)
    made = client.post("/auth/tokens", json={"name": "x", "scope": "write"}, as_=alice).json
    client.delete(f"/auth/tokens/{made['id']}", as_=alice)
    client.post("/users/me/calendar", as_=alice)
    client.post("/webhooks", json={"url": "https://example.org/?key=in-the-url"}, as_=alice)
    client.delete(f"/users/{bob.id}", as_=admin)

    found = audit(client, admin)
    kinds = {each["action"] for each in found}
    assert kinds >= {
        *("user.created", "user.updated", "user.deleted", "password.changed"),
        *("password.reset_offered", "token.created", "token.deleted", "session.started"),
        *("calendar.created", "webhook.created", "login.failed"),
    }
    promoted = next(
        each for each in found if each["action"] == "user.updated" and each["user_id"] == bob.id
    )
    assert promoted["changes"] == {"role": ["user", "admin"]}
    assert promoted["actor"] == admin.id
    for kind in kinds:
        assert {each["action"] for each in audit(client, admin, action=kind)} == {kind}
    assert {each["actor"] for each in audit(client, admin, actor=alice.id)} == {alice.id}

    text = client.get("/audit?limit=100", as_=admin).get_data(as_text=True)
    assert not secrets.found_in(text)
    for hidden in ("Typed-Into-Name-1", "in-the-url", "password_hash", "$2b$"):
        assert hidden not in text


@pytest.mark.sqlite
def test_admin_changes_to_other_users_tasks(client, alice, admin):
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
        ("task.updated", task["id"], alice.id),
    ]


@pytest.mark.sqlite
def test_admin_in_projects_is_audited_unless_a_member(client, alice, admin):
    shared = project(client, alice)
    one = project_task(client, alice, shared)
    for is_member in (False, True):
        if is_member:
            add(client, alice, shared, admin, "editor")
        client.patch(f"/tasks/{one['id']}", json={"title": f"{is_member}"}, as_=admin)
        client.post(f"/tasks/{one['id']}/comments", json={"text": "x"}, as_=admin)
        found = [each["action"] for each in audit(client, admin) if each["task_id"]]
        assert found == ["comment.created", "task.updated"]
    client.patch(f"/projects/{shared['id']}", json={"name": "New"}, as_=admin)
    last = audit(client, admin)[0]
    assert (last["action"], last["project_id"]) == ("project.updated", shared["id"])
    assert last["changes"] == {"name": ["Website", "New"]}


def test_filters_and_that_it_is_append_only(client, alice, bob, admin):
    newest, *older = audit(client, admin)
    assert len(older) >= 3
    assert audit(client, admin, since=newest["at"]) == [newest]
    assert audit(client, admin, since="2999-01-01T00:00:00Z") == []
    for query in ("action=exploded", "actor=bob", "since=yesterday", "user=1", "actor=1&actor=2"):
        assert client.get(f"/audit?{query}", as_=admin).status_code == 400, query
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open("/audit", method=method, as_=admin).status_code == 405
