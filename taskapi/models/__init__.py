"""The tables and their rules. Importing this package registers every table."""

from taskapi.models import (
    calendar,
    event,
    idempotency,
    job,
    session,
    task,
    throttle,
    token,
    user,
    webhook,
    worker,
)

__all__ = [
    "calendar",
    "event",
    "idempotency",
    "job",
    "session",
    "task",
    "throttle",
    "token",
    "user",
    "webhook",
    "worker",
]
