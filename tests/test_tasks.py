"""A single task: create, read, replace, update, delete, restore."""

import pytest

from tests.support.client import code_of
from tests.support.rows import ago
from tests.support.tasks import plant

FULL = {
    "title": "Write the README",
    "description": "For people\nwho hurry",
    "status": "in_progress",
    "priority": "high",
    "due_at": "2026-12-01T08:00:00.000000Z",
    "tags": ["docs", "Team"],
}
DEFAULTS: dict[str, object] = {
    "description": None,
    "status": "todo",
    "priority": "medium",
    "due_at": None,
    "tags": [],
    "completed_at": None,
}
FIELDS = {
    *(*FULL, "id", "user_id", "project_id", "assignee_id"),
    *("completed_at", "created_at", "updated_at", "version"),
}


def made(client, person, path="/tasks", **fields):
    answer = client.post(path, as_=person, json={"title": "Task", **fields})
    assert answer.status_code == 201, answer.json
    return answer.json


@pytest.mark.parametrize("path", ["/tasks", "/tasks/", "/users/me/tasks", "/users/{id}/tasks/"])
def test_new_task_has_defaults_and_location(client, alice, path):
    path = path.format(id=alice.id)
    answer = client.post(path, as_=alice, json={"title": "  Water the plants "})
    assert answer.status_code == 201
    task = answer.json
    assert task.keys() == FIELDS
    assert task["title"] == "Water the plants"
    assert {name: task[name] for name in DEFAULTS} == DEFAULTS
    assert (task["user_id"], task["version"]) == (alice.id, 1)
    assert task["created_at"] == task["updated_at"]
    assert answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert answer.headers["ETag"] == f'"{task["id"]}-1"'
    for one in (answer.headers["Location"], f"{path.rstrip('/')}/{task['id']}"):
        for slash in ("", "/"):
            assert client.get(one + slash, as_=alice).data == answer.data
    assert client.get(path, as_=alice).json["items"] == [task]


@pytest.mark.parametrize("path", ["/tasks", "/users/me/tasks"])
def test_put_replaces_and_patch_updates(client, alice, path):
    task = made(client, alice, **FULL)
    assert task == task | FULL
    one = f"{path}/{task['id']}"
    version = 1
    for kind in ("application/json", "application/merge-patch+json"):
        version += 1
        answer = client.patch(one, as_=alice, data=f'{{"title": "{kind}"}}', content_type=kind)
        assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{task["id"]}-{version}"')
        changed = {"title": kind, "version": version, "updated_at": answer.json["updated_at"]}
        assert answer.json == task | changed
    cleared = client.patch(one, as_=alice, json={"description": None, "due_at": None}).json
    assert (cleared["description"], cleared["due_at"], cleared["tags"]) == (
        None,
        None,
        FULL["tags"],
    )

    client.patch(one, as_=alice, json=FULL)
    put = client.put(one, as_=alice, json={"title": "Just this"})
    assert put.status_code == 200
    assert put.json == task | DEFAULTS | {
        "title": "Just this",
        "version": 6,
        "updated_at": put.json["updated_at"],
    }
    assert put.json["updated_at"] > task["updated_at"]
    assert put.headers["ETag"] == f'"{task["id"]}-6"'
    untitled = client.put(one, as_=alice, json={"status": "done"})
    assert untitled.json["error"]["details"].keys() == {"title"}
    assert client.get(one, as_=alice).json == put.json


def test_unchanged_task_keeps_its_version(client, alice):
    task = made(client, alice, **FULL)
    one = f"/tasks/{task['id']}"
    same = {"title": " Write the README", "due_at": "2026-12-01T10:00:00+02:00"}
    for body in ({}, FULL, same | {"tags": ["Team", "docs", "DOCS"]}):
        assert client.patch(one, as_=alice, json=body).json == task
    assert client.put(one, as_=alice, json=FULL).json == task
    assert client.get(one, as_=alice).json == task


def test_completed_at_follows_the_status(client, alice):
    task = made(client, alice)
    one = f"/tasks/{task['id']}"
    done = client.patch(one, as_=alice, json={"status": "done"}).json
    assert done["completed_at"] == done["updated_at"] > task["updated_at"]
    still = client.patch(one, as_=alice, json={"title": "Other", "status": "done"}).json
    assert still["completed_at"] == done["completed_at"]
    again = client.patch(one, as_=alice, json={"status": "in_progress"}).json
    assert again["completed_at"] is None
    assert client.put(one, as_=alice, json={"title": "x", "status": "done"}).json["completed_at"]
    assert client.put(one, as_=alice, json={"title": "x"}).json["completed_at"] is None
    born_done = made(client, alice, status="done")
    assert born_done["completed_at"] == born_done["created_at"]


@pytest.mark.sqlite
@pytest.mark.parametrize("bad", ["0", "-1", "abc", str(2**63), "9" * 30, "٣", "1.0", "01", "1e3"])
def test_invalid_path_id_is_a_404(client, alice, bad):
    made(client, alice)
    for path in (f"/tasks/{bad}", f"/users/me/tasks/{bad}"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = client.open(path, method=method, as_=alice)
            assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")
    assert client.post(f"/tasks/{bad}/restore", as_=alice).status_code == 404


def test_ids_are_not_reused(client, rows, alice):
    first = made(client, alice)["id"]
    rows.run("DELETE FROM tasks")
    assert made(client, alice)["id"] > first


# --- the owner of a task -------------------------------------------------------------------------


def test_only_admins_can_set_the_owner(client, alice, bob, admin):
    task = made(client, alice)
    one = f"/tasks/{task['id']}"
    for owner in (alice.id, bob.id, None, "x"):
        body = {"title": "x", "user_id": owner}
        for answer in (
            client.post("/tasks", as_=alice, json=body),
            client.post("/users/me/tasks", as_=alice, json=body),
            client.put(one, as_=alice, json=body),
            client.patch(one, as_=alice, json=body),
        ):
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
    for owner in (99_999, 2**63 - 1, 2**63, 0, -1, "1", 1.0, True, None):
        body = {"title": "x", "user_id": owner}
        for answer in (
            client.post("/tasks", as_=admin, json=body),
            client.put(one, as_=admin, json=body),
            client.patch(one, as_=admin, json=body),
        ):
            assert answer.status_code == 400, owner
            assert answer.json["error"]["details"].keys() == {"user_id"}
    assert client.get("/tasks", as_=admin).json["items"] == [task]

    for_bob = made(client, admin, user_id=bob.id)
    assert client.get(f"/tasks/{for_bob['id']}", as_=bob).json == for_bob
    moved = client.patch(one, as_=admin, json={"user_id": bob.id})
    assert (moved.json["user_id"], moved.json["version"]) == (bob.id, 2)
    assert client.get(one, as_=alice).status_code == 404
    assert client.get(one, as_=bob).json == moved.json
    assert client.put(one, as_=admin, json={"title": "Mine?"}).json["user_id"] == bob.id


def test_other_users_task_and_missing_task_are_indistinguishable(client, alice, bob):
    theirs, trashed = made(client, bob), made(client, bob)
    client.delete(f"/tasks/{trashed['id']}", as_=bob)
    headers = {"X-Request-ID": "same", "If-Match": '"1-1"'}
    for method, path in (
        *[(method, "/tasks/{}") for method in ("GET", "PUT", "PATCH", "DELETE")],
        *[(method, "/users/me/tasks/{}") for method in ("GET", "PUT", "PATCH", "DELETE")],
        ("POST", "/tasks/{}/restore"),
    ):
        given = {"json": {"title": "x"}} if method in ("PUT", "PATCH") else {}
        answers = [
            client.open(path.format(task_id), method=method, as_=alice, headers=headers, **given)
            for task_id in (theirs["id"] + 1_000_000, theirs["id"], trashed["id"])
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({(answer.data, str(answer.headers)) for answer in answers}) == 1
    assert client.get(f"/tasks/{theirs['id']}", as_=bob).json == theirs


def test_path_of_another_or_missing_user_is_a_403(client, alice, bob, admin):
    task = made(client, bob)
    for owner in (bob.id, admin.id, 99_999_999, 2**63 - 1):
        all_ = f"/users/{owner}/tasks"
        one = f"{all_}/{task['id']}"
        for answer in (
            client.get(all_, as_=alice),
            client.get(f"{all_}?nonsense=1", as_=alice),
            client.post(all_, as_=alice, json={"title": "x"}),
            client.post(all_, as_=alice, data="nonsense"),
            client.get(one, as_=alice),
            client.put(one, as_=alice, json={"title": "x"}),
            client.patch(one, as_=alice, json={"title": "x"}),
            client.delete(one, as_=alice),
        ):
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        assert client.get(all_).status_code == 401
    assert client.get(f"/users/{2**63}/tasks", as_=alice).status_code == 404
    assert client.get("/users/ME/tasks", as_=alice).status_code == 404
    assert client.get("/tasks", as_=admin).json["items"] == [task]


def test_admin_uses_paths_of_other_users(client, alice, bob, admin):
    for_alice = f"/users/{alice.id}/tasks"
    task, theirs = made(client, admin, for_alice), made(client, bob)
    one, new = f"{for_alice}/{task['id']}", {"json": {"title": "x"}}
    assert task["user_id"] == alice.id
    assert client.get(for_alice, as_=admin).json["items"] == [task]
    assert client.get(one, as_=admin).json == task
    for method, given in (("GET", {}), ("PUT", new), ("PATCH", new), ("DELETE", {})):
        answer = client.open(f"{for_alice}/{theirs['id']}", method=method, as_=admin, **given)
        assert answer.status_code == 404
    refused = client.post(for_alice, as_=admin, json={"title": "x", "user_id": bob.id})
    assert refused.status_code == 400
    assert client.get(f"{for_alice}?user_id={alice.id}", as_=admin).status_code == 400
    for path in ("/users/99999999/tasks", "/users/99999999/tasks/1"):
        assert client.get(path, as_=admin).status_code == 404
    assert client.post("/users/99999999/tasks", as_=admin, **new).status_code == 404
    assert client.patch(one, as_=admin, json={"user_id": bob.id}).json["user_id"] == bob.id
    assert client.get(one, as_=admin).status_code == 404
    assert client.delete(f"/users/{bob.id}/tasks/{task['id']}", as_=admin).status_code == 204


# --- the trash ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/tasks", "/users/me/tasks"])
def test_deleted_task_is_only_in_the_trash(client, alice, path):
    kept = made(client, alice)
    task = made(client, alice, status="done", due_at="2026-12-01T00:00:00Z", tags=["x"])
    one = f"{path}/{task['id']}"
    deleted = client.delete(one, as_=alice)
    assert (deleted.status_code, deleted.data) == (204, b"")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        given = {"json": {"title": "x"}} if method in ("PUT", "PATCH") else {}
        assert client.open(one, method=method, as_=alice, **given).status_code == 404
    for live in ("", "?deleted=false"):
        assert client.get(f"{path}{live}", as_=alice).json["items"] == [kept]
    assert client.get("/tasks/export", as_=alice).json == [kept]
    assert client.get("/tasks/stats", as_=alice).json["total"] == 1

    page = client.get(f"{path}?deleted=true", as_=alice).json
    (trashed,) = page["items"]
    times = {name: trashed[name] for name in ("updated_at", "deleted_at")}
    assert trashed == task | times | {"version": 2}
    assert trashed["deleted_at"] > task["created_at"]
    assert page["total"] == 1
    assert client.get(f"{path}?deleted=true&tag=x&q=TASK", as_=alice).json["items"] == [trashed]
    assert client.get(f"{path}?deleted=true&tag=y", as_=alice).json["items"] == []
    assert client.get("/tasks/export?deleted=true", as_=alice).json == [trashed]
    csv = client.get("/tasks/export?deleted=true&format=csv", as_=alice).text.splitlines()
    assert csv[0].endswith(",version,deleted_at")
    assert csv[1].endswith(f",2,{trashed['deleted_at']}")

    restored = client.post(f"/tasks/{task['id']}/restore", as_=alice)
    assert restored.status_code == 200
    assert restored.json == task | {"version": 3, "updated_at": restored.json["updated_at"]}
    assert restored.headers["ETag"] == f'"{task["id"]}-3"'
    assert client.get(f"{path}?deleted=true", as_=alice).json["items"] == []
    live = client.post(f"/tasks/{task['id']}/restore", as_=alice)
    assert (live.status_code, code_of(live)) == (409, "CONFLICT")
    assert client.get(one, as_=alice).json == restored.json


def test_only_visible_tasks_can_be_restored(client, alice, bob, admin):
    one = f"/tasks/{made(client, alice)['id']}"
    client.delete(one, as_=alice)
    assert client.post(f"{one}/restore").status_code == 401
    assert client.post(f"{one}/restore", as_=bob).status_code == 404
    assert client.get("/tasks?deleted=true", as_=bob).json["items"] == []
    assert client.get("/tasks?deleted=true", as_=admin).json["total"] == 1
    assert client.post(f"{one}/restore", as_=alice, json={"title": "x"}).status_code == 400
    assert client.post(f"{one}/restore", as_=alice, data="x").status_code == 415
    assert client.post(f"{one}/restore", as_=alice, json={}).status_code == 200
    assert client.post(f"{one}/restore", as_=bob).status_code == 404  # still invisible to bob


def test_purge_deletes_expired_rows_only(client, app, rows, alice):
    old, young, live = plant(
        rows,
        alice.id,
        [
            {"deleted_at": ago(days=30, minutes=1)},
            {"deleted_at": ago(days=30, minutes=-1)},
            {"created_at": ago(days=400)},
        ],
    )
    for age in (24.01, 23.99):
        key = {"Idempotency-Key": f"{age}"}
        client.post("/tasks", as_=alice, json={"title": "x"}, headers=key)
        rows.run(
            "UPDATE idempotency_keys SET created_at = :aged WHERE created_at > :since",
            aged=ago(hours=age),
            since=ago(hours=1),
        )
    for _ in range(2):
        done = app.test_cli_runner().invoke(args=["purge"])
        assert done.exit_code == 0, done.output
    left = {row["id"] for row in rows.all("SELECT id FROM tasks")}
    assert old not in left
    assert {young, live} < left
    assert rows.value("SELECT count(*) FROM idempotency_keys") == 1
    assert client.post(f"/tasks/{old}/restore", as_=alice).status_code == 404
    assert client.post(f"/tasks/{young}/restore", as_=alice).status_code == 200
