"""OpenAPI 3.1 of the declared operations, by apispec and its marshmallow plugin."""

import inspect
import re
import sys
from functools import cache
from http import HTTPStatus
from typing import Any

from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields, validate
from werkzeug.http import HTTP_STATUS_CODES

from taskapi.api import Operation, operations
from taskapi.error_handlers import PROBLEM
from taskapi.errors import ApiError
from taskapi.inputs import FORM, JSON, MERGE_PATCH
from taskapi.openapi_webhooks import webhook_operations
from taskapi.schemas import error as errors
from taskapi.schemas.fields import MAX_ID, PageSchema, RequestSchema
from taskapi.schemas.task import BULK_OPERATIONS
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
TOKEN: list[Json] = [{name: []} for name in SECURITY_SCHEMES]
SECURITY = {"anyone": [], "optional": [{}, *TOKEN]}  # all other callers need a token
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
TEXT: Json = {"type": "string"}
ID = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID, "examples": [7]}
ID_OR_ME = TEXT | {"pattern": "^(me|[1-9][0-9]{0,18})$", "examples": ["me"]}
KEY = TEXT | {"minLength": 1, "maxLength": 255}
PARAMETERS: dict[str, tuple[str, Json]] = {  # by converter, or by name of a header
    "id": ("The ID of the {}.", ID),
    "user": ("The ID of the {}, or `me`.", ID_OR_ME),
    "string": ("The {}.", TEXT),
    "Idempotency-Key": ("A key chosen by the client, for safe retries; kept for 24 hours.", KEY),
    "If-None-Match": ("An ETag; the response is 304 if it matches.", TEXT),
    "If-Match": ("An ETag; the response is 412 if it no longer matches.", TEXT),
}
VARIABLE = re.compile(r"<(\w+):(\w+)>")


def make_document(app: Flask) -> Json:
    """Generate the document. This is slow, so cache it."""
    plugin = MarshmallowPlugin(schema_name_resolver=name_of)
    spec = APISpec(
        title="Task API",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin, RequestsAndResponses()],
        info={
            "description": ABOUT,
            "contact": {"name": "The maintainers"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        servers=[{"url": "/", "description": "The server of this document."}],
        webhooks=webhook_operations(),
    )
    # Its type allows None, which it is only before APISpec() above.
    plugin.converter.add_attribute_function(_finish_field)  # type: ignore[union-attr]
    for webhook in spec.options["webhooks"].values():
        plugin.operation_helper(operations=webhook)
    for part in map(request_of, BULK_OPERATIONS):  # to which a field refers by name
        spec.components.schema(name_of(part), schema=part)
    for name, scheme in SECURITY_SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    for name, (about, example) in HEADERS.items():
        schema = {"type": "integer"} if isinstance(example, int) else TEXT
        if example == "true":
            schema = TEXT | {"enum": ["true"]}
        header = {"description": about, "schema": schema, "example": example}
        spec.components.header(name, header | {"required": name == "X-Request-ID"})
    for status in sorted(CODES.keys() - {405}):  # a method that is not in the document
        error = _error(status, errors.ErrorSchema(), errors.ProblemSchema())
        spec.components.response(f"Error{status}", error)
    for status in PLACED:
        error = _error(status, errors.PlacedErrorSchema(), errors.PlacedProblemSchema())
        spec.components.response(f"PlacedError{status}", error)
    declared = operations(app)
    # In the order of their declaration, those of any user last.
    for rule, operation in sorted(declared, key=lambda each: "/users/<user:user_id>/" in each[0]):
        described = describe(rule, operation)
        if operation.status == 201:
            described["responses"][201] |= _links(rule, declared)
        path = VARIABLE.sub(r"{\2}", rule)
        spec.path(path, operations={operation.method.lower(): described})
    for name, blueprint in app.blueprints.items():
        spec.tag({"name": name, "description": sys.modules[blueprint.import_name].__doc__})
    return spec.to_dict()


class RequestsAndResponses(BasePlugin):
    """Completes the schemas of apispec's plugin, for requests or for responses."""

    def schema_helper(self, name: str, definition: Json, **more: Any) -> Json:
        schema = more["schema"]
        if _is_request(schema):
            return {**schema.json_schema}
        # A response may grow: clients should accept fields that they do not know.
        definition.pop("additionalProperties", None)
        shown = schema.fields.items()
        return {"required": [name for name, field in shown if "optional" not in field.metadata]}


def _finish_field(_: Any, field: fields.Field[Any], ret: Json) -> Json:
    """Add the schemas of parts, values that are known only now, and the example as a list."""
    references = [
        {"$ref": f"#/components/schemas/{name_of(request_of(schema))}"}
        for schema in field.metadata.get("schemas", ())
    ]
    if references:
        ret.clear()
        return references[0] if len(references) == 1 else {"oneOf": references}
    ret.update({name: value() for name, value in ret.items() if callable(value)})
    return {"examples": [ret.pop("example")]} if "example" in ret else {}


def request_of(schema: Schema) -> Schema:
    """The schema without its read-only fields."""
    writable = [name for name, field in schema.fields.items() if not field.dump_only]
    return type(schema)(
        only=writable, exclude=schema.exclude, partial=schema.partial, many=schema.many
    )


def _is_request(schema: Schema) -> bool:
    is_read_only = [field.dump_only for field in schema.fields.values()]
    return isinstance(schema, RequestSchema) and not any(is_read_only)


def name_of(schema: Any) -> str:
    """The name of the class, with what the instance is for."""
    name: str = type(schema).__name__.removesuffix("Schema")
    name += "Request" if _is_request(schema) else ""
    for field in ("user_id", "project_id"):
        name += f"Without{field.title().replace('_', '')}" if field in schema.exclude else ""
    return f"Partial{name}" if schema.partial else name


@cache
def _page_of(schema: type[Schema]) -> Schema:
    items = fields.List(fields.Nested(schema))
    return PageSchema.from_dict({"items": items}, name=f"{name_of(schema())}Page")()


def example_of(field: Any) -> Any:
    """A value of the field, from its metadata or those of its parts."""
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field.validate, validate.OneOf):
        return next(iter(field.validate.choices))
    if isinstance(field, fields.List):
        return [example_of(field.inner)]
    if isinstance(field, fields.Nested):
        value = {name: example_of(part) for name, part in field.schema.fields.items()}
        return [value] if field.schema.many else value
    return True if isinstance(field, fields.Boolean) else "text"


def describe(rule: str, operation: Operation) -> Json:
    """The operation, with schemas and names of components that apispec turns into references."""
    summary, _, more = inspect.cleandoc(operation.view.__doc__ or "").partition("\n")
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": summary.rstrip(".") + (f" of a {operation.of}" if operation.of else ""),
        "description": " ".join([*more.split(), CALLERS[operation.caller]]),
        "security": SECURITY.get(operation.caller, TOKEN),
        "parameters": _parameters(rule, operation),
        "responses": _responses(rule, operation),
    }
    if operation.body is not None:
        body = request_of(operation.body)
        content = {kind: _body(operation, body, kind) for kind in operation.accepts}
        described["requestBody"] = {"required": not operation.is_body_optional, "content": content}
    return described


def _parameters(rule: str, operation: Operation) -> list[Json]:
    found = [_parameter("path", name, kind) for kind, name in VARIABLE.findall(rule)]
    found.append({"in": "query", "schema": operation.query})
    if operation.is_idempotent:
        found.append(_parameter("header", "Idempotency-Key"))
    if operation.is_conditional:
        name = "If-None-Match" if operation.method == "GET" else "If-Match"
        found.append(_parameter("header", name))
    return found


def _parameter(place: str, name: str, kind: str | None = None) -> Json:
    about, schema = PARAMETERS[kind or name]
    about = about.format(name.removesuffix("_id"))
    return {"in": place, "name": name, "description": about, "schema": schema}


def _body(operation: Operation, body: Schema, kind: str) -> Json:
    if kind not in (JSON, MERGE_PATCH, FORM):
        return {"schema": TEXT}
    schemas = operation.forms if kind == FORM else (body,)
    media = _media(schemas[0], operation.example)
    return media if len(schemas) == 1 else media | {"schema": {"oneOf": [*schemas]}}


def _responses(rule: str, operation: Operation) -> dict[int, Json]:
    schemas = {operation.status if operation.returns else 204: operation.returns, **operation.also}
    if operation.is_conditional and operation.method == "GET":
        schemas[304] = None
    found = {status: _response(operation, status, schemas[status]) for status in schemas}
    for status in sorted(_errors_of(rule, operation) - found.keys()):
        prefix = "Placed" if operation.names_place and status in PLACED else ""
        found[status] = {"$ref": f"#/components/responses/{prefix}Error{status}"}
        if status in operation.errors:
            found[status]["description"] = operation.errors[status]
    return found


def _response(operation: Operation, status: int, schema: Schema | None) -> Json:
    names = ["X-Request-ID", *operation.headers]
    if operation.is_limited:
        names += LIMIT_HEADERS
    if operation.is_idempotent:
        names.append("Idempotency-Replayed")
    if operation.is_page:
        names.append("Link")
    elif (operation.is_conditional and operation.method == "GET") or (
        schema is not None and {"id", "version"} <= schema.fields.keys() and not schema.many
    ):
        names.append("ETag")
    phrase = "Success" if status == 200 else HTTPStatus(status).phrase.capitalize()
    response: Json = {"description": phrase, "headers": {name: name for name in names}}
    if schema is not None:
        shown = _page_of(type(schema)) if operation.is_page else schema
        response["content"] = {
            kind: _media(shown) if kind == JSON else {"schema": TEXT} for kind in operation.media
        }
    return response


def _media(schema: Schema, example: Any = None) -> Json:
    example = example or example_of(fields.Nested(schema))
    return {"schema": schema, "examples": {"example": {"value": example}}}


def _error(status: int, error: Schema, problem: Schema) -> Json:
    title, request_id = HTTP_STATUS_CODES[status], HEADERS["X-Request-ID"][1]
    facts = {"code": CODES[status], "request_id": request_id}
    envelope = {"error": {**facts, "message": title}, "detail": title}
    rfc9457 = {"type": "about:blank", "title": title, "status": status, "detail": title, **facts}
    names = ["X-Request-ID", *LIMIT_HEADERS]
    if status in ERROR_HEADERS:
        names.append(ERROR_HEADERS[status])
    return {
        "description": title,
        "headers": {name: name for name in names},
        "content": {JSON: _media(error, envelope), PROBLEM: _media(problem, rfc9457)},
    }


def _errors_of(rule: str, operation: Operation) -> set[int]:
    """The statuses that the operation may fail with."""
    caller, is_write = operation.caller, operation.method != "GET"
    found = {400, *operation.errors}
    if operation.is_limited or caller != "anyone":
        found |= {429, 500, 503}
    if caller != "anyone":
        found.add(401)
        if caller != "user" or is_write or operation.admin_only or "<user:" in rule:
            found.add(403)
    if "<" in rule:
        found.add(404)
    if operation.body is not None:
        found |= {413, 415}
    if operation.is_idempotent:
        found |= {409, 422}
    if operation.is_conditional and is_write:
        found.add(412)
    return found


def _links(rule: str, declared: list[tuple[str, Operation]]) -> Json:
    """Link to the operations on what is created below the path, by its ID."""
    given = {name: f"$request.path.{name}" for _, name in VARIABLE.findall(rule)}
    links: Json = {}
    for other_rule, other in declared:
        below = re.fullmatch(r"/<\w+:(\w+)>[^<]*", other_rule.removeprefix(rule))
        if below:
            parameters = given | {below[1]: "$response.body#/id"}
            links[other.name] = {"operationId": other.name, "parameters": parameters}
    return {"links": links} if links else {}
