"""Webhooks, sent by a real worker to a real receiver and read by the specification's library."""

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from taskapi.database import Query
from taskapi.models import webhook as model
from taskapi.models.delivery import deliveries, webhooks
from taskapi.moments import ago
from tests.support.calls import at_once, call
from tests.support.client import signed_in
from tests.support.receiver import eventually
from tests.support.webhooks import hook, sent, task
from tests.support.worker import working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}  # the receiver is on this machine


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


def test_a_signature_made_with_another_secret_is_none(client, alice, receiver, worker):
    hook(client, alice, receiver)
    task(client, alice)
    eventually(lambda: receiver.messages)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
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
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
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


def test_a_rotated_secret_survives_a_new_secret_key_too(client, alice, receiver, app, make_app):
    webhook = hook(client, alice, receiver)
    rotated = client.post(f"/webhooks/{webhook['id']}/rotate-secret", as_=alice).json
    old = app.extensions["settings"].secret_key
    new = "a-new-key-Wq8rT2yU5iO9pL3kJ7hG4fD1sA6zX"
    with make_app(SECRET_KEY=f"{new},{old}").app_context():
        assert model.keep_secrets() == 2
        assert model.keep_secrets() == 0
    task(client, alice)
    with working(make_app(SECRET_KEY=new, WEBHOOK_ALLOW_PRIVATE="1")):
        eventually(lambda: receiver.messages)
    for secret in (webhook["secret"], rotated["secret"]):
        assert receiver.verified(secret)


def test_a_webhook_is_told_only_of_what_it_asked_for(client, alice, receiver, worker):
    webhook = hook(client, alice, receiver, events=["task.deleted", "task.completed"])
    assert webhook["events"] == ["task.completed", "task.deleted"]
    one = task(client, alice)
    client.patch(f"/tasks/{one['id']}", json={"title": "x"}, as_=alice)
    client.delete(f"/tasks/{one['id']}", as_=alice)
    eventually(lambda: receiver.messages and not sent(client, alice, webhook, status="pending"))
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


def test_thirty_at_once_are_twenty_all_the_same(live_server, receiver):
    server = live_server(WEB_THREADS="16", DATABASE_POOL_SIZE="16", WEBHOOK_ALLOW_PRIVATE="1")
    with signed_in(server) as alice:
        token = alice.headers["Authorization"].removeprefix("Bearer ")
        body = {"url": receiver.url()}
        answers = at_once([lambda: call(server.url, "POST", "/webhooks", body, token=token)] * 30)
        assert sorted(answer.status for answer in answers) == [201] * 20 + [409] * 10
        assert alice.get("/webhooks").json()["total"] == 20


def test_a_change_that_fails_tells_nothing(client, alice, receiver, app):
    webhook = hook(client, alice, receiver)
    operations = [{"op": "create", "data": {"title": "a"}}, {"op": "delete", "id": 10**15}]
    assert client.post("/tasks/bulk", json={"operations": operations}, as_=alice).status_code == 404
    assert sent(client, alice, webhook) == []
