"""A worker beside the test, in its process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from taskapi.jobs.worker import Worker

__all__ = ["Worker", "working"]


@contextmanager
def working(app: Flask) -> Iterator[Worker]:
    """A worker at work on the application's database."""
    worker = Worker(app, "test")
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()
