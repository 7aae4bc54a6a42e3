"""`flask worker`: run background work in a separate process."""

import os
import signal
from types import FrameType

import click
from flask.cli import ScriptInfo, pass_script_info

from taskapi.worker.loop import Worker

NICENESS = 19  # requests come first on a shared machine


@click.command("worker")
@pass_script_info
def worker(info: ScriptInfo) -> None:
    """Deliver webhooks and run imports, as a separate process."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    working = Worker(info.load_app(), "process")

    def end(_: int, __: FrameType | None) -> None:
        working.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    working.run()
