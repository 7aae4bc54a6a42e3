"""Compare every response of the tests with the OpenAPI document."""

import copy
import re
from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

# Any path may return these for a wrong method or an unexpected body.
OF_ANY_PATH = {"405", "413", "415"}
DECLARED_HEADERS = {
    "allow",
    "content-disposition",
    "etag",
    "idempotency-replayed",
    "link",
    "location",
    "retry-after",
    "www-authenticate",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
}


class Contract:
    """Check responses against the OpenAPI document of an application."""

    def __init__(self, app: Flask):
        self.document: Any = app.test_client().get("/openapi.json").json
        self._app = app
        self._strict = _without_extras(self.document)
        self._validators: dict[tuple[str, str | None], jsonschema_rs.Draft202012Validator] = {}

    def check(self, method: str, path: str, answer: TestResponse) -> None:
        """Raise AssertionError unless the document describes this response of the operation."""
        if method == "OPTIONS" or path.startswith("/static/"):
            return
        status = str(answer.status_code)
        operation = self._operation(method, path)
        where = f"{method} {path} answered {status}"
        if operation is None:
            assert status in {"404", "405"}, f"{where}, but the document has no such operation"
            self._check_body(where, "Error", None, answer)
            return
        declared = operation["responses"].get(status)
        if declared is None:
            assert status in OF_ANY_PATH, f"{where}, which the document does not foresee"
            self._check_body(where, "Error", None, answer)
            return
        if "$ref" in declared:
            declared = self._find(declared["$ref"])
        self._check_headers(where, declared.get("headers", {}), answer)
        if method == "HEAD":
            return
        content = declared.get("content")
        if content is None:
            assert not _is_whole(answer) or not answer.data, f"{where} with a body"
            return
        assert answer.mimetype in content, f"{where} as {answer.mimetype}, not {[*content]}"
        self._check_body(where, f"{operation['operationId']} {status}", content, answer)

    def _operation(self, method: str, path: str) -> Any:
        described: Any = self.document["paths"].get(template_of(self._app, method, path), {})
        return described.get("get" if method == "HEAD" else method.lower())

    def _find(self, reference: str) -> Any:
        found: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _check_headers(self, where: str, declared: Any, answer: TestResponse) -> None:
        there = {name.lower() for name, _ in answer.headers} & DECLARED_HEADERS
        undeclared = there - {name.lower() for name in declared}
        assert not undeclared, f"{where} with {undeclared}, which the document does not foresee"
        for name, header in declared.items():
            if "$ref" in header:
                header = self._find(header["$ref"])
            assert name in answer.headers or not header.get("required"), f"{where} without {name}"

    def _check_body(self, where: str, name: str, content: Any, answer: TestResponse) -> None:
        is_head = answer.request.method == "HEAD"
        is_readable = _is_whole(answer) and not answer.content_encoding
        if is_head or not is_readable or "json" not in (answer.mimetype or ""):
            return
        assert answer.data.endswith(b"\n"), f"{where} without a newline at its end"
        key = name, answer.mimetype
        if key not in self._validators:
            schema: Any = {"$ref": "#/components/schemas/Error"}
            if answer.mimetype == "application/problem+json":
                schema = {"$ref": "#/components/schemas/Problem"}
            elif content is not None:
                schema = content[answer.mimetype]["schema"]
            schema = {**_without_extras(schema), "components": self._strict["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(schema)
        error = next(self._validators[key].iter_errors(answer.get_json()), None)
        assert error is None, f"{where}, and its body does not fit the document: {error}"


def template_of(app: Flask, method: str, path: str) -> str | None:
    """Return the template of a path, such as `/api/v1/tasks/{task_id}`."""
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method, return_rule=True)
    except HTTPException:
        return None
    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule)


_known: list[Contract] = []


def contract_of(app: Flask) -> Contract:
    """Return the contract of the first application, since all have the same routes."""
    if not _known:
        _known.append(Contract(app))
    return _known[0]


def _is_whole(answer: TestResponse) -> bool:
    return "Content-Length" in answer.headers


def _without_extras(schema: Any) -> Any:
    """Return a copy of the schema that rejects undocumented fields."""
    schema = copy.deepcopy(schema)

    def close(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("type") == "object" and part.get("properties"):
                part.setdefault("additionalProperties", False)
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                close(inner)

    close(schema)
    return schema
