"""Imports of any size: rows are validated in batches, then inserted in one transaction.

After a crash the job starts again from its first row.
"""

import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Any

import orjson

from taskapi.db import allow_seconds, as_unavailable, now, transaction
from taskapi.errors import ApiError, Conflict, Unavailable
from taskapi.extensions import db
from taskapi.models import event
from taskapi.models.claim import claim_first
from taskapi.models.job import GAPS, Job, JobUpload, LostClaim
from taskapi.models.project import Owner, Project
from taskapi.models.task import Task, inbox_of
from taskapi.models.user import User
from taskapi.schemas.files import checked_rows, rows_of

BATCH = 500
WRITE_SECONDS = 600
STAGED_BYTES = 32 * 1024 * 1024  # of validated rows in memory; more are stored in a file

INTERRUPTED = "The import was interrupted."

log = logging.getLogger("taskapi.worker")

Rows = Callable[[], Iterable[Any]]  # the rows of the file, from the first one


class Stopped(Exception):
    """The worker has to stop before the job is done."""


class Failed(ApiError):
    code = "INTERNAL_ERROR"


def claim(worker: str) -> int | None:
    """Claim a due job and return its id, or None if there is none."""
    due = [Job.finished_at.is_(None), Job.run_at <= now()]
    return claim_first(Job, worker, where=due, order_by=[Job.run_at, Job.id])


def run_job(job_id: int, worker: str, must_stop: Callable[[], bool]) -> None:
    """Run a claimed job to its end, or return it to the queue."""
    upload = db.session.get(JobUpload, job_id)
    try:
        if upload is None:  # the job of a `flask tasks import` command that was killed
            raise Failed(INTERRUPTED)
        file_format, text = upload.format, upload.body
        import_rows(job_id, worker, lambda: rows_of(file_format, text), must_stop=must_stop)
    except Exception as error:  # whatever it was: the job is tried again, or fails
        _end(job_id, worker, error)


def run_here(user_id: int, rows: Rows, report: Callable[[int], None]) -> None:
    """Run an import in this process, as a claimed job."""
    worker = f"command-{secrets.token_hex(8)}"
    with transaction():
        job = Job.new_import(user_id, status="running")
        job.hold(worker)
        job_id = job.id  # the entity is unusable after the session is invalidated
    try:
        import_rows(job_id, worker, rows, report)
    except BaseException as error:  # also on Ctrl-C
        with suppress(LostClaim), transaction():  # unless another worker has ended it
            _held(job_id, worker).fail(
                error if isinstance(error, ApiError) else Failed(INTERRUPTED)
            )
        raise


def import_rows(
    job_id: int,
    worker: str,
    rows: Rows,
    report: Callable[[int], None] = lambda _: None,
    must_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Validate all rows, then create all tasks or none."""
    total = sum(1 for _ in rows())
    with transaction():
        _held(job_id, worker).start(total)
    done = 0
    with SpooledTemporaryFile(STAGED_BYTES) as staged:
        checked = checked_rows(rows())
        while batch := list(islice(checked, BATCH)):
            if must_stop():
                raise Stopped
            staged.write(orjson.dumps(batch) + b"\n")
            done += len(batch)
            with transaction():
                job = _held(job_id, worker)
                job.done = done
                job.hold(worker)
            report(done)
        staged.seek(0)
        _write(job_id, worker, staged)


def _write(job_id: int, worker: str, staged: Iterable[bytes]) -> None:
    """Create the tasks of all batches and finish the job."""
    with transaction():
        allow_seconds(WRITE_SECONDS)
        job = _held(job_id, worker)
        owner = db.session.get(User, job.user_id, with_for_update={"read": True, "key_share": True})
        if owner is None or not owner.is_active:
            raise Conflict("The user of this job is disabled.")
        origin = event.origin.set(event.Origin(job.user_id, job.address, job.request_id))
        try:
            project_id = job.project_id or inbox_of(owner.id)
            # The permissions may have changed since the upload.
            Project.visible_to(Owner(owner.id, owner.role == "admin")).require_editor(project_id)
            for batch in staged:
                Task.import_all(owner.id, project_id, orjson.loads(batch))
        finally:
            event.origin.reset(origin)
        job.finish({"created": job.total})


def _held(job_id: int, worker: str) -> Job:
    """Lock and return the job, or raise LostClaim if another worker has it."""
    job = db.session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None or job.claimed_by != worker or job.finished_at is not None:
        raise LostClaim
    return job


def _end(job_id: int, worker: str, error: Exception) -> None:
    """Return the job to the queue, or let it fail."""
    is_ours = not isinstance(error, ApiError) or isinstance(error, Unavailable)
    try:
        with transaction():
            job = _held(job_id, worker)
            if isinstance(error, Stopped):
                job.retry()
            elif is_ours and job.attempts < len(GAPS):
                log.warning("job %s failed and is retried", job_id, exc_info=error)
                job.retry(GAPS[job.attempts])
            elif isinstance(error, ApiError):
                job.fail(error)
            else:
                log.error("job %s failed", job_id, exc_info=error)
                job.fail(as_unavailable(error) or Failed("Internal error after several attempts."))
    except LostClaim:
        log.warning("job %s was taken over by another worker", job_id)
