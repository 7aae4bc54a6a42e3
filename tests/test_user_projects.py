"""Deleting users with projects."""

from typing import Any

import pytest

from tests.support.projects import (
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
    roles,
    set_role,
    task,
)


def delete(client, admin, who, to=None):
    query = {"reassign_to": to.id} if to else {}
    ok(client.delete(f"/users/{who.id}", query_string=query, as_=admin), 204)


def delete_self(client, who):
    body = {"current_password": who.password}
    ok(client.delete("/users/me", json=body, as_=who), 204)


def disable(client, admin, who):
    ok(client.patch(f"/users/{who.id}", json={"is_active": False}, as_=admin))


@pytest.mark.parametrize("is_reassigned", [False, True])
def test_inbox_is_deleted_or_reassigned(client, alice, bob, admin, is_reassigned):
    theirs = inbox(client, alice)
    made = task(client, alice, assignee_id=alice.id)
    trashed = task(client, alice)
    comment(client, alice, made)
    ok(client.delete(f"/tasks/{trashed['id']}", as_=alice), 204)
    delete(client, admin, alice, bob if is_reassigned else None)
    refused(client.get(f"/projects/{theirs['id']}", as_=admin), 404)
    if not is_reassigned:
        assert items(client, admin, "/tasks") == items(client, admin, "/tasks?deleted=true") == []
        return
    found = get(client, bob, made)
    shown = found["project_id"], found["user_id"], found["assignee_id"]
    assert shown == (inbox(client, bob)["id"], bob.id, None)
    assert ids(items(client, bob, "/tasks?deleted=true")) == {trashed["id"]}
    assert ok(client.get(f"/tasks/{made['id']}/comments", as_=bob))["total"] == 1


@pytest.mark.parametrize("is_reassigned", [False, True])
def test_tasks_go_to_the_longest_standing_active_owner(client, cast, team, admin, is_reassigned):
    early, late = cast.user("early"), cast.user("late")
    for who in (early, late):
        add(client, team.owner, team.project, who, "viewer")
    ok(set_role(client, team.owner, team.project, late, "owner"))
    ok(set_role(client, team.owner, team.project, early, "owner"))
    one = task(client, team.editor, team.project, assignee_id=team.editor.id)
    gone = task(client, team.editor, team.project)
    ok(client.delete(f"/tasks/{gone['id']}", as_=team.editor), 204)
    to = team.other if is_reassigned else None
    delete(client, admin, team.editor, to)  # the project keeps an owner: no effect
    found = get(client, team.viewer, one)
    shown = found["user_id"], found["assignee_id"], found["project_id"]
    assert shown == (team.owner.id, None, team.project["id"])
    assert items(client, team.owner, f"{team.path}/tasks?deleted=true")[0]["id"] == gone["id"]
    disable(client, admin, team.owner)
    delete(client, admin, team.owner)
    assert get(client, team.viewer, one)["user_id"] == early.id
    assert roles(client, early, team.project) == {
        "early": "owner",
        "late": "owner",
        "viewer": "viewer",
    }


@pytest.mark.parametrize(
    ("others", "successor"),
    [
        ({"viewer": ["vic-1"], "editor": ["ed-1", "ed-2"]}, "ed-1"),
        ({"viewer": ["vic-1", "vic-2"]}, "vic-1"),
        ({"viewer": ["vic-1"], "editor": ["off1"], "owner": ["off2"]}, "vic-1"),
    ],
)
@pytest.mark.parametrize("is_self", [False, True])
def test_successor_of_the_last_active_owner(client, cast, alice, admin, others, successor, is_self):
    people = {name: cast.user(name) for names in others.values() for name in names}
    members: dict[str, Any] = {
        role: [people[name] for name in names] for role, names in others.items()
    }
    of = project(client, alice, **members)
    one = task(client, alice, of)
    for name, who in people.items():
        if name.startswith("off"):
            disable(client, admin, who)
    if is_self:
        delete_self(client, alice)
    else:
        delete(client, admin, alice)
    now = roles(client, people[successor], of)
    before = {name: role for role, names in others.items() for name in names}
    assert now == before | {successor: "owner"}
    assert get(client, people[successor], one)["user_id"] == people[successor].id
    ok(client.patch(f"/projects/{of['id']}", json={"name": "Mine"}, as_=people[successor]))


def test_project_without_other_members_is_deleted(client, cast, alice, admin):
    ben = cast.user("ben")
    of, alone = project(client, alice, editor=[ben]), project(client, alice, "Alone")
    his = task(client, ben, of, title="his")
    hers = [task(client, alice, each) for each in (of, alone)]
    disable(client, admin, ben)
    delete(client, admin, alice)
    for each in (of, alone):
        refused(client.get(f"/projects/{each['id']}", as_=admin), 404)
    ok(client.patch(f"/users/{ben.id}", json={"is_active": True}, as_=admin))
    ben = cast.sign_in("ben", ben.password)
    assert ids(items(client, ben, "/tasks?deleted=true")) == {his["id"]}  # as by DELETE
    back = ok(client.post(f"/tasks/{his['id']}/restore", as_=ben))
    assert back["project_id"] == inbox(client, ben)["id"]
    for each in hers:
        refused(client.get(f"/tasks/{each['id']}", as_=admin), 404)
    assert items(client, admin, "/tasks?deleted=true") == []


def test_project_without_other_members_is_reassigned(client, cast, alice, bob, admin):
    ben = cast.user("ben")
    of, alone = project(client, alice, editor=[ben]), project(client, alice, "Alone")
    member = project(client, alice, "Member", viewer=[bob])
    tasks = [task(client, alice, each) for each in (of, alone, member)]
    disable(client, admin, ben)
    delete(client, admin, alice, bob)
    assert roles(client, bob, of) == {"bob": "owner", "ben": "editor"}
    assert roles(client, bob, alone) == roles(client, bob, member) == {"bob": "owner"}
    for each in tasks:
        found = get(client, bob, each)
        assert (found["user_id"], found["project_id"]) == (bob.id, each["project_id"])


@pytest.mark.sqlite
def test_archived_projects_and_admins(client, cast, team, admin):
    ok(client.patch(team.path, json={"is_archived": True}, as_=team.owner))
    one = task(client, team.owner, team.project)
    boss = cast.admin("boss")
    of = project(client, boss, viewer=[team.other])
    delete(client, admin, boss)
    assert roles(client, team.other, of) == {"other": "owner"}
    delete_self(client, team.owner)
    assert roles(client, team.viewer, team.project) == {"editor": "owner", "viewer": "viewer"}
    assert get(client, team.viewer, one)["user_id"] == team.editor.id
    for who in (team.editor, team.viewer):  # one after the other
        delete_self(client, who)
    refused(client.get(team.path, as_=admin), 404)
    assert items(client, admin, "/tasks?deleted=true") == []
    assert items(client, admin, "/tasks") == []


def test_tasks_in_another_users_inbox(client, team, admin):
    """A task in the Inbox of another user stays there when its owner is deleted."""
    own = inbox(client, team.editor)["id"]
    stays, goes = (task(client, team.owner, team.project) for _ in "12")
    for each in (stays, goes):
        ok(patch(client, team.editor, each, project_id=own))
    refused(client.get(f"/tasks/{stays['id']}", as_=team.owner), 404)
    delete(client, admin, team.owner)  # the owner, who has lost access to them
    for each in (stays, goes):
        found = get(client, team.editor, each)
        assert (found["user_id"], found["project_id"]) == (team.editor.id, own)
    delete(client, admin, team.editor)
    refused(client.get(f"/tasks/{goes['id']}", as_=admin), 404)
