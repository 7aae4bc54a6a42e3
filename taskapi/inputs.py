"""Reading requests: JSON, forms and query strings, loaded by a schema."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from flask import request
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from taskapi.errors import ApiError, Invalid, TooLarge, UnsupportedMediaType
from taskapi.extensions import db
from taskapi.schemas.fields import load
from taskapi.schemas.strict_json import FORBIDDEN, malformed, parse_json

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"
BODY_LIMIT = 1024 * 1024
DISCARD_LIMIT = 2 * BODY_LIMIT


def read_body(accepts: tuple[str, ...], limit: int) -> bytes:
    """Read the body and check its size and media type."""
    environ = request.environ
    if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    db.session.remove()  # no connection is held while the body is received
    length = request.content_length or 0
    try:
        if limit < length <= limit + DISCARD_LIMIT:
            # For clients that read the response only after they have sent the body.
            request.max_content_length = length
            while request.stream.read(64 * 1024):
                pass
        elif length <= limit:
            # Werkzeug truncates chunked bodies silently; one more byte shows that it did.
            request.max_content_length = limit + 1
            length = len(request.get_data(cache=True))
    except HTTPException:
        raise
    except Exception:  # of the server: malformed chunks or a closed connection
        raise ApiError("The body could not be read.") from None
    if length > limit:
        raise TooLarge(f"The body must not exceed {limit} bytes.")
    raw = request.get_data()
    if raw and request.mimetype not in accepts:
        raise UnsupportedMediaType(f"Send the body as {' or '.join(accepts)}.")
    return raw


def parse_object(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise malformed("The body is empty. Send a JSON object.")
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise Invalid({"body": ["Must be a JSON object."]})
    return value


def load_form(raw: bytes, schema: Schema, **by_grant: Schema) -> dict[str, Any]:
    """Load a form by the schema for its `grant_type`."""
    values = _parameters(raw)
    return load(by_grant.get(values.get("grant_type", ""), schema), values)


def load_query(schema: Schema) -> dict[str, Any]:
    return dict(_load_query(schema, request.query_string))


@lru_cache(maxsize=1024)
def _load_query(schema: Schema, raw: bytes) -> dict[str, Any]:
    lists = {name for name, field in schema.fields.items() if isinstance(field, fields.List)}
    return load(schema, _parameters(raw, lists))


def _parameters(raw: bytes, lists: Collection[str] = ()) -> dict[str, Any]:
    """Parse a query string or form; only lists can have several values."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=200,
        )
    except ValueError:
        raise ApiError("Too many parameters.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if FORBIDDEN.search(name):
            raise ApiError("Parameters must be UTF-8 without NUL.")
        if FORBIDDEN.search(value):
            raise Invalid({name: ["Must be UTF-8 without NUL."]})
        values.setdefault(name, []).append(value)
    doubles = [name for name, given in values.items() if len(given) > 1 and name not in lists]
    if doubles:
        raise Invalid({name: ["Must not be given more than once."] for name in doubles})
    return {name: given if name in lists else given[0] for name, given in values.items()}
