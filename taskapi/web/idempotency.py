"""Safe retries: the same key and body get the same answer, and nothing is done twice."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from flask import Response, request

from taskapi.database import transaction
from taskapi.drivers import LOCK_SECONDS
from taskapi.errors import Conflict, Invalid, KeyReused
from taskapi.lease import LockTimeout
from taskapi.models import idempotency
from taskapi.moments import ago, now

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
    place = {"user_id": user_id, "key_hash": hashlib.sha256(what.encode()).hexdigest()}
    body_hash = hashlib.sha256(raw).hexdigest()
    try:
        with transaction():
            return _answer_in_transaction(place, body_hash, answer, check_replay)
    except LockTimeout:
        raise Conflict(
            "Another request with this key is still at work; try again in a moment."
        ) from None


def _answer_in_transaction(
    place: dict[str, Any],
    body_hash: str,
    answer: Callable[[], Response],
    check_replay: Callable[[], None] | None,
) -> Response:
    idempotency.wait_at_most(LOCK_SECONDS)
    idempotency.FORGET_OLD.run(**place, before=ago(hours=idempotency.KEPT_HOURS))
    idempotency.CLAIM.run(**place, body_hash=body_hash, now=now())
    idempotency.wait_at_most(0)
    kept = idempotency.FIND.first(**place)
    assert kept is not None
    if kept.body_hash != body_hash:
        raise KeyReused("This Idempotency-Key was used with another body.")
    if kept.status:
        if check_replay is not None:
            check_replay()
        headers = {**orjson.loads(kept.headers), "Idempotency-Replayed": "true"}
        return Response(kept.body, kept.status, headers)
    response = answer()  # what fails takes its claim back with it
    headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
    idempotency.KEEP.run(
        **place,
        status=response.status_code,
        headers=orjson.dumps(headers).decode(),
        body=response.get_data(as_text=True),
    )
    return response
