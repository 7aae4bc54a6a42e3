"""Turn errors into JSON responses."""

import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from taskapi.db import DATABASE_ERRORS, INTEGRITY_ERRORS, as_unavailable, cause_of, lacks_migrations
from taskapi.errors import ApiError, NotFound, TooLarge, Unauthorized
from taskapi.inputs import JSON
from taskapi.middleware import request_id
from taskapi.models import event
from taskapi.models.user import User
from taskapi.responses import json_response

PROBLEM = "application/problem+json"
log = logging.getLogger("taskapi.errors")


class MethodNotAllowed(ApiError):
    status = 405
    code = "METHOD_NOT_ALLOWED"


class InternalError(ApiError):
    status = 500
    code = "INTERNAL_ERROR"


def init_app(app: Flask) -> None:
    app.register_error_handler(ApiError, error_response)
    app.register_error_handler(HTTPException, _handle_http_exception)
    for integrity_error in INTEGRITY_ERRORS:
        app.register_error_handler(integrity_error, _handle_integrity_error)
    for database_error in DATABASE_ERRORS:
        app.register_error_handler(database_error, _handle_database_error)
    app.register_error_handler(Exception, _handle_unexpected)


def error_response(error: ApiError) -> Response:
    """Return the error as JSON, or as RFC 9457 if the client prefers that."""
    if _wants_problem():
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTP_STATUS_CODES[error.status],
            "status": error.status,
            "detail": error.message,
            "code": error.code,
            "request_id": request_id(),
        }
        if error.details:
            body["errors"] = error.details
        return json_response(body, error.status, {**error.headers, "Content-Type": PROBLEM})
    envelope: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": request_id(),
    }
    if error.details:
        envelope["details"] = error.details
    return json_response({"error": envelope, "detail": error.message}, error.status, error.headers)


def _wants_problem() -> bool:
    """Return whether Accept names RFC 9457 and does not prefer plain JSON."""
    if PROBLEM not in request.headers.get("Accept", "").lower():
        return False
    quality_of = {
        kind.partition(";")[0].lower(): quality for kind, quality in request.accept_mimetypes
    }
    return quality_of.get(PROBLEM, 0) > 0 and quality_of[PROBLEM] >= quality_of.get(JSON, 0)


def _handle_http_exception(error: HTTPException) -> Response:
    if error.code == 404:
        return error_response(NotFound())
    if error.code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        message = f"Method {request.method[:20]} not allowed."
        return error_response(MethodNotAllowed(message, headers={"Allow": allowed}))
    if error.code == 413:
        return error_response(TooLarge("The request body is too large."))
    if error.code is not None and error.code < 500:
        return error_response(ApiError("Malformed request."))
    return _handle_unexpected(error)


def _handle_integrity_error(error: Exception) -> Response:
    """Respond with 401 if the caller was deleted during the request."""
    caller_id = event.origin.get().actor_id
    if caller_id is not None:
        try:
            User.get(caller_id)
        except Unauthorized as unauthorized:
            return error_response(unauthorized)
    return _handle_unexpected(error)


def _handle_database_error(error: Exception) -> Response:
    if lacks_migrations(error):
        log.error("Tables or columns are missing. Run: flask db upgrade")
    unavailable = as_unavailable(error)
    if unavailable is None:
        return _handle_unexpected(error)
    log.warning("database: %s", type(cause_of(error)).__name__, exc_info=error)
    return error_response(unavailable)


def _handle_unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return error_response(InternalError("Internal server error. Please report the request id."))
