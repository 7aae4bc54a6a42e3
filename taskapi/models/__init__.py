"""Models. Importing this package registers every table."""

from taskapi.models import (  # noqa: F401 - imported for their tables
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
