"""Models. Importing this package registers every table."""

from taskapi.models import (  # noqa: F401
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
