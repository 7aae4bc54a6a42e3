"""Secrets that are handed out once and kept as a digest: personal and password reset tokens."""

import secrets
from typing import Any

from sqlalchemy import Column, ForeignKey, String, bindparam, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.database import Id, Moment, Query, Row, integrity_error, transaction
from taskapi.errors import Forbidden, Invalid, NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.keys import digest
from taskapi.models.page import Filter, Listing
from taskapi.models.user import users
from taskapi.moments import from_now, now

PREFIX = "tsk_"
SCOPES = ("read", "write", "admin")
RESET_HOURS = 1

tokens = db.Table(
    "personal_tokens",
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(5), nullable=False),
    Column("prefix", String(12), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    sqlite_autoincrement=True,
)

# One a user: a new link replaces the one before.
password_resets = db.Table(
    "password_resets",
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("expires_at", Moment, nullable=False),
)

_is_live = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("now"))

INSERT = Query(
    insert(tokens)
    .values({c.name: bindparam(c.name) for c in tokens.c if c.name not in ("id", "last_used_at")})
    .returning(tokens)
)
LISTING = Listing(
    columns=tuple(tokens.c),
    filters={"user_id": Filter(lambda value: tokens.c.user_id == value)},
    sorts={},
)
# Who is calling: the token and its user in one query.
WITH_USER = Query(
    select(
        *(users.c.id, users.c.role, users.c.is_active),
        tokens.c.id.label("token_id"),
        tokens.c.scope,
        tokens.c.expires_at,
        tokens.c.last_used_at,
    )
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.token_hash == bindparam("token_hash"))
)
TOUCH = Query(
    update(tokens).where(tokens.c.id == bindparam("id")).values(last_used_at=bindparam("now"))
)
DELETE = Query(
    delete(tokens).where(tokens.c.id == bindparam("id"), tokens.c.user_id == bindparam("user_id"))
)
DELETE_ALL = Query(delete(tokens).where(tokens.c.user_id == bindparam("user_id")))
PURGE = Query(delete(tokens).where(tokens.c.expires_at < bindparam("now")))

_reset = upsert(password_resets).values({c.name: bindparam(c.name) for c in password_resets.c})
SET_RESET = Query(
    _reset.on_conflict_do_update(
        index_elements=["user_id"],
        set_={
            "token_hash": _reset.excluded.token_hash,
            "expires_at": _reset.excluded.expires_at,
        },
    )
)
BY_RESET = Query(
    select(users)
    .join(password_resets, password_resets.c.user_id == users.c.id)
    .where(
        password_resets.c.token_hash == bindparam("token_hash"),
        password_resets.c.expires_at > bindparam("now"),
    )
)
TAKE_RESET = Query(
    delete(password_resets)
    .where(
        password_resets.c.token_hash == bindparam("token_hash"),
        password_resets.c.expires_at > bindparam("now"),
    )
    .returning(password_resets.c.user_id)
)
DELETE_RESET = Query(
    delete(password_resets).where(password_resets.c.user_id == bindparam("user_id"))
)
PURGE_RESETS = Query(delete(password_resets).where(password_resets.c.expires_at < bindparam("now")))


def token_json(token: Row) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "prefix": token.prefix,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }


def create_token(
    user_id: int, role: str, name: str, scope: str, expires_at: str | None = None
) -> tuple[Row, str]:
    """A personal token and its secret, which is known only now."""
    if scope == "admin" and role != "admin":
        raise Forbidden("Only an admin may have a token of scope admin.")
    if expires_at is not None and expires_at <= now():
        raise Invalid({"expires_at": ["Must lie in the future."]})
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction():
        token = INSERT.first(
            user_id=user_id,
            name=name,
            scope=scope,
            prefix=secret[:12],
            token_hash=digest(secret),
            created_at=now(),
            expires_at=expires_at,
        )
        assert token is not None
        changes = {"name": [None, name], "scope": [None, scope]}
        event.record("token.created", user_id=user_id, changes=changes)
    return token, secret


def delete_token(user_id: int, token_id: int) -> None:
    with transaction():
        if not DELETE.run(id=token_id, user_id=user_id):
            raise NotFound("There is no such token.")
        event.record("token.deleted", user_id=user_id)


def create_reset(user_id: int) -> tuple[str, str]:
    """A token that sets a new password once, and when it expires."""
    secret, expires_at = secrets.token_urlsafe(32), from_now(hours=RESET_HOURS)
    try:
        with transaction():
            SET_RESET.run(user_id=user_id, token_hash=digest(secret), expires_at=expires_at)
            event.record("password.reset_offered", user_id=user_id)
    except integrity_error():  # deleted since somebody looked
        raise NotFound("There is no such user.") from None
    return secret, expires_at


def user_of_reset(secret: str) -> Row:
    user = BY_RESET.first(token_hash=digest(secret), now=now())
    if user is None:
        raise _unknown_reset()
    return user


def take_reset(secret: str) -> None:
    """Use the token up, or Invalid where somebody else just did."""
    if TAKE_RESET.first(token_hash=digest(secret), now=now()) is None:
        raise _unknown_reset()


def purge() -> int:
    return PURGE.run(now=now()) + PURGE_RESETS.run(now=now())


def _unknown_reset() -> Invalid:
    return Invalid({"token": ["Is not valid, was used, or has expired."]})
