"""`flask worker`: run background work in a separate process."""

import os
import signal
import sys
import threading
from types import FrameType

import click
from flask import Flask
from flask.cli import ScriptInfo, pass_script_info

from taskapi.worker.loop import Worker
from taskapi.worker.queue import queue_state

NICENESS = 19  # requests come first on a shared machine


@click.command("worker")
@pass_script_info
def worker(info: ScriptInfo) -> None:
    """Deliver webhooks and run imports, as a separate process."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    app = info.load_app()
    working = Worker(app, "process")

    def end(_: int, __: FrameType | None) -> None:
        working.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if sys.stderr.isatty():
        threading.Thread(target=_show, args=(app, working), daemon=True).start()
    working.run()


def _show(app: Flask, working: Worker) -> None:
    """Show the progress in one line on the terminal."""
    stop = threading.Event()
    while not stop.wait(1):
        with app.app_context():
            waiting = queue_state()["depth"]
        click.echo(
            f"\r\x1b[K{working.counts['delivered']} delivered, "
            f"{working.counts['failed']} failed, {working.counts['jobs']} jobs, {waiting} waiting",
            nl=False,
            err=True,
        )
