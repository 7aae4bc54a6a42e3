"""Send the recorded requests, and reduce responses to what clients rely on."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from tests.contract.asking import Request
from tests.support.client import BASE, ApiClient, Person
from tests.support.contract import template_of
from tests.support.receiver import eventually

# Headers of every response: only differences are recorded.
EVERY_ANSWER = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Content-Type": "application/json",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-RateLimit-Limit": "100000",
    "X-RateLimit-Remaining": "<integer>",
    "X-RateLimit-Reset": "<integer>",
    "X-Request-ID": "<text>",
}
NOT_COMPARED = {"Content-Length", "Date"}
MASKED_HEADERS = {
    "ETag": (r'"[^"]+"', '"<tag>"'),
    "Location": (r"/\d+", "/<id>"),
    "Retry-After": (r"^\d+$", "<integer>"),
    "X-RateLimit-Remaining": (r"^\d+$", "<integer>"),
    "X-RateLimit-Reset": (r"^\d+$", "<integer>"),
    "X-Request-ID": (r"^.+$", "<text>"),
}
LISTS = re.compile("Allow|Vary|Access-Control-(Allow-Headers|Allow-Methods|Expose-Headers)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TOKENS = re.compile(r"(tsk_|whsec_|/calendar/)?.*?(\.ics)?", re.DOTALL)
MASKED_FIELDS = {
    **dict.fromkeys(("access_token", "refresh_token", "token", "secret", "url", "prefix"), "token"),
    **dict.fromkeys(("message", "detail", "description", "agent", "request_id"), "text"),
    **dict.fromkeys(("message_id", "next_cursor", "kind"), "text"),
}
SAME_AGAIN = "the same {} more times"


class Runner:
    """Send the requests of a scenario to an application."""

    def __init__(self, app: Flask, client: ApiClient, people: list[Person], receiver: str):
        self._app = app
        self._client = client  # at the root
        self._people = {each.username: each for each in people}
        self._known: dict[str, Any] = {each.username: each.id for each in people}
        self._known |= {f"{each.username}_password": each.password for each in people}
        self._known["receiver"] = receiver

    def exchange(self, request: Request) -> dict[str, Any]:
        """Send a request, and return it with its response as recorded."""
        for _ in range(request.times):
            answer = self._send(request)
        if request.until:
            answer = eventually(lambda: self._answer_with(request), seconds=30)
        self._known["tag"] = answer.headers.get("ETag", self._known.get("tag"))
        for name, path in request.keep.items():
            self._known[name] = _at(answer.get_json(), path)
        method, path = answer.request.method, answer.request.path
        asked = {
            "request": request.line,
            "operation": f"{method} {template_of(self._app, method, path)}",
            "as": request.as_,
            "headers": dict(request.headers),
            "json": _shortened(request.json),
            "data": _shortened(request.data),
            "status": answer.status_code,
            "answer headers": _reduced_headers(answer),
            "body": _reduced_body(answer),
        }
        return {name: value for name, value in asked.items() if value not in (None, {})}

    def _answer_with(self, request: Request) -> TestResponse | None:
        answer = self._send(request)
        return answer if _at(answer.get_json(), request.until) is not None else None

    def _send(self, request: Request) -> TestResponse:
        method, path = self._filled(request.line).split(" ")
        options: dict[str, Any] = {"headers": self._filled(dict(request.headers))}
        if request.json is not None:
            options["json"] = self._filled(request.json)
        if request.data is not None:
            options["data"] = request.data
        if request.as_ is not None:
            options["as_"] = self._people.get(request.as_, self._filled(request.as_))
        path = path[1:] if path.startswith("//") else BASE + path
        return self._client.open(path, method=method, **options)

    def _filled(self, value: Any) -> Any:
        """Replace each `{name}`; a string that is only a name becomes the value itself."""
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if not isinstance(value, str):
            return value
        if value.startswith("{") and value[1:-1] in self._known:
            return self._known[value[1:-1]]
        return re.sub(r"\{(\w+)\}", lambda found: str(self._known[found[1]]), value)


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(body, list):
            body = body[int(name)] if int(name) < len(body) else None
        else:
            body = body and body[name]
    return body


def _shortened(value: Any) -> Any:
    if isinstance(value, str | list) and len(value) > 100:
        return [*value[:1], f"… {len(value)} in all"]
    return value


def _reduced_headers(answer: TestResponse) -> dict[str, str | None]:
    found: dict[str, str | None] = dict.fromkeys(EVERY_ANSWER)
    for name, value in answer.headers:
        if name not in NOT_COMPARED:
            found[name] = _reduced_header(name, value)
    return {name: value for name, value in sorted(found.items()) if value != EVERY_ANSWER.get(name)}


def _reduced_header(name: str, value: str) -> str:
    if LISTS.fullmatch(name):
        return ", ".join(sorted(each.strip() for each in value.split(",")))
    if name == "Link":
        links = re.findall(r'<([^>]*)>; rel="(\w+)"', value)
        return ", ".join(sorted(f"{rel}: {_reduced_link(target)}" for target, rel in links))
    pattern, mask = MASKED_HEADERS.get(name, ("^$", ""))
    return re.sub(pattern, mask, value)


def _reduced_link(target: str) -> str:
    """Return the path and the sorted parameters of a link."""
    parts = urlsplit(target)
    path = re.sub(r"/\d+(?=/|$)", "/<id>", parts.path)
    parameters = sorted(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    masks = dict.fromkeys(("actor", "user_id", "project_id", "assignee_id"), "<id>")
    masks["cursor"] = "<cursor>"
    return path + "".join(
        f" {name}={masks.get(name, value) if value else ''}" for name, value in parameters
    )


def _reduced_body(answer: TestResponse) -> Any:
    """Replace the values that differ from run to run, and messages."""
    if not answer.data:
        return None
    kind = answer.mimetype or ""
    if kind.endswith("json"):
        body = answer.get_json()
        if "openapi" in body:
            return sorted(body)
        return _reduced_error(body) if answer.status_code >= 400 else _reduced(body)
    text = answer.get_data(as_text=True)
    if kind == "text/csv":
        return [text.splitlines()[0], f"and {len(text.splitlines()) - 1} rows"]
    if kind == "text/calendar":
        return [re.split("[:;]", line)[0] for line in text.splitlines() if line[0] != " "]
    return f"<{kind}>"


def _reduced_error(body: Any) -> Any:
    """Return the codes, numbers and field names of an error."""
    if isinstance(body, dict):
        return {
            name: value if name in ("code", "type") else _reduced_error(value)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_reduced_error(each) for each in body[:1]]
    return "<text>" if isinstance(body, str) else body


def _reduced(value: Any, name: str = "") -> Any:
    if name == "error":  # why a job or a delivery failed
        return _reduced_error(value)
    if isinstance(value, dict):
        return {inner: _reduced(each, inner) for inner, each in value.items()}
    if isinstance(value, list):
        items = [_reduced(each, name) for each in value]
        if len(items) > 3 and all(each == items[0] for each in items[1:-1]):
            return [items[0], SAME_AGAIN.format(len(items) - 2), items[-1]]
        return items
    if isinstance(value, float) or name.endswith("_seconds"):
        return None if value is None else "<number>"
    if isinstance(value, int) and not isinstance(value, bool):
        return "<id>" if name in ("id", "actor") or name.endswith("_id") else value
    if isinstance(value, str):
        return _reduced_text(value, name)
    return value


def _reduced_text(value: str, name: str) -> str:
    if TIME.fullmatch(value) and name != "due_at":
        return "<time>"
    if name == "date":
        return re.sub(r"\d{4}-\d\d-\d\d", "<date>", value)
    if name == "version":  # the program's
        return "<text>"
    if name in MASKED_FIELDS:
        found = TOKENS.fullmatch(value)
        assert found is not None
        return f"{found[1] or ''}<{MASKED_FIELDS[name]}>{found[2] or ''}"
    return value
