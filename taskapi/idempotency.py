"""Safe retries: the same key and body get the same answer, and nothing is done twice."""

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
from taskapi.models.idempotency import CLAIM, StoredResponse, forget_expired

KEPT_HEADERS = ("Location", "ETag", "Content-Type")


def answer_once(
    user_id: int,
    raw: bytes,
    answer: Callable[[], Response],
    check_replay: Callable[[], None] | None = None,
) -> Response:
    """What `answer` returns, kept under the request's Idempotency-Key if it has one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return answer()
    if not 1 <= len(key) <= 255:
        raise Invalid({"Idempotency-Key": ["Must have 1 to 255 characters."]})
    query = request.query_string.decode("latin-1")
    what = "\n".join((request.method, request.path.rstrip("/"), query, key))
    claim = {"user_id": user_id, "key_hash": hashlib.sha256(what.encode()).hexdigest()}
    body_hash = hashlib.sha256(raw).hexdigest()
    try:
        with transaction():
            return _answer_in_transaction(claim, body_hash, answer, check_replay)
    except (*DATABASE_ERRORS, Unavailable) as error:
        if not is_lock_timeout(error):
            raise
        raise Conflict(
            "Another request with this key is still being processed. Try again in a moment."
        ) from None


def _answer_in_transaction(
    key: dict[str, Any],
    body_hash: str,
    answer: Callable[[], Response],
    check_replay: Callable[[], None] | None,
) -> Response:
    wait_for_locks(LOCK_SECONDS)
    forget_expired(**key)
    CLAIM.execute(**key, body_hash=body_hash, now=now())
    wait_for_locks(LOCK_SECONDS - 1)
    stored = db.session.get(StoredResponse, (key["user_id"], key["key_hash"]))
    assert stored is not None
    if stored.body_hash != body_hash:
        raise KeyReused("This Idempotency-Key was used with another body.")
    if stored.status:
        if check_replay is not None:
            check_replay()
        return Response(
            stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"}
        )
    response = answer()  # what fails takes its claim back with it
    stored.status, stored.body = response.status_code, response.get_data(as_text=True)
    stored.headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
    return response
