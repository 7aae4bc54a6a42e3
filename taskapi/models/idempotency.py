"""Responses stored under an Idempotency-Key."""

from sqlalchemy import ForeignKey, String, Text, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Id, Json, Timestamp, affected_rows, ago, now, transaction
from taskapi.extensions import db

KEPT_HOURS = 24


class StoredResponse(db.Model):
    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # method, path, query, key
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(Json)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(Timestamp, index=True)

    @classmethod
    def claim(cls, user_id: int, key_hash: str, body_hash: str) -> "StoredResponse":
        """Return the response stored under the key, or a new row with status 0."""
        delete_expired(user_id=user_id, key_hash=key_hash)
        new = insert(cls).values(user_id=user_id, key_hash=key_hash, body_hash=body_hash)
        new = new.values(status=0, headers={}, body="", created_at=now())
        # Waits for a concurrent request with the same key; inserts a row if that one fails.
        db.session.execute(new.on_conflict_do_nothing())
        return db.session.get_one(cls, (user_id, key_hash))


def delete_expired(**key: object) -> int:
    """Delete expired responses: all of them, or that of one key."""
    old = delete(StoredResponse).where(StoredResponse.created_at < ago(hours=KEPT_HOURS))
    with transaction():
        return affected_rows(old.filter_by(**key))
