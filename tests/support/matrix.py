"""The authorization matrix: one row for each operation, taken from the contract."""

import json
import re
from dataclasses import dataclass
from string import Template
from typing import Any

from werkzeug.test import TestResponse

from tests.support.client import BASE, ApiClient, Cast, Person
from tests.support.forging import KEY, resigned
from tests.support.rows import Rows

# Sessions of the owner, of another user and of an admin, then personal tokens of each scope.
CALLERS = (
    *("owner", "other", "admin"),
    *("owner's read", "owner's write", "admin's read", "admin's write", "admin's admin"),
)
# Rejected tokens, and the code of the error.
REFUSED = {
    "none": "UNAUTHORIZED",
    "disabled user": "TOKEN_REVOKED",
    "disabled user's personal token": "TOKEN_REVOKED",
    "expired": "TOKEN_EXPIRED",
    "expired personal token": "TOKEN_EXPIRED",
    "logged out": "TOKEN_REVOKED",
    "forged": "INVALID_TOKEN",
    "refresh token": "INVALID_TOKEN",
    "deleted personal token": "INVALID_TOKEN",
}

# The statuses are in the order of CALLERS. A word after `#` distinguishes rows of one operation.
# Paths are below /api/v1, except those that begin with `//`.
TABLE = """
POST   /auth/register                    anyone 201
POST   /auth/login                       anyone 200
POST   /auth/refresh                     anyone 200
POST   /auth/password/reset              anyone 204
POST   /auth/logout                      204 204 204 403 403 403 403 403
POST   /auth/logout-all                  204 204 204 403 403 403 403 403
GET    /auth/sessions                    200 200 200 403 403 403 403 403
DELETE /auth/sessions/{session_id}       204 404 404 403 403 403 403 403
POST   /auth/password                    204 204 204 403 403 403 403 403
GET    /auth/tokens                      200 200 200 403 403 403 403 403
POST   /auth/tokens                      201 201 201 403 403 403 403 403
DELETE /auth/tokens/{token_id}           204 404 404 403 403 403 403 403
GET    /users/me                         200 200 200 200 200 200 200 200
PATCH  /users/me                         200 200 200 403 200 403 200 200
DELETE /users/me                         204 204 204 403 204 403 204 204
GET    /users                            403 403 200 403 403 403 403 200
POST   /users                            403 403 201 403 403 403 403 403
GET    /users/{user_id}                  200 403 200 200 200 403 403 200
PATCH  /users/{user_id}                  403 403 200 403 403 403 403 200
PATCH  /users/{user_id}#role             403 403 200 403 403 403 403 403
PATCH  /users/{user_id}#password         403 403 200 403 403 403 403 403
DELETE /users/{user_id}                  403 403 204 403 403 403 403 204
POST   /users/{user_id}/reset-token      403 403 201 403 403 403 403 403
GET    /users/{user_id}/tasks            200 403 200 200 200 403 403 200
POST   /users/{user_id}/tasks            201 403 201 403 201 403 403 201
GET    /users/{user_id}/tasks/{task_id}  200 403 200 200 200 403 403 200
PUT    /users/{user_id}/tasks/{task_id}  200 403 200 403 200 403 403 200
PATCH  /users/{user_id}/tasks/{task_id}  200 403 200 403 200 403 403 200
DELETE /users/{user_id}/tasks/{task_id}  204 403 204 403 204 403 403 204
GET    /tasks                            200 200 200 200 200 200 200 200
GET    /tasks?user_id                    403 403 200 403 403 403 403 200
GET    /tasks/admin/all                  403 403 200 403 403 403 403 200
POST   /tasks                            201 201 201 403 201 403 201 201
POST   /tasks#user_id                    403 403 201 403 403 403 403 201
GET    /tasks/{task_id}                  200 404 200 200 200 404 404 200
PUT    /tasks/{task_id}                  200 404 200 403 200 403 404 200
PATCH  /tasks/{task_id}                  200 404 200 403 200 403 404 200
DELETE /tasks/{task_id}                  204 404 204 403 204 403 404 204
POST   /tasks/{task_id}/restore          200 404 200 403 200 403 404 200
POST   /tasks/{task_id}/restore#live     409 404 409 403 409 403 404 409
POST   /tasks/bulk#create                200 200 200 403 200 403 200 200
POST   /tasks/bulk#user_id               403 403 200 403 403 403 403 200
POST   /tasks/bulk#update                200 404 200 403 200 403 404 200
POST   /tasks/bulk#delete                200 404 200 403 200 403 404 200
GET    /tasks/stats                      200 200 200 200 200 200 200 200
GET    /tasks/export                     200 200 200 200 200 200 200 200
GET    /tasks/export?user_id             403 403 200 403 403 403 403 200
POST   /tasks/import                     200 200 200 403 200 403 200 200
GET    /tasks/{task_id}/activity         200 404 200 200 200 404 404 200
GET    /tasks/{task_id}/comments         200 404 200 200 200 404 404 200
POST   /tasks/{task_id}/comments         201 404 201 403 201 403 404 201
PATCH  /tasks/{task_id}/comments/{comment_id}   200 404 403 403 200 403 404 403
DELETE /tasks/{task_id}/comments/{comment_id}   204 404 204 403 204 403 404 204
GET    /projects                         200 200 200 200 200 200 200 200
POST   /projects                         201 201 201 403 201 403 201 201
GET    /projects/{project_id}            200 404 200 200 200 404 404 200
PATCH  /projects/{project_id}            200 404 200 403 200 403 404 200
DELETE /projects/{project_id}            204 404 204 403 204 403 404 204
GET    /projects/{project_id}/tasks      200 404 200 200 200 404 404 200
POST   /projects/{project_id}/tasks      201 404 201 403 201 403 404 201
GET    /projects/{project_id}/members    200 404 200 200 200 404 404 200
POST   /projects/{project_id}/members    201 404 201 403 201 403 404 201
PATCH  /projects/{project_id}/members/{member_id}    200 404 200 403 200 403 404 200
DELETE /projects/{project_id}/members/{member_id}    409 404 409 403 409 403 404 409
GET    /jobs                             200 200 200 200 200 200 200 200
GET    /jobs/{job_id}                    200 404 404 200 200 404 404 404
GET    /webhooks                         200 200 200 200 200 200 200 200
POST   /webhooks                         201 201 201 403 201 403 201 201
GET    /webhooks/{webhook_id}            200 404 404 200 200 404 404 404
PATCH  /webhooks/{webhook_id}            200 404 404 403 200 403 404 404
DELETE /webhooks/{webhook_id}            204 404 404 403 204 403 404 404
POST   /webhooks/{webhook_id}/rotate-secret  200 404 404 403 200 403 404 404
POST   /webhooks/{webhook_id}/test           202 404 404 403 202 403 404 404
GET    /webhooks/{webhook_id}/deliveries     200 404 404 200 200 404 404 404
POST   /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver  202 404 404 403 202 403 404 404
DELETE /users/me/calendar                204 404 404 403 204 403 404 404
POST   /users/me/calendar                201 201 201 403 201 403 201 201
GET    /audit                            403 403 200 403 403 403 403 200
GET    //calendar/{token}.ics            anyone 404
GET    //                                anyone 200
GET    //docs                            anyone 200
GET    //redoc                           anyone 200
GET    //openapi.json                    anyone 200
GET    //health                          anyone 200
GET    //health/detailed                 anyone 200
GET    //metrics                         anyone 404
"""

PASSWORD = "Violet-River-77"
# The request bodies; `$password` is the password of the caller.
BODY_TABLE = """
POST   /auth/register              {"username": "$new", "password": "$PASSWORD"}
POST   /auth/login                 {"username": "$owner", "password": "$PASSWORD"}
POST   /auth/refresh               {"refresh_token": "$refresh"}
POST   /auth/password/reset        {"token": "$reset", "new_password": "$PASSWORD"}
POST   /auth/password              {"current_password": "$password", "new_password": "$PASSWORD"}
POST   /auth/tokens                {"name": "Made here", "scope": "read"}
PATCH  /users/me                   {"current_password": "$password"}
DELETE /users/me                   {"current_password": "$password"}
POST   /users                      {"username": "$new", "password": "$PASSWORD"}
PATCH  /users/{user_id}            {"is_active": true}
PATCH  /users/{user_id}#role       {"role": "admin"}
PATCH  /users/{user_id}#password   {"password": "$PASSWORD"}
POST   /users/{user_id}/tasks      {"title": "New"}
PUT    /users/{user_id}/tasks/{task_id}    {"title": "Put"}
PATCH  /users/{user_id}/tasks/{task_id}    {"title": "Patched"}
POST   /tasks                      {"title": "New"}
POST   /tasks#user_id              {"title": "New", "user_id": $user_id}
PUT    /tasks/{task_id}            {"title": "Put"}
PATCH  /tasks/{task_id}            {"title": "Patched"}
POST   /tasks/bulk#create          {"operations": [{"op": "create", "data": {"title": "New"}}]}
POST   /tasks/bulk#user_id         {"operations": [{"op": "create", "data": {"title": "N", "user_id": $user_id}}]}
POST   /tasks/bulk#update          {"operations": [{"op": "update", "id": $task_id, "data": {"title": "C"}}]}
POST   /tasks/bulk#delete          {"operations": [{"op": "delete", "id": $task_id}]}
POST   /tasks/import               [{"title": "Imported"}]
POST   /tasks/{task_id}/comments   {"text": "New"}
PATCH  /tasks/{task_id}/comments/{comment_id}   {"text": "Changed"}
POST   /projects                   {"name": "New"}
PATCH  /projects/{project_id}      {"name": "Changed"}
POST   /projects/{project_id}/tasks             {"title": "New"}
POST   /projects/{project_id}/members           {"user": "$joining", "role": "viewer"}
PATCH  /projects/{project_id}/members/{member_id}   {"role": "owner"}
POST   /webhooks                   {"url": "https://example.org/hook"}
PATCH  /webhooks/{webhook_id}      {"events": ["task.created"]}
"""  # noqa: E501


class Scene:
    """An owner with one resource of each kind, and the callers."""

    def __init__(self, client: ApiClient, root: ApiClient, cast: Cast, number: int):
        self.client, self.root, self.cast, self.number = client, root, cast, number
        self.owner = cast.user(f"owner-{number}", password=PASSWORD)
        self.people = {
            "owner": self.owner,
            "other": cast.user(f"other-{number}"),
            "admin": cast.admin(f"admin-{number}"),
        }
        cast.sign_in(self.owner.username, PASSWORD)
        sessions = client.get("/auth/sessions", as_=self.owner).get_json()["items"]
        task = self._made("/tasks", title="Owned")["id"]
        webhook = self._made("/webhooks", url="https://example.org/")["id"]
        self.values = {
            "user_id": self.owner.id,
            "task_id": task,
            "comment_id": self._made(f"/tasks/{task}/comments", text="Owned")["id"],
            "project_id": self._made("/projects", name="Owned")["id"],
            "member_id": self.owner.id,
            "joining": cast.user(f"joining-{number}").username,
            "token_id": self._token("read", self.owner)["id"],
            "session_id": next(each["id"] for each in sessions if not each["current"]),
            "job_id": self._made("/tasks/import", [{"title": "Imported"}] * 101)["id"],
            "webhook_id": webhook,
            "delivery_id": self._made(f"/webhooks/{webhook}/test")["id"],
        }
        self._made("/users/me/calendar")

    def _made(self, path: str, body: Any = None, *, by: Person | None = None, **fields: Any) -> Any:
        answer = self.client.post(path, json=body or fields or None, as_=by or self.owner)
        assert answer.status_code in (201, 202), answer.text
        return answer.get_json()

    def _token(self, scope: str, of: Person, **more: Any) -> Any:
        return self._made("/auth/tokens", by=of, name=scope, scope=scope, **more)

    def token(self, caller: str) -> str:
        """Return the token of a caller."""
        person, _, scope = caller.partition("'s ")
        whose = self.people[person]
        token: str = self._token(scope, whose)["token"] if scope else whose.token
        return token

    def refused_tokens(self, rows: Rows) -> dict[str, str | None]:
        """Return a token for each entry of REFUSED."""
        disabled, logged_out, late, other = (
            self.cast.user(name) for name in ("disabled", "logged-out", "late", "deleted")
        )
        kept = self._token("write", disabled)["token"]
        deleted = self._token("write", other)
        expired = self._token("write", late, expires_at="2999-01-01T00:00:00Z")
        off, admin = {"is_active": False}, self.people["admin"]
        self.client.patch(f"/users/{disabled.id}", json=off, as_=admin)
        self.client.post("/auth/logout", as_=logged_out)
        self.client.delete(f"/auth/tokens/{deleted['id']}", as_=other)
        past = "UPDATE personal_tokens SET expires_at = :past WHERE id = :id"
        rows.run(past, past="2001-01-01T00:00:00.000000Z", id=expired["id"])
        return {
            "none": None,
            "disabled user": disabled.token,
            "disabled user's personal token": kept,
            "expired": resigned(late.token, KEY, iat=1, nbf=1, exp=2),
            "expired personal token": expired["token"],
            "logged out": logged_out.token,
            "forged": resigned(late.token, "not-the-secret-but-long-enough-for-HS256"),
            "refresh token": late.refresh_token,
            "deleted personal token": deleted["token"],
        }

    def state(self) -> Any:
        """Return what a rejected request must not change."""
        task = f"/tasks/{self.values['task_id']}"
        return [self.client.get(path, as_=self.owner).json for path in ("/users/me", task)]

    def body(self, template: str, caller: str) -> Any:
        """Return the JSON of a body in BODIES."""
        values: dict[str, Any] = {"PASSWORD": PASSWORD, **self.values}
        values["new"] = f"new-{self.number}-{re.sub('[^a-z]', '-', caller)}"
        values["owner"] = self.owner.username
        values["password"] = self.people.get(caller.split("'")[0], self.owner).password
        if "$refresh" in template:
            values["refresh"] = self.cast.sign_in(self.owner.username, PASSWORD).refresh_token
        if "$reset" in template:
            path = f"/users/{self.owner.id}/reset-token"
            values["reset"] = self._made(path, by=self.people["admin"])["token"]
        return json.loads(Template(template).substitute(values))


@dataclass(frozen=True)
class Row:
    name: str
    statuses: str

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def path(self) -> str:
        """The path in the OpenAPI document."""
        path = self.name.split()[1].split("#")[0].split("?")[0]
        return path[1:] if path.startswith("//") else BASE + path

    @property
    def is_open(self) -> bool:
        return self.statuses.startswith("anyone")

    @property
    def uses_up(self) -> bool:
        """Whether a success removes something that other rows need."""
        words = ("DELETE", "logout", "/auth/password", "#password", "restore", "#role", "#delete")
        return any(word in self.name for word in words)

    def expected(self, caller: str) -> int:
        if self.is_open:
            return int(self.statuses.split()[1])
        return dict(zip(CALLERS, map(int, self.statuses.split()), strict=True))[caller]

    def call(self, scene: Scene, caller: str, token: str | None) -> TestResponse:
        if self.name == "POST /tasks/{task_id}/restore":
            scene.client.delete(f"/tasks/{scene.values['task_id']}", as_=scene.owner)
        query = {"user_id": scene.owner.id} if "?user_id" in self.name else {}
        body = scene.body(BODIES[self.name], caller) if self.name in BODIES else None
        path = self.path.replace("{name}", "none").replace("{token}", "none")
        answer = scene.root.open(
            path.format(**scene.values),
            method=self.method,
            as_=token,
            json=body,
            query_string=query,
        )
        answer.get_data()  # consume streamed responses
        return answer


ROWS = [
    Row(" ".join(found.group(1, 2)), found[3])
    for found in re.finditer(r"^(\S+) +(\S+) +(.+)$", TABLE, re.MULTILINE)
]
BODIES = {
    " ".join(found.group(1, 2)): found[3]
    for found in re.finditer(r"^(\S+) +(\S+) +(.+)$", BODY_TABLE, re.MULTILINE)
}
