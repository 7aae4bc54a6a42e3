"""Imports of any size over HTTP: all or nothing, and no burden to others."""

import json
import time

import pytest
from sqlalchemy import select

from taskapi.database import Query
from taskapi.models.event import events
from taskapi.models.imports import BATCH
from taskapi.models.job import jobs
from taskapi.models.task_table import tasks
from tests.support.imports import bring_in, count, finished, nothing_is_left, rows
from tests.support.worker import working


def test_over_a_hundred_rows_become_a_job(client, alice, app):
    answer = bring_in(client, alice, rows(101))
    queued = answer.get_json()
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
