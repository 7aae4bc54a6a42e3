"""Deletion of expired rows."""

import logging
from collections.abc import Callable

from taskapi import models

log = logging.getLogger("taskapi.worker")

PURGES: dict[str, Callable[[], int]] = {
    "tasks in the trash": models.task.purge,
    "sessions": models.session.purge,
    "tokens": models.token.purge,
    "failed logins": models.throttle.purge,
    "stored responses": models.idempotency.delete_expired,
    "deliveries": models.delivery.purge,
    "jobs": models.job.purge,
    "events": models.event.purge,
    "webhook secrets": models.webhook.maintain_secrets,
}


def purge_all() -> None:
    for what, purge in PURGES.items():
        if count := purge():
            log.info("purged %s: %s", what, count)
