"""Sessions: where a user is signed in, and the refresh tokens that keep them so.

A refresh token is `session.generation.signature`. The row says which generation is current, so
that nothing usable lies in the database.
"""

import re
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    bindparam,
    delete,
    insert,
    not_,
    or_,
    select,
    update,
)

from taskapi.config import settings
from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.errors import NotFound, Unauthorized
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.keys import is_signed, sign
from taskapi.models.page import Filter, Flag, Listing
from taskapi.models.user import users
from taskapi.moments import ago, from_now, now

GRACE_SECONDS = 60  # how long the token before the current one still works
_SHAPE = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.([\w-]+)", re.ASCII)
KEPT_DAYS = 30  # how long an ended session is remembered, for the addresses that signed in

sessions = db.Table(
    "sessions",
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=False),
    Column("rotated_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("address", String(45), nullable=False),
    Column("agent", String(200), nullable=False),
    Index("ix_sessions_user_id_address", "user_id", "address"),
    Index("ix_sessions_expires_at", "expires_at"),
    sqlite_autoincrement=True,
)

_by_id = sessions.c.id == bindparam("id")
_of_user = sessions.c.user_id == bindparam("user_id")
_is_live = sessions.c.ended_at.is_(None) & (sessions.c.expires_at > bindparam("now"))

INSERT = Query(
    insert(sessions)
    .values({c.name: bindparam(c.name) for c in sessions.c if c.name not in ("id", "ended_at")})
    .returning(sessions)
)
# Who is calling: the session and its user in one query.
WITH_USER = Query(
    select(
        *(users.c.id, users.c.role, users.c.is_active),
        sessions.c.ended_at,
        sessions.c.expires_at,
        sessions.c.last_used_at,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(_by_id, _of_user)
)
UNCHANGED = Query(
    select(users.c.id)
    .where(
        users.c.id == bindparam("id"),
        users.c.password_hash == bindparam("password_hash"),
        users.c.is_active,
    )
    .with_for_update(key_share=True)
)
LOCK = Query(select(sessions).where(_by_id).with_for_update())
LISTING = Listing(
    columns=tuple(sessions.c),
    filters={
        "user_id": Filter(lambda value: sessions.c.user_id == value),
        "is_live": Flag(_is_live, not_(_is_live)),
    },
    sorts={},
)
ROTATE = Query(
    update(sessions)
    .where(_by_id)
    .values(
        generation=sessions.c.generation + 1,
        rotated_at=bindparam("now"),
        last_used_at=bindparam("now"),
        expires_at=bindparam("new_expires_at"),
    )
    .returning(sessions)
)
_free = select(sessions.c.id).where(_by_id).with_for_update(skip_locked=True)
TOUCH = Query(  # waits for nobody: whoever holds the row is using it
    update(sessions).where(sessions.c.id.in_(_free)).values(last_used_at=bindparam("now"))
)
END = Query(update(sessions).where(_by_id, _of_user, _is_live).values(ended_at=bindparam("now")))
END_ALL = Query(
    update(sessions)
    .where(_of_user, _is_live, sessions.c.id != bindparam("except_id"))
    .values(ended_at=bindparam("now"))
)
KNOWN_ADDRESS = Query(
    select(sessions.c.id)
    .where(
        _of_user,
        sessions.c.address == bindparam("address"),
        sessions.c.created_at > bindparam("since"),
    )
    .limit(1)
)
PURGE = Query(
    delete(sessions).where(
        sessions.c.created_at < bindparam("before"),
        or_(sessions.c.expires_at < bindparam("before"), sessions.c.ended_at < bindparam("before")),
    )
)


def session_json(session: Row, current_id: int | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "address": session.address,
        "agent": session.agent,
        "current": session.id == current_id,
    }


def start_session(user: Row, agent: str) -> Row | None:
    """Sign a user in, from the address of the event's origin; None if they changed meanwhile."""
    moment = now()
    with transaction():
        current = UNCHANGED.first(id=user.id, password_hash=user.password_hash)
        if current is None:
            return None  # disabled, deleted or with a new password since it was checked
        session = INSERT.first(
            user_id=user.id,
            generation=1,
            created_at=moment,
            last_used_at=moment,
            rotated_at=moment,
            expires_at=_expiry(),
            address=event.origin.get().address or "",
            agent=agent[:200],
        )
        event.record("session.started", user_id=user.id, actor_id=user.id)
    return session


def refresh_token(session: Row) -> str:
    token = f"{session.id}.{session.generation}"
    return f"{token}.{sign('refresh', _signed_part(token, session))}"


def refresh(token: str) -> Row:
    """The session with its next generation, or Unauthorized; theft ends the session."""
    session_id, generation = _read(token)
    with transaction():
        session = LOCK.first(id=session_id)
        if session is None or not _is_genuine(token, session):
            raise _invalid()
        if session.ended_at or session.expires_at <= now():
            raise Unauthorized("This session has ended.", code="TOKEN_REVOKED")
        if generation == session.generation:
            rotated = ROTATE.first(id=session_id, now=now(), new_expires_at=_expiry())
            assert rotated is not None
            return rotated
        is_just_before = generation == session.generation - 1
        if is_just_before and session.rotated_at > ago(seconds=GRACE_SECONDS):
            return session  # a second tab, or an answer that was lost: the same successor
        end_session(session.user_id, session_id)
        event.record("session.stolen", user_id=session.user_id)
    raise Unauthorized(
        "This refresh token was used before; the session has ended.", code="TOKEN_REVOKED"
    )


def session_of(token: str) -> Row:
    """The session that a genuine refresh token of any age belongs to."""
    session_id, _ = _read(token)
    session = LOCK.first(id=session_id)
    if session is None or not _is_genuine(token, session):
        raise _invalid()
    return session


def end_session(user_id: int, session_id: int, *, is_required: bool = True) -> None:
    with transaction():
        if END.run(id=session_id, user_id=user_id, now=now()):
            event.record("session.ended", user_id=user_id)
        elif is_required:
            raise NotFound("There is no such session.")


def end_all_sessions(user_id: int, *, except_id: int = 0) -> None:
    with transaction():
        if END_ALL.run(user_id=user_id, except_id=except_id, now=now()):
            event.record("session.all_ended", user_id=user_id)


def purge() -> int:
    return PURGE.run(before=ago(days=KEPT_DAYS))


def _expiry() -> str:
    return from_now(days=settings().refresh_token_expire_days)


def _read(token: str) -> tuple[int, int]:
    found = _SHAPE.fullmatch(token)
    if found is None:
        raise _invalid()
    return int(found[1]), int(found[2])


def _is_genuine(token: str, session: Row) -> bool:
    claim, _, signature = token.rpartition(".")
    return is_signed("refresh", _signed_part(claim, session), signature)


def _signed_part(claim: str, session: Row) -> str:
    # With the time, so that a token dies with its database and its numbers may come again.
    return f"{claim}.{session.user_id}.{session.created_at}"


def _invalid() -> Unauthorized:
    return Unauthorized("This refresh token is not valid.", code="INVALID_TOKEN")
