"""Every field of a task and every parameter of its lists, with the worst that people send."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

CONTROL = ["\x01", "\x1f", "\x7f", "\x85", "\x9f"]
NOT_TEXT: list[Any] = [None, 1, 1.5, True, [], {}, ["x"]]
BAD_TIMES = [
    "2026-12-01T09:00:00",  # without an offset
    "2026-12-01",
    "2027-02-29T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "0000-01-01T00:00:00Z",
    "1899-12-31T23:59:59Z",
    "1900-01-01T00:00:00+00:01",
    "3000-01-01T00:00:00Z",
    "2999-12-31T23:59:59-00:01",
    "2026-12-01T23:59:60Z",
    "2026-12-01T24:00:00Z",
    "2026-12-01T09:60:00Z",
    "2026-13-01T09:00:00Z",
    "2026-12-00T09:00:00Z",
    "2026-12-01T09:00:00+24:00",
    "2026-12-01T09:00:00+0100",
    "2026-12-01T09:00Z",
    "2026-12-01T09:00:00.Z",
    "2026-12-01T09:00:00Z\n",
    " 2026-12-01T09:00:00Z",
    "٢٠٢٦-12-01T09:00:00Z",
    "99999-12-01T09:00:00Z",
    "tomorrow",
    "",
]
GOOD_TIMES = {
    "2026-12-01T09:00:00+01:00": "2026-12-01T08:00:00.000000Z",
    "2028-02-29t23:59:59.9999999z": "2028-02-29T23:59:59.999999Z",
    "1900-01-01T00:00:00Z": "1900-01-01T00:00:00.000000Z",
    "2999-12-31T23:59:59.999999Z": "2999-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00.5+23:59": "2025-12-31T00:01:00.500000Z",
    "2026-12-01T09:00:00-00:00": "2026-12-01T09:00:00.000000Z",
}
BAD_FIELDS: list[tuple[str, Any]] = [
    *[("title", value) for value in NOT_TEXT],
    *[("title", f"a{each}b") for each in [*CONTROL, "\t", "\n", "\r", "\u2028"]],
    *[("title", value) for value in ("", " \u3000 ", "x" * 201, "🙂" * 201)],
    *[("description", value) for value in NOT_TEXT[1:]],
    *[("description", f"a{each}b") for each in [*CONTROL, "\x0b", "\x0c"]],
    ("description", "x" * 10_001),
    *[("status", value) for value in (*NOT_TEXT, "", "TODO", "pending", "todo ", "0")],
    *[("priority", value) for value in (*NOT_TEXT, "", "High", "urgent")],
    *[("due_at", value) for value in (1, 1.5, True, [], {}, *BAD_TIMES)],
    *[
        ("tags", value)
        for value in [*NOT_TEXT[:4], {}, "docs", {"a": 1}, [None], [1], [["a"]], [{}]]
    ],
    *[("tags", [value]) for value in ("", "  ", "a,b", ",", "x" * 51, "a\tb", "a\nb", "a\x00")],
    ("tags", [f"tag {n}" for n in range(21)]),
    ("tags", ["ok", "a,b"]),
]
READ_ONLY = ["id", "version", "created_at", "updated_at", "completed_at", "deleted_at"]
UNKNOWN = [*READ_ONLY, "is_complete", "owner", "title_key", "tags_key", "", "__class__", "User_id"]
BAD_QUERIES = [
    *["limit=0", "limit=101", "limit=-1", "limit=%2B5", "limit=", "limit=x", "limit=1.0"],
    *["limit=%D9%A3", f"limit={2**63}", f"skip={2**63}", f"skip={'9' * 400}", "skip=10001"],
    *["skip=-1", "skip=", "skip=x", "skip=1e3", "limit=5&limit=5", "skip=0&skip=0"],
    *["cursor=x", "cursor=.", "cursor=a.b", "cursor=%F0%9F%99%82", "cursor=W10.x"],
    *["cursor=&skip=0", "cursor=&cursor="],
    *["sort_by=", "sort_by=user_id", "sort_by=title,", "sort_by=-", "sort_by=--id", "sort_by=+id"],
    *["sort_by=title,title", "sort_by=title,-title", "sort_by=id&sort_by=title", "sort_by=Title"],
    *["sort_by=title%20", "sort_by=title_key", "sort_by=deleted_at", "sort_by=id;drop"],
    *["status=", "status=pending", "status=Todo", "status=todo,done", "status=todo&status=x"],
    *["priority=", "priority=urgent", "priority=2"],
    *["tag=", "tag=%20", "tag=a,b", f"tag={'x' * 51}", "tag=a%0Ab", "tag=a&tag="],
    *[f"q={'x' * 201}", "q=a&q=b", "q=a%01b"],
    *["overdue=", "overdue=1", "overdue=True", "overdue=yes", "overdue=true&overdue=true"],
    *["deleted=", "deleted=1", "deleted=TRUE", "deleted=true&deleted=false"],
    *["due_before=2026-12-01", "due_after=x", "created_since=", "updated_since=0"],
    *["completed_since=2026-02-30T00:00:00Z", "due_before=2026-12-01T09:00:00+01:00"],
    *["unknown=1", "is_complete=true", "page=2", "offset=1", "sort=title", "Status=todo", "=1"],
    *["format=csv", "tz=UTC", "status[]=todo", "status.0=todo"],
]
NAMED = {"status[]=todo": "status[]", "status.0=todo": "status.0", "=1": ""}


@pytest.fixture
def task(client, alice):
    return client.post("/tasks", as_=alice, json={"title": "As it was"}).json


@pytest.mark.parametrize("name", ["title", "description", "status", "priority", "due_at", "tags"])
def test_a_bad_field_is_a_400_that_names_it_and_nothing_is_done(client, alice, task, name):
    one = f"/tasks/{task['id']}"
    for value in [value for field, value in BAD_FIELDS if field == name]:
        body = {"title": "x", name: value}
        raw = json.dumps(body)
        for answer in (
            client.post("/tasks", as_=alice, data=raw, content_type="application/json"),
            client.put(one, as_=alice, data=raw, content_type="application/json"),
            client.patch(one, as_=alice, data=raw, content_type="application/json"),
            client.post("/tasks/import", as_=alice, json=[body]),
            client.post(
                "/tasks/bulk", as_=alice, json={"operations": [{"op": "create", "data": body}]}
            ),
        ):
            assert answer.status_code == 400, (value, answer.json)
            error = answer.json["error"]
            if "\\u0000" in raw:
                assert error["code"] == "MALFORMED_JSON"
                continue
            assert error["code"] == "VALIDATION_ERROR"
            faulty = set(error["details"]) - {"row", "index"}
            assert {key.split(".")[0] for key in faulty} == {name}
            assert name in error["message"]
    assert client.get("/tasks", as_=alice).json["items"] == [task]


def test_times_are_kept_in_utc_to_the_microsecond(client, alice):
    for given, kept in GOOD_TIMES.items():
        task = client.post("/tasks", as_=alice, json={"title": "x", "due_at": given}).json
        assert task["due_at"] == kept
        assert client.get(f"/tasks/{task['id']}", as_=alice).json["due_at"] == kept


@pytest.mark.parametrize(
    "title",
    [
        "x" * 200,
        "🙂" * 200,
        "👩‍👩‍👧‍👦" * 28,
        "e\u0301" * 100,
        "ß" * 200,
        "ŉ" * 200,
        "ΐ" * 200,
        "İ" * 200,
        "\ufeff",
        "\u200b",
        "%_\\'\";--",
        "' OR 1=1",
        "null",
        "%s %(x)s {0} $1 :title ?",
    ],
    ids=ascii,
)
def test_a_title_of_any_two_hundred_characters_is_kept_found_and_sorted(client, alice, title):
    made = client.post("/tasks", as_=alice, json={"title": title})
    other = client.post("/tasks", as_=alice, json={"title": "zzz"})
    assert made.status_code == 201
    assert made.json["title"] == title
    found = client.get("/tasks?" + urlencode({"q": title.swapcase()}), as_=alice)
    if title.swapcase().casefold() == title.casefold() and len(title.swapcase()) <= 200:
        assert [task["title"] for task in found.json["items"]] == [title]
    page = client.get("/tasks?sort_by=title&limit=1&cursor=", as_=alice).json
    rest = client.get(f"/tasks?sort_by=title&limit=1&cursor={page['next_cursor']}", as_=alice).json
    expected = sorted([title, other.json["title"]], key=str.casefold)
    assert [page["items"][0]["title"], rest["items"][0]["title"]] == expected


def test_a_description_is_kept_to_the_letter_and_empty_is_none(client, alice):
    for description in (
        " \n",
        "\tindented\r\n",
        "x" * 10_000,
        "🙂" * 10_000,
        "\u2028",
        "ΐ" * 10_000,
    ):
        task = client.post("/tasks", as_=alice, json={"title": "x", "description": description})
        assert task.status_code == 201
        assert task.json["description"] == description
        assert client.get(f"/tasks/{task.json['id']}", as_=alice).json == task.json
    task = client.post("/tasks", as_=alice, json={"title": "x", "description": ""}).json
    assert task["description"] is None


def test_tags_are_trimmed_and_ordered_without_doubles_by_any_case(client, alice):
    tags = ["beta", " Alpha ", "ALPHA", "Ω", "STRASSE", "straße", "ŉ" * 50, "🙂", "%", "_", "'x"]
    task = client.post("/tasks", as_=alice, json={"title": "x", "tags": tags}).json
    kept = ["beta", "Alpha", "Ω", "STRASSE", "ŉ" * 50, "🙂", "%", "_", "'x"]
    assert task["tags"] == sorted(kept, key=str.casefold)
    assert client.get(f"/tasks/{task['id']}", as_=alice).json["tags"] == task["tags"]
    for tag in tags:
        found = client.get("/tasks?" + urlencode({"tag": tag.swapcase()}), as_=alice)
        if len(tag.swapcase().strip()) <= 50:
            assert found.json["total"] == 1, tag
    many = [f"{n:02}" + "ß" * 48 for n in range(20)]
    longer = {"title": "x", "tags": [many[0].upper()]}  # "SS" for each "ß"
    assert client.post("/tasks", as_=alice, json=longer).status_code == 400
    doubled = client.post("/tasks", as_=alice, json={"title": "x", "tags": [*many, *many]})
    assert doubled.json["tags"] == many


@pytest.mark.parametrize("name", UNKNOWN)
def test_no_body_reaches_a_field_that_is_not_for_clients(client, alice, task, name):
    one = f"/tasks/{task['id']}"
    for value in (1, "2026-01-01T00:00:00Z", None):
        body = {"title": "x", name: value}
        for answer in (
            client.post("/tasks", as_=alice, json=body),
            client.post("/users/me/tasks", as_=alice, json=body),
            client.put(one, as_=alice, json=body),
            client.patch(one, as_=alice, json=body),
            client.post(
                "/tasks/bulk", as_=alice, json={"operations": [{"op": "create", "data": body}]}
            ),
            client.post(
                "/tasks/bulk",
                as_=alice,
                json={"operations": [{"op": "update", "id": task["id"], "data": body}]},
            ),
        ):
            assert answer.status_code == 400
            assert answer.json["error"]["details"].keys() - {"index"} == {name or "body"}
    assert client.get("/tasks", as_=alice).json["items"] == [task]
    hint = client.post("/tasks", as_=alice, json={"title": "x", "is_complete": True})
    assert "'status'" in hint.json["detail"]
    for wrong, right in (("pending", "todo"), ("completed", "done")):
        hint = client.post("/tasks", as_=alice, json={"title": "x", "status": wrong})
        assert f"'{right}'" in hint.json["detail"]


def test_a_bad_parameter_is_a_400_that_names_it(client, alice, admin):
    lists = (("/tasks", alice), ("/users/me/tasks", alice), ("/tasks/admin/all", admin))
    for query in BAD_QUERIES:
        name = NAMED.get(query, query.split("=")[0])
        for path, person in lists:
            answer = client.get(f"{path}?{query}", as_=person)
            assert answer.status_code == 400, (query, answer.json)
            error = answer.json["error"]
            assert error["code"] == "VALIDATION_ERROR"
            assert {key.split(".")[0] for key in error["details"]} & {name.split(".")[0], "body"}


@pytest.mark.parametrize(
    "query", ["q=%FF", "q=%00", "tag=a%00", "%ff=1", "q=%ED%A0%80", "cursor=%00"]
)
def test_a_query_that_is_not_text_is_a_400(client, alice, query):
    answer = client.get(f"/tasks?{query}", as_=alice)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("query", ["limit=1", "x=1", "status=todo", "user_id=1"])
def test_paths_without_parameters_refuse_every_one(client, alice, task, query):
    one = f"/tasks/{task['id']}"
    name = query.split("=")[0]
    for answer in (
        client.get(f"{one}?{query}", as_=alice),
        client.patch(f"{one}?{query}", as_=alice, json={"title": "x"}),
        client.put(f"{one}?{query}", as_=alice, json={"title": "x"}),
        client.post(f"/tasks?{query}", as_=alice, json={"title": "x"}),
        client.post(f"/tasks/bulk?{query}", as_=alice, json={"operations": []}),
        client.delete(f"{one}?{query}", as_=alice),
        client.post(f"{one}/restore?{query}", as_=alice),
    ):
        assert answer.status_code == 400
        assert answer.json["error"]["details"].keys() == {name}
    assert client.get(one, as_=alice).json == task


def test_percent_underscore_and_backslash_are_plain_characters(client, alice):
    names = ["100%", "100", "a_b", "axb", "a\\b", "a\\\\b", "%", "_", "\\", "\\%"]
    for name in names:
        client.post("/tasks", as_=alice, json={"title": name, "tags": [name]})
        client.post("/tasks", as_=alice, json={"title": "-", "description": f"<{name}>"})
    for name in names:
        found = client.get(f"/tasks?limit=100&q={quote(name)}", as_=alice).json["items"]
        texts = [t["description"] or t["title"] for t in found]
        expected = [n for n in names if name in n]
        assert sorted(texts) == sorted([*expected, *(f"<{n}>" for n in expected)])
        tagged = client.get(f"/tasks?tag={quote(name)}", as_=alice).json["items"]
        assert [t["title"] for t in tagged] == [name]
