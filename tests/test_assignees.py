"""The project and assignee of a task."""

from tests.support.client import walk
from tests.support.projects import (
    MISSING,
    add,
    get,
    ids,
    inbox,
    items,
    ok,
    patch,
    project,
    refused,
    remove,
    set_role,
    task,
)

NOT_IDS = (0, -1, 2**63, "1", "me", "none", True, 1.5, [1])


def bulk(client, who, *operations):
    return client.post("/tasks/bulk", json={"operations": operations}, as_=who)


def ways(client, who, of, **fields):
    """Return the responses of every request that sets a field: three creations, four changes."""
    one = task(client, who, of)
    body = {"title": "x", "project_id": of["id"], **fields} if of else {"title": "x", **fields}
    return [
        client.post("/tasks", json=body, as_=who),
        client.post("/users/me/tasks", json=body, as_=who),
        bulk(client, who, {"op": "create", "data": body}),
        patch(client, who, one, **fields),
        client.put(f"/tasks/{one['id']}", json={"title": "x", **fields}, as_=who),
        client.patch(f"/users/me/tasks/{one['id']}", json=fields, as_=who),
        bulk(client, who, {"op": "update", "id": one["id"], "data": fields}),
    ]


# --- the assignee -------------------------------------------------------------------------------


def test_an_assignee_is_an_active_member(client, team, admin):
    for who in (team.owner, team.editor, team.viewer):
        for answer in ways(client, team.editor, team.project, assignee_id=who.id):
            found = ok(answer, answer.status_code)
            assert answer.status_code in (200, 201)
            (found,) = found.get("results", (found,))
            assert found["assignee_id"] == who.id
            assert get(client, team.viewer, found)["assignee_id"] == who.id
    add(client, team.owner, team.project, team.other, "viewer")
    ok(client.patch(f"/users/{team.other.id}", json={"is_active": False}, as_=admin))
    for wrong in (team.other.id, admin.id, MISSING, *NOT_IDS):
        for answer in ways(client, team.editor, team.project, assignee_id=wrong):
            assert answer.status_code == 400, (wrong, answer.text)
            assert "assignee_id" in answer.json["error"]["details"], answer.text
    own = task(client, team.editor, assignee_id=team.editor.id)
    assert own["assignee_id"] == team.editor.id
    refused(patch(client, team.editor, own, assignee_id=team.owner.id), 400, "assignee_id")
    refused(patch(client, admin, own, assignee_id=admin.id), 400, "assignee_id")
    assert ok(patch(client, team.editor, own, assignee_id=None))["assignee_id"] is None


def test_leaving_clears_assignments_and_a_role_change_does_not(client, team):
    tasks = [task(client, team.owner, team.project, assignee_id=team.editor.id) for _ in "123"]
    ok(client.delete(f"/tasks/{tasks[2]['id']}", as_=team.owner), 204)
    elsewhere = task(client, team.editor, assignee_id=team.editor.id)
    ok(set_role(client, team.owner, team.project, team.editor, "viewer"))
    assert get(client, team.owner, tasks[0])["assignee_id"] == team.editor.id
    ok(remove(client, team.editor, team.project, team.editor), 204)
    ok(client.post(f"/tasks/{tasks[2]['id']}/restore", as_=team.owner))
    for each in tasks:
        found = get(client, team.owner, each)
        assert found["assignee_id"] is None
        assert found["version"] > each["version"]
    last, *_ = items(client, team.owner, f"/tasks/{tasks[0]['id']}/activity")
    assert (last["action"], last["actor"]) == ("task.updated", team.editor.id)
    assert last["changes"] == {"assignee_id": [team.editor.id, None]}
    assert get(client, team.editor, elsewhere)["assignee_id"] == team.editor.id


def test_disabled_assignee_does_not_block_other_changes(client, team, admin):
    one = task(client, team.owner, team.project, assignee_id=team.editor.id)
    ok(client.patch(f"/users/{team.editor.id}", json={"is_active": False}, as_=admin))
    path = f"/tasks/{one['id']}"
    for answer in (
        patch(client, team.owner, one, title="Changed"),
        patch(client, team.owner, one, title="Again", assignee_id=team.editor.id),
        client.put(path, json={"title": "Put"}, as_=team.owner),
        client.put(path, json={"title": "Too", "assignee_id": team.editor.id}, as_=team.owner),
    ):
        assert ok(answer)["assignee_id"] == team.editor.id
    ok(client.delete(path, as_=team.owner), 204)
    assert ok(client.post(f"{path}/restore", as_=team.owner))["assignee_id"] == team.editor.id
    ok(patch(client, team.owner, one, assignee_id=None))
    refused(patch(client, team.owner, one, assignee_id=team.editor.id), 400, "assignee_id")


def test_activity_shows_assignments(client, team):
    one = task(client, team.owner, team.project)
    for who, other in ((team.editor, team.viewer), (team.owner, team.editor)):
        ok(patch(client, who, one, assignee_id=other.id))
    ok(patch(client, team.owner, one, assignee_id=None, title="Last"))
    found = items(client, team.viewer, f"/tasks/{one['id']}/activity")
    changes = [e["changes"] for e in found if "assignee_id" in e["changes"]]
    shown = [each["assignee_id"] for each in changes]
    for pair in (
        [team.editor.id, None],
        [team.viewer.id, team.editor.id],
        [None, team.viewer.id],
    ):
        assert pair in shown
    assert [e["action"] for e in found].count("task.assigned") <= 2


def test_lists_are_filtered_by_project_and_assignee(client, team, admin):
    second = project(client, team.owner, "Second", editor=[team.editor])
    made = {
        "a": task(client, team.owner, team.project, assignee_id=team.editor.id),
        "b": task(client, team.owner, second, assignee_id=team.owner.id),
        "c": task(client, team.owner, second),
        "d": task(client, team.owner),
        "e": task(client, team.editor, assignee_id=team.editor.id),
    }
    one, two = team.project["id"], second["id"]
    for who, query, names in (
        (team.owner, "", "abcd"),
        (team.owner, f"project_id={one}", "a"),
        (team.owner, f"project_id={two}", "bc"),
        (team.owner, f"project_id={one}&project_id={two}", "abc"),
        (team.owner, "assignee_id=me", "b"),
        (team.owner, "assignee_id=none", "cd"),
        (team.owner, f"assignee_id={team.editor.id}", "a"),
        (team.owner, f"assignee_id=me&project_id={one}", ""),
        (team.owner, f"assignee_id={team.other.id}", ""),
        (team.editor, "assignee_id=me", "ae"),
        (team.editor, "assignee_id=me&cursor=&sort_by=priority", "ae"),
        (team.viewer, "assignee_id=none", ""),
        (admin, f"project_id={two}&assignee_id=none", "c"),
        (admin, f"assignee_id={team.editor.id}", "ae"),
        (admin, "assignee_id=me", ""),
    ):
        page = client.get(f"/tasks?{query}", as_=who)
        if "&project_id" in query and query.count("project_id") > 1 and page.status_code == 400:
            continue  # the filter may be given only once
        expected = {made[name]["id"] for name in names}
        assert ids(ok(page)["items"]) == expected, query
        assert page.json["total"] in (None, len(names))
        filters = query.partition("&cursor")[0]
        exported = client.get(f"/tasks/export?{filters}", as_=who)
        assert ids(exported.json) == expected, query
    for query in ("assignee_id=x", "assignee_id=0", "assignee_id=Me", "project_id=x"):
        name = query.partition("=")[0]
        refused(client.get(f"/tasks?{query}", as_=team.owner), 400, name)


# --- the project --------------------------------------------------------------------------------


def test_moving_a_task_requires_editor_in_both_projects(client, team, admin):
    second = project(client, team.editor, "Second", viewer=[team.owner])
    own = inbox(client, team.editor)
    for wrong in (MISSING, inbox(client, team.owner)["id"], None, *NOT_IDS):
        for answer in ways(client, team.editor, None, project_id=wrong):
            assert answer.status_code == 400, (wrong, answer.text)
            assert "project_id" in answer.json["error"]["details"], answer.text
    for answer in ways(client, team.owner, None, project_id=second["id"]):
        assert answer.status_code == 403, answer.text
    one = task(client, team.editor, assignee_id=team.editor.id)
    for of, assignee in ((team.project, team.editor), (second, team.editor), (own, team.editor)):
        moved = ok(patch(client, team.editor, one, project_id=of["id"]))
        assert (moved["project_id"], moved["assignee_id"]) == (of["id"], assignee.id)
        assert moved["user_id"] == team.editor.id
    changes = [e["changes"] for e in items(client, team.editor, f"/tasks/{one['id']}/activity")]
    assert changes[0] == {"project_id": [second["id"], own["id"]]}
    refused(patch(client, team.owner, one, project_id=team.project["id"]), 404)

    ok(patch(client, team.editor, one, project_id=team.project["id"], assignee_id=team.viewer.id))
    moved = ok(patch(client, team.editor, one, project_id=second["id"]))  # without the viewer
    assert (moved["project_id"], moved["assignee_id"]) == (second["id"], None)
    both = {"project_id": team.project["id"], "assignee_id": team.viewer.id}
    assert ok(patch(client, team.editor, one, **both))["assignee_id"] == team.viewer.id
    both = {"project_id": second["id"], "assignee_id": team.viewer.id}
    refused(patch(client, team.editor, one, **both), 400, "assignee_id")
    moved = ok(patch(client, admin, one, project_id=second["id"]))
    assert (moved["project_id"], moved["user_id"]) == (second["id"], team.editor.id)


def test_put_keeps_project_assignee_and_owner(client, team, admin):
    one = task(client, team.owner, team.project, assignee_id=team.viewer.id, priority="high")
    for who in (team.editor, team.owner, admin):
        found = ok(client.put(f"/tasks/{one['id']}", json={"title": "Put"}, as_=who))
        for name in ("project_id", "assignee_id", "user_id"):
            assert found[name] == one[name]
        assert found["priority"] == "medium"
    body = {"title": "Put", "assignee_id": None}
    assert ok(client.put(f"/tasks/{one['id']}", json=body, as_=team.editor))["assignee_id"] is None


def test_import_into_a_project(client, team, admin):
    exported = [task(client, team.owner, team.project, assignee_id=team.viewer.id)]
    for who, query, project_id in (
        (team.editor, "", inbox(client, team.editor)["id"]),
        (team.editor, f"?project_id={team.project['id']}", team.project["id"]),
        (admin, f"?project_id={team.project['id']}", team.project["id"]),
    ):
        body = [{**exported[0], "title": f"by {who.username}{query}"}]
        ok(client.post(f"/tasks/import{query}", json=body, as_=who))
        (found,) = items(client, who, f"/tasks?q=by {who.username}{query}")
        shown = found["project_id"], found["user_id"], found["assignee_id"]
        assert shown == (project_id, who.id, None)
    for who, status in ((team.viewer, 403), (team.other, 400)):
        for count in (1, 101):
            path = f"/tasks/import?project_id={team.project['id']}"
            refused(client.post(path, json=[{"title": "x"}] * count, as_=who), status)
            refused(client.post(f"{path}&dry_run=true", json=[{"title": "x"}], as_=who), status)


# --- another owner of a task --------------------------------------------------------------------


def test_admin_changes_the_owner_of_a_task(client, team, admin):
    for who in (team.owner, team.editor):
        for fields in ({"user_id": team.editor.id}, {"user_id": who.id}):
            answer = client.post("/tasks", json={"title": "x", **fields}, as_=who)
            refused(answer, 403)
    given = task(client, admin, user_id=team.other.id)
    assert given["project_id"] == inbox(client, team.other)["id"]
    moved = ok(patch(client, admin, given, user_id=team.editor.id))
    assert moved["project_id"] == inbox(client, team.editor)["id"]
    refused(client.get(f"/tasks/{given['id']}", as_=team.other), 404)
    assert get(client, team.editor, given) == moved

    shared = task(client, team.owner, team.project, assignee_id=team.editor.id)
    for who in (team.editor, team.viewer, team.owner):
        found = ok(patch(client, admin, shared, user_id=who.id))
        assert found["user_id"] == who.id
        assert (found["project_id"], found["assignee_id"]) == (team.project["id"], team.editor.id)
    for wrong in (team.other.id, admin.id, MISSING):
        refused(patch(client, admin, shared, user_id=wrong), 400, "user_id")
        body = {"title": "x", "user_id": wrong, "project_id": team.project["id"]}
        refused(client.post("/tasks", json=body, as_=admin), 400, "user_id")
    both = {"user_id": team.other.id, "project_id": inbox(client, team.other)["id"]}
    found = ok(patch(client, admin, shared, **both))
    assert (found["user_id"], found["assignee_id"]) == (team.other.id, None)


def test_activity_before_a_move_is_visible_to_owner_and_admins(client, team, admin):
    one = task(client, team.editor, title="Private plan")
    ok(patch(client, team.editor, one, title="Public plan"))
    ok(patch(client, team.editor, one, project_id=team.project["id"]))
    ok(patch(client, team.owner, one, priority="high"))
    path = f"/tasks/{one['id']}/activity"
    for who, count in ((team.editor, 4), (admin, 4), (team.owner, 2), (team.viewer, 2)):
        page = ok(client.get(path, as_=who))
        assert page["total"] == len(page["items"])
        assert ("Private plan" in str(page)) == (count == 4), who.username
        assert page["items"][0]["changes"] == {"priority": ["medium", "high"]}
        walked = walk(client, who, f"{path}?limit=1")
        assert walked == page["items"]
        assert len(walked) in (count, count - 1)  # the move itself is optional
