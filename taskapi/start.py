"""What gunicorn's master does around its workers: see the hooks in gunicorn.conf.py."""

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from taskapi.config import Settings
from taskapi.models.schema import is_behind, revision_of, what_is_missing

METRICS = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
PREFIX = "taskapi-metrics-"
_opened_by: set[int] = set()


def refuse_stale_database(settings: Settings, warn: Callable[[str], None]) -> None:
    """Exit with a sentence when migrations are missing; a database that is away may come back."""
    try:
        revision = revision_of(settings)
    except DBAPIError as error:
        warn(
            "The database cannot be reached, and whether its migrations are done is not known: "
            f"requests get 503 until it is there ({type(error.orig).__name__})."
        )
        return
    if is_behind(revision):
        sys.exit(f"Cannot start: {what_is_missing(revision)}")


def open_metrics_folder(parent: str | None) -> None:
    """Where the workers put their figures together; what killed masters left behind goes.

    Before the application is loaded, and once: gunicorn reads its configuration again on HUP.
    """
    if os.getpid() in _opened_by:
        return
    _opened_by.add(os.getpid())
    for old in Path(parent or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _is_in_use(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
    # The lock lives as long as this process or a worker of it does: process ids would mean
    # nothing across containers.
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    os.environ[METRICS] = folder
    atexit.register(_remove_own, folder, os.getpid())


def forget_worker(pid: int) -> None:
    """Drop what only holds while a process lives; what it has counted stays."""
    from prometheus_client import multiprocess  # only once METRICS is set, and only if it is

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no types


def _remove_own(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # and not a worker of it, which ends by the same way
        shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return True  # somebody else's, or gone
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False
