"""ETag, If-Match and If-None-Match."""

from flask import Response, request

from taskapi.db import Row
from taskapi.errors import PreconditionFailed


def etag_of(row: Row) -> str:
    tag: str = getattr(row, "etag", None) or f"{row.id}-{row.version}"
    return tag


def check_if_match(row: Row) -> None:
    """Raise PreconditionFailed unless If-Match has the current ETag, strong or weak."""
    if "HTTP_IF_MATCH" not in request.environ:
        return
    tag = etag_of(row)
    if not request.if_match.contains_weak(tag):
        raise PreconditionFailed(
            "The resource has changed. Its current version is in the ETag header.",
            headers={"ETag": f'"{tag}"'},
        )


def not_modified(response: Response) -> Response:
    """Turn the response into a 304 if If-None-Match has its ETag."""
    if "HTTP_IF_NONE_MATCH" not in request.environ:
        return response
    tag, _ = response.get_etag()
    if tag is not None and request.if_none_match.contains_weak(tag):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"]
        del response.headers["Content-Length"]
    return response
