"""gunicorn configuration for development and production."""

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from sqlalchemy.exc import DBAPIError

from taskapi.config import ConfigError, Settings
from taskapi.metrics import make_shared_folder, mark_worker_dead, remove_shared_folder
from taskapi.revision import missing_migrations
from taskapi.worker.loop import EmbeddedWorker

# As the flask command does; the environment takes precedence.
if os.environ.get("FLASK_SKIP_DOTENV", "").lower() in ("", "0", "false", "no"):
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
reuse_port = True  # otherwise one of two workers often gets no connection
preload_app = True
timeout = 20
graceful_timeout = 20
keepalive = 95  # longer than Heroku's router keeps connections open (90 s)
limit_request_line = 8190
# A heartbeat file on a slow disk can block a worker.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Its socket in the home directory would be shared with a second instance.
control_socket_disable = True
# Only TRUSTED_PROXIES decides which headers set the client's address and scheme.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
proc_name = "taskapi"

embedded: EmbeddedWorker | None = None

# With a worker for each core, each keeps to its own (on Linux): the threads of a worker share the
# interpreter lock, and handing it from core to core costs up to a third of the requests.
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
free_cores = cores if workers >= len(cores) else []
core_of: dict[Any, int] = {}

if settings.metrics_token:
    make_shared_folder(worker_tmp_dir)  # before the application is loaded


def on_starting(server: Any) -> None:
    try:
        missing = missing_migrations(settings)
    except DBAPIError as error:
        server.log.warning(
            "Cannot connect to the database (%s). Migrations were not checked. Requests get 503 "
            "until it is available.",
            type(error.orig).__name__,
        )
    else:
        if missing:
            sys.exit(f"Cannot start: {missing}")


def when_ready(server: Any) -> None:
    gc.freeze()  # keeps the collector from writing to memory shared by the workers


def pre_fork(server: Any, worker: Any) -> None:
    if free_cores:
        core_of[worker] = free_cores.pop()


def post_worker_init(worker: Any) -> None:
    global embedded
    if worker in core_of:
        os.sched_setaffinity(0, {core_of[worker]})
    # Ctrl-C also reaches the master, which stops the workers. gthread can deadlock if it is
    # stopped twice at the same moment.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings.worker == "embedded":
        from wsgi import app  # already loaded by the master

        embedded = EmbeddedWorker(app)


def worker_exit(server: Any, worker: Any) -> None:
    if embedded is not None:
        embedded.stop()


def child_exit(server: Any, worker: Any) -> None:
    if worker in core_of:
        free_cores.append(core_of.pop(worker))
    if settings.metrics_token:
        mark_worker_dead(worker.pid)


def on_exit(server: Any) -> None:
    if settings.metrics_token:
        remove_shared_folder()
