"""Idempotency-Key: a repeated request gets the stored response."""

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, request

from taskapi.db import (
    DATABASE_ERRORS,
    LOCK_SECONDS,
    is_lock_timeout,
    now,
    transaction,
    wait_for_locks,
)
from taskapi.errors import Conflict, Invalid, KeyReused, Unavailable
from taskapi.extensions import db
from taskapi.models.idempotency import CLAIM, StoredResponse, delete_expired

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
    claim = {"user_id": user_id, "key_hash": hashlib.sha256(request_line.encode()).hexdigest()}
    body_hash = hashlib.sha256(raw).hexdigest()
    try:
        with transaction():
            return _respond_in_transaction(claim, body_hash, respond, check_replay)
    except (*DATABASE_ERRORS, Unavailable) as error:
        if not is_lock_timeout(error):
            raise
        raise Conflict(
            "A request with this Idempotency-Key is in progress. Try again later."
        ) from None


def _respond_in_transaction(
    key: dict[str, Any],
    body_hash: str,
    respond: Callable[[], Response],
    check_replay: Callable[[], None] | None,
) -> Response:
    wait_for_locks(LOCK_SECONDS)
    delete_expired(**key)
    CLAIM.execute(**key, body_hash=body_hash, now=now())
    wait_for_locks(LOCK_SECONDS - 1)
    stored = db.session.get(StoredResponse, (key["user_id"], key["key_hash"]))
    assert stored is not None
    if stored.body_hash != body_hash:
        raise KeyReused("This Idempotency-Key was used with a different body.")
    if stored.status:
        if check_replay is not None:
            check_replay()
        return Response(
            stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"}
        )
    response = respond()  # an error rolls the claim back
    stored.status, stored.body = response.status_code, response.get_data(as_text=True)
    stored.headers = {k: response.headers[k] for k in STORED_HEADERS if k in response.headers}
    return response
