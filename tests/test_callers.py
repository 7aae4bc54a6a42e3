"""Authorization: every operation with every kind of caller."""

import itertools

import pytest

from tests.support.client import code_of
from tests.support.matrix import CALLERS, REFUSED, ROWS, Scene
from tests.support.projects import token as new_token


@pytest.mark.sqlite
def test_matrix_covers_every_operation(root):
    documented = {
        (method.upper(), path): operation["security"] == []
        for path, operations in root.get("/openapi.json").json["paths"].items()
        for method, operation in operations.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert documented == {(row.method, row.path): row.is_open for row in ROWS}


@pytest.fixture
def make_scene(client, root, cast):
    cast.admin("always-there")  # so that the other admins can be deleted
    numbers = itertools.count()
    return lambda: Scene(client, root, cast, next(numbers))


@pytest.mark.sqlite
@pytest.mark.parametrize("caller", CALLERS)
def test_callers_with_a_valid_token(make_scene, caller):
    got, scene = {}, None
    for row in ROWS:
        if scene is None:
            scene = make_scene()
            token = scene.token(caller)
        before = scene.state()
        answer = row.call(scene, caller, token)
        status = got[row.name] = answer.status_code
        if status in (403, 404) and not row.is_open:
            assert "Owned" not in answer.text, row.name
            if status == 404:
                assert code_of(answer) == "NOT_FOUND"
            elif "'s" not in caller:
                assert code_of(answer) == "FORBIDDEN"
            elif row.expected(caller.split("'")[0]) < 300 and "user_id" not in row.name:
                assert code_of(answer) == "INSUFFICIENT_SCOPE", row.name
            if row.name != "POST /tasks/{task_id}/restore":
                assert scene.state() == before, row.name
        if row.uses_up and (status < 300 or "restore" in row.name):
            scene = None
    assert got == {row.name: row.expected(caller) for row in ROWS}


@pytest.mark.sqlite
def test_callers_without_a_valid_token(make_scene, rows):
    scene = make_scene()
    before, tokens = scene.state(), scene.refused_tokens(rows)
    for kind, token in tokens.items():
        for row in ROWS:
            if row.is_open or row.name == "POST /tasks/{task_id}/restore":
                continue  # the row `#live` is the same operation
            answer = row.call(scene, kind, token)
            got = answer.status_code, code_of(answer), answer.headers.get("WWW-Authenticate")
            assert got == (401, REFUSED[kind], "Bearer"), (kind, row.name)
    assert scene.state() == before
    for kind, token in tokens.items():
        for row in filter(lambda row: row.is_open, ROWS):
            assert row.call(scene, kind, token).status_code == row.expected(kind), (kind, row.name)


# --- lists, counts and files --------------------------------------------------------------------

LISTS = ("/tasks", "/tasks?q=hers", "/tasks?tag=secret&status=todo", "/tasks?deleted=true")
FILES = ("/tasks?cursor=&sort_by=title", "/tasks/export", "/tasks/export?format=csv")


@pytest.fixture
def people(client, alice, bob, admin):
    """The tokens of sessions, and personal tokens of each scope, by name."""
    tokens = {"owner": alice.token, "other": bob.token, "admin": admin.token}
    for name in CALLERS[3:]:
        person, scope = name.split("'s ")
        tokens[name] = new_token(client, alice if person == "owner" else admin, scope)
    return tokens


def test_lists_counts_and_files_contain_only_visible_tasks(client, alice, people):
    task = client.post("/tasks", as_=alice, json={"title": "Hers", "tags": ["secret"]}).json
    for path in ("/tasks/stats", *FILES, *LISTS):
        if "deleted" in path:
            client.delete(f"/tasks/{task['id']}", as_=alice)
        for who, token in people.items():
            answer = client.get(path, as_=token)
            assert answer.status_code == 200
            sees = who not in ("other", "admin's read", "admin's write")
            if path == "/tasks/stats":
                assert answer.json["total"] == answer.json["by_status"]["todo"] == int(sees)
                continue
            assert ("Hers" in answer.text) == sees, (path, who)
            assert path in FILES or answer.json["total"] == int(sees), (path, who)


@pytest.mark.sqlite
def test_stored_response_is_replayed_to_its_user_only(client, alice, people):
    task = client.post("/tasks", as_=alice, json={"title": "Hers"}).json
    client.delete(f"/tasks/{task['id']}", as_=alice)
    restore, key = f"/tasks/{task['id']}/restore", {"Idempotency-Key": "same"}
    assert client.post(restore, as_=alice, headers=key).status_code == 200
    got = {who: client.post(restore, as_=token, headers=key) for who, token in people.items()}
    assert {who: answer.status_code for who, answer in got.items()} == {
        "owner": 200,
        "other": 404,
        "admin": 409,
        "owner's read": 403,
        "owner's write": 200,
        "admin's read": 403,
        "admin's write": 404,
        "admin's admin": 409,
    }
    assert [who for who, answer in got.items() if "Hers" in answer.text] == [
        "owner",
        "owner's write",
    ]
