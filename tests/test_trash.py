"""The trash: in, looked at, out again, and emptied."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from taskapi.extensions import db
from taskapi.models.idempotency import answers
from taskapi.models.task_table import tasks
from taskapi.moments import canonical
from tests.support.tasks import plant, stored, writing


def made(client, person, **fields):
    return client.post("/tasks", as_=person, json={"title": "Task", **fields}).json


def test_a_deleted_task_lies_in_the_trash_only(client, alice):
    task, kept = made(client, alice, tags=["x"]), made(client, alice)
    client.delete(f"/tasks/{task['id']}", as_=alice)

    page = client.get("/tasks?deleted=true", as_=alice).json
    (trashed,) = page["items"]
    assert page["total"] == 1
    assert trashed == task | {
        "version": 2,
        "updated_at": trashed["updated_at"],
        "deleted_at": trashed["deleted_at"],
    }
    assert trashed["deleted_at"] > task["created_at"]
    assert client.get("/tasks?deleted=false", as_=alice).json["items"] == [kept]
    assert client.get("/tasks?deleted=true&tag=x&q=TASK", as_=alice).json["items"] == [trashed]
    assert client.get("/tasks?deleted=true&tag=y", as_=alice).json["items"] == []
    assert client.get("/users/me/tasks?deleted=true", as_=alice).json["items"] == [trashed]
    assert client.get("/tasks/export?deleted=true", as_=alice).json == [trashed]
    csv = client.get("/tasks/export?deleted=true&format=csv", as_=alice).text.splitlines()
    assert csv[0].endswith(",version,deleted_at")
    assert csv[1].endswith(f",2,{trashed['deleted_at']}")


def test_restore_brings_it_back_with_a_higher_version(client, alice):
    task = made(client, alice, status="done", due_at="2026-12-01T00:00:00Z", tags=["x"])
    one = f"/tasks/{task['id']}"
    client.delete(one, as_=alice)

    answer = client.post(f"{one}/restore", as_=alice)

    assert answer.status_code == 200
    assert answer.json == task | {"version": 3, "updated_at": answer.json["updated_at"]}
    assert answer.headers["ETag"] == f'"{task["id"]}-3"'
    assert client.get(one, as_=alice).json == answer.json
    assert client.get("/tasks?deleted=true", as_=alice).json["items"] == []
    live = client.post(f"{one}/restore", as_=alice)
    assert (live.status_code, live.json["error"]["code"]) == (409, "CONFLICT")
    assert client.get(one, as_=alice).json["version"] == 3


def test_only_who_sees_it_can_restore_it(client, alice, bob, admin):
    task = made(client, alice)
    one = f"/tasks/{task['id']}"
    client.delete(one, as_=alice)
    same = {"X-Request-ID": "same"}
    theirs = client.post(f"{one}/restore", as_=bob, headers=same)
    none = client.post("/tasks/99999999/restore", as_=bob, headers=same)
    assert theirs.status_code == 404
    assert theirs.data == none.data
    assert client.get("/tasks?deleted=true", as_=bob).json["items"] == []
    assert client.post(f"{one}/restore").status_code == 401
    assert client.get("/tasks?deleted=true", as_=admin).json["total"] == 1
    assert client.post(f"{one}/restore", as_=admin).status_code == 200
    assert client.get(one, as_=alice).status_code == 200
    assert client.post(f"{one}/restore", as_=bob).status_code == 404  # live, and still not his


def test_a_body_for_restore_is_refused_unless_it_is_empty(client, alice):
    task = made(client, alice)
    restore = f"/tasks/{task['id']}/restore"
    client.delete(f"/tasks/{task['id']}", as_=alice)
    assert client.post(restore, as_=alice, json={"title": "x"}).status_code == 400
    assert client.post(restore, as_=alice, data="x").status_code == 415
    assert client.post(restore, as_=alice, json={}).status_code == 200


def test_purge_empties_old_trash_and_expired_keys_and_nothing_else(client, app, alice):
    def ago(**delta):
        return canonical(datetime.now(UTC) - timedelta(**delta))

    old, young, live = plant(
        app,
        [
            stored(alice.id, deleted_at=ago(days=30, minutes=1)),
            stored(alice.id, deleted_at=ago(days=30, minutes=-1)),
            stored(alice.id, created_at=ago(days=400)),
        ],
    )
    for key, age in (("old", 24.01), ("young", 23.99)):
        client.post("/tasks", as_=alice, json={"title": "x"}, headers={"Idempotency-Key": key})
        with writing(app) as connection:
            newest = select(answers.c.key_hash).order_by(answers.c.created_at.desc()).limit(1)
            connection.execute(
                answers.update()
                .where(answers.c.key_hash == newest.scalar_subquery())
                .values(created_at=ago(hours=age))
            )

    for _ in range(2):
        done = app.test_cli_runner().invoke(args=["purge"])
        assert done.exit_code == 0, done.output

    with app.app_context(), db.engine.connect() as connection:
        left = set(connection.scalars(select(tasks.c.id)))
        kept = connection.execute(select(answers.c.key_hash)).all()
    assert old not in left
    assert {young, live} < left
    assert len(kept) == 1
    assert client.post(f"/tasks/{old}/restore", as_=alice).status_code == 404
    assert client.post(f"/tasks/{young}/restore", as_=alice).status_code == 200


def test_ids_are_never_used_again(client, app, alice):
    first = made(client, alice)["id"]
    with writing(app) as connection:
        connection.execute(tasks.delete())
    assert made(client, alice)["id"] > first
