"""The workers' heartbeats, and how much waits for them."""

from typing import Any

from sqlalchemy import String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from taskapi.db import Timestamp, affected_rows, ago, now, seconds_since, transaction
from taskapi.extensions import db
from taskapi.models.delivery import Delivery
from taskapi.models.event import Event
from taskapi.models.job import Job

KEPT_DAYS = 7


class WorkerHeartbeat(db.Model):
    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    started_at: Mapped[str] = mapped_column(Timestamp)
    seen_at: Mapped[str] = mapped_column(Timestamp)


def heartbeat(name: str) -> None:
    moment = now()
    with transaction():
        known = db.session.get(WorkerHeartbeat, name)
        if known is None:
            db.session.add(WorkerHeartbeat(name=name, started_at=moment, seen_at=moment))
        else:
            known.seen_at = moment


def queue_state() -> dict[str, Any]:
    """How much is due, since when the oldest, and when a worker was last seen."""
    moment = now()
    due = [
        select(func.count(), func.min(Event.at)).where(Event.is_undelivered),
        select(func.count(), func.min(Delivery.next_attempt_at)).where(
            Delivery.next_attempt_at <= moment
        ),
        select(func.count(), func.min(Job.run_at)).where(
            Job.finished_at.is_(None), Job.run_at <= moment
        ),
    ]
    waiting = [db.session.execute(query).one() for query in due]
    oldest = min((since for _, since in waiting if since is not None), default=None)
    seen = db.session.scalar(select(func.max(WorkerHeartbeat.seen_at)))
    return {
        "depth": sum(count for count, _ in waiting),
        "oldest_seconds": None if oldest is None else round(seconds_since(oldest), 1),
        "worker_seen_seconds": None if seen is None else round(seconds_since(seen), 1),
    }


def purge() -> int:
    forgotten = delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < ago(days=KEPT_DAYS))
    with transaction():
        return affected_rows(forgotten)
