"""Concurrent changes of projects, members and tasks."""

from typing import Any

import pytest

from tests.support.projects import (
    MISSING,
    add,
    comment,
    get,
    ids,
    inbox,
    items,
    ok,
    patch,
    project,
    refused,
    task,
)

ROUNDS = 8


# --- the last owner -----------------------------------------------------------------------------


def active_owners(client, admin, of):
    found = items(client, admin, f"/projects/{of['id']}/members")
    owners = [each["user_id"] for each in found if each["role"] == "owner"]
    return [n for n in owners if ok(client.get(f"/users/{n}", as_=admin))["is_active"]]


LEAVE = ("DELETE", "/projects/{project}/members/{self}")
ACTS: dict[str, Any] = {
    "remove": ("DELETE", "/projects/{project}/members/{other}"),
    "demote": ("PATCH", "/projects/{project}/members/{other}", {"role": "viewer"}),
    "leave": LEAVE,
    "disable": ("PATCH", "/users/{other}", {"is_active": False}),
    "delete": ("DELETE", "/users/{other}"),
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(("remove", "remove"), ("demote", "demote"), ("leave", "leave"), ("disable", "disable")),
        *(("delete", "leave"), ("delete", "delete"), ("disable", "leave"), ("demote", "delete")),
    ],
)
def test_two_owners_cannot_remove_each_other(client, cast, admin, send_at_once, first, second):
    for number in range(ROUNDS):
        left, right, stays = (cast.user(f"{name}-{number}") for name in ("left", "right", "stays"))
        of = project(client, left, owner=[right], viewer=[stays])
        calls = []
        for kind, self, other in ((first, left, right), (second, right, left)):
            method, path, *body = ACTS[kind]
            who = admin if path.startswith("/users") else self
            path = path.format(project=of["id"], self=self.id, other=other.id)
            calls.append((who, method, path, *body))
        answers = send_at_once(*calls)
        statuses = [each.status_code for each in answers]
        assert set(statuses) <= {200, 204, 401, 403, 404, 409}, [each.text for each in answers]
        assert any(status < 300 for status in statuses)
        assert active_owners(client, admin, of), (statuses, items(client, admin, "/projects"))


# --- at the same time ---------------------------------------------------------------------------


def test_former_members_are_not_assigned(client, team, send_at_once):
    for number in range(ROUNDS):
        one = task(client, team.owner, team.project)
        assign = {"assignee_id": team.editor.id}
        answers = send_at_once(
            (team.owner, "PATCH", f"/tasks/{one['id']}", assign),
            (team.owner, "DELETE", f"{team.path}/members/{team.editor.id}"),
            (team.owner, "POST", f"{team.path}/tasks", {"title": "New", **assign}),
        )
        statuses = [each.status_code for each in answers]
        assert statuses[1] == 204
        assert statuses[0] in (200, 400), number
        assert statuses[2] in (201, 400), number
        for each in items(client, team.owner, f"{team.path}/tasks?limit=100"):
            assert each["assignee_id"] is None, statuses
        add(client, team.owner, team.project, team.editor)


def test_tasks_are_not_lost_with_a_project(client, cast, alice, send_at_once, admin):
    """Tasks are moved, created and imported while the project is deleted."""
    for number in range(ROUNDS):
        ed = cast.user(f"ed-{number}")
        of = project(client, alice, editor=[ed])
        one, out = task(client, ed), task(client, ed, of)
        into = {"project_id": one["project_id"]}
        answers = send_at_once(
            (alice, "DELETE", f"/projects/{of['id']}"),
            (ed, "PATCH", f"/tasks/{one['id']}", {"project_id": of["id"]}),
            (ed, "POST", f"/projects/{of['id']}/tasks", {"title": "New"}),
            (ed, "PATCH", f"/tasks/{out['id']}", into),
            (ed, "POST", f"/tasks/import?project_id={of['id']}", [{"title": "Imported"}]),
        )
        deleted, *others = [each.status_code for each in answers]
        assert deleted == 204, answers[0].text
        allowed = ((200, 400), (201, 404), (200, 404), (200, 400))
        for answer, statuses in zip(answers[1:], allowed, strict=True):
            assert answer.status_code in statuses, answer.text
        live = items(client, ed, "/tasks?limit=100")
        trash = items(client, ed, "/tasks?deleted=true&limit=100")
        assert {each["project_id"] for each in live + trash} == {one["project_id"]}
        assert {one["id"], out["id"]} <= ids(live) | ids(trash)
        whole = [f"/tasks?user_id={ed.id}", f"/tasks?user_id={ed.id}&deleted=true"]
        everything = [each for path in whole for each in items(client, admin, path)]
        made = 2 + (others[1] == 201) + (others[3] == 200)
        assert len(everything) == len(live) + len(trash) == made, others


def test_concurrent_edits_of_two_members_are_not_lost(client, team, send_at_once):
    for number in range(ROUNDS):
        one = task(client, team.owner, team.project)
        path = f"/tasks/{one['id']}"
        answers = send_at_once(
            (team.owner, "PATCH", path, {"title": f"{number}"}),
            (team.editor, "PATCH", path, {"tags": ["x"]}),
            (team.editor, "POST", f"{path}/comments", {"text": "Meanwhile"}),
            (team.owner, "PATCH", path, {"assignee_id": team.viewer.id}),
        )
        assert [each.status_code for each in answers] == [200, 200, 201, 200]
        found = get(client, team.viewer, one)
        assert (found["title"], found["tags"]) == (f"{number}", ["x"])
        assert (found["assignee_id"], found["version"]) == (team.viewer.id, 4)


def test_concurrent_additions_and_comments(client, team, send_at_once):
    body = {"user": "other", "role": "editor"}
    for _ in range(ROUNDS):
        answers = send_at_once(*[(team.owner, "POST", f"{team.path}/members", body)] * 4)
        assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
        one = task(client, team.owner, team.project)
        said = comment(client, team.other, one)
        path = f"/tasks/{one['id']}/comments"
        answers = send_at_once(
            (team.other, "POST", path, {"text": "Last word"}),
            (team.other, "PATCH", f"{path}/{said['id']}", {"text": "Changed"}),
            (team.owner, "DELETE", f"{team.path}/members/{team.other.id}"),
            (team.owner, "DELETE", f"/tasks/{one['id']}"),
        )
        assert [each.status_code for each in answers[2:]] == [204, 204]
        assert answers[0].status_code in (201, 404)
        assert answers[1].status_code in (200, 404)


def test_successor_disabled_during_deletion_of_the_owner(client, cast, admin, send_at_once):
    for number in range(ROUNDS):
        owner, first, second = (cast.user(f"{name}-{number}") for name in ("o", "first", "second"))
        of = project(client, owner, editor=[first], viewer=[second])
        one = task(client, first, of, assignee_id=owner.id)
        answers = send_at_once(
            (admin, "DELETE", f"/users/{owner.id}"),
            (admin, "PATCH", f"/users/{first.id}", {"is_active": False}),
        )
        assert answers[0].status_code == 204, answers[0].text
        assert answers[1].status_code in (200, 409)
        assert active_owners(client, admin, of), answers[1].text
        assert get(client, admin, one)["assignee_id"] is None


def test_concurrent_deletion_of_users_and_projects(client, cast, admin, send_at_once):
    """Both lock the same rows without deadlocks."""
    for number in range(ROUNDS):
        ann, ben = (cast.user(f"{name}-{number}") for name in ("ann", "ben"))
        of, other = (project(client, ann, editor=[ben]) for _ in "12")
        for each in (of, other):
            for who in (ann, ben):
                task(client, who, each, assignee_id=ben.id)
        answers = send_at_once(
            (ann, "DELETE", f"/projects/{of['id']}"),
            (admin, "DELETE", f"/users/{ben.id}"),
            (ann, "DELETE", f"/projects/{other['id']}/members/{ben.id}"),
        )
        assert [each.status_code for each in answers[:2]] == [204, 204], answers[0].text
        assert answers[2].status_code in (204, 404)
        found = items(client, ann, f"/projects/{other['id']}/tasks")
        assert [(each["user_id"], each["assignee_id"]) for each in found] == [(ann.id, None)] * 2


# --- requests that wait for another transaction ------------------------------------------------


@pytest.mark.postgres
def test_successor_being_disabled_is_skipped(client, cast, alice, admin, holding, prepare):
    first, second = cast.user("first"), cast.user("second")
    of = project(client, alice, editor=[first], viewer=[second])
    disabled = "UPDATE users SET is_active = false WHERE id = :id"
    with holding(disabled, id=first.id) as start:
        coming = start(prepare("DELETE", f"/users/{alice.id}", as_=admin))
    assert coming.result().status_code == 204
    assert active_owners(client, admin, of) == [second.id]


@pytest.mark.postgres
def test_task_moved_during_a_write(client, team, holding, prepare):
    second = project(client, team.owner, "Second", editor=[team.editor])
    hidden = project(client, team.owner, "Hidden")
    one = task(client, team.owner, team.project)
    path = f"/tasks/{one['id']}"
    moved = "UPDATE tasks SET project_id = :to, version = version + 1 WHERE id = :id"
    for method, body, to, status in (
        ("PATCH", {"title": "Changed"}, second, 200),
        ("PATCH", {"title": "Refused"}, hidden, 404),
        ("DELETE", None, hidden, 404),
        ("DELETE", None, second, 204),
    ):
        ok(patch(client, team.owner, one, project_id=team.project["id"]))
        with holding(moved, to=to["id"], id=one["id"]) as start:
            coming = start(prepare(method, path, as_=team.editor, json=body))
        assert coming.result().status_code == status, coming.result().text
    (found,) = items(client, team.owner, "/tasks?deleted=true")
    assert found["title"] == "Changed"


@pytest.mark.postgres
def test_task_moved_out_during_deletion_of_the_project(client, team, holding, prepare):
    one, two = (task(client, team.editor, team.project) for _ in "12")
    own = inbox(client, team.editor)["id"]
    moved = "UPDATE tasks SET project_id = :own, version = version + 1 WHERE id = :id"
    with holding(moved, own=own, id=one["id"]) as start:
        coming = start(prepare("DELETE", team.path, as_=team.owner))
    assert coming.result().status_code == 204
    assert get(client, team.editor, one)["project_id"] == own
    actions = [e["action"] for e in items(client, team.editor, f"/tasks/{one['id']}/activity")]
    assert actions == ["task.created"]
    assert ids(items(client, team.editor, "/tasks?deleted=true")) == {two["id"]}


@pytest.mark.postgres
def test_events_match_tasks_after_concurrent_changes(client, team, holding, prepare, rows):
    """A task is changed just before the assignee is removed."""
    one = task(client, team.owner, team.project, assignee_id=team.editor.id)
    changed = "UPDATE tasks SET title = 'New', version = version + 1 WHERE id = :id"
    with holding(changed, id=one["id"]) as start:
        coming = start(prepare("DELETE", f"{team.path}/members/{team.editor.id}", as_=team.owner))
    assert coming.result().status_code == 204
    found = get(client, team.owner, one)
    assert (found["title"], found["assignee_id"], found["version"]) == ("New", None, 3)
    last = "SELECT max(version) FROM events WHERE task_id = :id"
    assert rows.value(last, id=one["id"]) == 3


def test_user_deleted_while_being_added_or_assigned(client, team, holding, prepare):
    gone = "DELETE FROM users WHERE id = :id"
    with holding(gone, id=team.other.id) as start:
        body = {"user": team.other.username, "role": "viewer"}
        coming = start(prepare("POST", f"{team.path}/members", as_=team.owner, json=body))
    refused(coming.result(), 400, "user")
    one = task(client, team.owner, team.project)
    with holding(gone, id=team.editor.id) as start:
        body = {"assignee_id": team.editor.id}
        coming = start(prepare("PATCH", f"/tasks/{one['id']}", as_=team.owner, json=body))
    refused(coming.result(), 400, "assignee_id")
    refused(patch(client, team.owner, one, assignee_id=MISSING), 400, "assignee_id")
