"""/users/{id}/tasks: the same tasks, for one user."""

import pytest


def made(client, person, path="/tasks", **fields):
    answer = client.post(path, as_=person, json={"title": "Task", **fields})
    assert answer.status_code == 201, answer.json
    return answer.json


@pytest.mark.parametrize("me", ["me", "{id}"])
def test_ones_own_tasks_are_the_same_under_either_path(client, alice, bob, me):
    all_ = f"/users/{me.format(id=alice.id)}/tasks"
    task = client.post(all_, as_=alice, json={"title": "Nested", "tags": ["x"]})
    assert task.status_code == 201
    assert task.headers["Location"] == f"/api/v1/tasks/{task.json['id']}"
    assert task.json["user_id"] == alice.id
    made(client, bob)
    one = f"{all_}/{task.json['id']}"
    assert (
        client.get(one, as_=alice).json == client.get(f"/tasks/{task.json['id']}", as_=alice).json
    )
    assert client.get(f"{all_}/", as_=alice).json["items"] == [task.json]
    assert client.get(f"{all_}?tag=y", as_=alice).json["total"] == 0
    patched = client.patch(one, as_=alice, json={"status": "done"})
    assert (patched.json["version"], patched.headers["ETag"]) == (2, f'"{task.json["id"]}-2"')
    merged = client.patch(one, as_=alice, data="{}", content_type="application/merge-patch+json")
    assert merged.json == patched.json
    assert client.put(one, as_=alice, json={"title": "Put"}).json["completed_at"] is None
    assert client.delete(one, as_=alice).status_code == 204
    assert client.get(one, as_=alice).status_code == 404


def test_another_users_path_is_a_403_whether_they_exist_or_not(client, alice, bob, admin):
    task = made(client, bob)
    for owner in (bob.id, admin.id, 99_999_999, 2**63 - 1):
        all_ = f"/users/{owner}/tasks"
        for answer in (
            client.get(all_, as_=alice),
            client.get(f"{all_}?nonsense=1", as_=alice),
            client.post(all_, as_=alice, json={"title": "x"}),
            client.post(all_, as_=alice, data="nonsense"),
            client.get(f"{all_}/{task['id']}", as_=alice),
            client.put(f"{all_}/{task['id']}", as_=alice, json={"title": "x"}),
            client.patch(f"{all_}/{task['id']}", as_=alice, json={"title": "x"}),
            client.delete(f"{all_}/{task['id']}", as_=alice),
        ):
            assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
        assert client.get(all_).status_code == 401
    assert client.get(f"/users/{2**63}/tasks", as_=alice).status_code == 404
    assert client.get("/users/ME/tasks", as_=alice).status_code == 404
    assert client.get("/tasks", as_=admin).json["items"] == [task]


def test_an_admin_works_in_anybodys_path_and_only_with_their_tasks(client, alice, bob, admin):
    task = made(client, admin, f"/users/{alice.id}/tasks")
    assert task["user_id"] == alice.id
    theirs = made(client, bob)
    for_alice = f"/users/{alice.id}/tasks"
    assert client.get(for_alice, as_=admin).json["items"] == [task]
    assert client.get(f"{for_alice}/{task['id']}", as_=admin).json == task
    for method, body in (("get", None), ("put", {}), ("patch", {}), ("delete", None)):
        given = {} if body is None else {"json": {"title": "x"}}
        answer = getattr(client, method)(f"{for_alice}/{theirs['id']}", as_=admin, **given)
        assert answer.status_code == 404
    refused = client.post(for_alice, as_=admin, json={"title": "x", "user_id": bob.id})
    assert refused.status_code == 400
    assert client.get(f"{for_alice}?user_id={alice.id}", as_=admin).status_code == 400
    for path in ("/users/99999999/tasks", "/users/99999999/tasks/1"):
        assert client.get(path, as_=admin).status_code == 404
    assert client.post("/users/99999999/tasks", as_=admin, json={"title": "x"}).status_code == 404
    moved = client.patch(f"{for_alice}/{task['id']}", as_=admin, json={"user_id": bob.id})
    assert moved.json["user_id"] == bob.id
    assert client.get(f"{for_alice}/{task['id']}", as_=admin).status_code == 404
    assert client.delete(f"/users/{bob.id}/tasks/{task['id']}", as_=admin).status_code == 204
