"""Projects."""

import icalendar
import pytest

from tests.support.client import walk
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
    remove,
    task,
)

KEY = {"Idempotency-Key": "a key"}
FIELDS = [
    *("id", "name", "description", "is_inbox", "is_archived", "role"),
    *("created_at", "updated_at", "version"),
]


# --- the Inbox ----------------------------------------------------------------------------------


def test_every_user_has_an_inbox(client, cast, admin):
    body = {"username": "made", "password": "Lantern-4-edam"}
    ok(client.post("/users", json=body, as_=admin), 201)
    for who in (cast.user("ben"), cast.sign_in("made", "Lantern-4-edam"), admin):
        (found,) = items(client, who, "/projects")
        assert list(found) == FIELDS
        shown = (found["is_inbox"], found["is_archived"], found["role"], found["version"])
        assert shown == (True, False, "owner", 1)
        assert ok(client.get(f"/projects/{found['id']}", as_=who)) == found
        made = task(client, who)
        assert (made["project_id"], made["assignee_id"]) == (found["id"], None)
        nested = ok(client.post("/users/me/tasks", json={"title": "x"}, as_=who), 201)
        assert nested["project_id"] == found["id"]


def test_inbox_cannot_be_changed(client, alice, bob, admin):
    path = f"/projects/{inbox(client, alice)['id']}"
    for who in (alice, admin):
        for body in ({"name": "Other"}, {"is_archived": True}, {"name": "x", "description": "y"}):
            refused(client.patch(path, json=body, as_=who), 409)
        refused(client.delete(path, as_=who), 409)
        member = {"user": "bob", "role": "viewer"}
        refused(client.post(f"{path}/members", json=member, as_=who), 409)
        refused(client.patch(f"{path}/members/{alice.id}", json={"role": "editor"}, as_=who), 409)
        refused(client.delete(f"{path}/members/{alice.id}", as_=who), 409)
    for call in (client.get, client.delete):
        refused(call(path, as_=bob), 404)
    found = ok(client.get(path, as_=alice))
    assert (found["version"], found["is_archived"]) == (1, False)
    (member,) = items(client, alice, f"{path}/members")
    assert (member["user_id"], member["role"]) == (alice.id, "owner")


# --- one project --------------------------------------------------------------------------------


def test_create_read_change_and_delete(client, alice):
    body = {"name": "  Website ", "description": "Line one\nline two"}
    made = client.post("/projects", json=body, as_=alice)
    found = ok(made, 201)
    assert list(found) == FIELDS
    assert found | {"name": "Website", "is_inbox": False, "role": "owner", "version": 1} == found
    assert found["description"] == body["description"]
    assert made.headers["Location"] == f"/api/v1/projects/{found['id']}"
    read = client.get(made.headers["Location"], as_=alice)
    assert (ok(read), read.headers["ETag"]) == (found, made.headers["ETag"])

    path, tag = f"/projects/{found['id']}", made.headers["ETag"]
    for has in (tag, f"W/{tag}", "*"):
        assert client.get(path, as_=alice, headers={"If-None-Match": has}).status_code == 304
    for version, change in enumerate(
        ({"name": "Site"}, {"description": None}, {"is_archived": True}, {"is_archived": False}), 2
    ):
        changed = client.patch(path, json=change, as_=alice, headers={"If-Match": tag})
        assert ok(changed) == ok(changed) | change | {"version": version}
        refused(client.patch(path, json=change, as_=alice, headers={"If-Match": tag}), 412)
        stale = client.delete(path, as_=alice, headers={"If-Match": tag})
        refused(stale, 412)
        tag = changed.headers["ETag"]
        assert stale.headers["ETag"] == tag
        same = client.patch(path, json=change, as_=alice)
        assert (ok(same)["version"], same.headers["ETag"]) == (version, tag)
    assert client.delete(path, as_=alice, headers={"If-Match": f"W/{tag}"}).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        change = {"name": "x"} if method == "PATCH" else None
        refused(client.open(path, method=method, as_=alice, json=change), 404)


def test_etag_has_id_version_and_role(client, team, admin):
    people = (team.owner, team.editor, team.viewer, admin)
    answers = [client.get(team.path, as_=who) for who in people]
    assert [ok(each)["role"] for each in answers] == ["owner", "editor", "viewer", "admin"]
    assert len({each.headers["ETag"] for each in answers}) == 4
    old = {"If-None-Match": answers[1].headers["ETag"]}
    assert client.get(team.path, as_=team.editor, headers=old).status_code == 304
    path = f"{team.path}/members/{team.editor.id}"
    ok(client.patch(path, json={"role": "owner"}, as_=team.owner))
    assert ok(client.get(team.path, as_=team.editor, headers=old))["role"] == "owner"
    add(client, team.owner, team.project, admin, "viewer")
    assert ok(client.get(team.path, as_=admin))["role"] == "viewer"


@pytest.mark.sqlite
def test_invalid_bodies(client, alice):
    made = project(client, alice)
    path = f"/projects/{made['id']}"
    for body, *fields in (
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x", "description": 7}, "description"),
        ({"name": "x", "description": "\x00"}, "description"),
        ({"name": "x", "is_archived": True}, "is_archived"),
        ({"name": "x", "is_inbox": True}, "is_inbox"),
        ({"name": "x", "role": "owner"}, "role"),
        ({"name": "x", "id": 1}, "id"),
        ({"name": "x", "color": "red"}, "color"),
    ):
        refused(client.post("/projects", json=body, as_=alice), 400, *fields)
        if body and "is_archived" not in body:
            refused(client.patch(path, json=body, as_=alice), 400, *fields)
    for body in ({"is_archived": None}, {"is_archived": "yes"}, {"is_archived": 1}):
        refused(client.patch(path, json=body, as_=alice), 400, "is_archived")
    for name in ("x" * 100, "ß" * 100, "🙂"):
        assert ok(client.patch(path, json={"name": name}, as_=alice))["name"] == name
    assert ok(client.patch(path, json={}, as_=alice))["version"] == 4
    for number in (0, -1, "abc", 2**63, MISSING, "me"):
        refused(client.get(f"/projects/{number}", as_=alice), 404)
    assert client.put(path, json={"name": "x"}, as_=alice).status_code == 405
    assert client.post("/projects", data="name=x", as_=alice).status_code == 415


def test_idempotency_key_creates_one_project(client, team):
    one = task(client, team.owner, team.project)
    member = {"user": "other", "role": "viewer"}
    for path, body, other in (
        ("/projects", {"name": "Once"}, {"name": "Other"}),
        (f"{team.path}/tasks", {"title": "Once"}, {"title": "Other"}),
        (f"{team.path}/members", member, member | {"user": "x"}),
        (f"/tasks/{one['id']}/comments", {"text": "Once"}, {"text": "Other"}),
    ):
        first, again = (client.post(path, json=body, headers=KEY, as_=team.owner) for _ in "12")
        ok(first, 201)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.data == first.data
        for name in ("Location", "ETag"):
            assert again.headers.get(name) == first.headers.get(name)
        refused(client.post(path, json=other, headers=KEY, as_=team.owner), 422)
    assert ok(client.get("/projects", as_=team.owner))["total"] == 3
    assert ok(client.get(f"{team.path}/tasks", as_=team.owner))["total"] == 2
    assert ok(client.get(f"/tasks/{one['id']}/comments", as_=team.owner))["total"] == 1


# --- lists --------------------------------------------------------------------------------------


def test_list_filters_sorting_and_pages(client, alice, bob, admin):
    names = ["beta", "Alpha", "ÉTÉ 100%", "gamma"]
    made = {name: project(client, alice, name) for name in names}
    project(client, bob, "Bob's")
    patch_archived = {"is_archived": True}
    ok(client.patch(f"/projects/{made['beta']['id']}", json=patch_archived, as_=alice))

    def named(query, who=alice):
        page = ok(client.get(f"/projects?{query}", as_=who))
        assert page["total"] == len(page["items"])
        return [each["name"] for each in page["items"] if not each["is_inbox"]]

    for query, expected in (
        ("sort_by=id", names),
        ("sort_by=-id", names[::-1]),
        ("sort_by=created_at", names),
        ("sort_by=name", ["Alpha", "beta", "gamma", "ÉTÉ 100%"]),
        ("sort_by=-name", ["ÉTÉ 100%", "gamma", "beta", "Alpha"]),
        ("is_archived=true", ["beta"]),
        ("is_archived=false&sort_by=id", names[1:]),
        ("q=%C3%A9T%C3%A9", ["ÉTÉ 100%"]),
        ("q=%25", ["ÉTÉ 100%"]),
        ("q=_", []),
        ("q=ALPHA&is_archived=false", ["Alpha"]),
        ("q=ALPHA&is_archived=true", []),
    ):
        assert named(query) == expected, query
    assert named("sort_by=id", bob) == ["Bob's"]
    assert named("sort_by=id", admin) == [*names, "Bob's"]
    inboxes = [e["id"] for e in items(client, admin, "/projects") if e["is_inbox"]]
    assert inboxes == [inbox(client, admin)["id"]]

    for order in ("id", "-id", "name", "-name", "created_at", "-created_at"):
        whole = items(client, alice, f"/projects?sort_by={order}")
        assert walk(client, alice, f"/projects?sort_by={order}&limit=2") == whole, order
    first = ok(client.get("/projects?cursor=&limit=1", as_=alice))["next_cursor"]
    for query, field in (
        ("colour=red", "colour"),
        ("is_archived=perhaps", "is_archived"),
        ("sort_by=role", "sort_by"),
        ("limit=0", "limit"),
        ("skip=10001", "skip"),
        ("q=a&q=b", "q"),
        (f"cursor={first}&q=x", "cursor"),
        (f"cursor={first}x", "cursor"),
    ):
        refused(client.get(f"/projects?{query}", as_=alice), 400, field)


def test_task_list_of_a_project(client, team):
    for number in range(5):
        fields = {"title": f"Task {number}", "priority": ("low", "high")[number % 2]}
        made = client.post(f"{team.path}/tasks", json=fields, as_=team.editor)
        assert ok(made, 201)["project_id"] == team.project["id"]
        assert ok(made, 201)["user_id"] == team.editor.id
        assert made.headers["Location"] == f"/api/v1/tasks/{made.json['id']}"
        assert made.headers["ETag"]
    task(client, team.editor, title="Task elsewhere")
    client.delete(f"/tasks/{made.json['id']}", as_=team.editor)
    for query, numbers in (
        ("sort_by=title", [0, 1, 2, 3]),
        ("priority=high&sort_by=-title", [3, 1]),
        ("q=TASK&limit=2&skip=1&sort_by=id", [1, 2]),
        ("deleted=true", [4]),
    ):
        found = items(client, team.viewer, f"{team.path}/tasks?{query}")
        assert [int(each["title"][-1]) for each in found] == numbers, query
    page = ok(client.get(f"{team.path}/tasks?cursor=&limit=3&sort_by=priority", as_=team.viewer))
    rest = f"{team.path}/tasks?cursor={page['next_cursor']}&sort_by=priority"
    assert len(ids(page["items"]) | ids(items(client, team.viewer, rest))) == 4
    refused(client.get(f"{team.path}/tasks?is_done=1", as_=team.viewer), 400, "is_done")
    refused(client.post(f"{team.path}/tasks", json={"title": ""}, as_=team.editor), 400, "title")


# --- archived -----------------------------------------------------------------------------------


def calendar_of(client, root, who):
    text = root.get(client.post("/users/me/calendar", as_=who).json["url"]).data
    return [str(e["SUMMARY"]) for e in icalendar.Calendar.from_ical(text).walk("VEVENT")]


def test_archived_projects_are_excluded_by_default(client, root, team):
    due = "2030-06-01T09:30:00Z"
    one = task(client, team.owner, team.project, due_at=due, title="Shared")
    gone = task(client, team.owner, team.project)
    ok(client.delete(f"/tasks/{gone['id']}", as_=team.owner), 204)
    named = f"project_id={team.project['id']}"
    for is_archived in (False, True):
        body = {"is_archived": is_archived}
        ok(client.patch(team.path, json=body, as_=team.owner))
        for who in (team.owner, team.viewer):
            for query in ("", "q=shared", "cursor=", "status=todo", "sort_by=title"):
                shown = items(client, who, f"/tasks?{query}")
                assert ids(shown) == (set() if is_archived else {one["id"]}), query
                assert ids(items(client, who, f"/tasks?{query}&{named}")) == {one["id"]}
            assert len(items(client, who, "/tasks?deleted=true")) == 1 - is_archived
            assert len(items(client, who, f"/tasks?deleted=true&{named}")) == 1
            assert ids(items(client, who, f"{team.path}/tasks")) == {one["id"]}
            for path in ("/tasks/stats?", "/tasks/export?format=csv&", "/tasks/export?"):
                without, within = (client.get(path + q, as_=who) for q in ("", named))
                if "stats" in path:
                    counts = (without.json["total"], within.json["total"])
                    assert counts == (1 - is_archived, 1)
                else:
                    assert ("Shared" in without.text, "Shared" in within.text) == (
                        not is_archived,
                        True,
                    )
            assert calendar_of(client, root, who) == ([] if is_archived else ["Shared"])
            assert get(client, who, one)["title"] == "Shared"
        own = items(client, team.owner, "/users/me/tasks")
        assert ids(own) == (set() if is_archived else {one["id"]})
    ok(patch(client, team.editor, one, priority="high"))  # archived projects are not read-only
    comment(client, team.editor, one)
    made = task(client, team.editor, team.project)
    ok(client.delete(f"/tasks/{made['id']}", as_=team.editor), 204)
    ok(client.post(f"/tasks/{made['id']}/restore", as_=team.editor))
    add(client, team.owner, team.project, team.other)
    ok(client.patch(team.path, json={"name": "Old"}, as_=team.owner))


# --- deletion -----------------------------------------------------------------------------------


def test_deletion_moves_tasks_to_the_trash(client, team, admin):
    inboxes = {who.id: inbox(client, who)["id"] for who in (team.owner, team.editor)}
    mine = task(client, team.owner, team.project, title="mine", assignee_id=team.editor.id)
    own = task(client, team.editor, team.project, title="own", assignee_id=team.editor.id)
    left = task(client, team.editor, team.project, title="deleted before")
    ok(client.delete(f"/tasks/{left['id']}", as_=team.editor), 204)
    kept = task(client, team.editor, title="in the Inbox")
    comment(client, team.editor, mine, "Stays with it")
    ok(client.delete(team.path, as_=team.owner), 204)

    for who in (team.owner, team.editor, team.viewer, admin):
        refused(client.get(team.path, as_=who), 404)
        refused(client.get(f"{team.path}/tasks", as_=who), 404)
        refused(client.get(f"{team.path}/members", as_=who), 404)
        refused(client.get(f"/tasks?project_id={team.project['id']}", as_=who), 400, "project_id")
        assert not [e for e in items(client, who, "/projects") if not e["is_inbox"]]
        for each in (mine, own, left):
            refused(client.get(f"/tasks/{each['id']}", as_=who), 404)
    assert ids(items(client, team.editor, "/tasks")) == {kept["id"]}
    assert items(client, team.viewer, "/tasks?deleted=true") == []
    trash = items(client, team.editor, "/tasks?deleted=true&sort_by=id")
    assert [each["id"] for each in trash] == [own["id"], left["id"]]
    trash += items(client, team.owner, "/tasks?deleted=true")
    assert [each["id"] for each in trash] == [own["id"], left["id"], mine["id"]]
    for each in trash:
        assert each["project_id"] == inboxes[each["user_id"]]
        assert each["deleted_at"]
        assert each["version"] >= 2
        kept_assignee = each["assignee_id"]
        assert kept_assignee == (team.editor.id if each["id"] == own["id"] else None)
    restored = ok(client.post(f"/tasks/{left['id']}/restore", as_=team.editor))
    assert restored["project_id"] == inboxes[team.editor.id]
    assert get(client, team.editor, left) == restored
    refused(client.get(f"/tasks/{left['id']}", as_=team.owner), 404)
    refused(client.post(f"/tasks/{mine['id']}/restore", as_=team.editor), 404)
    back = ok(client.post(f"/tasks/{mine['id']}/restore", as_=team.owner))
    assert (back["project_id"], back["assignee_id"]) == (inboxes[team.owner.id], None)
    (said,) = items(client, team.owner, f"/tasks/{mine['id']}/comments")
    assert said["text"] == "Stays with it"
    actions = [e["action"] for e in items(client, team.owner, f"/tasks/{mine['id']}/activity")]
    assert actions[:2] == ["task.restored", "task.deleted"]
    assert actions.count("task.deleted") == 1


def test_tasks_of_former_members_go_to_their_inbox(client, team):
    one = task(client, team.editor, team.project)
    assert remove(client, team.owner, team.project, team.editor).status_code == 204
    refused(client.get(f"/tasks/{one['id']}", as_=team.editor), 404)
    ok(client.delete(team.path, as_=team.owner), 204)
    assert ids(items(client, team.editor, "/tasks?deleted=true")) == {one["id"]}
    ok(client.post(f"/tasks/{one['id']}/restore", as_=team.editor))
