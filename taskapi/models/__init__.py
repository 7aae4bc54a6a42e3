"""Models. Importing this package registers every table."""

from taskapi.models import (
    calendar,
    delivery,
    event,
    idempotency,
    job,
    session,
    task,
    throttle,
    token,
    user,
    webhook,
)

__all__ = [
    "calendar",
    "delivery",
    "event",
    "idempotency",
    "job",
    "session",
    "task",
    "throttle",
    "token",
    "user",
    "webhook",
]
