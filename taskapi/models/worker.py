"""Workers' signs of life, and how much waits for them."""

from typing import Any

from sqlalchemy import Column, String, bindparam, delete, func, insert, select, update

from taskapi.database import Moment, Query
from taskapi.extensions import db
from taskapi.models.delivery import WAITING as DELIVERIES_WAITING
from taskapi.models.job import WAITING as JOBS_WAITING
from taskapi.moments import ago, now, seconds_since

FORGOTTEN_DAYS = 7

workers = db.Table(
    "workers",
    Column("name", String(40), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

_by_name = workers.c.name == bindparam("worker")

INSERT = Query(
    insert(workers).values(
        name=bindparam("worker"), started_at=bindparam("now"), seen_at=bindparam("now")
    )
)
TOUCH = Query(update(workers).where(_by_name).values(seen_at=bindparam("now")))
LAST_SEEN = Query(select(func.max(workers.c.seen_at)))
PURGE = Query(delete(workers).where(workers.c.seen_at < bindparam("before", type_=Moment)))


def sign_of_life(worker: str) -> None:
    moment = now()
    if not TOUCH.run(worker=worker, now=moment):
        INSERT.run(worker=worker, now=moment)


def queue_state() -> dict[str, Any]:
    """How many deliveries and jobs wait, since when the oldest, and when a worker was last seen."""
    moment = now()
    waiting = [query.all(now=moment)[0] for query in (DELIVERIES_WAITING, JOBS_WAITING)]
    oldest = min((since for _, since in waiting if since is not None), default=None)
    seen = LAST_SEEN.value()
    return {
        "depth": sum(count for count, _ in waiting),
        "oldest_seconds": None if oldest is None else round(seconds_since(oldest), 1),
        "worker_seen_seconds": None if seen is None else round(seconds_since(seen), 1),
    }


def purge() -> int:
    return PURGE.run(before=ago(days=FORGOTTEN_DAYS))
