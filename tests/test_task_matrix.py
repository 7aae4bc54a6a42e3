"""Who may do what with a task, in every way to name one."""

import pytest

SCOPES = ("owner read", "owner write", "admin read", "admin write", "admin admin")


@pytest.fixture
def people(client, alice, bob, admin):
    """Tokens by name: a session each, and personal tokens of each scope."""

    def personal(person, scope):
        body = {"name": scope, "scope": scope}
        answer = client.post("/auth/tokens", as_=person, json=body)
        assert answer.status_code == 201, answer.json
        return answer.json["token"]

    tokens = {"nobody": None, "stranger": bob.token, "owner": alice.token, "admin": admin.token}
    for name in SCOPES:
        who, scope = name.split()
        tokens[name] = personal(alice if who == "owner" else admin, scope)
    return tokens


def ways(task, owner_id):
    """Every way to name a task: what to send, and what it is answered in the set and out of it."""
    one, nested = f"/tasks/{task['id']}", f"/users/{owner_id}/tasks/{task['id']}"
    body, operation = {"json": {"title": "x"}}, {"id": task["id"]}
    return {
        "get": ("get", one, {}, 200),
        "put": ("put", one, body, 200),
        "patch": ("patch", one, body, 200),
        "delete": ("delete", one, {}, 204),
        "restore": ("post", f"{one}/restore", {}, 409),
        "nested get": ("get", nested, {}, 200),
        "nested put": ("put", nested, body, 200),
        "nested patch": ("patch", nested, body, 200),
        "nested delete": ("delete", nested, {}, 204),
        "bulk update": (
            "post",
            "/tasks/bulk",
            {"json": {"operations": [operation | {"op": "update", "data": {"title": "x"}}]}},
            200,
        ),
        "bulk delete": (
            "post",
            "/tasks/bulk",
            {"json": {"operations": [operation | {"op": "delete"}]}},
            200,
        ),
    }


WAYS = list(ways({"id": 1}, 1))


def expected(who, way, method, good):
    """The contract, row by row."""
    if who == "nobody":
        return 401
    if who.endswith(" read") and method != "get":
        return 403
    has_powers = who in ("owner", "owner read", "owner write", "admin", "admin admin")
    # A personal token of less than scope admin makes even an admin a plain user.
    if who == "admin read":
        has_powers = False
    if has_powers:
        return good
    return 403 if way.startswith("nested") else 404


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_name_a_task_lets_in_whom_it_should(client, alice, people, way):
    for who, token in people.items():
        task = client.post("/tasks", as_=alice, json={"title": "Hers"}).json
        method, path, body, good = ways(task, alice.id)[way]
        answer = getattr(client, method)(path, as_=token, **body)
        status = expected(who, way, method, good)
        assert answer.status_code == status, (who, answer.json)
        if status >= 400:
            assert "Hers" not in answer.text
            assert client.get(f"/tasks/{task['id']}", as_=alice).json == task


COLLECTIONS = {
    "list": "/tasks",
    "trash": "/tasks?deleted=true",
    "search": "/tasks?q=hers",
    "filter": "/tasks?tag=secret&status=todo",
    "cursor": "/tasks?cursor=&sort_by=title",
    "export": "/tasks/export",
    "export csv": "/tasks/export?format=csv",
    "stats": "/tasks/stats",
}


@pytest.mark.parametrize("way", COLLECTIONS)
def test_no_list_count_or_file_tells_of_anothers_task(client, alice, bob, people, way):
    task = client.post("/tasks", as_=alice, json={"title": "Hers", "tags": ["secret"]}).json
    if way == "trash":
        client.delete(f"/tasks/{task['id']}", as_=alice)
    for who, token in people.items():
        answer = client.get(COLLECTIONS[way], as_=token)
        if who == "nobody":
            assert answer.status_code == 401
            continue
        assert answer.status_code == 200
        sees = who not in ("stranger", "admin read", "admin write")
        if way == "stats":
            assert answer.json["total"] == answer.json["by_status"]["todo"] == int(sees)
        else:
            assert ("Hers" in answer.text) == sees, who
            if "total" in (answer.get_json(silent=True) or {}) and way != "cursor":
                assert answer.json["total"] == int(sees)


def test_only_an_admins_full_powers_reach_everybodys_and_others(client, alice, people):
    for who, token in people.items():
        powers = who in ("admin", "admin admin")
        for path in (
            "/tasks/admin/all",
            f"/tasks?user_id={alice.id}",
            f"/tasks/export?user_id={alice.id}",
            f"/users/{alice.id}/tasks",
        ):
            own = "users" in path and who.startswith("owner")
            status = 401 if who == "nobody" else 200 if powers or own else 403
            assert client.get(path, as_=token).status_code == status, (who, path)
        may_write = who != "nobody" and not who.endswith(" read")
        for path, body in (
            ("/tasks", {"title": "x", "user_id": alice.id}),
            (
                "/tasks/bulk",
                {"operations": [{"op": "create", "data": {"title": "x", "user_id": alice.id}}]},
            ),
        ):
            answer = client.post(path, as_=token, json=body)
            status = 401 if who == "nobody" else 403 if not (may_write and powers) else 201
            assert answer.status_code == (200 if (status, path[-4:]) == (201, "bulk") else status)


def test_a_kept_answer_is_for_its_own_user_alone(client, alice, people):
    task = client.post("/tasks", as_=alice, json={"title": "Hers"}).json
    client.delete(f"/tasks/{task['id']}", as_=alice)
    key = {"Idempotency-Key": "same"}
    restore = f"/tasks/{task['id']}/restore"
    assert client.post(restore, as_=alice, headers=key).status_code == 200
    for who, token in people.items():
        answer = client.post(restore, as_=token, headers=key)
        status = {"nobody": 401, "owner": 200, "owner write": 200, "owner read": 403}
        status |= {"admin": 409, "admin admin": 409, "admin read": 403}
        assert answer.status_code == status.get(who, 404), who
        assert ("Hers" in answer.text) == (answer.status_code == 200)
