"""Who may call what: one row for each operation, read off the contract and not off the code."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
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
# Tokens that open nothing, and the code of the error.
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

# The statuses are in the order of CALLERS. A word after `#` tells apart several rows of one
# operation. Paths without a base in front of them are below the API's.
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
GET    /tasks#user_id                    403 403 200 403 403 403 403 200
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
GET    /tasks/export#user_id             403 403 200 403 403 403 403 200
POST   /tasks/import                     200 200 200 403 200 403 200 200
GET    /tasks/{task_id}/activity         200 404 200 200 200 404 404 200
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
GET    //assets/{name}                   anyone 404
GET    //docs                            anyone 200
GET    //redoc                           anyone 200
GET    //openapi.json                    anyone 200
GET    //health                          anyone 200
GET    //health/detailed                 anyone 200
GET    //metrics                         anyone 404
"""

PASSWORD = "Violet-River-77"


@dataclass
class Scene:
    """An owner with something of each kind, and all who may try to reach it."""

    client: ApiClient
    root: ApiClient
    cast: Cast
    number: int
    owner: Person = field(init=False)
    other: Person = field(init=False)
    admin: Person = field(init=False)
    values: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.owner = self.cast.user(f"owner-{self.number}", password=PASSWORD)
        self.other = self.cast.user(f"other-{self.number}")
        self.admin = self.cast.admin(f"admin-{self.number}")
        self.values = {
            "user_id": self.owner.id,
            "task_id": self._made("/tasks", {"title": "Owned"}),
            "token_id": self._token("read", self.owner)["id"],
            "session_id": self._session_id(),
            "job_id": self._made("/tasks/import", [{"title": "Imported"}] * 101),
            "webhook_id": (webhook := self._made("/webhooks", {"url": "https://example.org/"})),
            "delivery_id": self._made(f"/webhooks/{webhook}/test"),
        }
        self.client.post("/users/me/calendar", as_=self.owner)

    def _made(self, path: str, body: Any = None) -> int:
        """The id of something that the owner makes."""
        number: int = self.client.post(path, json=body, as_=self.owner).get_json()["id"]
        return number

    def _session_id(self) -> int:
        """Another session of the owner's."""
        self.cast.sign_in(self.owner.username, PASSWORD)
        sessions = self.client.get("/auth/sessions", as_=self.owner).get_json()["items"]
        number: int = next(each["id"] for each in sessions if not each["current"])
        return number

    def _token(self, scope: str, of: Person, **more: Any) -> dict[str, Any]:
        body = {"name": scope, "scope": scope, **more}
        answer = self.client.post("/auth/tokens", json=body, as_=of)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.get_json()
        return made

    def person(self, caller: str) -> Person:
        """Whose token a caller holds."""
        person: Person = getattr(self, caller.split("'")[0])
        return person

    def token(self, caller: str) -> str:
        """The token that a caller of this name sends."""
        _, _, scope = caller.partition("'s ")
        person = self.person(caller)
        return self._token(scope, person)["token"] if scope else person.token

    def refused_tokens(self, rows: Rows) -> dict[str, str | None]:
        """All of REFUSED."""
        disabled, logged_out, late, other = (
            self.cast.user(name, password=PASSWORD)
            for name in ("disabled", "logged-out", "late", "deleted")
        )
        kept = self._token("write", disabled)["token"]
        off = self.client.patch(f"/users/{disabled.id}", json={"is_active": False}, as_=self.admin)
        assert off.status_code == 200
        assert self.client.post("/auth/logout", as_=logged_out).status_code == 204
        deleted = self._token("write", other)
        assert self.client.delete(f"/auth/tokens/{deleted['id']}", as_=other).status_code == 204
        expired = self._token("write", late, expires_at="2999-01-01T00:00:00Z")
        past = "UPDATE personal_tokens SET expires_at = :past WHERE id = :id"
        assert rows.run(past, past="2001-01-01T00:00:00.000000Z", id=expired["id"]) == 1
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
        """What a call that is refused leaves as it was."""
        task = f"/tasks/{self.values['task_id']}"
        return [self.client.get(path, as_=self.owner).json for path in ("/users/me", task)]


@dataclass(frozen=True)
class Row:
    name: str
    statuses: str

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def path(self) -> str:
        """As in the OpenAPI document."""
        path = self.name.split()[1].split("#")[0]
        return path[1:] if path.startswith("//") else BASE + path

    @property
    def is_open(self) -> bool:
        return self.statuses.startswith("anyone")

    @property
    def uses_up(self) -> bool:
        """Whether it needs a scene of its own, because a success takes something away."""
        words = ("logout", "/auth/password", "#password", "restore", "#role", "bulk#delete")
        return self.method == "DELETE" or any(word in self.name for word in words)

    def expected(self, caller: str) -> int:
        if self.is_open:
            return int(self.statuses.split()[1])
        return dict(zip(CALLERS, map(int, self.statuses.split()), strict=True))[caller]

    def call(self, scene: Scene, caller: str, token: str | None) -> TestResponse:
        path = self.path
        for name, value in scene.values.items():
            path = path.replace(f"{{{name}}}", str(value))
        options = OPTIONS[self.name](scene, caller) if self.name in OPTIONS else {}
        answer = scene.root.open(path, method=self.method, as_=token, **options)
        answer.get_data()  # to the end, where it is streamed
        return answer


ROWS = [
    Row(" ".join(found.group(1, 2)), found[3])
    for found in re.finditer(r"^(\S+) +(\S+) +(.+)$", TABLE, re.MULTILINE)
]


def _json(**body: Any) -> Callable[..., dict[str, Any]]:
    return lambda *_: {"json": body}


def _with_password(scene: Scene, caller: str) -> dict[str, Any]:
    return {"json": {"current_password": scene.person(caller).password}}


def _in_trash(scene: Scene, _: str) -> dict[str, Any]:
    path = f"/tasks/{scene.values['task_id']}"
    assert scene.client.delete(path, as_=scene.owner).status_code == 204
    return {}


def _reset(scene: Scene, _: str) -> dict[str, Any]:
    made = scene.client.post(f"/users/{scene.owner.id}/reset-token", as_=scene.admin)
    token = made.get_json()["token"]
    return {"json": {"token": token, "new_password": PASSWORD}}


def _bulk(op: str, **more: Any) -> Callable[..., dict[str, Any]]:
    def options(scene: Scene, _: str) -> dict[str, Any]:
        return {"json": {"operations": [{"op": op, "id": scene.values["task_id"], **more}]}}

    return options


def _new_name(scene: Scene, caller: str) -> dict[str, Any]:
    name = f"new-{scene.number}-{re.sub('[^a-z]', '-', caller)}"
    return {"json": {"username": name, "password": PASSWORD}}


# What an operation is called with, where that is more than its path.
OPTIONS: dict[str, Callable[[Scene, str], dict[str, Any]]] = {
    "POST /auth/register": _new_name,
    "POST /auth/login": lambda scene, _: {
        "json": {"username": scene.owner.username, "password": PASSWORD}
    },
    "POST /auth/refresh": lambda scene, _: {
        "json": {"refresh_token": scene.cast.sign_in(scene.owner.username, PASSWORD).refresh_token}
    },
    "POST /auth/password": lambda scene, caller: {
        "json": {"current_password": scene.person(caller).password, "new_password": PASSWORD}
    },
    "POST /auth/password/reset": _reset,
    "POST /auth/tokens": _json(name="Made here", scope="read"),
    "PATCH /users/me": _with_password,
    "DELETE /users/me": _with_password,
    "POST /users": _new_name,
    "PATCH /users/{user_id}": _json(is_active=True),
    "PATCH /users/{user_id}#role": _json(role="admin"),
    "PATCH /users/{user_id}#password": _json(password=PASSWORD),
    "POST /users/{user_id}/tasks": _json(title="New"),
    "PUT /users/{user_id}/tasks/{task_id}": _json(title="Put"),
    "PATCH /users/{user_id}/tasks/{task_id}": _json(title="Patched"),
    "GET /tasks#user_id": lambda scene, _: {"query_string": {"user_id": scene.owner.id}},
    "GET /tasks/export#user_id": lambda scene, _: {"query_string": {"user_id": scene.owner.id}},
    "POST /tasks": _json(title="New"),
    "POST /tasks#user_id": lambda scene, _: {"json": {"title": "New", "user_id": scene.owner.id}},
    "PUT /tasks/{task_id}": _json(title="Put"),
    "PATCH /tasks/{task_id}": _json(title="Patched"),
    "POST /tasks/{task_id}/restore": _in_trash,
    "POST /tasks/bulk#create": _json(operations=[{"op": "create", "data": {"title": "New"}}]),
    "POST /tasks/bulk#user_id": lambda scene, _: {
        "json": {
            "operations": [{"op": "create", "data": {"title": "New", "user_id": scene.owner.id}}]
        }
    },
    "POST /tasks/bulk#update": _bulk("update", data={"title": "Changed"}),
    "POST /tasks/bulk#delete": _bulk("delete"),
    "POST /tasks/import": lambda *_: {"json": [{"title": "Imported"}]},
    "POST /webhooks": _json(url="https://example.org/hook"),
    "PATCH /webhooks/{webhook_id}": _json(events=["task.created"]),
}
