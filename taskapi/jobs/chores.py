"""What is to be done now and then: everything that has expired is deleted."""

import logging
from collections.abc import Callable

from flask import Flask

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
    worker,
)

log = logging.getLogger("taskapi.worker")

PURGES: dict[str, Callable[[], int]] = {
    "tasks in the trash": task.purge,
    "sessions": session.purge,
    "tokens": token.purge,
    "failed logins": throttle.purge,
    "kept answers": idempotency.purge,
    "deliveries": delivery.purge,
    "jobs": job.purge,
    "events": event.purge,
    "workers": worker.purge,
    "webhooks' secrets": webhook.keep_secrets,
}


def run(app: Flask) -> None:
    for what, empty in PURGES.items():
        with app.app_context():
            count = empty()
        if count:
            log.info("purged %s: %s", what, count)
