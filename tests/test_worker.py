"""The worker as a process: overdue tasks, one among web processes, an orderly end, health."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from sqlalchemy import bindparam, func, insert, select, update

from taskapi.database import Query, transaction
from taskapi.jobs import worker as running
from taskapi.models import task as model
from taskapi.models.delivery import deliveries
from taskapi.models.event import NOBODY, events, origin
from taskapi.models.job import jobs
from taskapi.models.task_table import DEFAULTS, tasks
from taskapi.moments import ago, from_now
from tests.conftest import SETTINGS
from tests.support.databases import rows_of
from tests.support.live import PASSED_ON
from tests.support.receiver import eventually
from tests.support.servers import ROOT
from tests.support.worker import working


def made(client, who, **fields):
    answer = client.post("/tasks", json={"title": "Write", **fields}, as_=who)
    assert answer.status_code == 201
    return answer.json


def told(app):
    """How often each task was told to be overdue."""
    origin.set(NOBODY)  # as on the worker's own thread
    with app.app_context():
        model.tell_overdue()
        rows = Query(select(events.c.task_id).where(events.c.action == "task.overdue")).all()
    return [row.task_id for row in rows]


def let_come_due(app, task):
    with app.app_context():
        Query(update(tasks).where(tasks.c.id == task["id"]).values(due_at=ago(days=3))).run()


def test_overdue_is_told_once_also_after_the_worker_was_away(client, alice, app):
    task = made(client, alice, due_at=from_now(hours=1))
    assert told(app) == []
    let_come_due(app, task)
    assert told(app) == [task["id"]]
    assert told(app) == [task["id"]]
    client.patch(f"/tasks/{task['id']}", json={"title": "Still late"}, as_=alice)
    assert told(app) == [task["id"]]
    activity = client.get(f"/tasks/{task['id']}/activity", as_=alice).json["items"]
    assert [(e["action"], e["actor"]) for e in activity][1] == ("task.overdue", None)
    assert client.get(f"/tasks/{task['id']}", as_=alice).json["version"] == 2


def test_another_due_time_is_told_again(client, alice, app):
    task = made(client, alice, due_at=from_now(hours=1))
    let_come_due(app, task)
    assert len(told(app)) == 1
    client.patch(f"/tasks/{task['id']}", json={"due_at": from_now(hours=2)}, as_=alice)
    assert len(told(app)) == 1
    let_come_due(app, task)
    assert told(app) == [task["id"]] * 2


def test_done_and_trashed_tasks_are_not_overdue(client, alice, app):
    done, gone = (made(client, alice, due_at=from_now(hours=1)) for _ in range(2))
    client.patch(f"/tasks/{done['id']}", json={"status": "done"}, as_=alice)
    client.delete(f"/tasks/{gone['id']}", as_=alice)
    let_come_due(app, done)
    let_come_due(app, gone)
    assert told(app) == []
    client.post(f"/tasks/{gone['id']}/restore", as_=alice)
    assert told(app) == [gone["id"]]


def test_two_workers_tell_each_once(client, alice, app, make_app):
    with app.app_context():
        query = Query(update(tasks).values(due_at=ago(minutes=1)))
        client.post(
            "/tasks/bulk",
            json={"operations": [{"op": "create", "data": {"title": f"{n}"}} for n in range(60)]},
            as_=alice,
        )
        query.run()
    start = threading.Barrier(4)

    def tell():
        start.wait()
        with app.app_context():
            model.tell_overdue()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = told(app)
    assert len(found) == 60
    assert len(set(found)) == 60


def test_a_backlog_is_told_a_little_at_a_time_and_without_a_pause(app, alice, monkeypatch):
    moment, count = ago(minutes=1), 3 * model.OVERDUE_AT_ONCE + 1
    row = model.stored(DEFAULTS | {"title": "Write", "due_at": moment})
    row |= {"user_id": alice.id, "created_at": moment, "updated_at": moment, "version": 1}
    overdue = Query(select(func.count()).where(events.c.action == "task.overdue"))
    with app.app_context():
        many = Query(insert(tasks).values({name: bindparam(name) for name in row}))
        with transaction():
            for _ in range(count):
                many.later(**row)
        # No look of the worker is long, so that none keeps it from renewing its leases.
        assert model.tell_overdue() == model.OVERDUE_AT_ONCE
        assert overdue.value() == model.OVERDUE_AT_ONCE
        monkeypatch.setattr(running, "POLL_SECONDS", 60)
        with working(app):
            eventually(lambda: overdue.value() == count)


def test_a_working_worker_tells_by_itself_and_shows_signs_of_life(client, root, alice, app):
    with working(app):
        made(client, alice, due_at=from_now(seconds=0.5))
        with app.app_context():
            overdue = Query(select(events.c.id).where(events.c.action == "task.overdue"))
            eventually(overdue.first, seconds=5)
        report = root.get("/health/detailed").json["queue"]
        assert report["status"] == "ok"
        assert report["depth"] == 0
        assert report["worker_seen_seconds"] < 40


def test_health_knows_when_work_waits_and_nobody_works(client, root, alice, app):
    with app.app_context():
        moment = ago(minutes=5)
        row = {"user_id": alice.id, "kind": "tasks.import", "status": "queued", "done": 0}
        row |= {"attempts": 0, "run_at": moment, "created_at": moment}
        Query(insert(jobs).values(**row)).run()
    app.extensions["health"]._made_at = 0.0
    report = root.get("/health/detailed")
    assert report.status_code == 200
    assert report.json["status"] == "degraded"
    assert report.json["queue"]["status"] == "away"


def post(url, path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(
        f"{url}/api/v1{path}", json.dumps(body).encode(), headers, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def with_webhook(server, receiver):
    body = {"username": "alice", "password": "Lantern-5-ecila"}
    token = post(server.url, "/auth/register", body)["access_token"]
    post(server.url, "/webhooks", {"url": receiver.url()}, token)
    return token


def test_embedded_it_runs_in_one_web_process_and_the_next_takes_over(
    live_server, receiver, databases
):
    url = databases.fresh()
    env = {"DATABASE_URL": url, "WEB_CONCURRENCY": "3", "ALLOW_SPLIT_LIMITS": "1"}
    server = live_server(**env, WORKER="embedded", WEBHOOK_ALLOW_PRIVATE="1")
    token = with_webhook(server, receiver)
    post(server.url, "/tasks", {"title": "one"}, token)
    eventually(lambda: receiver.messages)
    # Killed before it lets go of the webhook, it would keep it until its lease runs out.
    eventually(lambda: rows_of(url, "SELECT leased_by FROM webhooks") == [(None,)])

    def begun():
        return server.log().count(" begins")

    assert begun() == 1
    children = subprocess.run(
        ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    for pid in map(int, children.stdout.split()):
        os.kill(pid, signal.SIGKILL)  # the one that works among them
    eventually(lambda: begun() >= 2, seconds=15)
    receiver.messages.clear()
    started = time.monotonic()
    post(server.url, "/tasks", {"title": "two"}, token)
    eventually(lambda: receiver.messages)
    assert time.monotonic() - started < 3
    assert server.stop() == 0
    assert server.log().count(" ends") == 1


def test_told_to_end_it_finishes_or_hands_back(live_server, receiver, databases, tmp_path):
    url = databases.fresh()
    env = {"DATABASE_URL": url, "WEBHOOK_ALLOW_PRIVATE": "1"}
    server = live_server(**env)
    token = with_webhook(server, receiver)
    begun = threading.Event()

    def take_a_while(*_):
        begun.set()
        time.sleep(1)  # it is told to end meanwhile
        return 204

    receiver.answer = take_a_while
    for number in range(5):
        post(server.url, "/tasks", {"title": f"{number}"}, token)
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= SETTINGS | env | {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi"}

    def worker():
        with (tmp_path / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "worker"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    first = worker()
    assert begun.wait(20)
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    count = len(receiver.messages)
    assert count < 5
    receiver.answer = lambda *_: 204
    second = worker()
    eventually(lambda: len(receiver.messages) == 5, seconds=15)  # at once: no lease to wait for
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    assert len({message.id for message in receiver.messages}) == 5  # none twice
    assert "Traceback" not in (tmp_path / "worker.log").read_text()


AT_THE_WORST_MOMENT = """
import os, signal
from flask.cli import main
from taskapi.models.work import bell

def wait(seconds):
    with bell._rung._cond:  # which the main thread holds whenever it begins or ends to wait
        os.kill(os.getpid(), signal.SIGTERM)

bell.wait = wait
main()
"""


def test_told_to_end_in_the_midst_of_waiting_it_ends(databases):
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= SETTINGS | {"DATABASE_URL": databases.fresh()}
    environment |= {"FLASK_SKIP_DOTENV": "1", "FLASK_APP": "wsgi"}
    ended = subprocess.run(
        [sys.executable, "-c", AT_THE_WORST_MOMENT, "worker"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert ended.returncode == 0, ended.stderr
    assert " ends" in ended.stderr


def test_without_webhooks_a_change_leaves_nothing_to_deliver(client, alice, app):
    made(client, alice)
    with app.app_context():
        assert Query(select(deliveries.c.id)).first() is None
