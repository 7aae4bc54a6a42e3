"""Routes as declared operations, which are served here and documented by openapi.py.

Checks run in the order of the contract: authentication and limits, permissions, size and media
type, content; then the view: the row, preconditions, conflicts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal

from flask import Blueprint, Flask, Response, request
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from taskapi.auth import Caller, Claims, check_token, identify, insufficient_scope
from taskapi.conditional import not_modified
from taskapi.errors import ApiError, Forbidden, Unauthorized
from taskapi.idempotency import respond_once
from taskapi.inputs import BODY_LIMIT, JSON, load_query, parse_object, read_body
from taskapi.limits import limit_requests, limit_sign_ins
from taskapi.middleware import client_network
from taskapi.responses import json_response, no_content
from taskapi.schemas.fields import MAX_ID, QuerySchema, RequestSchema, load

# "optional" identifies the caller if there is a token; "… session" rejects personal tokens.
CallerKind = Literal["anyone", "optional", "user", "session", "admin", "admin session"]
View = Callable[..., Any]


NOTHING, NO_PARAMETERS = RequestSchema(), QuerySchema()  # rejects all parameters


@dataclass(frozen=True)
class Operation:
    """One route as declared."""

    method: str
    rule: str
    view: View
    caller: CallerKind
    query: Schema = NO_PARAMETERS
    body: Schema | None = None
    is_body_optional: bool = False
    accepts: tuple[str, ...] = (JSON,)
    body_limit: int = BODY_LIMIT
    takes_raw_body: bool = False  # the view reads the body itself
    is_page: bool = False
    status: int = 200
    is_sign_in: bool = False  # has a limit of its own
    is_limited: bool = True
    admin_only: tuple[str, ...] = ()  # fields and parameters
    session_only: tuple[str, ...] = ()  # fields that personal tokens may not set
    gate: Callable[[], None] | None = None  # raises if the operation is turned off
    is_idempotent: bool = False
    check_replay: View | None = None  # raises if the caller must not get the stored response
    is_conditional: bool = False
    returns: Schema | None = None  # of the response, or of an item of a page; None for a 204
    # The rest is for the document only.
    also: Mapping[int, Schema] = field(default_factory=dict)  # other responses, such as a 202
    names_place: bool = False  # errors name the operation or row
    media: tuple[str, ...] = (JSON,)  # media types of the response
    forms: tuple[Schema, ...] = ()  # the body as a form
    headers: tuple[str, ...] = ()  # of the response, besides those that follow from above
    example: Any = None  # of the body, instead of the generated one
    errors: Mapping[int, str] = field(default_factory=dict)  # besides those that follow from above
    tag: str = ""
    of: str = ""  # whose tasks: "user" or "project", where one view has several routes

    @property
    def name(self) -> str:
        return f"{self.view.__name__}_of_{self.of}" if self.of else self.view.__name__


class Api(Blueprint):
    """A blueprint whose routes are declared operations."""

    def __init__(self, name: str, import_name: str, **options: Any):
        super().__init__(name, import_name, **options)
        self.operations: list[Operation] = []

    def operation(self, method: str, rule: str, **declared: Any) -> Callable[[View], View]:
        """Register a view for the rule; see Operation."""

        def register(view: View) -> View:
            operation = Operation(method, rule, view, tag=self.name, **declared)
            self.operations.append(operation)
            endpoint = f"{view.__name__}:{len(self.operations)}"
            serve = _serve(operation)
            if operation.is_sign_in:
                serve = limit_sign_ins(serve)
            self.add_url_rule(rule, endpoint, serve, methods=[method])
            return view

        return register

    def get(self, rule: str, **declared: Any) -> Callable[[View], View]:  # type: ignore[override]
        return self.operation("GET", rule, **declared)

    def post(self, rule: str, **declared: Any) -> Callable[[View], View]:  # type: ignore[override]
        return self.operation("POST", rule, **declared)

    def put(self, rule: str, **declared: Any) -> Callable[[View], View]:  # type: ignore[override]
        return self.operation("PUT", rule, **declared)

    def patch(self, rule: str, **declared: Any) -> Callable[[View], View]:  # type: ignore[override]
        return self.operation("PATCH", rule, **declared)

    def delete(self, rule: str, **declared: Any) -> Callable[[View], View]:  # type: ignore[override]
        return self.operation("DELETE", rule, **declared)


def _serve(operation: Operation) -> View:
    view = operation.view
    reads_only = operation.method == "GET"

    @wraps(view)
    def serve(**path: Any) -> Response:
        proof = _admit(operation)
        raw = _receive(operation)  # before a database connection is used
        caller = _identify(operation, proof)
        arguments = path if caller is None else _allow(operation, caller, path)
        if operation.caller != "anyone":
            arguments["caller"] = caller
        if operation.gate is not None:
            operation.gate()
        if isinstance(raw, ApiError):
            raise raw
        arguments |= _load(operation, caller, raw)

        def respond() -> Response:
            result = view(**arguments)
            if isinstance(result, Response):
                return result
            if result is None or operation.returns is None:
                return no_content()
            shown = result if isinstance(result, dict) else operation.returns.dump(result)
            return json_response(shown, operation.status)

        if operation.is_idempotent and caller is not None:
            check = operation.check_replay
            return respond_once(caller.id, raw, respond, check and (lambda: check(**arguments)))
        response = respond()
        return not_modified(response) if reads_only else response

    return serve


def _admit(operation: Operation) -> Claims | Caller | None:
    """Verify the token and count the request for its user or the address."""
    if operation.caller == "anyone":
        if operation.is_limited and not operation.is_sign_in:
            limit_requests(client_network())
        return None
    try:
        proof = check_token()
    except Unauthorized:
        limit_requests(client_network())  # so that invalid tokens share the limit of the address
        if operation.caller == "optional":
            return None
        raise
    limit_requests(f"user:{proof.id}")
    return proof


def _receive(operation: Operation) -> bytes | ApiError:
    """Read the body. Return an error instead of raising it, because a 401 or 403 precedes it."""
    try:
        return read_body(operation.accepts, operation.body_limit)
    except ApiError as error:
        return error


def _identify(operation: Operation, proof: Claims | Caller | None) -> Caller | None:
    try:
        return None if proof is None else identify(proof)
    except Unauthorized:
        if operation.caller == "optional":
            return None
        raise


def _allow(operation: Operation, caller: Caller, path: dict[str, Any]) -> dict[str, Any]:
    """Check the permissions of the caller, and replace `me` in the path by their id."""
    if caller.scope == "read" and operation.method != "GET":
        raise insufficient_scope("The token needs scope 'write'.")
    if operation.caller.startswith("admin"):
        caller.require_admin()
    if operation.caller == "optional" or operation.caller.endswith("session"):
        caller.require_session()
    if "user_id" in path:
        path["user_id"] = _own_or_any(caller, path["user_id"])
    return path


def _load(operation: Operation, caller: Caller | None, raw: bytes) -> dict[str, Any]:
    """Load the query and the body by their schemas."""
    loaded: dict[str, Any] = {}
    if operation.query is not NO_PARAMETERS or request.query_string:
        admins = [name for name in operation.admin_only if name in operation.query.fields]
        if admins:
            refuse_admin_only(admins, caller, request.args)
        query = load_query(operation.query)
        if operation.query is not NO_PARAMETERS:
            loaded["query"] = query
    if operation.takes_raw_body:
        loaded["raw"] = raw
    elif raw or (operation.body is not None and not operation.is_body_optional):
        value = parse_object(raw)
        refuse_admin_only(operation.admin_only, caller, value)
        if caller is not None and value.keys() & set(operation.session_only):
            caller.require_session()
        body = load(operation.body or NOTHING, value)
        if operation.body is not None:
            loaded["body"] = body
    elif operation.body is not None:
        loaded["body"] = {}
    return loaded


def refuse_admin_only(names: Iterable[str], caller: Caller | None, value: Any) -> None:
    """Raise Forbidden if a caller without admin rights sets one of the fields."""
    if caller is None or caller.is_admin or not isinstance(value, dict):
        return
    for name in names:
        if name in value:
            raise Forbidden(f"{name}: Only an admin can set this.")


def _own_or_any(caller: Caller, user_id: int | None) -> int:
    """Return the id of the user in the path, which only admins can choose."""
    if user_id is None or user_id == caller.id:
        return caller.id
    caller.require_admin()
    return user_id


def _digits_up_to(biggest: str) -> str:
    """Return a pattern of the integers from 1 to the maximum."""
    rest = len(biggest) - 1
    choices = [f"[1-9][0-9]{{0,{rest - 1}}}", biggest]
    for i, digit in enumerate(biggest):
        low = 1 if i == 0 else 0
        if int(digit) > low:
            choices.append(f"{biggest[:i]}[{low}-{int(digit) - 1}][0-9]{{{rest - i}}}")
    return "|".join(choices)


class IdConverter(BaseConverter):
    """A positive integer of 64 bits, in ASCII digits."""

    # All rules are in the pattern: a ValueError of to_python() would be a 405 for some methods.
    regex = _digits_up_to(str(MAX_ID))

    def to_python(self, value: str) -> int:
        return int(value)


class UserConverter(IdConverter):
    """A user ID, or `me` as None."""

    regex = f"me|{IdConverter.regex}"

    def to_python(self, value: str) -> int | None:  # type: ignore[override]
        return None if value == "me" else super().to_python(value)


def init_app(app: Flask) -> None:
    app.url_map.strict_slashes = (
        False  # also with a trailing slash, because clients drop tokens on redirects
    )
    app.url_map.merge_slashes = False
    app.url_map.converters.update(id=IdConverter, user=UserConverter)


def operations(app: Flask) -> list[tuple[str, Operation]]:
    """Return every declared operation with its full path."""
    found = []
    for blueprint in app.blueprints.values():
        if isinstance(blueprint, Api):
            prefix = blueprint.url_prefix or ""
            found += [(prefix + operation.rule, operation) for operation in blueprint.operations]
    return found
