"""Walks by cursor: every item that was there throughout exactly once, whatever happens beside."""

import random
from typing import Any

from sqlalchemy import delete, insert, update

from taskapi.models.task_table import tasks
from tests.support.tasks import after, in_order, plant, stored, writing

COUNT = 10_000
ORDERS = [
    *["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "due_at", "-due_at"],
    *["priority", "-priority", "status", "-status", "title", "-title", "completed_at"],
    *["-completed_at", "-priority,due_at", "due_at,-completed_at,title", "-status,-due_at,id"],
]


def any_task(owner_id, dice):
    """A row whose values many others have too, and some of which are missing."""
    status = dice.choice(("todo", "in_progress", "done"))
    return stored(
        owner_id,
        title=dice.choice("abcABCäÄß🙂") + str(dice.randrange(200)),
        status=status,
        priority=dice.choice(("low", "medium", "high")),
        due_at=after(dice.randrange(300)) if dice.random() < 0.6 else None,
        completed_at=after(dice.randrange(300)) if status == "done" else None,
        created_at=after(dice.randrange(500)),
        updated_at=after(dice.randrange(500)),
    )


def walk(client, person, query, beside=lambda: None):
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get(f"/tasks?{query}&limit=100&cursor={cursor}", as_=person)
        assert answer.status_code == 200, answer.json
        seen += answer.json["items"]
        cursor = answer.json["next_cursor"]
        beside()
    return seen


def test_walks_show_all_that_stays_exactly_once_while_others_come_and_go(client, app, alice, bob):
    dice = random.Random(7)
    ids = plant(app, [any_task(alice.id, dice) for _ in range(COUNT + 400)])
    plant(app, [any_task(bob.id, dice) for _ in range(200)])
    doomed = dice.sample(ids, 400)
    staying = set(ids) - set(doomed)

    def others_insert_and_delete():
        with writing(app) as connection:
            connection.execute(insert(tasks), [any_task(alice.id, dice) for _ in range(3)])
            into_trash, away = (
                [doomed.pop() for _ in doomed[:2]],
                [doomed.pop() for _ in doomed[:2]],
            )
            connection.execute(
                update(tasks).where(tasks.c.id.in_(into_trash)).values(deleted_at=after(0))
            )
            connection.execute(delete(tasks).where(tasks.c.id.in_(away)))

    # All orders side by side, so that each page of each is followed by changes.
    seen: dict[str, list[Any]] = {sort_by: [] for sort_by in ORDERS}
    cursors: dict[str, str] = dict.fromkeys(ORDERS, "")
    while cursors:
        for sort_by, cursor in list(cursors.items()):
            query = f"/tasks?sort_by={sort_by}&limit=100&cursor={cursor}"
            page = client.get(query, as_=alice).json
            seen[sort_by] += page["items"]
            cursors[sort_by] = page["next_cursor"]
            if page["next_cursor"] is None:
                del cursors[sort_by]
        others_insert_and_delete()

    assert not doomed
    for sort_by, items in seen.items():
        found = [item["id"] for item in items]
        assert len(found) == len(set(found)), sort_by
        assert staying <= set(found), sort_by
        assert items == in_order(items, sort_by), sort_by
        assert {item["user_id"] for item in items} == {alice.id}


def test_a_walk_goes_on_from_a_task_that_is_gone(client, app, alice):
    ids = plant(app, [stored(alice.id, due_at=after(n) if n < 5 else None) for n in range(10)])
    for sort_by in ("due_at", "-due_at", "title", "-id"):
        whole = [item["id"] for item in walk(client, alice, f"sort_by={sort_by}")]
        for at in range(1, len(whole)):
            page = client.get(f"/tasks?sort_by={sort_by}&limit={at}&cursor=", as_=alice).json
            last = page["items"][-1]["id"]
            assert client.delete(f"/tasks/{last}", as_=alice).status_code == 204
            rest = client.get(
                f"/tasks?sort_by={sort_by}&cursor={page['next_cursor']}", as_=alice
            ).json
            assert [item["id"] for item in rest["items"]] == whole[at:]
            client.post(f"/tasks/{last}/restore", as_=alice)
    assert len(ids) == len(whole)


def test_a_cursor_is_good_for_its_own_list_filters_and_order_only(client, app, alice, bob, admin):
    plant(app, [stored(person.id, tags=["a"]) for person in (alice, bob) for _ in range(5)])
    query = "/tasks?status=todo&limit=2&sort_by=-priority"
    cursor = client.get(query, as_=alice).json["next_cursor"]
    assert cursor

    def status(path, person=alice):
        answer = client.get(f"{path}&cursor={cursor}", as_=person)
        if answer.status_code == 400:
            assert answer.json["error"]["details"].keys() == {"cursor"}
        return answer.status_code

    assert status(query) == 200
    assert status("/users/me/tasks?status=todo&sort_by=-priority") == 200
    assert status("/tasks?limit=100&sort_by=-priority,-id&status=todo&deleted=false") == 200
    for other in (
        "/tasks?sort_by=-priority",
        "/tasks?status=done&sort_by=-priority",
        "/tasks?status=todo&status=done&sort_by=-priority",
        "/tasks?status=todo&sort_by=priority",
        "/tasks?status=todo",
        "/tasks?status=todo&sort_by=-priority,title",
        "/tasks?status=todo&sort_by=-priority&tag=a",
        "/tasks?status=todo&sort_by=-priority&deleted=true",
        "/tasks?status=todo&sort_by=-priority&q=x",
        f"{query}&skip=0",
        f"{query}&skip=2",
    ):
        assert status(other) == 400, other
    assert status(query, bob) == 400
    assert status(query, admin) == 400
    assert status(f"/users/{alice.id}/tasks?status=todo&sort_by=-priority", admin) == 200
    users = client.get("/users?limit=1", as_=admin).json["next_cursor"]
    assert client.get(f"/tasks?cursor={users}", as_=admin).status_code == 400


def test_a_changed_cursor_is_refused_wherever_it_is_changed(client, app, alice):
    plant(app, [stored(alice.id) for _ in range(3)])
    cursor = client.get("/tasks?limit=1", as_=alice).json["next_cursor"]
    for i, letter in enumerate(cursor):
        other = "A" if letter != "A" else "B"
        for changed in (cursor[:i] + other + cursor[i + 1 :], cursor[:i] + cursor[i + 1 :]):
            assert client.get(f"/tasks?cursor={changed}", as_=alice).status_code == 400, i
    for changed in (cursor + "A", cursor + "=", "A" + cursor, cursor + "." + cursor, cursor * 2):
        assert client.get(f"/tasks?cursor={changed}", as_=alice).status_code == 400
    assert client.get(f"/tasks?cursor={cursor}", as_=alice).status_code == 200


def test_a_cursor_of_the_longest_title_still_fits_into_a_request_line(client, app, alice):
    for title in ("ΐ" * 200, "🙂" * 200, "ŉ" * 200, '"\\' * 100):
        plant(app, [stored(alice.id, title=title) for _ in range(2)])
        answer = client.get("/tasks?sort_by=title,due_at&limit=1&cursor=", as_=alice)
        assert len(answer.json["next_cursor"]) < 4000
        assert [item["title"] for item in walk(client, alice, "sort_by=title,due_at")].count(
            title
        ) == 2
