"""Imports of any size: rows are checked and put by in batches, then become tasks all at once.

A worker that dies leaves batches behind; the next one goes on after the last of them. Nobody sees
a task before all of them are there.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from flask import Flask

from taskapi.database import Row, transaction
from taskapi.errors import ApiError, Unavailable
from taskapi.jobs.queue import LEASE_SECONDS, Queue
from taskapi.models import imports, job
from taskapi.models.imports import BATCH
from taskapi.models.job import LostLease
from taskapi.schemas.files import checked_rows, rows_of

log = logging.getLogger("taskapi.jobs")

Rows = Callable[[], Iterable[Any]]  # the file's rows from its beginning

QUEUE = Queue(
    job.jobs,
    lambda each: each.c.finished_at.is_(None) & (each.c.run_at <= job.moment_now),
    lambda each: (each.c.run_at, each.c.id),
)


class Stopped(Exception):
    """The worker is to end before the job does."""


class Failed(ApiError):
    code = "INTERNAL_ERROR"


class Interrupted(Failed):
    def __init__(self) -> None:
        super().__init__("The import was interrupted.")


def run(app: Flask, found: Row, must_stop: Callable[[], bool]) -> None:
    """Do the job that was claimed: to its end, or back into the queue."""
    with app.app_context():
        upload = job.UPLOADED.first(job_id=found.id)
    try:
        if upload is None:  # whoever was reading a file of their own is gone, and so is the file
            raise Interrupted
        text = upload.body
        bring_in(app, found, lambda: rows_of(upload.format, text), lambda _: None, must_stop)
    except LostLease:
        log.warning("job %s was taken over by another worker", found.id)
    except Stopped:
        with app.app_context():
            job.hand_back(found)
    except ApiError as error:
        if not (isinstance(error, Unavailable) and _again(app, found)):
            _fail(app, found, error)
    except Exception:  # no fault of the file, so it may pass
        log.exception("job %s failed", found.id)
        if not _again(app, found):
            _fail(app, found, Failed("Something went wrong here; it was tried several times."))


def run_here(app: Flask, user_id: int, rows: Rows, tell: Callable[[int], None]) -> int:
    """Do an import oneself, as a job that no worker takes while this process lives."""
    with app.app_context():
        found = job.begin_import(user_id, f"command-{secrets.token_hex(8)}", LEASE_SECONDS)
    with QUEUE.held(app, found.leased_by):
        try:
            return bring_in(app, found, rows, tell)
        except LostLease:
            raise  # whoever took it over has put an end to it
        except BaseException as error:  # Ctrl-C, too, leaves nothing behind
            _fail(app, found, error if isinstance(error, ApiError) else Interrupted())
            raise


def bring_in(
    app: Flask,
    found: Row,
    rows: Rows,
    tell: Callable[[int], None],
    must_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Check all rows, put them by, make them tasks; how many. What fails leaves nothing behind."""
    total = sum(1 for _ in rows())
    with app.app_context():
        job.start(found, total)
        number = imports.COUNT.value(job_id=found.id)
    done = number * BATCH
    checked = checked_rows(islice(rows(), done, None), start=done + 1)
    for batch in _batches(checked):
        if must_stop():
            raise Stopped
        done += len(batch)
        with app.app_context(), transaction():
            job.note_progress(found, done, LEASE_SECONDS)
            imports.put_by(found, number, batch)
        number += 1
        tell(done)
    with app.app_context():
        imports.publish(found, total)
    return total


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _again(app: Flask, found: Row) -> bool:
    with app.app_context():
        return job.try_again(found)


def _fail(app: Flask, found: Row, error: ApiError) -> None:
    try:
        with app.app_context(), transaction():
            job.fail(found, error)
            imports.undo(found)
    except LostLease:
        log.warning("job %s was taken over by another worker", found.id)
