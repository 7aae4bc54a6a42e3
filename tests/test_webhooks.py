"""Webhooks, sent by a real worker to a real receiver and read by the specification's library."""

import threading
import time
from itertools import pairwise

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from taskapi import create_app
from taskapi.database import Query
from taskapi.jobs import outgoing
from taskapi.jobs.deliveries import GAPS
from taskapi.models import webhook as model
from taskapi.models.delivery import deliveries, webhooks
from taskapi.moments import ago, as_datetime
from tests.conftest import SETTINGS
from tests.support.receiver import Receiver, eventually, let_retries_come_due, working


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def app(backend, databases, shared_apps, suite_log):
    """The application that may send to this machine."""
    databases.empty()
    key = f"{backend} with private addresses"
    if key not in shared_apps:
        settings = {"DATABASE_URL": databases.shared(), "WEBHOOK_ALLOW_PRIVATE": "1"}
        shared_apps[key] = create_app(SETTINGS | settings)
    return shared_apps[key]


@pytest.fixture
def worker(app):
    with working(app) as worker:
        yield worker


def hook(client, who, receiver, path="/hook", **fields):
    answer = client.post("/webhooks", json={"url": receiver.url(path), **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def task(client, who, **fields):
    answer = client.post("/tasks", json={"title": "Write", **fields}, as_=who)
    assert answer.status_code == 201, answer.text
    return answer.json


def sent(client, who, webhook, **query):
    answer = client.get(f"/webhooks/{webhook['id']}/deliveries", query_string=query, as_=who)
    assert answer.status_code == 200, answer.text
    return answer.json["items"]


def test_every_kind_of_change_arrives_signed_and_in_order(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    one = task(client, alice)
    path = f"/tasks/{one['id']}"
    client.patch(path, json={"title": "Write more"}, as_=alice)
    client.patch(path, json={"status": "done"}, as_=alice)
    client.delete(path, as_=alice)
    client.post(f"{path}/restore", as_=alice)
    client.patch(path, json={"due_at": "2020-01-01T00:00:00Z", "status": "in_progress"}, as_=alice)
    eventually(lambda: len(receiver.messages) == 7)
    read = receiver.verified(webhook["secret"])
    assert [each["type"] for each in read] == [
        "task.created",
        "task.updated",
        "task.completed",
        "task.deleted",
        "task.restored",
        "task.updated",
        "task.overdue",
    ]
    assert [each["data"]["task"]["version"] for each in read] == [1, 2, 3, 4, 5, 6, 6]
    assert set(read[0]) == {"type", "timestamp", "data"}
    assert read[0]["data"]["task"] == one
    assert len({message.id for message in receiver.messages}) == 7
    eventually(lambda: not sent(client, alice, webhook, status="pending"))
    items = sent(client, alice, webhook, status="delivered")
    assert len(items) == 7
    assert items[0]["status_code"] == 204
    assert items[0]["attempts"] == 1
    assert items[0]["error"] is None


def test_the_first_attempt_follows_within_a_second(client, alice, receiver, worker):
    hook(client, alice, receiver)
    time.sleep(1)
    for number in range(3):
        started = time.time()
        task(client, alice)
        eventually(lambda: len(receiver.messages) > number)  # noqa: B023 - asked at once
        assert receiver.messages[-1].at - started < 1


def test_a_signature_made_with_another_secret_is_none(client, alice, receiver, worker):
    hook(client, alice, receiver)
    task(client, alice)
    eventually(lambda: receiver.messages)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "A" * 44).verify(receiver.messages[0].body, receiver.messages[0].headers)


def test_the_secret_is_shown_once_and_lies_sealed(client, alice, receiver, app):
    made = hook(client, alice, receiver)
    assert made["secret"].startswith("whsec_")
    path = f"/webhooks/{made['id']}"
    shown = [client.get(path, as_=alice).json, client.get("/webhooks", as_=alice).json["items"][0]]
    assert all("secret" not in each for each in shown)
    assert shown[0] == {name: value for name, value in made.items() if name != "secret"}
    with app.app_context():
        stored = str(Query(select(webhooks)).all())
    assert made["secret"].removeprefix("whsec_") not in stored


def test_for_a_day_the_old_and_the_new_secret_sign(client, alice, receiver, app, worker):
    webhook = hook(client, alice, receiver)
    rotated = client.post(f"/webhooks/{webhook['id']}/rotate-secret", as_=alice)
    assert rotated.status_code == 200
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json["secret"] != webhook["secret"]
    task(client, alice)
    eventually(lambda: receiver.messages)
    assert receiver.verified(webhook["secret"])
    assert receiver.verified(rotated.json["secret"])

    with app.app_context():  # a day later
        Query(update(webhooks).values(old_secret_until=ago(seconds=1))).run()
    receiver.messages.clear()
    task(client, alice)
    eventually(lambda: receiver.messages)
    assert receiver.verified(rotated.json["secret"])
    with pytest.raises(Exception, match="No matching signature"):
        receiver.verified(webhook["secret"])
    with app.app_context():
        assert model.keep_secrets() == 1
        assert Query(select(webhooks.c.old_secret)).value() is None


def test_secrets_survive_a_new_secret_key(client, alice, receiver, app, make_app):
    webhook = hook(client, alice, receiver)
    old = app.extensions["settings"].secret_key
    new = "a-new-key-Wq8rT2yU5iO9pL3kJ7hG4fD1sA6zX"
    both = make_app(SECRET_KEY=f"{new},{old}", WEBHOOK_ALLOW_PRIVATE="1")
    with both.app_context():
        assert model.keep_secrets() == 1
        assert model.keep_secrets() == 0
    task(client, alice)
    with working(make_app(SECRET_KEY=new, WEBHOOK_ALLOW_PRIVATE="1")):
        eventually(lambda: receiver.messages)
    assert receiver.verified(webhook["secret"])


def test_what_fails_is_tried_again_over_three_days(client, alice, receiver, app, worker):
    webhook = hook(client, alice, receiver)
    receiver.answer = lambda *_: 500
    task(client, alice)
    gaps = []
    for attempt in range(1, len(GAPS) + 2):
        item = eventually(
            lambda: next(
                (each for each in sent(client, alice, webhook) if each["attempts"] == attempt),  # noqa: B023
                None,
            )
        )
        assert item["status_code"] == 500
        if attempt <= len(GAPS):
            assert item["status"] == "pending"
            due, last = (as_datetime(item[name]) for name in ("next_attempt_at", "last_attempt_at"))
            gaps.append((due - last).total_seconds())
            let_retries_come_due(app)
    assert item["status"] == "failed"
    assert item["next_attempt_at"] is None
    assert all(later > earlier for earlier, later in pairwise(gaps))
    assert 2.5 < sum(gaps) / 86_400 < 4
    assert len({message.id for message in receiver.messages}) == 1  # the same message each time
    assert len({message.body for message in receiver.messages}) == 1
    receiver.verified(webhook["secret"])
    assert client.get(f"/webhooks/{webhook['id']}", as_=alice).json["failing_since"] is not None


def test_a_success_ends_the_repetitions(client, alice, receiver, app, worker):
    webhook = hook(client, alice, receiver)
    receiver.answer = lambda *_: 503 if len(receiver.messages) == 1 else 200
    task(client, alice)
    eventually(lambda: sent(client, alice, webhook)[0]["attempts"] == 1)
    let_retries_come_due(app)
    item = eventually(lambda: (sent(client, alice, webhook, status="delivered") or [None])[0])
    assert item["attempts"] == 2
    found = eventually(lambda: client.get(f"/webhooks/{webhook['id']}", as_=alice).json)
    assert found["failing_since"] is None


def test_410_turns_the_webhook_off(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    receiver.answer = lambda *_: 410
    task(client, alice)
    path = f"/webhooks/{webhook['id']}"
    eventually(lambda: not client.get(path, as_=alice).json["is_active"])
    assert sent(client, alice, webhook)[0]["status"] == "cancelled"
    task(client, alice)
    assert len(sent(client, alice, webhook)) == 1
    assert client.post(f"{path}/test", as_=alice).status_code == 409


def test_a_redirect_is_not_followed(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    other = Receiver()

    def redirect(_, handler):
        handler.send_response(302)
        handler.send_header("Location", other.url())
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answer = redirect
    task(client, alice)
    item = eventually(
        lambda: next((e for e in sent(client, alice, webhook) if e["attempts"]), None)
    )
    assert item["status_code"] == 302
    assert "redirects are not followed" in item["error"]
    assert not other.messages
    other.close()


def test_no_more_than_64_kib_of_an_answer_are_read(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    written = []

    def flood(_, handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(4000):
                written.append(handler.wfile.write(b"x" * 65536))
        except OSError:
            written.append(-1)

    receiver.answer = flood
    task(client, alice)
    eventually(lambda: sent(client, alice, webhook)[0]["status"] == "delivered")
    eventually(lambda: -1 in written)
    assert len(written) < 200  # what the sockets' buffers hold


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_an_answer_has_15_seconds(client, alice, receiver, app, monkeypatch, drips):
    assert outgoing.TIMEOUT == 15
    monkeypatch.setattr(outgoing, "TIMEOUT", 1.0)
    over = threading.Event()

    def dawdle(_, handler):
        for _ in range(200):
            if over.wait(0.1):
                return
            if drips:
                handler.wfile.write(b"H")
                handler.wfile.flush()

    receiver.answer = dawdle
    webhook = hook(client, alice, receiver)
    started = time.monotonic()
    task(client, alice)
    with working(app):
        item = eventually(
            lambda: next((e for e in sent(client, alice, webhook) if e["attempts"]), None)
        )
        assert time.monotonic() - started < 4
    assert item["error"] == outgoing.TOO_SLOW
    over.set()


def test_receivers_that_hang_do_not_hold_up_the_others_nor_the_api(client, alice, receiver, worker):
    over = threading.Event()

    def hang_or_take(message, _):
        if message.path == "/hangs":
            over.wait(30)
        return 204

    receiver.answer = hang_or_take
    for _ in range(12):  # more than there are threads for webhooks that work
        hook(client, alice, receiver, "/hangs")
    task(client, alice)
    eventually(lambda: len(receiver.messages) >= 8)
    try:
        hook(client, alice, receiver, "/works")
        started = time.monotonic()
        task(client, alice)
        assert time.monotonic() - started < 1
        eventually(lambda: any(m.path == "/works" for m in receiver.messages), seconds=4)
        receiver.messages.clear()
        task(client, alice)
        eventually(lambda: any(m.path == "/works" for m in receiver.messages), seconds=1)
    finally:
        over.set()


def test_a_webhook_is_told_only_of_what_it_asked_for(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver, events=["task.deleted", "task.completed"])
    assert webhook["events"] == ["task.completed", "task.deleted"]
    one = task(client, alice)
    client.patch(f"/tasks/{one['id']}", json={"title": "x"}, as_=alice)
    client.delete(f"/tasks/{one['id']}", as_=alice)
    eventually(lambda: receiver.messages)
    time.sleep(0.3)
    assert [message.json["type"] for message in receiver.messages] == ["task.deleted"]


def test_of_others_tasks_only_an_admin_is_told(client, alice, bob, admin, receiver, worker):
    hook(client, alice, receiver, "/alice")
    hook(client, admin, receiver, "/admin")
    bobs = task(client, bob)
    own = task(client, alice)
    eventually(lambda: len(receiver.messages) == 3)
    told = {(m.path, m.json["data"]["task"]["id"]) for m in receiver.messages}
    assert told == {("/admin", bobs["id"]), ("/admin", own["id"]), ("/alice", own["id"])}


def test_who_may_not_see_the_task_any_more_is_not_told(client, alice, bob, admin, receiver, app):
    webhook = hook(client, alice, receiver)
    one = task(client, alice)
    client.patch(f"/tasks/{one['id']}", json={"user_id": bob.id}, as_=admin)
    with working(app):
        eventually(lambda: sent(client, alice, webhook)[0]["status"] == "cancelled")
    assert not receiver.messages


def test_a_demoted_admin_is_told_of_their_own_tasks_only(client, cast, bob, admin, receiver, app):
    other = cast.admin("second")
    webhook = hook(client, other, receiver)
    task(client, bob)
    own = task(client, other)
    client.patch(f"/users/{other.id}", json={"role": "user"}, as_=admin)
    with working(app):
        eventually(lambda: receiver.messages)
        eventually(lambda: not sent(client, other, webhook, status="pending"))
    assert [m.json["data"]["task"]["id"] for m in receiver.messages] == [own["id"]]


def test_a_disabled_owner_is_told_nothing(client, alice, admin, receiver, app):
    hook(client, alice, receiver)
    one = task(client, alice)
    client.patch(f"/users/{alice.id}", json={"is_active": False}, as_=admin)
    client.patch(f"/tasks/{one['id']}", json={"title": "x"}, as_=admin)
    with working(app), app.app_context():
        statuses = Query(select(deliveries.c.status))
        eventually(lambda: {row.status for row in statuses.all()} == {"cancelled"})
        assert len(statuses.all()) == 1
    assert not receiver.messages


def test_tasks_handed_over_are_told_of_as_they_are(client, alice, bob, admin, receiver, worker):
    hook(client, bob, receiver)
    mine = {task(client, alice)["id"] for _ in range(3)}
    assert client.delete(f"/users/{alice.id}?reassign_to={bob.id}", as_=admin).status_code == 204
    eventually(lambda: len(receiver.messages) == 3)
    assert {m.json["type"] for m in receiver.messages} == {"task.updated"}
    assert {m.json["data"]["task"]["id"] for m in receiver.messages} == mine
    assert {m.json["data"]["task"]["user_id"] for m in receiver.messages} == {bob.id}


def test_turned_off_nothing_is_sent_and_what_waited_is_dropped(client, alice, receiver, app):
    webhook = hook(client, alice, receiver)
    task(client, alice)
    path = f"/webhooks/{webhook['id']}"
    off = client.patch(path, json={"is_active": False}, as_=alice)
    assert off.json["is_active"] is False
    task(client, alice)
    assert [each["status"] for each in sent(client, alice, webhook)] == ["cancelled"]
    client.patch(path, json={"is_active": True}, as_=alice)
    with working(app):
        task(client, alice)
        eventually(lambda: receiver.messages)
    assert len(receiver.messages) == 1


def test_test_and_redeliver(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    path = f"/webhooks/{webhook['id']}"
    tried = client.post(f"{path}/test", as_=alice)
    assert tried.status_code == 202
    assert tried.json["status"] == "pending"
    eventually(lambda: receiver.messages)
    assert receiver.verified(webhook["secret"])[0]["type"] == "webhook.test"
    one = task(client, alice)
    eventually(lambda: len(receiver.messages) == 2)
    delivery = eventually(lambda: sent(client, alice, webhook, event="task.created"))[0]
    again = client.post(f"{path}/deliveries/{delivery['id']}/redeliver", as_=alice)
    assert again.status_code == 202
    assert again.json["id"] != delivery["id"]
    assert again.json["message_id"] == delivery["message_id"]
    eventually(lambda: len(receiver.messages) == 3)
    assert receiver.messages[2].id == receiver.messages[1].id
    assert receiver.messages[2].json["data"]["task"]["id"] == one["id"]
    assert client.post(f"{path}/deliveries/999999/redeliver", as_=alice).status_code == 404


def test_nobody_reaches_anothers_webhook(client, alice, bob, admin, receiver):
    webhook = hook(client, alice, receiver)
    path = f"/webhooks/{webhook['id']}"
    for who in (bob, admin):
        assert client.get("/webhooks", as_=who).json["total"] == 0
        for method, place in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/test"),
            ("POST", f"{path}/rotate-secret"),
            ("GET", f"{path}/deliveries"),
            ("POST", f"{path}/deliveries/1/redeliver"),
        ):
            answer = client.open(place, method=method, as_=who)
            assert answer.status_code == 404, (method, place)
        assert client.patch(path, json={"is_active": False}, as_=who).status_code == 404
    assert client.get(path, as_=alice).json["is_active"] is True


def test_changes_and_faults(client, alice, receiver):
    webhook = hook(client, alice, receiver)
    path = f"/webhooks/{webhook['id']}"
    changed = client.patch(path, json={"events": ["task.deleted"]}, as_=alice).json
    assert changed["events"] == ["task.deleted"]
    assert changed["url"] == webhook["url"]
    faults: tuple[dict[str, object], ...] = (
        {"events": []},
        {"events": ["task.exploded"]},
        {"events": "task.created"},
        {"is_active": "yes"},
        {"url": "ftp://example.org"},
        {"secret": "whsec_mine"},
    )
    for faulty in faults:
        answer = client.patch(path, json=faulty, as_=alice)
        assert answer.status_code == 400, faulty
        assert answer.json["error"]["code"] == "VALIDATION_ERROR"
    assert client.delete(path, as_=alice).status_code == 204
    assert client.get(path, as_=alice).status_code == 404
    assert client.post("/webhooks", json={}, as_=alice).status_code == 400


def test_nobody_has_more_than_twenty(client, alice, receiver):
    for _ in range(20):
        hook(client, alice, receiver)
    answer = client.post("/webhooks", json={"url": receiver.url()}, as_=alice)
    assert answer.status_code == 409


def test_a_change_that_fails_tells_nothing(client, alice, receiver, app):
    webhook = hook(client, alice, receiver)
    operations = [{"op": "create", "data": {"title": "a"}}, {"op": "delete", "id": 10**15}]
    assert client.post("/tasks/bulk", json={"operations": operations}, as_=alice).status_code == 404
    assert sent(client, alice, webhook) == []


def test_one_connection_serves_many_messages(client, alice, receiver, app):
    webhook = hook(client, alice, receiver)
    connections = set()

    def note_connection(_, handler):
        connections.add(handler.client_address)
        return 204

    receiver.answer = note_connection
    for _ in range(10):
        task(client, alice)
    with working(app):
        eventually(lambda: len(sent(client, alice, webhook, status="delivered")) == 10)
    assert len(connections) == 1
    versions = [m.json["data"]["task"]["id"] for m in receiver.messages]
    assert versions == sorted(versions)
