"""Jobs: one's own, done once and to the end, whatever happens to the worker, then purged."""

import json
import threading

import pytest
from sqlalchemy import insert, select, update

from taskapi.database import Query
from taskapi.jobs import imports as running
from taskapi.jobs.imports import QUEUE, Stopped
from taskapi.models import imports as stored
from taskapi.models import job as model
from taskapi.models.event import events
from taskapi.models.imports import BATCH, batches
from taskapi.models.job import jobs
from taskapi.models.task_table import tasks
from taskapi.moments import ago
from tests.support.imports import bring_in, count, finished, none_waits, nothing_is_left, rows
from tests.support.receiver import eventually
from tests.support.worker import working


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
        eventually(lambda: none_waits(app))
    with app.app_context():
        assert Query(select(jobs.c.status)).value() == "failed"
    assert count(app, tasks) == 0
    nothing_is_left(app)


def test_a_command_that_was_killed_leaves_nothing(client, alice, app):
    with app.app_context():
        found = model.begin_import(alice.id, "killed", 20)

        asked = iter([False, True])
        with pytest.raises(Stopped):
            running.bring_in(app, found, lambda: rows(900), lambda _: None, lambda: next(asked))
        assert count(app, batches) == 1
        Query(update(jobs).values(leased_until=ago(seconds=1))).run()
    with working(app):
        eventually(lambda: none_waits(app))
    nothing_is_left(app)
    assert client.get("/tasks", as_=alice).json["total"] == 0
    assert client.get("/jobs", as_=alice).json["items"][0]["status"] == "failed"


def test_old_jobs_are_purged(client, alice, app):
    bring_in(client, alice, rows(101))
    with working(app):
        eventually(lambda: none_waits(app))
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
