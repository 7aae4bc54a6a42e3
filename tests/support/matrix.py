"""Who may call what: one row for each operation, read off the contract and not off the code."""

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from taskapi.database import Query
from tests.support.client import ApiClient, Cast, Person
from tests.support.forging import resigned

# Tokens that open nothing, and what is said about them.
REFUSED = {
    "nobody": "UNAUTHORIZED",
    "disabled user": "TOKEN_REVOKED",
    "disabled user's personal token": "TOKEN_REVOKED",
    "expired": "TOKEN_EXPIRED",
    "expired personal token": "TOKEN_EXPIRED",
    "revoked": "TOKEN_REVOKED",
    "forged": "INVALID_TOKEN",
    "refresh token": "INVALID_TOKEN",
    "deleted personal token": "INVALID_TOKEN",
}
# The others, in the order of the columns below. The owner's personal tokens read and write; the
# admin's write, and have an admin's powers.
COLUMNS = ("owner", "other", "admin", "reads", "writes", "admin writes", "admin's all")

PASSWORD = "Violet-River-77"
ANYONE = "anyone"


@dataclass
class Scene:
    """An owner with something of each kind, and all who may try to reach it."""

    app: Flask
    client: ApiClient
    root: ApiClient
    cast: Cast
    admin: Person
    other: Person
    number: int
    owner: Person = field(init=False)
    values: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.owner = self.cast.user(f"owner-{self.number}", password=PASSWORD)
        task = self.client.post("/tasks", json={"title": "Owned"}, as_=self.owner)
        token = self._token("read")
        self.values = {
            "user_id": self.owner.id,
            "task_id": task.get_json()["id"],
            "token_id": token["id"],
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
        self.cast.sign_in(self.owner.username, PASSWORD)
        sessions = self.client.get("/auth/sessions", as_=self.owner).get_json()["items"]
        number: int = next(each["id"] for each in sessions if not each["current"])
        return number

    def _token(self, scope: str, of: Person | None = None, **more: Any) -> dict[str, Any]:
        body = {"name": f"{scope} {self.number}", "scope": scope, **more}
        answer = self.client.post("/auth/tokens", json=body, as_=of or self.owner)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.get_json()
        return made

    def trash(self) -> None:
        """Put the task into the trash, from where it can be restored."""
        path = f"/tasks/{self.values['task_id']}"
        assert self.client.delete(path, as_=self.owner).status_code == 204

    def reset_token(self) -> str:
        answer = self.client.post(f"/users/{self.owner.id}/reset-token", as_=self.admin)
        token: str = answer.get_json()["token"]
        return token

    def person(self, caller: str) -> Person:
        """Whose token a caller holds."""
        people = {"other": self.other, "admin": self.admin}
        return people.get(caller, self.admin if caller.startswith("admin") else self.owner)

    def token(self, caller: str) -> str | None:
        """The token that a caller of this name sends."""
        made = {
            "reads": ("read", None),
            "writes": ("write", None),
            "admin writes": ("write", self.admin),
            "admin's all": ("admin", self.admin),
        }
        if caller in made:
            scope, whose = made[caller]
            secret: str = self._token(scope, whose)["token"]
            return secret
        return self.person(caller).token

    def refused_tokens(self) -> dict[str, str | None]:
        """All of REFUSED, made at the cost of a few accounts."""
        secret = self.app.extensions["settings"].secret_keys[0]
        disabled, revoked, late, deleted = (
            self.cast.user(f"{name}-{self.number}", password=PASSWORD)
            for name in ("disabled", "revoked", "late", "deleted")
        )
        kept = self._token("write", disabled)["token"]
        off = self.client.patch(f"/users/{disabled.id}", json={"is_active": False}, as_=self.admin)
        assert off.status_code == 200
        assert self.client.post("/auth/logout", as_=revoked).status_code == 204
        gone = self._token("write", deleted)
        assert self.client.delete(f"/auth/tokens/{gone['id']}", as_=deleted).status_code == 204
        return {
            "nobody": None,
            "disabled user": disabled.token,
            "disabled user's personal token": kept,
            "expired": resigned(late.token, secret, iat=1, nbf=1, exp=2),
            "expired personal token": self._expired_token(late),
            "revoked": revoked.token,
            "forged": resigned(late.token, "not-the-secret-but-long-enough-for-HS256"),
            "refresh token": late.refresh_token,
            "deleted personal token": gone["token"],
        }

    def _expired_token(self, person: Person) -> str:
        made = self._token("write", person, expires_at="2999-01-01T00:00:00Z")
        past = Query(text("UPDATE personal_tokens SET expires_at = :past WHERE id = :id"))
        with self.app.app_context():
            assert past.run(id=made["id"], past="2001-01-01T00:00:00.000000Z") == 1
        secret: str = made["token"]
        return secret


@dataclass(frozen=True)
class Row:
    method: str
    rule: str
    statuses: str  # of COLUMNS, or "anyone" and the one status for all

    @property
    def is_open(self) -> bool:
        return self.statuses.startswith(ANYONE)

    def expected(self) -> dict[str, int]:
        if self.is_open:
            return dict.fromkeys(COLUMNS, int(self.statuses.split()[1]))
        return dict(zip(COLUMNS, map(int, self.statuses.split()), strict=True))

    def call(self, scene: Scene, caller: str, token: str | None) -> TestResponse:
        path = self.rule
        for name, value in scene.values.items():
            for converter in ("id", "user"):
                path = path.replace(f"<{converter}:{name}>", str(value))
        options = BODIES.get((self.method, self.rule), lambda *_: {})(scene, caller)
        answer = scene.root.open(path, method=self.method, as_=token, **options)
        answer.get_data()  # to the end, where it is streamed
        return answer


def _json(**body: Any) -> dict[str, Any]:
    return {"json": body}


def _me(scene: Scene, caller: str) -> dict[str, Any]:
    return _json(current_password=scene.person(caller).password)


def _restored(scene: Scene, _: str) -> dict[str, Any]:
    scene.trash()
    return {}


A = "/api/v1/auth"
U = "/api/v1/users"
T = "/api/v1/tasks"
NESTED = f"{U}/<user:user_id>/tasks"
W = "/api/v1/webhooks"

BODIES: dict[tuple[str, str], Any] = {
    ("POST", f"{A}/register"): lambda scene, caller: _json(
        username=f"new-{scene.number}", password=PASSWORD
    ),
    ("POST", f"{A}/login"): lambda scene, _: _json(
        username=scene.owner.username, password=PASSWORD
    ),
    ("POST", f"{A}/refresh"): lambda scene, _: _json(refresh_token=scene.owner.refresh_token),
    ("POST", f"{A}/password"): lambda scene, caller: _json(
        current_password=scene.person(caller).password,
        new_password=scene.person(caller).password,
    ),
    ("POST", f"{A}/password/reset"): lambda scene, _: _json(
        token=scene.reset_token(), new_password="Other-River-78"
    ),
    ("POST", f"{A}/tokens"): lambda *_: _json(name="Made here", scope="read"),
    ("PATCH", f"{U}/me"): _me,
    ("DELETE", f"{U}/me"): _me,
    ("POST", U): lambda scene, _: _json(username=f"made-{scene.number}", password=PASSWORD),
    ("PATCH", f"{U}/<id:user_id>"): lambda *_: _json(is_active=False),
    ("POST", T): lambda *_: _json(title="New"),
    ("POST", NESTED): lambda *_: _json(title="New"),
    ("PUT", f"{T}/<id:task_id>"): lambda *_: _json(title="Put"),
    ("PUT", f"{NESTED}/<id:task_id>"): lambda *_: _json(title="Put"),
    ("PATCH", f"{T}/<id:task_id>"): lambda *_: _json(title="Patched"),
    ("PATCH", f"{NESTED}/<id:task_id>"): lambda *_: _json(title="Patched"),
    ("POST", f"{T}/<id:task_id>/restore"): _restored,
    ("POST", f"{T}/bulk"): lambda *_: _json(operations=[{"op": "create", "data": {"title": "B"}}]),
    ("POST", f"{T}/import"): lambda *_: {"json": [{"title": "Imported"}]},
    ("POST", W): lambda *_: _json(url="https://example.org/hook"),
    ("PATCH", f"{W}/<id:webhook_id>"): lambda *_: _json(events=["task.created"]),
}

ROWS = [
    #                                      owner other admin reads writes admin's: writes all
    Row("POST", f"{A}/register", "anyone 201"),
    Row("POST", f"{A}/login", "anyone 200"),
    Row("POST", f"{A}/refresh", "anyone 200"),
    Row("POST", f"{A}/logout", "204 204 204 403 403 403 403"),
    Row("POST", f"{A}/logout-all", "204 204 204 403 403 403 403"),
    Row("GET", f"{A}/sessions", "200 200 200 403 403 403 403"),
    Row("DELETE", f"{A}/sessions/<id:session_id>", "204 404 404 403 403 403 403"),
    Row("POST", f"{A}/password", "204 204 204 403 403 403 403"),
    Row("POST", f"{A}/password/reset", "anyone 204"),
    Row("GET", f"{A}/tokens", "200 200 200 403 403 403 403"),
    Row("POST", f"{A}/tokens", "201 201 201 403 403 403 403"),
    Row("DELETE", f"{A}/tokens/<id:token_id>", "204 404 404 403 403 403 403"),
    Row("GET", f"{U}/me", "200 200 200 200 200 200 200"),
    Row("PATCH", f"{U}/me", "200 200 200 403 200 200 200"),
    Row("DELETE", f"{U}/me", "204 204 204 403 204 204 204"),
    Row("GET", U, "403 403 200 403 403 403 200"),
    Row("POST", U, "403 403 201 403 403 403 403"),
    Row("GET", f"{U}/<user:user_id>", "200 403 200 200 200 403 200"),
    Row("PATCH", f"{U}/<id:user_id>", "403 403 200 403 403 403 200"),
    Row("DELETE", f"{U}/<id:user_id>", "403 403 204 403 403 403 204"),
    Row("POST", f"{U}/<id:user_id>/reset-token", "403 403 201 403 403 403 403"),
    Row("GET", NESTED, "200 403 200 200 200 403 200"),
    Row("POST", NESTED, "201 403 201 403 201 403 201"),
    Row("GET", f"{NESTED}/<id:task_id>", "200 403 200 200 200 403 200"),
    Row("PUT", f"{NESTED}/<id:task_id>", "200 403 200 403 200 403 200"),
    Row("PATCH", f"{NESTED}/<id:task_id>", "200 403 200 403 200 403 200"),
    Row("DELETE", f"{NESTED}/<id:task_id>", "204 403 204 403 204 403 204"),
    Row("GET", T, "200 200 200 200 200 200 200"),
    Row("GET", f"{T}/admin/all", "403 403 200 403 403 403 200"),
    Row("POST", T, "201 201 201 403 201 201 201"),
    Row("GET", f"{T}/<id:task_id>", "200 404 200 200 200 404 200"),
    Row("PUT", f"{T}/<id:task_id>", "200 404 200 403 200 404 200"),
    Row("PATCH", f"{T}/<id:task_id>", "200 404 200 403 200 404 200"),
    Row("DELETE", f"{T}/<id:task_id>", "204 404 204 403 204 404 204"),
    Row("POST", f"{T}/<id:task_id>/restore", "200 404 200 403 200 404 200"),
    Row("GET", f"{T}/stats", "200 200 200 200 200 200 200"),
    Row("POST", f"{T}/bulk", "200 200 200 403 200 200 200"),
    Row("GET", f"{T}/export", "200 200 200 200 200 200 200"),
    Row("POST", f"{T}/import", "200 200 200 403 200 200 200"),
    Row("GET", f"{T}/<id:task_id>/activity", "200 404 200 200 200 404 200"),
    Row("GET", "/api/v1/jobs", "200 200 200 200 200 200 200"),
    Row("GET", "/api/v1/jobs/<id:job_id>", "200 404 404 200 200 404 404"),
    Row("GET", W, "200 200 200 200 200 200 200"),
    Row("POST", W, "201 201 201 403 201 201 201"),
    Row("GET", f"{W}/<id:webhook_id>", "200 404 404 200 200 404 404"),
    Row("PATCH", f"{W}/<id:webhook_id>", "200 404 404 403 200 404 404"),
    Row("DELETE", f"{W}/<id:webhook_id>", "204 404 404 403 204 404 404"),
    Row("POST", f"{W}/<id:webhook_id>/rotate-secret", "200 404 404 403 200 404 404"),
    Row("POST", f"{W}/<id:webhook_id>/test", "202 404 404 403 202 404 404"),
    Row("GET", f"{W}/<id:webhook_id>/deliveries", "200 404 404 200 200 404 404"),
    Row(
        "POST",
        f"{W}/<id:webhook_id>/deliveries/<id:delivery_id>/redeliver",
        "202 404 404 403 202 404 404",
    ),
    Row("POST", f"{U}/me/calendar", "201 201 201 403 201 201 201"),
    Row("DELETE", f"{U}/me/calendar", "204 404 404 403 204 404 404"),
    Row("GET", "/api/v1/audit", "403 403 200 403 403 403 200"),
    Row("GET", "/calendar/<string:token>.ics", "anyone 404"),  # none of this token
    Row("GET", "/", "anyone 200"),
    Row("GET", "/assets/<name>", "anyone 404"),  # none of this name
    Row("GET", "/docs", "anyone 200"),
    Row("GET", "/redoc", "anyone 200"),
    Row("GET", "/openapi.json", "anyone 200"),
    Row("GET", "/health", "anyone 200"),
    Row("GET", "/health/detailed", "anyone 200"),
    Row("GET", "/metrics", "anyone 404"),  # there only with METRICS_TOKEN, which alone opens it
]
