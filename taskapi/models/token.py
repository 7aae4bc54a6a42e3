"""Personal access tokens and password reset tokens, stored as digests."""

import hashlib
import secrets

from sqlalchemy import ForeignKey, String, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Timestamp, affected_rows, from_now, now, transaction, upsert
from taskapi.errors import Forbidden, Invalid, NotFound
from taskapi.extensions import db
from taskapi.listing import Listing
from taskapi.models import event
from taskapi.models.user import User
from taskapi.statement import Statement

PREFIX = "tsk_"
SCOPES = ("read", "write", "admin")
RESET_HOURS = 1


class PersonalToken(db.Model):
    __tablename__ = "personal_tokens"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(5))
    prefix: Mapped[str] = mapped_column(String(12))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[str] = mapped_column(Timestamp, default=now)
    expires_at: Mapped[str | None] = mapped_column(Timestamp)
    last_used_at: Mapped[str | None] = mapped_column(Timestamp)

    __table_args__ = ({"sqlite_autoincrement": True},)


class PasswordReset(db.Model):
    """The reset token of a user, which a new one replaces."""

    __tablename__ = "password_resets"

    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[str] = mapped_column(Timestamp)


LISTING = Listing(columns=PersonalToken.__table__.c, filters={"user_id": PersonalToken.user_id})
# The token and its user in one query.
WITH_USER = Statement(
    select(
        *(User.id, User.role, User.is_active),
        PersonalToken.id.label("token_id"),
        *(PersonalToken.scope, PersonalToken.expires_at, PersonalToken.last_used_at),
    )
    .join(User, User.id == PersonalToken.user_id)
    .where(PersonalToken.token_hash == bindparam("token_hash"))
)


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(
    user_id: int, role: str, name: str, scope: str, expires_at: str | None = None
) -> tuple[PersonalToken, str]:
    """Create a personal access token and return it with its secret."""
    if scope == "admin" and role != "admin":
        raise Forbidden("Only admins can create tokens with scope 'admin'.")
    if expires_at is not None and expires_at <= now():
        raise Invalid({"expires_at": ["Must be in the future."]})
    secret = PREFIX + secrets.token_urlsafe(32)
    token = PersonalToken(
        user_id=user_id,
        name=name,
        scope=scope,
        prefix=secret[:12],
        token_hash=digest(secret),
        expires_at=expires_at,
    )
    with transaction():
        db.session.add(token)
        changes = {"name": [None, name], "scope": [None, scope]}
        event.record("token.created", user_id=user_id, changes=changes)
    return token, secret


def touch(token_id: int) -> None:
    """Note that a token is used."""
    with transaction():
        mine = update(PersonalToken).where(PersonalToken.id == token_id)
        db.session.execute(mine.values(last_used_at=now()))


def delete_token(user_id: int, token_id: int) -> None:
    """Revoke one of the user's tokens; the webhooks made with it go along."""
    mine = (PersonalToken.id == token_id, PersonalToken.user_id == user_id)
    with transaction():
        if not affected_rows(delete(PersonalToken).where(*mine)):
            raise NotFound("Token not found.")
        event.record("token.deleted", user_id=user_id)


def delete_all_tokens(user_id: int) -> None:
    """Revoke all personal access tokens and the reset token of a user."""
    with transaction():
        db.session.execute(delete(PasswordReset).where(PasswordReset.user_id == user_id))
        mine = delete(PersonalToken).where(PersonalToken.user_id == user_id)
        if affected_rows(mine):
            event.record("token.all_deleted", user_id=user_id)


def create_reset(user_id: int) -> tuple[str, str]:
    """Create a reset token and return it with its expiry."""
    secret, expires_at = secrets.token_urlsafe(32), from_now(hours=RESET_HOURS)
    with transaction():
        User.lock(user_id)  # first, as in every change of a password
        token_hash = digest(secret)
        upsert(PasswordReset, user_id=user_id, token_hash=token_hash, expires_at=expires_at)
        event.record("password.reset_offered", user_id=user_id)
    return secret, expires_at


def user_of_reset(secret: str) -> User:
    """Return the user of a valid reset token, or raise Invalid."""
    query = (
        select(User)
        .join(PasswordReset, PasswordReset.user_id == User.id)
        .where(PasswordReset.token_hash == digest(secret), PasswordReset.expires_at > now())
    )
    user = db.session.scalar(query)
    if user is None:
        raise Invalid({"token": ["Invalid, used or expired token."]})
    return user


def purge() -> int:
    with transaction():
        tokens = delete(PersonalToken).where(PersonalToken.expires_at < now())
        resets = delete(PasswordReset).where(PasswordReset.expires_at < now())
        return affected_rows(tokens) + affected_rows(resets)
