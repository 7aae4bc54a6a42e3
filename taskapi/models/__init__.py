"""What is stored, and the rules about it. Importing this names every table to the migrations."""

from taskapi.models import (
    calendar,
    delivery,
    event,
    idempotency,
    imports,
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
    "delivery",
    "event",
    "idempotency",
    "imports",
    "job",
    "session",
    "task",
    "throttle",
    "token",
    "user",
    "webhook",
    "worker",
]
