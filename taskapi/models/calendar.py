"""The secret address of a user's calendar feed, stored as a digest."""

import secrets

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Timestamp, affected_rows, now, transaction, upsert
from taskapi.errors import NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.token import digest
from taskapi.models.user import User


class Calendar(db.Model):
    __tablename__ = "calendars"

    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[str] = mapped_column(Timestamp)


def create_calendar(user_id: int) -> str:
    """Create a secret token, which replaces the previous one."""
    token = secrets.token_urlsafe(32)
    with transaction():
        upsert(Calendar, user_id=user_id, token_hash=digest(token), created_at=now())
        event.record("calendar.created", user_id=user_id)
    return token


def delete_calendar(user_id: int, *, is_required: bool = True) -> None:
    mine = delete(Calendar).where(Calendar.user_id == user_id)
    with transaction():
        if affected_rows(mine):
            event.record("calendar.deleted", user_id=user_id)
        elif is_required:
            raise NotFound("Calendar not found.")


def calendar_owner(token: str) -> User:
    """Return the active user with this calendar, or raise NotFound."""
    query = select(User).join(Calendar, Calendar.user_id == User.id)
    owner = db.session.scalar(query.where(Calendar.token_hash == digest(token), User.is_active))
    if owner is None:
        raise NotFound
    return owner
