"""Idempotency-Key: a repeated request gets the stored response."""

import hashlib
from collections.abc import Callable

from flask import Response, request

from taskapi.db import DATABASE_ERRORS, LOCK_SECONDS, is_lock_timeout, transaction, wait_for_locks
from taskapi.errors import Conflict, Invalid, KeyReused, Unavailable
from taskapi.models.idempotency import StoredResponse

STORED_HEADERS = ("Location", "ETag", "Content-Type")


def respond_once(
    user_id: int,
    raw: bytes,
    respond: Callable[[], Response],
    check_replay: Callable[[], None] | None = None,
) -> Response:
    """Return the response to this request, stored under its Idempotency-Key if it has one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return respond()
    if not 1 <= len(key) <= 255:
        raise Invalid({"Idempotency-Key": ["Must have 1 to 255 characters."]})
    query = request.query_string.decode("latin-1")
    request_line = "\n".join((request.method, request.path.rstrip("/"), query, key))
    key_hash = hashlib.sha256(request_line.encode()).hexdigest()
    body_hash = hashlib.sha256(raw).hexdigest()
    try:
        with transaction():
            wait_for_locks(LOCK_SECONDS)
            stored = StoredResponse.claim(user_id, key_hash, body_hash)
            wait_for_locks(LOCK_SECONDS - 1)
            if stored.body_hash != body_hash:
                raise KeyReused("This Idempotency-Key was used with a different body.")
            if stored.status:
                if check_replay is not None:
                    check_replay()
                headers = {**stored.headers, "Idempotency-Replayed": "true"}
                return Response(stored.body, stored.status, headers)
            response = respond()  # an error rolls the claim back
            stored.status, stored.body = response.status_code, response.get_data(as_text=True)
            kept = [name for name in STORED_HEADERS if name in response.headers]
            stored.headers = {name: response.headers[name] for name in kept}
            return response
    except (*DATABASE_ERRORS, Unavailable) as error:
        if not is_lock_timeout(error):
            raise
        raise Conflict(
            "A request with this Idempotency-Key is in progress. Try again later."
        ) from None
