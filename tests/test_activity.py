"""The activity of a task."""

from datetime import datetime

from tests.support.client import walk
from tests.support.rows import canonical


def made(client, who, **fields):
    answer = client.post(
        "/tasks", json={"title": "Write", **fields}, as_=who, headers={"X-Request-ID": "r-1"}
    )
    assert answer.status_code == 201
    return answer.json


def activity(client, who, task):
    answer = client.get(f"/tasks/{task['id']}/activity", as_=who)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_changes_have_old_and_new_values(client, alice, admin):
    task = made(client, alice)
    path = f"/tasks/{task['id']}"
    client.patch(path, json={"title": "Write more", "tags": ["a"]}, as_=alice)
    client.patch(path, json={"status": "done"}, as_=admin)
    client.delete(path, as_=alice)
    client.post(f"{path}/restore", as_=alice)
    items = activity(client, alice, task)["items"]
    assert [(each["action"], each["actor"]) for each in items] == [
        ("task.restored", alice.id),
        ("task.deleted", alice.id),
        ("task.completed", admin.id),
        ("task.updated", admin.id),
        ("task.updated", alice.id),
        ("task.created", alice.id),
    ]
    assert set(items[0]) == {"at", "actor", "action", "changes", "request_id"}
    assert items[2]["changes"] == {"status": ["todo", "done"]}
    assert items[3]["changes"] == {"status": ["todo", "done"]}
    assert items[4]["changes"] == {"title": ["Write", "Write more"], "tags": [[], ["a"]]}
    assert items[5]["changes"] == {}
    assert items[5]["request_id"] == "r-1"
    (deleted_at,) = items[1]["changes"].values()
    assert deleted_at[0] is None
    assert items[0]["changes"] == {"deleted_at": [deleted_at[1], None]}
    times = [each["at"] for each in items]
    assert times == sorted(times, reverse=True)
    assert all(canonical(datetime.fromisoformat(each)) == each for each in times)


def test_unchanged_and_rolled_back_writes_have_no_activity(client, alice):
    task = made(client, alice)
    client.patch(f"/tasks/{task['id']}", json={"title": "Write"}, as_=alice)
    operations = [
        {"op": "update", "id": task["id"], "data": {"title": "x"}},
        {"op": "delete", "id": 10**15},
    ]
    assert client.post("/tasks/bulk", json={"operations": operations}, as_=alice).status_code == 404
    assert activity(client, alice, task)["total"] == 1


def test_activity_has_pages_and_is_visible_with_the_task(client, alice, bob, admin):
    task = made(client, alice)
    for number in range(5):
        client.patch(f"/tasks/{task['id']}", json={"title": f"{number}"}, as_=alice)
    whole = activity(client, alice, task)["items"]
    path = f"/tasks/{task['id']}/activity"
    assert walk(client, alice, f"{path}?limit=2") == whole
    assert len(whole) == 6

    assert client.get(path, as_=bob).status_code == 404
    assert client.get(path).status_code == 401
    assert client.get(path, as_=admin).json["items"] == whole
    client.delete(f"/tasks/{task['id']}", as_=alice)
    assert client.get(path, as_=alice).status_code == 404
    assert client.get("/tasks/999999999/activity", as_=admin).status_code == 404


def test_new_owner_sees_only_later_activity(client, alice, bob, admin):
    task = client.post("/tasks", json={"title": "Private"}, as_=alice).json
    path = f"/tasks/{task['id']}"
    client.patch(path, json={"title": "Handed over"}, as_=alice)
    assert client.patch(path, json={"user_id": bob.id}, as_=admin).status_code == 200
    client.patch(path, json={"priority": "high"}, as_=bob)

    def changes(who):
        page = client.get(f"{path}/activity", as_=who).json
        assert page["total"] == len(page["items"])
        return [sorted(each["changes"]) for each in page["items"]]

    moved = ["project_id", "user_id"]  # into the Inbox of bob
    assert changes(bob) == [["priority"], moved]
    assert changes(admin) == [["priority"], moved, ["title"], []]
    assert client.get(f"{path}/activity", as_=alice).status_code == 404
