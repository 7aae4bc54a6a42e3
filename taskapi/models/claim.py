"""Claims: a worker claims a job or webhook for some seconds, so that no other worker takes it."""

from typing import Any

from sqlalchemy import String, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Timestamp, from_now, now, transaction
from taskapi.extensions import db

CLAIM_SECONDS = 30  # if a worker dies, another one takes over after this time


class Claimable:
    """Columns and methods of rows that workers can claim."""

    claimed_at: Mapped[str | None] = mapped_column(Timestamp)
    claimed_by: Mapped[str | None] = mapped_column(String(40))
    claimed_until: Mapped[str | None] = mapped_column(Timestamp)

    def hold(self, worker: str) -> None:
        """Claim the row or extend the claim."""
        self.claimed_by, self.claimed_until = worker, from_now(seconds=CLAIM_SECONDS)

    def release(self) -> None:
        self.claimed_by = self.claimed_until = None


def claim_first(
    model: type[Any], worker: str, *, where: list[Any], order_by: list[Any]
) -> int | None:
    """Claim the first free row and return its id, or None if there is none."""
    is_free = or_(model.claimed_until.is_(None), model.claimed_until < now())
    free = select(model).where(is_free, *where).order_by(*order_by).limit(1)
    if db.session.scalar(free.with_only_columns(model.id)) is None:
        return None  # reading needs no lock
    with transaction():
        # Skips locked rows: a large import is written even after its claim has expired.
        found = db.session.scalar(free.with_for_update(skip_locked=True))
        if found is None:
            return None
        found.claimed_at = now()
        found.hold(worker)
        row_id: int = found.id
    return row_id
