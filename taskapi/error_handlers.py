"""Errors are raised anywhere and get their one shape here."""

import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from taskapi.db import DATABASE_ERRORS, INTEGRITY_ERRORS, as_unavailable, cause_of, lacks_migrations
from taskapi.errors import ApiError, NotFound, TooLarge, Unauthorized
from taskapi.inputs import JSON
from taskapi.middleware import request_id
from taskapi.models import event
from taskapi.models.user import User
from taskapi.responses import json_response

PROBLEM = "application/problem+json"
log = logging.getLogger("taskapi.errors")

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Key reused",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


class MethodNotAllowed(ApiError):
    status = 405
    code = "METHOD_NOT_ALLOWED"


class InternalError(ApiError):
    status = 500
    code = "INTERNAL_ERROR"


def init_app(app: Flask) -> None:
    app.register_error_handler(ApiError, answer_error)
    app.register_error_handler(HTTPException, _answer_werkzeug)
    for integrity_error in INTEGRITY_ERRORS:
        app.register_error_handler(integrity_error, _answer_refused)
    for database_error in DATABASE_ERRORS:
        app.register_error_handler(database_error, _answer_database)
    app.register_error_handler(Exception, _answer_unexpected)


def answer_error(error: ApiError) -> Response:
    """The envelope, or RFC 9457 for those who ask for it."""
    details = dict(error.details or {})
    if _wants_problem():
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES[error.status],
            "status": error.status,
            "detail": error.message,
            "code": error.code,
            "request_id": request_id(),
        }
        if details:
            body["errors"] = details
        return json_response(body, error.status, {**error.headers, "Content-Type": PROBLEM})
    envelope: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": request_id(),
    }
    if details:
        envelope["details"] = details
    return json_response({"error": envelope, "detail": error.message}, error.status, error.headers)


def _wants_problem() -> bool:
    """Is RFC 9457 named by Accept, and liked no less than plain JSON?"""
    if PROBLEM not in request.headers.get("Accept", "").lower():
        return False
    liked = {kind.partition(";")[0].lower(): quality for kind, quality in request.accept_mimetypes}
    return liked.get(PROBLEM, 0) > 0 and liked[PROBLEM] >= liked.get(JSON, 0)


def _answer_werkzeug(error: HTTPException) -> Response:
    if error.code == 404:
        return answer_error(NotFound())
    if error.code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        message = f"{request.method} is not possible here; {allowed} are."
        return answer_error(MethodNotAllowed(message, headers={"Allow": allowed}))
    if error.code == 413:
        return answer_error(TooLarge("The request's body is too large."))
    if error.code is not None and error.code < 500:
        return answer_error(ApiError("The request cannot be understood."))
    return _answer_unexpected(error)


def _answer_refused(error: Exception) -> Response:
    """What the database refuses to write: for a caller who was deleted since they were let in."""
    caller_id = event.origin.get().actor_id
    if caller_id is not None:
        try:
            User.get(caller_id)
        except Unauthorized as gone:
            return answer_error(gone)
    return _answer_unexpected(error)


def _answer_database(error: Exception) -> Response:
    if lacks_migrations(error):
        log.error("The database lacks tables or columns. Run: flask db upgrade")
    unavailable = as_unavailable(error)
    if unavailable is None:
        return _answer_unexpected(error)
    log.warning("database: %s", type(cause_of(error)).__name__, exc_info=error)
    return answer_error(unavailable)


def _answer_unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return answer_error(
        InternalError("Something went wrong here; the request id helps to find it.")
    )
