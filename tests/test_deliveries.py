"""Deliveries: soon, again until one succeeds, and no receiver is a burden to the others."""

import threading
import time
from itertools import pairwise

import pytest

from taskapi.jobs import outgoing
from taskapi.jobs.deliveries import GAPS
from taskapi.moments import as_datetime
from tests.support.receiver import Receiver, eventually, let_retries_come_due
from tests.support.webhooks import hook, sent, task
from tests.support.worker import working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}  # the receiver is on this machine


def attempted(client, who, webhook, times=1):
    """The delivery that has been attempted so often, once there is one."""
    return eventually(
        lambda: next((e for e in sent(client, who, webhook) if e["attempts"] == times), None)
    )


def test_the_first_attempt_follows_within_a_second(client, alice, receiver, worker):
    hook(client, alice, receiver)
    time.sleep(1)  # the worker has found nothing to do, and waits
    for number in range(3):
        started = time.time()
        task(client, alice)
        eventually(lambda: len(receiver.messages) > number)  # noqa: B023 - asked at once
        assert receiver.messages[-1].at - started < 1


def test_what_fails_is_tried_again_over_three_days(client, alice, receiver, app, worker):
    webhook = hook(client, alice, receiver)
    receiver.answer = lambda *_: 500
    task(client, alice)
    gaps = []
    for attempt in range(1, len(GAPS) + 2):
        item = attempted(client, alice, webhook, attempt)
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
    attempted(client, alice, webhook)
    let_retries_come_due(app)
    item = eventually(lambda: (sent(client, alice, webhook, status="delivered") or [None])[0])
    assert item["attempts"] == 2
    path = f"/webhooks/{webhook['id']}"
    eventually(lambda: client.get(path, as_=alice).json["failing_since"] is None)


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
    item = attempted(client, alice, webhook)
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
        item = attempted(client, alice, webhook)
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
