"""Deletion of expired rows."""

from collections.abc import Callable

from taskapi.models import (
    delivery,
    event,
    idempotency,
    job,
    session,
    task,
    throttle,
    token,
    webhook,
)

PURGES: dict[str, Callable[[], int]] = {
    "tasks in the trash": task.purge,
    "sessions": session.purge,
    "tokens": token.purge,
    "failed logins": throttle.purge,
    "stored responses": idempotency.delete_expired,
    "deliveries": delivery.purge,
    "jobs": job.purge,
    "events": event.purge,
    "webhook secrets": webhook.maintain_secrets,
}


def purge_all(report: Callable[[str], None]) -> None:
    for what, purge in PURGES.items():
        count = purge()
        if count:
            report(f"purged {what}: {count}")
