"""The fields of a task and the parameters of its lists."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.support.client import code_of, walk

CONTROL = ["\x01", "\x1f", "\x7f", "\x85", "\x9f"]
NOT_TEXT: list[Any] = [None, 1, 1.5, True, [], {}, ["x"]]
BAD_TIMES = [
    "2026-12-01T09:00:00",  # without an offset
    *["2026-12-01", "2027-02-29T00:00:00Z", "0001-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z"],
    *["1899-12-31T23:59:59Z", "1900-01-01T00:00:00+00:01", "3000-01-01T00:00:00Z"],
    *["2999-12-31T23:59:59-00:01", "2026-12-01T23:59:60Z", "2026-12-01T24:00:00Z"],
    *["2026-12-01T09:60:00Z", "2026-13-01T09:00:00Z", "2026-12-00T09:00:00Z"],
    *["2026-12-01T09:00:00+24:00", "2026-12-01T09:00:00+0100", "2026-12-01T09:00Z"],
    *["2026-12-01T09:00:00.Z", "2026-12-01T09:00:00Z\n", " 2026-12-01T09:00:00Z"],
    *["٢٠٢٦-12-01T09:00:00Z", "99999-12-01T09:00:00Z", "tomorrow", ""],
]
GOOD_TIMES = {
    "2026-12-01T09:00:00+01:00": "2026-12-01T08:00:00.000000Z",
    "2028-02-29t23:59:59.9999999z": "2028-02-29T23:59:59.999999Z",
    "1900-01-01T00:00:00Z": "1900-01-01T00:00:00.000000Z",
    "2999-12-31T23:59:59.999999Z": "2999-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00.5+23:59": "2025-12-31T00:01:00.500000Z",
    "2026-12-01T09:00:00-00:00": "2026-12-01T09:00:00.000000Z",
}
BAD_FIELDS: dict[str, list[Any]] = {
    "title": [
        *NOT_TEXT,
        *(f"a{each}b" for each in [*CONTROL, "\t", "\n", "\r", "\u2028"]),
        *("", " \u3000 ", "x" * 201, "🙂" * 201),
    ],
    "description": [
        *NOT_TEXT[1:],
        *(f"a{each}b" for each in [*CONTROL, "\x0b", "\x0c"]),
        "x" * 10_001,
    ],
    "status": [*NOT_TEXT, "", "TODO", "pending", "todo ", "0"],
    "priority": [*NOT_TEXT, "", "High", "urgent"],
    "due_at": [1, 1.5, True, [], {}, *BAD_TIMES],
    "tags": [
        *[*NOT_TEXT[:4], {}, "docs", {"a": 1}, [None], [1], [["a"]], [{}], ["ok", "a,b"]],
        *([tag] for tag in ("", "  ", "a,b", ",", "x" * 51, "a\tb", "a\nb", "a\x00")),
        [f"tag {n}" for n in range(21)],
    ],
}
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
TITLES = [
    *["x" * 200, "🙂" * 200, "👩‍👩‍👧‍👦" * 28, "e\u0301" * 100, "ß" * 200, "ŉ" * 200, "ΐ" * 200],
    *["İ" * 200, "\ufeff", "\u200b", "%_\\'\";--", "' OR 1=1", "null", "עברית 日本語 🙂rite"],
    "%s %(x)s {0} $1 :title ?",
]


@pytest.fixture
def task(client, alice):
    return client.post("/tasks", as_=alice, json={"title": "As it was"}).json


def sent_everywhere(client, person, task, body):
    """Yield the responses of every request with a task in its body."""
    one, update = f"/tasks/{task['id']}", {"op": "update", "id": task["id"], "data": body}
    for method, path, whole in (
        ("POST", "/tasks", body),
        ("POST", "/users/me/tasks", body),
        ("PUT", one, body),
        ("PATCH", one, body),
        ("POST", "/tasks/bulk", {"operations": [{"op": "create", "data": body}]}),
        ("POST", "/tasks/bulk", {"operations": [update]}),
    ):
        raw = json.dumps(whole)  # as ASCII, with NUL as an escape sequence
        yield client.open(
            path, method=method, as_=person, data=raw, content_type="application/json"
        )


@pytest.mark.sqlite
@pytest.mark.parametrize("name", BAD_FIELDS)
def test_invalid_field_is_a_400_with_its_name(client, alice, task, name):
    for value in BAD_FIELDS[name]:
        body = {"title": "x", name: value}
        imported = client.post("/tasks/import", as_=alice, json=[body])
        for answer in (*sent_everywhere(client, alice, task, body), imported):
            assert answer.status_code == 400, (value, answer.json)
            error = answer.json["error"]
            assert error["code"] == "VALIDATION_ERROR"
            if "\\u0000" in json.dumps(value):  # detected before the operation is parsed
                assert any(name in path.split(".") for path in error["details"])
                continue
            faulty = set(error["details"]) - {"row", "index"}
            assert {key.split(".")[0] for key in faulty} == {name}
            assert name in error["message"]
    assert client.get("/tasks", as_=alice).json["items"] == [task]


@pytest.mark.sqlite
def test_read_only_fields_cannot_be_set(client, alice, task):
    for name in UNKNOWN:
        for value in (1, "2026-01-01T00:00:00Z", None):
            for answer in sent_everywhere(client, alice, task, {"title": "x", name: value}):
                assert answer.status_code == 400
                assert answer.json["error"]["details"].keys() - {"index"} == {name or "body"}
    assert client.get("/tasks", as_=alice).json["items"] == [task]
    for wrong, right in (
        ({"is_complete": True}, "status"),
        ({"status": "pending"}, "todo"),
        ({"status": "completed"}, "done"),
    ):
        hint = client.post("/tasks", as_=alice, json={"title": "x"} | wrong)
        assert f"'{right}'" in hint.json["detail"]


def test_times_are_stored_in_utc_with_microseconds(client, alice):
    for given, kept in GOOD_TIMES.items():
        task = client.post("/tasks", as_=alice, json={"title": "x", "due_at": given}).json
        assert task["due_at"] == kept
        assert client.get(f"/tasks/{task['id']}", as_=alice).json["due_at"] == kept


def test_titles_of_200_characters(client, alice):
    for title in TITLES:
        made = client.post("/tasks", as_=alice, json={"title": title})
        assert (made.status_code, made.json["title"]) == (201, title)
        other = title.swapcase()
        if other.casefold() == title.casefold() and len(other) <= 200:
            found = client.get(f"/tasks?{urlencode({'q': other})}", as_=alice)
            assert title in [task["title"] for task in found.json["items"]]
    walked = [task["title"] for task in walk(client, alice, "/tasks?sort_by=title&limit=1")]
    assert walked == sorted(TITLES, key=str.casefold)


def test_description_is_kept_and_empty_is_null(client, alice):
    many = [character * 10_000 for character in "x🙂ΐ"]
    for description in (" \n", "\tindented\r\n", "  \t🙂\r\n ", "\u2028", *many, ""):
        task = client.post("/tasks", as_=alice, json={"title": "x", "description": description})
        assert task.status_code == 201
        assert task.json["description"] == (description or None)
        assert client.get(f"/tasks/{task.json['id']}", as_=alice).json == task.json


def test_tags_are_trimmed_sorted_and_unique(client, alice):
    tags = ["beta", " Alpha ", "ALPHA", "Ω", "STRASSE", "straße", "ŉ" * 50, "🙂", "%", "_", "'x"]
    task = client.post("/tasks", as_=alice, json={"title": "x", "tags": tags}).json
    kept = ["beta", "Alpha", "Ω", "STRASSE", "ŉ" * 50, "🙂", "%", "_", "'x"]
    assert task["tags"] == sorted(kept, key=str.casefold)
    assert client.get(f"/tasks/{task['id']}", as_=alice).json["tags"] == task["tags"]
    for tag in tags:
        if len(tag.swapcase().strip()) <= 50:
            found = client.get(f"/tasks?{urlencode({'tag': tag.swapcase()})}", as_=alice)
            assert found.json["total"] == 1, tag
    many = [f"{n:02}" + "ß" * 48 for n in range(20)]
    longer = {"title": "x", "tags": [many[0].upper()]}  # "SS" for each "ß"
    assert client.post("/tasks", as_=alice, json=longer).status_code == 400
    doubled = client.post("/tasks", as_=alice, json={"title": "x", "tags": [*many, *many]})
    assert doubled.json["tags"] == many


def test_search_escapes_wildcards(client, alice):
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


@pytest.mark.sqlite
def test_invalid_parameter_is_a_400_with_its_name(client, alice, admin):
    lists = (("/tasks", alice), ("/users/me/tasks", alice), ("/tasks/admin/all", admin))
    for query in BAD_QUERIES:
        name = query.split("=")[0]
        for path, person in lists:
            answer = client.get(f"{path}?{query}", as_=person)
            assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), query
            details = {key.split(".")[0] for key in answer.json["error"]["details"]}
            assert details & {name.split(".")[0], "body"}, query


@pytest.mark.sqlite
def test_paths_without_parameters_reject_all(client, alice, task):
    one = f"/tasks/{task['id']}"
    for query in ("limit=1", "x=1", "status=todo", "user_id=1"):
        for method, path, body in (
            *[("GET", one, None), ("DELETE", one, None), ("POST", f"{one}/restore", None)],
            *[(method, one, {"title": "x"}) for method in ("PATCH", "PUT")],
            *[("POST", "/tasks", {"title": "x"}), ("POST", "/tasks/bulk", {"operations": []})],
        ):
            given = {} if body is None else {"json": body}
            answer = client.open(f"{path}?{query}", method=method, as_=alice, **given)
            assert answer.status_code == 400
            assert answer.json["error"]["details"].keys() == {query.split("=")[0]}
    assert client.get(one, as_=alice).json == task
