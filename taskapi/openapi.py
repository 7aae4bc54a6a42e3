"""OpenAPI 3.1, made from what the routes declare."""

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from flask import Flask
from marshmallow import Schema

from taskapi.api import NO_PARAMETERS, Operation, operations
from taskapi.inputs import FORM, JSON, MERGE_PATCH
from taskapi.json_schema import Plugin, name_of_schema, request_of
from taskapi.openapi_errors import HEADERS, PLACED, RESPONSES, error_schemas, faults_of
from taskapi.openapi_examples import example_of
from taskapi.openapi_webhooks import webhooks_section
from taskapi.schemas.fields import MAX_ID
from taskapi.schemas.task import TaskSchema
from taskapi.version import __version__

Json = dict[str, Any]

ABOUT = """\
Users, sign-in and tasks. Register or log in, send the access token as \
`Authorization: Bearer …`, and refresh it when it has expired.

Every error has the same shape, or that of RFC 9457 for `Accept: application/problem+json`. \
What is unknown, a field or a parameter, is refused and named. Every answer carries an \
`X-Request-ID`; a sane one that comes in is kept.
"""
WHO = {
    "anyone": "Open to everybody.",
    "optional": "Open to everybody; tells who is calling from the token if there is one.",
    "user": "For everybody who is signed in.",
    "session": "For everybody who is signed in; not with a personal token.",
    "admin": "For admins.",
    "admin session": "For admins; not with a personal token.",
}
PATH_SCHEMAS: Mapping[str, Json] = {
    "id": {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": MAX_ID,
        "examples": [7],
    },
    "user": {"type": "string", "pattern": "^(me|[1-9][0-9]{0,18})$", "examples": ["me"]},
}
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")


def make_document(app: Flask) -> Json:
    """The whole document; takes a moment, so make it once."""
    spec = APISpec(
        title="Task API",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[Plugin()],
        info={
            "description": ABOUT,
            "contact": {"name": "The maintainers"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        servers=[{"url": "/", "description": "Where this document comes from."}],
    )
    spec.options["webhooks"] = webhooks_section(_schema(spec, TaskSchema()))
    declared = operations(app)
    _add_components(spec)
    paths: dict[str, Json] = {}
    taken: set[str] = set()
    for rule, operation in declared:
        name = _operation_id(rule, operation)
        if name in taken:
            raise ValueError(f"Two operations are called {name}; rename one of the views.")
        taken.add(name)
        described = paths.setdefault(_VARIABLE.sub(r"{\2}", rule), {})
        described[operation.method.lower()] = _describe(spec, rule, operation, name)
    _link(paths)
    # As they are declared, one's own before those of any user.
    for path in sorted(paths, key=lambda path: "/users/{user_id}/" in path):
        spec.path(path, operations=paths[path])
    for tag in dict.fromkeys(operation.tag for _, operation in declared):
        module = sys.modules[app.blueprints[tag].import_name]
        spec.tag({"name": tag, "description": module.__doc__})
    return spec.to_dict()


def _operation_id(rule: str, operation: Operation) -> str:
    is_second = "<user:user_id>/" in rule
    return operation.view.__name__ + ("_of_user" if is_second else "")


def _add_components(spec: APISpec) -> None:
    for name, schema in error_schemas().items():
        spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, response in RESPONSES.items():
        spec.components.response(name, response)
    spec.components.security_scheme(
        "bearer",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, or a personal access token (`tsk_…`).",
        },
    )
    spec.components.security_scheme(
        "password",
        {
            "type": "oauth2",
            "description": "Signs in with a username or e-mail and a password.",
            "flows": {
                "password": {
                    "tokenUrl": "/api/v1/auth/login",
                    "refreshUrl": "/api/v1/auth/refresh",
                    "scopes": {},
                }
            },
        },
    )


def _describe(spec: APISpec, rule: str, operation: Operation, name: str) -> Json:
    summary, _, more = inspect.cleandoc(operation.view.__doc__ or "").partition("\n")
    if "<user:user_id>/" in rule:
        summary = f"{summary.rstrip('.')} for a user."
    described: Json = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "description": _description(" ".join(more.split()), operation),
        "security": _security(operation),
        "responses": _responses(spec, rule, operation),
    }
    parameters = _parameters(spec, rule, operation)
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _body(spec, operation, request_of(operation.body))
    return described


def _description(summary: str, operation: Operation) -> str:
    parts = [*filter(None, [summary]), WHO[operation.caller]]
    if operation.admin_only:
        parts.append(f"Only an admin may give {' and '.join(operation.admin_only)}.")
    if operation.is_idempotent:
        parts.append("With an Idempotency-Key it can be sent again without being done twice.")
    return " ".join(parts)


def _security(operation: Operation) -> list[Json]:
    if operation.caller == "anyone":
        return []
    ways: list[Json] = [{"bearer": []}, {"password": []}]
    return [{}, *ways] if operation.caller == "optional" else ways


def _parameters(spec: APISpec, rule: str, operation: Operation) -> list[Json]:
    found: list[Json] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": "An id, or `me`." if kind == "user" else f"The {name}.",
            "schema": PATH_SCHEMAS.get(kind, {"type": "string"}),
        }
        for kind, name in _VARIABLE.findall(rule)
    ]
    if operation.query is not NO_PARAMETERS:
        found += _converter(spec).schema2parameters(operation.query, location="query")
    if operation.is_idempotent:
        name, meaning = "Idempotency-Key", "A name of your own for this change, kept 24 h."
        found.append(_header(name, meaning, minLength=1, maxLength=255))
    if operation.is_conditional and operation.method == "GET":
        found.append(_header("If-None-Match", "The ETag that you have: 304 if it still holds."))
    elif operation.is_conditional:
        found.append(_header("If-Match", "The ETag that you have: 412 if it holds no more."))
    return found


def _header(name: str, description: str, **lengths: int) -> Json:
    schema = {"type": "string", **lengths}
    return {"in": "header", "name": name, "description": description, "schema": schema}


def _body(spec: APISpec, operation: Operation, body: Schema) -> Json:
    content: Json = {}
    for kind in operation.accepts:
        if kind == FORM:
            forms = [_schema(spec, request_of(form)) for form in operation.forms]
            content[kind] = {"schema": {"oneOf": forms} if len(forms) > 1 else forms[0]}
        elif kind in (JSON, MERGE_PATCH):
            content[kind] = {"schema": _schema(spec, body)}
        else:
            content[kind] = {"schema": {"type": "string"}}
            continue
        example = operation.example or example_of(
            spec.components.schemas, content[kind]["schema"], operation.admin_only
        )
        content[kind]["examples"] = {"example": {"value": example}}
    return {"required": not operation.is_body_optional, "content": content}


def _responses(spec: APISpec, rule: str, operation: Operation) -> Json:
    answers: dict[int, Schema | None] = {operation.status: operation.returns, **operation.also}
    if operation.returns is None:
        answers = {204: None, **operation.also}
    found: Json = {}
    for status, schema in sorted(answers.items()):
        found[str(status)] = _answer(spec, operation, schema, status)
    if operation.method == "GET" and operation.is_conditional:
        found["304"] = {
            "description": "What you have still holds.",
            "headers": _headers(operation, "X-Request-ID", "ETag"),
        }
    for status, why in faults_of(rule, operation).items():
        is_placed = operation.names_place and status in PLACED
        name = f"{'Placed' if is_placed else ''}Error{status}"
        fault: Json = {"$ref": f"#/components/responses/{name}"}
        found.setdefault(str(status), fault | ({"description": why} if why else {}))
    return found


def _answer(spec: APISpec, operation: Operation, schema: Schema | None, status: int) -> Json:
    answer: Json = {"description": "Done." if schema is None else "As asked."}
    names = ["X-Request-ID"]
    if schema is not None:
        answer["content"] = {
            kind: _media(spec, operation, kind, schema) for kind in operation.media
        }
        is_single = not (operation.is_page or schema.many)
        has_version = is_single and {"id", "version"} <= schema.fields.keys()
        if has_version or (operation.is_conditional and operation.method == "GET"):
            names.append("ETag")
        if operation.is_page:
            names.append("Link")
    if operation.is_idempotent:
        names.append("Idempotency-Replayed")
    answer["headers"] = _headers(operation, *names)
    for name, meaning in operation.headers.items():
        answer["headers"][name] = {"description": meaning, "schema": {"type": "string"}}
    return answer


def _headers(operation: Operation, *names: str) -> Json:
    limits = [name for name in HEADERS if name.startswith("X-RateLimit")]
    wanted = [*names, *(limits if operation.is_limited else [])]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in wanted}


def _media(spec: APISpec, operation: Operation, kind: str, schema: Schema) -> Json:
    if kind != JSON:
        return {"schema": {"type": "string"}}
    shape = _page(spec, schema) if operation.is_page else _schema(spec, schema)
    example = example_of(spec.components.schemas, shape)
    return {"schema": shape, "examples": {"example": {"value": example}}}


def _page(spec: APISpec, schema: Schema) -> Json:
    name = f"{name_of_schema(schema)}Page"
    if name not in spec.components.schemas:
        number = {"type": ["integer", "null"], "minimum": 0}
        properties = {
            "items": {"type": "array", "items": _schema(spec, schema)},
            "total": number | {"description": "Null in a walk by cursor.", "examples": [1]},
            "skip": number | {"description": "Null in a walk by cursor.", "examples": [0]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "examples": [20]},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "Null on the last page.",
                "examples": [None],
            },
        }
        page = {"type": "object", "properties": properties, "required": [*properties]}
        spec.components.schema(name, page)
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(spec: APISpec, schema: Schema | None) -> Json:
    found: Json = _converter(spec).resolve_nested_schema(schema)
    return found


def _converter(spec: APISpec) -> Any:
    plugin: Any = spec.plugins[0]  # the one that make_document() gave it
    return plugin.converter


def _link(paths: dict[str, Json]) -> None:
    """What was made can be looked at, changed and deleted: links from each 201 by its id."""
    for path, described in paths.items():
        made = described.get("post", {}).get("responses", {}).get("201")
        if made is None:
            continue
        for below, others in paths.items():
            rest = below.removeprefix(path)
            variable = re.match(r"/\{(\w+)\}", rest)
            if rest == below or variable is None or rest.count("{") > 1:
                continue
            given = {name: f"$request.path.{name}" for name in re.findall(r"\{(\w+)\}", path)}
            given[variable[1]] = "$response.body#/id"
            for other in others.values():
                links = made.setdefault("links", {})
                links[other["operationId"]] = {
                    "operationId": other["operationId"],
                    "parameters": given,
                }
