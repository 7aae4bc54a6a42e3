"""The permissions in a project: one row for each kind of access."""

import json
import re
from dataclasses import dataclass
from string import Template
from typing import Any

from werkzeug.test import TestResponse

from tests.support.client import ApiClient, Cast, Person
from tests.support.projects import MISSING, comment, ok, project, task, token
from tests.support.rows import Rows

PEOPLE = ("owner", "editor", "viewer", "other", "admin")
CALLERS = (
    *PEOPLE,
    *("owner's read", "owner's write", "viewer's write", "other's write"),
    *("admin's read", "admin's write", "admin's admin"),
)

# The statuses are for sessions of PEOPLE, in this order. $task is in the project and belongs to
# another editor; $own is in the Inbox of the caller. A word after # distinguishes rows.
TABLE = """
GET    /projects/$project                     200 200 200 404 200
PATCH  /projects/$project                     200 403 403 404 200  {"name": "Changed"}
DELETE /projects/$project                     204 403 403 404 204
GET    /projects/$project/members             200 200 200 404 200
POST   /projects/$project/members             201 403 403 404 201  {"user": "$new", "role": "viewer"}
PATCH  /projects/$project/members/$author     200 403 403 404 200  {"role": "viewer"}
DELETE /projects/$project/members/$author     204 403 403 404 204
DELETE /projects/$project/members/$self       409 204 204 404 404
GET    /projects/$project/tasks               200 200 200 404 200
GET    /projects/$project/tasks?deleted=true  200 200 200 404 200
GET    /projects/$project/tasks?cursor=       200 200 200 404 200
POST   /projects/$project/tasks               201 201 403 404 201  {"title": "New"}
GET    /tasks?project_id=$project             200 200 200 400 200
GET    /tasks?project_id=$project&deleted=true  200 200 200 400 200
GET    /tasks/export?project_id=$project      200 200 200 400 200
GET    /tasks/export?project_id=$project&format=csv  200 200 200 400 200
GET    /tasks/stats?project_id=$project       200 200 200 400 200
POST   /tasks                                 201 201 403 400 201  {"title": "New", "project_id": $project}
POST   /users/me/tasks                        201 201 403 400 201  {"title": "New", "project_id": $project}
POST   /tasks/import?project_id=$project      200 200 403 400 200  [{"title": "New"}]
POST   /tasks/import?project_id=$project&dry_run=true  200 200 403 400 200  [{"title": "New"}]
GET    /tasks/$task                           200 200 200 404 200
PUT    /tasks/$task                           200 200 403 404 200  {"title": "Changed"}
PATCH  /tasks/$task                           200 200 403 404 200  {"title": "Changed"}
PATCH  /tasks/$task#nothing                   200 200 403 404 200  {}
PATCH  /tasks/$task#assign                    200 200 403 404 200  {"assignee_id": $author}
PATCH  /tasks/$task#take                      200 200 403 404 200  {"project_id": $inbox}
PATCH  /tasks/$own#give                       200 200 403 400 200  {"project_id": $project}
PUT    /tasks/$own#give                       200 200 403 400 200  {"title": "x", "project_id": $project}
PATCH  /users/me/tasks/$own#give              200 200 403 400 200  {"project_id": $project}
DELETE /tasks/$task                           204 204 403 404 204
POST   /tasks/$task/restore                   409 409 403 404 409
POST   /tasks/$trashed/restore                200 200 403 404 200
GET    /tasks/$trashed                        404 404 404 404 404
GET    /tasks/$task/activity                  200 200 200 404 200
GET    /users/me/tasks/$task                  404 404 404 404 404
PATCH  /users/me/tasks/$task                  404 404 404 404 404  {"title": "Changed"}
DELETE /users/me/tasks/$task                  404 404 404 404 404
GET    /users/$author/tasks                   403 403 403 403 200
GET    /users/$author/tasks/$task             403 403 403 403 200
PATCH  /users/$author/tasks/$task             403 403 403 403 200  {"title": "Changed"}
DELETE /users/$author/tasks/$task             403 403 403 403 204
POST   /users/$author/tasks                   403 403 403 403 201  {"title": "x", "project_id": $project}
PATCH  /tasks/$task#owner                     403 403 403 403 200  {"user_id": $owner}
POST   /tasks/bulk#create                     200 200 403 400 200  {"op": "create", "data": {"title": "x", "project_id": $project}}
POST   /tasks/bulk#update                     200 200 403 404 200  {"op": "update", "id": $task, "data": {"title": "Changed"}}
POST   /tasks/bulk#take                       200 200 403 404 200  {"op": "update", "id": $task, "data": {"project_id": $inbox}}
POST   /tasks/bulk#give                       200 200 403 400 200  {"op": "update", "id": $own, "data": {"project_id": $project}}
POST   /tasks/bulk#delete                     200 200 403 404 200  {"op": "delete", "id": $task}
GET    /tasks/$task/comments                  200 200 200 404 200
POST   /tasks/$task/comments                  201 201 403 404 201  {"text": "New"}
PATCH  /tasks/$task/comments/$comment         403 403 403 404 403  {"text": "Changed"}
DELETE /tasks/$task/comments/$comment         204 403 403 404 204
GET    /projects/$away                        404 404 404 404 200
GET    /projects/$away/members                404 404 404 404 200
GET    /projects/$away/tasks                  404 404 404 404 200
POST   /projects/$away/tasks                  404 404 404 404 201  {"title": "x"}
POST   /projects/$away/members                404 404 404 404 409  {"user": "$new", "role": "viewer"}
DELETE /projects/$away                        404 404 404 404 409
PATCH  /tasks/$task#away                      400 400 403 404 200  {"project_id": $away}
PATCH  /tasks/$own#away                       400 400 400 400 200  {"project_id": $away}
GET    /tasks?project_id=$away                400 400 400 400 200
GET    /tasks/$awaytask                       404 404 404 404 200
PATCH  /tasks/$awaytask                       404 404 404 404 200  {"title": "Changed"}
GET    /tasks/$awaytask/comments              404 404 404 404 200
POST   /tasks/$awaytask/comments              404 404 404 404 201  {"text": "x"}
GET    /tasks/$awaytask/activity              404 404 404 404 200
"""  # noqa: E501


EVENTS = "SELECT max(id) FROM events"
HIDDEN = ("project", "task", "trashed", "comment")


@dataclass(frozen=True)
class Row:
    name: str
    statuses: dict[str, int]
    body: str | None

    def expected(self, caller: str) -> int:
        """Return the status; a token has the role `user` unless its scope is admin."""
        who, _, scope = caller.partition("'s ")
        if scope == "read" and not self.name.startswith("GET"):
            return 403
        if who != "admin" or scope in ("", "admin"):
            return self.statuses[who]
        return self.statuses["other"]

    def call(self, scene: "Scene", caller: str, bearer: str | None, **values: Any) -> TestResponse:
        """Send the request; `values` replace those of the scene."""
        method, path = self.name.split("#")[0].split()
        known = scene.values | scene.of(caller.partition("'s ")[0]) | values
        body: dict[str, Any] = {}
        if self.body is not None:
            said = json.loads(Template(self.body).substitute(known))
            body = {"json": {"operations": [said]} if path.endswith("/bulk") else said}
        path = Template(path).substitute(known)
        answer = scene.client.open(path, method=method, as_=bearer, **body)
        answer.get_data()  # consume streamed responses
        return answer


ROWS = [
    Row(
        " ".join(found.group(1, 2)),
        dict(zip(PEOPLE, map(int, found[3].split()), strict=True)),
        found[4],
    )
    for found in re.finditer(r"^(\S+) +(\S+) +(\d+(?: \d+)*)(?:  (.+))?$", TABLE, re.MULTILINE)
]


class Scene:
    """A project with a task, a deleted task and a comment."""

    def __init__(self, client: ApiClient, people: dict[str, Person], known: dict[str, Any]):
        self.client, self._people = client, people
        author = people["author"]
        roles = {role: [people[role]] for role in ("editor", "viewer")}
        roles["editor"].append(author)
        made = project(client, people["owner"], "Secret project", **roles)
        one, trashed = (task(client, author, made, title="Secret task") for _ in range(2))
        ok(client.delete(f"/tasks/{trashed['id']}", as_=author), 204)
        self.values = known | {
            "project": made["id"],
            "task": one["id"],
            "trashed": trashed["id"],
            "comment": comment(client, author, one, "Secret words")["id"],
        }
        self._own: dict[str, dict[str, Any]] = {}

    def of(self, who: str) -> dict[str, Any]:
        """Return the ids of the caller, of their task and of their Inbox."""
        if who not in self._people:  # without a token
            return {"self": self.values["author"], "own": self.values["task"], "inbox": 1}
        if who not in self._own:
            person = self._people[who]
            own = task(self.client, person)
            self._own[who] = {"self": person.id, "own": own["id"], "inbox": own["project_id"]}
        return self._own[who]


class Scenes:
    """Create scenes with the same users."""

    def __init__(self, client: ApiClient, cast: Cast, rows: Rows):
        self._client, self._rows = client, rows
        names = (*PEOPLE[:-1], "author", "away", "new")
        self._people = {who: cast.user(who) for who in names} | {"admin": cast.admin()}
        away = task(client, self._people["away"], title="Secret task away")
        comment(client, self._people["away"], away, "Secret words away")
        self._known: dict[str, Any] = {
            "author": self._people["author"].id,
            "owner": self._people["owner"].id,
            "new": "new",
            "away": away["project_id"],
            "awaytask": away["id"],
        }

    def token(self, caller: str) -> str:
        person, _, scope = caller.partition("'s ")
        who = self._people[person]
        return token(self._client, who, scope) if scope else who.token

    def new(self) -> Scene:
        return Scene(self._client, self._people, self._known)

    def state(self) -> Any:
        """Return all rows that a rejected request must not change."""
        tables = ("projects", "memberships", "tasks", "comments", "jobs")
        asked = [f"SELECT * FROM {each} ORDER BY 1, 2" for each in tables]
        with self._rows.connection() as connection:
            found = [connection.execute(each).fetchall() for each in (*asked, EVENTS)]
        return [[dict(row) for row in rows] for rows in found]


def without_ids(text: str) -> str:
    """Return an error without ids and numbers."""
    return re.sub(r'"request_id": ?"[^"]*"|\d+', "", text)


def elsewhere(row: Row) -> dict[str, int]:
    """Return missing ids in place of those that the caller must not know."""
    hidden = ("away", "awaytask") if "$away" in f"{row.name} {row.body}" else HIDDEN
    return dict.fromkeys(hidden, MISSING)
