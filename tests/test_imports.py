"""Import jobs: all or nothing, also when the worker dies."""

import json
import time

import pytest

from tests.support.calls import at_once
from tests.support.imports import (
    BATCH,
    attempts,
    finished,
    nothing_is_left,
    progress,
    start_import,
    status,
    tasks_locked,
    total,
)
from tests.support.imports import rows as new_rows
from tests.support.receiver import eventually
from tests.support.rows import ago, from_now
from tests.support.worker import is_settled, let_retries_come_due, settle, working


@pytest.mark.sqlite
def test_over_100_rows_become_a_job(client, alice, bob, admin, app, rows):
    response = start_import(client, alice, new_rows(101))
    queued = response.get_json()
    place = response.headers["Location"]
    assert place == f"/api/v1/jobs/{queued['id']}"
    assert queued | {"id": 0, "created_at": ""} == {
        "id": 0,
        "kind": "tasks.import",
        "status": "queued",
        "progress": {"done": 0, "total": None},
        "result": None,
        "error": None,
        "created_at": "",
        "finished_at": None,
    }
    assert total(client, alice) == 0
    assert client.get("/jobs", as_=alice).json["items"] == [queued]
    assert client.get("/jobs?status=done", as_=alice).json["total"] == 0
    assert client.get("/jobs?status=asleep", as_=alice).status_code == 400
    for who in (bob, admin):
        assert client.get(place, as_=who).status_code == 404
        assert client.get("/jobs", as_=who).json["items"] == []
    with working(app):
        done = finished(client, alice, response)
    assert done["status"] == "done"
    assert done["progress"] == {"done": 101, "total": 101}
    assert done["result"] == {"created": 101}
    assert total(client, alice) == 101
    nothing_is_left(rows)
    at_once = client.post("/tasks/import", json=new_rows(100), as_=alice)
    assert (at_once.status_code, at_once.json) == (200, {"created": 100})


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_import_job_round_trip(client, alice, bob, app, kind):
    given = new_rows(1234)
    with working(app):
        finished(client, alice, start_import(client, alice, given))
        exported = client.get(f"/tasks/export?format={kind}", as_=alice)
        response = client.post(
            "/tasks/import", data=exported.data, content_type=exported.mimetype, as_=bob
        )
        assert finished(client, bob, response)["status"] == "done"

    def taken(who):
        found = json.loads(client.get("/tasks/export", as_=who).data)
        return [{name: each[name] for name in given[0]} for each in found]

    assert taken(bob) == taken(alice)
    assert sorted(taken(alice), key=lambda row: int(row["title"][5:])) == given


def test_every_task_has_its_event(client, alice, app, rows):
    headers = {"X-Request-ID": "the-one"}
    with working(app):
        finished(client, alice, start_import(client, alice, new_rows(700), **headers))
    found = rows.all(
        "SELECT task_id, actor_id, request_id FROM events WHERE action = 'task.created'"
    )
    assert {row["task_id"] for row in found} == {r["id"] for r in rows.all("SELECT id FROM tasks")}
    assert len(found) == 700
    assert {(row["actor_id"], row["request_id"]) for row in found} == {(alice.id, "the-one")}
    completed = client.get("/tasks?status=done&limit=1", as_=alice).json["items"][0]
    assert completed["completed_at"] == completed["created_at"]
    activity = client.get(f"/tasks/{completed['id']}/activity", as_=alice).json["items"]
    assert [each["action"] for each in activity] == ["task.created"]


@pytest.mark.sqlite
def test_invalid_file_creates_nothing(client, alice, app, rows):
    """The error names the row, except for malformed JSON."""
    given = new_rows(2 * BATCH + 10)
    given[2 * BATCH + 4]["status"] = "exploded"
    broken = json.dumps(new_rows(300)).encode()[:-20]
    with working(app):
        failed = finished(client, alice, start_import(client, alice, given))
        second = client.post(
            "/tasks/import", data=broken, content_type="application/json", as_=alice
        )
        assert second.status_code == 202
        malformed = finished(client, alice, second)
    assert failed["status"] == malformed["status"] == "failed"
    assert failed["error"]["code"] == "VALIDATION_ERROR"
    assert failed["error"]["details"]["row"] == 2 * BATCH + 5
    assert "status" in failed["error"]["details"]
    assert malformed["error"]["code"] == "MALFORMED_JSON"
    assert total(client, alice) == 0
    nothing_is_left(rows)


@pytest.mark.sqlite
def test_dry_run_of_any_size_is_immediate(client, alice):
    response = client.post("/tasks/import?dry_run=true", json=new_rows(1000), as_=alice)
    assert response.status_code == 200
    assert response.json == {"dry_run": True, "created": 0, "would_create": 1000}
    assert client.post("/tasks/import?dry_run=true", json=new_rows(3), as_=alice).json == {
        "dry_run": True,
        "created": 0,
        "would_create": 3,
    }
    given = new_rows(500)
    del given[399]["title"]
    faulty = client.post("/tasks/import?dry_run=true", json=given, as_=alice)
    assert faulty.status_code == 400
    assert faulty.json["error"]["details"]["row"] == 400
    assert client.get("/jobs", as_=alice).json["total"] == total(client, alice) == 0
    done = client.post("/tasks/import?dry_run=false", json=new_rows(3), as_=alice)
    assert done.json == {"created": 3}
    assert client.post("/tasks/import", json=[], as_=alice).json == {"created": 0}


@pytest.mark.sqlite
def test_idempotency_key_creates_one_job(client, alice):
    headers = {"Idempotency-Key": "once"}
    first, again = (start_import(client, alice, new_rows(150), **headers) for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json == first.json
    assert client.get("/jobs", as_=alice).json["total"] == 1


def test_other_users_can_write_during_an_import(client, alice, bob, app):
    response = start_import(client, alice, new_rows(8000))
    slowest = 0.0
    with working(app):
        while client.get(response.headers["Location"], as_=alice).json["finished_at"] is None:
            started = time.monotonic()
            made = client.post("/tasks", json={"title": "meanwhile"}, as_=bob)
            assert made.status_code == 201
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 3


# --- failures of the worker --------------------------------------------------------------------


def test_several_workers_run_each_job_once(client, alice, app, rows):
    for _ in range(3):
        start_import(client, alice, new_rows(BATCH + 7))
    with working(app), working(app), working(app):
        eventually(lambda: is_settled(rows), seconds=30)
    assert total(client, alice) == 3 * (BATCH + 7)
    nothing_is_left(rows)


def test_job_of_a_stopped_worker_is_continued(client, alice, app, rows):
    response = start_import(client, alice, new_rows(20 * BATCH))
    with working(app) as first:
        eventually(lambda: progress(rows))
        first.stop()
    stopped = client.get(response.headers["Location"], as_=alice).json
    assert stopped["status"] == "queued"
    assert total(client, alice) == 0
    with working(app):
        assert finished(client, alice, response)["result"] == {"created": 20 * BATCH}
    assert total(client, alice) == 20 * BATCH
    nothing_is_left(rows)


@pytest.mark.postgres  # on SQLite, the last step of an import blocks other writers
def test_running_import_keeps_its_claim(client, alice, app, rows):
    response = start_import(client, alice, new_rows(2 * BATCH))
    with working(app), working(app):
        with tasks_locked(rows):
            eventually(lambda: progress(rows) == 2 * BATCH)
            lapsed = "SELECT count(*) FROM jobs WHERE claimed_until > :later"
            assert not rows.value(lapsed, later=from_now(seconds=31)), "a claim that lapses"
        assert finished(client, alice, response)["status"] == "done"
    assert attempts(rows) == 1
    assert total(client, alice) == 2 * BATCH
    nothing_is_left(rows)


@pytest.fixture
def tasks_refused(rows):
    """Let the database reject every new task."""
    rows.run(
        "CREATE TRIGGER refuse_tasks BEFORE INSERT ON tasks"
        " BEGIN SELECT RAISE(ROLLBACK, 'the disk is on fire'); END"
    )
    yield
    rows.run("DROP TRIGGER refuse_tasks")


@pytest.mark.sqlite
@pytest.mark.usefixtures("tasks_refused")
def test_temporary_errors_are_retried(client, alice, app, rows):
    response = start_import(client, alice, new_rows(101))
    most = 0
    with working(app):
        while (job := client.get(response.headers["Location"], as_=alice).json)["error"] is None:
            assert job["status"] in ("queued", "running")
            most = max(most, attempts(rows))
            let_retries_come_due(rows)
    assert 3 <= most <= 6
    assert (job["status"], job["error"]["code"]) == ("failed", "INTERNAL_ERROR")
    assert "fire" not in job["error"]["message"]
    nothing_is_left(rows)


@pytest.mark.sqlite
def test_disabled_user_imports_nothing(client, alice, admin, app, rows):
    start_import(client, alice, new_rows(101))
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    settle(app, rows)
    client.patch(f"/users/{alice.id}", json={"is_active": True}, as_=admin)
    assert status(rows) == "failed"
    assert rows.value("SELECT count(*) FROM tasks") == 0
    nothing_is_left(rows)


def test_old_jobs_and_events_are_purged(client, alice, app, rows):
    response = start_import(client, alice, new_rows(101))
    with working(app):
        finished(client, alice, response)
    rows.run("UPDATE jobs SET finished_at = :past", past=ago(days=91))
    event = {"changes": "{}", "action": "task.updated"}
    rows.insert(
        "events",
        [
            event | {"at": ago(days=days), "is_audit": is_audit}
            for is_audit, days in ((False, 91), (False, 89), (True, 364), (True, 366))
        ],
    )
    before = rows.value("SELECT count(*) FROM events")
    purged = app.test_cli_runner().invoke(args=["purge"])
    assert "jobs: 1\n" in purged.output
    assert "events: 2\n" in purged.output
    assert rows.value("SELECT count(*) FROM events") == before - 2
    assert client.get("/jobs", as_=alice).json["total"] == 0


def test_at_most_three_unfinished_imports(client, alice, bob, app, rows, make_client):
    def start(who=alice):
        return make_client(app).post("/tasks/import", json=new_rows(101), as_=who).status_code

    assert sorted(at_once([start] * 20)) == [202] * 3 + [409] * 17
    assert start(bob) == 202
    settle(app, rows)
    assert start() == 202
