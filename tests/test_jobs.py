"""Imports of any size: a job with progress, all or nothing, whatever happens to the worker."""

import csv
import io
import json
import threading
import time

import pytest
from sqlalchemy import func, insert, select, update

from taskapi.database import Query
from taskapi.jobs import imports as running
from taskapi.jobs.imports import QUEUE, Stopped
from taskapi.models import imports as stored
from taskapi.models import job as model
from taskapi.models.event import events
from taskapi.models.imports import BATCH, batches
from taskapi.models.job import jobs, uploads
from taskapi.models.task_table import tasks
from taskapi.moments import ago
from tests.support.receiver import eventually, working


def rows(count, **fields):
    return [
        {
            "title": f"Täsk {number}",
            "description": None if number % 2 else "two\nlines",
            "status": ("todo", "in_progress", "done")[number % 3],
            "priority": ("low", "medium", "high")[number % 3],
            "due_at": None if number % 4 else "2030-01-02T03:04:05.678901Z",
            "tags": ["a", "b"] if number % 5 else [],
            **fields,
        }
        for number in range(count)
    ]


def as_csv(given):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(given[0]))
    writer.writeheader()
    for row in given:
        writer.writerow({**row, "tags": ",".join(row["tags"])})
    return text.getvalue().encode()


def bring_in(client, who, given, **headers):
    answer = client.post("/tasks/import", json=given, as_=who, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer


def finished(client, who, answer):
    def look():
        found = client.get(answer.headers["Location"], as_=who).json
        return found if found["finished_at"] else None

    return eventually(look, seconds=30)


def count(app, table):
    with app.app_context():
        return Query(select(func.count()).select_from(table)).value()


def nothing_is_left(app):
    assert count(app, batches) == 0
    assert count(app, uploads) == 0


def test_over_a_hundred_rows_become_a_job(client, alice, app):
    answer = bring_in(client, alice, rows(101))
    queued = answer.json
    assert answer.headers["Location"] == f"/api/v1/jobs/{queued['id']}"
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
    assert client.get("/tasks", as_=alice).json["total"] == 0
    with working(app):
        done = finished(client, alice, answer)
    assert done["status"] == "done"
    assert done["progress"] == {"done": 101, "total": 101}
    assert done["result"] == {"created": 101}
    assert client.get("/tasks", as_=alice).json["total"] == 101
    assert count(app, events.alias()) >= 101
    nothing_is_left(app)
    at_once = client.post("/tasks/import", json=rows(100), as_=alice)
    assert (at_once.status_code, at_once.json) == (200, {"created": 100})


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_what_was_exported_comes_back_identical(client, alice, bob, app, kind):
    given = rows(1234)
    with working(app):
        finished(client, alice, bring_in(client, alice, given))
        exported = client.get(f"/tasks/export?format={kind}", as_=alice)
        answer = client.post(
            "/tasks/import", data=exported.data, content_type=exported.mimetype, as_=bob
        )
        assert finished(client, bob, answer)["status"] == "done"
    names = list(given[0])

    def taken(who):
        found = json.loads(client.get("/tasks/export", as_=who).data)
        return [{name: each[name] for name in names} for each in found]

    assert taken(bob) == taken(alice)
    assert sorted(taken(alice), key=lambda row: int(row["title"][5:])) == given


def test_every_task_has_its_event(client, alice, app):
    with working(app):
        finished(client, alice, bring_in(client, alice, rows(700), **{"X-Request-ID": "the-one"}))
    with app.app_context():
        found = Query(
            select(events.c.task_id, events.c.actor_id, events.c.request_id).where(
                events.c.action == "task.created"
            )
        ).all()
        ids = {row.id for row in Query(select(tasks.c.id)).all()}
    assert {row.task_id for row in found} == ids
    assert len(found) == 700
    assert {(row.actor_id, row.request_id) for row in found} == {(alice.id, "the-one")}
    completed = client.get("/tasks?status=done&limit=1", as_=alice).json["items"][0]
    assert completed["completed_at"] == completed["created_at"]
    activity = client.get(f"/tasks/{completed['id']}/activity", as_=alice).json["items"]
    assert [each["action"] for each in activity] == ["task.created"]


def test_a_faulty_row_is_named_and_nothing_is_made(client, alice, app):
    given = rows(2 * BATCH + 10)
    given[2 * BATCH + 4]["status"] = "exploded"
    with working(app):
        failed = finished(client, alice, bring_in(client, alice, given))
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "VALIDATION_ERROR"
    assert failed["error"]["details"]["row"] == 2 * BATCH + 5
    assert "status" in failed["error"]["details"]
    assert client.get("/tasks", as_=alice).json["total"] == 0
    nothing_is_left(app)


def test_a_file_that_breaks_off_fails_with_a_word(client, alice, app):
    broken = json.dumps(rows(300)).encode()[:-20]
    answer = client.post("/tasks/import", data=broken, content_type="application/json", as_=alice)
    assert answer.status_code == 202
    with working(app):
        failed = finished(client, alice, answer)
    assert failed["error"]["code"] == "MALFORMED_JSON"
    nothing_is_left(app)


@pytest.mark.parametrize("body", [b"[1, 2", b"{}", b'[{"title": "a", "title": "b"}]', b"[1,]", b""])
def test_a_small_file_is_answered_at_once(client, alice, body):
    answer = client.post("/tasks/import", data=body, content_type="application/json", as_=alice)
    assert answer.status_code == 400


def test_a_dry_run_of_any_size_is_answered_at_once(client, alice, app):
    answer = client.post("/tasks/import?dry_run=true", json=rows(1000), as_=alice)
    assert answer.status_code == 200
    assert answer.json == {"dry_run": True, "created": 0, "would_create": 1000}
    given = rows(500)
    del given[399]["title"]
    faulty = client.post("/tasks/import?dry_run=true", json=given, as_=alice)
    assert faulty.status_code == 400
    assert faulty.json["error"]["details"]["row"] == 400
    assert count(app, jobs) == 0


def test_the_same_key_makes_one_job(client, alice, app):
    given = rows(150)
    first = bring_in(client, alice, given, **{"Idempotency-Key": "once"})
    again = bring_in(client, alice, given, **{"Idempotency-Key": "once"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json == first.json
    assert count(app, jobs) == 1


def test_jobs_are_ones_own(client, alice, bob, admin):
    place = bring_in(client, alice, rows(101)).headers["Location"]
    assert client.get("/jobs", as_=alice).json["total"] == 1
    assert client.get("/jobs?status=done", as_=alice).json["total"] == 0
    for who in (bob, admin):
        assert client.get(place, as_=who).status_code == 404
        assert client.get("/jobs", as_=who).json["items"] == []
    assert client.get("/jobs?status=asleep", as_=alice).status_code == 400


def claimed(app, worker):
    with app.app_context():
        found = QUEUE.claim(worker)
    assert found is not None
    return found


def test_another_worker_goes_on_where_one_stopped(client, alice, app):
    answer = bring_in(client, alice, rows(4 * BATCH + 7))
    first = claimed(app, "first")
    asked = iter([False, False, True])
    running.run(app, first, lambda: next(asked))
    halfway = client.get(answer.headers["Location"], as_=alice).json
    assert halfway["status"] == "queued"
    assert halfway["progress"] == {"done": 2 * BATCH, "total": 4 * BATCH + 7}
    assert count(app, batches) == 2
    assert client.get("/tasks", as_=alice).json["total"] == 0
    with working(app):
        done = finished(client, alice, answer)
    assert done["result"] == {"created": 4 * BATCH + 7}
    titles = [row["title"] for row in json.loads(client.get("/tasks/export", as_=alice).data)]
    assert sorted(titles) == sorted(row["title"] for row in rows(4 * BATCH + 7))
    nothing_is_left(app)


def test_who_was_silent_for_too_long_does_no_more(client, alice, app):
    answer = bring_in(client, alice, rows(2 * BATCH))
    slow = claimed(app, "slow")
    with app.app_context():
        assert QUEUE.claim("early") is None  # it is taken
        Query(update(jobs).values(leased_until=ago(seconds=1))).run()
    fast = claimed(app, "fast")
    running.run(app, fast, lambda: False)
    running.run(app, slow, lambda: False)
    assert client.get(answer.headers["Location"], as_=alice).json["status"] == "done"
    assert client.get("/tasks", as_=alice).json["total"] == 2 * BATCH


def test_twenty_claims_at_once_are_one(client, alice, app):
    bring_in(client, alice, rows(101))
    got, start = [], threading.Barrier(20)

    def claim(name):
        start.wait()
        with app.app_context():
            got.append(QUEUE.claim(name))

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    assert sum(each is not None for each in got) == 1


def test_what_fails_for_no_fault_of_its_own_is_tried_again(client, alice, app, monkeypatch):
    answer = bring_in(client, alice, rows(101))

    def explode(*_):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(stored, "publish", explode)
    for attempt in range(len(model.GAPS) + 1):
        found = claimed(app, f"w{attempt}")
        running.run(app, found, lambda: False)
        with app.app_context():
            assert attempt == len(model.GAPS) or QUEUE.claim("early") is None
            Query(update(jobs).values(run_at=ago(seconds=1))).run()
    failed = client.get(answer.headers["Location"], as_=alice).json
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "INTERNAL_ERROR"
    assert "fire" not in failed["error"]["message"]
    nothing_is_left(app)


def test_of_a_disabled_user_nothing_is_imported(client, alice, admin, app):
    bring_in(client, alice, rows(101))
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    with working(app):
        eventually(lambda: not_waiting(app))
    with app.app_context():
        assert Query(select(jobs.c.status)).value() == "failed"
    assert count(app, tasks) == 0
    nothing_is_left(app)


def not_waiting(app):
    with app.app_context():
        return Query(select(jobs.c.id).where(jobs.c.finished_at.is_(None))).first() is None


def test_others_write_while_an_import_runs(client, alice, bob, app):
    answer = bring_in(client, alice, rows(8000))
    slowest = 0.0
    with working(app):
        while client.get(answer.headers["Location"], as_=alice).json["finished_at"] is None:
            started = time.monotonic()
            made = client.post("/tasks", json={"title": "meanwhile"}, as_=bob)
            assert made.status_code == 201
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 3


def test_the_command_shows_progress(client, alice, app, tmp_path):
    file = tmp_path / "tasks.csv"
    file.write_bytes(as_csv(rows(1200)))
    runner = app.test_cli_runner()
    dry = runner.invoke(args=["tasks", "import", str(file), "--user", "alice", "--dry-run"])
    assert dry.output == "1200 tasks could be imported.\n"
    done = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert done.exit_code == 0, done.output
    assert "Importing tasks.csv" in done.output
    assert done.output.endswith("Imported 1200 tasks for alice.\n")
    assert client.get("/tasks", as_=alice).json["total"] == 1200
    nothing_is_left(app)

    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([*rows(600), {"title": ""}]))
    failed = runner.invoke(args=["tasks", "import", str(file), "--user", "alice"])
    assert failed.exit_code == 1
    assert "row 601" in failed.output
    assert client.get("/tasks", as_=alice).json["total"] == 1200
    nothing_is_left(app)
    unknown = runner.invoke(args=["tasks", "import", str(file), "--user", "nobody"])
    assert unknown.exit_code == 1


def test_a_command_that_was_killed_leaves_nothing(client, alice, app):
    with app.app_context():
        found = model.begin_import(alice.id, "killed", 20)

        asked = iter([False, True])
        with pytest.raises(Stopped):
            running.bring_in(app, found, lambda: rows(900), lambda _: None, lambda: next(asked))
        assert count(app, batches) == 1
        Query(update(jobs).values(leased_until=ago(seconds=1))).run()
    with working(app):
        eventually(lambda: not_waiting(app))
    nothing_is_left(app)
    assert client.get("/tasks", as_=alice).json["total"] == 0
    assert client.get("/jobs", as_=alice).json["items"][0]["status"] == "failed"


def test_old_jobs_are_purged(client, alice, app):
    bring_in(client, alice, rows(101))
    with working(app):
        eventually(lambda: not_waiting(app))
    with app.app_context():
        Query(update(jobs).values(finished_at=ago(days=91))).run()
        moment = {"at": ago(days=91), "changes": "{}", "action": "task.updated"}
        for audit, days in ((False, 91), (False, 89), (True, 364), (True, 366)):
            row = moment | {"at": ago(days=days), "is_audit": audit}
            Query(insert(events).values(**row)).run()
        before = count(app, events)
    purged = app.test_cli_runner().invoke(args=["purge"])
    assert "jobs: 1\n" in purged.output
    assert "events: 2\n" in purged.output
    assert count(app, events) == before - 2
    assert client.get("/jobs", as_=alice).json["total"] == 0
