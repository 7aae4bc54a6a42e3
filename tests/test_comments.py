"""Comments."""

import pytest

from tests.support.client import pages
from tests.support.projects import (
    MISSING,
    add,
    comment,
    get,
    items,
    ok,
    patch,
    refused,
    remove,
    set_role,
    task,
)

FIELDS = ["id", "task_id", "user_id", "username", "text", "created_at", "updated_at", "version"]


@pytest.fixture
def one(client, team):
    return task(client, team.owner, team.project)


@pytest.fixture
def path(one):
    return f"/tasks/{one['id']}/comments"


def test_create_change_and_delete(client, team, one, path):
    made = client.post(path, json={"text": " First\nline "}, as_=team.editor)
    said = ok(made, 201)
    assert list(said) == FIELDS
    assert (said["task_id"], said["user_id"]) == (one["id"], team.editor.id)
    assert (said["username"], said["text"].strip()) == ("editor", "First\nline")
    assert (said["version"], said["created_at"]) == (1, said["updated_at"])
    assert items(client, team.viewer, path) == [said]
    assert get(client, team.owner, one)["version"] == one["version"]

    its, tag = f"{path}/{said['id']}", made.headers["ETag"]
    changed = client.patch(
        its, json={"text": "Second"}, as_=team.editor, headers={"If-Match": f"W/{tag}"}
    )
    now = ok(changed)
    assert (now["text"], now["version"], now["created_at"]) == ("Second", 2, said["created_at"])
    assert now["updated_at"] > said["updated_at"]
    stale = client.patch(its, json={"text": "x"}, as_=team.editor, headers={"If-Match": tag})
    refused(stale, 412)
    assert stale.headers["ETag"] == changed.headers["ETag"] != tag
    refused(client.delete(its, as_=team.editor, headers={"If-Match": tag}), 412)
    same = client.patch(its, json={"text": "Second"}, as_=team.editor)
    assert (ok(same)["version"], same.headers["ETag"]) == (2, changed.headers["ETag"])
    fresh = {"If-Match": same.headers["ETag"]}
    assert client.delete(its, as_=team.editor, headers=fresh).status_code == 204
    assert items(client, team.viewer, path) == []
    refused(client.delete(its, as_=team.editor), 404)
    refused(client.patch(its, json={"text": "x"}, as_=team.editor), 404)


@pytest.mark.sqlite
def test_invalid_bodies(client, alice):
    path = f"/tasks/{task(client, alice)['id']}/comments"
    said = ok(client.post(path, json={"text": "x"}, as_=alice), 201)
    for body, field in (
        ({}, "text"),
        ({"text": None}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n\t "}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"text": 7}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "x", "user_id": alice.id}, "user_id"),
        ({"text": "x", "task_id": 1}, "task_id"),
        ({"text": "x", "colour": 1}, "colour"),
    ):
        refused(client.post(path, json=body, as_=alice), 400, field)
        if body:
            refused(client.patch(f"{path}/{said['id']}", json=body, as_=alice), 400, field)
    for text in ("x" * 5000, "ß" * 5000, "a\tb\nc"):
        assert ok(client.post(path, json={"text": text}, as_=alice), 201)["text"] == text
    for number in (0, -1, "x", 2**63, MISSING):
        for method, body in (("PATCH", {"json": {"text": "x"}}), ("DELETE", {})):
            refused(client.open(f"{path}/{number}", method=method, as_=alice, **body), 404)
    refused(client.get(f"/tasks/{MISSING}/comments", as_=alice), 404)
    refused(client.post(f"/tasks/{MISSING}/comments", json={"text": "x"}, as_=alice), 404)
    refused(client.get(f"{path}?colour=red", as_=alice), 400, "colour")


def test_a_comment_belongs_to_its_task(client, team, path):
    said = comment(client, team.editor, {"id": int(path.split("/")[2])})
    other = task(client, team.editor, team.project)
    wrong = f"/tasks/{other['id']}/comments/{said['id']}"
    refused(client.patch(wrong, json={"text": "x"}, as_=team.editor), 404)
    refused(client.delete(wrong, as_=team.owner), 404)
    assert items(client, team.editor, path) == [said]


def test_pages_are_sorted_oldest_first(client, team, one, path):
    made = [
        comment(client, who, one, f"{n}") for n, who in enumerate([team.owner, team.editor] * 3)
    ]
    ok(client.patch(f"{path}/{made[1]['id']}", json={"text": "changed"}, as_=team.editor))
    whole = ok(client.get(path, as_=team.viewer))
    assert [each["id"] for each in whole["items"]] == [each["id"] for each in made]
    assert (whole["total"], whole["next_cursor"]) == (6, None)
    walked = []
    for page in pages(client, team.viewer, f"{path}?limit=2"):
        walked += page["items"]
        if len(walked) == 2:
            ok(client.delete(f"{path}/{made[0]['id']}", as_=team.owner), 204)
            last = comment(client, team.owner, one, "last")
    assert walked == [*whole["items"], last]
    page = ok(client.get(f"{path}?skip=5&limit=1", as_=team.viewer))
    assert (page["items"], page["total"]) == ([last], 6)
    assert 'rel="prev"' in client.get(f"{path}?skip=5&limit=1", as_=team.viewer).headers["Link"]
    other = task(client, team.owner)
    comment(client, team.owner, other)
    comment(client, team.owner, other)
    cursor = ok(client.get(f"/tasks/{other['id']}/comments?limit=1", as_=team.owner))["next_cursor"]
    found = client.get(f"{path}?cursor={cursor}", as_=team.owner)
    assert found.status_code == 400, "the cursor of another task's comments"


def test_who_can_update_and_delete_comments(client, team, admin, one, path):
    second = add(client, team.owner, team.project, team.other, "editor")
    assert second["role"] == "editor"

    def its(author):
        return f"{path}/{comment(client, author, one)['id']}"

    body = {"json": {"text": "Changed"}}
    for who, author, patched, deleted in (
        (team.editor, team.editor, 200, 204),
        (team.owner, team.editor, 403, 204),
        (team.other, team.editor, 403, 403),
        (team.viewer, team.editor, 403, 403),
        (admin, team.editor, 403, 204),
        (team.editor, team.owner, 403, 403),
        (admin, admin, 200, 204),
    ):
        said = its(author)
        assert client.patch(said, as_=who, **body).status_code == patched, who.username
        assert client.delete(said, as_=who).status_code == deleted, who.username
    said = its(team.editor)
    stale = {"If-Match": '"x"'}
    refused(client.patch(said, as_=team.owner, headers=stale, **body), 403)
    refused(client.patch(said, as_=team.owner, headers=stale, json={"text": ""}), 400, "text")
    ok(set_role(client, team.owner, team.project, team.editor, "viewer"))
    refused(client.patch(said, as_=team.editor, **body), 403)
    refused(client.delete(said, as_=team.editor), 403)
    refused(client.post(path, as_=team.editor, **body), 403)
    ok(remove(client, team.owner, team.project, team.editor), 204)
    refused(client.patch(said, as_=team.editor, **body), 404)
    refused(client.delete(said, as_=team.editor), 404)
    listed = items(client, team.viewer, f"{path}?limit=100")
    assert [e["username"] for e in listed if said.endswith(f"/{e['id']}")] == ["editor"]


def test_comments_follow_their_task(client, team, one, path):
    said = comment(client, team.editor, one)
    own = task(client, team.editor)["project_id"]
    ok(patch(client, team.editor, one, project_id=own))
    refused(client.get(path, as_=team.owner), 404)
    assert items(client, team.editor, path) == [said]
    ok(client.delete(f"/tasks/{one['id']}", as_=team.editor), 204)
    for answer in (
        client.get(path, as_=team.editor),
        client.post(path, json={"text": "x"}, as_=team.editor),
        client.patch(f"{path}/{said['id']}", json={"text": "x"}, as_=team.editor),
        client.delete(f"{path}/{said['id']}", as_=team.editor),
    ):
        refused(answer, 404)
    ok(client.post(f"/tasks/{one['id']}/restore", as_=team.editor))
    assert items(client, team.editor, path) == [said]


def test_comments_of_deleted_users_remain(client, team, admin, one, path):
    said = comment(client, team.editor, one, "What I meant")
    ok(client.delete(f"/users/{team.editor.id}", as_=admin), 204)
    (found,) = items(client, team.viewer, path)
    assert (found["user_id"], found["username"]) == (None, None)
    assert (found["id"], found["text"]) == (said["id"], "What I meant")
    its = f"{path}/{said['id']}"
    for who in (team.owner, admin):
        refused(client.patch(its, json={"text": "x"}, as_=who), 403)
    refused(client.delete(its, as_=team.viewer), 403)
    ok(client.delete(its, as_=team.owner), 204)


def test_activity_shows_comments(client, team, one, path):
    said = comment(client, team.editor, one, "Hidden words")
    ok(client.patch(f"{path}/{said['id']}", json={"text": "Other words"}, as_=team.editor))
    ok(client.delete(f"{path}/{said['id']}", as_=team.owner), 204)
    found = items(client, team.viewer, f"/tasks/{one['id']}/activity")
    actions = [(each["action"], each["actor"]) for each in found]
    assert ("comment.created", team.editor.id) in actions
