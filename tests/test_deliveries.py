"""Deliveries of webhooks: order, retries, slow receivers."""

import os
import socket
import struct
import threading
import time
from datetime import datetime
from functools import partial
from itertools import pairwise

import pytest

from tests.support.projects import task
from tests.support.receiver import Receiver, eventually
from tests.support.rows import now
from tests.support.webhooks import hook, sent
from tests.support.worker import is_settled, let_claims_lapse, let_retries_come_due, working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}  # the receiver is on this machine


@pytest.fixture
def hanging(receiver):
    """An event; the receiver does not answer requests to /hangs until it is set."""
    over = threading.Event()
    receiver.answer = lambda message, _: (message.path != "/hangs" or over.wait(30)) and 204
    yield over
    over.set()


def attempted(client, who, webhook, times=1, seconds=10):
    """Wait for a delivery with this number of attempts, and return it."""

    def look():
        return next((e for e in sent(client, who, webhook) if e["attempts"] == times), None)

    return eventually(look, seconds)


def test_deliveries_are_prompt_and_in_order_over_one_connection(client, alice, receiver, app):
    webhook = hook(client, alice, receiver)
    connections = []

    def note_connection(_, handler):
        connections.append(handler.client_address)
        return 204

    receiver.answer = note_connection
    made = [task(client, alice)["id"] for _ in range(10)]
    with working(app):
        eventually(lambda: len(sent(client, alice, webhook, status="delivered")) == 10)
        assert len(set(connections)) == 1
        for number in range(10, 13):
            made.append(task(client, alice)["id"])
            started = time.time()
            eventually(lambda: len(receiver.messages) > number)  # noqa: B023 - asked at once
            assert receiver.messages[-1].at - started < 1
    assert [m.json["data"]["task"]["id"] for m in receiver.messages] == made


def test_three_workers_deliver_each_message_once_and_in_order(client, alice, receiver, rows, app):
    for path in ("/a", "/b", "/c"):
        hook(client, alice, receiver, path)
    creates = [{"op": "create", "data": {"title": f"{n}"}} for n in range(60)]
    client.post("/tasks/bulk", json={"operations": creates}, as_=alice)
    with working(app), working(app), working(app):
        eventually(lambda: is_settled(rows), seconds=20)
    for path in ("/a", "/b", "/c"):
        titles = [m.json["data"]["task"]["title"] for m in receiver.messages if m.path == path]
        assert titles == [f"{n}" for n in range(60)]


def test_expired_claim_is_taken_over(client, alice, receiver, rows, app, hanging):
    webhook = hook(client, alice, receiver, "/hangs")
    task(client, alice)
    with working(app):
        eventually(lambda: receiver.messages)
        with working(app):
            task(client, alice)  # the second worker does not send what the first one has claimed
            let_claims_lapse(rows)
            eventually(lambda: len(receiver.messages) == 2)
            hanging.set()
            eventually(lambda: is_settled(rows))
    assert receiver.messages[0].id == receiver.messages[1].id  # at least once
    assert {each["status"] for each in sent(client, alice, webhook)} == {"delivered"}


def test_failed_deliveries_are_retried_over_three_days(client, alice, receiver, rows, worker):
    webhook, other = hook(client, alice, receiver), hook(client, alice, receiver, "/recovers")
    path = f"/webhooks/{other['id']}"

    def fail(message, _):
        attempts = sum(m.path == message.path for m in receiver.messages)
        return 200 if message.path == "/recovers" and attempts > 1 else 503

    receiver.answer = fail
    task(client, alice)
    eventually(lambda: client.get(path, as_=alice).json["failing_since"])
    gaps = []
    item = attempted(client, alice, webhook)
    while item["status"] == "pending":
        assert item["status_code"] == 503
        due, last = (
            datetime.fromisoformat(item[name]) for name in ("next_attempt_at", "last_attempt_at")
        )
        gaps.append((due - last).total_seconds())
        let_retries_come_due(rows)
        item = attempted(client, alice, webhook, item["attempts"] + 1)
    assert (item["status"], item["next_attempt_at"]) == ("failed", None)
    # The gaps grow, apart from a jitter of 10 %.
    assert all(later > 0.8 * earlier for earlier, later in pairwise(gaps))
    assert all(later > 1.2 * earlier for earlier, later in zip(gaps, gaps[2:], strict=False))
    assert 2.5 < sum(gaps) / 86_400 < 4
    failed = [message for message in receiver.messages if message.path == "/hook"]
    assert len(failed) == len(gaps) + 1
    assert len({(message.id, message.body) for message in failed}) == 1  # identical at each attempt
    assert client.get(f"/webhooks/{webhook['id']}", as_=alice).json["failing_since"] is not None

    (recovered,) = sent(client, alice, other)
    assert (recovered["status"], recovered["attempts"]) == ("delivered", 2)
    assert client.get(path, as_=alice).json["failing_since"] is None


@pytest.mark.sqlite
def test_inactive_webhook_receives_nothing(client, alice, receiver, rows, app):
    """Deactivation, also by a 410, cancels pending deliveries, and later events are not sent."""
    receiver.answer = lambda message, _: 410 if message.path == "/gone" else 204
    webhook = hook(client, alice, receiver)
    path = f"/webhooks/{webhook['id']}"
    task(client, alice)
    assert client.patch(path, json={"is_active": False}, as_=alice).json["is_active"] is False
    task(client, alice)
    assert client.post(f"{path}/test", as_=alice).status_code == 409
    assert {each["status"] for each in sent(client, alice, webhook)} <= {"cancelled"}
    client.patch(path, json={"is_active": True}, as_=alice)
    gone = hook(client, alice, receiver, "/gone")
    with working(app):
        last = task(client, alice)
        eventually(lambda: len(receiver.messages) == 2 and is_settled(rows))
        assert client.get(f"/webhooks/{gone['id']}", as_=alice).json["is_active"] is False
        assert [each["status"] for each in sent(client, alice, gone)] == ["cancelled"]
        task(client, alice)
        eventually(lambda: len(receiver.messages) == 3 and is_settled(rows))
    assert [m.path for m in receiver.messages].count("/gone") == 1
    assert [m.json["data"]["task"]["id"] for m in receiver.messages].count(last["id"]) == 2


@pytest.mark.sqlite
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


@pytest.mark.sqlite
def test_redirects_are_not_followed(client, alice, receiver, worker):
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
    assert (item["status"], item["status_code"]) == ("pending", 302)
    assert "redirects are not followed" in item["error"]
    assert not other.messages
    other.close()


def endless(first, piece):
    """Yield the first bytes, then the same piece forever."""
    yield first
    while True:
        yield piece


def reset(handler):
    """Close the connection with a RST."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    os.close(handler.connection.detach())


OK = b"HTTP/1.1 200 OK\r\n"
INVALID = "Incomplete or invalid HTTP response."
TOO_LARGE = "The response was larger than 64 KiB."
# Responses that are failures despite the status 200: the bytes, and the error.
BROKEN = {
    "chunk-size": (OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx", INVALID),
    "chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nrubbish\r\n", INVALID),
    "length": (OK + b"Content-Length: 100000000000000\r\n\r\nx", TOO_LARGE),
    "length-of-65537": (OK + b"Content-Length: 65537\r\n\r\n" + b"x" * 65537, TOO_LARGE),
    "length-beyond-64-bit": (OK + b"Content-Length: 99999999999999999999\r\n\r\nx", TOO_LARGE),
    "negative-length": (OK + b"Content-Length: -1\r\n\r\n", INVALID),
    "too-short": (OK + b"Content-Length: 10\r\n\r\nx", INVALID),
    "too-much": (endless(OK + b"\r\n", b"x" * 65536), TOO_LARGE),
    "endless-chunks": (
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
        TOO_LARGE,
    ),
    "endless-headers": (endless(OK, b"X-Header: " + b"x" * 1000 + b"\r\n"), TOO_LARGE),
    "endless-header": (endless(OK + b"X-Header: ", b"x" * 1000), INVALID),
    "endless-100": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), TOO_LARGE),
    "reset": (reset, INVALID),
    "closed": (b"", INVALID),
    "rubbish": (bytes(range(256)) * 3 + b"\r\n\r\n", INVALID),
    "status": (b"HTTP/1.1 zwei OK\r\n\r\n", INVALID),
    "http-0.9": (b"<p>Thank you</p>", INVALID),
}


@pytest.mark.sqlite
def test_malformed_or_large_response_is_a_failed_attempt(client, alice, receiver, rows, worker):
    written = dict.fromkeys(BROKEN, 0)

    def break_off(message, handler):
        name = message.path.removeprefix("/")
        answer, _ = BROKEN[name]
        handler.close_connection = True
        if callable(answer):
            answer(handler)
            return
        for piece in [answer] if isinstance(answer, bytes) else answer:
            written[name] += handler.wfile.write(piece)  # until the worker closes the connection

    receiver.answer = break_off
    webhooks = {name: hook(client, alice, receiver, f"/{name}") for name in BROKEN}
    task(client, alice)
    items = {name: attempted(client, alice, webhook) for name, webhook in webhooks.items()}
    for name, item in items.items():
        assert item["error"] == BROKEN[name][1], name
        assert item["status"] == "pending", name
        assert item["status_code"] in (None, 100, 200), name
        assert item["next_attempt_at"] > item["last_attempt_at"], name
    assert sorted(m.path for m in receiver.messages) == sorted(f"/{name}" for name in BROKEN)
    assert max(written.values()) < 16 * 2**20  # the size of the socket buffers
    let_retries_come_due(rows)
    for webhook in webhooks.values():
        attempted(client, alice, webhook, times=2)


@pytest.mark.sqlite
def test_a_body_of_any_kind_below_64_kib_is_a_success(client, alice, receiver, worker):
    answers = [
        OK + b"Content-Length: 65000\r\n\r\n" + b"x" * 65000,
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"Content-Type: image/png\r\n\r\n\x89PNG\x00\xff",
        b"HTTP/1.0 202 Accepted\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ]

    def write(message, handler):
        handler.close_connection = True
        handler.wfile.write(answers[int(message.path[1:])])

    receiver.answer = write
    webhooks = [hook(client, alice, receiver, f"/{number}") for number in range(len(answers))]
    task(client, alice)
    for webhook in webhooks:
        item = attempted(client, alice, webhook)
        assert (item["status"], item["error"]) == ("delivered", None)


DRIPS = {
    "/silent": b"",
    "/drips-header": OK + b"X-Header: ",
    "/drips-body": OK + b"Content-Length: 500\r\n\r\n",
}


@pytest.mark.sqlite
@pytest.mark.parametrize("seconds", [1.0, pytest.param(15.0, marks=pytest.mark.slow)])
def test_late_response_is_a_failed_attempt(client, alice, receiver, app, seconds):
    """The timeout is for the whole response, not for the time between two bytes."""
    over = threading.Event()

    def dawdle(message, handler):
        handler.wfile.write(DRIPS[message.path])
        while not over.wait(0.1):
            handler.wfile.write(b"x" if DRIPS[message.path] else b"")

    receiver.answer = dawdle
    webhooks = [hook(client, alice, receiver, path) for path in DRIPS]
    task(client, alice)
    try:
        with working(app, answer_seconds=None if seconds == 15 else seconds):
            eventually(lambda: len(receiver.messages) == 3)
            started = time.monotonic()
            for webhook in webhooks:
                item = attempted(client, alice, webhook, seconds=20)
                assert item["status"] == "pending"
                assert item["error"] == "No complete response within 15 seconds."
            assert seconds - 1 < time.monotonic() - started < seconds + 3
    finally:
        over.set()


@pytest.mark.sqlite
def test_receivers_that_begin_to_hang_do_not_delay_the_others_nor_the_api(
    client, alice, bob, receiver, worker, hanging
):
    """All threads for healthy webhooks are occupied by receivers that hang for the first time."""
    for who, count in ((alice, 19), (bob, 5)):
        for _ in range(count):
            hook(client, who, receiver, "/hangs")
        task(client, who)
    eventually(lambda: receiver.count("/hangs") == 24)
    hook(client, alice, receiver, "/works")
    started = time.monotonic()
    task(client, alice)
    assert time.monotonic() - started < 1
    eventually(lambda: receiver.count("/works") == 1, seconds=4)
    task(client, alice)
    eventually(lambda: receiver.count("/works") == 2, seconds=1)


@pytest.mark.sqlite
def test_failing_webhooks_get_a_quarter_of_the_threads(client, alice, receiver, rows, app, hanging):
    for _ in range(10):
        hook(client, alice, receiver, "/hangs")
    rows.run("UPDATE webhooks SET failing_since = :now", now=now())
    task(client, alice)
    with working(app):
        eventually(lambda: receiver.count("/hangs") == 8)
        hook(client, alice, receiver, "/works")
        for number in range(1, 4):
            task(client, alice)
            eventually(partial(lambda n: receiver.count("/works") == n, number), seconds=1)
        assert receiver.count("/hangs") == 8  # of 32 threads
        hanging.set()
        eventually(lambda: is_settled(rows))


@pytest.mark.sqlite
def test_unexpected_exception_is_a_failed_attempt(client, alice, receiver, rows, app, monkeypatch):
    """Otherwise it would be retried immediately and forever."""

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("taskapi.worker.http.Receiver.post", fail)
    webhook = hook(client, alice, receiver)
    task(client, alice)
    with working(app):
        eventually(lambda: (found := sent(client, alice, webhook)) and found[0]["attempts"])
        eventually(lambda: rows.value("SELECT claimed_by FROM webhooks") is None)
    (delivery,) = sent(client, alice, webhook)
    assert (delivery["attempts"], delivery["status"]) == (1, "pending")
    assert delivery["next_attempt_at"] > delivery["last_attempt_at"]


@pytest.mark.sqlite
def test_failed_batch_keeps_its_claim(client, alice, bob, receiver, rows, app):
    faulty = hook(client, alice, receiver)
    task(client, alice)
    rows.run("UPDATE events SET task = '{'")  # the event cannot be read
    claimed = "SELECT claimed_at FROM webhooks WHERE id = :id"
    with working(app):
        first = eventually(lambda: rows.value(claimed, id=faulty["id"]))
        healthy = hook(client, bob, receiver, "/other")
        task(client, bob)  # the worker continues
        found = eventually(lambda: [d for d in sent(client, bob, healthy) if d["delivered_at"]])
        assert len(found) == 1
        time.sleep(1)  # two polls
    assert rows.value(claimed, id=faulty["id"]) == first
