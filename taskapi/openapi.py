"""OpenAPI 3.1 of the declared operations, by apispec and its marshmallow plugin."""

import inspect
import re
import sys
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from marshmallow import Schema, fields, validate
from werkzeug.http import HTTP_STATUS_CODES

from taskapi.api import Operation, operations
from taskapi.error_handlers import PROBLEM
from taskapi.errors import ApiError
from taskapi.inputs import FORM, JSON, MERGE_PATCH
from taskapi.openapi_webhooks import webhooks_section
from taskapi.schemas import error as errors
from taskapi.schemas.fields import FullMatch, Id, PageSchema, RequestSchema
from taskapi.version import __version__

Json = dict[str, Any]

ABOUT = """\
Users, projects and tasks. Register or log in, send the access token as \
`Authorization: Bearer …`, and refresh it when it has expired.

Every error has the same shape, or that of RFC 9457 for `Accept: application/problem+json`. \
Unknown fields and parameters are rejected with an error that names them. Every response has an \
`X-Request-ID`; a valid incoming one is kept.
"""
CALLERS = {
    "anyone": "No user account is needed.",
    "optional": "Authentication is optional.",
    "user": "Requires authentication.",
    "session": "Requires an access token; personal access tokens are rejected.",
    "admin": "Only for admins.",
    "admin session": "Only for admins, with an access token; personal access tokens are rejected.",
}
TOKEN_URLS = {"tokenUrl": "/api/v1/auth/login", "refreshUrl": "/api/v1/auth/refresh"}
SECURITY_SCHEMES: dict[str, Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token, or a personal access token (`tsk_…`).",
    },
    "password": {
        "type": "oauth2",
        "description": "Logs in with a username or e-mail and a password.",
        "flows": {"password": {**TOKEN_URLS, "scopes": {}}},
    },
}
HEADERS: dict[str, tuple[str, str | int]] = {
    "X-Request-ID": ("The ID of the request in the log.", "6f1c0e5e-2f0a"),
    "X-RateLimit-Limit": ("The number of requests allowed in a minute.", 60),
    "X-RateLimit-Remaining": ("The number of requests left.", 59),
    "X-RateLimit-Reset": ("The end of the window, in Unix time.", 1796115600),
    "Retry-After": ("Seconds to wait.", 5),
    "ETag": ("The version, for If-Match and If-None-Match.", '"7-1"'),
    "Link": ("The next, previous, first and last page, where known.", '</api/v1>; rel="next"'),
    "Location": ("The URL of what was created.", "/api/v1/tasks/7"),
    "Content-Disposition": ("The suggested file name.", 'attachment; filename="tasks.json"'),
    "Idempotency-Replayed": ("This is the stored response to an earlier request.", "true"),
    "WWW-Authenticate": ("The authentication scheme.", "Bearer"),
}
LIMIT_HEADERS = [name for name in HEADERS if name.startswith("X-RateLimit")]
ERROR_HEADERS = {401: "WWW-Authenticate", 412: "ETag", 429: "Retry-After", 503: "Retry-After"}
CODES = {error.status: error.code for error in ApiError.__subclasses__()}
PLACED = (400, 403, 404, 409, 412)  # of bulk requests and imports: with an operation or row
TEXT = {"schema": {"type": "string"}}
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")


def make_document(app: Flask) -> Json:
    """Generate the document. This is slow, so cache it."""
    spec = Spec(
        title="Task API",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[Plugin(schema_name_resolver=name_of)],
        info={
            "description": ABOUT,
            "contact": {"name": "The maintainers"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        servers=[{"url": "/", "description": "The server of this document."}],
    )
    spec.options["webhooks"] = webhooks_section(spec.schema)
    spec.add_components()
    declared = operations(app)
    paths: dict[str, Json] = {}
    for rule, operation in declared:
        methods = paths.setdefault(_VARIABLE.sub(r"{\2}", rule), {})
        methods[operation.method.lower()] = spec.operation(rule, operation)
    _add_links(paths)
    # In the order of their declaration, those of any user last.
    for path in sorted(paths, key=lambda path: "/users/{user_id}/" in path):
        spec.path(path, operations=paths[path])
    for tag in dict.fromkeys(operation.tag for _, operation in declared):
        module = sys.modules[app.blueprints[tag].import_name]
        spec.tag({"name": tag, "description": module.__doc__})
    return spec.to_dict()


class Converter(OpenAPIConverter):
    """apispec's, for schemas of requests and responses in JSON Schema 2020-12."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.add_attribute_function(_finish_field)  # type: ignore[no-untyped-call]

    def schema2jsonschema(self, schema: Any) -> Json:
        made: Json = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if _is_request(schema):
            return {**made, **schema.json_schema}
        # A response may grow: clients should accept fields that they do not know.
        made.pop("additionalProperties", None)
        made["required"] = [
            name for name, field in schema.fields.items() if "optional" not in field.metadata
        ]
        return made


def _finish_field(self: Any, field: fields.Field[Any], ret: Json) -> Json:
    """Add the schemas of parts, values that are known only now, and the example as a list."""
    schemas = [request_of(schema) for schema in field.metadata.get("schemas", ())]
    if schemas:
        ret.clear()
        references = [self.resolve_nested_schema(schema) for schema in schemas]
        return references[0] if len(references) == 1 else {"oneOf": references}
    ret.update({name: value() for name, value in ret.items() if callable(value)})
    return {"examples": [ret.pop("example")]} if "example" in ret else {}


class Plugin(MarshmallowPlugin):
    Converter = Converter


def request_of(schema: Schema) -> Schema:
    """The schema without its read-only fields."""
    return type(schema)(
        exclude={*schema.exclude, *_read_only(schema)}, partial=schema.partial, many=schema.many
    )


def _read_only(schema: Schema) -> set[str]:
    return {name for name, field in schema.fields.items() if field.dump_only}


def _is_request(schema: Schema) -> bool:
    return isinstance(schema, RequestSchema) and not _read_only(schema)


def name_of(schema: Any) -> str:
    """The name of the class, with what the instance is for."""
    schema = schema() if isinstance(schema, type) else schema
    name: str = type(schema).__name__.removesuffix("Schema")
    name += "Request" if _is_request(schema) else ""
    for field in ("user_id", "project_id"):
        name += f"Without{field.title().replace('_', '')}" if field in schema.exclude else ""
    return f"Partial{name}" if schema.partial else name


@cache
def _page_of(schema: type[Schema]) -> Schema:
    items = fields.List(fields.Nested(schema))
    return PageSchema.from_dict({"items": items}, name=f"{name_of(schema)}Page")()


class Spec(APISpec):
    @property
    def converter(self) -> Any:
        return self.plugins[0].converter  # type: ignore[attr-defined]

    def schema(self, schema: Schema) -> Json:
        """A reference to the schema, which becomes a component."""
        found: Json = self.converter.resolve_nested_schema(schema)
        return found

    def add_components(self) -> None:
        for name, (about, example) in HEADERS.items():
            kind = "integer" if isinstance(example, int) else "string"
            schema = {"type": kind, **({"enum": ["true"]} if example == "true" else {})}
            header = {"description": about, "schema": schema, "example": example}
            self.components.header(name, header | {"required": name == "X-Request-ID"})
        for name, scheme in SECURITY_SCHEMES.items():
            self.components.security_scheme(name, scheme)
        shapes = self.schema(errors.ErrorSchema()), self.schema(errors.ProblemSchema())
        for status in sorted(CODES.keys() - {405}):  # a method that is not in the document
            self.components.response(f"Error{status}", _error(status, *shapes))
        shapes = self.schema(errors.PlacedErrorSchema()), self.schema(errors.PlacedProblemSchema())
        for status in PLACED:
            self.components.response(f"PlacedError{status}", _error(status, *shapes))

    def operation(self, rule: str, operation: Operation) -> Json:
        summary, _, more = inspect.cleandoc(operation.view.__doc__ or "").partition("\n")
        name = operation.view.__name__
        for path, owner in ("<user:user_id>/tasks", "user"), ("<id:project_id>/tasks", "project"):
            if path in rule:
                name, summary = f"{name}_of_{owner}", f"{summary.rstrip('.')} of a {owner}."
        about = [" ".join(more.split()), CALLERS[operation.caller]]
        fields_of = [schema.fields for schema in (operation.query, operation.body) if schema]
        admin_only = [name for name in operation.admin_only if any(name in f for f in fields_of)]
        if admin_only:
            about.append(f"Only an admin may set `{'` and `'.join(admin_only)}`.")
        if operation.is_idempotent:
            about.append("Can be retried safely with an Idempotency-Key.")
        security: list[Json] = [{name: []} for name in SECURITY_SCHEMES]
        security = {"anyone": [], "optional": [{}, *security]}.get(operation.caller, security)
        described: Json = {
            "operationId": name,
            "tags": [operation.tag],
            "summary": summary.rstrip("."),
            "description": " ".join(filter(None, about)),
            "security": security,
            "parameters": self.parameters(rule, operation),
            "responses": self.responses(rule, operation),
        }
        if operation.body is not None:
            described["requestBody"] = self.body(operation, request_of(operation.body))
        return described

    def parameters(self, rule: str, operation: Operation) -> list[Json]:
        path = {name: _path_field(kind, name) for kind, name in _VARIABLE.findall(rule)}
        headers = {}
        if operation.is_idempotent:
            about = "A key chosen by the client, kept for 24 hours."
            headers["Idempotency-Key"] = about, [validate.Length(1, 255)]
        if operation.is_conditional and operation.method == "GET":
            headers["If-None-Match"] = "An ETag; the response is 304 if it matches.", []
        elif operation.is_conditional:
            headers["If-Match"] = "An ETag; the response is 412 if it no longer matches.", []
        header: dict[str, fields.Field[Any]] = {
            name: fields.String(validate=limits, metadata={"description": about})
            for name, (about, limits) in headers.items()
        }
        found: list[Json] = []
        for location, schema in (
            ("path", Schema.from_dict(path)()),
            ("query", operation.query),
            ("header", Schema.from_dict(header)()),
        ):
            found += self.converter.schema2parameters(schema, location=location)
        return found

    def body(self, operation: Operation, schema: Schema) -> Json:
        content: Json = {}
        for kind in operation.accepts:
            if kind not in (JSON, MERGE_PATCH, FORM):
                content[kind] = TEXT
                continue
            shape = self.schema(schema)
            if kind == FORM:
                forms = [self.schema(form) for form in operation.forms]
                shape = {"oneOf": forms} if len(forms) > 1 else forms[0]
            example = operation.example or self.example(shape, operation.admin_only)
            content[kind] = _media(shape, example)
        return {"required": not operation.is_body_optional, "content": content}

    def responses(self, rule: str, operation: Operation) -> Json:
        status = 204 if operation.returns is None else operation.status
        schemas = {status: operation.returns, **operation.also}
        found = {str(each): self.response(operation, each, schemas[each]) for each in schemas}
        if operation.method == "GET" and operation.is_conditional:
            found["304"] = _response(operation, 304, ["ETag"])
        for each, about in _errors_of(rule, operation).items():
            prefix = "Placed" if operation.names_place and each in PLACED else ""
            error: Json = {"$ref": f"#/components/responses/{prefix}Error{each}"}
            found.setdefault(str(each), error | ({"description": about} if about else {}))
        return found

    def response(self, operation: Operation, status: int, schema: Schema | None) -> Json:
        headers = ["Idempotency-Replayed"] if operation.is_idempotent else []
        if schema is None:
            return _response(operation, status, headers)
        has_version = {"id", "version"} <= schema.fields.keys()
        is_one = not (operation.is_page or schema.many)
        if (has_version and is_one) or (operation.is_conditional and operation.method == "GET"):
            headers.append("ETag")
        if operation.is_page:
            headers.append("Link")
            schema = _page_of(type(schema))
        response = _response(operation, status, headers)
        shape = self.schema(schema) if JSON in operation.media else {}
        response["content"] = {
            kind: _media(shape, self.example(shape)) if kind == JSON else TEXT
            for kind in operation.media
        }
        return response

    def example(self, schema: Json, without: tuple[str, ...] = ()) -> Any:
        """A value that fits the schema, from the examples of its parts."""
        if "$ref" in schema:
            schema = self.components.schemas[schema["$ref"].rpartition("/")[2]]
        for name in ("examples", "enum"):
            if name in schema:
                return schema[name][0]
        if "default" in schema:
            return schema["default"]
        for name in ("oneOf", "anyOf"):
            if name in schema:
                return self.example(schema[name][0], without)
        if "array" in schema["type"]:
            return [self.example(schema["items"], without)]
        if "object" in schema["type"]:
            parts = schema.get("properties", {}).items()
            return {
                name: self.example(part, without) for name, part in parts if name not in without
            }
        simple = {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": True}
        return next((simple[kind] for kind in simple if kind in schema["type"]), "text")


def _media(schema: Json, example: Any) -> Json:
    return {"schema": schema, "examples": {"example": {"value": example}}}


def _references(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(operation: Operation, status: int, headers: Iterable[str]) -> Json:
    limits = LIMIT_HEADERS if operation.is_limited else []
    described = _references(["X-Request-ID", *operation.headers, *headers, *limits])
    phrase = "Success" if status == 200 else HTTPStatus(status).phrase.capitalize()
    return {"description": phrase, "headers": described}


def _error(status: int, error: Json, problem: Json) -> Json:
    title, request_id = HTTP_STATUS_CODES[status], HEADERS["X-Request-ID"][1]
    facts = {"code": CODES[status], "request_id": request_id}
    envelope = {"error": {**facts, "message": title}, "detail": title}
    rfc9457 = {"type": "about:blank", "title": title, "status": status, "detail": title, **facts}
    names = [ERROR_HEADERS[status]] if status in ERROR_HEADERS else []
    return {
        "description": title,
        "headers": _references(["X-Request-ID", *LIMIT_HEADERS, *names]),
        "content": {JSON: _media(error, envelope), PROBLEM: _media(problem, rfc9457)},
    }


def _path_field(kind: str, name: str) -> fields.Field[Any]:
    if kind == "user":
        return fields.String(
            required=True,
            validate=FullMatch("^(me|[1-9][0-9]{0,18})$"),
            metadata={"description": "The ID of the user, or `me`.", "example": "me"},
        )
    thing = name.removesuffix("_id").replace("_", " ")
    if kind == "id":
        return Id(required=True, metadata={"description": f"The ID of the {thing}."})
    return fields.String(required=True, metadata={"description": f"The {thing}."})


def _errors_of(rule: str, operation: Operation) -> dict[int, str]:
    """The statuses that the operation may fail with, with a description where it helps."""
    caller, is_read = operation.caller, operation.method == "GET"
    found = {400}
    if operation.is_limited or caller != "anyone":
        found |= {429, 500, 503}
    if caller != "anyone":
        found.add(401)
        if caller != "user" or not is_read or operation.admin_only or "<user:" in rule:
            found.add(403)
    if "<" in rule:
        found.add(404)
    if operation.body is not None:
        found |= {413, 415}
    if operation.is_idempotent:
        found |= {409, 422}
    if operation.is_conditional and not is_read:
        found.add(412)
    return dict(sorted({**dict.fromkeys(found, ""), **operation.errors}.items()))


def _add_links(paths: dict[str, Json]) -> None:
    """Link each 201 to the operations on what was created, by its ID."""
    for path, methods in paths.items():
        created = methods.get("post", {}).get("responses", {}).get("201")
        for below, others in paths.items() if created else ():
            variable = re.fullmatch(rf"{re.escape(path)}/\{{(\w+)\}}[^{{]*", below)
            if variable is None:
                continue
            given = {name: f"$request.path.{name}" for name in re.findall(r"\{(\w+)\}", path)}
            given[variable[1]] = "$response.body#/id"
            for other in others.values():
                link = {"operationId": other["operationId"], "parameters": given}
                created.setdefault("links", {})[other["operationId"]] = link
