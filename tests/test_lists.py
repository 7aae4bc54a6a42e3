"""Lists of tasks: filters, sorting, pages, cursors and links."""

import random
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.client import code_of
from tests.support.rows import now
from tests.support.tasks import PRIORITIES, STATUSES, after, in_order, plant

LINK = re.compile(r'<([^<>]*)>; rel="([a-z]+)"')
ORDERS = [
    *["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "due_at", "-due_at"],
    *["priority", "-priority", "status", "-status", "title", "-title", "completed_at"],
    *[
        "-completed_at",
        "priority,-due_at,title",
        "due_at,-completed_at,title",
        "-status,-due_at,id",
    ],
    "created_at,updated_at,due_at,priority,status,title,completed_at",
]


def links(answer):
    header = answer.headers.get("Link", "")
    found = {relation: url for url, relation in LINK.findall(header)}
    assert ", ".join(f'<{url}>; rel="{relation}"' for relation, url in found.items()) == header
    return found


def follow(client, person, path, relation="next"):
    """Return all items from this page on by following links."""
    items, pages = [], 0
    while path:
        answer = client.get(path, as_=person)
        assert answer.status_code == 200, answer.json
        items += answer.json["items"]
        path = links(answer).get(relation)
        pages += 1
        assert pages < 1000
    return items


def ids_of(items):
    return [item["id"] for item in items]


@pytest.fixture
def planted(rows, alice, bob):
    """The ids of alice's tasks, newest first; bob has tasks as well."""
    ids = plant(rows, alice.id, [{"title": f"{n}", "created_at": after(n)} for n in range(45)])
    plant(rows, bob.id, [{"title": "Not hers"}] * 3)
    return ids[::-1]


# --- pages and links ----------------------------------------------------------------------------


def test_page_format(client, alice, planted):
    page = client.get("/tasks", as_=alice).json
    assert page.keys() == {"items", "total", "skip", "limit", "next_cursor"}
    assert ids_of(page["items"]) == planted[:20]
    assert (page["total"], page["skip"], page["limit"]) == (45, 0, 20)
    last = client.get("/tasks?skip=40", as_=alice).json
    assert ids_of(last["items"]) == planted[40:]
    assert (last["total"], last["skip"], last["next_cursor"]) == (45, 40, None)
    behind = client.get("/tasks?skip=10000&limit=100", as_=alice).json
    assert (behind["items"], behind["total"], behind["next_cursor"]) == ([], 45, None)
    for query, total in (("", 0), ("&cursor=", None), ("&skip=7", 0), ("&sort_by=due_at", 0)):
        page = client.get(f"/tasks?q=nothing{query}", as_=alice).json
        assert (page["items"], page["next_cursor"], page["total"]) == ([], None, total)


def test_cursor_pages_have_no_total(client, alice, planted):
    seen: list[int] = []
    cursor: str | None = ""
    limit = 1
    while cursor is not None:
        page = client.get(f"/tasks?limit={limit}&cursor={cursor}", as_=alice).json
        assert (page["total"], page["skip"], page["limit"]) == (None, None, limit)
        seen += ids_of(page["items"])
        cursor, limit = page["next_cursor"], limit * 2
    assert seen == planted
    page = client.get("/tasks?skip=10&limit=10", as_=alice).json
    rest = client.get(f"/tasks?limit=100&cursor={page['next_cursor']}", as_=alice).json
    assert ids_of(rest["items"]) == planted[20:]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "start",
    [
        "/tasks/",
        "/tasks?cursor",
        "/tasks?skip=3&&limit=7&",
        "/tasks?l%69mit=7&curso%72=",
        "/tasks?limit=7&cursor=&sort_by=-due_at,title",
        "/tasks?q=%20&tag=a%26b%3E%22&limit=7&cursor=",
        "/users/me/tasks?limit=7",
        "/users/me/tasks?status=todo&status=done&limit=7&cursor=",
        '/tasks?limit=7&q=>"<,;',
    ],
)
def test_links_lead_to_every_item(client, rows, alice, bob, start):
    one = {"title": 'x >"<,;', "tags": ['a&b>"']}
    many = [
        one | {"created_at": after(n), "due_at": after(n % 5) if n % 3 else None} for n in range(45)
    ]
    ids = plant(rows, alice.id, many)
    plant(rows, bob.id, [one])
    first = client.get(start, as_=alice)
    assert all(url.startswith("/api/v1/") for url in links(first).values())
    assert sorted(ids_of(follow(client, alice, start))) == (ids[:-3] if "skip=3" in start else ids)
    assert sorted(ids_of(follow(client, alice, links(first)["first"]))) == ids
    if "last" in links(first):
        assert "next" not in links(client.get(links(first)["last"], as_=alice))
        assert set(ids_of(follow(client, alice, links(first)["last"], "prev"))) == set(ids)
    assert ("last" in links(first)) == ("curso" not in start)


def test_links_have_prev_and_last_only_with_skip(client, alice, planted):
    answer = client.get("/tasks?skip=20&limit=10&status=todo", as_=alice)
    numbers = {relation: parse_qs(urlsplit(url).query) for relation, url in links(answer).items()}
    skips = {name: each["skip"] for name, each in numbers.items()}
    assert skips == {"first": ["0"], "prev": ["10"], "next": ["30"], "last": ["40"]}
    assert all(each["limit"] == ["10"] and each["status"] == ["todo"] for each in numbers.values())
    assert links(client.get("/tasks?cursor=&limit=10", as_=alice)).keys() == {"first", "next"}


@pytest.mark.sqlite
def test_links_use_cursors_beyond_the_maximum_skip(client, rows, alice):
    ids = plant(rows, alice.id, [{"created_at": after(n)} for n in range(10_250)])[::-1]
    assert ids_of(follow(client, alice, "/tasks?limit=100&skip=9900")) == ids[9900:]
    assert "last" not in links(client.get("/tasks?limit=100", as_=alice))


def test_admin_lists_all_tasks(client, rows, alice, bob, admin):
    people = (alice, bob, admin)
    ids = [plant(rows, person.id, [{}])[0] for person in people]
    for path in ("/tasks", "/tasks/admin/all"):
        assert set(ids_of(client.get(path, as_=admin).json["items"])) == set(ids)
        for person, task_id in zip(people, ids, strict=True):
            page = client.get(f"{path}?user_id={person.id}", as_=admin).json
            assert (ids_of(page["items"]), page["total"]) == ([task_id], 1)
    assert client.get("/tasks/admin/all?user_id=99999", as_=admin).json["total"] == 0
    assert client.get("/tasks/admin/all", as_=alice).status_code == 403
    assert client.get("/tasks/admin/all").status_code == 401
    for bad in ("0", "x", str(2**63), "", f"{alice.id}&user_id={bob.id}"):
        assert client.get(f"/tasks?user_id={bad}", as_=admin).status_code == 400
    for query in (f"user_id={alice.id}", f"user_id={bob.id}", "user_id="):
        answer = client.get(f"/tasks?{query}", as_=alice)
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


# --- cursors ------------------------------------------------------------------------------------


def any_task(dice):
    """Return a task with frequent and missing values."""
    status = dice.choice(STATUSES)
    return {
        "title": dice.choice("abcABCäÄßzZ🙂\ufffdİ_") + str(dice.randrange(60)),
        "status": status,
        "priority": dice.choice(PRIORITIES),
        "due_at": after(dice.randrange(100)) if dice.random() < 0.6 else None,
        "completed_at": after(dice.randrange(100)) if status == "done" else None,
        "created_at": after(dice.randrange(200)),
        "updated_at": after(dice.randrange(200)),
    }


def test_cursor_returns_items_exactly_once_during_changes(client, rows, alice, bob):
    dice = random.Random(7)
    staying = set(plant(rows, alice.id, [any_task(dice) for _ in range(1_000)]))
    plant(rows, bob.id, [any_task(dice) for _ in range(50)])
    # Read all orders in turn, so that changes follow each page.
    seen: dict[str, list[Any]] = {sort_by: [] for sort_by in ORDERS}
    cursors = dict.fromkeys(ORDERS, "")
    while cursors:
        last = []
        for sort_by, cursor in list(cursors.items()):
            query = f"/tasks?sort_by={sort_by}&limit=50&cursor={cursor}"
            page = client.get(query, as_=alice).json
            seen[sort_by] += page["items"]
            last += ids_of(page["items"][-1:])
            cursors[sort_by] = page["next_cursor"]
            if page["next_cursor"] is None:
                del cursors[sort_by]
        plant(rows, alice.id, [any_task(dice) for _ in range(4)])
        for task_id in dice.sample(last, min(len(last), 2)):  # the next pages begin after these
            change = dice.choice(("UPDATE tasks SET deleted_at = created_at", "DELETE FROM tasks"))
            rows.run(f"{change} WHERE id = :id", id=task_id)
            staying.discard(task_id)
    for sort_by, items in seen.items():
        found = ids_of(items)
        assert len(found) == len(set(found)), sort_by
        assert staying <= set(found), sort_by
        assert items == in_order(items, sort_by), sort_by
        assert {item["user_id"] for item in items} == {alice.id}


@pytest.mark.sqlite
def test_cursor_is_bound_to_list_filters_and_order(client, rows, alice, bob, admin):
    for person in (alice, bob):
        plant(rows, person.id, [{"tags": ["a"]}] * 5)
    base = "status=todo&sort_by=-priority"
    cursor = client.get(f"/tasks?{base}&limit=2", as_=alice).json["next_cursor"]

    def status(path, person=alice):
        answer = client.get(f"{path}&cursor={cursor}", as_=person)
        if answer.status_code == 400:
            assert answer.json["error"]["details"].keys() == {"cursor"}
        return answer.status_code

    assert status(f"/tasks?{base}") == 200
    assert status("/tasks?limit=100&sort_by=-priority,-id&status=todo&deleted=false") == 200
    assert status(f"/users/me/tasks?{base}") == 400  # another list
    for other in (
        *("sort_by=-priority", "status=done&sort_by=-priority", "status=todo&sort_by=priority"),
        *("status=todo", f"status=done&{base}", f"{base},title", f"{base}&tag=a", f"{base}&q=x"),
        *(f"{base}&deleted=true", f"{base}&skip=0", f"{base}&skip=2"),
    ):
        assert status(f"/tasks?{other}") == 400, other
    for person in (bob, admin):
        assert status(f"/tasks?{base}", person) == 400
    users = client.get("/users?limit=1", as_=admin).json["next_cursor"]
    assert client.get(f"/tasks?cursor={users}", as_=admin).status_code == 400


@pytest.mark.sqlite
def test_manipulated_cursors_are_rejected(client, rows, alice):
    plant(rows, alice.id, [{}] * 3)
    cursor = client.get("/tasks?limit=1", as_=alice).json["next_cursor"]
    changed = [cursor + "A", cursor + "=", "A" + cursor, f"{cursor}.{cursor}", cursor * 2]
    for i, letter in enumerate(cursor):
        other = "A" if letter != "A" else "B"
        changed += [cursor[:i] + other + cursor[i + 1 :], cursor[:i] + cursor[i + 1 :]]
    for each in changed:
        assert client.get(f"/tasks?cursor={each}", as_=alice).status_code == 400, each
    assert client.get(f"/tasks?cursor={cursor}", as_=alice).status_code == 200


@pytest.mark.sqlite
def test_longest_cursor_fits_into_a_request_line(client, rows, alice):
    for title in ("ΐ" * 200, "🙂" * 200, "ŉ" * 200, '"\\' * 100):
        ids = plant(rows, alice.id, [{"title": title}] * 2)
        path = "/tasks?sort_by=title,due_at&limit=1&cursor="
        assert len(client.get(path, as_=alice).json["next_cursor"]) < 4000
        assert set(ids) <= set(ids_of(follow(client, alice, path)))


# --- a plain Python model of the same tasks -----------------------------------------------------

# Few values, so that many match; some are special in SQL or in casefolding.
TEXTS = ["a", "A", "ab", "ß", "SS", "ŉ", "\u02bcN", "ς", "Σ", "%", "_", "\\", "a%b", "a_b", "İ"]
TAGS = ["a", "A", "b", "ß", "ss", "%", "_", "a b", "Σ", "ς", "\\", "'", "🙂"]
texts = st.lists(st.sampled_from([*TEXTS, "é", "🙂"]), min_size=1, max_size=3).map("".join)
moments = st.sampled_from([*(after(n) for n in range(6)), "2999-01-01T00:00:00.000000Z"])
sorts = [key for key in ORDERS if "," not in key and not key.startswith("-")]
orders = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(sorts)),
    min_size=1,
    max_size=4,
    unique_by=lambda key: key[1],
).map(lambda keys: ",".join(sign + name for sign, name in keys))


@st.composite
def planted_tasks(draw):
    status = draw(st.sampled_from(STATUSES))
    tags = {tag.casefold(): tag for tag in draw(st.lists(st.sampled_from(TAGS), max_size=3))}
    return {
        "title": draw(texts),
        "description": draw(st.none() | texts),
        "status": status,
        "priority": draw(st.sampled_from(PRIORITIES)),
        "due_at": draw(st.none() | moments),
        "tags": [tags[key] for key in sorted(tags)],
        "completed_at": draw(moments) if status == "done" else None,
        "created_at": draw(moments),
        "updated_at": draw(moments),
        "deleted_at": draw(st.sampled_from([None, None, None, after(0)])),
    }


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


TIMES = {
    "due_after": "due_at",
    "created_since": "created_at",
    "updated_since": "updated_at",
    "completed_since": "completed_at",
}
FILTERS = {
    "status": some(STATUSES),
    "priority": some(PRIORITIES),
    "tag": some(TAGS),
    "q": texts | st.just(""),
    "overdue": st.sampled_from(["true", "false"]),
    "deleted": st.sampled_from(["true", "false"]),
    **dict.fromkeys(("due_before", *TIMES), moments),
}
# Few filters at a time, because all together match nothing.
filters = st.lists(st.sampled_from(list(FILTERS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: FILTERS[name] for name in names})
)


def selects(asked, task):
    """Return whether the filters select a task."""
    due = task["due_at"]
    is_overdue = due is not None and due < now() and task["status"] != "done"
    folded = {tag.casefold() for tag in task["tags"]}
    text = asked.get("q", "").casefold()
    return (
        task["status"] in asked.get("status", STATUSES)
        and task["priority"] in asked.get("priority", PRIORITIES)
        and ("tag" not in asked or any(tag.casefold() in folded for tag in asked["tag"]))
        and any(text in (task[name] or "").casefold() for name in ("title", "description"))
        and ("due_before" not in asked or (due is not None and due < asked["due_before"]))
        and all((task[field] or "") >= asked.get(name, "") for name, field in TIMES.items())
        and ("overdue" not in asked or is_overdue == (asked["overdue"] == "true"))
        and (task["deleted_at"] is not None) == (asked.get("deleted") == "true")
    )


def test_before_is_exclusive_after_and_since_are_inclusive(client, rows, alice):
    times = dict.fromkeys(("due_at", "created_at", "updated_at", "completed_at"), after(1))
    plant(rows, alice.id, [times | {"status": "done"}, {"created_at": after(0)}])
    just_before, just_after = ("2026-01-01T00:00:59.999999Z", "2026-01-01T00:01:00.000001Z")
    for name in ("due_before", *TIMES):
        totals = [
            client.get(f"/tasks?{name}={moment}", as_=alice).json["total"]
            for moment in (just_before, after(1), just_after)
        ]
        assert totals == ([0, 0, 1] if name == "due_before" else [1, 1, 0]), name


@given(
    mine=st.lists(planted_tasks(), min_size=4, max_size=12),
    theirs=st.lists(planted_tasks(), max_size=2),
    queries=st.lists(
        st.tuples(filters, orders, st.integers(1, 6), st.integers(0, 8)), min_size=2, max_size=6
    ),
)
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lists_match_a_reference_implementation(client, rows, alice, bob, mine, theirs, queries):
    rows.run("DELETE FROM tasks")
    plant(rows, bob.id, theirs)
    ids = plant(rows, alice.id, mine)
    known = [fields | {"id": task_id} for fields, task_id in zip(mine, ids, strict=True)]
    for asked, sort_by, limit, skip in queries:
        expected = in_order([task for task in known if selects(asked, task)], sort_by)
        query = f"{urlencode(asked, doseq=True)}&sort_by={sort_by}&limit={limit}"

        page = client.get(f"/tasks?{query}&skip={skip}", as_=alice).json
        assert ids_of(page["items"]) == ids_of(expected)[skip : skip + limit]
        assert page["total"] == len(expected)
        assert (page["next_cursor"] is not None) == (len(expected) > skip + limit)

        walked = follow(client, alice, f"/tasks?{query}&cursor=")
        assert ids_of(walked) == ids_of(expected)
        for shown, task in zip(walked, expected, strict=True):
            if task["deleted_at"] is None:
                task = {name: value for name, value in task.items() if name != "deleted_at"}
                assert "deleted_at" not in shown
            assert shown == shown | task

        exported = client.get(f"/tasks/export?{urlencode(asked, doseq=True)}", as_=alice).json
        assert sorted(ids_of(exported)) == sorted(ids_of(expected))
