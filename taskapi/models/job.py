"""Jobs: what a user asked for that takes longer than a request may."""

from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    bindparam,
    delete,
    func,
    insert,
    null,
    select,
    text,
    update,
)

from taskapi.database import Id, Moment, Query, Row, transaction
from taskapi.errors import ApiError, NotFound
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.page import Filter, Listing
from taskapi.models.work import bell, lease_columns
from taskapi.moments import ago, from_now, now

STATUSES = ("queued", "running", "done", "failed")
IMPORT = "tasks.import"
KINDS = (IMPORT,)
GAPS = (5, 30, 120, 600)  # seconds between attempts at a job that fails for no fault of its own
KEPT_DAYS = 90

jobs = db.Table(
    "jobs",
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(7), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("result", Text),  # JSON
    Column("error", Text),  # JSON: code, message, details
    Column("attempts", Integer, nullable=False),
    Column("run_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("address", String(45)),
    Column("request_id", String(128)),
    *lease_columns(),
    Index("ix_jobs_user", "user_id", "id"),
    Index(
        "ix_jobs_waiting",
        "run_at",
        postgresql_where=text("finished_at IS NULL"),
        sqlite_where=text("finished_at IS NULL"),
    ),
    Index("ix_jobs_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)
# In the database, because web and worker share no disk.
uploads = db.Table(
    "job_uploads",
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("format", String(4), nullable=False),
    Column("body", Text, nullable=False),
)

moment_now: Any = bindparam("now", type_=Moment)
_by_id = jobs.c.id == bindparam("id")
_held = _by_id & (jobs.c.leased_by == bindparam("worker"))

INSERT = Query(
    insert(jobs)
    .values(
        user_id=bindparam("user_id"),
        kind=bindparam("kind"),
        status=bindparam("status"),
        done=0,
        attempts=0,
        run_at=bindparam("created_at"),
        created_at=bindparam("created_at"),
        address=bindparam("address"),
        request_id=bindparam("request_id"),
        leased_by=bindparam("leased_by"),
        leased_until=bindparam("leased_until"),
    )
    .returning(jobs)
)
UPLOAD = Query(insert(uploads).values({c.name: bindparam(c.name) for c in uploads.c}))
UPLOADED = Query(select(uploads).where(uploads.c.job_id == bindparam("job_id")))
FIND = Query(select(jobs).where(_by_id, jobs.c.user_id == bindparam("user_id")))
START = Query(
    update(jobs)
    .where(_held)
    .values(status="running", attempts=jobs.c.attempts + 1, total=bindparam("total"))
)
PROGRESS = Query(
    update(jobs).where(_held).values(done=bindparam("done"), leased_until=bindparam("until"))
)
FINISH = Query(
    update(jobs)
    .where(_held)
    .values(
        status=bindparam("status"),
        result=bindparam("result"),
        error=bindparam("error"),
        finished_at=bindparam("now"),
        done=bindparam("done"),
        leased_by=null(),
        leased_until=null(),
    )
)
RETRY = Query(
    update(jobs)
    .where(_held)
    .values(
        status="queued",
        run_at=bindparam("run_at"),
        leased_by=null(),
        leased_until=null(),
    )
)
FORGET_UPLOAD = Query(delete(uploads).where(uploads.c.job_id == bindparam("job_id")))
PURGE = Query(delete(jobs).where(jobs.c.finished_at < bindparam("before", type_=Moment)))
LISTING = Listing(
    columns=tuple(jobs.c),
    filters={
        "user_id": Filter(lambda value: jobs.c.user_id == value),
        "status": Filter(lambda value: jobs.c.status == value),
    },
    sorts={},
)
WAITING = Query(
    select(func.count(), func.min(jobs.c.run_at)).where(
        jobs.c.finished_at.is_(None), jobs.c.run_at <= bindparam("now", type_=Moment)
    )
)


class LostLease(Exception):
    """Somebody else took the job over, because we were silent for too long."""


def job_json(job: Row) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "progress": {"done": job.done, "total": job.total},
        "result": None if job.result is None else orjson.loads(job.result),
        "error": None if job.error is None else orjson.loads(job.error),
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }


def job_of(user_id: int, job_id: int) -> Row:
    """The user's own job, or NotFound."""
    job = FIND.first(id=job_id, user_id=user_id)
    if job is None:
        raise NotFound("There is no such job.")
    return job


def enqueue_import(user_id: int, kind_of_file: str, body: str) -> Row:
    """Import a file as soon as a worker has time."""
    with transaction():
        job = _insert(user_id, "queued", None, None)
        UPLOAD.run(job_id=job.id, format=kind_of_file, body=body)
        bell.ring_after_commit()
    return job


def begin_import(user_id: int, worker: str, lease_seconds: float) -> Row:
    """An import that its caller does by itself, under a lease like a worker's."""
    return _insert(user_id, "running", worker, from_now(seconds=lease_seconds))


def _insert(user_id: int, status: str, worker: str | None, until: str | None) -> Row:
    source = event.origin.get()
    job = INSERT.first(
        user_id=user_id,
        kind=IMPORT,
        status=status,
        created_at=now(),
        address=source.address,
        request_id=source.request_id,
        leased_by=worker,
        leased_until=until,
    )
    assert job is not None
    return job


def start(job: Row, total: int) -> None:
    _must_be_held(START.run(id=job.id, worker=job.leased_by, total=total))


def note_progress(job: Row, done: int, lease_seconds: float) -> None:
    """How far it is; LostLease ends the transaction when it is no longer ours to do."""
    until = from_now(seconds=lease_seconds)
    _must_be_held(PROGRESS.run(id=job.id, worker=job.leased_by, done=done, until=until))


def finish(job: Row, result: dict[str, Any], done: int) -> None:
    _finish(job, "done", orjson.dumps(result).decode(), None, done)


def fail(job: Row, error: ApiError) -> None:
    reason: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        reason["details"] = dict(error.details)
    _finish(job, "failed", None, orjson.dumps(reason).decode(), 0)


def try_again(job: Row) -> bool:
    """Put it back for later; False when it was tried often enough."""
    if job.attempts >= len(GAPS):
        return False
    run_at = from_now(seconds=GAPS[job.attempts])
    RETRY.run(id=job.id, worker=job.leased_by, run_at=run_at)
    return True


def hand_back(job: Row) -> None:
    """Let another worker go on with it at once."""
    RETRY.run(id=job.id, worker=job.leased_by, run_at=now())


def purge() -> int:
    return PURGE.run(before=ago(days=KEPT_DAYS))


def _finish(job: Row, status: str, result: str | None, error: str | None, done: int) -> None:
    with transaction():
        _must_be_held(
            FINISH.run(
                id=job.id,
                worker=job.leased_by,
                status=status,
                result=result,
                error=error,
                now=now(),
                done=done,
            )
        )
        FORGET_UPLOAD.run(job_id=job.id)


def _must_be_held(rows: int) -> None:
    if not rows:
        raise LostLease
