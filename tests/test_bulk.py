"""Bulk requests: several changes, all or nothing."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.client import signed_in


@pytest.fixture
def made(client, alice):
    return [client.post("/tasks", as_=alice, json={"title": f"{n}"}).json for n in range(3)]


def bulk(client, person, *operations, **headers):
    return client.post(
        "/tasks/bulk", as_=person, json={"operations": list(operations)}, headers=headers
    )


def create(**fields):
    return {"op": "create", "data": {"title": "New", **fields}}


def change(task, version=None, **fields):
    given = {} if version is None else {"version": version}
    return {"op": "update", "id": task["id"], "data": fields, **given}


def remove(task, version=None):
    return {"op": "delete", "id": task["id"]} | ({} if version is None else {"version": version})


def test_results_are_in_order(client, alice, made):
    one, two, three = made
    answer = bulk(
        client,
        alice,
        create(tags=["x"], status="done"),
        change(one, title="Changed", version=1),
        remove(two, 1),
        change(one, priority="high", version=2),
        change(three),
    )
    assert answer.status_code == 200
    new, first, gone, again, same = answer.json["results"]
    assert (new["title"], new["tags"], new["user_id"]) == ("New", ["x"], alice.id)
    assert new["completed_at"] == new["created_at"]
    assert (first["title"], first["version"]) == ("Changed", 2)
    assert gone is None
    assert (again["title"], again["priority"], again["version"]) == ("Changed", "high", 3)
    assert same == three
    listed = client.get("/tasks?sort_by=id", as_=alice).json["items"]
    assert listed == [again, three, new]


def test_at_most_100_operations(client, alice):
    answer = bulk(client, alice, *[create(title=f"{n}") for n in range(100)])
    assert [task["title"] for task in answer.json["results"]] == [str(n) for n in range(100)]
    for operations in ([], [create()] * 101):
        refused = bulk(client, alice, *operations)
        assert refused.status_code == 400
        assert refused.json["error"]["details"].keys() == {"operations"}
    bodies: list[Any] = [None, [], {}, {"ops": []}, {"operations": {}}, {"operations": "x"}]
    for body in bodies:
        assert client.post("/tasks/bulk", as_=alice, json=body).status_code == 400
    assert client.get("/tasks", as_=alice).json["total"] == 100


BAD_IDS = (0, -1, "1", 2**63, 1.0, True, None)


def faults(task, theirs, gone):
    """Return invalid operations, each with its status and the field that the error names."""
    return [
        (400, {"title"}, create(title="")),
        (400, {"titel"}, create(titel="x")),
        (400, {"id"}, create(id=7)),
        (400, {"index"}, {"op": "create", "data": {"title": "x"}, "index": 5}),
        (400, {"data"}, {"op": "create"}),
        (400, {"data"}, {"op": "update", "id": task["id"], "data": [1]}),
        (400, {"id"}, {"op": "create", "data": {"title": "x"}, "id": 1}),
        (400, {"op"}, {"op": "upsert", "data": {"title": "x"}}),
        (400, {"op"}, {"op": ["create"]}),
        (400, {"op"}, {"data": {"title": "x"}}),
        (400, {"op"}, {}),
        (400, {"operation"}, None),
        (400, {"operation"}, [create()]),
        (400, {"operation"}, 5),
        (400, {"id"}, {"op": "update", "data": {}}),
        *[(400, {"id"}, {"op": "delete", "id": bad}) for bad in BAD_IDS],
        (400, {"version"}, {"op": "delete", "id": task["id"], "version": "1"}),
        (400, {"version"}, {"op": "delete", "id": task["id"], "version": 0}),
        (400, {"data"}, {"op": "delete", "id": task["id"], "data": {}}),
        (400, {"status"}, change(task, status=None)),
        (400, {"status"}, change(theirs, status="x")),
        (403, set(), create(user_id=1)),
        (403, set(), change(task, user_id=1)),
        (404, set(), change({"id": 2**63 - 1}, title="x")),
        (404, set(), change(theirs, title="x", version=99)),
        (404, set(), remove(theirs)),
        (404, set(), remove(gone)),
        (412, set(), change(task, 2, title="x")),
        (412, set(), remove(task, 7)),
    ]


def test_first_error_rolls_back_all_and_has_its_index(client, alice, bob, made):
    theirs = client.post("/tasks", as_=bob, json={"title": "Bob's"}).json
    gone = client.post("/tasks", as_=alice, json={"title": "gone"}).json
    client.delete(f"/tasks/{gone['id']}", as_=alice)
    one, two, three = made
    before = client.get("/tasks?sort_by=id", as_=alice).json["items"]
    good = [create(), change(one, title="x"), remove(two, 1)]
    for status, names, bad in faults(three, theirs, gone):
        for index in range(3):
            answer = bulk(client, alice, *good[:index], bad, *good[index:], {"op": "?"})
            assert answer.status_code == status, (bad, answer.json)
            error = answer.json["error"]
            assert error["details"]["index"] == index
            assert error["details"].keys() >= names - {"index"}
            assert f"operation {index}" in error["message"]
            if status == 412:
                assert error["details"] == {"index": index}
                assert answer.headers["ETag"] == f'"{three["id"]}-1"'
    assert client.get("/tasks?sort_by=id", as_=alice).json["items"] == before
    assert client.get("/tasks", as_=bob).json["items"] == [theirs]
    assert client.get("/tasks?deleted=true", as_=alice).json["total"] == 1


def test_other_users_task_is_like_a_missing_one(client, alice, bob):
    theirs = client.post("/tasks", as_=bob, json={"title": "Bob's"}).json
    for make in (remove, change, lambda task: change(task, title="x", version=1)):
        answers = [
            bulk(client, alice, make({"id": task_id}), **{"X-Request-ID": "same"})
            for task_id in (theirs["id"], theirs["id"] + 1_000_000)
        ]
        assert answers[0].status_code == 404
        assert answers[0].data == answers[1].data
        assert list(answers[0].headers) == list(answers[1].headers)


def test_admin_changes_tasks_of_any_user(client, alice, bob, admin, made):
    answer = bulk(
        client,
        admin,
        create(user_id=bob.id),
        change(made[0], user_id=bob.id),
        change(made[1], title="By the admin"),
        remove(made[2]),
        create(),
    )
    owners = [task and task["user_id"] for task in answer.json["results"]]
    assert owners == [bob.id, bob.id, alice.id, None, admin.id]
    nobody = bulk(client, admin, create(), create(user_id=99_999))
    assert nobody.status_code == 400
    assert nobody.json["error"]["details"].keys() == {"index", "user_id"}
    assert client.get("/tasks", as_=admin).json["total"] == 4


def test_bulks_in_opposite_order_do_not_deadlock(live_server):
    with signed_in(live_server(WEB_THREADS="8")) as client:
        ids = [client.post("/tasks", json={"title": f"{n}"}).json()["id"] for n in range(20)]

        def change_all(n):
            order = sorted(ids, reverse=n % 2 == 0) if n % 3 else random.Random(n).sample(ids, 20)
            operations = [{"op": "update", "id": i, "data": {"title": f"by {n}"}} for i in order]
            if n % 4 == 0:
                operations.insert(7, {"op": "create", "data": {"title": "extra"}})
            return client.post("/tasks/bulk", json={"operations": operations})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(change_all, range(24)))
        assert {answer.status_code for answer in answers} == {200}
        tasks = [client.get(f"/tasks/{i}").json() for i in ids]
        assert len({task["title"] for task in tasks}) == 1
        assert {task["version"] for task in tasks} == {25}
        assert client.get("/tasks").json()["total"] == 26
