"""Models. Importing this package registers every table."""

from taskapi.models import (
    calendar,
    comment,
    delivery,
    event,
    idempotency,
    job,
    project,
    session,
    task,
    throttle,
    token,
    user,
    webhook,
)

__all__ = [
    "calendar",
    "comment",
    "delivery",
    "event",
    "idempotency",
    "job",
    "project",
    "session",
    "task",
    "throttle",
    "token",
    "user",
    "webhook",
]
