"""Webhooks: events, visibility, signatures."""

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.support.calls import at_once, call
from tests.support.client import signed_in
from tests.support.live import SETTINGS
from tests.support.projects import task
from tests.support.receiver import eventually
from tests.support.webhooks import hook, let_old_secrets_expire, sent
from tests.support.worker import settle, working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}  # the receiver is on this machine


def test_changes_are_delivered_signed_and_in_order(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver)
    one = task(client, alice)
    path = f"/tasks/{one['id']}"
    client.patch(path, json={"title": "Write more"}, as_=alice)
    client.patch(path, json={"status": "done"}, as_=alice)
    client.delete(path, as_=alice)
    client.post(f"{path}/restore", as_=alice)
    client.patch(path, json={"due_at": "2020-01-01T00:00:00Z", "status": "in_progress"}, as_=alice)
    eventually(lambda: len(receiver.messages) == 8)
    read = receiver.verified(webhook["secret"])
    assert [each["type"] for each in read] == [
        "task.created",
        "task.updated",
        "task.updated",
        "task.completed",
        "task.deleted",
        "task.restored",
        "task.updated",
        "task.overdue",
    ]
    assert [each["data"]["task"]["version"] for each in read] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert set(read[0]) == {"type", "timestamp", "data"}
    assert read[0]["data"]["task"] == one
    assert len({message.id for message in receiver.messages}) == 8
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        receiver.verified("whsec_" + "A" * 44)
    items = eventually(
        lambda: len(found := sent(client, alice, webhook, status="delivered")) == 8 and found
    )
    assert (items[0]["status_code"], items[0]["attempts"], items[0]["error"]) == (204, 1, None)


@pytest.mark.sqlite
def test_secret_is_shown_once_and_stored_encrypted(client, alice, receiver, rows):
    made = hook(client, alice, receiver)
    assert made["secret"].startswith("whsec_")
    shown = client.get(f"/webhooks/{made['id']}", as_=alice).json
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert client.get("/webhooks", as_=alice).json["items"] == [shown]
    assert made["secret"].removeprefix("whsec_") not in str(rows.all("SELECT * FROM webhooks"))


@pytest.mark.sqlite
def test_rotated_secret_signs_for_a_day(client, alice, receiver, rows, make_app):
    webhook = hook(client, alice, receiver)
    rotated = client.post(f"/webhooks/{webhook['id']}/rotate-secret", as_=alice)
    assert rotated.status_code == 200
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json["secret"] != webhook["secret"]
    new = "a-new-key-Wq8rT2yU5iO9pL3kJ7hG4fD1sA6zX"
    purge = make_app(SECRET_KEY=f"{new},{SETTINGS['SECRET_KEY']}").test_cli_runner()
    assert "webhook secrets: 2\n" in purge.invoke(args=["purge"]).output
    assert "webhook secrets: 0\n" in purge.invoke(args=["purge"]).output
    task(client, alice)
    with working(make_app(SECRET_KEY=new, WEBHOOK_ALLOW_PRIVATE="1")):
        eventually(lambda: receiver.messages)
        assert receiver.verified(webhook["secret"])
        assert receiver.verified(rotated.json["secret"])
        let_old_secrets_expire(rows)
        receiver.messages.clear()
        task(client, alice)
        eventually(lambda: receiver.messages)
    assert receiver.verified(rotated.json["secret"])
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(webhook["secret"]).verify(receiver.messages[0].body, receiver.messages[0].headers)


def test_webhook_receives_events_of_visible_tasks(client, alice, bob, admin, receiver, worker):
    some = hook(client, alice, receiver, "/some", events=["task.deleted", "task.completed"])
    assert some["events"] == ["task.completed", "task.deleted"]
    hook(client, alice, receiver, "/alice", events=["task.created"])
    hook(client, admin, receiver, "/admin", events=["task.created"])
    bobs, own = task(client, bob), task(client, alice)
    client.patch(f"/tasks/{own['id']}", json={"title": "x"}, as_=alice)
    failing = [{"op": "create", "data": {"title": "a"}}, {"op": "delete", "id": 10**15}]
    assert client.post("/tasks/bulk", json={"operations": failing}, as_=alice).status_code == 404
    client.delete(f"/tasks/{own['id']}", as_=alice)
    eventually(lambda: len(receiver.messages) == 4)
    received = {(m.path, m.json["type"], m.json["data"]["task"]["id"]) for m in receiver.messages}
    assert received == {
        ("/admin", "task.created", bobs["id"]),
        ("/admin", "task.created", own["id"]),
        ("/alice", "task.created", own["id"]),
        ("/some", "task.deleted", own["id"]),
    }


def test_visibility_is_checked_at_delivery(client, cast, alice, bob, admin, receiver, rows, app):
    """The task has a new owner, or the owner of the webhook was demoted or disabled."""
    demoted, disabled = cast.admin("second"), cast.user("carol")
    hook(client, alice, receiver, "/alice")
    hook(client, demoted, receiver, "/demoted")
    hook(client, disabled, receiver, "/disabled")
    one = task(client, alice)
    client.patch(f"/tasks/{one['id']}", json={"user_id": bob.id}, as_=admin)
    task(client, disabled)
    own = task(client, demoted)
    client.patch(f"/users/{demoted.id}", json={"role": "user"}, as_=admin)
    client.patch(f"/users/{disabled.id}", json={"is_active": False}, as_=admin)
    settle(app, rows)
    assert [(m.path, m.json["data"]["task"]["id"]) for m in receiver.messages] == [
        ("/demoted", own["id"])
    ]


def test_reassigned_tasks_are_delivered(client, alice, bob, admin, receiver, worker):
    hook(client, bob, receiver)
    mine = {task(client, alice)["id"] for _ in range(3)}
    assert client.delete(f"/users/{alice.id}?reassign_to={bob.id}", as_=admin).status_code == 204
    eventually(lambda: len(receiver.messages) == 3)
    assert {m.json["type"] for m in receiver.messages} == {"task.updated"}
    assert {m.json["data"]["task"]["id"] for m in receiver.messages} == mine
    assert {m.json["data"]["task"]["user_id"] for m in receiver.messages} == {bob.id}


@pytest.mark.sqlite
def test_webhooks_of_other_users_are_not_accessible(client, alice, bob, admin, receiver):
    path = f"/webhooks/{hook(client, alice, receiver)['id']}"
    for who in (bob, admin):
        assert client.get("/webhooks", as_=who).json["total"] == 0
        for method, place, body in (
            ("GET", path, None),
            ("PATCH", path, {"is_active": False}),
            ("DELETE", path, None),
            ("POST", f"{path}/test", None),
            ("POST", f"{path}/rotate-secret", None),
            ("GET", f"{path}/deliveries", None),
            ("POST", f"{path}/deliveries/1/redeliver", None),
        ):
            response = client.open(place, method=method, json=body, as_=who)
            assert response.status_code == 404, (method, place)
    assert client.get(path, as_=alice).json["is_active"] is True


@pytest.mark.sqlite
def test_updates_and_invalid_requests(client, alice, receiver):
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
        response = client.patch(path, json=faulty, as_=alice)
        assert response.status_code == 400, faulty
        assert response.json["error"]["code"] == "VALIDATION_ERROR"
        assert set(response.json["error"]["details"]) == set(faulty)
    assert client.delete(path, as_=alice).status_code == 204
    assert client.get(path, as_=alice).status_code == 404
    assert client.post("/webhooks", json={}, as_=alice).status_code == 400


def test_at_most_twenty_webhooks(live_server, receiver):
    server = live_server(WEB_THREADS="16", DATABASE_POOL_SIZE="16", WEBHOOK_ALLOW_PRIVATE="1")
    with signed_in(server) as alice:
        token = alice.headers["Authorization"].removeprefix("Bearer ")
        body = {"url": receiver.url()}
        answers = at_once([lambda: call(server.url, "POST", "/webhooks", body, token=token)] * 30)
        assert sorted(answer.status for answer in answers) == [201] * 20 + [409] * 10
        assert alice.get("/webhooks").json()["total"] == 20


@pytest.mark.parametrize(("scope", "sees"), [("write", False), ("admin", True)])
def test_webhook_has_the_scope_of_its_token(client, alice, admin, receiver, app, rows, scope, sees):
    body = {"name": "hooks", "scope": scope}
    token = client.post("/auth/tokens", json=body, as_=admin).json
    webhook = hook(client, token["token"], receiver)
    others, own = task(client, alice), task(client, admin)
    settle(app, rows)
    received = [message.json["data"]["task"]["id"] for message in receiver.messages]
    assert received == ([others["id"]] if sees else []) + [own["id"]]

    assert client.delete(f"/auth/tokens/{token['id']}", as_=admin).status_code == 204
    assert client.get(f"/webhooks/{webhook['id']}", as_=admin).status_code == 404


def test_new_url_binds_a_webhook_to_the_token(client, alice, admin, receiver, app, rows):
    """A token with the scope `write` must not receive events that only an admin sees."""
    webhook = hook(client, admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    body = {"name": "hooks", "scope": "write"}
    token = client.post("/auth/tokens", json=body, as_=admin).json

    def receivers_of_a_task():
        receiver.messages.clear()
        task(client, alice)
        settle(app, rows)
        return [message.path for message in receiver.messages]

    client.patch(path, json={"events": ["task.created"]}, as_=token["token"])
    assert receivers_of_a_task() == ["/hook"]
    client.patch(path, json={"url": receiver.url("/moved")}, as_=token["token"])
    assert receivers_of_a_task() == []
    assert client.delete(f"/auth/tokens/{token['id']}", as_=admin).status_code == 204
    assert client.get(path, as_=admin).status_code == 404


def test_events_during_inactivity_are_not_delivered(client, alice, receiver, app, rows):
    webhook = hook(client, alice, receiver)
    path = f"/webhooks/{webhook['id']}"
    other = hook(client, alice, receiver, "/other")  # so that events are queued
    client.patch(path, json={"is_active": False}, as_=alice)
    task(client, alice, title="off")
    client.patch(path, json={"is_active": True}, as_=alice)
    task(client, alice, title="on")
    settle(app, rows)
    titles = [m.json["data"]["task"]["title"] for m in receiver.messages if m.path == "/hook"]
    assert titles == ["on"]
    assert len(sent(client, alice, other)) == 2


def test_no_event_is_queued_without_active_webhooks(client, alice, receiver, rows):
    task(client, alice)
    hook(client, alice, receiver, is_active=False)
    task(client, alice)
    assert rows.value("SELECT count(*) FROM events WHERE is_undelivered") == 0
