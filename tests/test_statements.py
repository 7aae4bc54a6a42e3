"""How many statements each request sends: one for who you are, and as few more as can be."""

import pytest

from tests.support.tasks import after, plant, stored


@pytest.fixture
def task(client, app, alice):
    plant(app, [stored(alice.id, due_at=after(n) if n % 2 else None) for n in range(30)])
    task = client.post("/tasks", as_=alice, json={"title": "x"}).json
    client.get(f"/tasks/{task['id']}", as_=alice)  # its session's last use has been noted
    return task


LISTS = [
    *("/tasks", "/tasks?skip=10", "/tasks?skip=9000", "/tasks?limit=100&cursor="),
    *("/tasks?sort_by=-due_at,title", "/tasks?cursor=&sort_by=due_at&status=todo&status=done"),
    *("/tasks?q=x&tag=y&overdue=true&due_after=2026-01-01T00:00:00Z", "/tasks?deleted=true"),
    *("/users/me/tasks", "/users/me/tasks?cursor="),
]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_one_for_who_you_are_and_at_most_two(client, alice, task, statements, path):
    with statements() as seen:
        page = client.get(path, as_=alice)
    assert page.status_code == 200
    assert len(seen) <= 3, seen
    with statements() as bigger:
        client.get(
            f"{path}{'&' if '?' in path else '?'}limit=100".replace("limit=100&", "", 1), as_=alice
        )
    assert len(bigger) == len(seen)  # not by the number of rows
    if "cursor" in path:
        assert len(seen) == 2


def test_an_admins_lists_take_no_more(client, alice, admin, task, statements):
    client.get("/tasks", as_=admin)
    for path in ("/tasks", "/tasks/admin/all", f"/tasks?user_id={alice.id}"):
        with statements() as seen:
            assert client.get(path, as_=admin).json["total"] == 31
        assert len(seen) <= 3, seen


def test_one_task_takes_two_and_a_change_a_handful(client, alice, task, statements):
    one = f"/tasks/{task['id']}"
    for most, call in (
        (2, lambda: client.get(one, as_=alice)),
        (2, lambda: client.get("/tasks/stats", as_=alice)),
        (2, lambda: client.get("/tasks/export", as_=alice)),
        (4, lambda: client.post("/tasks", as_=alice, json={"title": "x"})),
        (5, lambda: client.patch(one, as_=alice, json={"title": "y"})),
        (2, lambda: client.patch(one, as_=alice, json={"title": "y"})),
        (5, lambda: client.put(one, as_=alice, json={"title": "z"})),
        (5, lambda: client.delete(one, as_=alice)),
        (5, lambda: client.post(f"{one}/restore", as_=alice)),
    ):
        with statements() as seen:
            assert call().status_code in (200, 201, 204)
        assert len(seen) <= most, seen
