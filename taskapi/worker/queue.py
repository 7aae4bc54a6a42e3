"""The state of the queue."""

from typing import Any

from sqlalchemy import func, select

from taskapi.db import now, seconds_since
from taskapi.extensions import db
from taskapi.models.delivery import Delivery
from taskapi.models.event import Event
from taskapi.models.job import Job
from taskapi.models.webhook import Webhook


def queue_state() -> dict[str, Any]:
    """Return how much is due, the age of the oldest, and how much is claimed."""
    moment = now()
    is_due = Job.finished_at.is_(None) & (Job.run_at <= moment)
    due = [
        select(func.count(), func.min(Event.at)).where(Event.is_undelivered),
        select(func.count(), func.min(Delivery.next_attempt_at)).where(
            Delivery.next_attempt_at <= moment
        ),
        select(func.count(), func.min(Job.run_at)).where(is_due),
    ]
    waiting = [db.session.execute(query).one() for query in due]
    oldest = min((since for _, since in waiting if since is not None), default=None)
    claimed = [
        select(func.count()).select_from(model).where(model.claimed_until > moment)
        for model in (Webhook, Job)
    ]
    return {
        "depth": sum(count for count, _ in waiting),
        "oldest_seconds": None if oldest is None else round(seconds_since(oldest), 1),
        "in_progress": sum(db.session.scalar(query) or 0 for query in claimed),
    }
