"""Claims: a worker claims a job or a webhook for some seconds, so that no other one takes it."""

from typing import Any

from sqlalchemy import String, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Timestamp, from_now, now, transaction
from taskapi.extensions import db

CLAIM_SECONDS = 30  # if a worker dies, another one takes over after that time


class Claimable:
    """The columns of a row that can be claimed."""

    claimed_at: Mapped[str | None] = mapped_column(Timestamp)
    claimed_by: Mapped[str | None] = mapped_column(String(40))
    claimed_until: Mapped[str | None] = mapped_column(Timestamp)

    def hold(self, worker: str) -> None:
        """Claim it, or keep it claimed."""
        self.claimed_by, self.claimed_until = worker, from_now(seconds=CLAIM_SECONDS)

    def release(self) -> None:
        self.claimed_by = self.claimed_until = None


def claim_first(
    model: type[Any], worker: str, *, where: list[Any], order_by: list[Any]
) -> int | None:
    """Claim the first free row; its id, or None if there is none."""
    is_free = or_(model.claimed_until.is_(None), model.claimed_until < now())
    free = select(model).where(is_free, *where).order_by(*order_by).limit(1)
    if db.session.scalar(free.with_only_columns(model.id)) is None:
        return None  # looking needs no lock
    with transaction():
        # A locked row is in use, even if its claim has lapsed: a large import is being written.
        found = db.session.scalar(free.with_for_update(skip_locked=True))
        if found is None:
            return None
        found.claimed_at = now()
        found.hold(worker)
        row_id: int = found.id
    return row_id
