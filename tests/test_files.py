"""Export and import."""

import csv
import io
import json
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.client import code_of, signed_in
from tests.support.rows import Rows
from tests.support.tasks import PRIORITIES, STATUSES, plant_many

KEPT = ("title", "description", "status", "priority", "due_at", "tags")
COLUMNS = [
    *("id", "user_id", "project_id", "assignee_id"),
    *("title", "description", "status", "priority", "due_at", "tags"),
    *("completed_at", "created_at", "updated_at", "version"),
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1+1", "''=1", "'x", "'", "''", "'''-", "=", "-,b"]


def exported(client, person, kind="json", query=""):
    answer = client.get(f"/tasks/export?format={kind}{query}", as_=person)
    assert answer.status_code == 200
    return answer


def imported(client, person, data, kind="json", query=""):
    kinds = {"json": "application/json", "csv": "text/csv"}
    return client.post(f"/tasks/import{query}", as_=person, data=data, content_type=kinds[kind])


def table(answer):
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def kept(tasks):
    return [{name: task[name] for name in KEPT} for task in tasks]


# All valid characters; those with a meaning in CSV, JSON, SQL or spreadsheets are frequent.
_controls = [chr(n) for n in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
_letters = st.sampled_from("='+-@\",;\\\n\r\t \ufeff\u200b%_ßŉ🙂\u0301a") | st.characters(
    codec="utf-8", exclude_characters=_controls
)


def _one_line(longest):
    text = st.text(_letters.filter(lambda c: c not in "\n\r\t"), min_size=1, max_size=longest)
    return (text | st.sampled_from(FORMULAS)).map(str.strip).filter(bool)


tasks = st.fixed_dictionaries(
    {
        "title": _one_line(30),
        "description": st.none()
        | st.text(_letters, min_size=1, max_size=40)
        | st.text("=@;'\"\n\r\tx", min_size=1, max_size=12),
        "status": st.sampled_from(STATUSES),
        "priority": st.sampled_from(PRIORITIES),
        "due_at": st.none() | st.sampled_from(["1900-01-01T00:00:00Z", "2026-12-01T09:00:00.5Z"]),
        "tags": st.lists(_one_line(20).filter(lambda tag: "," not in tag), max_size=4),
    }
)


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", ["json", "csv"])
@given(given_tasks=st.lists(tasks, min_size=1, max_size=8))
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_export_and_import_round_trip(client, rows, alice, bob, kind, given_tasks):
    rows.run("DELETE FROM tasks")
    for task in given_tasks:
        made = client.post("/tasks", as_=alice, json=task)
        assert made.status_code == 201, made.json
        assert made.json["title"] == task["title"]
        assert made.json["description"] == task["description"]
    originals = client.get("/tasks?limit=100&sort_by=created_at", as_=alice).json["items"]
    file = exported(client, alice, kind).data

    done = imported(client, bob, file, kind)

    assert (done.status_code, done.json) == (200, {"created": len(given_tasks)})
    copies = client.get("/tasks?limit=100&sort_by=id", as_=bob).json["items"]
    assert kept(copies) == kept(originals)
    assert {copy["user_id"] for copy in copies} == {bob.id}
    again = exported(client, bob, kind).data
    assert imported(client, bob, b"\xef\xbb\xbf" + again if kind == "csv" else again, kind).json
    twice = client.get("/tasks?limit=100&sort_by=id", as_=bob).json["items"]
    assert kept(twice) == kept(originals) * 2


@pytest.mark.sqlite
def test_export_formats(client, alice):
    for path in ("json", "csv"):
        assert exported(client, alice, path).headers["Content-Disposition"] == (
            f'attachment; filename="tasks.{path}"'
        )
    assert exported(client, alice).json == []
    assert exported(client, alice, "csv").text == ",".join(COLUMNS) + "\r\n"
    made = [
        client.post("/tasks", as_=alice, json={"title": f"{n}", "tags": ["b", "a"]}).json
        for n in range(3)
    ]
    whole = client.get("/tasks/export", as_=alice)
    assert whole.json == made
    assert whole.headers["Content-Type"] == "application/json"
    lines = exported(client, alice, "csv")
    assert lines.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert table(lines) == [
        {name: "" if value is None else str(value) for name, value in task.items()}
        | {"tags": "a,b"}
        for task in made
    ]


@pytest.mark.sqlite
def test_formulas_are_escaped_in_csv(client, alice):
    """At the start of the cell and its lines, and after `;`, the separator in many countries."""
    cells = {
        "=1+1": "'=1+1",
        "+1": "'+1",
        "-1": "'-1",
        "@SUM(A1)": "'@SUM(A1)",
        "=": "'=",
        "'=1+1": "''=1+1",
        "''=1": "'''=1",
        "'''-": "''''-",
        "-,b": "'-,b",
        **{text: text for text in ("'x", "'", "''", " =1", '"=1', "a=1", "a;b", "a\n'")},
        "\t=1": "'\t=1",
        "\r=1": "'\r'=1",
        "\n=1": "\n'=1",
        "a\r\n+1": "a\r\n'+1",
        "a;=1;'@b;c=": "a;'=1;''@b;c=",
        'a;"=1': "a;'\"=1",
    }
    for text in cells:
        body = {"title": "x", "description": text, "tags": ["a;=b"]}
        assert client.post("/tasks", as_=alice, json=body).status_code == 201
    file = exported(client, alice, "csv")
    assert [row["description"] for row in table(file)] == list(cells.values())
    assert {row["tags"] for row in table(file)} == {"a;'=b"}
    for other in csv.reader(io.StringIO(file.text, newline=""), delimiter=";"):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in other)


@pytest.mark.sqlite
def test_export_applies_filters(client, alice, bob, admin):
    for person, title, tag in ((alice, "One", "x"), (alice, "Two", "y"), (bob, "Three", "x")):
        client.post("/tasks", as_=person, json={"title": title, "tags": [tag]})

    def titles(person, query):
        return [task["title"] for task in exported(client, person, "json", query).json]

    assert titles(alice, "") == ["One", "Two"]
    assert titles(alice, "&tag=x") == ["One"]
    assert titles(alice, "&q=TWO&status=todo") == ["Two"]
    assert titles(bob, "") == ["Three"]
    assert titles(admin, "&tag=x") == ["One", "Three"]
    assert titles(admin, f"&user_id={bob.id}") == ["Three"]
    assert client.get(f"/tasks/export?user_id={bob.id}", as_=alice).status_code == 403
    for query in ("limit=5", "skip=0", "cursor=", "sort_by=id", "format=xml", "format=", "x=1"):
        answer = client.get(f"/tasks/export?{query}", as_=alice)
        assert answer.status_code == 400
        assert answer.json["error"]["details"].keys() == {query.split("=")[0]}


@pytest.mark.sqlite
def test_import_ignores_read_only_columns(client, alice, bob):
    row = {
        "id": 1,
        "user_id": bob.id,
        "title": "x",
        "status": "done",
        "version": 99,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "nonsense",
        "completed_at": None,
        "deleted_at": "2020-01-01T00:00:00Z",
    }
    assert imported(client, alice, json.dumps([row])).json == {"created": 1}
    (task,) = client.get("/tasks", as_=alice).json["items"]
    assert task["version"] == 1
    assert task["completed_at"] == task["created_at"] > "2026"
    lines = b"title,user_id,due_at\r\n=Formula,5,2026-12-01T09:00:00+01:00\r\n'-x,,\r\n"
    assert imported(client, alice, lines, "csv").json == {"created": 2}
    items = client.get("/tasks?sort_by=-id&limit=2", as_=alice).json["items"]
    assert [item["title"] for item in items] == ["-x", "=Formula"]
    assert client.get("/tasks", as_=bob).json["total"] == 0


GOOD = {"title": "fine"}
FAULTY_ROWS = [
    ({"title": ""}, "title"),
    ({}, "title"),
    ({"title": "x", "status": "pending"}, "status"),
    ({"title": "x", "due_at": "2026-12-01T09:00:00"}, "due_at"),
    ({"title": "x", "tags": ["a,b"]}, "tags"),
    ({"title": "x", "colour": "red"}, "colour"),
    ({"title": "x", "row": 5}, None),
    (None, None),
    (5, None),
    ([], None),
    ("x", None),
]


FAULTY_LINES = [
    ("title\r\nfine\r\n \r\n", 2, "title"),
    ("title,status\r\nfine,done\r\nfine,\r\nx,pending\r\n", 3, "status"),
    ('title,description\r\n"a\r\nb",x\r\n', 1, "title"),
    ('title,description\r\nx,"a\r\nb\r\nc"\r\ny,z,z\r\n', 2, None),
    ("title,description\r\nfine,x\r\nfine\r\n", 2, None),
    ('title\r\nfine\r\n"open\r\n', 2, None),
    ('title\r\n"a"b\r\n', 1, None),
    ('title,tags\r\nx,"a,,b"\r\n', 1, "tags"),
    ("title,due_at\r\nx,2026-12-01\r\n", 1, "due_at"),
    (f"title\r\nfine\r\n{'x' * 200_000}\r\n", 2, None),
]


def refused(answer, number, name):
    """Assert that the error names the row, and the field if there is one."""
    assert answer.status_code == 400, answer.text
    error = answer.json["error"]
    assert f"row {number}" in error["message"]
    assert error["details"]["row"] == number
    assert name is None or name in {key.split(".")[0] for key in error["details"]}


@pytest.mark.sqlite
def test_invalid_row_is_reported_by_number_and_nothing_is_imported(client, alice):
    for faulty, name in FAULTY_ROWS:
        for number in (1, 2, 5):
            rows = [GOOD] * (number - 1) + [faulty] + [GOOD, {"title": ""}]
            for query in ("", "?dry_run=true"):
                refused(imported(client, alice, json.dumps(rows), query=query), number, name)
    for lines, number, name in FAULTY_LINES:
        refused(imported(client, alice, lines.encode(), "csv"), number, name)
    assert client.get("/tasks", as_=alice).json["total"] == 0


@pytest.mark.sqlite
def test_invalid_files_are_rejected(client, alice):
    for data, kind in (
        (b"", "csv"),
        (b"\r\n", "csv"),
        (b"titel\r\nx\r\n", "csv"),
        (b"description\r\nx\r\n", "csv"),
        (b"title,title\r\nx,y\r\n", "csv"),
        (b"title,colour\r\nx,y\r\n", "csv"),
        (b"title\r\n\xff\r\n", "csv"),
        (b"title\r\na\x00b\r\n", "csv"),
        ("title\r\nx".encode("utf-16"), "csv"),
        (b"", "json"),
        (b"{}", "json"),
        (b"null", "json"),
        (b'"x"', "json"),
        (b'{"tasks": []}', "json"),
        (b'[{"title": "x", "title": "y"}]', "json"),
        (b'[{"title": "\\u0000"}]', "json"),
        (b'[{"title": "x"}', "json"),
        (b"[" * 5000, "json"),
    ):
        assert imported(client, alice, data, kind).status_code == 400, data
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"}):
        answer = client.post("/tasks/import", as_=alice, data=b"title\r\nx", headers=headers)
        assert answer.status_code == 415
    for query in ("?dry_run=1", "?dry_run=", "?format=csv", "?dry_run=true&dry_run=true"):
        assert imported(client, alice, "[]", query=query).status_code == 400
    big = json.dumps([{"title": "x", "description": "y" * 17 * 1024 * 1024}])
    assert imported(client, alice, big).status_code == 413
    assert client.get("/tasks", as_=alice).json["total"] == 0


def test_slow_export_does_not_block_others(client, alice, bob, rows, make_app, make_client):
    plant_many(rows, alice.id, 1_200)
    app = make_app(DATABASE_POOL_SIZE="1", DATABASE_MAX_OVERFLOW="0")
    first, other = make_client(app), make_client(app)
    exports: list[Any] = []

    @app.before_request
    def close_exports():
        """Close unfinished exports, as the garbage collector may do during any request."""
        for each in exports:
            each.close()

    pieces = first.get("/tasks/export", as_=alice).response
    assert (next(pieces) + next(pieces)).count(b'"id"') == 1_000
    assert other.post("/tasks", json={"title": "Made meanwhile"}, as_=bob).status_code == 201
    assert b"".join(pieces).count(b'"id"') == 200

    exports.append(first.get("/tasks/export", as_=alice).response)
    next(exports[-1])
    assert other.post("/tasks", json={"title": "Made meanwhile"}, as_=bob).status_code == 201


@pytest.mark.slow
def test_export_memory_is_bounded(live_server, databases):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url)

    def held():
        """Return the memory of the worker processes in MiB."""
        parent = psutil.Process(server.process.pid)
        return sum(p.memory_info().rss for p in parent.children(recursive=True)) / 2**20

    with signed_in(server) as client:
        plant_many(Rows(url), client.get("/users/me").json()["id"], 200_000)
        for kind in ("json", "csv"):
            assert client.get("/tasks/export?q=Task 1999&format=" + kind).status_code == 200
            before, most, size, ends = held(), 0.0, 0, 0
            with client.stream("GET", f"/tasks/export?format={kind}") as answer:
                assert answer.status_code == 200
                for n, chunk in enumerate(answer.iter_raw(65536)):
                    size += len(chunk)
                    ends += chunk.count(b"\n")
                    if n % 50 == 0:
                        most = max(most, held())
            assert ends in (200_000, 200_001)
            assert size > 20 * 2**20
            assert most - before < 8, (
                f"{before:.1f} MiB became {most:.1f} for {size / 2**20:.0f} MiB"
            )


@pytest.mark.sqlite
def test_at_most_two_exports_at_a_time(client, alice, bob):
    def export(who=alice):
        return client.get("/tasks/export", as_=who, buffered=False)

    reading = [export(), export()]
    refused = export()
    assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) > 0
    assert export(bob).status_code == 200
    reading[0].close()
    reading.append(export())
    assert reading[-1].status_code == 200
    assert export().status_code == 429
    for each in reading:
        each.close()
    assert export().data == b"[]\n"
