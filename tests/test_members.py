"""Members of projects."""

from tests.support.client import walk
from tests.support.projects import (
    MISSING,
    Team,
    add,
    get,
    ids,
    items,
    new_team,
    ok,
    patch,
    project,
    refused,
    remove,
    roles,
    set_role,
    task,
)

# --- adding -------------------------------------------------------------------------------------


def test_add_members_by_username_or_email(client, cast, alice):
    made = project(client, alice)
    path = f"/projects/{made['id']}/members"
    both = cast.user("Ben.B", email="Ben@Example.org")
    only = {"email": "only@example.org", "password": "Lantern-4-ylno"}
    ok(client.post("/auth/register", json=only), 201)
    for name, username, role in (
        ("bEN.b", "Ben.B", "viewer"),
        ("ben@EXAMPLE.org", "Ben.B", "editor"),
        ("Only@example.org", "only@example.org", "owner"),
    ):
        body = {"user": name, "role": role}
        member = ok(client.post(path, json=body, as_=alice), 201)
        assert list(member) == ["user_id", "username", "role", "created_at"]
        assert (member["username"], member["role"]) == (username, role)
        assert member in items(client, alice, path)
        refused(client.post(path, json=body, as_=alice), 409)
        if username == both.username:
            assert member["user_id"] == both.id
            assert ok(client.get(f"/projects/{made['id']}", as_=both))["role"] == role
            ok(client.delete(f"{path}/{both.id}", as_=alice), 204)
    assert roles(client, alice, made) == {"alice": "owner", "only@example.org": "owner"}


def test_unknown_users_and_members_are_not_added(client, team):
    path = f"{team.path}/members"
    for body, *fields in (
        ({"user": "nobody", "role": "viewer"}, "user"),
        ({"user": "", "role": "viewer"}, "user"),
        ({"user": team.other.id, "role": "viewer"}, "user"),
        ({"user": "a\x00b", "role": "viewer"}, "user"),
        ({"user": "x" * 10_000, "role": "viewer"}, "user"),
        ({"role": "viewer"}, "user"),
        ({"user": "other"}, "role"),
        ({"user": "other", "role": None}, "role"),
        ({"user": "other", "role": "admin"}, "role"),
        ({"user": "other", "role": "Viewer"}, "role"),
        ({"user": "other", "role": "viewer", "user_id": 1}, "user_id"),
    ):
        refused(client.post(path, json=body, as_=team.owner), 400, *fields)
    for name in ("owner", "editor", "VIEWER"):
        body = {"user": name, "role": "viewer"}
        refused(client.post(path, json=body, as_=team.owner), 409)
    expected = {"owner": "owner", "editor": "editor", "viewer": "viewer"}
    assert roles(client, team.viewer, team.project) == expected


def test_members_are_listed_in_pages(client, cast, team):
    people = [cast.user(f"more-{n}") for n in range(4)]
    for person in people:
        add(client, team.owner, team.project, person, "viewer")
    path = f"{team.path}/members"
    whole = ok(client.get(path, as_=team.viewer))
    assert (whole["total"], len(whole["items"])) == (7, 7)
    walked = walk(client, team.viewer, f"{path}?limit=3")
    assert walked == whole["items"]
    assert ok(client.get(f"{path}?limit=3&skip=6", as_=team.viewer))["items"] == walked[6:]
    refused(client.get(f"{path}?rolle=x", as_=team.owner), 400, "rolle")
    refused(client.get(f"/projects/{MISSING}/members", as_=team.owner), 404)


# --- roles --------------------------------------------------------------------------------------


def test_owners_change_roles_with_immediate_effect(client, team):
    one = task(client, team.owner, team.project)
    for role, status in (("viewer", 403), ("editor", 200), ("owner", 200)):
        changed = ok(set_role(client, team.owner, team.project, team.viewer, role))
        assert (changed["user_id"], changed["role"]) == (team.viewer.id, role)
        assert patch(client, team.viewer, one, title=role).status_code == status
    ok(client.patch(team.path, json={"name": "Ours"}, as_=team.viewer))
    path = f"{team.path}/members/{team.editor.id}"
    for body, *fields in (
        ({"role": "boss"}, "role"),
        ({"role": None}, "role"),
        ({"role": "viewer", "user": "x"}, "user"),
        ({"role": "viewer", "user_id": 1}, "user_id"),
    ):
        refused(client.patch(path, json=body, as_=team.owner), 400, *fields)
    for number in (team.other.id, MISSING, 0, "x"):
        for method, viewer in (("PATCH", {"role": "viewer"}), ("DELETE", None)):
            path = f"{team.path}/members/{number}"
            refused(client.open(path, method=method, as_=team.owner, json=viewer), 404)


def test_members_can_leave_with_immediate_effect(client, team):
    one = task(client, team.editor, team.project)
    for who, role in ((team.editor, "owner"), (team.viewer, "editor"), (team.viewer, "owner")):
        refused(set_role(client, who, team.project, who, role), 403)
    refused(remove(client, team.viewer, team.project, team.editor), 403)
    refused(remove(client, team.other, team.project, team.other), 404)
    refused(set_role(client, team.owner, team.project, team.other, "x"), 400, "role")
    second = add(client, team.owner, team.project, team.other, "owner")
    for who in (team.viewer, team.editor, team.owner):
        ok(remove(client, who, team.project, who), 204)
        refused(client.get(team.path, as_=who), 404)
        refused(client.get(f"/tasks/{one['id']}", as_=who), 404)
        assert items(client, who, "/tasks") == []
        refused(remove(client, who, team.project, who), 404)
    assert roles(client, team.other, team.project) == {second["username"]: "owner"}
    assert get(client, team.other, one)["user_id"] == team.editor.id


# --- the last owner -----------------------------------------------------------------------------


def disable(client, admin, who):
    return client.patch(f"/users/{who.id}", json={"is_active": False}, as_=admin)


def test_there_is_always_an_active_owner(app, client, team, admin):
    inactive = add(client, team.owner, team.project, team.other, "owner")
    ok(disable(client, admin, team.other))
    for who in (team.owner, admin):
        refused(remove(client, who, team.project, team.owner), 409)
        for role in ("editor", "viewer"):
            refused(set_role(client, who, team.project, team.owner, role), 409)
    refused(disable(client, admin, team.owner), 409)
    ran = app.test_cli_runner().invoke(args=["users", "disable", "owner"])
    assert (ran.exit_code, "last active owner" in ran.output) == (1, True), ran.output
    ok(set_role(client, team.owner, team.project, team.owner, "owner"))
    assert ok(client.get("/users/me", as_=team.owner))["is_active"]
    assert roles(client, team.viewer, team.project)["owner"] == "owner"

    ok(set_role(client, admin, team.project, team.editor, "owner"))
    ok(set_role(client, team.owner, team.project, team.owner, "viewer"))
    refused(remove(client, team.editor, team.project, team.editor), 409)
    ok(remove(client, team.editor, team.project, team.other), 204)
    assert inactive["username"] not in roles(client, admin, team.project)


def test_user_without_other_members_can_be_disabled(client, cast, alice, admin):
    project(client, alice, "Mine alone")  # it has no other member who could own it
    ok(disable(client, admin, alice))
    shared, ben = project(client, admin), cast.user("ben")
    add(client, admin, shared, ben, "owner")
    ok(disable(client, admin, ben))
    refused(remove(client, admin, shared, admin), 409)


def test_project_without_active_members_gets_an_active_owner(client, cast, team, admin):
    members = (team.viewer, team.editor, team.owner)
    for who in members:
        ok(disable(client, admin, who))
    new = {"user": team.other.username, "role": "editor"}
    refused(client.post(f"{team.path}/members", json=new, as_=admin), 409)
    ok(client.patch(f"/users/{team.editor.id}", json={"is_active": True}, as_=admin))
    found = roles(client, admin, team.project)
    assert found == {"owner": "owner", "editor": "owner", "viewer": "viewer"}
    ok(client.patch(f"/users/{team.viewer.id}", json={"is_active": True}, as_=admin))
    assert roles(client, admin, team.project) == found  # it has an active owner

    alone = project(client, team.other)
    ok(disable(client, admin, team.other))
    new["user"] = admin.username
    refused(client.post(f"/projects/{alone['id']}/members", json=new, as_=admin), 409)
    new["role"] = "owner"
    ok(client.post(f"/projects/{alone['id']}/members", json=new, as_=admin), 201)


def test_members_see_only_their_projects(client, cast, team):
    second: Team = new_team(client, cast, "-2")
    add(client, second.owner, second.project, team.editor, "viewer")
    one, two = task(client, team.owner, team.project), task(client, second.owner, second.project)
    assert ids(items(client, team.editor, "/tasks")) == {one["id"], two["id"]}
    assert ids(items(client, team.owner, "/tasks")) == {one["id"]}
    assert ids(items(client, second.viewer, "/tasks")) == {two["id"]}
    refused(patch(client, team.editor, two, title="x"), 403)
    refused(patch(client, team.editor, one, project_id=second.project["id"]), 403)
    refused(patch(client, team.owner, one, project_id=second.project["id"]), 400, "project_id")
