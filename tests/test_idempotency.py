"""Idempotency-Key."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial

import httpx
import pytest

from tests.support.calls import at_once
from tests.support.client import BASE, code_of, signed_in
from tests.support.imports import total
from tests.support.rows import Rows, ago

KEY = {"Idempotency-Key": "a key"}


def post(client, person, title="x", headers=KEY):
    return client.post("/tasks", as_=person, json={"title": title}, headers=headers)


def test_every_post_replays_its_first_response(client, alice):
    gone = f"/tasks/{post(client, alice, headers={}).json['id']}"
    client.delete(gone, as_=alice)
    for path, body, status in (
        ("/tasks", {"title": "Once"}, 201),
        ("/users/me/tasks", {"title": "x"}, 201),
        (f"{gone}/restore", {}, 200),
        ("/tasks/bulk", {"operations": [{"op": "create", "data": {"title": "y"}}]}, 200),
        ("/tasks/import", [{"title": "z"}], 200),
    ):
        first, again = (client.post(path, as_=alice, json=body, headers=KEY) for _ in range(2))
        assert (first.status_code, again.status_code) == (status, status)
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.data == first.data
        for name in ("Location", "ETag", "Content-Type"):
            assert again.headers.get(name) == first.headers.get(name)
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert total(client, alice) == 5


def test_different_body_with_the_same_key_is_a_422(client, alice):
    given = {"as_": alice, "content_type": "application/json", "headers": KEY}
    client.post("/tasks", data='{"title": "a"}', **given)
    for body in ('{"title": "b"}', '{"title":"a"}', ' {"title": "a"}'):
        answer = client.post("/tasks", data=body, **given)
        assert (answer.status_code, code_of(answer)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert total(client, alice) == 1


def test_a_key_is_per_user_method_path_and_query(client, alice, bob, admin):
    for person, path, status in (
        (alice, "/tasks", 201),
        (bob, "/tasks", 201),
        (alice, "/users/me/tasks", 201),
        (admin, f"/users/{alice.id}/tasks", 201),
        (alice, "/tasks/import?dry_run=true", 200),
        (alice, "/tasks/import", 200),
    ):
        body = [{"title": "x"}] if "import" in path else {"title": "x"}
        answer = client.post(path, as_=person, json=body, headers=KEY)
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (status, None)
    assert total(client, alice) == 4


@pytest.mark.sqlite
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


def test_only_successful_responses_are_stored(client, alice, admin):
    for person, path, body in (
        (alice, "/tasks", {"title": ""}),
        (alice, "/tasks/99999/restore", {}),
        (alice, "/tasks/bulk", {"operations": [{"op": "delete", "id": 99_999}]}),
        (alice, "/tasks/import", [{"title": "fine"}, {"title": ""}]),
        (admin, "/tasks", {"title": "x", "user_id": 99_999}),  # detected after the key is stored
    ):
        for _ in range(2):
            answer = client.post(path, as_=person, headers=KEY, json=body)
            assert answer.status_code in (400, 404)
            assert "Idempotency-Replayed" not in answer.headers
    assert post(client, alice).status_code == 201
    assert total(client, admin) == 1


def test_keys_expire_after_a_day(client, rows, alice):
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


def test_no_replay_without_permission(client, cast, alice, bob, admin):
    boss = cast.admin("boss")
    hers = post(client, alice, "Private", headers={}).json["id"]
    client.delete(f"/tasks/{hers}", as_=alice)
    for_her = {"title": "x", "user_id": alice.id}
    posts = [
        (f"/tasks/{hers}/restore", {}, 404),
        ("/tasks/bulk", [{"op": "update", "id": hers, "data": {"tags": ["x"]}}], 404),
        ("/tasks/bulk", [{"op": "create", "data": for_her}], 403),
        ("/tasks", for_her, 403),
        (f"/users/{alice.id}/tasks", {"title": "x"}, 403),
        ("/tasks/bulk", [{"op": "create", "data": {"title": "own"}}], 200),
    ]

    def send(n):
        path, body, _ = posts[n]
        body = {"operations": body} if path == "/tasks/bulk" else body
        return client.post(path, as_=boss, headers={"Idempotency-Key": f"key {n}"}, json=body)

    for n in range(len(posts)):
        assert send(n).status_code in (200, 201)
        assert send(n).headers["Idempotency-Replayed"] == "true"
    demoted = client.patch(f"/users/{boss.id}", as_=admin, json={"role": "user"})
    assert demoted.status_code == 200
    for n, (_, _, status) in enumerate(posts):
        answer = send(n)
        assert answer.status_code == status
        assert "Private" not in answer.text

    one = f"/tasks/{post(client, bob, headers={}).json['id']}"
    client.delete(one, as_=bob)
    assert client.post(f"{one}/restore", as_=bob, headers=KEY).status_code == 200
    client.patch(one, as_=admin, json={"user_id": alice.id})
    assert client.post(f"{one}/restore", as_=bob, headers=KEY).status_code == 404


def test_concurrent_requests_create_one_task(live_server):
    with signed_in(live_server(WEB_THREADS="16")) as client:
        for n in range(2):
            send = partial(client.post, "/tasks", json={"title": "x"})
            key = {"Idempotency-Key": f"round {n}"}
            answers = at_once([partial(send, headers=key)] * 20)
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
            replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
            assert sorted(map(str, replayed)) == ["None"] + ["true"] * 19
            assert client.get("/tasks").json()["total"] == n + 1


@contextmanager
def held(rows, sql):
    """Hold the locks of a statement; on SQLite, every write transaction blocks all others."""
    with rows.connection() as connection:
        if rows.is_postgres:
            connection.execute(sql)
        yield
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")


@pytest.mark.slow_on_sqlite
def test_duplicate_gets_409_after_five_seconds(client, rows, alice):
    post(client, alice)
    with held(rows, "DELETE FROM idempotency_keys"):
        began = time.monotonic()
        answer = post(client, alice)
        waited = time.monotonic() - began
    assert (answer.status_code, code_of(answer)) == (409, "CONFLICT")
    assert "try again" in answer.json["detail"].lower()
    assert 4.5 < waited < 8
    assert post(client, alice).headers["Idempotency-Replayed"] == "true"
    assert total(client, alice) == 1


def restarted(live_server, url, before):
    """Return the same client for a new server with the same database."""
    headers = {"Authorization": before.headers["Authorization"]}
    return httpx.Client(base_url=live_server(DATABASE_URL=url).url + BASE, headers=headers)


def test_retry_after_a_kill_creates_one_task(live_server, databases):
    url = databases.fresh()
    server = live_server(DATABASE_URL=url)
    body = [{"title": f"Task {n}"} for n in range(90)]
    # The request hangs after it has claimed its key, because tasks are locked.
    with signed_in(server) as before, held(Rows(url), "LOCK TABLE tasks IN SHARE MODE"):

        def bring_in():
            with pytest.raises(httpx.HTTPError):
                before.post("/tasks/import", json=body, headers=KEY)

        sender = threading.Thread(target=bring_in)
        sender.start()
        time.sleep(1)  # its progress cannot be observed
        os.killpg(server.process.pid, signal.SIGKILL)
        sender.join(20)
        server.process.wait(10)
        time.sleep(0.3)  # the worker process is not our child, so we cannot wait for its end
    with restarted(live_server, url, before) as client:
        assert client.get("/tasks").json()["total"] == 0
        answer = client.post("/tasks/import", json=body, headers=KEY)
        assert (answer.status_code, answer.json()) == (200, {"created": 90})
        assert "Idempotency-Replayed" not in answer.headers
        answer = client.post("/tasks/import", json=body, headers=KEY)
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert client.get("/tasks").json()["total"] == 90


@pytest.mark.slow
def test_retry_after_a_kill_at_any_moment_creates_one_task(live_server, databases):
    """After SIGKILL, each task exists at most once, and after the retries exactly once."""
    url = databases.fresh()
    server = live_server(DATABASE_URL=url, WEB_THREADS="8")
    with signed_in(server) as before:
        sent = []

        def attempt(n):
            sent.append(n)
            headers = {"Idempotency-Key": f"key {n}"}
            with suppress(httpx.HTTPError):
                before.post("/tasks", json={"title": f"{n}"}, headers=headers)

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
