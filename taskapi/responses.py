"""Responses in JSON."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response


def json_response(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    response = Response(
        orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE), status, mimetype="application/json"
    )
    if headers:
        response.headers.update(headers)
    return response


def no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def entity(
    row_json: Mapping[str, Any],
    status: int = 200,
    location: str | None = None,
    etag: str | None = None,
) -> Response:
    """Return a single object with its ETag."""
    etag = etag or f"{row_json['id']}-{row_json['version']}"
    headers = {"ETag": f'"{etag}"'}
    if location:
        headers["Location"] = location
    return json_response(row_json, status, headers)
