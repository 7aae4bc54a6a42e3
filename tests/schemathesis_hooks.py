"""Hooks for Schemathesis: authentication and a few formats."""

import os
import secrets
import subprocess
import sys
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import available_timezones

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

PASSWORD = "Correct-Horse-7"
# Ids must exist and belong together.
REFERENCES = {"user_id", "project_id", "assignee_id"}
API = os.environ["API_URL"] + "/api/v1"

# All users have this password, so that `current_password` is correct.
schemathesis.openapi.format("password", st.just(PASSWORD))
schemathesis.openapi.format(
    "iana-time-zone", st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))
)
# The first page; other cursors must come from the service.
schemathesis.openapi.format("cursor", st.just(""))
schemathesis.openapi.format("uri", st.just("https://example.org/tasks-happened"))
moments = st.datetimes(datetime(1901, 1, 1), datetime(2998, 12, 31))
schemathesis.openapi.format("date-time", moments.map(lambda moment: f"{moment.isoformat()}Z"))
schemathesis.openapi.media_type("text/csv", st.just(b"title,tags\r\nWrite it,\r\n"))


@schemathesis.hook
def filter_query(ctx: Any, query: Any) -> bool:
    """Skip long request lines, which gunicorn rejects."""
    return len(urlencode(query or {}, doseq=True)) < 7000


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: Any) -> None:
    """Apply rules that JSON Schema cannot express: exclusive parameters and existing ids."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if "cursor" in (case.query or {}):
        case.query.pop("skip", None)
    for name in REFERENCES & {*(case.query or {})}:
        case.query.pop(name)
    if isinstance(case.body, dict | list):
        case.body = _tidy(case.body)


def _tidy(value: Any) -> Any:
    """Leave out references, use existing names, and turn 1.0 into the integer 1."""
    if isinstance(value, dict):
        known = {"user": Admin.name, "password": PASSWORD, "new_password": PASSWORD}
        given = {name: each for name, each in value.items() if name not in REFERENCES}
        return {name: known.get(name, _tidy(each)) for name, each in given.items()}
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.serializer("text/csv")
def as_csv(ctx: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.auth(refresh_interval=None)
class Admin:
    """Log in as an admin, and as a new one after a request has ended the session."""

    token = "none"
    name = "nobody"
    is_in_doubt = True

    def get(self, case: Any, ctx: Any) -> str:
        if Admin.is_in_doubt and self._send("GET", "/users/me").status_code == 401:
            name = f"admin-{secrets.token_hex(6)}"
            command = ["users", "create", name, "--admin", "--password-stdin"]
            subprocess.run(
                [sys.executable, "-m", "flask", *command], input=PASSWORD, text=True, check=True
            )
            made = httpx.post(f"{API}/auth/login", json={"username": name, "password": PASSWORD})
            Admin.token, Admin.name = made.json()["access_token"], name
        Admin.is_in_doubt = False
        return self.token

    def set(self, case: Any, data: str, ctx: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    def _send(self, method: str, path: str) -> httpx.Response:
        return httpx.request(method, API + path, headers={"Authorization": f"Bearer {self.token}"})


@schemathesis.hook
def after_call(ctx: Any, case: Any, response: Any) -> None:
    if response.status_code == 401:
        Admin.is_in_doubt = True
