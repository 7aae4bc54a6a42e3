"""How gunicorn serves the application, in development and in production alike."""

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from flask.helpers import get_load_dotenv
from sqlalchemy.exc import DBAPIError

from taskapi.config import ConfigError, Settings
from taskapi.metrics import make_shared_folder, mark_worker_dead, remove_shared_folder
from taskapi.revision import is_behind, revision_of, what_is_missing
from taskapi.worker.loop import EmbeddedWorker

# As the flask command does it; the environment takes precedence.
if get_load_dotenv():
    load_dotenv(Path(__file__).with_name(".env"))

try:
    settings = Settings.from_env(os.environ)
except ConfigError as error:
    sys.exit(f"Cannot start: {error}")

host = f"[{settings.host}]" if ":" in settings.host else settings.host

wsgi_app = "wsgi:app"
bind = f"{host}:{settings.port}"
worker_class = "gthread"
workers = settings.web_concurrency
threads = settings.web_threads
reuse_port = True  # without it one of two workers often gets no connection
preload_app = True
timeout = 20
graceful_timeout = 20
keepalive = 95  # longer than the 90 s of a platform's router, which must not find it closed
limit_request_line = 8190
# A heartbeat file on a disk can block a worker for as long as that disk is slow.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Its socket would lie in the home directory, where a second instance takes it over.
control_socket_disable = True
# TRUSTED_PROXIES alone decides whose word counts about the client's address and scheme.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
proc_name = "taskapi"

embedded: EmbeddedWorker | None = None

if settings.metrics_token:
    make_shared_folder(worker_tmp_dir)  # before the application is loaded


def on_starting(server: Any) -> None:
    try:
        revision = revision_of(settings)
    except DBAPIError as error:
        server.log.warning(
            "The database cannot be reached, so its migrations were not checked. Requests are "
            "answered with 503 until it can be (%s).",
            type(error.orig).__name__,
        )
    else:
        if is_behind(revision):
            sys.exit(f"Cannot start: {what_is_missing(revision)}")


def when_ready(server: Any) -> None:
    gc.freeze()  # the collector would write to the memory that the workers share


def post_worker_init(worker: Any) -> None:
    global embedded
    # Ctrl-C goes to the master as well, which then stops the workers: gthread may deadlock when
    # it is stopped twice at the same moment.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings.worker == "embedded":
        from wsgi import app  # already loaded, by the master

        embedded = EmbeddedWorker(app)


def worker_exit(server: Any, worker: Any) -> None:
    if embedded is not None:
        embedded.stop()


def child_exit(server: Any, worker: Any) -> None:
    if settings.metrics_token:
        mark_worker_dead(worker.pid)


def on_exit(server: Any) -> None:
    if settings.metrics_token:
        remove_shared_folder()
