"""Permissions in projects: every operation by every role."""

from functools import partial
from typing import Any

import pytest

from tests.support.client import code_of
from tests.support.imports import finished
from tests.support.projects import (
    add,
    comment,
    get,
    inbox,
    items,
    ok,
    patch,
    project,
    refused,
    remove,
    set_role,
    task,
    token,
)
from tests.support.receiver import eventually
from tests.support.rights import CALLERS, PEOPLE, ROWS, Scenes, elsewhere, without_ids
from tests.support.rows import ago
from tests.support.webhooks import hook
from tests.support.worker import is_settled, working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}


@pytest.fixture
def scenes(client, cast, rows):
    return Scenes(client, cast, rows)


# --- the table ----------------------------------------------------------------------------------


def call_all(scenes, caller):
    who, _, scope = caller.partition("'s ")
    got, scene, bearer = {}, None, scenes.token(caller)
    for row in ROWS:
        scene = scene or scenes.new()
        scene.of(who)
        before = scenes.state()
        answer = row.call(scene, caller, bearer)
        status = got[row.name] = answer.status_code
        if status < 400:
            if not row.name.startswith("GET"):
                scene = None
            continue
        assert scenes.state() == before, row.name
        assert "Secret" not in answer.text, row.name
        is_hidden = who == "other" or "$away" in f"{row.name} {row.body}" or scope == "write"
        if is_hidden and status in (400, 404):
            missing = row.call(scene, caller, bearer, **elsewhere(row))
            assert without_ids(answer.text) == without_ids(missing.text), row.name
        if status == 403 and scope == "read" and not row.name.startswith("GET"):
            assert code_of(answer) == "INSUFFICIENT_SCOPE", row.name
    assert got == {row.name: row.expected(caller) for row in ROWS}


@pytest.mark.parametrize("caller", PEOPLE)
def test_operations_by_role(scenes, caller):
    call_all(scenes, caller)


@pytest.mark.sqlite
@pytest.mark.parametrize("caller", CALLERS[len(PEOPLE) :])
def test_operations_by_personal_token(scenes, caller):
    call_all(scenes, caller)


@pytest.mark.sqlite
def test_operations_without_a_token(scenes):
    scene = scenes.new()
    before = scenes.state()
    for row in ROWS:
        refused(row.call(scene, "nobody", None), 401)
    assert scenes.state() == before


def test_creating_a_task_gives_no_rights(client, team):
    """The creator of a task has only the rights of their role in the project."""
    one = task(client, team.editor, team.project)
    said = f"/tasks/{one['id']}/comments/{comment(client, team.editor, one)['id']}"
    ok(set_role(client, team.owner, team.project, team.editor, "viewer"))
    refused(patch(client, team.editor, one, title="x"), 403)
    refused(patch(client, team.editor, one, project_id=inbox(client, team.editor)["id"]), 403)
    ok(remove(client, team.editor, team.project, team.editor), 204)
    for method, path in (("GET", f"/tasks/{one['id']}"), ("DELETE", said)):
        refused(client.open(path, method=method, as_=team.editor), 404)
    assert items(client, team.editor, "/users/me/tasks") == []
    refused(client.get(f"/users/me/tasks/{one['id']}", as_=team.editor), 404)


def test_an_admin_who_is_a_member(client, team, admin):
    """An admin keeps all rights as a viewer, but tokens with smaller scopes do not."""
    add(client, team.owner, team.project, admin, "viewer")
    one = task(client, team.owner, team.project)
    assert ok(client.get(team.path, as_=admin))["role"] == "viewer"
    ok(patch(client, admin, one, title="Changed"))
    for scope, status in (("read", 403), ("write", 403), ("admin", 200)):
        bearer = token(client, admin, scope)
        assert get(client, bearer, one)["title"] == "Changed"
        for path, body in (
            (team.path, {"description": scope}),
            (f"/tasks/{one['id']}", {"tags": [scope]}),
            (f"/tasks/{one['id']}", {"user_id": team.editor.id}),
        ):
            answer = client.patch(path, json=body, as_=bearer)
            assert answer.status_code == status, (scope, body)


@pytest.mark.sqlite
def test_the_order_of_the_checks(client, team):
    one = task(client, team.owner, team.project)
    member = f"{team.path}/members/{team.editor.id}"
    stale = {"If-Match": '"x"'}
    for path, wrong, right in (
        (f"/tasks/{one['id']}", {"title": ""}, {"title": "x"}),
        (team.path, {"name": ""}, {"name": "x"}),
        (member, {"role": "x"}, {"role": "viewer"}),
    ):
        send = partial(client.patch, path, headers=stale)
        assert send(json=wrong).status_code == 401
        for who in (team.other, team.viewer):
            assert send(as_=who, data="x", content_type="text/plain").status_code == 415
            refused(send(as_=who, json=wrong), 400)
        refused(send(as_=team.other, json=right), 404)
        refused(send(as_=team.viewer, json=right), 403)
        if path != member:
            refused(send(as_=team.owner, json=right), 412)


# --- lists, counts and files --------------------------------------------------------------------

LISTS = (
    *("/tasks", "/tasks?q=hers", "/tasks?tag=secret&status=todo", "/tasks?assignee_id=none"),
    *("/tasks?cursor=&sort_by=title", "/tasks?deleted=true", "/tasks?overdue=true"),
    *("/projects?q=hers", "/projects?is_archived=false", "/projects"),
    *("/tasks/export", "/tasks/export?format=csv", "/tasks/stats"),
)


def test_lists_counts_and_files_contain_only_visible_rows(client, root, team, admin):
    hers = project(client, team.owner, "Hers", editor=[team.editor], viewer=[team.viewer])
    path = f"/projects/{hers['id']}"
    body = {"title": "Hers", "tags": ["secret"], "due_at": ago(days=1)}
    for _ in "12":
        one = ok(client.post(f"{path}/tasks", json=body, as_=team.owner), 201)
    ok(client.delete(f"/tasks/{one['id']}", as_=team.owner), 204)
    people = {name: getattr(team, name).token for name in PEOPLE[:-1]}
    people |= {"admin": admin.token, "admin's admin": token(client, admin, "admin")}
    for scope in ("read", "write"):
        people[f"admin's {scope}"] = token(client, admin, scope)
        people[f"viewer's {scope}"] = token(client, team.viewer, scope)
    for who, bearer in people.items():
        sees = who not in ("other", "admin's read", "admin's write")
        for path in LISTS:
            answer = client.get(path, as_=bearer)
            assert answer.status_code == 200, path
            if path == "/tasks/stats":
                told = answer.json
                counts = told["total"], told["overdue"], told["by_status"]["todo"]
                assert counts == (sees,) * 3, who
                continue
            assert ("Hers" in answer.text) == sees, (who, path)
            if "items" in answer.text and "q=" in path:
                assert answer.json["total"] == int(sees), (who, path)
    for who in (team.viewer, team.other, admin):  # only tasks of their projects
        address = ok(client.post("/users/me/calendar", as_=who), 201)["url"]
        assert ("Hers" in root.get(address).text) == (who is team.viewer), who.username


def test_cursors_and_etags_of_other_users(client, team):
    one = task(client, team.owner, team.project, title="Secret")
    task(client, team.owner, team.project, title="Secret")
    said = comment(client, team.owner, one, "Secret")
    comment(client, team.owner, one, "Secret")
    lists = ("/tasks?", f"/tasks?project_id={team.project['id']}&", f"{team.path}/members?")
    for path in (*lists, f"{team.path}/tasks?", f"/tasks/{one['id']}/comments?", "/projects?"):
        cursor = ok(client.get(f"{path}limit=1", as_=team.owner))["next_cursor"]
        assert cursor, path
        answer = client.get(f"{path}cursor={cursor}", as_=team.other)
        assert answer.status_code in (200, 400, 404), path
        assert "Secret" not in answer.text, path
    comments = f"/tasks/{one['id']}/comments/{said['id']}"
    for path in (team.path, f"/tasks/{one['id']}"):
        tag = client.get(path, as_=team.owner).headers["ETag"]
        for has in (tag, "*"):
            for name in ("If-None-Match", "If-Match"):
                refused(client.get(path, as_=team.other, headers={name: has}), 404)
            stale = {"If-Match": '"x"'}
            for method in ("PATCH", "DELETE"):
                send = partial(client.open, path, method=method, as_=team.other, headers=stale)
                body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
                answer = send(**body)
                refused(answer, 404)
                assert "ETag" not in answer.headers
    refused(client.delete(comments, as_=team.other, headers={"If-Match": "*"}), 404)


# --- rights that were lost ----------------------------------------------------------------------


def test_no_replay_after_losing_the_right(client, team):
    one, gone = (task(client, team.owner, team.project) for _ in "12")
    ok(client.delete(f"/tasks/{gone['id']}", as_=team.owner), 204)
    member = add(client, team.owner, team.project, team.other, "owner")
    create = {"op": "create", "data": {"title": "Secret", "project_id": team.project["id"]}}
    change = {"op": "update", "id": one["id"], "data": {"title": "Secret"}}
    posts = (
        ("/tasks", {"title": "Secret", "project_id": team.project["id"]}, 400),
        ("/users/me/tasks", {"title": "Secret", "project_id": team.project["id"]}, 400),
        (f"{team.path}/tasks", {"title": "Secret"}, 404),
        ("/tasks/bulk", {"operations": [create]}, 400),
        ("/tasks/bulk", {"operations": [change]}, 404),
        (f"/tasks/{gone['id']}/restore", None, 404),
        (f"/tasks/import?project_id={team.project['id']}", [{"title": "Secret"}], 400),
        (f"/tasks/{one['id']}/comments", {"text": "Secret"}, 404),
        (f"{team.path}/members", {"user": "Secret", "role": "viewer"}, 404),
    )
    body = {"username": "Secret", "password": "Lantern-6-terces"}
    ok(client.post("/auth/register", json=body), 201)

    def send(number, path, body):
        key = {"Idempotency-Key": f"key {number}"}
        return client.post(path, json=body, as_=team.other, headers=key)

    def replay_all():
        return [send(n, path, body) for n, (path, body, _) in enumerate(posts)]

    assert all(each.status_code < 300 for each in replay_all())
    for role, allowed in (("owner", len(posts)), ("editor", len(posts) - 1), ("viewer", 0)):
        ok(set_role(client, team.owner, team.project, team.other, role))
        for n, answer in enumerate(replay_all()):
            if n < allowed:
                assert answer.headers["Idempotency-Replayed"] == "true", posts[n]
            else:
                refused(answer, 403)
                assert "Secret" not in answer.text
    ok(remove(client, team.owner, team.project, team.other), 204)
    for (path, _, status), answer in zip(posts, replay_all(), strict=True):
        assert answer.status_code == status, (path, answer.text)
        assert "Secret" not in answer.text, path
    assert member["user_id"] == team.other.id
    tasks = items(client, team.owner, f"{team.path}/tasks?limit=100")
    assert len(tasks) == 2 + 5  # no request was repeated


def test_import_fails_after_losing_the_right(client, team, app):
    path = f"/tasks/import?project_id={team.project['id']}"
    for act in (set_role, remove):
        rows = [{"title": "Late"}] * 101
        job = client.post(path, json=rows, as_=team.editor)
        ok(job, 202)
        arguments = ("viewer",) if act is set_role else ()
        assert act(client, team.owner, team.project, team.editor, *arguments).status_code < 300
        with working(app):
            found = finished(client, team.editor, job)
        assert (found["status"], found["result"]) == ("failed", None)
        assert found["error"]
        set_role(client, team.owner, team.project, team.editor, "editor")
    assert items(client, team.owner, f"{team.path}/tasks") == []
    assert items(client, team.editor, "/tasks") == []


def test_webhook_visibility_is_checked_at_delivery(client, team, admin, receiver, rows, app):
    people = (team.owner, team.editor, team.viewer, team.other, admin)
    hooks = {who: hook(client, who, receiver, f"/{who.username}") for who in people}
    writes = token(client, admin, "write")
    hook(client, writes, receiver, "/token")
    assert len(hooks) == 5
    one = task(client, team.editor, team.project, title="Before")
    ok(remove(client, team.owner, team.project, team.viewer), 204)
    ok(client.post(f"/tasks/{one['id']}/comments", json={"text": "Said"}, as_=team.owner), 201)
    with working(app):
        eventually(lambda: is_settled(rows))
    told: dict[str, list[str]] = {}
    for message in receiver.messages:
        told.setdefault(message.path[1:], []).append(message.json["type"])
    seen = ["task.created", "comment.created"]
    assert told["editor"] == seen
    assert [e for e in told["owner"] if e[:4] != "proj"] == seen
    assert told["root"] == seen  # an admin sees every task
    assert told["viewer"] == ["project.member_removed"]
    assert "other" not in told
    assert "token" not in told
