"""Safe retries: one key, one body, one task, whatever goes wrong in between."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.support.client import BASE, code_of, signed_in
from tests.support.rows import Rows, ago

KEY = {"Idempotency-Key": "a key"}


def post(client, person, title="x", headers=KEY):
    return client.post("/tasks", as_=person, json={"title": title}, headers=headers)


def total(client, person):
    return client.get("/tasks", as_=person).json["total"]


def test_the_first_answer_comes_again(client, alice):
    first, again = (post(client, alice, "Once") for _ in range(2))
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.data) == (201, first.data)
    for name in ("Location", "ETag", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert total(client, alice) == 1


def test_every_post_about_tasks_takes_a_key(client, alice):
    task = client.post("/users/me/tasks", as_=alice, json={"title": "x"}, headers=KEY)
    again = client.post("/users/me/tasks", as_=alice, json={"title": "x"}, headers=KEY)
    assert again.data == task.data
    one = f"/tasks/{task.json['id']}"
    client.delete(one, as_=alice)
    restored = client.post(f"{one}/restore", as_=alice, headers=KEY)
    again = client.post(f"{one}/restore", as_=alice, headers=KEY)
    assert (restored.status_code, again.status_code) == (200, 200)
    assert again.data == restored.data
    assert again.headers["ETag"] == restored.headers["ETag"]
    operations = {"operations": [{"op": "create", "data": {"title": "y"}}]}
    for path, body in (("/tasks/bulk", operations), ("/tasks/import", [{"title": "z"}])):
        first = client.post(path, as_=alice, json=body, headers=KEY)
        again = client.post(path, as_=alice, json=body, headers=KEY)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.data == first.data
        assert again.headers["Idempotency-Replayed"] == "true"
    assert total(client, alice) == 3


def test_another_body_under_the_same_key_is_a_422(client, alice):
    client.post(
        "/tasks", as_=alice, data='{"title": "a"}', content_type="application/json", headers=KEY
    )
    for body in ('{"title": "b"}', '{"title":"a"}', ' {"title": "a"}'):
        answer = client.post(
            "/tasks", as_=alice, data=body, content_type="application/json", headers=KEY
        )
        assert (answer.status_code, code_of(answer)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert total(client, alice) == 1


def test_a_key_is_per_user_method_path_and_query(client, alice, bob, admin):
    body = {"title": "x"}
    for person, path in (
        (alice, "/tasks"),
        (bob, "/tasks"),
        (alice, "/users/me/tasks"),
        (admin, f"/users/{alice.id}/tasks"),
    ):
        answer = client.post(path, as_=person, json=body, headers=KEY)
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer.headers
    checked = client.post("/tasks/import?dry_run=true", as_=alice, json=[body], headers=KEY)
    done = client.post("/tasks/import", as_=alice, json=[body], headers=KEY)
    assert "Idempotency-Replayed" not in done.headers
    assert (checked.json["created"], done.json["created"]) == (0, 1)
    assert total(client, alice) == 4


def test_a_key_has_1_to_255_characters(client, alice):
    for key in ("", "x" * 256):
        answer = post(client, alice, headers={"Idempotency-Key": key})
        assert answer.status_code == 400
        assert answer.json["error"]["details"].keys() == {"Idempotency-Key"}
    for key in ("x", "x" * 255, "'; -- %s", "\xe9\xff"):
        for replayed in (None, "true"):
            answer = post(client, alice, headers={"Idempotency-Key": key})
            assert answer.status_code == 201
            assert answer.headers.get("Idempotency-Replayed") == replayed


def test_only_success_is_kept(client, alice, admin):
    for path, body in (
        ("/tasks", {"title": ""}),
        ("/tasks/99999/restore", None),
        ("/tasks/bulk", {"operations": [{"op": "delete", "id": 99_999}]}),
        ("/tasks/import", [{"title": "fine"}, {"title": ""}]),
    ):
        given = {} if body is None else {"json": body}
        for _ in range(2):
            answer = client.post(path, as_=alice, headers=KEY, **given)
            assert answer.status_code in (400, 404)
            assert "Idempotency-Replayed" not in answer.headers
    assert post(client, alice).status_code == 201
    late = {"title": "x", "user_id": admin.id + 1}
    assert client.post("/tasks", as_=admin, json=late, headers=KEY).status_code == 400
    assert total(client, admin) == 1


def test_a_key_is_kept_for_a_day(client, rows, alice):
    def age(hours):
        aged = "UPDATE idempotency_keys SET created_at = :moment"
        assert rows.run(aged, moment=ago(hours=hours)) == 1

    first = post(client, alice)
    age(23.9)
    assert post(client, alice).data == first.data
    age(24.1)
    second = post(client, alice)
    assert second.json["id"] != first.json["id"]
    assert post(client, alice).data == second.data
    age(24.1)
    assert post(client, alice, "other").status_code == 201


def test_no_replay_to_who_may_not_do_it_now(client, app, cast, alice, bob, admin):
    boss = cast.admin("boss")
    theirs = client.post("/tasks", as_=alice, json={"title": "Private"}).json
    one = f"/tasks/{theirs['id']}"
    client.delete(one, as_=alice)
    update_theirs = {"operations": [{"op": "update", "id": theirs["id"], "data": {"tags": ["x"]}}]}
    give = {"operations": [{"op": "create", "data": {"title": "x", "user_id": alice.id}}]}
    own = {"operations": [{"op": "create", "data": {"title": "own"}}]}
    posts = [
        (f"{one}/restore", None, 404),
        ("/tasks/bulk", update_theirs, 404),
        ("/tasks/bulk", give, 403),
        ("/tasks", {"title": "x", "user_id": alice.id}, 403),
        (f"/users/{alice.id}/tasks", {"title": "x"}, 403),
        ("/tasks/bulk", own, 200),
    ]

    def send(n):
        path, body, _ = posts[n]
        given = {} if body is None else {"json": body}
        return client.post(path, as_=boss, headers={"Idempotency-Key": f"key {n}"}, **given)

    for n in range(len(posts)):
        assert send(n).status_code in (200, 201)
        assert send(n).headers["Idempotency-Replayed"] == "true"
    changed = client.patch(f"/users/{boss.id}", as_=admin, json={"role": "user"})
    assert changed.status_code == 200
    for n, (_, _, status) in enumerate(posts):
        answer = send(n)
        assert answer.status_code == status
        assert "Private" not in answer.text

    moved = client.post("/tasks", as_=bob, json={"title": "Bob's"}).json
    client.delete(f"/tasks/{moved['id']}", as_=bob)
    restore = f"/tasks/{moved['id']}/restore"
    assert client.post(restore, as_=bob, headers=KEY).status_code == 200
    client.patch(f"/tasks/{moved['id']}", as_=admin, json={"user_id": alice.id})
    assert client.post(restore, as_=bob, headers=KEY).status_code == 404


def test_twenty_at_once_make_one_task(live_server):
    with signed_in(live_server(WEB_THREADS="16")) as client:
        for round_ in range(3):
            key = {"Idempotency-Key": f"round {round_}"}
            with ThreadPoolExecutor(20) as pool:
                answers = list(
                    pool.map(
                        lambda _, key=key: client.post("/tasks", json={"title": "x"}, headers=key),
                        range(20),
                    )
                )
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
            replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
            assert sorted(map(str, replayed)) == ["None"] + ["true"] * 19
            assert client.get("/tasks").json()["total"] == round_ + 1


@contextmanager
def held(rows, sql):
    """Hold a lock, as somebody at work does; on SQLite any writer is in everybody's way."""
    with rows.connection() as connection:
        if rows.is_postgres:
            connection.execute(sql)
        yield
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")


def test_after_five_seconds_a_duplicate_is_told_to_try_again(client, rows, alice):
    post(client, alice)
    with held(rows, "DELETE FROM idempotency_keys"):
        began = time.monotonic()
        answer = post(client, alice)
        waited = time.monotonic() - began
    assert (answer.status_code, code_of(answer)) == (409, "CONFLICT")
    assert "try again" in answer.json["detail"]
    assert 4.5 < waited < 8
    assert post(client, alice).headers["Idempotency-Replayed"] == "true"
    assert total(client, alice) == 1


def restarted(live_server, url, before):
    """The same client at a new server on the same database."""
    headers = {"Authorization": before.headers["Authorization"]}
    return httpx.Client(base_url=live_server(DATABASE_URL=url).url + BASE, headers=headers)


def test_after_a_kill_in_the_middle_a_retry_makes_exactly_one(live_server, databases):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url)
    body = [{"title": f"Task {n}"} for n in range(90)]
    # It hangs once its key is claimed: its tasks cannot be written.
    with signed_in(server) as before, held(Rows(url), "LOCK TABLE tasks IN SHARE MODE"):

        def bring_in():
            with pytest.raises(httpx.HTTPError):
                before.post("/tasks/import", json=body, headers=KEY)

        sender = threading.Thread(target=bring_in)
        sender.start()
        time.sleep(1)  # nothing tells from outside how far it has come
        os.killpg(server.process.pid, signal.SIGKILL)
        sender.join(20)
        server.process.wait(10)
        time.sleep(0.3)  # its worker is no child of ours, whose end could be waited for
    with restarted(live_server, url, before) as client:
        assert client.get("/tasks").json()["total"] == 0
        answer = client.post("/tasks/import", json=body, headers=KEY)
        assert (answer.status_code, answer.json()) == (200, {"created": 90})
        assert "Idempotency-Replayed" not in answer.headers
        answer = client.post("/tasks/import", json=body, headers=KEY)
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert client.get("/tasks").json()["total"] == 90


def test_after_a_kill_at_any_moment_a_retry_makes_exactly_one(live_server, databases):
    """Killed while it is busy: what was begun is there once or not at all, and then once."""
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, WEB_THREADS="8")
    with signed_in(server) as before:
        sent = []

        def attempt(n):
            sent.append(n)
            headers = {"Idempotency-Key": f"key {n}"}
            try:
                before.post("/tasks", json={"title": f"{n}"}, headers=headers)
            except httpx.HTTPError:
                return

        with ThreadPoolExecutor(8) as pool:
            work = [pool.submit(attempt, n) for n in range(120)]
            while len(sent) < 40:
                time.sleep(0.005)
            os.killpg(server.process.pid, signal.SIGKILL)
            for each in work:
                each.result()
        server.process.wait(10)
    with restarted(live_server, url, before) as client:
        kept = client.get("/tasks").json()["total"]
        assert 0 < kept < 120
        replayed = 0
        for n in range(120):
            headers = {"Idempotency-Key": f"key {n}"}
            answer = client.post("/tasks", json={"title": f"{n}"}, headers=headers)
            assert answer.status_code == 201
            replayed += answer.headers.get("Idempotency-Replayed") == "true"
        assert replayed == kept
        assert client.get("/tasks").json()["total"] == 120
