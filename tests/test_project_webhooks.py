"""Webhooks for projects."""

from typing import Any

import pytest

from tests.support.projects import (
    add,
    comment,
    items,
    ok,
    patch,
    project,
    refused,
    remove,
    set_role,
    task,
)
from tests.support.receiver import eventually
from tests.support.webhooks import hook
from tests.support.worker import is_settled, working


@pytest.fixture
def app_settings():
    return {"WEBHOOK_ALLOW_PRIVATE": "1"}


@pytest.fixture
def received(app, rows, receiver):
    """`received()` returns the messages since the last call as `{"path": [message, …]}`."""

    def collect():
        with working(app):
            eventually(lambda: is_settled(rows), seconds=20)
        messages = list(receiver.messages)
        receiver.messages.clear()
        found: dict[str, list[Any]] = {}
        for each in messages:
            found.setdefault(each.path.strip("/"), []).append(each.json)
        return found

    return collect


def types(found):
    return {path: [each["type"] for each in messages] for path, messages in found.items()}


def test_all_members_receive_events_of_a_task(client, team, admin, receiver, received):
    people = (team.owner, team.editor, team.viewer, team.other, admin)
    for who in people:
        hook(client, who, receiver, f"/{who.username}")
    one = task(client, team.owner, team.project, assignee_id=team.viewer.id)
    ok(patch(client, team.editor, one, status="done"))
    ok(patch(client, team.editor, one, assignee_id=team.editor.id))
    ok(patch(client, team.editor, one, assignee_id=None))
    said = comment(client, team.editor, one, "Done")
    ok(client.delete(f"/tasks/{one['id']}", as_=team.owner), 204)
    found = received()
    expected = [
        *("task.created", "task.assigned", "task.updated", "task.completed"),
        *("task.updated", "task.assigned", "task.updated", "comment.created", "task.deleted"),
    ]
    assert types(found) == {who.username: expected for who in people if who is not team.other}
    created, assigned, *_ = found["viewer"]
    assert created["data"] == {"task": one}
    assert assigned["data"] == {"task": one}
    told = found["viewer"][7]["data"]
    assert told["comment"] == said
    assert (told["task"]["id"], list(told)) == (one["id"], ["task", "comment"])
    assert found["owner"][5]["data"]["task"]["assignee_id"] == team.editor.id


def test_events_for_added_and_removed_members(client, team, receiver, received):
    second = add(client, team.owner, team.project, team.other, "owner")
    people = (team.owner, team.editor, team.viewer, team.other)
    for who in people:
        hook(client, who, receiver, f"/{who.username}")
    ok(remove(client, team.owner, team.project, team.viewer), 204)
    added = add(client, team.other, team.project, team.viewer, "viewer")
    ok(set_role(client, team.owner, team.project, team.viewer, "editor"))
    ok(remove(client, team.editor, team.project, team.editor), 204)
    found = received()
    removed, joined = "project.member_removed", "project.member_added"
    assert types(found) == {
        "owner": [removed, joined, removed],
        "other": [removed, joined, removed],
        "viewer": [removed, joined],
        "editor": [removed],
    }
    for name in ("owner", "viewer"):
        data = found[name][1]["data"]
        assert list(data) == ["project", "member"]
        assert data["project"]["id"] == team.project["id"]
        assert data["project"]["name"] == "Website"
        assert data["member"] == added
    assert found["editor"][0]["data"]["member"]["user_id"] == team.editor.id
    assert second["role"] == "owner"


def test_subscription_to_new_events_only(client, team, receiver, received):
    asked = ["task.assigned", "comment.created", "project.member_added", "project.member_removed"]
    made = hook(client, team.owner, receiver, "/some", events=asked)
    assert made["events"] == asked
    one = task(client, team.owner, team.project)
    ok(patch(client, team.owner, one, title="x", assignee_id=team.owner.id))
    ok(patch(client, team.owner, one, assignee_id=team.owner.id))  # changes nothing
    comment(client, team.editor, one)
    add(client, team.owner, team.project, team.other, "viewer")
    ok(remove(client, team.owner, team.project, team.other), 204)
    assert types(received()) == {"some": asked}
    wrong = {"url": receiver.url(), "events": ["project.member_promoted"]}
    refused(client.post("/webhooks", json=wrong, as_=team.owner), 400, "events")


def test_events_of_indirect_changes(client, team, admin, receiver, received):
    """Leaving clears assignees, deleting a project deletes its tasks, a move is an update."""
    tasks = [task(client, team.owner, team.project, assignee_id=team.editor.id) for _ in "12"]
    own = task(client, team.owner)
    for who in (team.owner, team.editor, team.viewer):
        hook(client, who, receiver, f"/{who.username}")
    ok(remove(client, team.editor, team.project, team.editor), 204)
    found = received()
    assert sorted(types(found)["owner"]) == ["project.member_removed", *["task.updated"] * 2]
    assert types(found)["editor"] == ["project.member_removed"]
    assert types(found)["viewer"] == ["task.updated"] * 2
    assert {e["data"]["task"]["assignee_id"] for e in found["viewer"]} == {None}

    ok(patch(client, team.owner, own, project_id=team.project["id"]))
    assert types(received()) == {"owner": ["task.updated"], "viewer": ["task.updated"]}
    ok(patch(client, team.owner, own, project_id=own["project_id"]))
    assert types(received()) == {"owner": ["task.updated"]}

    ok(client.delete(team.path, as_=team.owner), 204)
    found = received()
    deleted = [e for e in found["owner"] if e["type"] == "task.deleted"]
    assert {e["data"]["task"]["id"] for e in deleted} == {each["id"] for each in tasks}
    assert {e["data"]["task"]["project_id"] for e in deleted} == {own["project_id"]}
    assert not [e for e in found.get("viewer", ()) if e["type"].startswith("task.")]


def test_events_before_a_move_are_not_sent(client, team, receiver, received):
    """New members do not receive earlier events, even if these are still undelivered."""
    hook(client, team.viewer, receiver, "/viewer")
    own = task(client, team.owner, title="Private plan")
    ok(patch(client, team.owner, own, title="Public plan"))
    comment(client, team.owner, own, "Private words")
    ok(patch(client, team.owner, own, project_id=team.project["id"]))
    found = received()
    assert types(found) == {"viewer": ["task.updated"]}
    assert found["viewer"][0]["data"]["task"]["title"] == "Public plan"


def test_events_of_deleted_users_and_projects(client, cast, team, admin, receiver, received):
    hook(client, team.owner, receiver, "/owner")
    one = task(client, team.editor, team.project, assignee_id=team.editor.id)
    received()
    ok(client.delete(f"/users/{team.editor.id}", as_=admin), 204)
    found = received()["owner"]
    updates = [e["data"]["task"] for e in found if e["type"] == "task.updated"]
    assert updates, types({"owner": found})
    last = updates[-1]
    assert (last["id"], last["user_id"], last["assignee_id"]) == (one["id"], team.owner.id, None)


@pytest.mark.sqlite
def test_pending_deliveries_to_former_members_are_not_sent(client, team, receiver, received, rows):
    """This includes retries after a failed attempt."""
    made = hook(client, team.viewer, receiver, "/viewer", events=["task.created"])
    second = project(client, team.viewer, "Second")
    receiver.answer = lambda *_: 503
    task(client, team.owner, team.project, title="Shared")
    task(client, team.viewer, second, title="Own")

    def is_tried():
        return rows.value("SELECT count(*) FROM deliveries WHERE attempts = 1") == 2

    with working(client.application):
        eventually(is_tried)
    receiver.messages.clear()
    ok(remove(client, team.owner, team.project, team.viewer), 204)
    receiver.answer = lambda *_: 204
    rows.run("UPDATE deliveries SET next_attempt_at = created_at WHERE next_attempt_at IS NOT NULL")
    messages = received()["viewer"]
    assert [e["data"]["task"]["title"] for e in messages] == ["Own"]
    path = f"/webhooks/{made['id']}/deliveries"
    for each in items(client, team.viewer, path):  # redelivery does not send them either
        client.post(f"{path}/{each['id']}/redeliver", as_=team.viewer)
    assert [e["data"]["task"]["title"] for e in received()["viewer"]] == ["Own"]
