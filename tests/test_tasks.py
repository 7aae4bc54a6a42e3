"""One task: made, read, replaced, changed, and never seen by a stranger."""

import pytest

from taskapi.extensions import db
from taskapi.models.task_table import tasks

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
    *("id", "user_id", "title", "description", "status", "priority", "due_at", "tags"),
    *("completed_at", "created_at", "updated_at", "version"),
}


def made(client, person, path="/tasks", **fields):
    answer = client.post(path, as_=person, json={"title": "Task", **fields})
    assert answer.status_code == 201, answer.json
    return answer.json


def rows(app):
    with app.app_context(), db.engine.connect() as connection:
        return [row._asdict() for row in connection.execute(tasks.select().order_by(tasks.c.id))]


def test_a_new_task_has_defaults_and_says_where_it_is(client, alice, app):
    answer = client.post("/tasks", as_=alice, json={"title": "  Water the plants "})

    assert answer.status_code == 201
    task = answer.json
    assert task.keys() == FIELDS
    assert task["title"] == "Water the plants"
    assert {name: task[name] for name in DEFAULTS} == DEFAULTS
    assert (task["user_id"], task["version"]) == (alice.id, 1)
    assert task["created_at"] == task["updated_at"]
    assert answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert answer.headers["ETag"] == f'"{task["id"]}-1"'
    assert [(row["id"], row["user_id"], row["title"]) for row in rows(app)] == [
        (task["id"], alice.id, "Water the plants")
    ]
    assert client.get(answer.headers["Location"], as_=alice).data == answer.data


def test_every_field_comes_back_as_it_was_given(client, alice):
    task = made(client, alice, **FULL)
    assert {name: task[name] for name in FULL} == FULL
    assert client.get(f"/tasks/{task['id']}", as_=alice).json == task


def test_every_path_answers_with_a_slash_too(client, alice):
    task = client.post("/tasks/", as_=alice, json={"title": "Task"})
    assert task.status_code == 201
    assert client.get(f"/tasks/{task.json['id']}/", as_=alice).json == task.json
    assert client.get("/tasks/", as_=alice).json["total"] == 1


def test_put_replaces_and_what_is_left_out_goes_back_to_its_default(client, alice):
    task = made(client, alice, **FULL)

    answer = client.put(f"/tasks/{task['id']}", as_=alice, json={"title": "Just this"})

    assert answer.status_code == 200
    assert {name: answer.json[name] for name in DEFAULTS} == DEFAULTS
    assert (answer.json["title"], answer.json["version"]) == ("Just this", 2)
    assert answer.json["created_at"] == task["created_at"]
    assert answer.json["updated_at"] > task["updated_at"]
    assert answer.headers["ETag"] == f'"{task["id"]}-2"'
    assert client.put(f"/tasks/{task['id']}", as_=alice, json={"status": "done"}).json["error"][
        "details"
    ].keys() == {"title"}


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
def test_patch_leaves_out_what_is_left_out(client, alice, kind):
    task = made(client, alice, **FULL)
    one = f"/tasks/{task['id']}"

    answer = client.patch(one, as_=alice, data='{"title": "New"}', content_type=kind)

    assert answer.status_code == 200
    changed = {"title": "New", "version": 2, "updated_at": answer.json["updated_at"]}
    assert answer.json == task | changed


def test_patch_clears_with_null_only_what_may_be_missing(client, alice):
    task = made(client, alice, **FULL)
    one = f"/tasks/{task['id']}"

    cleared = client.patch(one, as_=alice, json={"description": None, "due_at": None})
    assert (cleared.json["description"], cleared.json["due_at"]) == (None, None)

    for name in ("title", "status", "priority", "tags"):
        refused = client.patch(one, as_=alice, json={name: None})
        assert refused.status_code == 400
        assert refused.json["error"]["details"].keys() == {name}


def test_an_empty_patch_and_one_that_changes_nothing_leave_the_version_alone(client, alice):
    task = made(client, alice, **FULL)
    one = f"/tasks/{task['id']}"
    same = {"title": " Write the README", "due_at": "2026-12-01T10:00:00+02:00", "tags": ["Team"]}

    assert client.patch(one, as_=alice, json={}).json == task
    assert client.patch(one, as_=alice, json=same | {"tags": ["Team", "docs", "DOCS"]}).json == task
    assert client.put(one, as_=alice, json=FULL).json == task
    assert client.get(one, as_=alice).json == task


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_body_of_another_type_or_without_one_is_a_415(client, alice, method):
    task = made(client, alice)
    path = "/tasks" if method == "post" else f"/tasks/{task['id']}"
    call = getattr(client, method)
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}):
        assert call(path, as_=alice, data='{"title": "x"}', headers=headers).status_code == 415
    answer = call(
        path, as_=alice, data='{"title": "x"}', content_type="application/merge-patch+json"
    )
    assert answer.status_code == 415


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


def test_a_deleted_task_is_nowhere(client, alice):
    task = made(client, alice)
    one = f"/tasks/{task['id']}"

    gone = client.delete(one, as_=alice)

    assert (gone.status_code, gone.data) == (204, b"")
    assert client.get(one, as_=alice).status_code == 404
    assert client.patch(one, as_=alice, json={"title": "x"}).status_code == 404
    assert client.put(one, as_=alice, json={"title": "x"}).status_code == 404
    assert client.delete(one, as_=alice).status_code == 404
    assert client.get("/tasks", as_=alice).json["items"] == []
    assert client.get("/tasks/export", as_=alice).json == []
    assert client.get("/tasks/stats", as_=alice).json["total"] == 0


@pytest.mark.parametrize("bad", ["0", "-1", "abc", str(2**63), "9" * 30, "٣", "1.0", "01", "1e3"])
def test_a_path_id_that_is_none_is_a_404(client, alice, bad):
    made(client, alice)
    for method in ("get", "put", "patch", "delete"):
        answer = getattr(client, method)(f"/tasks/{bad}", as_=alice)
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "NOT_FOUND"
    assert client.post(f"/tasks/{bad}/restore", as_=alice).status_code == 404
    assert client.get(f"/users/me/tasks/{bad}", as_=alice).status_code == 404


def test_only_an_admin_may_say_whose_a_task_is(client, alice, bob, admin):
    for owner in (alice.id, bob.id, None, "x"):
        body = {"title": "x", "user_id": owner}
        assert client.post("/tasks", as_=alice, json=body).status_code == 403
        assert client.post("/users/me/tasks", as_=alice, json=body).status_code == 403
    task = made(client, alice)
    one = f"/tasks/{task['id']}"
    for method in ("put", "patch"):
        refused = getattr(client, method)(one, as_=alice, json={"title": "x", "user_id": bob.id})
        assert refused.status_code == 403
        assert refused.json["error"]["code"] == "FORBIDDEN"
    assert client.get(one, as_=alice).json == task

    for_bob = made(client, admin, user_id=bob.id)
    assert client.get(f"/tasks/{for_bob['id']}", as_=bob).json == for_bob
    moved = client.patch(one, as_=admin, json={"user_id": bob.id})
    assert (moved.json["user_id"], moved.json["version"]) == (bob.id, 2)
    assert client.get(one, as_=alice).status_code == 404
    assert client.get(one, as_=bob).json == moved.json
    kept = client.put(one, as_=admin, json={"title": "Mine?"})
    assert kept.json["user_id"] == bob.id


def test_a_task_is_not_given_to_nobody(client, alice, admin):
    task = made(client, alice)
    for owner in (99_999, 2**63 - 1, 2**63, 0, -1, "1", 1.0, True, None):
        for answer in (
            client.post("/tasks", as_=admin, json={"title": "x", "user_id": owner}),
            client.patch(f"/tasks/{task['id']}", as_=admin, json={"user_id": owner}),
            client.put(f"/tasks/{task['id']}", as_=admin, json={"title": "x", "user_id": owner}),
        ):
            assert answer.status_code == 400, owner
            assert answer.json["error"]["details"].keys() == {"user_id"}
    assert client.get("/tasks", as_=admin).json["items"] == [task]


def test_an_admin_does_everything_for_anybody(client, alice, admin):
    task = made(client, alice)
    one = f"/tasks/{task['id']}"
    assert client.get(one, as_=admin).json == task
    assert client.patch(one, as_=admin, json={"status": "done"}).json["user_id"] == alice.id
    assert client.delete(one, as_=admin).status_code == 204
    assert client.post(f"{one}/restore", as_=admin).status_code == 200
    assert client.get(one, as_=alice).json["version"] == 4


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_someone_elses_task_and_one_that_never_was_are_the_same_to_the_byte(
    client, alice, bob, method
):
    theirs = made(client, bob)
    trashed = made(client, bob)
    client.delete(f"/tasks/{trashed['id']}", as_=bob)
    never = theirs["id"] + 1_000_000
    body = {"json": {"title": "x"}} if method in ("put", "patch") else {}

    def answer(task_id, path="/tasks"):
        headers = {"X-Request-ID": "same", "If-Match": '"1-1"'}
        got = getattr(client, method)(f"{path}/{task_id}", as_=alice, headers=headers, **body)
        assert got.status_code == 404
        return got.data, list(got.headers)

    expected = answer(never)
    assert answer(theirs["id"]) == answer(trashed["id"]) == expected
    assert answer(theirs["id"], "/users/me/tasks") == expected
    assert client.get(f"/tasks/{theirs['id']}", as_=bob).json == theirs


def test_a_task_and_its_title_may_hold_any_alphabet(client, alice):
    title, tag = "🙂rite 日本語 👩‍👩‍👧 e\u0301 עברית", "é" * 50
    task = made(client, alice, title=title, description="  \t🙂\r\n ", tags=[tag])
    read = client.get(f"/tasks/{task['id']}", as_=alice).json
    assert (read["title"], read["description"], read["tags"]) == (title, "  \t🙂\r\n ", [tag])


def test_head_answers_like_get_without_the_body(client, alice):
    task = made(client, alice)
    for path in (f"/tasks/{task['id']}", "/tasks", "/tasks/stats", "/tasks/export"):
        got, head = client.get(path, as_=alice), client.head(path, as_=alice)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers.get("ETag") == got.headers.get("ETag")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
