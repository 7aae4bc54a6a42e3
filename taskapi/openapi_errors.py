"""What can go wrong with an operation, as far as it follows from its declaration."""

from typing import Any

from taskapi.api import Operation
from taskapi.error_handlers import PROBLEM, TITLES
from taskapi.inputs import JSON

Json = dict[str, Any]

# Every code that a client may meet, by status.
CODES = {
    400: ("VALIDATION_ERROR", "MALFORMED_JSON", "BAD_REQUEST"),
    401: (
        "UNAUTHORIZED",
        "INVALID_TOKEN",
        "TOKEN_EXPIRED",
        "TOKEN_REVOKED",
        "INVALID_CREDENTIALS",
    ),
    403: ("FORBIDDEN", "INSUFFICIENT_SCOPE"),
    404: ("NOT_FOUND",),
    405: ("METHOD_NOT_ALLOWED",),
    409: ("CONFLICT",),
    412: ("PRECONDITION_FAILED",),
    413: ("PAYLOAD_TOO_LARGE",),
    415: ("UNSUPPORTED_MEDIA_TYPE",),
    422: ("IDEMPOTENCY_KEY_REUSED",),
    429: ("RATE_LIMITED",),
    500: ("INTERNAL_ERROR",),
    503: ("SERVICE_UNAVAILABLE",),
}
MEANINGS = {
    400: "A field or parameter is faulty or unknown, or the body is not JSON.",
    401: "There is no token, or it is not or no longer valid.",
    403: "The caller may not do this.",
    404: "There is no such thing, or none that the caller may see.",
    409: "It contradicts what is there.",
    412: "It was changed in the meantime.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here.",
    422: "The Idempotency-Key was used with another body.",
    429: "Too many requests; wait for Retry-After seconds.",
    500: "Something went wrong here; the request id helps to find it.",
    503: "The database is away; try again in Retry-After seconds.",
}


def _whole(description: str, example: int) -> Json:
    return {
        "description": description,
        "schema": {"type": "integer", "minimum": 0},
        "example": example,
    }


def _text(description: str, example: str, **more: Any) -> Json:
    return {"description": description, "schema": {"type": "string"}, "example": example, **more}


HEADERS = {
    "X-Request-ID": _text("Names the request in the log.", "6f1c0e5e-2f0a", required=True),
    "X-RateLimit-Limit": _whole("Requests a minute.", 60),
    "X-RateLimit-Remaining": _whole("How many of them are left.", 59),
    "X-RateLimit-Reset": _whole("When the window ends, in Unix time.", 1796115600),
    "Retry-After": _whole("Seconds to wait.", 5),
    "ETag": _text("Names this version, for If-Match and If-None-Match.", '"7-1"'),
    "Link": _text(
        "The pages next, prev, first and last, as far as they are known.",
        '</api/v1/tasks?limit=20&skip=20>; rel="next"',
    ),
    "Idempotency-Replayed": {
        "description": "This is the answer that was given before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": _text("How to sign in.", "Bearer"),
}
OF_ANY_ERROR = ("X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
OF_ERRORS = {
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def error_schemas() -> dict[str, Json]:
    text: Json = {"type": "string"}
    code: Json = {"type": "string", "enum": [code for codes in CODES.values() for code in codes]}
    details: Json = {
        "type": "object",
        "description": "What is wrong with each field.",
        "additionalProperties": {"type": "array", "items": text},
    }
    number: Json = {"type": "integer", "minimum": 0}
    placed: Json = details | {
        "properties": {
            "index": number | {"description": "Of the operation in a bulk request, from 0."},
            "row": number | {"description": "Of the row in an import, from 1."},
        }
    }
    fault = {"code": code, "message": text, "request_id": text}

    def envelope(of: Json) -> Json:
        error = {
            "type": "object",
            "properties": fault | {"details": of},
            "required": [*fault],
        }
        return {
            "type": "object",
            "properties": {"error": error, "detail": text | {"description": "The message again."}},
            "required": ["error", "detail"],
        }

    facts = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "detail": text,
        "code": code,
        "request_id": text,
    }

    def problem(of: Json) -> Json:
        return {"type": "object", "properties": facts | {"errors": of}, "required": [*facts]}

    return {
        "Error": envelope(details),
        "Problem": problem(details),
        "PlacedError": envelope(placed),
        "PlacedProblem": problem(placed),
    }


def _response(status: int, prefix: str = "") -> Json:
    message, code = MEANINGS[status], CODES[status][0]
    request_id = HEADERS["X-Request-ID"]["example"]
    envelope = {
        "error": {"code": code, "message": message, "request_id": request_id},
        "detail": message,
    }
    problem = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": message,
        "code": code,
        "request_id": request_id,
    }
    return {
        "description": message,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"}
            for name in (*OF_ANY_ERROR, *OF_ERRORS.get(status, ()))
        },
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{prefix}Error"},
                "examples": {"example": {"value": envelope}},
            },
            PROBLEM: {
                "schema": {"$ref": f"#/components/schemas/{prefix}Problem"},
                "examples": {"example": {"value": problem}},
            },
        },
    }


# Those of bulk requests and imports that say where the fault is.
PLACED = (400, 403, 404, 409, 412)
RESPONSES = {f"Error{status}": _response(status) for status in MEANINGS}
RESPONSES |= {f"PlacedError{status}": _response(status, "Placed") for status in PLACED}


def faults_of(rule: str, operation: Operation) -> dict[int, str]:
    """The statuses that the operation may answer with when it fails, with a word where it helps."""
    who, is_read = operation.caller, operation.method == "GET"
    found = {400}
    if operation.is_limited or who != "anyone":
        found |= {429, 500, 503}
    if who != "anyone":
        found.add(401)
        if who != "user" or not is_read or operation.admin_only or "<user:" in rule:
            found.add(403)
    if "<" in rule:
        found.add(404)
    if operation.body is not None:
        found |= {413, 415}
    if operation.is_idempotent:
        found |= {409, 422}
    if operation.is_conditional and not is_read:
        found.add(412)
    named = dict.fromkeys(found, "") | dict(operation.errors)
    return dict(sorted(named.items()))
