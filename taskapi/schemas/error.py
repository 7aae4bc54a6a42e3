"""Errors, for the document."""

from typing import Any

from marshmallow import Schema, fields

from taskapi.schemas.fields import OPTIONAL, OneOf

CODES = (
    *("VALIDATION_ERROR", "MALFORMED_JSON", "BAD_REQUEST", "UNAUTHORIZED", "INVALID_TOKEN"),
    *("TOKEN_EXPIRED", "TOKEN_REVOKED", "INVALID_CREDENTIALS", "FORBIDDEN", "INSUFFICIENT_SCOPE"),
    *("NOT_FOUND", "METHOD_NOT_ALLOWED", "CONFLICT", "PRECONDITION_FAILED", "PAYLOAD_TOO_LARGE"),
    *("UNSUPPORTED_MEDIA_TYPE", "IDEMPOTENCY_KEY_REUSED", "RATE_LIMITED", "INTERNAL_ERROR"),
    "SERVICE_UNAVAILABLE",
)
_NUMBER = {"type": "integer", "minimum": 0}
PLACE = {
    "index": _NUMBER | {"description": "The operation of a bulk request, from 0."},
    "row": _NUMBER | {"description": "The row of an import, from 1."},
}


class Details(fields.Dict):
    def __init__(self, **more: Any):
        about = {"description": "The messages for each invalid field or parameter."}
        super().__init__(values=fields.List(fields.String()), metadata=OPTIONAL | about | more)


class ErrorFactsSchema(Schema):
    code = fields.String(validate=OneOf(CODES))
    message = fields.String()
    request_id = fields.String()
    details = Details()


class ErrorSchema(Schema):
    error = fields.Nested(ErrorFactsSchema)
    detail = fields.String(metadata={"description": "The message again."})


class ProblemSchema(Schema):
    """RFC 9457."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String(validate=OneOf(CODES))
    request_id = fields.String()
    errors = Details()


class PlacedErrorFactsSchema(ErrorFactsSchema):
    details = Details(properties=PLACE)


class PlacedErrorSchema(ErrorSchema):
    error = fields.Nested(PlacedErrorFactsSchema)


class PlacedProblemSchema(ProblemSchema):
    errors = Details(properties=PLACE)
