"""Lists: pages by number, and links that a client can follow without knowing anything else."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.tasks import after, in_order, plant, stored

LINK = re.compile(r'<([^<>]*)>; rel="([a-z]+)"')


def links(answer):
    header = answer.headers.get("Link", "")
    found = {relation: url for url, relation in LINK.findall(header)}
    assert ", ".join(f'<{url}>; rel="{relation}"' for relation, url in found.items()) == header
    return found


def follow(client, person, path, relation="next"):
    """All items from there on, by the links alone."""
    items = []
    while path:
        answer = client.get(path, as_=person)
        assert answer.status_code == 200, answer.json
        items.append(answer.json["items"])
        path = links(answer).get(relation)
        assert len(items) < 1000
    return items


def flat(pages):
    return [item["id"] for page in pages for item in page]


@pytest.fixture
def planted(app, alice, bob):
    ids = plant(app, [stored(alice.id, title=f"{n}", created_at=after(n)) for n in range(45)])
    plant(app, [stored(bob.id, title="Not hers") for _ in range(3)])
    return ids[::-1]


def test_a_page_says_what_it_is(client, alice, planted):
    page = client.get("/tasks", as_=alice).json
    assert page.keys() == {"items", "total", "skip", "limit", "next_cursor"}
    assert [item["id"] for item in page["items"]] == planted[:20]
    assert (page["total"], page["skip"], page["limit"]) == (45, 0, 20)
    last = client.get("/tasks?skip=40", as_=alice).json
    assert [item["id"] for item in last["items"]] == planted[40:]
    assert (last["total"], last["skip"], last["next_cursor"]) == (45, 40, None)
    behind = client.get("/tasks?skip=10000&limit=100", as_=alice).json
    assert (behind["items"], behind["total"], behind["next_cursor"]) == ([], 45, None)


def test_an_empty_list_is_a_page_too(client, alice):
    for path in ("/tasks", "/tasks?cursor=", "/tasks?skip=7", "/tasks?sort_by=due_at&skip=3"):
        page = client.get(path, as_=alice).json
        by_cursor = "cursor" in path
        assert (page["items"], page["next_cursor"]) == ([], None)
        assert page["total"] == (None if by_cursor else 0)


def test_a_page_by_cursor_has_no_number_and_limits_may_change(client, alice, planted):
    seen, cursor = [], ""
    for limit in (1, 2, 3, 5, 8, 13, 21, 34):
        page = client.get(f"/tasks?limit={limit}&cursor={cursor}", as_=alice).json
        assert (page["total"], page["skip"], page["limit"]) == (None, None, limit)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == planted


def test_a_page_by_number_hands_on_to_a_walk(client, alice, planted):
    page = client.get("/tasks?skip=10&limit=10", as_=alice).json
    rest = client.get(f"/tasks?limit=100&cursor={page['next_cursor']}", as_=alice).json
    assert [item["id"] for item in rest["items"]] == planted[20:]


@pytest.mark.parametrize(
    "start",
    [
        "/tasks",
        "/tasks/",
        "/tasks?cursor",
        "/tasks?cursor=",
        "/tasks?limit=7",
        "/tasks?limit=7&skip=3",
        "/tasks?skip=3&&limit=7&",
        "/tasks?l%69mit=7&curso%72=",
        "/tasks?limit=7&cursor=&sort_by=-due_at,title",
        "/tasks?q=%20&tag=a%26b%3E%22&limit=7&cursor=",
        "/users/me/tasks?limit=7",
        "/users/me/tasks?status=todo&status=done&limit=7&cursor=",
        '/tasks?limit=7&q=>"<,;',
    ],
)
def test_links_lead_a_client_that_knows_nothing_else_to_every_item(client, app, alice, bob, start):
    given = [
        stored(
            alice.id,
            title=f'{n} >"<,;',
            tags=['a&b>"'],
            created_at=after(n),
            due_at=after(n % 5) if n % 3 else None,
        )
        for n in range(45)
    ]
    ids = set(plant(app, given))
    plant(app, [stored(bob.id, title='>"<,;', tags=['a&b>"'])])
    first = client.get(start, as_=alice)
    assert all(url.startswith("/api/v1/") for url in links(first).values())

    pages = follow(client, alice, start)

    expected = ids if "skip=3" not in start else set(sorted(ids)[:-3])
    assert len(flat(pages)) == len(set(flat(pages)))
    assert set(flat(pages)) == expected
    again = follow(client, alice, links(first)["first"])
    assert len(flat(again)) == 45
    if "cursor" not in start and "curso%72" not in start:
        end = client.get(links(first)["last"], as_=alice)
        assert "next" not in links(end)
        assert end.json["items"]
        back = follow(client, alice, links(first)["last"], "prev")
        assert set(flat(back)) == ids


def test_links_know_prev_and_last_only_by_number(client, alice, planted):
    answer = client.get("/tasks?skip=20&limit=10&status=todo", as_=alice)
    numbers = {relation: parse_qs(urlsplit(url).query) for relation, url in links(answer).items()}
    assert {name: each["skip"] for name, each in numbers.items()} == {
        "first": ["0"],
        "prev": ["10"],
        "next": ["30"],
        "last": ["40"],
    }
    assert all(each["limit"] == ["10"] and each["status"] == ["todo"] for each in numbers.values())
    walk = client.get("/tasks?cursor=&limit=10", as_=alice)
    assert links(walk).keys() == {"first", "next"}


def test_links_go_on_where_skip_may_not(client, app, alice):
    total = 10_250
    ids = plant(app, [stored(alice.id, created_at=after(n)) for n in range(total)])[::-1]
    pages = follow(client, alice, "/tasks?limit=100&skip=9900")
    assert flat(pages) == ids[9900:]
    assert "last" not in links(client.get("/tasks?limit=100", as_=alice))


def test_an_admin_lists_everybodys(client, app, alice, bob, admin):
    ids = plant(app, [stored(person.id) for person in (alice, bob, admin)])
    for path in ("/tasks", "/tasks/admin/all"):
        assert {t["id"] for t in client.get(path, as_=admin).json["items"]} == set(ids)
        for person, task_id in zip((alice, bob, admin), ids, strict=True):
            page = client.get(f"{path}?user_id={person.id}", as_=admin).json
            assert ([t["id"] for t in page["items"]], page["total"]) == ([task_id], 1)
    assert client.get("/tasks/admin/all?user_id=99999", as_=admin).json["total"] == 0
    assert client.get("/tasks/admin/all", as_=alice).status_code == 403
    assert client.get("/tasks/admin/all").status_code == 401
    for bad in ("0", "x", str(2**63), "", f"{alice.id}&user_id={bob.id}"):
        assert client.get(f"/tasks?user_id={bad}", as_=admin).status_code == 400
    for path in (f"/tasks?user_id={alice.id}", f"/tasks?user_id={bob.id}", "/tasks?user_id="):
        answer = client.get(path, as_=alice)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")


ORDERS = [
    *["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "due_at", "-due_at"],
    *["priority", "-priority", "status", "-status", "title", "-title", "completed_at"],
    *["-completed_at", "priority,-due_at,title", "-due_at,completed_at", "status,due_at,-title"],
    *["-completed_at,-due_at,-priority", "title,-id", "due_at,-id", "-priority,created_at,id"],
    "created_at,updated_at,due_at,priority,status,title,completed_at",
]


def test_every_order_is_the_contracts(client, app, alice):
    titles = ["a", "B", "b", "Ä", "ä", "z", "ß", "ss", "🙂", "\ufffd", "İ", "_", "A"]
    plant(
        app,
        [
            stored(
                alice.id,
                title=titles[n % 13],
                status=("todo", "in_progress", "done")[n % 3],
                priority=("high", "low", "medium")[n // 2 % 3],
                due_at=None if n % 4 == 0 else after(n % 5),
                completed_at=after(n % 3) if n % 3 == 2 else None,
                created_at=after(n // 4),
                updated_at=after(100 - n // 3),
            )
            for n in range(60)
        ],
    )
    items = client.get("/tasks?limit=100", as_=alice).json["items"]
    assert items == in_order(items, "-created_at")
    for sort_by in ORDERS:
        expected = [item["id"] for item in in_order(items, sort_by)]
        for paging in ("", "&cursor="):
            pages = follow(client, alice, f"/tasks?limit=7&sort_by={sort_by}{paging}")
            assert flat(pages) == expected, sort_by
