"""Login sessions and refresh tokens.

A refresh token is `session.generation.signature`. The row has only the current generation, so the
database contains no valid token.
"""

import hashlib
import re
from ipaddress import ip_network
from typing import Any

from itsdangerous import Signer
from sqlalchemy import ForeignKey, Index, String, bindparam, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.config import settings
from taskapi.db import Id, Timestamp, affected_rows, ago, from_now, now, transaction
from taskapi.errors import NotFound, Unauthorized
from taskapi.extensions import db
from taskapi.listing import Flag, Listing
from taskapi.models import event
from taskapi.models.user import User
from taskapi.statement import Statement

GRACE_SECONDS = 60  # how long the previous token is accepted
KEPT_DAYS = 30  # how long ended sessions are kept, for their addresses
_SHAPE = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.([\w-]+)", re.ASCII)


class Session(db.Model):
    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[str] = mapped_column(Timestamp, default=now)
    last_used_at: Mapped[str] = mapped_column(Timestamp, default=now)
    rotated_at: Mapped[str] = mapped_column(Timestamp, default=now)
    expires_at: Mapped[str] = mapped_column(Timestamp)
    ended_at: Mapped[str | None] = mapped_column(Timestamp)
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        Index("ix_sessions_user_id_address", "user_id", "address"),
        Index("ix_sessions_expires_at", "expires_at"),
        {"sqlite_autoincrement": True},
    )

    @classmethod
    def start(cls, user: User, agent: str) -> "Session | None":
        """Create a session; None if the user was changed since the password was checked."""
        unchanged = select(User.id).where(
            User.id == user.id, User.password_hash == user.password_hash, User.is_active
        )
        with transaction():
            if db.session.scalar(unchanged.with_for_update(key_share=True)) is None:
                return None
            session = cls(
                user_id=user.id,
                expires_at=from_now(days=settings().refresh_token_expire_days),
                address=event.origin.get().address or "",
                agent=agent[:200],
            )
            db.session.add(session)
            db.session.flush()
            event.record("session.started", user_id=user.id, actor_id=user.id)
        return session

    @property
    def refresh_token(self) -> str:
        claim = f"{self.id}.{self.generation}"
        return f"{claim}.{_signer().get_signature(self._signed(claim)).decode()}"

    @classmethod
    def refresh(cls, token: str) -> "Session":
        """Rotate the refresh token; reuse of an old one ends the session."""
        with transaction():
            session, generation = cls.of_token(token)
            if session.ended_at or session.expires_at <= now():
                raise Unauthorized("This session has ended.", code="TOKEN_REVOKED")
            if generation == session.generation:
                session.generation += 1
                session.rotated_at = session.last_used_at = now()
                session.expires_at = from_now(days=settings().refresh_token_expire_days)
                return session
            is_predecessor = generation == session.generation - 1
            if is_predecessor and session.rotated_at > ago(seconds=GRACE_SECONDS):
                return session  # a second tab or a lost response: the same new token
            end_session(session.user_id, session.id)
            event.record("session.stolen", user_id=session.user_id)
        raise Unauthorized(
            "Refresh token was already used. The session was ended.", code="TOKEN_REVOKED"
        )

    @classmethod
    def of_token(cls, token: str) -> tuple["Session", int]:
        """Return the locked session of a validly signed token, even an old one, and its generation.

        Raise Unauthorized for another token.
        """
        found = _SHAPE.fullmatch(token)
        session = found and db.session.get(cls, int(found[1]), with_for_update=True)
        claim, _, signature = token.rpartition(".")
        if found and session and _signer().verify_signature(session._signed(claim), signature):
            return session, int(found[2])
        raise Unauthorized("Invalid refresh token.", code="INVALID_TOKEN")

    def _signed(self, claim: str) -> str:
        # Includes the creation time, so that a token is invalid in a new database with equal ids.
        return f"{claim}.{self.user_id}.{self.created_at}"


_is_live = Session.ended_at.is_(None) & (Session.expires_at > bindparam("now"))
LISTING = Listing(
    columns=Session.__table__.c, filters={"user_id": Session.user_id, "is_live": Flag(_is_live)}
)
# The session and its user in one query.
WITH_USER = Statement(
    select(
        *(User.id, User.role, User.is_active),
        *(Session.ended_at, Session.expires_at, Session.last_used_at),
    )
    .join(User, User.id == Session.user_id)
    .where(Session.id == bindparam("session_id"), Session.user_id == bindparam("user_id"))
)


def touch(session_id: int) -> None:
    """Update last_used_at, unless the row is locked: then another request updates it."""
    free = select(Session.id).where(Session.id == session_id).with_for_update(skip_locked=True)
    change = update(Session.__table__).where(Session.id.in_(free)).values(last_used_at=now())
    with transaction():
        db.session.execute(change)


def end_session(user_id: int, session_id: int, *, is_required: bool = True) -> None:
    """End a session of the user, or raise NotFound."""
    with transaction():
        if _end(Session.id == session_id, Session.user_id == user_id):
            event.record("session.ended", user_id=user_id)
        elif is_required:
            raise NotFound("Session not found.")


def end_all_sessions(user_id: int, *, except_id: int | None = None) -> None:
    with transaction():
        if _end(Session.user_id == user_id, Session.id != (except_id or 0)):
            event.record("session.all_ended", user_id=user_id)


def network_of(address: str) -> str:
    """Return the address, of IPv6 its /64, which usually belongs to one client."""
    return str(ip_network((address, 64), strict=False)) if ":" in address else address


def has_signed_in_from(user_id: int, address: str) -> bool:
    query = select(Session.address).where(
        Session.user_id == user_id, Session.created_at > ago(days=KEPT_DAYS)
    )
    return network_of(address) in map(network_of, db.session.scalars(query.distinct()))


def purge() -> int:
    before = ago(days=KEPT_DAYS)
    is_over = or_(Session.expires_at < before, Session.ended_at < before)
    with transaction():
        return affected_rows(delete(Session).where(Session.created_at < before, is_over))


def _end(*conditions: Any) -> bool:
    live = (Session.ended_at.is_(None), Session.expires_at > now())
    change = update(Session).where(*conditions, *live).values(ended_at=now())
    return bool(affected_rows(change))


def _signer() -> Signer:
    """Sign with the first key of SECRET_KEY, and accept all of them."""
    keys = settings().secret_keys[::-1]  # itsdangerous expects the newest key last
    return Signer(list(keys), salt="taskapi.refresh", digest_method=hashlib.sha256)
