"""How gunicorn serves this, in development and in production alike."""

import gc
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from flask.helpers import get_load_dotenv

from taskapi import start
from taskapi.config import ConfigError, Settings

# As the flask command does it; what the environment already says comes first.
if get_load_dotenv():
    load_dotenv(Path(__file__).with_name(".env"))

try:
    settings = Settings.from_env(os.environ)
except ConfigError as error:
    sys.exit(f"Cannot start: {error}")

wsgi_app = "wsgi:app"
bind = (
    f"[{settings.host}]:{settings.port}"
    if ":" in settings.host
    else f"{settings.host}:{settings.port}"
)
preload_app = True  # what is loaded once is shared by the workers
worker_class = "taskapi.server.worker.Worker"  # gthread, hardened against slow clients
workers = settings.web_concurrency
threads = settings.web_threads

timeout = 20
graceful_timeout = 20
keepalive = 95  # longer than the 90 s of a platform's router, so that it never meets a closed door
limit_request_line = 8190
limit_request_field_size = 65536
limit_request_fields = 32768  # what counts is their size together: see the worker

# A heartbeat file on a real disk can block a worker for as long as that disk is slow.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# The socket would lie in the home directory, where a second instance takes it over.
control_socket_disable = True
# Whom to believe about the client's address and scheme is decided by TRUSTED_PROXIES alone.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
proc_name = "taskapi"

if settings.metrics_token:
    start.open_metrics_folder(worker_tmp_dir)  # before the application is loaded


def when_ready(server: Any) -> None:
    if settings.worker == "embedded" and server.app.app_uri == wsgi_app:
        importlib.import_module("taskapi.jobs.embedded")  # once, for all that may become it
    gc.collect()
    gc.freeze()  # the collector would write to what is shared, and so copy it


def on_starting(server: Any) -> None:
    if server.app.app_uri == wsgi_app:  # the benchmark serves another one with this file
        start.refuse_stale_database(settings, server.log.warning)


def post_fork(_: Any, __: Any) -> None:
    # Until it has handlers of its own, a worker has the master's, which would lose the signal.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def child_exit(_: Any, worker: Any) -> None:
    if settings.metrics_token:
        start.forget_worker(worker.pid)


# Nameless, and opened before the workers are: whoever locks it runs the embedded worker.
worker_turn = tempfile.TemporaryFile()  # noqa: SIM115


def post_worker_init(worker: Any) -> None:
    if settings.worker == "embedded" and worker.app.app_uri == wsgi_app:
        from taskapi.jobs.embedded import Embedded

        worker.embedded = Embedded(worker.wsgi, worker_turn, lambda: worker.alive)


def worker_exit(_: Any, worker: Any) -> None:
    if hasattr(worker, "embedded"):
        worker.embedded.stop()
